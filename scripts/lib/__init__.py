"""What several of the workflow's scripts share; a helper used by one script lives in that script."""
