"""Let a user's pipeline find the images and metadata that its own input modules would have loaded."""

import re
from pathlib import Path

from lib.errors import InputError
from lib.pipeline_files import simplify_name

# Modules that read a file of rules, of a classifier or of trained worms.
READING = ("FlagImage", "FilterObjects", "ClassifyObjects", "UntangleWorms")
ALL_LOADED, SELECTED = "All loaded images", "Select..."


def add_measured_images(pipeline, needed, images):
    """Add the images whose quality a module looks up (FlagImage, for example), though no module uses them.

    Parameters
    ----------
    pipeline
        The user's loaded pipeline.
    needed
        The images that modules use, each with the first module; gets the others.
    images
        The images of the image table. Only names that stand for one of them are added.
    """
    known = {simplify_name(image.replace("Orig", "", 1)) for image in images}
    for module in pipeline.modules():
        for setting in module.visible_settings():
            if type(setting).__name__ != "Measurement":
                continue
            found = re.fullmatch(r"ImageQuality_[A-Za-z]+_(.+?)(_\d+[A-Z]*)*", str(setting.value))
            if found and found[1] not in images and simplify_name(found[1]) in known:
                needed.setdefault(found[1], module)


def select_loaded_images(pipeline, needed, images, aliases, changes):
    """Let MeasureImageQuality measure what was loaded under the names that the user's pipeline has for it.

    An image of the image table that the pipeline knows under another name is loaded and copied to that name;
    of all loaded images, only those of the image table would be measured. Functions that the pipeline does
    not use were not loaded by it.

    Parameters
    ----------
    pipeline
        The user's loaded pipeline.
    needed
        The images that the pipeline uses.
    images
        The images of the image table.
    aliases
        The image of the image table that each of the pipeline's names stands for.
    changes
        The log of the changes.
    """
    if not aliases:
        return
    others = [image for image in images if image not in aliases.values() or image in needed]
    names = [*aliases, *(name for name in others if name in needed or not name.startswith("Illum"))]
    for module in pipeline.modules():
        if module.module_name == "MeasureImageQuality" and module.images_choice.value == ALL_LOADED:
            module.images_choice.value = SELECTED
            module.image_groups[0].image_names.value = ", ".join(names)
            name = f"{module.module_name} (module {module.module_num})"
            changes.add(name, f"measures, as all loaded images, {', '.join(names)}")


def find_missing_metadata(module, known):
    """Return the metadata in the names that a SaveImages writes to, without those of the image table."""
    texts = [module.pathname.custom_path] if module.pathname.dir_choice.startswith("Default Output") else []
    if module.file_name_method.value == "Single name":
        texts.append(module.single_file_name.value)
    elif module.wants_file_name_suffix.value:
        texts.append(module.file_name_suffix.value)
    tags = re.findall(r"\\g<([^>]+)>", " ".join(texts))
    return [tag for tag in dict.fromkeys(tags) if tag not in known]


def find_missing_controls(module, known):
    """Return the metadata of controls and doses that CalculateStatistics needs and the image table lacks."""
    names = [
        str(setting.value)[len("Metadata_") :]
        for setting in module.visible_settings()
        if type(setting).__name__ == "Measurement" and str(setting.value).startswith("Metadata_")
    ]
    return [name for name in dict.fromkeys(names) if name not in known]


def find_files_beside(module, path, changes):
    """Let a module read its file of rules, of a classifier or of trained worms from beside the pipeline.

    Parameters
    ----------
    module
        A module of the user's pipeline.
    path
        The user's pipeline.
    changes
        The log of the changes.

    Raises
    ------
    InputError
        If the file is neither beside the pipeline nor where the module looks for it.
    """
    folder = None
    for setting in module.visible_settings() if module.module_name in READING else ():
        kind = type(setting).__name__
        if kind == "Directory":
            folder = setting
        elif kind == "Filename" and folder is not None:
            name = f"{module.module_name} (module {module.module_num})"
            beside = Path(path).resolve().parent / setting.value
            if beside.is_file():
                folder.value = f"Elsewhere...|{beside.parent}"
                changes.add(name, f"reads {setting.value} from beside the pipeline")
            elif not Path(folder.get_absolute_path(), setting.value).is_file():
                raise InputError(
                    f"{path}: {name} reads the file {setting.value}. Put it beside the pipeline."
                )
