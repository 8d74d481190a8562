"""Prepare a user's pipeline for the workflow: load it once, check it, and give it the workflow's images.

A published pipeline runs as it is. The copy that runs differs only in what depends on where it runs: the
modules that find images are replaced by LoadData, files are written to the run's output folder, and what
is for CellProfiler's window or a cluster is left out. Each difference is one line in the log.
"""

import csv
import sys
import tempfile
from pathlib import Path

from cellprofiler_pipelines.assembly import Assembly
from cellprofiler_pipelines.images import load_data
from cellprofiler_pipelines.outputs import export
from cellprofiler_pipelines.own_exports import add_missing_tables, name_tables
from cellprofiler_pipelines.own_functions import find_misused_function, save_functions
from cellprofiler_pipelines.own_loaded import (
    add_measured_images,
    find_files_beside,
    find_missing_controls,
    find_missing_metadata,
    select_loaded_images,
)
from cellprofiler_pipelines.own_old_modules import replace_old_module
from cellprofiler_pipelines.own_values import check_values
from cellprofiler_runner.loading import load
from lib.errors import InputError, join_names
from lib.pipeline_files import read_pipeline, simplify_name, write_pipeline

INPUT_MODULES = ("Images", "Metadata", "NamesAndTypes", "Groups", "LoadImages", "LoadSingleImage")
LEFT_OUT = ("CreateBatchFiles", "DisplayDataOnImage", "DisplayDensityPlot", "DisplayHistogram")
LEFT_OUT += ("DisplayPlatemap", "DisplayScatterPlot", "ConserveMemory")
METADATA = ("Plate", "Well", "Site")
# SQLite's limit of columns is 2,000; ExportToDatabase adds some columns.
WIDEST_DATABASE = 1900
TABLE = "load_data.csv"


class Changes:
    """The log of the differences between a user's pipeline and the copy that runs.

    Attributes
    ----------
    path
        The user's pipeline.
    log
        An open text file, to which each change is written.
    """

    def __init__(self, path, log):
        self.path = path
        self.log = log

    def add(self, module, what):
        """Write one change of a module: `is left out`, for example."""
        self.log.write(f"{self.path}: {module} {what}.\n")


def get_replacement(name):
    """Return what happens to a module of the file that does not run."""
    return "is replaced by LoadData" if name in INPUT_MODULES else "is left out"


def assemble_own_pipeline(path, kind, channels, objects, log, rescale=None):
    """Return the assembly of a user's pipeline.

    Parameters
    ----------
    path : path of the pipeline's file (.cppipe, .cpproj or .json)
    kind : `analysis` or `illumination`
    channels : names of the assay's channels; the image table has an image `Orig{name}` for each and, for
        `analysis`, its illumination function `Illum{name}`
    objects : names of the objects whose tables the workflow reads
    log : open text file; gets the differences of the copy
    rescale : `assay.illumination.rescale`, if the workflow calculates the illumination functions that this
        pipeline uses

    Raises
    ------
    InputError
        Before anything is measured, if the pipeline cannot run: an attribute that is not a literal, a module
        that cannot be loaded, an image that the image table does not have, objects that no module finds.
    """
    from cellprofiler_core import preferences

    changes = Changes(path, log)
    written = read_pipeline(path)
    kept = [module for module in written if module.enabled and module.name not in INPUT_MODULES + LEFT_OUT]
    for module in written:
        if module not in kept:
            changes.add(
                module.name, "is switched off" if not module.enabled else get_replacement(module.name)
            )
    if not kept:
        raise InputError(f"{path} has no module that finds or measures anything.")
    own_load_data = [module for module in kept if module.name == "LoadData"]
    if len(own_load_data) > 1:
        raise InputError(f"{path} has {len(own_load_data)} modules LoadData. Keep one of them.")
    images = [f"Orig{name}" for name in channels]
    if kind == "analysis":
        images += [f"Illum{name}" for name in channels]
    known = [replace_old_module(module, changes) for module in kept]
    kept = [module for module in known if module is not None]
    assembly = Assembly()
    with tempfile.TemporaryDirectory() as folder:
        # LoadData reads the names of its images from the columns of the image table.
        write_header(images, Path(folder, TABLE))
        preferences.set_data_file(str(Path(folder, TABLE)))
        write_pipeline(kept, Path(folder, "own.cppipe"))
        try:
            loaded = load(Path(folder, "own.cppipe"))
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
        grouping = ",".join(METADATA) if kind == "analysis" else METADATA[0]
        if not own_load_data:
            load_data(assembly, TABLE, grouping)
        for module in loaded.modules():
            if module.module_name == "LoadData":
                use_workflow_table(module, grouping, changes)
        revisions = [module.attributes.get("variable_revision_number") for module in kept]
        check_values(loaded, revisions, changes)
        split_names(loaded, changes)
        for module in loaded.modules():
            find_files_beside(module, path, changes)
        misused = find_misused_function(loaded, rescale) if rescale is not None else None
        if misused:
            log.write(f"{path}: {misused}\n")
            print(f"Warning: {path}: {misused}", file=sys.stderr)
        needed = find_needed_images(loaded)
        add_measured_images(loaded, needed, images)
        aliases = find_aliases(needed, images, path)
        select_loaded_images(loaded, needed, images, aliases, changes)
        modules = loaded.modules()
        first = 1 if own_load_data else 0
        assembly.append(modules[:first])
        for image, source in aliases.items():
            changes.add("LoadData", f"gives the image {source} also under the name {image}")
            copy_image(assembly, source, image)
        for module in modules[first:]:
            if use_output_folder(module, loaded, aliases, changes):
                assembly.append([module])
        if kind == "illumination":
            save_functions(assembly, channels, changes)
        if kind == "analysis":
            check_objects(assembly.pipeline, objects, path)
            exporters = [module for module in modules if module.module_name == "ExportToSpreadsheet"]
            if exporters:
                add_missing_tables(exporters, objects, changes)
            else:
                changes.add("ExportToSpreadsheet", "is added")
                export(assembly, objects)
    return assembly


