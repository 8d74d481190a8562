"""What the benchmark's rules make of published profiles: precision, sphering, consensus, splits, csv.gz."""

from collections.abc import Iterable
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import yaml

from lib.conditions import get_plates_of_split
from lib.config import complete_config
from lib.errors import InputError
from lib.tables import get_features, read_profiles, read_provenance
from planned_experiment import build_experiment
from simulated_profiles import plates
from small_config import SMALL
from workflow import planned, snakemake

pytestmark = pytest.mark.run

SELECTED = "normalized_feature_select_negcon_batch"
HEADER = ["batch", "plate", "plate_map", "perturbation", "cell_line", "timepoint", "profiles", "level"]
CONDITIONS = ("compound_U2OS_48", "crispr_U2OS_96")
COMPARISON = "__".join(CONDITIONS)
OPTIONS = {
    "feature_select": {"over": ["plate", "batch"]},
    "export": ["csv.gz", "h5ad"],
    "consensus": ["median", "modz"],
    "splits": {
        "random": {"seed": 3},
        "time": {"column": "timepoint", "train": [48], "test": [96]},
        "compounds": {"where": {"perturbation": "compound"}, "fractions": {"train": 0.5, "test": 0.5}},
    },
    "benchmark": {
        "feature_sets": ["spherized", "normalized_negcon"],
        "matching": [["compound", "crispr"]],
        "draws": 500,
    },
}
PLATES = 4
PERTURBATIONS = 24
CONTROLS = 16
FEATURES = 20


