"""Parts of scripts/mean_average_precision.py."""
