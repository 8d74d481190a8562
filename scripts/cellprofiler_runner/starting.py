"""Start CellProfiler with only what a pipeline needs.

The command line imports every module, every plot library, and starts a Java virtual machine.
Here a module is imported when the pipeline names it, a package that is rarely used when it is used, and
Java is started by the first image that needs it. Nothing is left out, but it is imported later, or never if
unused.
"""

import collections.abc
import ctypes
import importlib.abc
import importlib.machinery
import importlib.util
import logging
import sys
import types
from pathlib import Path

# Packages that CellProfiler imports at startup and that few or no pipelines use.
RARELY_USED = {
    "boto3",
    "distutils",
    "docutils.core",
    "imageio",
    "inflect",
    "mahotas",
    "mahotas.features",
    "matplotlib",
    "matplotlib.cm",
    "matplotlib.pyplot",
    "pkg_resources",
    "psutil",
    "pywt",
    "scipy.io",
    "scipy.optimize",
    "scipy.signal",
    "scipy.stats",
    "skimage.io",
}
# Modules that skimage imports for the named functions, which few pipelines call.
RARELY_CALLED = {
    "skimage.feature.template": ("match_template",),
    "skimage.filters._window": ("window",),
    "skimage.measure.entropy": ("shannon_entropy",),
    "skimage.restoration.deconvolution": ("wiener", "unsupervised_wiener", "richardson_lucy"),
    "skimage.segmentation.slic_superpixels": ("slic",),
}
# skimage.io's function to show images, for which it imports a plot library.
SHOWING = "skimage.io._plugins.matplotlib_plugin"


# Numbers of mallopt's options (malloc.h), and bytes. glibc refuses a greater threshold of separate blocks.
MALLOC_OPTIONS = {"M_MMAP_THRESHOLD": (-3, 32 << 20), "M_TRIM_THRESHOLD": (-1, 256 << 20)}


