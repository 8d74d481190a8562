"""Compare Costes' thresholds with the built-in module's, over random images.

`python plugins_costes.py PLUGINS [N]` in CellProfiler's Python prints JSON: how many thresholds were
compared, and each that differs.
"""

import json
import sys
import warnings

import numpy as np

KINDS = ("related", "levels", "opposed", "unrelated", "dark", "constant", "few", "double", "same", "steep")


def images(random, kind):
    """Return the pixels of two images, and the scale of their gray levels."""
    size = int(random.integers(3, 12)) if kind == "few" else int(random.integers(400, 6000))
    scale = int(random.choice([255, 4095, 65535]))
    light = random.gamma(0.6, 0.02, size)
    x = 0.01 + light + random.normal(0, 0.003, size)
    y = 0.02 + light * random.choice([0.05, 0.7, 3]) + random.normal(0, 0.003, size)
    if kind == "opposed":
        y = 0.3 - light + random.normal(0, 0.01, size)
    elif kind == "unrelated":
        y = random.gamma(0.8, 0.03, size)
    elif kind == "dark":
        x, y = x - 0.03, y - 0.03
    elif kind == "constant":
        x = np.full(size, 0.25)
    elif kind == "same":
        y = x.copy()
    elif kind == "steep":
        y = y * 1e-4
    x, y = np.clip(x, 0, 1), np.clip(y, 0, 1)
    if kind == "levels":
        x, y = np.rint(x * scale) / scale, np.rint(y * scale) / scale
    kind_of = np.float64 if kind == "double" else np.float32
    return x.astype(kind_of), y.astype(kind_of), scale


def main(plugins, times):
    """Compare the thresholds, and print the differences."""
    import cellprofiler_core.preferences

    cellprofiler_core.preferences.set_headless()
    sys.path.insert(0, plugins)
    import cellprofiler.modules.measurecolocalization as builtin
    import measurecolocalization as faster

    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    random = np.random.default_rng(5)
    compared, different = 0, []
    for time in range(times):
        for kind in KINDS:
            x, y, scale = images(random, kind)
            for method in (builtin.M_FASTER, builtin.M_FAST, builtin.M_ACCURATE):
                if method == builtin.M_ACCURATE and (scale > 4095 or time % 4):
                    continue
                found = []
                for package in (builtin, faster):
                    module = package.MeasureColocalization()
                    module.fast_costes.value = method
                    find = module.bisection_costes if method == builtin.M_FASTER else module.linear_costes
                    try:
                        found.append([float(limit) for limit in find(x, y, scale)])
                    except ValueError as error:
                        found.append([str(error)])
                compared += 1
                if found[0] != found[1] and str(found[0]) != str(found[1]):
                    different.append([kind, method, time, *found])
    print(json.dumps({"compared": compared, "different": different}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 4)
