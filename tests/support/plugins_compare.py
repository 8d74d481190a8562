"""Run CellProfiler's own modules and the accelerated ones on the same images and compare the values.

It runs in CellProfiler's Python: `python plugins_compare.py PLUGINS [MODULES]`. It prints one JSON object
per line.
"""

import importlib
import json
import sys
import warnings

import cellprofiler_core.preferences

cellprofiler_core.preferences.set_headless()

import numpy as np  # noqa: E402
import skimage.morphology  # noqa: E402
from cellprofiler_core.image import Image, ImageSetList  # noqa: E402
from cellprofiler_core.measurement import Measurements  # noqa: E402
from cellprofiler_core.object import Objects, ObjectSet  # noqa: E402
from cellprofiler_core.pipeline import Pipeline  # noqa: E402
from cellprofiler_core.workspace import Workspace  # noqa: E402

from plugins_cases import VARIANTS, all_cases  # noqa: E402

RELATIVE, ABSOLUTE = 1e-6, 1e-9
OBJECTS = ("Nuclei", "Cytoplasm", "Cells")


def configure(module, variant, channels):
    """Give a module the settings of a variant; "published" are those of CPJUMP1."""
    name = module.module_name
    if name.startswith(("Identify", "Correct", "Filter", "Threshold", "Enhance")):
        configure_making(module, variant)
    if hasattr(module, "images_list"):
        module.images_list.value = ", ".join(channels)
    if hasattr(module, "objects_list"):
        module.objects_list.value = ", ".join(OBJECTS)
    if name == "MeasureGranularity":
        module.wants_objects.value = True
        sizes = {"published": (0.5, 0.5, 10), "full size": (1, 1, 4), "coarse": (0.25, 0.5, 3)}[variant]
        module.subsample_size.value, module.image_sample_size.value, module.element_size.value = sizes
        module.granular_spectrum_length.value = 16
    elif name == "MeasureImageIntensity":
        module.wants_objects.value = variant == "objects"
        module.objects_list.value = "Cells"
        module.wants_percentiles.value = True
        module.percentiles.value = "0,5,50,99,100"
    elif name == "MeasureImageQuality":
        group = module.image_groups[0]
        module.images_choice.value = "Select..."
        group.image_names.value = ", ".join(channels)
        module.add_scale_group(group)
        for k, scale in enumerate((20, 7)):
            group.scale_groups[k].scale.value = scale
        group.calculate_threshold.value = True
        group.use_all_threshold_methods.value = variant == "all thresholds"
        if variant == "three classes":
            group.threshold_groups[0].threshold_method.value = "Otsu"
            group.threshold_groups[0].two_class_otsu.value = "Three classes"
    elif name == "MeasureTexture":
        module.images_or_objects.value = "Objects" if variant == "objects" else "Both"
        module.gray_levels.value = 16 if variant == "16 levels" else 256
        for _ in range(2):
            module.add_scale()
        for k, scale in enumerate((3, 5, 10)):
            module.scale_groups[k].scale.value = scale
    elif name == "MeasureColocalization":
        everything = variant.startswith("all metrics")
        module.images_or_objects.value = "Both" if everything else "Within objects"
        module.do_all.value = everything
        module.do_costes.value = everything
        if everything:
            module.fast_costes.value = {"fast": "Fast", "accurate": "Accurate"}.get(
                variant.split()[-1], "Faster"
            )
    elif name == "MeasureObjectIntensityDistribution":
        for _ in OBJECTS[1:]:
            module.add_object()
        for k, objects in enumerate(OBJECTS):
            module.objects[k].object_name.value = objects
        if variant == "centers":
            module.objects[1].center_choice.value = "Centers of other objects"
            module.objects[1].center_object_name.value = "Cells"
        if variant == "nuclei's centers":
            module.objects[2].center_choice.value = "Centers of other objects"
            module.objects[1].center_choice.value = "Edges of other objects"
            for k in (1, 2):
                module.objects[k].center_object_name.value = "Nuclei"
            module.bin_counts[0].bin_count.value = 7
        if variant == "unscaled":
            module.add_bin_count()
            module.bin_counts[0].wants_scaled.value = False
            module.bin_counts[0].maximum_radius.value = 8
            module.bin_counts[1].bin_count.value = 3
        if variant == "Zernikes":
            module.wants_zernikes.value = "Magnitudes and phase"
    elif name == "MeasureObjectSizeShape":
        module.calculate_zernikes.value = True
        module.calculate_advanced.value = variant == "advanced"
    elif name == "MeasureObjectSkeleton":
        module.seed_objects_name.value, module.image_name.value = "Nuclei", "Skeleton"
        module.wants_to_fill_holes.value = variant != "without holes"
    elif name == "MeasureObjectNeighbors":
        module.object_name.value = "Nuclei" if variant == "nuclei to cells" else "Cells"
        module.neighbors_name.value = "Cells"
        methods = {"adjacent": "Adjacent", "expanded": "Expand until adjacent"}
        module.distance_method.value = methods.get(variant, "Within a specified distance")
        module.distance.value = 5


