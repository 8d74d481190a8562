"""Parts of scripts/quality.py, which judges a plate: measures, flags of sites, flags of regions."""
