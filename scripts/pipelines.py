"""Write the CellProfiler pipelines of an assay: illumination.cppipe, analysis.cppipe and segmentation.cppipe.

They are put together through CellProfiler's own API from the assay description, so that they open
in CellProfiler. With CPJUMP1's description they hold the settings that CPJUMP1 was published with
(Chandrasekaran et al., Nature Methods 2024); words like "Smoothing filter size" are the names of
CellProfiler's settings.

It runs in CellProfiler's Python (3.8 or newer) and goes there by itself when started in another.
"""

import argparse
import importlib.util
import json
import logging
import os
import sys
from pathlib import Path

from lib.cellprofiler import cellprofiler_environment, compartments, logged_to, python_of
from lib.cellprofiler_assembly import Assembly
from lib.errors import InputError

RESCALE = {"Minimum": "Yes", "Median": "Median", "None": "No"}
HERE_FOR = "PLATEWISE_PIPELINES_FOR"
OTSU_CLASSES = {2: "Two classes", 3: "Three classes"}


def load_data(assembly, file_name, grouping):
    """LoadData: the images of each row of the image table that `--data-file` names."""
    assembly.add(
        "LoadData",
        [
            ("Input data file location", "Default Input Folder|"),
            ("Name of the file", file_name),
            ("Load images based on this data?", True),
            ("Base image location", "None|"),
            ("Group images by metadata?", True),
            ("Select metadata tags for grouping", grouping),
            ("Rescale intensities?", True),
        ],
    )


def illumination_pipeline(assay):
    """Calculate the illumination function of each channel over a plate and save it as .npy."""
    how = assay["illumination"]
    assembly = Assembly()
    load_data(assembly, "load_data.csv", "Plate")
    names = [channel["name"] for channel in assay["channels"]]
    shrunken = how["downsample"] > 1
    for name in names:
        if shrunken:
            factor = 1 / how["downsample"]
            assembly.add(
                "Resize",
                [
                    ("Select the input image", f"Orig{name}"),
                    ("Name the output image", f"Downsampled{name}"),
                    ("Resizing method", "Resize by a fraction or multiple of the original size"),
                    ("X Resizing factor", factor),
                    ("Y Resizing factor", factor),
                    ("Interpolation method", "Bilinear"),
                ],
            )
        assembly.add(
            "CorrectIlluminationCalculate",
            [
                ("Select the input image", f"Downsampled{name}" if shrunken else f"Orig{name}"),
                ("Name the output image", f"Illum{name}"),
                ("Select how the illumination function is calculated", how["calculate"]),
                ("Block size", how["block_size"]),
                ("Rescale the illumination function?", RESCALE[how["rescale"]]),
                (
                    "Calculate function for each image individually, or based on all images?",
                    "All: Across cycles",
                ),
                ("Smoothing method", how["smoothing"]),
                ("Method to calculate smoothing filter size", "Manually"),
                ("Smoothing filter size", how["filter_size"]),
            ],
        )
        if shrunken:
            # Back to the size of the image itself: published as a factor, which is the same
            # unless the image's size is no multiple of it.
            assembly.add(
                "Resize",
                [
                    ("Select the input image", f"Illum{name}"),
                    ("Name the output image", f"UpsampledIllum{name}"),
                    ("Resizing method", "Resize by specifying desired final dimensions"),
                    ("Interpolation method", "Bilinear"),
                    ("Method to specify the dimensions", "Image"),
                    ("Select the image with the desired dimensions", f"Orig{name}"),
                ],
            )
    for name in names:
        assembly.add(
            "SaveImages",
            [
                ("Select the image to save", f"UpsampledIllum{name}" if shrunken else f"Illum{name}"),
                ("Select method for constructing file names", "Single name"),
                ("Enter single file name", f"Illum{name}"),
                ("Saved file format", "npy"),
                ("Output file location", "Default Output Folder|"),
                ("Overwrite existing files without warning?", True),
                ("When to save", "Last cycle"),
            ],
        )
    return assembly


