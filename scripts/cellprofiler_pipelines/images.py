"""Modules for images: reading, illumination functions, quality, and illumination correction."""

RESCALE = {"Minimum": "Yes", "Median": "Median", "None": "No"}
CLIPPED = [
    ("Set output image values less than 0 equal to 0?", True),
    ("Set output image values greater than 1 equal to 1?", True),
]


def load_data(assembly, file_name, grouping):
    """Add LoadData: the images of each row of the image table that `--data-file` names."""
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


def calculate_illumination(assembly, name, how):
    """Add a channel's illumination function over a plate, from shrunk images; return its image's name."""
    shrunken = how["downsample"] > 1
    image, function = f"Orig{name}", f"Illum{name}"
    if shrunken:
        image = f"Downsampled{name}"
        factor = 1 / how["downsample"]
        assembly.add(
            "Resize",
            [
                ("Select the input image", f"Orig{name}"),
                ("Name the output image", image),
                ("Resizing method", "Resize by a fraction or multiple of the original size"),
                ("X Resizing factor", factor),
                ("Y Resizing factor", factor),
                ("Interpolation method", "Bilinear"),
            ],
        )
    assembly.add(
        "CorrectIlluminationCalculate",
        [
            ("Select the input image", image),
            ("Name the output image", function),
            ("Select how the illumination function is calculated", how["calculate"]),
            ("Block size", how["block_size"]),
            ("Rescale the illumination function?", RESCALE[how["rescale"]]),
            ("Calculate function for each image individually, or based on all images?", "All: Across cycles"),
            ("Smoothing method", how["smoothing"]),
            ("Method to calculate smoothing filter size", "Manually"),
            ("Smoothing filter size", how["filter_size"]),
        ],
    )
    if not shrunken:
        return function
    # Resize to the size of the image itself, published as a factor, which is the same unless the image's
    # size is not a multiple of it.
    assembly.add(
        "Resize",
        [
            ("Select the input image", function),
            ("Name the output image", f"Upsampled{function}"),
            ("Resizing method", "Resize by specifying desired final dimensions"),
            ("Interpolation method", "Bilinear"),
            ("Method to specify the dimensions", "Image"),
            ("Select the image with the desired dimensions", f"Orig{name}"),
        ],
    )
    return f"Upsampled{function}"


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
        [*settings, *CLIPPED],
        grow=["add_image"] * (len(names) - 1),
    )


def subtract_background(assembly, channel, background):
    """Subtract a smooth background from the nuclei's channel; return the new image's name."""
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
            *CLIPPED,
        ],
    )
    return "NucleiSubtracted"


def measure_image_quality(assembly, assay):
    """Measure focus, saturation, intensity and background of each raw image, for quality control."""
    quality = assay["measurements"]["image_quality"]
    if quality is None:
        return
    images = ", ".join(f"Orig{channel['name']}" for channel in assay["channels"])
    assembly.add(
        "MeasureImageQuality",
        [
            ("Calculate metrics for which images?", "Select..."),
            ("Select the images to measure", images),
            ("Include the image rescaling value?", quality["scaling"]),
            ("Calculate blur metrics?", True),
            *(("Spatial scale for blur measurements", scale) for scale in quality["scales"]),
            ("Calculate saturation metrics?", True),
            ("Calculate intensity metrics?", True),
            ("Calculate thresholds?", False),
        ],
        grow=[lambda module: module.add_scale_group(module.image_groups[0])] * (len(quality["scales"]) - 1),
    )
    if quality["thresholds"]:
        measure_thresholds(assembly, assay)
    assembly.add(
        "MeasureImageIntensity",
        [
            ("Select images to measure", images),
            ("Calculate custom percentiles", True),
            ("Specify percentiles to measure", quality["background_percentile"]),
        ],
    )


def measure_thresholds(assembly, assay):
    """Measure the Otsu thresholds of the raw images in which nuclei and cells are found."""
    found_in = {"nuclei": "Two classes", "cells": "Three classes"}
    chosen = {
        assay[name]["channel"]: classes
        for name, classes in found_in.items()
        if assay.get(name, {}).get("channel")
    }
    settings = [
        setting
        for channel, classes in chosen.items()
        for setting in (
            ("Select the images to measure", f"Orig{channel}"),
            ("Include the image rescaling value?", False),
            ("Calculate blur metrics?", False),
            ("Calculate saturation metrics?", False),
            ("Calculate intensity metrics?", False),
            ("Calculate thresholds?", True),
            ("Use all thresholding methods?", False),
            ("Select a thresholding method", "Otsu"),
            ("Two-class or three-class thresholding?", classes),
            ("Minimize the weighted variance or the entropy?", "Weighted variance"),
            (
                "Assign pixels in the middle intensity class to the foreground or the background?",
                "Background" if classes == "Two classes" else "Foreground",
            ),
        )
    ]
    assembly.add(
        "MeasureImageQuality",
        [("Calculate metrics for which images?", "Select..."), *settings],
        grow=["add_image_group"] * (len(chosen) - 1),
    )
