"""Content decides what runs again, not time."""

import os
import time

import pytest

from small_experiment import write_experiment
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


def test_a_time_in_the_future_is_refused_with_the_remedy(tmp_path):
    config = write_experiment(tmp_path)
    later = time.time() + 3 * 24 * 3600
    os.utime(tmp_path / "reagents.tsv", (later, later))
    result = snakemake("--dry-run", "--configfile", config, check=False)
    assert result.returncode != 0
    assert f"  touch {tmp_path / 'reagents.tsv'}" in result.stdout
    assert "Traceback" not in result.stdout
