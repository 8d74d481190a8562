"""Checks before anything runs: each function raises an InputError for what cannot work.

`lib.early_warnings` warns of what will stop single plates later.
"""

import os
import re
import shlex
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

import yaml

from lib.cell_rules import check_rules
from lib.config import PROVIDED_WEIGHTS
from lib.errors import InputError, join_names
from lib.experiment import Experiment
from lib.image_names import BY_METADATA
from lib.network_presets import read_network_presets
from lib.pipeline_files import read_pipeline
from lib.plates import is_image_table
from lib.shared_inputs import check_shared_inputs
from lib.starting_points import get_starting_points

SECONDS_OF_SKEW = 10  # between the clocks of this machine and of a file server
MOST_FILES = 20  # missing files that a message lists


def check_python(executable: str) -> None:
    """Check that Snakemake can run scripts with this Python.

    Raises
    ------
    InputError
        If its path contains characters that a shell would interpret.
    """
    if re.search(r"[^\w@%+=:,./-]", executable):
        # Snakemake writes it unquoted into a shell line for each `script:`.
        raise InputError(
            f"{executable} has a blank, or a character that a shell interprets, in its path, so Snakemake "
            "cannot run its scripts: move Platewise's checkout and set it up again there (an experiment may "
            "stay in such a folder)."
        )


def check_config_files(files: Iterable[str | Path]) -> None:
    """Reject a config file that Snakemake runs as a template (a config is data), or that YAML reads wrongly.

    That is one with a key twice, or with numbers that YAML reads as other numbers.

    Raises
    ------
    InputError
        Naming the file, and the key with its lines.
    """
    for file in files:
        text = Path(file).read_text(encoding="utf-8", errors="replace")
        twice, misread = [], []
        with suppress(yaml.YAMLError):  # JSON, which may be indented by tabs
            node = yaml.compose(text, Loader=yaml.SafeLoader)
            twice, misread = list(find_repeated_keys(node)), list(find_misread_numbers(node))
        if twice:
            raise InputError(
                f"{file} has duplicate keys: {join_names(twice)}. Only the last one would be used: "
                "combine them, or remove one."
            )
        if misread:
            raise InputError(
                f"{file}: YAML reads values differently than they are written: {join_names(misread)}. Quote "
                "names, and write numbers in their usual form."
            )
        if "__use_yte__" in text:
            raise InputError(
                f"{file}: it has the key __use_yte__, with which Snakemake runs the file as a program before "
                "Platewise sees it. Take the key out, and write values only. If the file came from a "
                "stranger, look at what it has just done on this machine."
            )


def find_repeated_keys(node: yaml.Node, above: str = "") -> Iterator[str]:
    """Return the keys that occur more than once in a mapping of a YAML file, with their lines."""
    if isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield from find_repeated_keys(value, f"{above}{number}.")
    if not isinstance(node, yaml.MappingNode):
        return
    lines: dict[str, list[str]] = {}
    for key, value in node.value:
        lines.setdefault(str(key.value), []).append(str(key.start_mark.line + 1))
        yield from find_repeated_keys(value, f"{above}{key.value}.")
    for name, found in lines.items():
        if len(found) > 1 and name != "<<":  # YAML's merge key
            yield f"{above}{name} (lines {' and '.join(found)})"


def find_misread_numbers(node: yaml.Node | None, above: str = "") -> Iterator[str]:
    """Return the values of a YAML file that YAML reads as another number, with their lines.

    0012 is 10 (octal), 12:30 is 750 (sexagesimal), 10_1 is 101. The value .nan is not a number. 10_000 is
    what it looks like.
    """
    if isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield from find_misread_numbers(value, f"{above}{number}.")
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from find_misread_numbers(value, f"{above}{key.value}.")
    elif isinstance(node, yaml.ScalarNode) and node.tag in (
        "tag:yaml.org,2002:int",
        "tag:yaml.org,2002:float",
    ):
        number = yaml.safe_load(node.value)
        is_plain = re.fullmatch(
            r"[+-]?(0|[1-9][0-9]*|[1-9][0-9]{0,2}(_[0-9]{3})+)", node.value
        ) or not isinstance(number, int)
        if not is_plain or ":" in node.value or number != number:
            yield f"{above.rstrip('.')} (line {node.start_mark.line + 1}): {node.value} as {number}"


