"""Nothing in a config or a sample sheet is executed, or written outside the results."""

import re

import polars as pl
import pytest
import yaml

from cases.experiment import HEADER, ROW, get_refusal, write_config
from lib.checks import check_config_files
from lib.conditions import get_conditions
from lib.config import complete_config
from lib.errors import InputError
from lib.levels import LEVELS
from lib.plates import read_plates
from small_experiment import WELLS, write_experiment
from workflow import PROJECT, snakemake

pytestmark = pytest.mark.unit


PIECES = (
    "$(touch {})",
    "`touch {}`",
    "; touch {}",
    "| touch {}",
    "' ; touch {} ; '",
    '" ; touch {} ; "',
    "\n touch {}",
)


@pytest.mark.parametrize("column", ["batch", "plate", "perturbation", "cell_line", "timepoint"])
@pytest.mark.parametrize(
    "value", [*PIECES, "../../x", "/x", "{wildcards.plate}", "a b", "\u00e4", "-x", "..", "x" * 101]
)
def test_hostile_names_in_file_names_are_refused(tmp_path, column, value):
    row = dict(zip(HEADER, ROW, strict=True)) | {column: value.replace("{}", "pwned")}
    write_config(tmp_path, [list(row.values())])
    with pytest.raises(InputError, match=f"{column} `"):
        read_plates(tmp_path / "plates.tsv", LEVELS)


@pytest.mark.parametrize("column", ["batch", "plate", "perturbation"])
def test_a_dot_is_not_a_name(tmp_path, column):
    # elsewhere it is an empty cell, as some programs write it
    write_config(tmp_path, [list((dict(zip(HEADER, ROW, strict=True)) | {column: "."}).values())])
    with pytest.raises(InputError, match=column):
        read_plates(tmp_path / "plates.tsv", LEVELS)


def test_a_column_that_names_conditions_may_hold_no_path(tmp_path):
    plates = [dict(zip(HEADER, ROW, strict=True)) | {"density": "../../../x"}]
    config = complete_config(
        {"results": "r", "plates": "plates.tsv", "benchmark": {"condition": ["density"]}}, "config.yaml"
    )
    with pytest.raises(InputError, match=r"correct density `\.\./\.\./\.\./x` of plate P1"):
        get_conditions(plates, config)


@pytest.mark.plan
def test_a_checkout_in_a_path_with_a_blank_is_refused(tmp_path):
    """Snakemake would answer each script with `No such file or directory`."""
    (tmp_path / "a b").symlink_to(PROJECT)
    result = snakemake("--dry-run", project=tmp_path / "a b", check=False)
    assert result.returncode
    assert "has a blank, or a character that a shell interprets, in its path" in result.stdout
    assert "move Platewise's checkout" in result.stdout
    (tmp_path / "\u00e4b").symlink_to(PROJECT)
    snakemake("--dry-run", project=tmp_path / "\u00e4b")


@pytest.mark.run
def test_a_path_with_shell_characters_is_a_path(tmp_path):
    """Folders and files named like commands are read, and nothing of them is executed."""
    write_experiment(tmp_path / "plain")
    hostile = "a $(touch pwned) `touch pwned`; touch pwned & 'x' \"y\" \u00fc"
    folder = tmp_path / hostile
    (tmp_path / "plain").rename(folder)
    (folder / "tables").rename(folder / hostile)
    (folder / "plate_map.txt").rename(folder / f"{hostile}.txt")
    row = ["B", "P1", f"{hostile}.txt", "compound", "U2OS", "48", f"{hostile}/P1"]
    with (folder / "plates.tsv").open("w") as file:
        file.write("\t".join(HEADER) + "\n" + "\t".join(row) + "\n")
    snakemake("workspace/profiles/B/P1/P1_augmented.parquet", "--configfile", folder / "config.yaml")
    assert (folder / "results/workspace/profiles/B/P1/P1_augmented.parquet").exists()
    assert not [*tmp_path.rglob("pwned"), *PROJECT.glob("pwned")]


def test_braces_in_a_path_are_refused(tmp_path):
    write_config(tmp_path, [[*ROW[:-1], "{plate}"]])
    with pytest.raises(
        InputError, match=r"cellprofiler `\{plate\}` must not contain \{ or \}, which Snakemake"
    ):
        read_plates(tmp_path / "plates.tsv", LEVELS)


@pytest.mark.plan
def test_an_address_runs_nothing_and_stays_in_the_results(tmp_path):
    header = [*HEADER[:-1], "profiles", "level"]
    row = [
        "B",
        "P1",
        "",
        "compound",
        "U2OS",
        "48",
        "s3://bucket/$(touch pwned)/;touch pwned;/x.csv",
        "augmented",
    ]
    config = write_config(tmp_path, [row], header)
    run = snakemake("--configfile", config, check=False)
    assert "is not fetched: set fetch: true in the config" in run.stdout
    assert not [*tmp_path.rglob("pwned"), *PROJECT.glob("pwned")]
    row[6] = "s3://bucket/../../../../x.csv"
    config = write_config(tmp_path, [row], header)
    assert "is an address with a folder `..`; write it without" in get_refusal(config)


