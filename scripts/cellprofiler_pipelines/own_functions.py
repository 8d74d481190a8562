"""Illumination functions of a user's pipeline: save those that it makes, and check those that it uses."""

from cellprofiler_pipelines.outputs import save_image
from lib.errors import InputError, join_names
from lib.pipeline_files import simplify_name


def save_functions(assembly, channels, changes):
    """Have the illumination function of each channel saved as .npy.

    A module that saves it in another format (a TIFF file) saves .npy; a function that is calculated over all
    images and not saved is saved under the channel's name.

    Parameters
    ----------
    assembly
        The workflow's copy of the pipeline.
    channels
        The config's names of the channels.
    changes
        The log of the changes.

    Raises
    ------
    InputError
        If no function is calculated over the images of a channel.
    """
    modules = assembly.pipeline.modules()
    functions = trace_functions(modules)
    saved = {}
    for module in modules:
        if module.module_name == "SaveImages" and module.image_name.value in functions:
            saved[functions[module.image_name.value]] = module
            if module.file_format.value != "npy":
                changes.add(f"SaveImages (module {module.module_num})", "saves the function as .npy")
                module.file_format.value = "npy"
    by_channel = {simplify_name(image.split("Orig")[-1]): image for image in functions.values()}
    for channel in channels:
        image = by_channel.get(simplify_name(channel))
        if image is None:
            known = join_names(by_channel.values()) or "none"
            raise InputError(
                f"{changes.path} calculates no illumination function over all images of channel {channel} "
                f"(CorrectIlluminationCalculate, `All`); it does for {known}. Add one, take the channel out "
                "of assay.channels, or let the workflow generate this pipeline."
            )
        names = [] if image not in saved else [simplify_name(saved[image].single_file_name.value)]
        if not any(name.endswith(simplify_name(f"Illum{channel}")) for name in names):
            function = [name for name, made_from in functions.items() if made_from == image][-1]
            save_image(assembly, function, f"Illum{channel}", "npy", when="Last cycle")
            changes.add("SaveImages", f"is added for the illumination function of {channel}")


def trace_functions(modules):
    """Return the images that hold an illumination function over all images, each with the channel's image.

    A function may pass through further modules (`Smooth`, for example); the last image is the function, too.
    """
    source = {}  # the channel's image that an image is made from
    functions = {}
    for module in modules:
        if module.module_name == "CorrectIlluminationCalculate":
            if module.each_or_all.value.startswith("Each"):
                continue
            image, made = module.image_name.value, module.illumination_image_name.value
            functions[made] = source.get(image, image)
        elif module.module_name in ("Resize", "ImageMath", "Smooth", "RescaleIntensity"):
            used = [s.value for s in module.settings() if type(s).__name__ == "ImageSubscriber"]
            made = [s.value for s in module.settings() if type(s).__name__ == "ImageName"][:1]
            for name in made if used else ():
                first = next((image for image in used if image in functions or image in source), used[0])
                into = functions if first in functions else source
                into[name] = into.get(first, first)
    return functions


def find_misused_function(pipeline, rescale):
    """Return a warning if a pipeline uses the workflow's functions for what they are not made for, or None.

    Functions to divide by are near 1: where they are subtracted, images become black. Functions to subtract
    (`rescale: None`) have the intensity of the background.

    Parameters
    ----------
    pipeline
        The user's loaded analysis pipeline. A function that it calculates itself may be used in any way.
    rescale
        `assay.illumination.rescale`.
    """
    settings = [setting for module in pipeline.modules() for setting in module.settings()]
    made = {setting.value for setting in settings if type(setting).__name__ == "ImageName"}
    for module in pipeline.modules():
        for image in module.images if module.module_name == "CorrectIlluminationApply" else ():
            function, does = image.illum_correct_function_image_name.value, image.divide_or_subtract.value
            if function in made or does != ("Divide" if rescale == "None" else "Subtract"):
                continue
            made_for, remedy = ("subtract", "Minimum") if does == "Divide" else ("divide by", "None")
            return (
                f"CorrectIlluminationApply (module {module.module_num}) is set to {does} the function "
                f"{function}, but the workflow makes functions to {made_for} (`rescale: {rescale}`): "
                "corrected images may be black. Name the pipeline that calculates the functions of this one "
                f"(cellprofiler.illumination_pipeline), or set assay.illumination.rescale to {remedy}."
            )
    return None
