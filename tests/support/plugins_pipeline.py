"""Add modules to a pipeline that a user may have in one and that the accelerated ones do not replace.

It runs in CellProfiler's Python: `python plugins_pipeline.py KIND SCRIPTS IN.cppipe OUT.cppipe`. From an
analysis pipeline `users` makes one with more modules, which also saves the label images so that
segmentation can be compared pixel by pixel. From an illumination pipeline `first_cycle` makes one that
averages the images as they are, before the first cycle.
"""

import sys
from pathlib import Path

import cellprofiler_core.preferences

cellprofiler_core.preferences.set_headless()

from cellprofiler_core.utilities.core.modules import fill_modules  # noqa: E402


def first_cycle(assembly):
    """Leave out Resize and calculate the functions before the first cycle."""
    pipeline = assembly.pipeline
    for module in list(pipeline.modules()):
        if module.module_name == "Resize":
            pipeline.remove_module(module.module_num)
    for module in pipeline.modules():
        if module.module_name == "CorrectIlluminationCalculate":
            module.image_name.value = module.image_name.value.replace("Downsampled", "Orig")
            module.each_or_all.value = "All: First cycle"
        elif module.module_name == "SaveImages":
            module.image_name.value = module.image_name.value.replace("Upsampled", "")


def users(assembly):
    """Return the analysis without its export, followed by more modules and the export."""
    last = assembly.pipeline.modules()[-1]
    assembly.pipeline.remove_module(last.module_num)
    assembly.add(
        "EnhanceOrSuppressFeatures",
        [("Select the input image", "OrigDNA"), ("Name the output image", "Spots"), ("Feature size", 5)],
    )
    assembly.add("Smooth", [("Select the input image", "Spots"), ("Name the output image", "Smoothed")])
    assembly.add("MeasureImageIntensity", [("Select images to measure", "Smoothed")])
    assembly.add(
        "MeasureImageAreaOccupied",
        [("Measure the area occupied by", "Objects"), ("Select object sets to measure", "Nuclei")],
    )
    assembly.add(
        "Tile",
        [
            ("Select an input image", "OrigDNA"),
            ("Name the output image", "Tiled"),
            ("Tile assembly method", "Across cycles"),
        ],
    )
    for name in ("Nuclei", "Cells", "Cytoplasm"):
        assembly.add(
            "ConvertObjectsToImage",
            [
                ("Select the input objects", name),
                ("Name the output image", f"{name}Labels"),
                ("Select the color format", "uint16"),
            ],
        )
        assembly.add(
            "SaveImages",
            [
                ("Select the image to save", f"{name}Labels"),
                ("Select image name for file prefix", "OrigDNA"),
                ("Append a suffix to the image file name?", True),
                ("Text to append to the image name", f"_{name}"),
                ("Saved file format", "npy"),
                ("Output file location", "Default Output Folder|"),
            ],
        )
    assembly.add(
        "SaveImages",
        [
            ("Select the image to save", "Tiled"),
            ("Select method for constructing file names", "Single name"),
            ("Enter single file name", "Tiled"),
            ("Saved file format", "npy"),
            ("Output file location", "Default Output Folder|"),
            # Each site is a separate group, and each group has a last cycle.
            ("Overwrite existing files without warning?", True),
            ("When to save", "Last cycle"),
        ],
    )
    last.set_module_num(len(assembly.pipeline.modules()) + 1)
    assembly.pipeline.add_module(last)


def main(kind, scripts, given, output):
    """Write the pipeline."""
    sys.path.insert(0, scripts)
    fill_modules()
    from cellprofiler_pipelines.assembly import Assembly

    assembly = Assembly()
    assembly.pipeline.load(given)
    {"users": users, "first_cycle": first_cycle}[kind](assembly)
    assembly.write(Path(output))


if __name__ == "__main__":
    main(*sys.argv[1:])