@pytest.mark.run
def test_a_cellprofiler_command_is_one_word(tmp_path):
    """No shell takes the config's value apart; the step says that there is no such command."""
    environment = "".join(PIECES).format(*["pwned"] * len(PIECES)) + "{params.assay} {wildcards}"
    for name in ("map.txt", "images"):
        (tmp_path / name).touch()
    config = write_config(
        tmp_path,
        [ROW],
        [*HEADER[:-1], "images"],
        assay={"channels": [{"name": "DNA", "image": "1"}], "nuclei": {"channel": "DNA"}},
        cellprofiler={"environment": environment},
    )
    (tmp_path / "tables").mkdir()
    run = snakemake("workspace/pipelines/illumination.cppipe", "--configfile", config, check=False)
    assert run.returncode
    assert "There is no command" in run.stdout
    assert not [*tmp_path.rglob("*pwned*"), *PROJECT.glob("*pwned*")]


@pytest.mark.run
def test_braces_of_a_regular_expression_are_not_wildcards(tmp_path):
    """`\\d{2}` reaches the step as it was written."""
    config = write_experiment(tmp_path / "experiment")
    written = yaml.safe_load(config.read_text())
    pattern = r"^P\d{1}-(?P<well>[A-P]\d{2})-(?P<site>\d{1,2})$"
    written |= {
        "single_cells": {"site_pattern": pattern},
        "aggregate": {"exclude_features": ["F{1}0", "{plate}"]},
    }
    config.write_text(yaml.safe_dump(written))
    (config.parent / "tables" / "P1" / "A01-1").rename(config.parent / "tables" / "P1" / "P1-A01-1")
    for folder in (config.parent / "tables" / "P1").glob("[A-D]*"):
        folder.rename(folder.with_name(f"P1-{folder.name}"))
    snakemake("workspace/profiles/B/P1/P1.parquet", "--configfile", config)
    profiles = pl.read_parquet(config.parent / "results/workspace/profiles/B/P1/P1.parquet")
    assert profiles["Metadata_Well"].to_list() == WELLS
    assert not [name for name in profiles.columns if name.endswith("F0")]


def test_an_annotation_is_fetched_into_the_results_only():
    annotation = {"compound": {"table": "s3://bucket/../../x.tsv"}}
    with pytest.raises(InputError, match=r"annotation\.compound\.table: the address has a folder `\.\.`"):
        complete_config({"results": "r", "plates": "plates.tsv", "annotation": annotation}, "config.yaml")


def test_a_wrong_regular_expression_is_answered():
    message = r"aggregate\.exclude_features: `\(` is not a valid regular expression"
    with pytest.raises(InputError, match=message):
        complete_config(
            {"results": "r", "plates": "plates.tsv", "aggregate": {"exclude_features": ["("]}}, "config.yaml"
        )


@pytest.mark.plan
def test_yaml_makes_no_objects(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("results: !!python/object/apply:os.system ['touch pwned']\n")
    assert "not valid JSON or YAML" in snakemake("--dry-run", "--configfile", path, check=False).stdout
    assert not [*tmp_path.rglob("pwned"), *PROJECT.glob("pwned")]


@pytest.mark.parametrize(
    "config",
    [
        {"splits": {"../x": {}}},
        {"single_cells": {"compartments": ["../x"]}},
        {"consensus": ["../x"]},
        {"export": ["../x"]},
    ],
)
def test_names_of_the_config_hold_no_path(config):
    with pytest.raises(InputError, match=r"'\.\./x' (does not match|is not one of)"):
        complete_config({"results": "r", "plates": "plates.tsv", **config}, "config.yaml")


@pytest.mark.plan
def test_a_config_that_snakemake_would_run_as_a_template_is_refused(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("__use_yte__: true\nresults: ?'r' + 'esults'\n")
    with pytest.raises(InputError, match=r"config\.yaml: it has the key __use_yte__"):
        check_config_files([path])
    assert "it has the key __use_yte__" in snakemake("--dry-run", "--configfile", path, check=False).stdout


def test_nothing_in_the_project_evaluates_or_unpickles():
    """No eval, exec, pickle, unsafe YAML or shell of a script's own in what runs on a user's data."""
    forbidden = re.compile(
        r"(?<!\.)\b(eval|exec)\(|\bpickle\b|yaml\.(unsafe_|full_)?load\(|shell=True|os\.system|allow_pickle=True"
    )
    files = [*PROJECT.glob("scripts/**/*.py"), *PROJECT.glob("rules/*.smk"), PROJECT / "Snakefile"]
    # Written, not read: numba's constants within the library of compiled code that is built from them.
    allowed = {"literal_eval(", "import pickle", "pickle.dumps("}
    found = [
        f"{path.name}: {line.strip()}"
        for path in files
        for line in path.read_text().splitlines()
        if forbidden.search(line) and not any(word in line for word in allowed)
    ]
    assert found == []


@pytest.mark.run
def test_markup_is_text_in_the_report(tmp_path):
    markup = "<script>alert(1)</script>"
    (tmp_path / "map.txt").touch()
    (tmp_path / "tables").mkdir()
    config = write_config(tmp_path, [[*ROW, markup]], [*HEADER, "density"], report={"title": markup})
    snakemake("draft_report", "--configfile", config)
    page = (tmp_path / "results/report/draft.html").read_text()
    assert "&lt;script&gt;alert(1)" in page
    assert markup not in page
