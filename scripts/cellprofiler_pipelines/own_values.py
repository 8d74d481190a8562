"""Check that each setting of a user's pipeline has a value that its module takes."""

from lib.errors import InputError

NEITHER = "not Yes or No"
# What means yes or no, but not to CellProfiler.
SPELLINGS = ("", "yes", "no", "y", "n", "true", "false", "1", "0", "on", "off")


def check_values(pipeline, revisions, changes):
    """Check that every setting has a value that its module takes.

    CellProfiler uses another value (the default, or the bound) instead of a number, range or word that it
    cannot read or that is out of bounds, and without its window reports nothing. It does so itself when it
    upgrades some old modules; what it makes of these is only written to the log. So is a word that belongs to
    another setting in the place of Yes or No, as in examples that CellProfiler itself publishes.

    Parameters
    ----------
    pipeline : the loaded pipeline
    revisions : the revision of each module in the user's file
    changes : the log, which gets the values of upgraded modules

    Raises
    ------
    InputError
        Naming the values that are not valid in modules of CellProfiler's own revision.
    """
    invalid = []
    for module, revision in zip(pipeline.modules(), revisions):
        for setting in module.visible_settings():
            if not (reason := explain_value(setting, pipeline)):
                continue
            name = f"{module.module_name} (module {module.module_num})"
            what = f"the value {setting.value_text} for `{setting.text}` ({reason})"
            if revision != module.variable_revision_number:
                changes.add(name, f"received {what} from CellProfiler's upgrade, and uses another value")
            elif reason == NEITHER and setting.value_text.strip().casefold() not in SPELLINGS:
                changes.add(name, f"has {what}, which CellProfiler takes as No")
            else:
                invalid.append(f"{name} has {what}")
    if invalid:
        raise InputError(
            f"{changes.path}: {'; '.join(invalid)}. Correct each value, since CellProfiler would silently "
            "use another one."
        )


def explain_value(setting, pipeline):
    """Return why a setting's value is not valid; empty if it is, or if any text is."""
    from cellprofiler_core.setting import Binary, ValidationError
    from cellprofiler_core.setting.choice import Choice, Colormap
    from cellprofiler_core.setting.range import Range
    from cellprofiler_core.setting.text import Number

    if isinstance(setting, Binary):
        return "" if setting.value_text in ("Yes", "No") else NEITHER
    # Choices that the pipeline decides (metadata, a classifier's classes) are not yet those of the copy.
    depends = getattr(setting, "_Choice__choices_fn", None) is not None
    if isinstance(setting, (Choice, Number, Range)) and not isinstance(setting, Colormap) and not depends:
        try:
            setting.test_valid(pipeline)
        except ValidationError as error:
            return error.message
    return ""
