"""Modules for objects: nuclei, cells and cytoplasm."""

from cellprofiler_pipelines.images import subtract_background

# The value of `nuclei.discard_border` with which nuclei at the border are discarded together with their
# cells, and the names that the objects have until then.
AFTER_CELLS = "after cells"
EVERY = {"Nuclei": "NucleiIncludingEdges", "Cells": "CellsIncludingEdges"}
OTSU_CLASSES = {2: "Two classes", 3: "Three classes"}


def get_threshold_settings(threshold):
    """Return the threshold settings shared by the modules that find objects."""
    adaptive = threshold["strategy"] == "Adaptive"
    method = threshold["method"]
    return [
        ("Threshold strategy", threshold["strategy"]),
        # The first is the global method, the second the adaptive one; only one of them is used.
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


def take_labels(assembly, objects):
    """Add ConvertImageToObjects: objects from the label image of the site."""
    assembly.add(
        "ConvertImageToObjects",
        [
            ("Select the input image", f"Labels{objects}"),
            ("Name the output object", objects),
            ("Convert to boolean image", False),
            ("Preserve original labels", True),
        ],
    )


def relate_cells(assembly):
    """Add RelateObjects: the nucleus of each cell, if the cytoplasm does not record it."""
    assembly.add(
        "RelateObjects",
        [
            ("Parent objects", "Nuclei"),
            ("Child objects", "Cells"),
            ("Calculate child-parent distances?", "None"),
            ("Calculate per-parent means for all child measurements?", False),
            ("Do you want to save the children with parents as a new object set?", False),
        ],
    )


def find_nuclei(assembly, nuclei):
    """Add IdentifyPrimaryObjects: Nuclei; or take them from label images."""
    if nuclei.get("labels"):
        take_labels(assembly, "Nuclei")
        return
    image = nuclei["channel"]
    if nuclei["background"] is not None:
        image = subtract_background(assembly, image, nuclei["background"])
    declump = nuclei["declump"]
    # Nuclei at the border are discarded only after cells were grown around them, or at once.
    name = EVERY["Nuclei"] if nuclei["discard_border"] == AFTER_CELLS else "Nuclei"
    smoothing, distance = declump["smoothing"], declump["minimum_distance"]
    assembly.add(
        "IdentifyPrimaryObjects",
        [
            ("Select the input image", image),
            ("Name the primary objects to be identified", name),
            ("Typical diameter of objects, in pixel units (Min,Max)", nuclei["diameter"]),
            ("Discard objects outside the diameter range?", nuclei["discard_outside_diameter"]),
            ("Discard objects touching the border of the image?", nuclei["discard_border"] is True),
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
            *get_threshold_settings(nuclei["threshold"]),
        ],
    )


def find_cells(assembly, cells, nuclei_channel, names):
    """Add IdentifySecondaryObjects: Cells, one around each nucleus; or take them from label images.

    Parameters
    ----------
    assembly
        The pipeline that the module is added to.
    cells
        The config's settings of cells; with `labels`, the cells come from label images.
    nuclei_channel
        The channel of the nuclei, which is the input image if the settings name none.
    names
        The names of `Nuclei` and `Cells` in the pipeline.
    """
    if cells.get("labels"):
        take_labels(assembly, "Cells")
        return
    # Distance - N uses no image, but CellProfiler requires one anyway.
    image = cells.get("channel", nuclei_channel)
    assembly.add(
        "IdentifySecondaryObjects",
        [
            ("Select the input objects", names["Nuclei"]),
            ("Name the objects to be identified", names["Cells"]),
            ("Select the method to identify the secondary objects", cells["method"]),
            ("Select the input image", image),
            ("Number of pixels by which to expand the primary objects", cells["distance"]),
            ("Regularization factor", cells["regularization"]),
            ("Discard secondary objects touching the border of the image?", cells["discard_border"]),
            ("Fill holes in identified objects?", cells["fill_holes"]),
            *get_threshold_settings(cells["threshold"]),
        ],
    )


def find_cytoplasm(assembly):
    """Add IdentifyTertiaryObjects: Cytoplasm, the cell minus its nucleus shrunk by one pixel."""
    assembly.add(
        "IdentifyTertiaryObjects",
        [
            ("Select the larger identified objects", "Cells"),
            ("Select the smaller identified objects", "Nuclei"),
            ("Name the tertiary objects to be identified", "Cytoplasm"),
            ("Shrink smaller object prior to subtraction?", True),
        ],
    )


def find_objects(assembly, assay, objects):
    """Add the modules that find nuclei, cells and cytoplasm; return the name of all cells, or None."""
    nuclei, cells = assay["nuclei"], assay.get("cells")
    later = nuclei.get("discard_border") == AFTER_CELLS and not nuclei.get("labels")
    names = EVERY if later else {"Nuclei": "Nuclei", "Cells": "Cells"}
    find_nuclei(assembly, nuclei)
    if "Cells" in objects:
        find_cells(assembly, cells, nuclei["channel"], names)
    if later:
        discard_border(assembly, "Cells" in objects)
    if "Cytoplasm" in objects:
        find_cytoplasm(assembly)
    elif "Cells" in objects and (later or cells.get("labels")):
        relate_cells(assembly)
    return names["Cells"] if "Cells" in objects else None


def discard_border(assembly, with_cells):
    """Add FilterObjects: nuclei that touch the border are discarded, and so are their cells."""
    cells = [
        ("Select additional object to relabel", EVERY["Cells"]),
        ("Name the relabeled objects", "Cells"),
    ]
    assembly.add(
        "FilterObjects",
        [
            ("Select the objects to filter", EVERY["Nuclei"]),
            ("Name the output objects", "Nuclei"),
            ("Select the filtering mode", "Image or mask border"),
            ("Select the filtering method", "Limits"),
            *(cells if with_cells else []),
        ],
        grow=["add_additional_object"] if with_cells else [],
    )
