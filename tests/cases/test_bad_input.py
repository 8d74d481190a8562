"""What is wrong with an experiment is said with file, plate, well and remedy; nothing is lost or executed.

The page docs/bad_input.md names a test for each kind of bad input, see tests/cases/case.py.
"""

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from aggregate import aggregate
from dropped_features import stack_profiles
from lib.checks import check_config_files, check_files, check_pipelines
from lib.conditions import get_conditions
from lib.config import complete_config
from lib.errors import InputError, explain_storage_error
from lib.experiment import Experiment
from lib.levels import LEVELS
from lib.plate_contents import read_plate_map
from lib.plates import get_chosen_plates, read_plates
from lib.tables import get_features, read_profiles
from normalize import normalize
from small_experiment import WELLS, treatment, write_experiment, write_rows
from workflow import PROJECT, snakemake

pytestmark = pytest.mark.unit

HEADER = ["batch", "plate", "plate_map", "perturbation", "cell_line", "timepoint", "cellprofiler"]
ROW = ["B", "P1", "map.txt", "compound", "U2OS", "48", "tables"]
PIECES = (
    "$(touch {})",
    "`touch {}`",
    "; touch {}",
    "| touch {}",
    "' ; touch {} ; '",
    '" ; touch {} ; "',
    "\n touch {}",
)
UNSHARE = ["unshare", "--map-root-user", "--mount"]
CAN_MOUNT = shutil.which("unshare") and not subprocess.run([*UNSHARE, "true"], check=False).returncode


def experiment(folder: Path, rows: list[list[str]], header: list[str] = HEADER, **config: object) -> Path:
    """A config with a sample sheet of these rows; gives the config file."""
    folder.mkdir(parents=True, exist_ok=True)
    write_rows(folder / "plates.tsv", [header, *rows], "\t")
    (folder / "config.yaml").write_text(
        yaml.safe_dump({"results": "results", "plates": "plates.tsv", **config})
    )
    return folder / "config.yaml"


def said(config: Path, *arguments: str) -> str:
    """What Snakemake says of an experiment that it refuses before anything runs."""
    result = snakemake("--dry-run", *arguments, "--configfile", config, check=False)
    assert result.returncode, result.stdout
    assert "Traceback" not in result.stdout
    return result.stdout


# --- tables that people write -------------------------------------------------------------------


def test_a_plate_map_is_read_whatever_program_wrote_it(tmp_path):
    path = tmp_path / "map.txt"
    path.write_bytes(
        "\ufeffwell_position\tbroad_sample\r\nA1 \tx  \r\n b02\t y\r\n\r\nC003\t\u00fc\u2028z\r\n".encode()
    )
    plate_map = read_plate_map(path)
    assert plate_map["well"].tolist() == ["A01", "B02", "C03"]
    # no character but a line end ends a row; in a name, each blank is a plain one
    assert plate_map["broad_sample"].tolist() == ["x", "y", "\u00fc z"]


def test_a_quotation_mark_swallows_no_row(tmp_path):
    path = tmp_path / "map.txt"
    path.write_text('well_position\tbroad_sample\nA01\t"x\nA02\ty\nA03\tz\n')
    with pytest.raises(InputError, match=r"map\.txt, line 4: .*close the quotation mark"):
        read_plate_map(path)
    path.write_text('well_position\tbroad_sample\nA01\t5" probe\nA02\t"a\tb"\n')
    assert read_plate_map(path)["broad_sample"].tolist() == ['5" probe', "a b"]


def test_a_barcode_of_digits_is_found_on_the_command_line():
    plates = [{"plate": name} for name in ("0012", "13", "0013", "BR1")]

    def chosen(*only):
        return [plate["plate"] for plate in get_chosen_plates(plates, only)]

    assert chosen("12", "BR1") == ["0012", "BR1"]
    assert chosen("13") == ["13"]
    with pytest.raises(InputError, match="only=14: the sample sheet lists no such plate"):
        chosen("14")
    plates.append({"plate": "012"})
    with pytest.raises(InputError, match=r"only=12 may be 0012, 012: quote the barcode twice"):
        chosen("12")


