"""An error in an experiment is reported with file, plate, well and remedy, and nothing is lost.

The page docs/bad_input.md names a test for each kind of bad input, see tests/cases/case.py.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aggregate import aggregate
from cases.case import case
from cases.experiment import HEADER, ROW, get_refusal, write_config
from lib.checks import check_config_files, check_files, check_pipelines
from lib.config import complete_config
from lib.errors import InputError
from lib.experiment import Experiment
from lib.plate_contents import read_plate_map
from lib.plates import get_chosen_plates
from lib.tables import get_features, read_profiles, stack_profiles
from normalize import normalize
from small_experiment import WELLS, treatment, write_experiment, write_rows
from workflow import snakemake

pytestmark = pytest.mark.unit


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
    config = write_config(tmp_path, rows, annotation={"compound": {"table": "gone.tsv"}})
    (tmp_path / "map.txt").write_text("well_position\tbroad_sample\nA01\tx\n")
    (tmp_path / "tables").mkdir()
    answer = get_refusal(config)
    assert f"plate P2 of batch B: cellprofiler: {tmp_path / 'gone'}\n" in answer
    assert f"plate P2 of batch B: plate_map: {tmp_path / 'gone/map.txt'}" in answer
    assert f"plate P1 of batch B: annotation.compound.table: {tmp_path / 'gone.tsv'}" in answer
    assert "plate P1 of batch B: plate_map" not in answer
    assert f"Correct them in {tmp_path / 'plates.tsv'}" in answer


@case(
    "tables",
    kind="a folder where a file is needed, or a file where a folder is needed: a plate map, CellProfiler's "
    "tables, images",
    comes_from="a column of the sample sheet that was filled in for another one",
    says="These are files where folders are needed, or the reverse: plate P1 of batch B: cellprofiler: "
    ".../tables is a file: name the "
    "folder of CellProfiler's tables plate P1 of batch B: plate_map: .../map.txt is a folder: name the "
    "file Correct them "
    "in ...",
    happens="nothing runs; a plate map is read after hours of measuring",
)
def test_a_folder_for_a_file(tmp_path):
    path = write_config(tmp_path, [ROW])
    (tmp_path / "map.txt").mkdir()
    (tmp_path / "tables").touch()
    read = Experiment.read(complete_config({"results": "results", "plates": "plates.tsv"}, path), path)
    with pytest.raises(InputError) as error:
        check_files(read, tmp_path / "results")
    return str(error.value)


def test_inputs_of_finished_plates_may_be_gone(tmp_path):
    """As Snakemake sees it: what was made from them is there."""
    path = write_config(tmp_path, [ROW])
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
    path = write_config(tmp_path, [ROW])
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
    assert "remove the plate from the sample sheet" in answer
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


@case(
    "plan",
    kind="a config with a duplicate key",
    comes_from="a block that was pasted below another one of its name",
    says="... has duplicate keys: benchmark.draws (lines 4 and 5), plates (lines 2 and 7). Only the "
    "last one would be used: combine them, or remove one.",
    happens="nothing runs: YAML would silently keep the last one",
)
def test_a_key_twice_is_refused(tmp_path):
    path = tmp_path / "config.yaml"
    text = "results: r\nplates: a.tsv\nbenchmark:\n  draws: 100\n"
    path.write_text(text + "annotation: {compound: &one {table: t}, crispr: {<<: *one}}\n")
    check_config_files([path])
    path.write_text('{\n\t"results": "r"\n}')
    check_config_files([path])
    path.write_text(f"{text}  draws: 200\n  matching: []\nplates: b.tsv\n")
    with pytest.raises(InputError) as error:
        check_config_files([path])
    return str(error.value)


@case(
    "plan",
    kind="values of a config that YAML reads as other numbers: 0012, 12:30, 10_1, .nan",
    comes_from="barcodes without quotes; YAML 1.1 has octal and sexagesimal numbers",
    says="YAML reads values differently than they are written: only (line 3): 0012 as 10, "
    "simulate.faults.0.plate (line 4): 10_1 as 101, benchmark.where.batch (line 5): 12:30 as 750, "
    "normalize.outlier_cutoff (line 6): .nan as nan. Quote names, and write numbers in their usual form.",
    happens="nothing runs",
)
def test_numbers_that_yaml_misreads(tmp_path):
    path = tmp_path / "config.yaml"
    head = "results: r\nplates: a.tsv\n"
    path.write_text(
        f"{head}only: '0012'\nminimum_cells: 0\nmodz: {{min_weight: -0.5}}\nreport: {{seed: 1e3}}\n"
    )
    check_config_files([path])
    path.write_text(
        f"{head}only: 0012\nsimulate: {{faults: [{{plate: 10_1}}]}}\nbenchmark: {{where: {{batch: 12:30}}}}\n"
        "normalize: {outlier_cutoff: .nan}\n"
    )
    with pytest.raises(InputError) as error:
        check_config_files([path])
    return str(error.value)
