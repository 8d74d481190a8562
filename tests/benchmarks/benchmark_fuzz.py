"""Compare what stands in for functions of SciPy and centrosome with these on many random pixels.

    ENVIRONMENT/bin/python tests/benchmarks/benchmark_fuzz.py --values 20000000

It runs in CellProfiler's Python. Images of 1080 x 1080 pixels are drawn until each of the pixel-wise results
(skeletons, running variances, curvatures, holes) has at least `--values` values. All must be the same to the
last bit: the script stops at the first that is not. The table has the number of compared values and the CPU
seconds.
"""

import argparse
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(PROJECT / "tests" / "support"), str(PROJECT / "scripts")]
sys.path[:0] = [str(PROJECT / "scripts" / "cellprofiler_plugins")]

import numpy as np  # noqa: E402
import scipy.ndimage  # noqa: E402
from platewise_kernels import labels, skeletons  # noqa: E402

import plugins_labels  # noqa: E402

SIDE = 1080


def draw_blobs(random):
    """Return a binary image of smooth blobs, few or many, small or large."""
    smooth = scipy.ndimage.gaussian_filter(random.rand(SIDE, SIDE), random.uniform(0.5, 4))
    return smooth > np.quantile(smooth, random.choice([0.3, 0.5, 0.8]))


def compare_skeleton(random):
    """The skeleton of blobs."""
    image = draw_blobs(random)
    expected = plugins_labels.morphology.skeletonize(image)
    plugins_labels.same(skeletons.skeletonize(image), expected, "skeletonize")


def compare_holes(random):
    """Blobs, each of them an object, with their holes filled."""
    objects, _ = scipy.ndimage.label(draw_blobs(random))
    expected = plugins_labels.morphology.fill_labeled_holes(objects)
    plugins_labels.same(labels.fill_labeled_holes(objects), expected, "fill_labeled_holes")


def compare_curvature(random):
    """The eigenvalues of the matrix of second derivatives."""
    plugins_labels.compare_curvature((SIDE, SIDE), random)


KINDS = {
    "skeletonize": compare_skeleton,
    "running_variance": plugins_labels.compare_variance,
    "hessian": compare_curvature,
    "fill_labeled_holes": compare_holes,
}


def main():
    """Compare each kind until it has enough values, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--values", type=int, default=20_000_000)
    values = parser.parse_args().values
    np.seterr(all="ignore")
    random = np.random.RandomState(0)
    print("result", "equal_values", "cpu_s", sep="\t")
    for kind, compare in KINDS.items():
        began = time.process_time()
        while plugins_labels.COMPARED[kind] < values:
            compare(random)
        print(kind, plugins_labels.COMPARED[kind], f"{time.process_time() - began:.0f}", sep="\t")


if __name__ == "__main__":
    main()
