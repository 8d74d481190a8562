"""Compiled parts of the accelerated CellProfiler modules beside this folder.

CellProfiler takes every `*.py` file of a plugins folder for a module, but does not search its
sub-folders: what the modules share is here. Python 3.8 and the packages of CellProfiler's own
environment plus numba; only `fetched_image` imports the rest of the workflow.
"""
