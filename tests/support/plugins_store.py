"""Make the same random measurements with CellProfiler's store and with the one in memory, and compare.

It runs in CellProfiler's Python: `python plugins_store.py PLUGINS LIMIT`. LIMIT is the number of
bytes that are kept in memory.
"""

import sys

import cellprofiler_core.preferences

cellprofiler_core.preferences.set_headless()

import cellprofiler_core.measurement._measurements as module  # noqa: E402
import numpy as np  # noqa: E402
from cellprofiler_core.measurement import Measurements  # noqa: E402

SITES = (3, 4, 5, 6)


def fill(measurements, seed):
    """Add the measurements of a run: text and numbers of sites and objects, some missing, one replaced."""
    random = np.random.RandomState(seed)
    measurements.add_all_measurements("Image", "Metadata_Well", [f"A{k:02d}" for k in range(1, 7)])
    for site in SITES:
        measurements.next_image_set(site)
        count = random.randint(0, 4)
        measurements.add_image_measurement("Count_Cells", count)
        measurements.add_image_measurement("FileName_DNA", f"{site}.tif")
        measurements.add_image_measurement("Mixed", site if site == 3 else site / 7)
        measurements.add_image_measurement("NaN", np.nan)
        for feature in ("Area", "Mean"):
            measurements.add_measurement("Cells", feature, random.rand(count))
        measurements.add_measurement("Cells", "Number", np.arange(count))
        measurements.add_measurement("Cells", "Grown", np.arange(count) * (1 if site < 5 else 0.5))
        measurements.add_measurement("Cells", "Single", random.rand(count).astype(np.float32))
        if site != 4:
            measurements.add_measurement("Nuclei", "Area", random.rand(2))
    measurements.add_measurement("Cells", "Area", np.array([7.0, 8.0]), image_set_number=4)
    measurements.add_experiment_measurement("Exit_Status", "Complete")
    measurements.remove_measurement("Nuclei", "Area", 3)


def contents(measurements):
    """Return everything that can be read from a store, as text."""
    found = []
    for name in measurements.get_object_names():
        for feature in [*measurements.get_feature_names(name), "ImageNumber", "ObjectNumber"]:
            if name == "Experiment" or not measurements.has_feature(name, feature):
                continue
            for site in SITES:
                value = measurements.get_measurement(name, feature, site)
                found.append((name, feature, site, repr(value), str(getattr(value, "dtype", ""))))
                found.append(measurements.has_measurements(name, feature, site))
            found.append(repr(measurements.get_measurement(name, feature, list(SITES))))
            found.append(str(measurements.hdf5_dict.get_feature_dtype(name, feature)))
    found.append(measurements.get_experiment_measurement("Exit_Status"))
    found.append(measurements.get_image_numbers().tolist())
    return found


def main(plugins, limit):
    """Compare the stores over twenty runs, then a copy of each, then a file that is kept."""
    sys.path.insert(0, plugins)
    original = module.HDF5Dict
    from platewise_kernels import measurement_store

    measurement_store.LIMIT = int(limit)
    for seed in range(20):
        texts = []
        held = measurement_store.MeasurementStore, measurement_store.HeldMeasurements
        for store, kind in ((original, Measurements), (held[0], Measurements), held):
            module.HDF5Dict = store
            measurements = kind()
            fill(measurements, seed)
            copy = Measurements(copy=measurements)
            texts.append((contents(measurements), contents(copy)))
            assert texts[-1][0] == contents(measurements)
            copy.close()
            measurements.close()
        one, *others = texts
        for other in others:
            assert one == other, [value for value in other[0] if value not in one[0]]
    print("same")


if __name__ == "__main__":
    main(*sys.argv[1:])
