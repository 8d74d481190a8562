"""Parts of scripts/pipelines.py, which writes the CellProfiler pipelines of an assay.

Each function appends modules to a pipeline in the making (`assembly.Assembly`); words like "Smoothing filter
size" are the names of CellProfiler's settings.
"""