# --- what is missing ----------------------------------------------------------------------------


@pytest.mark.plan
def test_missing_files_are_named_before_anything_runs(tmp_path):
    rows = [ROW, ["B", "P2", "gone/map.txt", "compound", "U2OS", "48", "gone"]]
    config = experiment(tmp_path, rows, annotation={"compound": {"table": "gone.tsv"}})
    (tmp_path / "map.txt").write_text("well_position\tbroad_sample\nA01\tx\n")
    (tmp_path / "tables").mkdir()
    answer = said(config)
    assert f"plate P2 of batch B: cellprofiler: {tmp_path / 'gone'}\n" in answer
    assert f"plate P2 of batch B: plate_map: {tmp_path / 'gone/map.txt'}" in answer
    assert f"plate P1 of batch B: annotation.compound.table: {tmp_path / 'gone.tsv'}" in answer
    assert "plate P1 of batch B: plate_map" not in answer
    assert f"Correct them in {tmp_path / 'plates.tsv'}" in answer


def test_inputs_of_finished_plates_may_be_gone(tmp_path):
    """As Snakemake sees it: what was made from them is there."""
    path = experiment(tmp_path, [ROW])
    config = complete_config({"results": "results", "plates": "plates.tsv"}, path)
    read = Experiment.read(config, path)
    with pytest.raises(InputError, match="plate P1"):
        check_files(read, tmp_path / "results")
    for made in ("backend/B/P1/P1.parquet", "profiles/B/P1/P1_augmented.parquet"):
        file = tmp_path / "results" / "workspace" / made
        file.parent.mkdir(parents=True)
        file.touch()
    check_files(read, tmp_path / "results")


def test_a_pipeline_that_would_run_as_a_program_is_refused(tmp_path):
    path = experiment(tmp_path, [ROW])
    own = tmp_path / "own.cppipe"
    given = {"results": "r", "plates": "plates.tsv", "cellprofiler": {"analysis_pipeline": own.name}}
    read = Experiment.read(complete_config(given, path), path)
    text = (
        "CellProfiler Pipeline: http://www.cellprofiler.org\nModuleCount:1\n\nLoadData:[notes:{}]\n    a:b\n"
    )
    own.write_text(text.format("['a note']"))
    check_pipelines(read)
    own.write_text(text.format("[__import__('os').system('touch ran')]"))
    with pytest.raises(InputError, match=r"analysis_pipeline: .*own\.cppipe, line 4: .* is not a literal"):
        check_pipelines(read)


@pytest.fixture(scope="module")
def controls(tmp_path_factory) -> tuple[str, Path]:
    """Three plates, run to their normalized profiles: one whole, one without negative controls, one with one.

    The third's plate map lacks two wells, and Windows wrote it.
    """
    folder = tmp_path_factory.mktemp("controls")
    config = write_experiment(folder / "experiment")
    folder = config.parent
    layout = [[well, treatment(position)] for position, well in enumerate(WELLS)]
    none = [[well, "T1" if sample == "DMSO" else sample] for well, sample in layout]
    write_rows(folder / "none.txt", [["well_position", "broad_sample"], *none], "\t")
    one = [[f"{well[0]}{int(well[1:])} ", sample] for well, sample in layout[5:-2]]
    text = "".join(f"{well}\t{sample}\r\n" for well, sample in [["well_position", "broad_sample"], *one])
    (folder / "one.txt").write_bytes(b"\xef\xbb\xbf" + text.encode())
    rows = [
        ["B", plate, f"{name}.txt", "compound", "U2OS", "48", f"tables/{plate}"]
        for plate, name in (("P1", "plate_map"), ("P2", "none"), ("P3", "one"))
    ]
    write_rows(folder / "plates.tsv", [HEADER, *rows], "\t")
    run = snakemake("--keep-going", "--until", "normalize", "--configfile", config, check=False)
    assert run.returncode
    return run.stdout, folder / "results"


