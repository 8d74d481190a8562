"""Replace modules of a user's pipeline that CellProfiler 4 cannot bring up to date.

They are replaced in the modules of the file, before CellProfiler loads it.
"""

from dataclasses import replace

# Formats that CellProfiler 4 no longer writes, and what is written in their place.
FORMATS = {"mat": "npy", "bmp": "png"}
FORMAT_SETTINGS = ("Saved file format", "Select the file format to use")
# The oldest revision of SaveImages that CellProfiler 4 can read.
FIRST_SAVE_IMAGES = 11
OPERATION = "Select the operation to perform"


def replace_old_module(module, changes):
    """Return a module that CellProfiler 4 can read and that does the same; None if there is none."""
    if module.name == "SaveImages":
        return replace_unknown_formats(module, changes)
    if module.name == "Morph":
        return replace_skeleton(module, changes)
    return module


def replace_unknown_formats(module, changes):
    """Return a SaveImages with a format that CellProfiler 4 writes; None if there is none.

    CellProfiler 4 brings SaveImages up to date from revision 11, and not with the formats `mat` and `bmp` or
    when it saves objects. It would read an older revision's settings in a wrong order.
    """
    revision = module.attributes.get("variable_revision_number")
    if isinstance(revision, int) and revision < FIRST_SAVE_IMAGES:
        changes.add(module.name, f"is left out: CellProfiler 4 cannot read its revision {revision}")
        return None
    if ("Select the type of image to save", "Objects") in module.settings:
        changes.add(module.name, "is left out: CellProfiler 4 saves no objects, only images of them")
        return None
    settings = []
    for text, value in module.settings:
        instead_of = FORMATS.get(value) if text in FORMAT_SETTINGS else None
        if instead_of:
            changes.add(module.name, f"saves .{instead_of}: CellProfiler 4 writes no .{value} files")
        settings.append((text, instead_of or value))
    return replace(module, settings=tuple(settings))


def replace_skeleton(module, changes):
    """Return the MorphologicalSkeleton that CellProfiler 4 names as the substitute of Morph's `skel`.

    With an operation that it no longer has, Morph gives no image, and the next module fails.
    """
    if [value for text, value in module.settings if text == OPERATION] != ["skel"]:
        return module
    changes.add(module.name, "is replaced by MorphologicalSkeleton: CellProfiler 4 has no operation `skel`")
    names = ("Select the input image", "Name the output image")
    return replace(
        module,
        name="MorphologicalSkeleton",
        attributes={**module.attributes, "variable_revision_number": 1},
        settings=tuple((text, value) for text, value in module.settings if text in names),
    )