def configure_making(module, variant):
    """Give a module that creates objects or an image the settings of a variant; its output is `Found`."""
    name = module.module_name
    if name == "CorrectIlluminationApply":
        pair = module.images[0]
        pair.image_name.value, pair.illum_correct_function_image_name.value = "DNA", "RNA"
        pair.corrected_image_name.value = "Found"
        pair.divide_or_subtract.value = "Subtract" if variant == "subtract" else "Divide"
        module.truncate_low.value = module.truncate_high.value = variant == "divide"
    elif name == "CorrectIlluminationCalculate":
        module.image_name.value, module.illumination_image_name.value = "DNA", "Found"
        module.intensity_choice.value = "Background" if variant == "background" else "Regular"
        module.block_size.value = 7
        module.each_or_all.value = "Each"
        module.rescale_option.value = "No"
        module.smoothing_method.value = "Gaussian Filter"
        module.automatic_object_width.value = "Manually"
        module.size_of_smoothing_filter.value = 9
    elif name == "FilterObjects":
        module.x_name.value, module.y_name.value = "Cells", "Found"
        module.mode.value = "Image or mask border"
        module.add_additional_object()
        other = module.additional_objects[0]
        other.object_name.value, other.target_name.value = "Nuclei", "FoundNuclei"
    elif name == "EnhanceOrSuppressFeatures":
        module.x_name.value, module.y_name.value = "DNA", "Found"
        module.enhance_method.value = "Speckles" if variant == "speckles" else "Neurites"
        module.neurite_choice.value = "Line structures" if variant == "gradient" else "Tubeness"
    elif name == "Threshold":
        module.x_name.value, module.y_name.value = "DNA", "Found"
        module.threshold_scope.value = "Adaptive" if variant == "adaptive" else "Global"
        module.global_operation.value = "Minimum Cross-Entropy" if variant == "published" else "Otsu"
        module.two_class_otsu.value = "Three classes" if variant == "three classes" else "Two classes"
        module.threshold_smoothing_scale.value = 1.3488
        module.adaptive_window_size.value = 20
    elif name == "IdentifyPrimaryObjects":
        module.x_name.value, module.y_name.value = "DNA", "Found"
        module.size_range.value = (12, 40) if variant == "intensity" else (4, 40)
        module.use_advanced.value = variant != "basic"
        module.unclump_method.value = "Intensity" if variant == "intensity" else "Shape"
        module.watershed_method.value = "Propagate" if variant == "intensity" else "Shape"
        module.fill_holes.value = (
            "Never" if variant == "published" else "After both thresholding and declumping"
        )
        module.threshold.threshold_smoothing_scale.value = 3
    elif name == "IdentifySecondaryObjects":
        module.x_name.value, module.y_name.value, module.image_name.value = "Nuclei", "Found", "RNA"
        methods = {
            "distance": "Distance - N",
            "distance B": "Distance - B",
            "propagation": "Propagation",
            "far": "Propagation",
        }
        module.regularization_factor.value = 10 if variant == "far" else 0.05
        module.method.value = methods.get(variant, "Watershed - Image")
        module.wants_discard_edge.value = module.wants_discard_primary.value = variant == "border"
        module.threshold.threshold_smoothing_scale.value = 0 if variant == "published" else 1.3
    elif name == "IdentifyTertiaryObjects":
        module.secondary_objects_name.value, module.primary_objects_name.value = "Cells", "Nuclei"
        module.subregion_objects_name.value = "Found"
        module.shrink_primary.value = variant == "published"


