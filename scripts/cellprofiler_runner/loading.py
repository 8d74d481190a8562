"""Load a pipeline into CellProfiler, with all its modules or not at all."""

from lib.errors import InputError
from lib.pipeline_files import read_pipeline


def load(path):
    """Load the pipeline of a file.

    CellProfiler's command line skips a module that it cannot load, and continues with the rest.

    Raises
    ------
    InputError
        For a module that cannot be loaded, and for an attribute that is not a literal.
    """
    from cellprofiler_core.pipeline import LoadException, Pipeline

    read_pipeline(path)
    pipeline = Pipeline()

    def listen(_, event):
        if isinstance(event, LoadException):
            name = event.module_name or getattr(event.module, "module_name", "a module")
            raise InputError(
                f"the module {name} cannot be loaded: {event.error}. A module that is not CellProfiler's, "
                "or that this version lacks, does not run here. Take it out of the pipeline, or use a module "
                "of CellProfiler 4.2 in its place."
            )

    pipeline.add_listener(listen)
    pipeline.load(str(path))
    pipeline.remove_listener(listen)
    return pipeline
