"""The accelerated CellProfiler modules give the built-in modules' values, degenerate objects too."""

import json
import os
import subprocess

import pytest

from lib.cellprofiler import find_java_home
from plugins_cases import CASES, VARIANTS
from workflow import PROJECT, SHARED, SUPPORT

pytestmark = pytest.mark.oracle

PLUGINS = PROJECT / "scripts" / "cellprofiler_plugins"
COMPARISONS = [
    (module, variant, case)
    for module, variants in VARIANTS.items()
    for variant in variants
    for case in CASES
    if (module, case) != ("MeasureGranularity", "NaN")  # the built-in module crashes Python
]


@pytest.fixture(scope="module")
def python(cellprofiler_environment):
    """Python of CellProfiler's environment."""
    return cellprofiler_environment / "bin" / "python"


def run_in(python, *arguments, **variables):
    """Run a script in CellProfiler's Python; what it prints."""
    done = subprocess.run(
        [python, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", **variables},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def comparisons(python):
    """All comparisons by module, variant and case."""
    lines = run_in(python, SUPPORT / "plugins_compare.py", PLUGINS).splitlines()
    results = [json.loads(line) for line in lines if line.startswith("{")]
    return {(found["module"], found["variant"], found["case"]): found for found in results}


@pytest.mark.parametrize(("module", "variant", "case"), COMPARISONS)
def test_values_equal_the_built_in_modules(comparisons, module, variant, case):
    found = comparisons[module, variant, case]
    # InfoMeas2 is the square root of a difference that is 0 for independent gray levels: where the
    # built-in module is left with a rounding error, that is up to 1e-7 instead of 0.
    ill_defined = [
        difference
        for difference in found["different"]
        if "InfoMeas2" in difference[0] and abs(difference[1] - difference[2]) < 2e-7
    ]
    assert [difference for difference in found["different"] if difference not in ill_defined] == []
    assert len(ill_defined) <= 0.001 * found["values"]


def test_something_was_measured(comparisons):
    # Both modules end with the same error: the built-in one can do no more.
    failing = {
        ("IdentifySecondaryObjects", "larger objects"),
        ("IdentifySecondaryObjects", "NaN"),
        ("MeasureGranularity", "larger objects"),
        ("MeasureImageIntensity", "larger objects"),
        ("MeasureImageQuality", "NaN"),
    }
    for (module, _, case), found in comparisons.items():
        assert (module, case) in failing or case.startswith("no objects") or found["values"] >= 4, (
            module,
            case,
        )


def test_plugins_replace_the_built_in_modules(python):
    code = f"""
import cellprofiler_core.preferences as preferences
preferences.set_headless()
preferences.set_plugin_directory({str(PLUGINS)!r}, globally=False)
from cellprofiler_core.utilities.core.modules import fill_modules
from cellprofiler_core.constants.modules import all_modules, badmodules
fill_modules()
print(*[f"{{name}}={{module.__module__}}" for name, module in all_modules.items()])
print(*[name for name, _ in badmodules])
"""
    modules, bad = run_in(python, "-c", code).splitlines()[-2:]
    found = dict(pair.split("=") for pair in modules.split())
    plugins = {path.stem for path in PLUGINS.glob("*.py")}
    assert {name for name in found.values() if "." not in name} == plugins
    assert not plugins & set(bad.split())


def test_modules_work_where_nothing_can_be_cached_beside_them(python, tmp_path):
    code = (
        "from platewise_kernels import library, ranking; import numpy\n"
        "values = numpy.array([3.0, -1.0, 2.0, -1.0])\n"
        "print(ranking.value_order(values).tolist(), library.fallback_folder())"
    )
    variables = {
        "PYTHONPATH": str(PLUGINS),
        "TMPDIR": str(tmp_path),
        "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
    }
    output = run_in(python, "-c", code, **variables)
    assert output.startswith("[1, 3, 2, 0] " + str(tmp_path))
    assert list((tmp_path / "cache").rglob("ranking.radix_order*.nbi"))


def test_values_are_sorted_as_a_stable_sort_does(python):
    code = """
import numpy
from platewise_kernels import ranking
random = numpy.random.RandomState(5)
different = compared = 0
for kind in (numpy.float32, numpy.float64):
    for size in (0, 1, 2, 3, 100, 5000, 70000):
        for values in (
            random.rand(size), random.rand(size) * 1e-30, random.normal(size=size), numpy.zeros(size),
            random.randint(-3, 4, size) / 4.0, -random.rand(size), numpy.full(size, 0.3), -numpy.zeros(size),
            numpy.where(random.rand(size) < 0.5, 0, random.rand(size)), 10 ** random.uniform(-44, 38, size),
            numpy.where(random.rand(size) < 0.5, numpy.inf, -numpy.inf), numpy.sort(random.rand(size))[::-1],
        ):
            values = values.astype(kind)
            different += (ranking.value_order(values) != numpy.argsort(values, kind="stable")).sum()
            compared += size
print(compared, different)
"""
    compared, different = run_in(python, "-c", code, PYTHONPATH=str(PLUGINS)).split()[-2:]
    assert int(compared) == 2 * 12 * 75106
    assert int(different) == 0


def test_costes_thresholds_are_the_same_to_the_last_bit(python):
    found = json.loads(run_in(python, SUPPORT / "plugins_costes.py", PLUGINS).splitlines()[-1])
    assert found["different"] == []
    assert found["compared"] > 80


def test_resized_images_are_the_same_to_the_last_bit(python):
    lines = run_in(python, SUPPORT / "plugins_resize.py", PLUGINS).splitlines()
    results = [json.loads(line) for line in lines if line.startswith("{")]
    assert len(results) >= 50
    assert [result["case"] for result in results if not result["same"]] == []
    # Masked, in colors, binary, otherwise interpolated, shrunk to one pixel: the built-in module.
    assert sum(not result["fast"] for result in results) == 6


def test_what_stands_in_for_other_functions_gives_what_they_give(python):
    assert run_in(python, SUPPORT / "plugins_labels.py", PLUGINS).splitlines()[-1] == "same"


@pytest.mark.parametrize("limit", [0, 200, 100_000_000])
def test_measurements_in_memory_are_those_of_the_file(python, limit):
    assert run_in(python, SUPPORT / "plugins_store.py", PLUGINS, str(limit)).splitlines()[-1] == "same"


@pytest.fixture(scope="module")
def images(python, tmp_path_factory):
    """For each written image file whether it was read without Java and as Bio-Formats reads it."""
    folder = tmp_path_factory.mktemp("images")
    real = sorted((SHARED / "cpjump1" / "images").glob("*c21*")) + sorted(SHARED.glob("examplehuman/*.tif"))
    home = find_java_home()
    if home is None:
        pytest.skip("there is no Java to read the images with Bio-Formats")
    script = SUPPORT / "plugins_images.py"
    lines = run_in(python, script, PLUGINS, folder, *real, JAVA_HOME=home).splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


@pytest.mark.data
def test_images_are_read_as_bio_formats_reads_them(images):
    assert len(images) >= 50
    damaged = [image["file"] for image in images if image["damaged"]]
    # Bio-Formats cannot read a PNG file of 1 bit, and the error has its name.
    assert damaged == ["lzw_broken_8.tif", "lzw_broken_16.tif", "bits_1.png"]
    assert [image["file"] for image in images if not image["same"]] == damaged


@pytest.mark.data
def test_common_images_need_no_java(images):
    without = {image["file"] for image in images if image["without_java"]}
    common = ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "big_endian", "tiled", "pages", "imagej")
    assert {f"{name}_{bits}.tif" for name in common for bits in (8, 16)} <= without
    packed = ("tiff_lzw_predictor", "lzw_large", "lzw_large_predictor", "lzw_big_endian")
    assert {f"{name}_{bits}.tif" for name in packed for bits in (8, 16)} <= without
    assert {"grey_8.png", "grey_16.png", "palette_same.tif", "bits_12_in_16.tif"} <= without
    assert {image["file"] for image in images if image["file"].startswith(("r01", "AS_"))} <= without
    assert not without & {
        "palette_green.tif",
        "rgb.tif",
        "ome_16.ome.tif",
        "white_is_zero_8.tif",
        "float32.tif",
        "float_scaled_16.tif",
        "bigtiff_16.tif",
        "jpeg_inside.tif",
        "gray.jpg",
        "palette.png",
        "bits_1.tif",
        "array_16.npy",
    }
