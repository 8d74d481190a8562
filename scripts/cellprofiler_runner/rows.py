"""Let LoadData store only the rows of a run."""

# These look at the other rows before the first site only to write a warning.
INDIFFERENT = {"ExportToSpreadsheet", "ExportToDatabase", "MeasureImageQuality"}


def limit_rows(pipeline, first, last):
    """Let the accelerated LoadData store rows `first` to `last` (ImageNumbers) of the image table.

    All rows are stored if a module looks at them before the first site, or groups them, or may do so.
    """
    from cellprofiler_core.module import Module

    loader, *others = pipeline.modules()
    if (
        hasattr(loader, "rows")
        and last is not None
        and not any(looks_at_all_rows(module, Module) for module in others)
    ):
        loader.rows = first, last


def looks_at_all_rows(module, base):
    """Return whether a module differs from the `base` of modules in what it does before the first site."""
    if type(module).get_groupings is not base.get_groupings:
        return True
    return type(module).prepare_run is not base.prepare_run and module.module_name not in INDIFFERENT
