"""Recommended splits: nothing that belongs together is ever divided."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.errors import InputError
from lib.tables import read_profiles, write_profiles
from simulated_profiles import plates
from splits import FRACTIONS, main, split_wells

pytestmark = pytest.mark.unit


def library(compounds=60, genes=40, plates_of_each=3, seed=0):
    """Wells of compounds, two guides per gene, and controls; three compounds have two identifiers."""
    rng = np.random.default_rng(seed)
    rows = []
    for plate in range(plates_of_each):
        for i in range(compounds):
            rows.append(("compound", plate, i, f"BRD-{i}", f"G{i % genes}", f"name{i}", None))
        for i in range(3):
            twice = (f"BRD-again{i}", f"G{(i + 7) % genes}", f"name{i}", None)
            rows.append(("compound", plate, compounds + i, *twice))
        for i in range(2 * genes):
            rows.append(("crispr", plate, i, f"guide{i}", f"G{i % genes}", None, None))
        for kind in ("compound", "crispr"):
            rows.extend((kind, plate, 500 + i, None, None, None, "negcon") for i in range(5))
    names = ("kind", "plate", "well", "broad_sample", "gene", "pert_iname", "control_type")
    table = pd.DataFrame(rows, columns=names)
    table = table.sample(frac=1, random_state=int(rng.integers(1000))).reset_index(drop=True)
    return pd.DataFrame(
        {
            "Metadata_Plate": table["kind"] + table["plate"].astype(str),
            "Metadata_Well": "W" + table["well"].astype(str),
            "Metadata_cell_line": np.where(table["plate"] == 0, "A549", "U2OS"),
            **{f"Metadata_{name}": table[name] for name in names[3:]},
        }
    )


def leaks(metadata, split, column):
    """The values of `column` that are in more than one of the splits."""
    joined = metadata.merge(split, on=["Metadata_Plate", "Metadata_Well"], validate="1:1")
    joined = joined[joined["Metadata_split"] != "control"]
    return joined.groupby(column)["Metadata_split"].nunique().loc[lambda number: number > 1].index.tolist()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_nothing_leaks(seed):
    metadata = library(seed=seed)
    split = split_wells(metadata, {}, seed=seed)
    for column in ("Metadata_broad_sample", "Metadata_gene", "Metadata_pert_iname"):
        assert leaks(metadata, split, column) == []
    assert split.groupby("Metadata_unit")["Metadata_split"].nunique().eq(1).all()
    assert not split.duplicated(["Metadata_Plate", "Metadata_Well"]).any()
    shares = (
        split[split["Metadata_split"] != "control"]
        .groupby("Metadata_split")["Metadata_perturbation"]
        .nunique()
    )
    for name, fraction in FRACTIONS.items():
        assert shares[name] / shares.sum() == pytest.approx(fraction, abs=0.05)


def test_the_check_for_leaks_finds_one():
    metadata = library()
    split = split_wells(metadata, {"together": []})
    assert leaks(metadata, split, "Metadata_broad_sample") == []
    assert leaks(metadata, split, "Metadata_gene")


def test_seeded():
    metadata = library()
    first, again, other = (split_wells(metadata, {}, seed=seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first, again)
    assert not first["Metadata_split"].equals(other["Metadata_split"])


def test_the_order_of_the_wells_does_not_matter():
    metadata = library()
    shuffled = metadata.sample(frac=1, random_state=3).reset_index(drop=True)
    pd.testing.assert_frame_equal(split_wells(metadata, {}), split_wells(shuffled, {}))


def test_controls_belong_to_no_side_and_empty_wells_are_left_out():
    metadata = library()
    metadata.loc[metadata["Metadata_Well"] == "W3", ["Metadata_broad_sample", "Metadata_gene"]] = None
    split = split_wells(metadata, {})
    assert (split["Metadata_split"] == "control").sum() == 30
    assert "W3" not in set(split["Metadata_Well"])


def test_chains_of_targets_are_followed():
    metadata = pd.DataFrame(
        {
            "Metadata_Plate": "p",
            "Metadata_Well": [f"W{i}" for i in range(10)],
            "Metadata_broad_sample": list("abcdefghij"),
            "Metadata_gene": ["X|Y", "Y|Z", "Z", "W", *("V1", "V2", "V3", "V4", "V5", "V6")],
        }
    )
    split = split_wells(metadata, {}).set_index("Metadata_perturbation")
    assert split.loc[["a", "b", "c"], "Metadata_unit"].nunique() == 1
    assert split["Metadata_unit"].nunique() == 8


def test_by_cell_line():
    metadata = library()
    split = split_wells(metadata, {"column": "cell_line", "train": ["A549"], "test": ["U2OS"]})
    sides = split.groupby(split["Metadata_Plate"].str[-1])["Metadata_split"].unique()
    assert [list(side) for side in sides] == [["train"], ["test"], ["test"]]
    with pytest.raises(InputError, match="No well has HeLa in Metadata_cell_line"):
        split_wells(metadata, {"column": "cell_line", "train": ["HeLa"], "test": ["U2OS"]})
    with pytest.raises(InputError, match="no column dose to split by"):
        split_wells(metadata, {"column": "dose", "train": ["1"], "test": ["2"]})


def test_what_hangs_together_too_much_is_answered():
    metadata = library().assign(Metadata_gene="G")
    with pytest.raises(InputError, match="are linked by shared genes or names"):
        split_wells(metadata, {})
    with pytest.raises(InputError, match="must add up to 1"):
        split_wells(library(), {"fractions": {"train": 0.6, "test": 0.2}})
    few = library()
    few = few[few["Metadata_broad_sample"].isin(["guide5", "guide6"])]
    with pytest.raises(InputError, match="2 independent groups of perturbations cannot make 3 splits"):
        split_wells(few, {})


@pytest.fixture(scope="module")
def cpjump1(shared):
    """Every well of CPJUMP1's 40 benchmark plates, as published with its recommended splits."""
    path = shared / "cpjump1/published/datasplits/cpjump1_metadata.csv"
    return pd.read_csv(path, dtype=str, keep_default_na=False, na_values=["NA"])


