"""Small images and objects on which CellProfiler's modules and the accelerated ones are compared.

A case is (images, objects, masks): float images by name, label matrices by name, masks by image name.
Both the tests' Python and CellProfiler's import this module: it uses only Python 3.8 and numpy.
"""

import numpy as np

SIZE = (96, 112)


def images(shape=SIZE, dtype=np.float32, levels=None):
    """Return two textured channels with values between 0 and 1."""
    random = np.random.RandomState(shape[0] * shape[1])
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    out = {}
    for name, period in (("DNA", 9.0), ("RNA", 14.0)):
        waves = 0.3 + 0.15 * np.sin(rows / period) * np.cos(columns / (period + 2))
        image = np.clip(waves + 0.1 * random.rand(*shape), 0, 1)
        if levels:
            image = np.floor(image * levels) / levels
        out[name] = image.astype(dtype)
    return out


def disks(shape=SIZE, step=24, radius=8):
    """Return disks on a grid, numbered row by row; those at the border are cut off."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    labels = np.zeros(shape, int)
    number = 0
    for i in range(0, shape[0], step):
        for j in range(0, shape[1], step):
            number += 1
            labels[(rows - i) ** 2 + (columns - j) ** 2 <= radius**2] = number
    return labels


def compartments(cells):
    """Return nuclei (the cells' cores, some of them empty), cytoplasm and cells."""
    inside = np.ones(cells.shape, bool)
    for axis in (0, 1):
        for shift in (-3, 3):
            inside &= np.roll(cells, shift, axis) == cells
    nuclei = np.where(inside, cells, 0)
    cytoplasm = np.where(nuclei > 0, 0, cells)
    return {"Nuclei": nuclei, "Cytoplasm": cytoplasm, "Cells": cells}


def touching_cells(shape=SIZE):
    """Return cells that fill the image and touch each other and its border."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    seeds = [(10, 12), (15, 70), (40, 35), (60, 90), (85, 15), (80, 55)]
    distance = np.array([(rows - i) ** 2 + (columns - j) ** 2 for i, j in seeds])
    return np.where(distance.min(0) < 700, distance.argmin(0) + 1, 0)


def drawn(*pieces):
    """Return a label matrix with each piece (row slice, column slice) as an object."""
    labels = np.zeros(SIZE, int)
    for number, piece in enumerate(pieces, 1):
        labels[piece] = number
    return labels


def lines():
    """Return a row, a column, a diagonal and a step as objects."""
    labels = drawn((30, slice(20, 60)), (slice(40, 80), 20))
    for k in range(25):
        labels[45 + k, 40 + k] = 3
    labels[50, 75:85] = labels[51, 84:95] = 4
    return labels


def all_cases():
    """Return the cases by name."""
    same = {"Nuclei": 0, "Cytoplasm": 0, "Cells": 0}
    pixels = drawn((5, 5), (50, 50), (slice(70, 72), 60), (slice(20, 40), slice(60, 80)), (95, 111))
    ring = disks(radius=10)
    ring[disks(radius=4) > 0] = 0
    missing = touching_cells()
    missing[missing == 3] = 0
    parts = drawn((slice(10, 20), slice(10, 20)), (slice(40, 60), slice(40, 60)))
    parts[70:80, 80:95] = 1
    flat = images()
    flat["DNA"] = np.where(touching_cells() > 0, 0.37, flat["DNA"]).astype(np.float32)
    dark = images()
    dark["RNA"] = np.zeros_like(dark["RNA"])
    bright = {name: np.minimum(image * 2, 1) for name, image in images().items()}
    many = disks((300, 300), 13, 5)
    mask = np.ones(SIZE, bool)
    mask[:, :30] = False
    beyond = {name: 3 * image for name, image in images().items()}
    not_finite = images()
    not_finite["RNA"][40, 40] = np.nan
    cases = {
        "cells": (images(), compartments(touching_cells())),
        "double": (images(dtype=np.float64), compartments(touching_cells())),
        "one pixel": (images(), dict.fromkeys(same, pixels)),
        "line": (images(), dict.fromkeys(same, lines())),
        "border": (images(), compartments(disks())),
        "constant": (flat, compartments(touching_cells())),
        "zero channel": (dark, compartments(touching_cells())),
        "saturated": (bright, compartments(touching_cells())),
        "few levels": (images(levels=7), compartments(touching_cells())),
        "no objects": (images(), dict.fromkeys(same, np.zeros(SIZE, int))),
        "no objects, above 1": (beyond, dict.fromkeys(same, np.zeros(SIZE, int))),
        "many": (images((300, 300)), compartments(many)),
        "hole": (images(), compartments(ring)),
        "missing labels": (images(), compartments(missing)),
        "two parts": (images(), dict.fromkeys(same, parts)),
        "whole image": (images(), dict.fromkeys(same, np.ones(SIZE, int))),
        "odd size": (images((61, 83)), compartments(disks((61, 83)))),
        "masked": (images(), compartments(touching_cells()), {"RNA": mask}),
        "all masked": (images(), compartments(disks()), {"DNA": mask, "RNA": mask}),
        "larger objects": (images((80, 90)), compartments(touching_cells())),
        "NaN": (not_finite, compartments(touching_cells())),
    }
    return {name: (*case, {})[:3] for name, case in cases.items()}


CASES = tuple(all_cases())
#: Modules and the variants of their settings that are compared.
VARIANTS = {
    "CorrectIlluminationApply": ("divide", "divide, not clipped", "subtract"),
    "CorrectIlluminationCalculate": ("background", "regular"),
    "IdentifyPrimaryObjects": ("published", "intensity", "basic"),
    "IdentifySecondaryObjects": ("published", "border", "distance", "distance B", "propagation", "far"),
    "IdentifyTertiaryObjects": ("published", "not shrunk"),
    "FilterObjects": ("border",),
    "Threshold": ("published", "otsu", "three classes", "adaptive"),
    "EnhanceOrSuppressFeatures": ("tubeness", "gradient", "speckles"),
    "MeasureObjectSkeleton": ("published", "without holes"),
    "MeasureImageIntensity": ("published", "objects"),
    "MeasureImageQuality": ("published", "all thresholds", "three classes"),
    "MeasureGranularity": ("published", "full size", "coarse"),
    "MeasureTexture": ("published", "16 levels", "objects"),
    "MeasureColocalization": ("published", "all metrics", "all metrics fast", "all metrics accurate"),
    "MeasureObjectIntensity": ("published",),
    "MeasureObjectIntensityDistribution": (
        "published",
        "unscaled",
        "centers",
        "nuclei's centers",
        "Zernikes",
    ),
    "MeasureObjectSizeShape": ("published", "advanced"),
    "MeasureObjectNeighbors": ("published", "adjacent", "expanded", "nuclei to cells"),
}
