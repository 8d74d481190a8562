"""Parts of scripts/percent_replicating.py."""