def measure_image_quality(assembly, assay):
    """Focus, saturation, intensity and background of each image as it was taken, for quality control."""
    quality = assay["measurements"]["image_quality"]
    if quality is None:
        return
    images = ", ".join(f"Orig{channel['name']}" for channel in assay["channels"])
    assembly.add(
        "MeasureImageQuality",
        [
            ("Calculate metrics for which images?", "Select..."),
            ("Select the images to measure", images),
            ("Include the image rescaling value?", False),
            ("Calculate blur metrics?", True),
            ("Spatial scale for blur measurements", quality["scale"]),
            ("Calculate saturation metrics?", True),
            ("Calculate intensity metrics?", True),
            ("Calculate thresholds?", False),
        ],
    )
    assembly.add(
        "MeasureImageIntensity",
        [
            ("Select images to measure", images),
            ("Calculate custom percentiles", True),
            ("Specify percentiles to measure", quality["background_percentile"]),
        ],
    )


def correct_illumination(assembly, assay):
    """Apply the illumination functions: OrigDNA becomes DNA."""
    names = [channel["name"] for channel in assay["channels"]]
    apply = assay["illumination"]["apply"]
    if apply == "None":
        for name in names:
            assembly.add(
                "ImageMath",
                [
                    ("Operation", "None"),
                    ("Name the output image", name),
                    ("Select the image", f"Orig{name}"),
                ],
            )
        return
    settings = []
    for name in names:
        settings += [
            ("Select the input image", f"Orig{name}"),
            ("Name the output image", name),
            ("Select the illumination function", f"Illum{name}"),
            ("Select how the illumination function is applied", apply),
        ]
    assembly.add(
        "CorrectIlluminationApply",
        [
            *settings,
            ("Set output image values less than 0 equal to 0?", True),
            ("Set output image values greater than 1 equal to 1?", True),
        ],
        grow=["add_image"] * (len(names) - 1),
    )


def subtract_background(assembly, channel, background):
    """Subtract a smooth background from the nuclei's channel; returns the new image's name."""
    assembly.add(
        "CorrectIlluminationCalculate",
        [
            ("Select the input image", channel),
            ("Name the output image", "NucleiBackground"),
            ("Select how the illumination function is calculated", "Background"),
            ("Block size", background["block_size"]),
            ("Rescale the illumination function?", False),
            ("Calculate function for each image individually, or based on all images?", "Each"),
            ("Smoothing method", "Gaussian Filter"),
            ("Method to calculate smoothing filter size", "Manually"),
            ("Smoothing filter size", background["smoothing"]),
        ],
    )
    assembly.add(
        "CorrectIlluminationApply",
        [
            ("Select the input image", channel),
            ("Name the output image", "NucleiSubtracted"),
            ("Select the illumination function", "NucleiBackground"),
            ("Select how the illumination function is applied", "Subtract"),
            ("Set output image values less than 0 equal to 0?", True),
            ("Set output image values greater than 1 equal to 1?", True),
        ],
    )
    return "NucleiSubtracted"


def threshold_settings(threshold):
    """The threshold settings that the modules that find objects share."""
    adaptive = threshold["strategy"] == "Adaptive"
    method = threshold["method"]
    return [
        ("Threshold strategy", threshold["strategy"]),
        # The first is the global method, the second the adaptive one; only one of them counts.
        ("Thresholding method", "Minimum Cross-Entropy" if adaptive else method),
        ("Thresholding method", method if adaptive else "Otsu"),
        ("Threshold smoothing scale", threshold["smoothing"]),
        ("Threshold correction factor", threshold["correction"]),
        ("Lower and upper bounds on threshold", threshold["bounds"]),
        ("Manual threshold", threshold["manual"]),
        ("Two-class or three-class thresholding?", OTSU_CLASSES[threshold["classes"]]),
        ("Log transform before thresholding?", threshold["log_transform"]),
        (
            "Assign pixels in the middle intensity class to the foreground or the background?",
            threshold["middle"],
        ),
        ("Size of adaptive window", threshold["window"]),
        ("Lower outlier fraction", threshold["lower_outliers"]),
        ("Upper outlier fraction", threshold["upper_outliers"]),
        ("Averaging method", threshold["average"]),
        ("Variance method", threshold["variance"]),
        ("# of deviations", threshold["deviations"]),
    ]