def check_results_folder(folder: str | Path) -> None:
    """Check that the results folder can be created and written.

    Raises
    ------
    InputError
        Naming the folder that cannot be written.
    """
    existing = next(path for path in (Path(folder), *Path(folder).parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise InputError(
            f"The results folder {folder} cannot be written: {existing} is "
            + ("read-only, or you may not write to it" if existing.is_dir() else "not a folder")
            + ". Name another folder as `results` in the config, or make this one writable."
        )


def check_experiment(experiment: Experiment, results: str | Path) -> None:
    """Check that an experiment's inputs exist and can be used.

    Raises
    ------
    InputError
        Naming each input that is missing or cannot be used.
    """
    check_files(experiment, results)
    check_shared_inputs(experiment)
    check_times(experiment)
    check_pipelines(experiment)
    check_plugins(experiment)
    check_weights(experiment)
    check_models(experiment)
    if experiment.plates_with_images and not experiment.config["cellprofiler"]["analysis_pipeline"]:
        check_rules(experiment.config["cell_quality"], experiment.objects)


def check_files(experiment: Experiment, results: str | Path) -> None:
    """Check that the files which the chosen plates start from exist.

    An input may be missing once its result exists (images that were archived), and one inside the
    results folder may be written by the workflow itself.

    Raises
    ------
    InputError
        Naming each missing file, its plate and its column.
    """
    exists = cache(os.path.exists)
    folder, results = experiment.config_file.parent, Path(results).resolve()
    pattern = experiment.config["images"]["pattern"]
    missing, unsuitable = [], []
    for plate in experiment.chosen:
        for named_in, location, result in get_starting_points(experiment, plate):
            path = Path(os.path.normpath(folder / location))
            what = describe_unsuitable(named_in, path, pattern)
            if what and not exists(results / result):
                unsuitable.append(
                    f"plate {plate['plate']} of batch {plate['batch']}: {named_in}: {path} {what}"
                )
            if not exists(path) and not path.is_relative_to(results) and not exists(results / result):
                missing.append(f"plate {plate['plate']} of batch {plate['batch']}: {named_in}: {path}")
    if unsuitable:
        raise InputError(
            "These are files where folders are needed, or the reverse:\n  "
            + "\n  ".join(unsuitable[:MOST_FILES])
            + f"\nCorrect them in {folder / experiment.config['plates']} or {experiment.config_file}."
        )
    if missing:
        more = f"\n  and {len(missing) - MOST_FILES} more" if len(missing) > MOST_FILES else ""
        raise InputError(
            "These files and folders do not exist:\n  "
            + "\n  ".join(missing[:MOST_FILES])
            + more
            + f"\nCorrect them in {folder / experiment.config['plates']} or {experiment.config_file}; paths "
            "are relative to the config's folder."
        )


@cache
def describe_unsuitable(named_in: str, path: Path, pattern: str) -> str:
    """Return why what the sample sheet or the config names cannot be used, "" if it may be.

    Parameters
    ----------
    named_in
        The column or key that names it.
    path
        The file or folder.
    pattern
        The config's `images.pattern`: a microscope's index may be a file.
    """
    if named_in in ("images", "cellprofiler"):
        if path.is_file() and named_in == "cellprofiler":
            return "is a file: name the folder of CellProfiler's tables"
        if path.is_file() and not is_image_table(path.name) and pattern not in BY_METADATA:
            return (
                "is a file: name the plate's folder of images, or an image table (.csv, .tsv, .txt, .parquet)"
            )
        return ""
    return "is a folder: name the file" if path.is_dir() and named_in != "profiles" else ""


def check_times(experiment: Experiment) -> None:
    """Check that no input of the chosen plates is dated in the future.

    Snakemake would consider each result older than its input, and remove it right after it was made.

    Raises
    ------
    InputError
        Naming these files and folders, with the command that sets their date to now.
    """
    folder, latest = experiment.config_file.parent, time.time() + SECONDS_OF_SKEW
    simulated = experiment.config.get("simulate", {}).get("effects")
    locations = {
        location for plate in experiment.chosen for _, location, _ in get_starting_points(experiment, plate)
    }
    paths = [Path(os.path.normpath(folder / name)) for name in sorted(locations | {simulated or "."})]
    late = [path for path in paths if path.exists() and path.stat().st_mtime > latest]
    if late:
        files = " ".join(shlex.quote(str(path)) for path in late[:MOST_FILES])
        more = f" (and {len(late) - MOST_FILES} more)" if len(late) > MOST_FILES else ""
        raise InputError(
            f"These files or folders are dated in the future{more}, so Snakemake would delete the files made "
            f"from them. Correct the clock of this machine, or set their dates to now:\n  touch {files}"
        )


def check_pipelines(experiment: Experiment) -> None:
    """Check that a user's pipeline can be read and executes no code while it is read.

    Raises
    ------
    InputError
        Naming the pipeline, the line and the error.
    """
    for key in ("illumination_pipeline", "analysis_pipeline"):
        path = experiment.config_file.parent / (experiment.config["cellprofiler"][key] or "")
        if path.is_file():
            try:
                read_pipeline(path)
            except InputError as error:
                raise InputError(f"cellprofiler.{key}: {error}") from None


def check_plugins(experiment: Experiment) -> None:
    """Check that the folder of a user's own CellProfiler modules exists and holds modules.

    Raises
    ------
    InputError
        Naming the folder.
    """
    if plugins := experiment.config["cellprofiler"]["plugins"]:
        folder = experiment.config_file.parent / plugins
        if not any(folder.glob("[!_]*.py")):
            what = "holds no module (.py)" if folder.is_dir() else "is not a folder"
            raise InputError(
                f"cellprofiler.plugins: {folder} {what}. Name the folder that has the modules' files."
            )


def check_weights(experiment: Experiment) -> None:
    """Check that the file of a deep network's weights exists.

    Raises
    ------
    InputError
        Naming the file, and how to get one.
    """
    if not experiment.embeddings or experiment.embeddings["weights"] in PROVIDED_WEIGHTS:
        return
    path = experiment.config_file.parent / experiment.embeddings["weights"]
    preset = read_network_presets().get(experiment.embeddings["preset"])
    if preset and not path.is_file():
        raise InputError(
            f"embeddings.weights: {path} does not exist. The weights of {experiment.embeddings['preset']} "
            f"are at {preset['weights']} (license: {preset['license']}); export the network as ONNX, and "
            "copy it there."
        )
    if not path.is_file():
        raise InputError(
            f"embeddings.weights: {path} does not exist. Copy the file there (those of timm are at "
            f"https://huggingface.co/timm: model.safetensors of {experiment.embeddings['model']}), or set "
            "embeddings.weights to `pretrained` where there is a network."
        )


def check_models(experiment: Experiment) -> None:
    """Check that the files of the models of networks that find objects exist.

    Raises
    ------
    InputError
        Naming the file.
    """
    for name, settings in experiment.segmented.items():
        path = experiment.config_file.parent / (settings["model"] or "")
        if "/" in (settings["model"] or "") and not path.is_file():
            raise InputError(
                f"assay.{name.lower()}.network.model: {path} does not exist. Copy the model "
                f"there, or name one that {settings['method']} distributes, without a slash."
            )
