"""Load a pipeline into CellProfiler, with all its modules or not at all."""

import importlib
import sys
from pathlib import Path

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
            if isinstance(event.error, NotImplementedError):
                raise InputError(
                    f"the settings of the module {name} are too old: CellProfiler 4 cannot update them "
                    f"({event.error}). Open the pipeline in CellProfiler 2.2 or 3.1 and export it from there."
                )
            if is_known(name):
                raise InputError(
                    f"the settings of the module {name} cannot be read ({type(event.error).__name__}: "
                    f"{event.error}). Is the file cut off, or was it edited? Export the pipeline from "
                    "CellProfiler again."
                )
            raise InputError(
                f"the module {name} cannot be loaded: {event.error}. A module that is not CellProfiler's, "
                "or that this version lacks, does not run here. Name the folder of your own modules "
                "(cellprofiler.plugins in the config), remove it from the pipeline, or use a module of "
                "CellProfiler 4.2 in its place."
            )

    pipeline.add_listener(listen)
    pipeline.load(str(path))
    pipeline.remove_listener(listen)
    return pipeline


def is_known(name):
    """Return whether CellProfiler has a module of this name."""
    from cellprofiler_core.utilities.core.modules import instantiate_module

    try:
        instantiate_module(name)
    except Exception:
        return False
    return True


def use_plugins(folder, names):
    """Let CellProfiler find the modules in a user's folder, and check those that a pipeline needs.

    Parameters
    ----------
    folder : the folder of modules
    names : names of the pipeline's modules

    Raises
    ------
    InputError
        If a module of these names is in the folder and cannot be imported. CellProfiler's command line would
        leave it out, or take its own module of that name.
    """
    from cellprofiler_core import preferences
    from cellprofiler_core.utilities.core.modules import fill_modules, find_cpmodule

    folder = Path(folder).resolve()
    sys.path.insert(0, str(folder))
    for name in dict.fromkeys(names):
        file = folder / f"{name.lower()}.py"
        if not file.is_file():
            continue
        try:
            find_cpmodule(importlib.import_module(file.stem))()
        except Exception as error:
            raise InputError(
                f"The plugin {file} cannot be imported ({type(error).__name__}: {error}). Install what it "
                f"needs into CellProfiler's environment ({sys.prefix}), or set cellprofiler.environment to "
                "the `cellprofiler` command of an environment in which it works."
            ) from error
    preferences.set_plugin_directory(str(folder), globally=False)
    fill_modules()