def well(number: int) -> str:
    return f"{chr(ord('A') + number // 24)}{number % 24 + 1:02d}"


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two plates of compounds and two of guides, strong effects, as normalized csv profiles."""
    folder = tmp_path_factory.mktemp("benchmark")
    rows = [HEADER]
    for prefix, kind, hours, seed in (("C", "compound", "48", 0), ("K", "crispr", "96", 1)):
        made = plates(
            PERTURBATIONS,
            2,
            effect=3,
            controls=CONTROLS,
            features=FEATURES,
            genes=12,
            prefix=prefix,
            seed=seed,
        )
        for file, plate in made.items():
            name = Path(file).stem
            plate["Metadata_Well"] = [well(int(place[1:])) for place in plate["Metadata_Well"]]
            plate.to_csv(folder / f"{name}.csv", index=False)
            rows.append(["B", name, "", kind, "U2OS", hours, f"{name}.csv", "normalized_negcon"])
    write_experiment(folder, rows, OPTIONS)
    return folder


def write_experiment(folder: Path, rows: Iterable[Iterable[str]], options: dict) -> None:
    (folder / "plates.tsv").write_text("".join("\t".join(row) + "\n" for row in rows))
    (folder / "config.yaml").write_text(
        yaml.safe_dump({"results": "results", "plates": "plates.tsv", **options})
    )


@pytest.fixture(scope="module")
def results(experiment: Path) -> Path:
    """The files that the tests below look at, made by the workflow."""
    benchmark = [
        f"percent_replicating/spherized/{CONDITIONS[0]}_score.csv",
        "mean_average_precision.csv",
        "mean_average_precision_matching.csv",
        *(f"consensus/spherized/{CONDITIONS[0]}_{operation}.parquet" for operation in ("median", "modz")),
        *(f"splits/{name}.csv" for name in OPTIONS["splits"]),
    ]
    snakemake(
        *(f"benchmark/{name}" for name in benchmark),
        f"workspace/profiles/B/Cplate0/Cplate0_{SELECTED}.csv.gz",
        f"workspace/profiles/B/Cplate0/Cplate0_{SELECTED}.h5ad",
        "benchmark/figures/plate_maps.csv",
        "--configfile",
        experiment / "config.yaml",
    )
    return experiment / "results"


@pytest.mark.plan
def test_everything_asked_for_is_planned(experiment):
    jobs = planned("--configfile", experiment / "config.yaml")
    assert jobs["mean_average_precision"] == 2 * 2
    assert jobs["mean_average_precision_matching"] == 2
    assert jobs["benchmark_table"] == 4
    assert jobs["spherize"] == PLATES
    assert jobs["sphering"] == 2
    assert jobs["consensus"] == 2 * 2 * 2
    assert jobs["splits"] == 3
    assert jobs["export"] == 2 * 4 * PLATES, "normalized, selected on the plate and over the batch, sphered"
    assert jobs["plot_plate_maps"] == jobs["plot_benchmark"] == 1


@pytest.mark.plan
def test_only_precision_is_made_unasked(experiment, tmp_path):
    sheet = (experiment / "plates.tsv").read_text()
    for plate in ("Cplate0", "Cplate1", "Kplate0", "Kplate1"):
        (tmp_path / f"{plate}.csv").symlink_to(experiment / f"{plate}.csv")
    rows = [line.split("\t") for line in sheet.splitlines()]
    write_experiment(tmp_path, rows, {})
    jobs = planned("--configfile", tmp_path / "config.yaml")
    assert jobs["mean_average_precision"] == 2
    assert not {"sphering", "spherize", "consensus", "splits", "export"} & set(jobs)
    write_experiment(tmp_path, rows, {"benchmark": {"mean_average_precision": False}})
    assert "mean_average_precision" not in planned("--configfile", tmp_path / "config.yaml")


@pytest.mark.plan
def test_one_plate_alone_waits_for_no_other(experiment):
    jobs = planned("--configfile", experiment / "config.yaml", "--config", "only=Cplate0")
    assert jobs["import_profiles"] == 1
    assert jobs["export"] == 2 * 2
    assert not {"sphering", "spherize", "consensus", "splits", "mean_average_precision"} & set(jobs)


def test_strong_effects_are_retrieved(results):
    every = pd.read_csv(results / "benchmark/mean_average_precision.csv")
    table = every[every["feature_set"] == "normalized_negcon"]
    assert table["perturbation"].tolist() == ["compound", "crispr"]
    assert (table["perturbations"] == PERTURBATIONS).all()
    assert (table["mean_average_precision_raw"] > 0.9).all()
    assert table["random_baseline"].tolist() == pytest.approx([1 / (1 + 2 * CONTROLS)] * 2)
    sphered = every[every["feature_set"] == "spherized"]
    assert sphered["mean_average_precision"].isna().all()
    assert sphered["message"].str.startswith("no score: sphering").all()
    matching = pd.read_csv(results / "benchmark/mean_average_precision_matching.csv")
    assert matching["feature_set"].tolist() == ["normalized_negcon", "spherized"]
    assert (matching["perturbation_a"] + matching["perturbation_b"] == "compoundcrispr").all()
    assert (matching["mean_average_precision_raw"] > 0.9).all()
    of_each = (
        results / f"benchmark/mean_average_precision_matching/spherized/{COMPARISON}_perturbations.parquet"
    )
    assert (pd.read_parquet(of_each)["positives"] == 2).all()
    score = pd.read_csv(results / f"benchmark/percent_replicating/spherized/{CONDITIONS[0]}_score.csv")
    assert score["percent_replicating"][0] > 90


def test_the_controls_of_a_condition_are_white(results):
    folder = results / "workspace/profiles/B"
    sphered = [read_profiles(folder / f"{p}/{p}_spherized.parquet") for p in ("Cplate0", "Cplate1")]
    assert [table["Metadata_Plate"].unique().tolist() for table in sphered] == [["Cplate0"], ["Cplate1"]]
    together = pd.concat(sphered)
    assert together.shape[0] == 2 * (PERTURBATIONS + CONTROLS)
    controls = together.loc[together["Metadata_control_type"] == "negcon", get_features(together)]
    np.testing.assert_allclose(np.cov(controls.T), np.eye(FEATURES), atol=1e-4)
    made_by = read_provenance(folder / "Cplate0/Cplate0_spherized.parquet")
    assert set(made_by["inputs"]) == {"Cplate0_normalized_negcon.parquet", f"{CONDITIONS[0]}.npz"}


def test_a_consensus_has_a_row_a_perturbation(results):
    median, modz = (
        read_consensus(results / f"benchmark/consensus/spherized/{CONDITIONS[0]}_{operation}.parquet")
        for operation in ("median", "modz")
    )
    assert list(median.index) == list(modz.index) == [f"C{i:04d}" for i in range(PERTURBATIONS)] + ["negcon"]
    assert median["Metadata_Count_Replicates"].tolist() == [2] * PERTURBATIONS + [2 * CONTROLS]
    folder = results / "workspace/profiles/B"
    wells = pd.concat(read_profiles(folder / f"{p}/{p}_spherized.parquet") for p in ("Cplate0", "Cplate1"))
    names = get_features(wells)
    by_hand = wells[wells["Metadata_broad_sample"] == "C0005"][names].median()
    np.testing.assert_allclose(median.loc["C0005", names].astype(float), by_hand, rtol=1e-9, atol=1e-12)
    assert not np.allclose(modz.loc["negcon", names].astype(float), median.loc["negcon", names].astype(float))


def read_consensus(path: Path) -> pd.DataFrame:
    return pd.read_parquet(path).set_index("Metadata_perturbation")


def test_splits_divide_every_well_and_no_gene(results):
    wells = PLATES * (PERTURBATIONS + CONTROLS)
    split = pd.read_csv(results / "benchmark/splits/random.csv")
    assert split["Metadata_split"].value_counts()["control"] == PLATES * CONTROLS
    assert len(split) == wells
    treated = split[split["Metadata_split"] != "control"]
    gene = treated["Metadata_perturbation"].str[1:].astype(int) % 12
    assert (treated.groupby(gene)["Metadata_split"].nunique() == 1).all()
    time = pd.read_csv(results / "benchmark/splits/time.csv")
    sides = time.groupby(time["Metadata_Plate"].str[0])["Metadata_split"].unique()
    assert [list(side) for side in sides] == [["train"], ["test"]]
    compounds = pd.read_csv(results / "benchmark/splits/compounds.csv")
    assert set(compounds["Metadata_Plate"]) == {"Cplate0", "Cplate1"}
    assert set(compounds["Metadata_split"]) == {"train", "test", "control"}


def test_an_export_holds_what_the_parquet_file_holds(results):
    path = results / f"workspace/profiles/B/Cplate0/Cplate0_{SELECTED}"
    exported, profiles = (read_profiles(f"{path}{kind}") for kind in (".csv.gz", ".parquet"))
    assert get_features(profiles)
    pd.testing.assert_frame_equal(exported, profiles, check_exact=True)
    converted = anndata.read_h5ad(f"{path}.h5ad")
    np.testing.assert_array_equal(converted.X, profiles[get_features(profiles)])
    assert converted.uns["level"] == SELECTED


def test_the_plate_maps_count_every_well(results):
    table = pd.read_csv(results / "benchmark/figures/plate_maps.csv")
    assert table["plates"].tolist() == [2, 2, 2, 2], "two layouts of two plates each, and two kinds of wells"
    assert table.groupby("control_type")["wells"].sum().to_dict() == {
        "treatment": 2 * PERTURBATIONS,
        "negcon": 2 * CONTROLS,
    }
    wells = pd.read_csv(results / "benchmark/figures/plate_maps_wells.csv")
    assert len(wells) == 2 * (PERTURBATIONS + CONTROLS)


@pytest.mark.unit
def test_sphered_profiles_are_made_for_judged_plates_that_have_their_source():
    plates = [
        {"plate": "judged", "images": "folder", "kind": "a"},
        {"plate": "other", "images": "folder", "kind": "b"},
        {"plate": "published", "profiles": "file", "level": SELECTED, "kind": "a"},
        {"plate": "sphered", "profiles": "file", "level": "spherized", "kind": "a"},
    ]

    def get_levels(**spherize):
        asked = {"spherize": {"enabled": True, **spherize}, "benchmark": {"where": {"kind": "a"}}}
        experiment = build_experiment(plates, **asked)
        return {plate["plate"]: list(experiment.get_levels(plate)) for plate in experiment.plates}

    levels = get_levels()
    assert levels["judged"][-1] == "spherized"
    assert "spherized" not in levels["other"]
    assert "spherized" not in levels["published"]
    assert levels["sphered"] == ["spherized"]
    assert "spherized" in get_levels(level=SELECTED)["published"]


@pytest.mark.unit
@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ({"column": "timepoint", "train": [24]}, "splits.s: 'test' is a dependency of 'column'"),
        ({"train": [24], "test": [48]}, "'column' is a dependency of 'train'"),
        ({"fraction": {"train": 1}}, "unknown key `fraction`; did you mean `fractions`?"),
    ],
)
def test_a_wrong_split_is_answered(split, expected):
    with pytest.raises(InputError) as error:
        complete_config({**SMALL, "splits": {"s": split}}, "c")
    assert expected in str(error.value)


@pytest.mark.unit
@pytest.mark.parametrize(
    ("where", "expected"), [({"density": "80"}, "no column density"), ({"kind": "b"}, "no plate")]
)
def test_a_split_of_no_plate_is_answered(where, expected):
    config = complete_config({**SMALL, "splits": {"s": {"where": where}}}, "c")
    with pytest.raises(InputError, match=rf"splits\.s\.where: .*{expected}"):
        get_plates_of_split("s", [{"plate": "P", "kind": "a"}], config)


@pytest.mark.unit
@pytest.mark.parametrize(
    ("sides", "expected"),
    [
        ({"train": [20201104], "test": ["2020_12_02"]}, r'train: .*quote it, as in kind: "2020_11_04"'),
        ({"train": ["2020_11_04"], "test": ["x"]}, r"s\.test: .* of kind are 2020_11_04, 2020_12_02"),
        ({"train": ["2020_11_04"], "test": ["2020_12_02"]}, None),
    ],
)
def test_a_split_by_values_that_no_plate_has_is_answered(sides, expected):
    plates = [{"plate": "P", "kind": "2020_11_04"}, {"plate": "Q", "kind": "2020_12_02"}]
    split = {"column": "Metadata_kind", **sides}
    config = complete_config({**SMALL, "splits": {"s": split}}, "c")
    if expected is None:
        assert get_plates_of_split("s", plates, config) == plates
        return
    with pytest.raises(InputError, match=expected):
        get_plates_of_split("s", plates, config)
    # profiles may say what a sheet leaves empty
    assert get_plates_of_split("s", [*plates, {"plate": "R", "kind": ""}], config)


@pytest.mark.data
def test_the_published_condition_through_the_workflow(shared, tmp_path):
    files = sorted((shared / "cpjump1" / "profiles").glob(f"*_{SELECTED}.csv.gz"))
    assert len(files) == 4
    per_plate = SELECTED.replace("_batch", "_plate")
    rows = [["B", f.name.split("_")[0], "", "compound", "U2OS", "48", str(f), SELECTED] for f in files]
    write_experiment(tmp_path, [HEADER, *rows], {"benchmark": {"feature_sets": [SELECTED, per_plate]}})
    tables = [f"benchmark/{name}.csv" for name in ("percent_replicating", "mean_average_precision")]
    snakemake(*tables, "--configfile", tmp_path / "config.yaml")
    replicating, precision = (
        pd.read_csv(tmp_path / "results" / table).set_index("feature_set") for table in tables
    )
    assert replicating.loc[SELECTED, "percent_replicating"] == pytest.approx(74.5, abs=0.7)
    assert replicating.loc[per_plate, "percent_replicating"] == pytest.approx(79.1, abs=1.0)
    assert precision.loc[SELECTED, "mean_average_precision"] == pytest.approx(0.496076, abs=1e-6)
