"""Rules of `--forcerun` that no chosen plate passes."""

import pytest

from lib.forced_rules import find_rules_without_jobs
from planned_experiment import build_experiment

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("plate", "silent", "first"),
    [
        ({"images": "i"}, ["load_data", "features", "aggregate", "normalize", "report"], "load_data"),
        ({"cellprofiler": "t"}, ["single_cells", "aggregate"], "single_cells"),
        ({"profiles": "p.csv", "level": "aggregated"}, ["import_profiles", "annotate"], "import_profiles"),
    ],
)
def test_a_forced_rule_that_no_plate_passes_is_reported(tmp_path, plate, silent, first):
    experiment = build_experiment([plate], tmp_path)
    assert list(find_rules_without_jobs(experiment, silent)) == []
    sentences = list(find_rules_without_jobs(experiment, ["load_data", "import_profiles"]))
    assert len(sentences) == (2 if first == "single_cells" else 1)
    assert all(f"The first step of these plates is {first}." in sentence for sentence in sentences)