@pytest.mark.run
def test_a_plate_without_negative_controls_stops_alone(controls):
    answer, results = controls
    assert "Plate P2: 0 negative control wells (Metadata_control_type = negcon) have cells" in answer
    assert "take the plate out of the sample sheet" in answer
    assert "logs/normalize/B/P2_normalized_negcon.log" in answer
    assert "Traceback" not in answer
    made = {path.name for path in (results / "workspace/profiles").rglob("*_normalized*.parquet")}
    assert made == {"P1_normalized_negcon.parquet", *(f"P{n}_normalized.parquet" for n in (1, 2, 3))}


@pytest.mark.run
def test_a_plate_with_one_negative_control_stops_alone(controls):
    answer, _ = controls
    assert "Plate P3: 1 negative control wells" in answer
    assert "normalizing needs 3 (normalize.minimum_wells)" in answer


@pytest.mark.run
def test_wells_that_the_plate_map_lacks_are_kept_and_named(controls):
    _, results = controls
    folder = results / "workspace/profiles/B/P3"
    unmatched = pd.read_csv(folder / "P3_unmatched_wells.csv")
    lacking = [*WELLS[:5], *WELLS[-2:]]
    assert unmatched["Metadata_Well"].tolist() == lacking
    assert set(unmatched["reason"]) == {"not in the plate map"}
    assert pl.read_parquet(folder / "P3_augmented.parquet")["Metadata_Well"].to_list() == WELLS


# --- values -------------------------------------------------------------------------------------


def test_infinite_features_count_as_missing(tmp_path, caplog):
    path = tmp_path / "p.csv"
    wells = [f"A0{number}" for number in range(1, 6)]
    table = pd.DataFrame(
        {"Metadata_Well": wells, "Cells_X": [1, 2, 4, np.inf, np.nan], "Cells_Y": [1, 2, 3, 4, 5]}
    )
    table.to_csv(path, index=False)
    profiles = read_profiles(path)
    assert profiles["Cells_X"].isna().tolist() == [False, False, False, True, True]
    assert "Cells_X is infinite in well A04: taken as missing" in caplog.text
    normalized, dropped, _ = normalize(profiles, profiles)
    assert dropped == {}
    # Median 2, MAD 1 of the three values that are there.
    assert normalized["Cells_X"][:3].to_list() == pytest.approx([-1 / 1.4826, 0, 2 / 1.4826])
    assert normalized["Cells_X"].isna().tolist() == [False, False, False, True, True]


def test_a_feature_constant_on_one_plate_is_dropped_there_and_named_for_the_batch():
    wells = {"Metadata_Well": ["A01", "A02", "A03"], "Metadata_Plate": "P"}
    plates = [
        pd.DataFrame({**wells, "Cells_X": x, "Cells_Y": [1.0, 2, 3]}) for x in ([1.0, 2, 4], [5.0, 5, 5])
    ]
    both = [normalize(plate, plate) for plate in plates]
    assert [list(dropped) for _, dropped, _ in both] == [[], ["Cells_X"]]
    assert [get_features(normalized) for normalized, _, _ in both] == [["Cells_X", "Cells_Y"], ["Cells_Y"]]
    together, partial = stack_profiles([normalized for normalized, _, _ in both])
    assert get_features(together) == ["Cells_Y"]
    assert partial == ["Cells_X"]


@pytest.mark.parametrize("broken", ["cells", "image"])
def test_a_corrupt_single_cell_table_says_what_to_do(tmp_path, broken):
    table = pa.table({"Metadata_Plate": ["P"], "Metadata_Well": ["A01"], "Cells_X": [1.0]})
    files = {name: tmp_path / f"{name}.parquet" for name in ("cells", "image")}
    for path in files.values():
        pq.write_table(table, path)
    files[broken].write_bytes(files[broken].read_bytes()[:-20])
    with pytest.raises(
        InputError, match=rf"{broken}\.parquet cannot be read .*Delete it so that the workflow"
    ):
        aggregate(files["cells"], files["image"], "mean", [])


