"""`snakemake draft` from the command line: an experiment that can be planned with a filled plate map."""

import numpy as np
import pytest
import tifffile

from workflow import snakemake

pytestmark = pytest.mark.run
RANDOM = np.random.default_rng(0)


def test_a_folder_becomes_an_experiment(tmp_path):
    images = tmp_path / "P1"
    images.mkdir()
    for well in ("A01", "A02", "B01", "B02"):
        for channel in (1, 2):
            tifffile.imwrite(
                images / f"{well}_w{channel}.tif", RANDOM.integers(0, 999, (32, 32)).astype(np.uint16)
            )
    folder = tmp_path / "experiment"
    draft = [
        "draft",
        "--directory",
        tmp_path / "elsewhere",
        "--config",
        f"images={images}",
        f"experiment={folder}",
    ]
    output = snakemake(*draft).stdout
    assert "is drafted. What is left to do:" in output
    plate_map = folder / "plate_map_96_wells.tsv"
    text = plate_map.read_text()
    for number, well in enumerate(("A01", "A02", "B01", "B02")):
        text = text.replace(f"{well}\t\t", f"{well}\tsample{number % 2}\t{'negcon' if number == 0 else ''}")
    plate_map.write_text(text)
    planned = snakemake("--dry-run", "--configfile", folder / "config.yaml").stdout
    assert "features" in planned
    assert "Warning:" not in planned
    again = snakemake(*draft, check=False)
    assert again.returncode
    assert "already has config.yaml" in again.stdout
    assert plate_map.read_text() == text


def test_a_folder_without_the_target_is_refused(tmp_path):
    done = snakemake("--dry-run", "--config", f"images={tmp_path}", check=False)
    assert done.returncode
    assert "is for the target draft alone" in done.stdout