def measured(module, case):
    """Return the module's measurements on a case in their order, or its error.

    The objects and images of the workspace are included: label matrices and pixels are values, too.
    """
    images, objects, masks = case
    image_sets = ImageSetList()
    image_set = image_sets.get_image_set(0)
    for name, pixels in images.items():
        image_set.add(name, Image(pixels.copy(), mask=masks.get(name)))
    if module.module_name == "MeasureObjectSkeleton":
        skeleton = skimage.morphology.skeletonize(next(iter(images.values())) > 0.3)
        image_set.add("Skeleton", Image(skeleton))
    object_set = ObjectSet()
    for name, labels in objects.items():
        item = Objects()
        item.segmented = labels.copy()
        object_set.add_objects(item, name)
    measurements = Measurements(mode="memory")
    pipeline = Pipeline()
    module.set_module_num(1)
    pipeline.add_module(module)
    record = {}

    def add(object_name, feature, data, *_):
        record[f"{object_name}.{feature}"] = np.array(data, float, copy=True)

    measurements.add_measurement = add
    measurements.add_image_measurement = lambda feature, data: add("Image", feature, data)
    try:
        module.run(Workspace(pipeline, module, image_set, object_set, measurements, image_sets))
    except Exception as error:
        return type(error).__name__
    if module.module_name.startswith("Measure"):
        return record
    for name in object_set.object_names:
        found = object_set.get_objects(name)
        for kind in ("segmented", "unedited_segmented", "small_removed_segmented"):
            add(name, kind, getattr(found, kind).ravel())
    for name in set(image_set.names) - set(images):
        add("Image", name, image_set.get_image(name).pixel_data.ravel())
    return record


def differences(expected, found):
    """Return the number of values, and the differences: names, order, errors, (feature, expected, found)."""
    if isinstance(expected, str) or isinstance(found, str):
        return 0, [] if expected == found else [["error", repr(expected)[:80], repr(found)[:80]]]
    different = []
    if list(expected) != list(found):
        different.append(["names", len(expected), len(found)])
    values = 0
    for feature in set(expected) & set(found):
        left, right = np.atleast_1d(expected[feature]), np.atleast_1d(found[feature])
        values += left.size
        if left.shape != right.shape:
            different.append([feature, str(left.shape), str(right.shape)])
            continue
        near = (left == right) | (np.isnan(left) & np.isnan(right))
        near |= np.abs(left - right) <= np.maximum(RELATIVE * np.abs(left), ABSOLUTE)
        for k in np.flatnonzero(~near):
            different.append([f"{feature}[{k}]", float(left[k]), float(right[k])])
    return values, different


def main(plugins, *names):
    """Compare all modules (or the named ones), variants and cases."""
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    sys.path.insert(0, plugins)
    for name, variants in VARIANTS.items():
        if names and name not in names:
            continue
        stock = getattr(importlib.import_module("cellprofiler.modules." + name.lower()), name)
        fast = getattr(importlib.import_module(name.lower()), name)
        for variant in variants:
            for case_name, case in all_cases().items():
                if name == "MeasureGranularity" and case_name == "NaN":
                    continue  # the built-in module crashes Python
                records = []
                for kind in (stock, fast):
                    module = kind()
                    configure(module, variant, list(case[0]))
                    module.show_window = False
                    records.append(measured(module, case))
                values, different = differences(*records)
                result = {"module": name, "variant": variant, "case": case_name, "values": values}
                print(json.dumps({**result, "different": different}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