# --- disks --------------------------------------------------------------------------------------


def test_an_error_of_the_disk_is_told_from_others():
    assert "the disk is full" in explain_storage_error(
        OSError(28, "No space left on device"), "/data/results"
    )
    assert "/data/results" in explain_storage_error(
        OSError("No space left on device (os error 28)"), "/data/results"
    )
    assert "x.csv: you have no permission" in explain_storage_error(
        PermissionError(13, "Permission denied", "x.csv"), "/"
    )
    assert explain_storage_error(FileNotFoundError(2, "No such file"), "/") is None


@pytest.mark.run
def test_a_disk_that_fills_up_leaves_no_half_file(tmp_path):
    """A limit of the size of a file stands in for a disk that takes no more."""
    script = (
        "import sys, numpy as np, pandas as pd\n"
        "from lib.logs import log_to\n"
        "from lib.tables import write_profiles\n"
        "with log_to('log.txt'):\n"
        "    table = pd.DataFrame({'Metadata_Well': 'A01', 'Cells_X': np.random.rand(100_000)})\n"
        "    write_profiles(table, 'P1.parquet', {})\n"
    )
    (tmp_path / "P1.parquet").write_text("from an earlier run")
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(PROJECT / "scripts")},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "the file grew beyond the size that is allowed" in done.stderr
    assert "Nothing half-written was left: start again" in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "P1.parquet").read_text() == "from an earlier run"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["P1.parquet", "log.txt"]