def find_nuclei(assembly, nuclei):
    """IdentifyPrimaryObjects: Nuclei."""
    image = nuclei["channel"]
    if nuclei["background"] is not None:
        image = subtract_background(assembly, image, nuclei["background"])
    declump = nuclei["declump"]
    smoothing, distance = declump["smoothing"], declump["minimum_distance"]
    assembly.add(
        "IdentifyPrimaryObjects",
        [
            ("Select the input image", image),
            ("Name the primary objects to be identified", "Nuclei"),
            ("Typical diameter of objects, in pixel units (Min,Max)", nuclei["diameter"]),
            ("Discard objects outside the diameter range?", nuclei["discard_outside_diameter"]),
            ("Discard objects touching the border of the image?", nuclei["discard_border"]),
            ("Method to distinguish clumped objects", declump["method"]),
            ("Method to draw dividing lines between clumped objects", declump["dividing_lines"]),
            ("Automatically calculate size of smoothing filter for declumping?", smoothing is None),
            ("Size of smoothing filter", 10 if smoothing is None else smoothing),
            (
                "Automatically calculate minimum allowed distance between local maxima?",
                distance is None,
            ),
            (
                "Suppress local maxima that are closer than this minimum allowed distance",
                7 if distance is None else distance,
            ),
            (
                "Speed up by using lower-resolution image to find local maxima?",
                declump["speed_up"],
            ),
            ("Fill holes in identified objects?", nuclei["fill_holes"]),
            ("Use advanced settings?", True),
            *threshold_settings(nuclei["threshold"]),
        ],
    )


def find_cells(assembly, cells, nuclei_channel):
    """IdentifySecondaryObjects: Cells, one around each nucleus."""
    # Distance - N looks at no image, but CellProfiler asks for one all the same.
    image = cells.get("channel", nuclei_channel)
    assembly.add(
        "IdentifySecondaryObjects",
        [
            ("Select the input objects", "Nuclei"),
            ("Name the objects to be identified", "Cells"),
            ("Select the method to identify the secondary objects", cells["method"]),
            ("Select the input image", image),
            ("Number of pixels by which to expand the primary objects", cells["distance"]),
            ("Regularization factor", cells["regularization"]),
            ("Discard secondary objects touching the border of the image?", cells["discard_border"]),
            ("Fill holes in identified objects?", cells["fill_holes"]),
            *threshold_settings(cells["threshold"]),
        ],
    )


def find_cytoplasm(assembly):
    """IdentifyTertiaryObjects: Cytoplasm, the cell less its nucleus shrunk by one pixel."""
    assembly.add(
        "IdentifyTertiaryObjects",
        [
            ("Select the larger identified objects", "Cells"),
            ("Select the smaller identified objects", "Nuclei"),
            ("Name the tertiary objects to be identified", "Cytoplasm"),
            ("Shrink smaller object prior to subtraction?", True),
        ],
    )


def measure(assembly, assay):
    """The measurements of each compartment on each measured channel."""
    what = assay["measurements"]
    found = compartments(assay)
    names = sorted(channel["name"] for channel in assay["channels"] if channel["measure"])
    # The order of the images is the order of the two channels in the names of their pair's features.
    images, objects = ", ".join(names), ", ".join(found)
    both = [("Select images to measure", images), ("Select objects to measure", objects)]

    if what["colocalization"] is not None and len(names) > 1:
        assembly.add(
            "MeasureColocalization",
            [
                *both,
                (
                    "Set threshold as percentage of maximum intensity for the images",
                    what["colocalization"]["threshold"],
                ),
                ("Select where to measure correlation", "Within objects"),
                ("Run all metrics?", False),
                (
                    "Calculate the Manders coefficients using Costes auto threshold?",
                    what["colocalization"]["costes"],
                ),
                ("Method for Costes thresholding", "Fast"),
            ],
        )
    if what["granularity"] is not None:
        granularity = what["granularity"]
        assembly.add(
            "MeasureGranularity",
            [
                *both,
                ("Measure within objects?", True),
                ("Subsampling factor for granularity measurements", granularity["subsample"]),
                (
                    "Subsampling factor for background reduction",
                    granularity["background_subsample"],
                ),
                ("Radius of structuring element", granularity["radius"]),
                ("Range of the granular spectrum", granularity["spectrum"]),
            ],
        )
    if what["intensity"]:
        assembly.add("MeasureObjectIntensity", both)
    if what["neighbors"] is not None:
        for name in ("Nuclei", "Cells"):
            for near in what["neighbors"][name.lower()] if name in found else []:
                measure_neighbors(assembly, name, near)
    if what["radial_distribution"] is not None:
        measure_radial_distribution(assembly, images, found, what["radial_distribution"])
    if what["size_shape"] is not None:
        assembly.add(
            "MeasureObjectSizeShape",
            [
                ("Select object sets to measure", objects),
                ("Calculate the Zernike features?", what["size_shape"]["zernikes"]),
                ("Calculate the advanced features?", what["size_shape"]["advanced"]),
            ],
        )
    if what["texture"] is not None:
        texture = what["texture"]
        assembly.add(
            "MeasureTexture",
            [
                *both,
                ("Enter how many gray levels to measure the texture at", texture["gray_levels"]),
                ("Hidden", len(texture["scales"])),
                ("Measure whole images or objects?", "Both" if texture["images"] else "Objects"),
                *(("Texture scale to measure", scale) for scale in texture["scales"]),
            ],
            grow=["add_scale"] * (len(texture["scales"]) - 1),
        )


