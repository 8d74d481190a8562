"""Parts of scripts/run_cellprofiler.py, which runs CellProfiler's own Pipeline over a chunk of sites.

It runs in CellProfiler's environment (Python 3.9, pyarrow beside it); nothing here imports the rest of
the workflow.
"""
