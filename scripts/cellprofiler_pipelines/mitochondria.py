"""Modules for the network of mitochondria, as in the JUMP consortium's production pipeline."""

# The names that the published pipeline gives to its images; its features end with them.
TUBES, BLACK_AND_WHITE, SKELETON = "mito_tubeness", "mito_bw", "mito_skel"


def measure_mitochondria(assembly, objects, how):
    """Add the enhanced and skeletonized network of mitochondria, and its measurements around the nuclei.

    Parameters
    ----------
    assembly : the pipeline under construction
    objects : names of the objects that the assay measures
    how : the settings `measurements.mitochondria` of the assay
    """
    assembly.add(
        "EnhanceOrSuppressFeatures",
        [
            ("Select the input image", how["channel"]),
            ("Name the output image", TUBES),
            ("Select the operation", "Enhance"),
            ("Feature type", "Neurites"),
            ("Enhancement method", "Tubeness"),
            ("Smoothing scale", how["scale"]),
            ("Rescale result image", True),
        ],
    )
    assembly.add(
        "Threshold",
        [
            ("Select the input image", TUBES),
            ("Name the output image", BLACK_AND_WHITE),
            ("Threshold strategy", "Global"),
            ("Thresholding method", "Minimum Cross-Entropy"),
            ("Threshold smoothing scale", how["threshold_smoothing"]),
            ("Threshold correction factor", 1),
            ("Lower and upper bounds on threshold", "0,1"),
        ],
    )
    assembly.add(
        "MorphologicalSkeleton",
        [("Select the input image", BLACK_AND_WHITE), ("Name the output image", SKELETON)],
    )
    assembly.add(
        "MeasureObjectSkeleton",
        [
            ("Select the seed objects", "Nuclei"),
            ("Select the skeletonized image", SKELETON),
            ("Fill small holes?", True),
            ("Maximum hole size", how["hole_size"]),
        ],
    )
    around = [name for name in ("Cells", "Cytoplasm") if name in objects]
    if not around:
        return
    assembly.add(
        "MeasureObjectIntensityDistribution",
        [
            ("Select images to measure", TUBES),
            ("Hidden", len(around)),
            ("Hidden", 2),
            ("Hidden", 0),
            ("Calculate intensity Zernikes?", "None"),
            *(
                setting
                for name in around
                for setting in (
                    ("Select objects to measure", name),
                    ("Object to use as center?", "Centers of other objects"),
                    ("Select objects to use as centers", "Nuclei"),
                )
            ),
            ("Scale the bins?", True),
            ("Number of bins", how["bins"]),
            ("Scale the bins?", False),
            ("Number of bins", how["rings"]),
            ("Maximum radius", how["radius"]),
        ],
        grow=[*["add_object"] * (len(around) - 1), "add_bin_count"],
    )


def measure_background(assembly, names, cells):
    """Add the intensity of each image, and of each image outside of the objects `cells`."""
    outside = [f"{name}_BackgroundOnly" for name in names]
    for name, masked in zip(names, outside):
        assembly.add(
            "MaskImage",
            [
                ("Select the input image", name),
                ("Name the output image", masked),
                ("Use objects or an image as a mask?", "Objects"),
                ("Select object for mask", cells),
                ("Invert the mask?", True),
            ],
        )
    assembly.add(
        "MeasureImageIntensity",
        [
            ("Select images to measure", ", ".join(sorted([*names, *outside]))),
            ("Measure the intensity only from areas enclosed by objects?", False),
            ("Calculate custom percentiles", False),
        ],
    )
