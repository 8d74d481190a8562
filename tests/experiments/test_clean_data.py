"""Published data without faults cause no message: neither before a run, nor during it, nor at its end.

The real images have the same test in `test_bbbc013.py` and `test_cpjump1_fields.py`.
"""

import pandas as pd
import pytest
import yaml

from clean_runs import find_unexpected_lines
from published_form import SELECTED, compound_files
from workflow import snakemake

pytestmark = pytest.mark.data

BATCH = "2020_11_04_CPJUMP1"


@pytest.fixture(scope="module")
def output(shared, tmp_path_factory) -> str:
    """What a run prints of the four published plates of U2OS cells at 48 h, with each score and answer."""
    folder = tmp_path_factory.mktemp("published")
    files = compound_files(shared)
    metadata = shared / "cpjump1" / "metadata"
    plates = pd.DataFrame(
        {
            "batch": BATCH,
            "plate": [file.name.partition("_")[0] for file in files],
            "plate_map": metadata / f"platemaps/{BATCH}/platemap/JUMP-Target-1_compound_platemap.txt",
            "perturbation": "compound",
            "cell_line": "U2OS",
            "timepoint": 48,
            "profiles": files,
            "level": SELECTED,
        }
    )
    plates.to_csv(folder / "plates.tsv", sep="\t", index=False)
    annotation = metadata / "external_metadata" / "JUMP-Target-1_compound_metadata.tsv"
    config = {
        "results": "results",
        "plates": "plates.tsv",
        "annotation": {"compound": {"table": str(annotation), "gene": "target"}},
        "benchmark": {"feature_sets": [SELECTED, "normalized_feature_select_negcon_plate"]},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return snakemake("--configfile", folder / "config.yaml").stdout


def test_published_plates_get_no_message(output):
    assert find_unexpected_lines(output) == []
    assert "Plates complete: 4 of 4" in output
    assert "percent replicating" in output
