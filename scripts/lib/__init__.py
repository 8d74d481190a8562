"""What several of the workflow's scripts share; what one script alone uses lives in that script."""
