"""Start CellProfiler with what a pipeline needs, and no more.

The command line imports every module there is, every plot library, and starts a Java virtual machine.
Here a module is imported when the pipeline names it, a package that is rarely used when it is used, and
Java is started by the first image that needs it. Nothing is left out: only later, or never.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import logging
import sys
from pathlib import Path

#: Imported by CellProfiler at its start, and used by few pipelines or none.
RARELY_USED = {"boto3", "inflect", "matplotlib.pyplot", "pkg_resources", "scipy.io", "scipy.signal"}
#: skimage.io's way to show images, for which it imports a plot library.
SHOWING = "skimage.io._plugins.matplotlib_plugin"


class OnUse(importlib.abc.MetaPathFinder):
    """Finds the packages of `RARELY_USED`; their code runs at the first use of anything in them."""

    def find_spec(self, name, path, target=None):
        """The package's specification with a loader that waits."""
        if name not in RARELY_USED:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            spec.loader = importlib.util.LazyLoader(spec.loader)
        return spec


class NothingToShow(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Stands for `SHOWING`: a job has no window."""

    def find_spec(self, name, path, target=None):
        """Its specification."""
        return importlib.machinery.ModuleSpec(name, self) if name == SHOWING else None

    def exec_module(self, module):
        """Give the module the functions that skimage.io looks for."""

        def imshow(*_, **__):
            raise RuntimeError("there is no window to show an image in")

        module.imshow = module.imread = module.imshow_collection = module._app_show = imshow


class ModulesOnDemand(dict):
    """CellProfiler's modules by name; one is imported when it is asked for.

    `plugins`: a folder whose modules replace the built-in ones of the same name, or None.
    """

    def __init__(self, plugins=None):
        super().__init__()
        self.plugins = plugins
        self.everything = False

    def __contains__(self, name):
        return super().__contains__(name) or self._load(name)

    def __missing__(self, name):
        if not self._load(name):
            raise KeyError(name)
        return self[name]

    def _load(self, name):
        """Import a module; whether there is one of this name."""
        stem = name.lower()
        plugin = self.plugins is not None and (Path(self.plugins) / f"{stem}.py").is_file()
        places = [(stem, None)] if plugin else []
        places += [(f"{package}.modules.{stem}", name) for package in ("cellprofiler_core", "cellprofiler")]
        for place, class_name in places:
            if class_name and importlib.util.find_spec(place) is None:
                continue
            try:
                found = module_class(importlib.import_module(place), class_name)
            except ImportError:
                # As the command line does: a plugin that lacks a package gives way to the built-in one.
                if class_name:
                    raise
                logging.warning("Could not load %s", place, exc_info=True)
                continue
            if found is not None and found.module_name == name:
                self[name] = found
                return True
        return self._load_everything() and super().__contains__(name)

    def _load_everything(self):
        """Import all modules, for one whose file has another name than it has itself."""
        if not self.everything:
            self.everything = True
            command_lines_import()
        return True


def module_class(imported, name=None):
    """CellProfiler's class in an imported module: `name`, or the one with the name of its file."""
    if name:
        return getattr(imported, name, None)
    stem = Path(imported.__file__).stem
    return next((value for key, value in vars(imported).items() if key.lower() == stem), None)


def command_lines_import():
    """CellProfiler's own import of all modules; `start` takes its place."""


def start(plugins, temporary, output, data_file):
    """Set CellProfiler up as its command line does (-c -r --plugins-directory -t -o --data-file)."""
    global command_lines_import
    sys.meta_path[:0] = [OnUse(), NothingToShow()]
    import numpy

    numpy.seterr(all="ignore")
    from cellprofiler_core import preferences

    preferences.set_awt_headless(True)
    preferences.set_headless()
    preferences.set_temporary_directory(str(temporary), globally=False)
    preferences.set_allow_schema_write(False)
    preferences.set_default_output_directory(str(output))
    preferences.set_data_file(str(data_file))
    if plugins is not None:
        preferences.set_plugin_directory(str(plugins), globally=False)
        sys.path.insert(0, str(plugins))
    from cellprofiler_core.constants import modules as names

    names.all_modules = ModulesOnDemand(plugins)
    from cellprofiler_core.utilities.core import modules

    command_lines_import = modules.fill_modules
    modules.fill_modules = lambda: None
    java_on_demand()


def java_on_demand():
    """Start Java when something asks for it for the first time."""
    import javabridge
    import javabridge.jutil

    get_env = javabridge.jutil.get_env
    attach = javabridge.jutil.attach

    def starting(function):
        def started(*arguments):
            for module in (javabridge, javabridge.jutil):
                module.get_env, module.attach = get_env, attach
            from cellprofiler_core.utilities.java import start_java

            logging.info("Starting Java")
            start_java()
            return function(*arguments)

        return started

    for module in (javabridge, javabridge.jutil):
        module.get_env, module.attach = starting(get_env), starting(attach)


def stop():
    """End what the command line ends: readers, Java and connections, where they were started."""
    import bioformats.formatreader
    import javabridge

    bioformats.formatreader.clear_image_reader_cache()
    if "cellprofiler_core.utilities.zmq" in sys.modules:
        from cellprofiler_core.utilities.zmq import join_to_the_boundary

        join_to_the_boundary()
    javabridge.kill_vm()