def write_header(images, path):
    """Write a minimal image table: its columns and one row."""
    names = [f"{what}_{image}" for image in images for what in ("FileName", "PathName")]
    columns = [*names, *(f"Metadata_{name}" for name in METADATA)]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([columns, ["1"] * len(columns)])


def use_workflow_table(module, grouping, changes):
    """Let a LoadData read all rows of the workflow's image table, and its images."""
    wanted = {"wants_images": "Yes", "wants_rows": "No"}
    for name, value in wanted.items():
        setting = getattr(module, name)
        if setting.value_text != value:
            changes.add("LoadData", f"takes `{setting.text}` as {value}, not {setting.value_text}")
            setting.value = value
    module.csv_directory.value = "Default Input Folder|"
    module.image_directory.value = "None|"
    tags = [tag for tag in module.metadata_fields.value.split(",") if tag]
    if module.wants_image_groupings.value and not set(tags) <= set(METADATA):
        changes.add("LoadData", f"groups images by {grouping}, not by {','.join(tags)}")
        module.metadata_fields.value = grouping


def split_names(pipeline, changes):
    """Split lists of images or objects that are written `OrigAGP,OrigDNA`, as older CellProfilers did.

    CellProfiler 4 splits a list only at a comma with a blank, and would look for one image of that name.
    """
    from cellprofiler_core.setting.subscriber import ListSubscriber

    for module in pipeline.modules():
        for setting in module.settings():
            if isinstance(setting, ListSubscriber):
                parts = [part.strip() for name in setting.value for part in str(name).split(",")]
                names = [part for part in parts if part]
                if names != list(setting.value):
                    module_name = f"{module.module_name} (module {module.module_num})"
                    changes.add(module_name, f"takes `{setting.text}` as {', '.join(names)}")
                    setting.value = ", ".join(names)


def find_needed_images(pipeline):
    """Return images that no earlier module makes, in order, each with the first module that uses it."""
    from cellprofiler_core.setting.subscriber import ImageListSubscriber, ImageSubscriber
    from cellprofiler_core.setting.text import ImageName

    made, needed = set(), {}
    for module in pipeline.modules():
        if module.module_name == "LoadData":
            continue
        settings = module.visible_settings()
        for setting in settings:
            if isinstance(setting, ImageListSubscriber):
                names = setting.value
            elif isinstance(setting, ImageSubscriber) and not setting.is_blank:
                names = [setting.value]
            else:
                continue
            for name in names:
                if name not in made and name not in ("None", "Leave blank", "Do not use", ""):
                    needed.setdefault(name, module)
        made |= {setting.value for setting in settings if isinstance(setting, ImageName)}
    return needed