def measure_neighbors(assembly, objects, near):
    """MeasureObjectNeighbors: `near` is a distance in pixels or CellProfiler's word for the method."""
    within = isinstance(near, int)
    assembly.add(
        "MeasureObjectNeighbors",
        [
            ("Select objects to measure", objects),
            ("Select neighboring objects to measure", objects),
            ("Method to determine neighbors", "Within a specified distance" if within else near),
            ("Neighbor distance", near if within else 5),
            ("Consider objects discarded for touching image border?", True),
        ],
    )


def measure_radial_distribution(assembly, images, objects, how):
    """MeasureObjectIntensityDistribution, from each object's own center."""
    assembly.add(
        "MeasureObjectIntensityDistribution",
        [
            ("Select images to measure", images),
            ("Hidden", len(objects)),
            ("Hidden", 1),
            ("Hidden", 0),
            ("Calculate intensity Zernikes?", how["zernikes"]),
            ("Maximum zernike moment", how["zernike_degree"]),
            *(("Select objects to measure", name) for name in objects),
            ("Scale the bins?", how["scaled"]),
            ("Number of bins", how["bins"]),
            ("Maximum radius", how["maximum_radius"]),
        ],
        grow=["add_object"] * (len(objects) - 1),
    )


def save_outlines(assembly, objects):
    """Outlines of nuclei and cells, white on black, named like CPJUMP1's: A01_s1--cell_outlines.png."""
    for name, word in (("Nuclei", "nuclei"), ("Cells", "cell")):
        if name not in objects:
            continue
        image = f"{word.capitalize()}Outlines"
        assembly.add(
            "OverlayOutlines",
            [
                ("Display outlines on a blank image?", True),
                ("Name the output image", image),
                ("Outline display mode", "Grayscale"),
                ("How to outline", "Inner"),
                ("Select objects to display", name),
            ],
        )
        assembly.add(
            "SaveImages",
            [
                ("Select the image to save", image),
                ("Select method for constructing file names", "Single name"),
                ("Enter single file name", rf"\g<Well>_s\g<Site>--{word}_outlines"),
                ("Saved file format", "png"),
                ("Output file location", "Default Output Folder sub-folder|outlines"),
                ("Image bit depth", "8-bit integer"),
                ("Overwrite existing files without warning?", True),
                ("When to save", "Every cycle"),
                ("Record the file and path information to the saved image?", True),
            ],
        )


def save_labels(assembly, name):
    """The objects' numbers as an image, which embeddings.mask takes: A01_s1--labels.tiff."""
    assembly.add(
        "ConvertObjectsToImage",
        [
            ("Select the input objects", name),
            ("Name the output image", "Labels"),
            ("Select the color format", "uint16"),
        ],
    )
    assembly.add(
        "SaveImages",
        [
            ("Select the image to save", "Labels"),
            ("Select method for constructing file names", "Single name"),
            ("Enter single file name", r"\g<Well>_s\g<Site>--labels"),
            ("Saved file format", "tiff"),
            ("Output file location", "Default Output Folder sub-folder|labels"),
            # Any conversion would stretch the numbers.
            ("Image bit depth", "No conversion"),
            ("Overwrite existing files without warning?", True),
            ("When to save", "Every cycle"),
            ("Record the file and path information to the saved image?", False),
        ],
    )


def export(assembly, objects):
    """ExportToSpreadsheet: Image.csv and a table for each compartment."""
    names = ["Image", *objects]
    settings = []
    for name in names:
        settings += [
            ("Data to export", name),
            ("File name", f"{name}.csv"),
            ("Use the object name for the file name?", False),
        ]
    assembly.add(
        "ExportToSpreadsheet",
        [
            ("Select the column delimiter", 'Comma (",")'),
            ("Output file location", "Default Output Folder|"),
            ("Export all measurement types?", False),
            ("Representation of Nan/Inf", "NaN"),
            ("Add a prefix to file names?", False),
            ("Overwrite existing files without warning?", True),
            *settings,
        ],
        grow=["add_object_group"] * (len(names) - 1),
    )


