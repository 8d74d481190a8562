"""Modules and libraries that the runner imports only when they are used."""

import os
import subprocess

import pytest

from lib.cellprofiler import get_environment as environment_variables
from workflow import PROJECT

pytestmark = pytest.mark.oracle

SCRIPTS = PROJECT / "scripts"
PLUGINS = SCRIPTS / "cellprofiler_plugins"


def test_every_module_of_cellprofiler_is_found_on_demand(cellprofiler_environment, tmp_path):
    code = f"""
import sys
sys.path[:0] = [{str(SCRIPTS)!r}]
sys.path.append({str(PLUGINS)!r})
from cellprofiler_runner import starting
starting.start({str(PLUGINS)!r}, {str(tmp_path)!r}, {str(tmp_path)!r}, "load_data.csv")
from cellprofiler_core.constants.modules import all_modules, builtin_modules
from cellprofiler_core.pipeline import Pipeline
import cellprofiler.modules
for name in (*builtin_modules.values(), *cellprofiler.modules.builtin_modules.values()):
    assert Pipeline.instantiate_module(name).module_name == name
print(*[module.__module__ for module in all_modules.values() if "." not in module.__module__])
"""
    done = subprocess.run(
        [cellprofiler_environment / "bin" / "python", "-c", code],
        env=environment_variables(1),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) >= {path.stem for path in PLUGINS.glob("*.py")}


def test_what_is_imported_later_is_there_when_it_is_used(cellprofiler_environment):
    code = f"""
import sys
sys.path.insert(0, {str(SCRIPTS)!r})
from cellprofiler_runner import starting
sys.meta_path[:0] = [starting.LazyFinder()]
import boto3, inflect, numpy, skimage.measure, skimage.restoration, skimage.segmentation, matplotlib.pyplot
import boto3, inflect, matplotlib.pyplot  # another module's import does not wake them
lazy = ("boto3", "inflect", "matplotlib.pyplot")
print(all(type(sys.modules[name]) is starting.LazyModule for name in lazy))
print(skimage.measure.shannon_entropy(numpy.arange(16) % 4), skimage.measure.shannon_entropy(numpy.arange(2)))
print(skimage.segmentation.slic(numpy.eye(8)[..., None] * numpy.ones(3), n_segments=2, start_label=1).shape)
print(skimage.restoration.wiener(numpy.eye(5), numpy.ones((3, 3)) / 9, 1).shape)
import scipy.signal, scipy.stats, skimage.feature, skimage.filters
print(scipy.stats.rankdata([3, 1, 2]).tolist(), scipy.signal.fftconvolve([1.0], [2.0]).tolist())
matched = skimage.feature.match_template(numpy.eye(5), numpy.eye(3))
print(matched.argmax(), skimage.filters.window("hann", 4).shape)
print(inflect.engine().plural("cell"), boto3.client.__name__, callable(matplotlib.pyplot.figure))
from matplotlib.pyplot import colormaps
starting.name_color_maps()
from cellprofiler_core.setting.choice import Colormap
print(list(Colormap("").choices) == ["Default", *sorted(colormaps())])
"""
    done = subprocess.run(
        [cellprofiler_environment / "bin" / "python", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "MPLBACKEND": "Agg"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "True",
        "2.0 1.0",
        "(8, 8)",
        "(5, 5)",
        "[3.0, 1.0, 2.0] [2.0]",
        "0 (4,)",
        "cells client True",
        "True",
    ]


def test_the_copy_of_centrosomes_morphology_has_its_tables(cellprofiler_environment, tmp_path):
    code = f"""
import importlib, sys
import numpy, centrosome.cpmorphology as plain
sys.path.insert(0, {str(SCRIPTS)!r})
from cellprofiler_runner import morphology
file = morphology.write_copy(["/proc/none", {str(tmp_path)!r}])
sys.meta_path.insert(0, morphology.MorphologyFinder([{str(tmp_path)!r}]))
del sys.modules[morphology.NAME]
copy = importlib.import_module(morphology.NAME)
print(copy.__file__ == str(file), plain.__file__ != str(file), vars(copy).keys() == vars(plain).keys())
different, compared = [], 0
for name, value in vars(plain).items():
    other = vars(copy)[name]
    if isinstance(value, numpy.ndarray):
        same = other.dtype == value.dtype and other.flags.writeable and numpy.array_equal(other, value)
    elif hasattr(value, "__code__"):
        code, its = value.__code__, other.__code__
        same = code.co_code == its.co_code and code.co_names == its.co_names
    else:
        continue
    compared += 1
    different += [] if same else [name]
print(compared > 100, different)
image = numpy.random.RandomState(1).rand(40, 50) > 0.4
for name in ("binary_shrink", "thin", "skeletonize", "branchpoints", "spur", "thicken", "fill", "clean"):
    assert numpy.array_equal(getattr(copy, name)(image), getattr(plain, name)(image)), name
sys.modules.pop(morphology.NAME)
sys.meta_path[0] = morphology.MorphologyFinder([{str(tmp_path / "empty")!r}])
print(importlib.import_module(morphology.NAME).__file__ == plain.__file__)
"""
    done = subprocess.run(
        [cellprofiler_environment / "bin" / "python", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env=environment_variables(1),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["True True True", "True []", "True"]


def test_a_lazy_package_is_run_before_its_modules(cellprofiler_environment):
    code = f"""
import sys
sys.path.insert(0, {str(SCRIPTS)!r})
from cellprofiler_runner import starting
sys.meta_path[:0] = [starting.LazyFinder(), starting.NoWindowFinder()]
starting.name_color_maps()
from cellprofiler_core.setting.choice import Colormap
choice = Colormap("")
print(choice.value, type(sys.modules["matplotlib"]) is starting.LazyModule, "pyparsing" in sys.modules)
{{first}}
print(len(choice.choices) > 100, choice.choices[0], "jet" in choice.choices, choice.choices[-1] > "t")
choice.value = "jet"
choice.test_valid(None)
import matplotlib.cm
print(matplotlib.cm.get_cmap("jet").name, matplotlib.cm.ScalarMappable.__name__)
import mahotas.features, skimage.io, pywt, psutil
found = mahotas.features.haralick, skimage.io.imread, pywt.dwt, psutil.Process
print(*[function.__name__ for function in found])
"""
    for first in ("import matplotlib.colors", "import matplotlib.axes", "import matplotlib.figure", ""):
        done = subprocess.run(
            [cellprofiler_environment / "bin" / "python", "-c", code.format(first=first)],
            capture_output=True,
            text=True,
            check=False,
            env=environment_variables(1),
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines() == [
            "Default True False",
            "True Default True True",
            "jet ScalarMappable",
            "haralick imread dwt Process",
        ]
