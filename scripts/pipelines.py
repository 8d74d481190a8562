"""Write the CellProfiler pipelines of an assay: illumination.cppipe, analysis.cppipe and segmentation.cppipe.

They are assembled through CellProfiler's own API from the assay description, so that they open
in CellProfiler. With CPJUMP1's description they have the settings with which CPJUMP1 was published
(Chandrasekaran et al., Nature Methods 2024). A user's own pipeline is loaded, and thereby upgraded to
CellProfiler's version, only here: all jobs run the file that this script writes.

It runs in CellProfiler's Python (3.8 or newer) and restarts itself there if started in another.
"""

import argparse
import importlib.util
import json
import logging
import os
import sys

from cellprofiler_pipelines.assembly import Assembly
from cellprofiler_pipelines.images import (
    calculate_illumination,
    correct_illumination,
    load_data,
    measure_image_quality,
)
from cellprofiler_pipelines.measurements import measure
from cellprofiler_pipelines.mitochondria import measure_background, measure_mitochondria
from cellprofiler_pipelines.objects import find_objects
from cellprofiler_pipelines.outputs import export, save_image, save_labels, save_outlines
from cellprofiler_pipelines.own import assemble_own_pipeline
from cellprofiler_runner.loading import load, use_plugins
from lib.assay import get_compartments
from lib.cellprofiler import HASH_SEED, find_python, get_environment
from lib.cellprofiler_logs import open_log
from lib.errors import InputError
from lib.pipeline_files import read_pipeline

HERE_FOR = "PLATEWISE_PIPELINES_FOR"


def illumination_pipeline(assay):
    """Calculate the illumination function of each channel over a plate and save it as .npy."""
    assembly = Assembly()
    load_data(assembly, "load_data.csv", "Plate")
    functions = {
        channel["name"]: calculate_illumination(assembly, channel["name"], assay["illumination"])
        for channel in assay["channels"]
    }
    for name, function in functions.items():
        save_image(assembly, function, f"Illum{name}", "npy", when="Last cycle")
    return assembly


def analysis_pipeline(assay):
    """Find the cells of each site, measure them and export their tables."""
    assembly = Assembly()
    load_data(assembly, "load_data_with_illum.csv", "Plate,Well,Site")
    measure_image_quality(assembly, assay)
    correct_illumination(assembly, assay)
    objects = get_compartments(assay)
    cells = find_objects(assembly, assay, objects)
    measure(assembly, assay)
    if assay["measurements"]["mitochondria"] is not None:
        measure_mitochondria(assembly, objects, assay["measurements"]["mitochondria"])
    if assay["measurements"]["background"] and cells is not None:
        measured = [channel["name"] for channel in assay["channels"] if channel["measure"]]
        measure_background(assembly, measured, cells)
    if assay["outlines"]:
        save_outlines(assembly, objects)
    if assay.get("labels"):
        save_labels(assembly, "Cells" if "Cells" in objects else "Nuclei")
    export(assembly, objects)
    return assembly


def segmentation_pipeline(assay, own=None):
    """Find the cells as the analysis pipeline does, measure nothing, and save their outlines.

    `own`: the user's analysis pipeline, which then defines how cells are found. Only those of its
    measurements stay that another module needs (for example, FilterObjects).
    """
    objects = get_compartments(assay)
    assembly = Assembly()
    if own is None:
        load_data(assembly, "load_data_with_illum.csv", "Plate,Well,Site")
        correct_illumination(assembly, assay)
        find_objects(assembly, assay, [name for name in objects if name != "Cytoplasm"])
    else:
        pipeline = load(own)
        assembly.append(remove_measurements(pipeline.modules(), pipeline))
    objects = [name for name in objects if name != "Cytoplasm"]
    save_outlines(assembly, objects)
    export(assembly, objects)
    return assembly


def remove_measurements(modules, pipeline):
    """Return a pipeline's modules without its drawings, files and exports, and without unneeded measurements.

    Measurements on which other modules depend stay.
    """
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


def main(name, assay, output, own, plugins, log):
    """Write a pipeline to a file.

    Parameters
    ----------
    name : illumination, analysis or segmentation
    assay : the assay's description
    output : the .cppipe to write
    own : the user's pipeline, or None. It replaces the generated one; for segmentation it is the
        analysis pipeline, which defines how cells are found.
    plugins : the user's folder of CellProfiler modules, or None
    log : open text file
    """
    import cellprofiler_core.preferences

    cellprofiler_core.preferences.set_headless()
    if plugins is not None and own is not None:
        use_plugins(plugins, [module.name for module in read_pipeline(own) if module.enabled])
    if name == "segmentation":
        assembly = segmentation_pipeline(assay, own)
    elif own is not None:
        channels = [channel["name"] for channel in assay["channels"]]
        objects = get_compartments(assay) if name == "analysis" else []
        calculated = name == "analysis" and "illumination" in assay and not assay.get("own_functions")
        rescale = assay["illumination"]["rescale"] if calculated else None
        assembly = assemble_own_pipeline(own, name, channels, objects, log, rescale)
    else:
        make = {"illumination": illumination_pipeline, "analysis": analysis_pipeline}[name]
        assembly = make(assay)
    if plugins is not None and own is None:
        use_plugins(plugins, [module.module_name for module in assembly.pipeline.modules()])
    assembly.write(output)


def define_options():
    """Define the script's options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=["illumination", "analysis", "segmentation"])
    parser.add_argument("--own", help="the user's own .cppipe")
    parser.add_argument("--own-plugins", help="the user's own folder of CellProfiler modules")
    parser.add_argument("--cellprofiler", required=True, help="CellProfiler's command")
    parser.add_argument("--assay", required=True, help="the assay description, as JSON")
    parser.add_argument("--log", required=True)
    parser.add_argument("--output", required=True, help="the .cppipe to write")
    return parser


def restart_in_cellprofilers_python(command):
    """Start this script again in the Python of a `cellprofiler` command."""
    python = find_python(command)
    if HERE_FOR in os.environ:
        raise InputError(f"{python[0]}, the Python of {command}, has no package cellprofiler.")
    environment = {**get_environment(1), HERE_FOR: command}
    os.execve(python[0], [*python, *sys.argv], environment)


if __name__ == "__main__":
    options = define_options().parse_args()
    with open_log(options.log) as log_file:
        elsewhere = importlib.util.find_spec("cellprofiler") is None
        if elsewhere or any(os.environ.get(name) != value for name, value in HASH_SEED.items()):
            restart_in_cellprofilers_python(options.cellprofiler)
        logging.basicConfig(stream=log_file)
        # CellProfiler reports a missing database client on import, which nothing here needs.
        logging.getLogger().handlers[0].addFilter(lambda record: "MySQL" not in record.getMessage())
        assay = json.loads(options.assay)
        main(options.name, assay, options.output, options.own, options.own_plugins, log_file)