def analysis_pipeline(assay):
    """Find the cells of each site, measure them and export their tables."""
    assembly = Assembly()
    load_data(assembly, "load_data_with_illum.csv", "Plate,Well,Site")
    measure_image_quality(assembly, assay)
    correct_illumination(assembly, assay)
    find_nuclei(assembly, assay["nuclei"])
    objects = compartments(assay)
    if "Cells" in objects:
        find_cells(assembly, assay["cells"], assay["nuclei"]["channel"])
    if "Cytoplasm" in objects:
        find_cytoplasm(assembly)
    measure(assembly, assay)
    if assay["outlines"]:
        save_outlines(assembly, objects)
    if assay.get("labels"):
        save_labels(assembly, "Cells" if "Cells" in objects else "Nuclei")
    export(assembly, objects)
    return assembly


def segmentation_pipeline(assay, own=None):
    """Find the cells as the analysis pipeline does, measure nothing, and save their outlines.

    `own`: the user's analysis pipeline, which then says how cells are found. Of its measurements only
    those stay that another module needs to decide by (FilterObjects, say).
    """
    objects = compartments(assay)
    assembly = Assembly()
    if own is None:
        load_data(assembly, "load_data_with_illum.csv", "Plate,Well,Site")
        correct_illumination(assembly, assay)
        find_nuclei(assembly, assay["nuclei"])
        if "Cells" in objects:
            find_cells(assembly, assay["cells"], assay["nuclei"]["channel"])
    else:
        assembly.take(own, without_measurements)
    objects = [name for name in objects if name != "Cytoplasm"]
    save_outlines(assembly, objects)
    export(assembly, objects)
    return assembly


def without_measurements(modules, pipeline):
    """The modules of a pipeline without its measurements, except those that other modules decide by,
    and without what it draws, saves and exports."""
    written = ("SaveImages", "OverlayOutlines", "OverlayObjects", "DisplayDataOnImage", "CreateBatchFiles")

    def measures(module):
        return module.module_name.startswith("Measure")

    kept = [
        module
        for module in modules
        if module.enabled
        and not module.module_name.startswith(("Export", "Display"))
        and module.module_name not in written
    ]
    needed = {
        str(setting.value)
        for module in kept
        if not measures(module)
        for setting in module.visible_settings()
        if type(setting).__name__ == "Measurement"
    }
    return [
        module
        for module in kept
        if not measures(module)
        or needed & {str(column[1]) for column in module.get_measurement_columns(pipeline)}
    ]


def main(name, assay, output, own=None):
    """Write the pipeline `name` (illumination, analysis or segmentation) of an assay to a file.

    `own`: for segmentation, the user's own analysis pipeline.
    """
    import cellprofiler_core.preferences

    cellprofiler_core.preferences.set_headless()
    output = Path(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    if name == "segmentation":
        segmentation_pipeline(assay, own).write(output)
    else:
        make = {"illumination": illumination_pipeline, "analysis": analysis_pipeline}[name]
        make(assay).write(output)


def command_line():
    """The script's options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=["illumination", "analysis", "segmentation"])
    parser.add_argument("--own", help="for segmentation: a .cppipe that says how cells are found")
    parser.add_argument("--cellprofiler", required=True, help="CellProfiler's command")
    parser.add_argument("--assay", required=True, help="the assay description, as JSON")
    parser.add_argument("--log", required=True)
    parser.add_argument("--output", required=True, help="the .cppipe to write")
    return parser


def go_to_cellprofilers_python(command):
    """Start this script again in the Python of a `cellprofiler` command."""
    python = python_of(command)
    if HERE_FOR in os.environ:
        raise InputError(f"{python[0]}, the Python of {command}, has no package cellprofiler.")
    environment = {**cellprofiler_environment(1), HERE_FOR: command}
    os.execve(python[0], [*python, *sys.argv], environment)


if __name__ == "__main__":
    options = command_line().parse_args()
    with logged_to(options.log) as log_file:
        if importlib.util.find_spec("cellprofiler") is None:
            go_to_cellprofilers_python(options.cellprofiler)
        # What CellProfiler misses when it is imported (a database client) is of no concern here.
        logging.basicConfig(stream=log_file)
        main(options.name, json.loads(options.assay), options.output, options.own)
