"""Parts of scripts/pipelines.py, which writes the CellProfiler pipelines of an assay.

Each function appends modules to a pipeline under construction (`assembly.Assembly`); words like "Smoothing
filter size" are the names of CellProfiler's settings.
"""
