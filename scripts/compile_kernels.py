"""Compile the kernels of the accelerated CellProfiler modules, once per checkout and environment.

numba compiles a function when it is first called and stores the result beside the source
(`platewise_kernels.just_in_time`). Without this script, each of the chunks that start together would compile
everything, 40 CPU seconds each. Here each module runs on small images with the settings that need its
kernels, and what numba made of them is linked into a library (`platewise_kernels.library`). Cache and library
are those of the processor's type: machines of another type compile again.

It runs in CellProfiler's Python and restarts itself there if started in another.
"""

import argparse
import importlib
import importlib.util
import json
import logging
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path

from cellprofiler_runner.morphology import write_copy
from lib.cellprofiler import HASH_SEED
from lib.cellprofiler_logs import open_log
from lib.compilers import find_compiler
from lib.errors import InputError
from lib.files import wait_for_other_runs, write_whole
from pipelines import restart_in_cellprofilers_python

PLUGINS = Path(__file__).resolve().with_name("cellprofiler_plugins")
SIZE = (96, 112)
CHANNELS = ("DNA", "RNA")
OBJECTS = ("Nuclei", "Cells", "Cytoplasm")
# Module and settings (by the module's own names) of each run.
RUNS = (
    ("IdentifyPrimaryObjects", {"x_name": "DNA", "y_name": "Found", "size_range": (4, 40)}),
    (
        "IdentifyPrimaryObjects",
        {
            "x_name": "DNA",
            "y_name": "Found",
            "size_range": (4, 40),
            "use_advanced": True,
            "unclump_method": "Shape",
            "watershed_method": "Shape",
        },
    ),
    *(
        (
            "IdentifySecondaryObjects",
            {"x_name": "Nuclei", "y_name": "Found", "image_name": "RNA", "method": how},
        )
        for how in ("Watershed - Image", "Propagation", "Distance - B", "Distance - N")
    ),
    (
        "IdentifyTertiaryObjects",
        {
            "secondary_objects_name": "Cells",
            "primary_objects_name": "Nuclei",
            "subregion_objects_name": "Found",
        },
    ),
    ("FilterObjects", {"x_name": "Cells", "y_name": "Found", "mode": "Image or mask border"}),
    ("Threshold", {"x_name": "DNA", "y_name": "Found", "threshold_smoothing_scale": 1.3}),
    ("EnhanceOrSuppressFeatures", {"x_name": "DNA", "y_name": "Found", "enhance_method": "Neurites"}),
    ("CorrectIlluminationApply", {}),
    ("EnhanceOrSuppressFeatures", {"x_name": "DNA", "y_name": "Spots", "enhance_method": "Speckles"}),
    (
        "CorrectIlluminationCalculate",
        {
            "image_name": "DNA",
            "illumination_image_name": "Found",
            "intensity_choice": "Background",
            "block_size": 7,
            "each_or_all": "Each",
            "smoothing_method": "Gaussian Filter",
        },
    ),
    ("MeasureImageIntensity", {"images_list": CHANNELS}),
    ("MeasureImageQuality", {"images_choice": "Select..."}),
    ("MeasureGranularity", {"images_list": CHANNELS, "objects_list": OBJECTS, "wants_objects": True}),
    ("MeasureTexture", {"images_list": CHANNELS, "objects_list": OBJECTS, "images_or_objects": "Both"}),
    (
        "MeasureColocalization",
        {"images_list": CHANNELS, "objects_list": OBJECTS, "images_or_objects": "Both", "do_costes": True},
    ),
    (
        "MeasureColocalization",
        {"images_list": ("DNA", "Opposed"), "objects_list": OBJECTS, "do_costes": True},
    ),
    ("MeasureObjectIntensity", {"images_list": CHANNELS, "objects_list": OBJECTS}),
    (
        "MeasureObjectIntensityDistribution",
        {"images_list": CHANNELS, "wants_zernikes": "Magnitudes and phase"},
    ),
    ("MeasureObjectSizeShape", {"objects_list": OBJECTS, "calculate_zernikes": True}),
    ("MeasureObjectNeighbors", {"object_name": "Cells", "neighbors_name": "Cells"}),
    ("MeasureObjectSkeleton", {"seed_objects_name": "Nuclei", "image_name": "Skeleton"}),
)


def draw_images():
    """Return two textured channels, float32 from 0 to 1, and the label matrices of nuclei and cells."""
    import numpy

    random = numpy.random.RandomState(0)
    rows, columns = numpy.mgrid[: SIZE[0], : SIZE[1]]
    images = {}
    for name, period in (("DNA", 4.0), ("RNA", 7.0)):
        waves = 0.3 + 0.2 * numpy.sin(rows / period) * numpy.sin(columns / period)
        images[name] = numpy.clip(waves + 0.05 * random.rand(*SIZE), 0, 1).astype(numpy.float32)
    apart = (rows % 24 - 12) ** 2 + (columns % 28 - 14) ** 2
    number = 1 + rows // 24 * (SIZE[1] // 28) + columns // 28
    cells, nuclei = (numpy.where(apart <= radius**2, number, 0) for radius in (11, 5))
    return images, {"Nuclei": nuclei, "Cells": cells, "Cytoplasm": numpy.where(nuclei > 0, 0, cells)}


