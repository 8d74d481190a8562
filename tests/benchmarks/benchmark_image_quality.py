"""Time CellProfiler's own MeasureImageQuality and the accelerated one on one site, and compare the values.

It runs in CellProfiler's Python:

    ENVIRONMENT/bin/python tests/benchmarks/benchmark_image_quality.py IMAGE [IMAGE ...]

The images are the channels of a site (TIFF, 16 bit). Prints CPU seconds of each group of measurements for
both, and the largest relative difference of a value. The compiled code is loaded by a first run.
"""

import importlib
import sys
import time
import warnings
from pathlib import Path

import cellprofiler_core.preferences

cellprofiler_core.preferences.set_headless()

import numpy as np  # noqa: E402
import PIL.Image  # noqa: E402

sys.path[:0] = [str(Path(__file__).resolve().parents[2] / "scripts" / "cellprofiler_plugins")]
sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "support")]

from plugins_compare import measured  # noqa: E402

GROUPS = {
    "focus": "calculate_focus_scores",
    "correlation": "calculate_correlation",
    "power spectrum": "calculate_power_spectrum",
    "saturation": "calculate_saturation",
    "intensity": "calculate_image_intensity",
    "threshold (Otsu)": "calculate_thresholds",
}


def run(kind, images):
    """Measure all images; gives the values and the CPU seconds of each group."""
    module = kind()
    module.show_window = False
    module.images_choice.value = "Select..."
    group = module.image_groups[0]
    group.image_names.value = ", ".join(images)
    group.calculate_threshold.value = True
    seconds = {}

    def timed(name, function):
        def call(*arguments):
            start = time.process_time()
            rows = function(*arguments)
            seconds[name] = time.process_time() - start
            return rows

        return call

    for name, method in GROUPS.items():
        setattr(module, method, timed(name, getattr(module, method)))
    return measured(module, (images, {}, {})), seconds


def main(files):
    """Run both and print."""
    warnings.simplefilter("ignore")
    images = {
        f"Channel{k}": np.array(PIL.Image.open(file)).astype(np.float32) / 65535
        for k, file in enumerate(files, 1)
    }
    built_in = importlib.import_module("cellprofiler.modules.measureimagequality").MeasureImageQuality
    fast = importlib.import_module("measureimagequality").MeasureImageQuality
    run(fast, images)
    expected, slow_seconds = run(built_in, images)
    found, seconds = run(fast, images)
    for name in GROUPS:
        ratio = slow_seconds[name] / seconds[name]
        print(f"{name}: {slow_seconds[name]:.3f} s, {seconds[name]:.3f} s, {ratio:.1f} times less")
    print(f"all: {sum(slow_seconds.values()):.2f} s, {sum(seconds.values()):.2f} s")
    assert list(expected) == list(found)
    # An image that no file was read for has no scale: NaN in both.
    left, right = (np.array([float(value) for value in values.values()]) for values in (expected, found))
    assert (np.isnan(left) == np.isnan(right)).all()
    apart = np.nanmax(np.abs(left - right) / np.maximum(np.abs(left), 1e-9))
    print(f"{len(expected)} values, largest relative difference {apart:.2g}")


if __name__ == "__main__":
    main(sys.argv[1:])