def find_aliases(needed, images, path):
    """Match each name that the table lacks to an image of the table.

    `DNA` or `orig_DNA` stand for OrigDNA if no module in the pipeline makes an image of that name. Raises
    InputError for a name that matches no image.
    """
    known = {}
    for image in images:
        known.setdefault(simplify_name(image), image)
    for image in images:
        if image.startswith("Orig"):
            known.setdefault(simplify_name(image[len("Orig") :]), image)
    missing = {name: module for name, module in needed.items() if name not in images}
    unknown = {name: module for name, module in missing.items() if simplify_name(name) not in known}
    if unknown:
        raise InputError(
            f"{path}: "
            + "; ".join(
                f"{module.module_name} (module {module.module_num}) takes the image {name}"
                for name, module in unknown.items()
            )
            + f". No module before it makes that image, and the image table has {join_names(images, 60)}. "
            "Name the channels in the config (assay.channels) as the pipeline does: the image of DNA "
            "is called DNA or OrigDNA, and its illumination function IllumDNA."
        )
    return {name: known[simplify_name(name)] for name in missing}


def copy_image(assembly, source, name):
    """Add an ImageMath that gives an image a second name."""
    assembly.add(
        "ImageMath",
        [
            ("Operation", "None"),
            ("Set values less than 0 equal to 0?", False),
            ("Set values greater than 1 equal to 1?", False),
            ("Name the output image", name),
            ("Select the image", source),
        ],
    )


def use_output_folder(module, pipeline, aliases, changes):
    """Let a module write to the run's output folder; return whether the module is kept.

    Parameters
    ----------
    module
        The module.
    pipeline
        The pipeline, whose measurements must fit into a database.
    aliases
        The images of the image table that other names stand for.
    changes
        The log of the changes.
    """
    name = module.module_name

    def report(what):
        changes.add(f"{name} (module {module.module_num})", what)

    if name == "ExportToSpreadsheet":
        for setting, value in (
            (module.delimiter, 'Comma (",")'),
            (module.directory, "Default Output Folder|"),
            (module.wants_prefix, "No"),
            (module.wants_genepattern_file, "No"),
            (module.wants_overwrite_without_warning, "Yes"),
        ):
            change(setting, value, report)
        name_tables(module, report)
    elif name == "ExportToDatabase":
        widest = count_widest_table(pipeline, module)
        if module.db_type.value != "SQLite":
            report("is left out: it writes to a database server")
            return False
        if widest > WIDEST_DATABASE:
            report(f"is left out: SQLite cannot hold a table of {widest} columns")
            return False
        change(module.directory, "Default Output Folder|", report)
        change(module.allow_overwrite, "Data and schema", report)
        for setting in (module.save_cpa_properties, module.create_workspace_file):
            change(setting, "No", report)
    elif name == "CalculateStatistics":
        if tags := find_missing_controls(module, METADATA):
            report(f"is left out: it needs the metadata {join_names(tags)}, which the image table lacks")
            return False
    elif name == "SaveImages":
        if tags := find_missing_metadata(module, METADATA):
            names = join_names(tags)
            report(f"is left out: its file name needs the metadata {names}, which the image table lacks")
            return False
        if module.file_format.value == "mat":
            report("saves .npy: CellProfiler 4 writes no .mat files")
            module.file_format.value = "npy"
        if module.file_image_name.value in aliases:
            module.file_image_name.value = aliases[module.file_image_name.value]
        if not module.pathname.dir_choice.startswith("Default Output Folder"):
            change(module.pathname, "Default Output Folder sub-folder|pictures", report)
        change(module.overwrite, "Yes", report)
    return True


def change(setting, value, report):
    """Change a setting's value, and report it."""
    if setting.value_text != value:
        report(f"takes `{setting.text}` as {value}, not {setting.value_text}")
        setting.value = value


def count_widest_table(pipeline, module):
    """Return the number of columns of an ExportToDatabase's widest table.

    Its table of images has the objects' means, medians and standard deviations, too; its table or view of
    objects may join all objects.
    """
    counts = {}
    for owner, feature, *_ in pipeline.get_measurement_columns():
        if not module.ignore_feature(owner, feature, strict=True):
            counts[owner] = counts.get(owner, 0) + 1
    images = counts.pop("Image", 0)
    together = sum(counts.values())
    joined = module.separate_object_tables.value != "One table per object type"
    objects = together if joined else max(counts.values(), default=0)
    return max(images + together * len(module.agg_names), objects)


def check_objects(pipeline, objects, path):
    """Raise an InputError unless the pipeline makes each of the objects."""
    from cellprofiler_core.setting.text import LabelName

    found = [
        setting.value
        for module in pipeline.modules()
        for setting in module.visible_settings()
        if isinstance(setting, LabelName)
    ]
    missing = [name for name in objects if name not in found]
    if missing:
        raise InputError(
            f"{path} makes no objects {join_names(missing)}; it makes {join_names(found) or 'none'}. The "
            f"workflow reads the tables of {join_names(objects)}. Give the objects these names, or leave out "
            "of `assay` in the config what the pipeline does not find (`cells`; or `cytoplasm: false`)."
        )
