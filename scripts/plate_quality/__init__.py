"""Parts of scripts/quality.py: measures, flags of sites, flags of regions."""
