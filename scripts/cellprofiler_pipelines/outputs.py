"""Modules for a pipeline's output: images, outlines, labels and tables."""


def save_image(assembly, image, file_name, kind, when="Every cycle", folder="", settings=()):
    """Add SaveImages.

    Parameters
    ----------
    assembly
        The pipeline that the module is added to.
    image
        Name of the image to save.
    file_name
        Name of the file, without its suffix.
    kind
        The file format, such as `npy`.
    when
        CellProfiler's word for when the image is saved.
    folder
        A subfolder of the output folder; empty for the output folder itself.
    settings
        Further settings of the module, as pairs of text and value.
    """
    assembly.add(
        "SaveImages",
        [
            ("Select the image to save", image),
            ("Select method for constructing file names", "Single name"),
            ("Enter single file name", file_name),
            ("Saved file format", kind),
            ("Output file location", f"Default Output Folder{' sub-folder' if folder else ''}|{folder}"),
            ("Overwrite existing files without warning?", True),
            ("When to save", when),
            *settings,
        ],
    )


def save_outlines(assembly, objects):
    """Save outlines of nuclei and cells, white on black, named like CPJUMP1's: A01_s1--cell_outlines.png."""
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
        recorded = ("Record the file and path information to the saved image?", True)
        save_image(
            assembly,
            image,
            rf"\g<Well>_s\g<Site>--{word}_outlines",
            "png",
            folder="outlines",
            settings=[("Image bit depth", "8-bit integer"), recorded],
        )


def save_labels(assembly, name):
    """Save the objects' numbers as an image, which masked crops need: A01_s1--labels.tiff."""
    assembly.add(
        "ConvertObjectsToImage",
        [
            ("Select the input objects", name),
            ("Name the output image", "Labels"),
            ("Select the color format", "uint16"),
        ],
    )
    # Any conversion would rescale the numbers.
    unchanged = ("Image bit depth", "No conversion")
    recorded = ("Record the file and path information to the saved image?", False)
    save_image(
        assembly,
        "Labels",
        r"\g<Well>_s\g<Site>--labels",
        "tiff",
        folder="labels",
        settings=[unchanged, recorded],
    )


def export(assembly, objects):
    """Add ExportToSpreadsheet: Image.csv and one table per compartment."""
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