@pytest.mark.data
def test_cpjump1_is_split_without_a_leak(cpjump1):
    split = split_wells(cpjump1, {}, seed=1)
    for column in ("broad_sample", "gene", "target", "pert_iname", "InChIKey"):
        assert leaks(cpjump1, split, f"Metadata_{column}") == []
    treated = split[split["Metadata_split"] != "control"]
    shares = treated.groupby("Metadata_split")["Metadata_perturbation"].nunique()
    assert shares.sum() == 306 + 305 + 160
    assert (shares / 771).round(2).to_dict() == {"train": 0.6, "validate": 0.2, "test": 0.2}
    assert split["Metadata_unit"].nunique() == 160, "a unit a gene"
    by_guide = cpjump1[cpjump1["Metadata_experiment_type"] == "CRISPR"]
    assert by_guide.groupby("Metadata_gene")["Metadata_broad_sample"].nunique().max() == 2


@pytest.mark.data
def test_compounds_with_two_identifiers_stay_together_by_their_name(cpjump1):
    names = cpjump1.groupby("Metadata_pert_iname")["Metadata_broad_sample"].nunique()
    twice = names.index[names == 2].drop("DMSO", errors="ignore")
    assert {"BVT-948", "dexamethasone", "thiostrepton"} <= set(twice)
    compounds = cpjump1[cpjump1["Metadata_experiment_type"] == "Compound"]
    by_name, by_identifier = (
        split_wells(compounds, {"together": columns}).set_index("Metadata_perturbation")["Metadata_unit"]
        for columns in (["Metadata_pert_iname"], ["Metadata_InChIKey"])
    )
    for name in twice:
        own = compounds.loc[compounds["Metadata_pert_iname"] == name, "Metadata_broad_sample"].unique()
        assert by_name[own].nunique() == 1
        assert by_identifier[own].nunique() == 2, "each has an InChIKey of its own"


@pytest.mark.data
def test_the_published_split_of_genes_follows_the_same_rule(shared):
    path = shared / "cpjump1/published/datasplits/gene_compound_split_example_1.csv"
    published = pd.read_csv(path, dtype=str)
    for column in ("Metadata_target", "ORF", "CRISPR", "Compound"):
        assert (published.groupby(column)["Metadata_split"].nunique() == 1).all()
    shares = published.groupby("Metadata_split")["Metadata_target"].nunique() / 160
    assert shares.round(2).to_dict() == {"train": 0.6, "validate": 0.2, "test": 0.2}


def test_main_writes_one_split(tmp_path):
    files, sheet = [], []
    for i, (name, plate) in enumerate(plates(20, 2, controls=3).items()):
        files.append(str(tmp_path / name))
        write_profiles(plate, files[-1], {})
        sheet.append({"plate": f"Pplate{i}", "cell_line": "A549" if i else "U2OS"})
    output = tmp_path / "split.csv"
    main(files, sheet, str(output), {"column": "cell_line", "train": ["A549"], "test": ["U2OS"]}, {})
    written = pd.read_csv(output)
    assert written.groupby("Metadata_split").size().to_dict() == {"test": 23, "train": 23}
    assert list(written)[:2] == ["Metadata_Plate", "Metadata_Well"]
    # one barcode in two batches: the batch distinguishes the plates
    for row, path in zip(sheet, files, strict=True):
        write_profiles(read_profiles(path).assign(Metadata_Batch=row["cell_line"]), path, {})
        row["plate"] = "P"
    main(files, sheet, str(output), {"column": "cell_line", "train": ["A549"], "test": ["U2OS"]}, {})
    again = pd.read_csv(output)
    assert set(again["Metadata_Plate"]) == {"P"}
    assert (again["Metadata_Batch"] == again["Metadata_split"].map({"train": "A549", "test": "U2OS"})).all()
    assert len(again) == 46
