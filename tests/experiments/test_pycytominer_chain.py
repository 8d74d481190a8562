"""Annotate and normalize with pycytominer's bits: aggregated profiles, a plate map without broad_sample."""

from pathlib import Path

import numpy as np
import pandas as pd
import pycytominer
import pytest

from annotate import annotate
from chain_step import run_step
from lib.chains import KEYS, complete_chain
from lib.plate_contents import read_plate_map
from lib.tables import get_features, read_profiles
from lib.values import MissingValues
from normalize import choose_reference_wells, normalize

pytestmark = pytest.mark.unit

WELLS = [f"{row}{column:02d}" for row in "BCDE" for column in range(2, 12)]
CONTROLS = "Metadata_condition == 'DMSO'"


@pytest.fixture
def plate_map(tmp_path: Path) -> Path:
    """A published plate map: no broad_sample, wells without a condition."""
    rows = [
        {
            "cell_line": "AB"[number % 2],
            "row": well[0],
            "column": int(well[1:]),
            "well": well,
            "seeding_density": [1000, 2000, 4000, 8000][number % 4],
            "condition": ["DMSO", "drug 1", "drug 2", "", "drug 1"][number % 5],
        }
        for number, well in enumerate(WELLS)
    ]
    file = tmp_path / "platemap.csv"
    pd.DataFrame(rows).to_csv(file, index=False)
    return file


@pytest.fixture
def aggregated(tmp_path: Path) -> Path:
    """Aggregated profiles as pycytominer writes them."""
    rng = np.random.default_rng(0)
    names = [
        f"{part}_AreaShape_F{number}" for part in ("Cytoplasm", "Cells", "Nuclei") for number in range(6)
    ]
    size = rng.uniform(0.01, 1000, len(names))
    profiles = pd.DataFrame(rng.normal(size=(len(WELLS), len(names))) * size + 3 * size, columns=names)
    profiles.insert(0, "Metadata_Well", WELLS)
    profiles.insert(0, "Metadata_Plate", "BR1")
    profiles.insert(2, "Metadata_Site_Count", 9)
    file = tmp_path / "BR1.csv.gz"
    profiles.to_csv(file, index=False)
    return file


def annotate_both(plate_map: Path, aggregated: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The annotated profiles of this workflow, and of pycytominer."""
    theirs = pycytominer.annotate(
        pd.read_csv(aggregated), pd.read_csv(plate_map), join_on=["Metadata_well", "Metadata_Well"]
    )
    row = {"batch": "B", "plate": "BR1", "plate_map": str(plate_map), "cell_line": "", "timepoint": ""}
    known = read_plate_map(plate_map, "BR1", MissingValues(samples=("condition", "")))
    return annotate(read_profiles(aggregated), known, None, row), theirs


def assert_same_bits(mine: pd.DataFrame, theirs: pd.DataFrame) -> None:
    assert mine["Metadata_Well"].tolist() == theirs["Metadata_Well"].tolist()
    assert get_features(mine) == get_features(theirs)
    assert (mine.dtypes[get_features(mine)] == np.float64).all()
    np.testing.assert_array_equal(mine[get_features(mine)], theirs[get_features(theirs)])


def test_all_metadata_of_plate_map_and_profiles_are_kept(plate_map, aggregated):
    mine, theirs = annotate_both(plate_map, aggregated)
    assert_same_bits(mine, theirs)
    metadata = {name for name in theirs if name.startswith("Metadata_")}
    assert metadata <= set(mine.columns)
    for name in sorted(metadata):
        expected = theirs[name].fillna("").astype(str)
        assert mine[name].fillna("").astype(str).tolist() == expected.tolist(), name


@pytest.mark.parametrize("method", ["standardize", "robustize", "mad_robustize"])
@pytest.mark.parametrize(("reference", "samples"), [("all", "all"), (CONTROLS, CONTROLS)])
def test_a_chain_has_the_same_bits(plate_map, aggregated, method, reference, samples):
    annotated, theirs = annotate_both(plate_map, aggregated)
    chain = complete_chain("own", [{"normalize": {"method": method, "reference": reference}}])
    ((step, options),) = chain["steps"]
    settings = {
        "step": step,
        "options": options,
        "first": True,
        **{key: chain[key] for key in KEYS},
        "condition": [],
        "group": "Metadata_condition",
    }
    mine, dropped, _ = run_step(annotated, settings)
    assert dropped == {}
    assert_same_bits(mine, pycytominer.normalize(theirs, method=method, samples=samples))


@pytest.mark.parametrize("method", ["standardize", "robustize"])
def test_the_papers_chain_with_another_method_has_the_same_bits(plate_map, aggregated, method):
    annotated, theirs = annotate_both(plate_map, aggregated)
    for reference, samples in (("all", "all"), ("negcon", CONTROLS)):
        chosen = choose_reference_wells(annotated, reference, "condition", "DMSO", 3, "BR1")
        mine, _, _ = normalize(annotated, annotated[chosen], method=method, floored=False)
        assert_same_bits(mine, pycytominer.normalize(theirs, method=method, samples=samples))