@pytest.mark.long
@pytest.mark.skipif(not CAN_MOUNT, reason="this system lets no user mount a small disk")
def test_a_run_on_a_full_disk_is_resumed_when_there_is_space(tmp_path):
    config = write_experiment(tmp_path / "experiment")
    results = config.parent / "results"
    results.mkdir()
    tables = [f"workspace/backend/B/{plate}/{plate}.parquet" for plate in ("P1", "P2", "P3")]
    run = f"{sys.executable} -m snakemake --cores 1 --keep-going {' '.join(tables)} --configfile {config}"
    command = f"""
        mount -t tmpfs -o size=160k tmpfs {results}
        {run}; echo "status $?"
        cd {results} && find workspace -type f | sed 's/^/left /'; cd {PROJECT}
        mount -o remount,size=10m {results}
        {run}; echo "status $?"
        cd {results} && find workspace -name 'P?.parquet' | xargs sha256sum
    """
    done = subprocess.run(
        [*UNSHARE, "bash", "-c", command], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    first, second = re.split("status 1\n", done.stdout + done.stderr, maxsplit=1)[0], done.stdout
    assert f"{results}: the disk is full. Free space" in done.stdout + done.stderr, first
    assert "status 1" in second
    assert "status 0" in second
    left = {line.removeprefix("left ") for line in second.splitlines() if line.startswith("left ")}
    assert not any(".part" in path for path in left)
    digests = re.findall(r"([0-9a-f]{64})  (\S+)", second)
    assert sorted(path for _, path in digests) == tables


@pytest.mark.run
@pytest.mark.skipif(not CAN_MOUNT, reason="this system lets no user mount a read-only folder")
def test_a_read_only_results_folder_is_named(tmp_path):
    config = experiment(tmp_path, [ROW])
    results = tmp_path / "results"
    results.mkdir()
    command = (
        f"mount --bind {results} {results} && mount -o remount,bind,ro {results} && "
        f"{sys.executable} -m snakemake --cores 1 --configfile {config}"
    )
    done = subprocess.run(
        [*UNSHARE, "bash", "-c", command], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode
    assert (
        f"The results folder {results} cannot be written: {results} is read-only" in done.stdout + done.stderr
    )
    assert "Name another folder as `results` in the config" in done.stdout + done.stderr


# --- two processes ------------------------------------------------------------------------------


@pytest.mark.run
def test_two_processes_on_one_plate_are_refused_and_on_two_plates_agree(tmp_path):
    config = write_experiment(tmp_path / "experiment")
    results = config.parent / "results"
    target = "workspace/backend/B/{0}/{0}.parquet"
    command = [sys.executable, "-m", "snakemake", "--cores", "1"]
    first = subprocess.Popen(
        [*command, target.format("P1"), "--configfile", config],
        cwd=PROJECT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not list(results.glob(".snakemake/locks/*")) and first.poll() is None:
        time.sleep(0.05)
    # Halted while it holds its lock: on a quick machine it would be done before the others have planned.
    first.send_signal(signal.SIGSTOP)
    try:
        same = snakemake(target.format("P1"), "--configfile", config, check=False)
        other = snakemake(target.format("P2"), "--configfile", config, check=False)
    finally:
        first.send_signal(signal.SIGCONT)
    assert first.wait() == 0
    assert same.returncode
    assert "Directory cannot be locked" in same.stdout
    assert str(results) in same.stdout
    assert "--unlock" in same.stdout
    assert other.returncode == 0, other.stdout
    undisturbed = write_experiment(tmp_path / "undisturbed")
    files = [target.format(plate) for plate in ("P1", "P2")]
    snakemake(*files, "--configfile", undisturbed)
    for file in files:
        assert (results / file).read_bytes() == (undisturbed.parent / "results" / file).read_bytes()


# --- nothing is executed or written outside the results -----------------------------------------


@pytest.mark.parametrize("column", ["batch", "plate", "perturbation", "cell_line", "timepoint"])
@pytest.mark.parametrize(
    "value", [*PIECES, "../../x", "/x", "{wildcards.plate}", "a b", "\u00e4", "-x", "..", "x" * 101]
)
def test_hostile_names_in_file_names_are_refused(tmp_path, column, value):
    row = dict(zip(HEADER, ROW, strict=True)) | {column: value.replace("{}", "pwned")}
    experiment(tmp_path, [list(row.values())])
    with pytest.raises(InputError, match=f"{column} `"):
        read_plates(tmp_path / "plates.tsv", LEVELS)


@pytest.mark.parametrize("column", ["batch", "plate", "perturbation"])
def test_a_dot_is_not_a_name(tmp_path, column):
    # elsewhere it is an empty cell, as some programs write it
    experiment(tmp_path, [list((dict(zip(HEADER, ROW, strict=True)) | {column: "."}).values())])
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
    assert "has a blank, or a character that a shell reads, in its path" in result.stdout
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
    experiment(tmp_path, [[*ROW[:-1], "{plate}"]])
    with pytest.raises(InputError, match=r"cellprofiler `\{plate\}` may hold no \{ or \}, which Snakemake"):
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
    config = experiment(tmp_path, [row], header)
    run = snakemake("--configfile", config, check=False)
    assert "is not fetched: set fetch: true in the config" in run.stdout
    assert not [*tmp_path.rglob("pwned"), *PROJECT.glob("pwned")]
    row[6] = "s3://bucket/../../../../x.csv"
    config = experiment(tmp_path, [row], header)
    assert "is an address with a folder `..`; write it without" in said(config)


@pytest.mark.run
def test_a_cellprofiler_command_is_one_word(tmp_path):
    """No shell takes the config's value apart; the step says that there is no such command."""
    environment = "".join(PIECES).format(*["pwned"] * len(PIECES)) + "{params.assay} {wildcards}"
    for name in ("map.txt", "images"):
        (tmp_path / name).touch()
    config = experiment(
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
def test_braces_of_a_regular_expression_are_no_wildcards(tmp_path):
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
    allowed = {"literal_eval("}
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
    for name in ("map.txt", "tables"):
        (tmp_path / name).touch()
    config = experiment(tmp_path, [[*ROW, markup]], [*HEADER, "density"], report={"title": markup})
    snakemake("draft_report", "--configfile", config)
    page = (tmp_path / "results/report/draft.html").read_text()
    assert "&lt;script&gt;alert(1)" in page
    assert markup not in page
