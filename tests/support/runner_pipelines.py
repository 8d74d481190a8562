"""Write pipelines that a user might have: `python runner_pipelines.py FOLDER`, in CellProfiler's Python.

everything   modules of which some are not replaced, SaveImages, all measurement types exported with
             metadata and means
kept         the same with modules that look back at all sites at the end of the run
named        the same with a table of another name
database     the same with a measurement that is made twice, also exported to a database
skipped      sites without nuclei are flagged and skipped before anything else is measured
images       nothing but the intensities of the images

They are saved as CellProfiler's window saves them, with the window of each module open.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

import cellprofiler_core.preferences

from cellprofiler_pipelines.assembly import Assembly
from cellprofiler_pipelines.images import load_data


def flag_dark_images(assembly):
    """Add a FlagImage that skips the sites whose images of DNA are dark."""
    assembly.add("MeasureImageIntensity", [("Select images to measure", "DNA")])
    assembly.add(
        "FlagImage",
        [
            ("Name the flag", "Dark"),
            ("Skip image set if flagged?", True),
            ("Which measurement?", "Intensity_MeanIntensity_DNA"),
            ("Minimum value", 0.015),
        ],
    )


def segment_and_measure(assembly):
    """Add nuclei, a ring around them, their measurements, and a picture of each site."""
    assembly.add(
        "IdentifyPrimaryObjects",
        [
            ("Select the input image", "DNA"),
            ("Name the primary objects to be identified", "Nuclei"),
            ("Typical diameter of objects, in pixel units (Min,Max)", "6,40"),
            ("Lower and upper bounds on threshold", "0.05,1"),
        ],
    )
    assembly.add(
        "ExpandOrShrinkObjects",
        [
            ("Select the input objects", "Nuclei"),
            ("Name the output objects", "Rings"),
            ("Select the operation", "Expand objects by a specified number of pixels"),
            ("Number of pixels by which to expand or shrink", 3),
        ],
    )
    assembly.add("RelateObjects", [("Parent objects", "Rings"), ("Child objects", "Nuclei")])
    assembly.add("MeasureImageIntensity", [("Select images to measure", "DNA")])
    assembly.add(
        "MeasureObjectIntensity",
        [("Select images to measure", "DNA, RNA"), ("Select objects to measure", "Nuclei, Rings")],
    )
    assembly.add("MeasureObjectSizeShape", [("Select object sets to measure", "Nuclei, Rings")])
    assembly.add(
        "SaveImages",
        [
            ("Select the image to save", "DNA"),
            ("Select method for constructing file names", "Single name"),
            ("Enter single file name", r"\g<Well>_\g<Site>"),
            ("Saved file format", "png"),
            ("Output file location", "Default Output Folder sub-folder|pictures"),
            ("Overwrite existing files without warning?", True),
            ("Record the file and path information to the saved image?", True),
        ],
    )


def export_database(assembly):
    """Add the intensities of nuclei once more, and ExportToDatabase to a SQLite file."""
    assembly.add(
        "MeasureObjectIntensity",
        [("Select images to measure", "DNA"), ("Select objects to measure", "Nuclei")],
    )
    assembly.add(
        "ExportToDatabase",
        [
            ("Table prefix", "My_"),
            ("Output file location", "Default Output Folder|"),
            ("Name the SQLite database file", "own.db"),
            ("Overwrite without warning?", "Data and schema"),
            (
                "Create one table per object, a single object table or a single object view?",
                "One table per object type",
            ),
        ],
    )


def export_everything(assembly):
    """Add ExportToSpreadsheet with all measurement types, metadata in the object tables, and means."""
    assembly.add(
        "ExportToSpreadsheet",
        [
            ("Add image metadata columns to your object data file?", True),
            ("Calculate the per-image mean values for object measurements?", True),
            ("Output file location", "Default Output Folder|"),
            ("Export all measurement types?", True),
            ("Add a prefix to file names?", False),
            ("Overwrite existing files without warning?", True),
        ],
    )


def export_named(assembly):
    """Add ExportToSpreadsheet with a different name for the table of nuclei."""
    assembly.add(
        "ExportToSpreadsheet",
        [
            ("Output file location", "Default Output Folder|"),
            ("Export all measurement types?", False),
            ("Add a prefix to file names?", False),
            ("Overwrite existing files without warning?", True),
            ("Data to export", "Image"),
            ("Data to export", "Nuclei"),
            ("Use the object name for the file name?", True),
            ("Use the object name for the file name?", False),
            ("File name", "DATA.csv"),
            ("File name", "my_nuclei.csv"),
        ],
        grow=["add_object_group"],
    )


def main(folder):
    """Write the pipelines."""
    cellprofiler_core.preferences.set_headless()
    for name in ("everything", "kept", "named", "database", "skipped", "images"):
        assembly = Assembly()
        load_data(assembly, "load_data.csv", "Plate,Well,Site")
        if name == "skipped":
            flag_dark_images(assembly)
        if name == "images":
            assembly.add("MeasureImageIntensity", [("Select images to measure", "DNA")])
        else:
            segment_and_measure(assembly)
        if name == "kept":
            assembly.add("MeasureImageQuality", [])
            assembly.add(
                "CalculateStatistics",
                [
                    (
                        "Select the image measurement describing the positive and negative control status",
                        "Metadata_Control",
                    ),
                    ("Select the image measurement describing the treatment dose", "Metadata_Dose"),
                ],
            )
        if name == "database":
            export_database(assembly)
        (export_named if name == "named" else export_everything)(assembly)
        for module in assembly.pipeline.modules():
            module.show_window = True
        assembly.write(Path(folder) / f"{name}.cppipe")


if __name__ == "__main__":
    main(sys.argv[1])
