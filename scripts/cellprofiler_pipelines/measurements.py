"""Modules for the measurements of each compartment on each measured channel."""

from lib.assay import get_compartments


def measure(assembly, assay):
    """Add the measurements of each compartment on each measured channel."""
    what = assay["measurements"]
    found = get_compartments(assay)
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
    """Add MeasureObjectNeighbors: `near` is a distance in pixels or CellProfiler's word for the method."""
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
    """Add MeasureObjectIntensityDistribution, from each object's own center.

    Parameters
    ----------
    assembly
        The pipeline that the module is added to.
    images
        Names of the images to measure.
    objects
        Names of the objects to measure, at least one.
    how
        The config's settings: `zernikes`, `zernike_degree`, `scaled`, `bins` (number) and `maximum_radius`
        (pixels).
    """
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
