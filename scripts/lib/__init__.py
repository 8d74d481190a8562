"""Modules that several of the workflow's scripts share; code for a single script is in that script."""
