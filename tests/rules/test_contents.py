"""Content decides what runs again, not time."""

import os
import time
from pathlib import Path

import pytest

from cases.experiment import write_config
from small_experiment import write_experiment, write_rows
from workflow import planned, snakemake

pytestmark = pytest.mark.run

AUGMENTED = "workspace/profiles/B/P1/P1_augmented.parquet"


def test_a_corrected_plate_map_with_an_older_time_is_used(tmp_path):
    config = write_experiment(tmp_path)
    arguments = (AUGMENTED, "--configfile", config)
    snakemake(*arguments)
    assert planned(*arguments) == {}
    plate_map = tmp_path / "plate_map.txt"
    content = plate_map.read_text()
    os.utime(plate_map, (time.time() + 5, time.time() + 5))
    assert planned(*arguments) == {}, "copied, not changed"
    plate_map.write_text(content.replace("T0", "T9", 1))
    os.utime(plate_map, (1_700_000_000, 1_700_000_000))
    assert planned(*arguments)["annotate"] == 1
    plate_map.write_text(content)
    assert planned(*arguments) == {}, "as it was"


def test_aggregated_profiles_are_not_read_again_if_only_their_annotation_changes(tmp_path):
    """Two plates in one file: another content and name of the map, gene, cutoff, and a third plate."""
    wells = [f"A{number:02d}" for number in range(1, 7)]
    rows = [[plate, well, number] for plate in ("P1", "P2") for number, well in enumerate(wells)]
    write_rows(tmp_path / "p.csv", [["Metadata_Plate", "Metadata_Well", "Cells_AreaShape_Area"], *rows])
    layout = [["well_position", "broad_sample"], *([well, "T0"] for well in wells)]
    write_rows(tmp_path / "map.txt", layout, "\t")
    write_rows(tmp_path / "other.txt", layout, "\t")
    write_rows(tmp_path / "reagents.tsv", [["broad_sample", "gene", "target"], ["T0", "G0", "G1"]], "\t")
    header = ["batch", "plate", "plate_map", "perturbation", "profiles", "level"]

    def write(plate_map: str = "map.txt", gene: str = "gene", cutoff: int = 500, plates: int = 2) -> Path:
        row = ["compound", "p.csv", "aggregated"]
        sheet = [["B", "P1", plate_map, *row], ["B", "P2", "map.txt", *row], ["B", "P3", "map.txt", *row]]
        return write_config(
            tmp_path,
            sheet[:plates],
            header,
            annotation={"compound": {"table": "reagents.tsv", "gene": gene}},
            normalize={"outlier_cutoff": cutoff},
        )

    arguments = (AUGMENTED, AUGMENTED.replace("P1", "P2"), "--configfile", write())
    snakemake(*arguments)
    (tmp_path / "map.txt").write_text((tmp_path / "map.txt").read_text().replace("T0", "T9", 1))
    write(plate_map="other.txt", gene="target", cutoff=100, plates=3)
    assert planned(*arguments) == {"annotate": 2}
    write_rows(tmp_path / "p.csv", [["Metadata_Plate", "Metadata_Well", "Cells_AreaShape_Area"], *rows[::-1]])
    assert planned(*arguments) == {"import_profiles": 2, "annotate": 2}


def test_a_time_in_the_future_is_refused_with_the_remedy(tmp_path):
    config = write_experiment(tmp_path)
    later = time.time() + 3 * 24 * 3600
    os.utime(tmp_path / "reagents.tsv", (later, later))
    result = snakemake("--dry-run", "--configfile", config, check=False)
    assert result.returncode != 0
    assert f"  touch {tmp_path / 'reagents.tsv'}" in result.stdout
    assert "Traceback" not in result.stdout