class LazyModule(types.ModuleType):
    """A module whose code runs when an attribute is requested that the import did not set."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        run_code(self)
        return getattr(self, name)


def run_code(module):
    """Run the code of a lazy module, and before it that of its package, on which it may rely."""
    package = sys.modules.get(module.__name__.rpartition(".")[0])
    if isinstance(package, LazyModule):
        run_code(package)
    if isinstance(module, LazyModule):
        module.__class__ = types.ModuleType
        module.__spec__.loader.loader.exec_module(module)


class DeferredLoader(importlib.abc.Loader):
    """Loads a module lazily (unlike importlib's LazyLoader, also through a second import)."""

    def __init__(self, loader):
        self.loader = loader

    def create_module(self, spec):
        """Return the module as its own loader creates it."""
        return self.loader.create_module(spec)

    def exec_module(self, module):
        """Make the module lazy."""
        module.__class__ = LazyModule


class PlaceholderLoader(DeferredLoader):
    """Loads a module with placeholders for some functions; it is loaded fully when one is called."""

    def __init__(self, loader, names):
        super().__init__(loader)
        self.names = names

    def exec_module(self, module):
        """Add the placeholders to the module."""

        def make_placeholder(name):
            def placeholder(*arguments, **options):
                if getattr(module, name) is placeholder:
                    self.loader.exec_module(module)
                return getattr(module, name)(*arguments, **options)

            return placeholder

        for name in self.names:
            setattr(module, name, make_placeholder(name))


class LazyFinder(importlib.abc.MetaPathFinder):
    """Finds the modules of `RARELY_USED` and `RARELY_CALLED`."""

    def find_spec(self, name, path, target=None):
        """Return the module's specification with a lazy loader."""
        if name not in RARELY_USED and name not in RARELY_CALLED:
            package = sys.modules.get(name.rpartition(".")[0])
            if isinstance(package, LazyModule):
                run_code(package)
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            names = RARELY_CALLED.get(name)
            spec.loader = PlaceholderLoader(spec.loader, names) if names else DeferredLoader(spec.loader)
        return spec


class NoWindowFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Replaces `SHOWING`: a job has no window."""

    def find_spec(self, name, path, target=None):
        """Return its specification."""
        return importlib.machinery.ModuleSpec(name, self) if name == SHOWING else None

    def exec_module(self, module):
        """Give the module the functions that skimage.io looks for."""

        def imshow(*_, **__):
            raise RuntimeError("there is no window in which to show an image")

        module.imshow = module.imread = module.imshow_collection = module._app_show = imshow


class ModulesOnDemand(dict):
    """CellProfiler's modules by name; each is imported when it is requested.

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
        """Import a module. Return whether one of this name exists."""
        stem = name.lower()
        plugin = self.plugins is not None and (Path(self.plugins) / f"{stem}.py").is_file()
        places = [(stem, None)] if plugin else []
        places += [(f"{package}.modules.{stem}", name) for package in ("cellprofiler_core", "cellprofiler")]
        for place, class_name in places:
            if class_name and importlib.util.find_spec(place) is None:
                continue
            try:
                found = get_module_class(importlib.import_module(place), class_name)
            except ImportError:
                # As the command line does: a plugin that lacks a package is replaced by the built-in module.
                if class_name:
                    raise
                logging.warning("Could not load %s", place, exc_info=True)
                continue
            if found is not None and found.module_name == name:
                self[name] = found
                return True
        return self._load_everything() and super().__contains__(name)

    def _load_everything(self):
        """Import all modules, to find one whose file has a different name."""
        if not self.everything:
            self.everything = True
            command_lines_import()
        return True


def get_module_class(imported, name=None):
    """Return CellProfiler's class in an imported module: `name`, or the one with the name of its file."""
    if name:
        return getattr(imported, name, None)
    stem = Path(imported.__file__).stem
    return next((value for key, value in vars(imported).items() if key.lower() == stem), None)


def command_lines_import():
    """CellProfiler's own import of all modules; `start` replaces it."""


def start(plugins, temporary, output, data_file):
    """Set CellProfiler up as its command line does (-c -r --plugins-directory -t -o --data-file).

    Parameters
    ----------
    plugins
        Folder of modules that replace built-in ones, or None.
    temporary
        Folder for temporary files.
    output
        Default output folder.
    data_file
        The image table.
    """
    global command_lines_import
    sys.meta_path[:0] = [LazyFinder(), NoWindowFinder()]
    import numpy
    import pkg_resources

    numpy.seterr(all="ignore")
    # CellProfiler's preferences look for two icons, for which this package need not be loaded.
    pkg_resources.resource_filename = find_resource
    from cellprofiler_core import preferences

    preferences.set_awt_headless(True)
    preferences.set_headless()
    preferences.set_temporary_directory(str(temporary), globally=False)
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
    name_color_maps()
    start_java_on_demand()


def find_resource(package, name):
    """Replace pkg_resources.resource_filename: return the path of a file of an installed package."""
    return str(Path(importlib.util.find_spec(package).submodule_search_locations[0], *name.split("/")))


class ColorMaps(collections.abc.Sequence):
    """The names of color maps after those of `before`; the plot library is imported when they are read."""

    def __init__(self, before=()):
        self.before = list(before)

    def __radd__(self, before):
        return ColorMaps([*before, *self.before])

    def __getitem__(self, at):
        if isinstance(at, int) and 0 <= at < len(self.before):
            return self.before[at]
        return self.read()[at]

    def __len__(self):
        return len(self.read())

    def sort(self):
        """Do nothing: the names are sorted."""

    def read(self):
        """Return all names."""
        import matplotlib

        return [*self.before, *sorted(matplotlib.colormaps)]


def name_color_maps():
    """Give CellProfiler's settings the names of color maps without importing a plot library."""
    from cellprofiler_core.setting.choice import _colormap

    _colormap.matplotlib = types.SimpleNamespace(pyplot=types.SimpleNamespace(colormaps=ColorMaps))


def start_java_on_demand():
    """Start Java when it is first needed."""
    import javabridge
    import javabridge.jutil

    get_env = javabridge.jutil.get_env
    attach = javabridge.jutil.attach

    def start_before(function):
        def wrapper(*arguments):
            for module in (javabridge, javabridge.jutil):
                module.get_env, module.attach = get_env, attach
            from cellprofiler_core.utilities.java import start_java

            logging.info("Starting Java")
            start_java()
            return function(*arguments)

        return wrapper

    for module in (javabridge, javabridge.jutil):
        module.get_env, module.attach = start_before(get_env), start_before(attach)


def keep_freed_memory():
    """Let the process reuse the memory of arrays, if the C library is glibc.

    By default an image's memory goes back to the system when the image is deleted, and the next image's pages
    are cleared again when they are first used.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        for number, size in MALLOC_OPTIONS.values():
            set_option(number, size)


def stop():
    """End what the command line ends: readers, Java and connections, if they were started."""
    import bioformats.formatreader
    import javabridge

    bioformats.formatreader.clear_image_reader_cache()
    if "cellprofiler_core.utilities.zmq" in sys.modules:
        from cellprofiler_core.utilities.zmq import join_to_the_boundary

        join_to_the_boundary()
    javabridge.kill_vm()