def run_module(name, settings, images, labels):
    """Run an accelerated module on the images and objects; its measurements are discarded.

    Parameters
    ----------
    name
        The module's name.
    settings
        Values of the module's settings, by attribute.
    images
        Images by channel, (height, width), from 0 to 1.
    labels
        Label images by name of objects, (height, width).
    """
    from cellprofiler_core.image import Image, ImageSetList
    from cellprofiler_core.measurement import Measurements
    from cellprofiler_core.object import Objects, ObjectSet
    from cellprofiler_core.pipeline import Pipeline
    from cellprofiler_core.workspace import Workspace

    module = getattr(importlib.import_module(name.lower()), name)()
    for key, value in settings.items():
        is_list_of_names = isinstance(value, tuple) and isinstance(value[0], str)
        getattr(module, key).value = ", ".join(value) if is_list_of_names else value
    if name == "MeasureObjectIntensityDistribution":
        module.objects[0].object_name.value = "Cells"
        module.add_object()
        module.objects[1].object_name.value = "Cytoplasm"
        module.objects[1].center_choice.value = "Centers of other objects"
        module.objects[1].center_object_name.value = "Nuclei"
    if name == "CorrectIlluminationApply":
        module.images[0].image_name.value = "DNA"
        module.images[0].illum_correct_function_image_name.value = "RNA"
        module.images[0].corrected_image_name.value = "Found"
    if name == "MeasureImageQuality":
        module.image_groups[0].image_names.value = ", ".join(CHANNELS)
        module.image_groups[0].use_all_threshold_methods.value = False
    image_sets = ImageSetList()
    image_set = image_sets.get_image_set(0)
    for channel, pixels in images.items():
        image_set.add(channel, Image(pixels.copy()))
    image_set.add("Skeleton", Image(images["DNA"] > 0.45))
    image_set.add("Opposed", Image(1 - images["DNA"]))
    object_set = ObjectSet()
    for object_name, matrix in labels.items():
        objects = Objects()
        objects.segmented = matrix.copy()
        object_set.add_objects(objects, object_name)
    pipeline = Pipeline()
    module.show_window = False
    module.set_module_num(1)
    pipeline.add_module(module)
    measurements = Measurements()
    measurements.next_image_set(1)
    module.run(Workspace(pipeline, module, image_set, object_set, measurements, image_sets))
    measurements.close()


def read_image():
    """Read a compressed TIFF, resize an image, and order values in double precision, as few modules do."""
    import numpy
    import PIL.Image
    from platewise_kernels import image_files, ranking, resizing

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "image.tif")
        pixels = numpy.arange(SIZE[0] * SIZE[1], dtype=numpy.uint16).reshape(SIZE)
        PIL.Image.fromarray(pixels).save(path, compression="tiff_lzw")
        image_files.read_plane(path, 0, path.read_bytes())
    resizing.resize(pixels.astype(numpy.float32), (SIZE[0] // 2, SIZE[1] // 2))
    ranking.value_order(pixels.ravel() / 65535)


def main(output, log):
    """Compile the kernels, unless another run that started at the same time has already done so."""
    with wait_for_other_runs(output):
        if Path(output).exists():
            log.write("The kernels were compiled by another run\n")
        else:
            compile_kernels(output, log)


def compile_kernels(output, log):
    """Run each module, and write their names."""
    import cellprofiler_core.preferences

    cellprofiler_core.preferences.set_headless()
    warnings.simplefilter(
        "ignore", RuntimeWarning
    )  # of a few random pixels, whose measurements are thrown away
    sys.path.insert(0, str(PLUGINS))
    from platewise_kernels.library import ANEW, get_folders

    os.environ[ANEW] = "1"
    images, labels = draw_images()
    read_image()
    for name, settings in RUNS:
        began = time.process_time()
        run_module(name, settings, images, labels)
        log.write(f"{name}: {time.process_time() - began:.1f} CPU seconds\n")
    link_library(log)
    log.write(f"Morphology: {write_copy(get_folders())}\n")
    with write_whole(output) as part:
        part.write_text(json.dumps({"modules": sorted({name for name, _ in RUNS})}) + "\n")


def link_library(log):
    """Link what was compiled into the library; without one, jobs load each kernel from numba's cache."""
    from platewise_kernels.library import get_paths
    from platewise_kernels.linking import find_kernels, link

    kernels = find_kernels(module for name, module in sys.modules.items() if name.startswith("platewise_"))
    for path in get_paths():
        try:
            link(kernels, path, find_compiler(os.environ))
        except (InputError, OSError, RuntimeError) as error:
            log.write(f"No library {path}: {error}\n")
        else:
            log.write(f"Library: {path}\n")
            return


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cellprofiler", required=True, help="CellProfiler's command")
    parser.add_argument("--log", required=True)
    parser.add_argument("--output", required=True, help="the file that says that it is done")
    options = parser.parse_args()
    with open_log(options.log) as log_file:
        elsewhere = importlib.util.find_spec("cellprofiler") is None
        if elsewhere or any(os.environ.get(name) != value for name, value in HASH_SEED.items()):
            restart_in_cellprofilers_python(options.cellprofiler)
        logging.basicConfig(stream=log_file)
        main(options.output, log_file)
