"""The experiment: the levels of a plate, the paths of its results, and its targets."""

import pytest

from embedded_plates import CELLPROFILER, SPHERIZED
from lib.errors import InputError
from lib.experiment import Experiment
from lib.manifest import get_manifest
from lib.places import PLACES, place
from lib.targets import get_batch_targets, get_benchmark_targets, get_plate_targets, get_selections
from planned_experiment import build_experiment

pytestmark = pytest.mark.unit

SELECTED = "normalized_feature_select_negcon_"
NORMALIZED = ["normalized_negcon", "normalized"]


@pytest.mark.parametrize(
    ("plate", "expected"),
    [
        (
            {"cellprofiler": "t"},
            ["aggregated", "augmented", *NORMALIZED, f"{SELECTED}plate", f"{SELECTED}batch"],
        ),
        ({"profiles": "p", "level": "normalized"}, ["normalized"]),
        (
            {"profiles": "p", "level": "normalized_negcon"},
            ["normalized_negcon", f"{SELECTED}plate", f"{SELECTED}batch"],
        ),
        ({"profiles": "p", "level": f"{SELECTED}batch"}, [f"{SELECTED}batch", f"{SELECTED}plate"]),
        ({"profiles": "p", "level": f"{SELECTED}plate"}, [f"{SELECTED}plate"]),
        (
            {"profiles": "p", "level": "normalized_feature_select_batch"},
            ["normalized_feature_select_batch", "normalized_feature_select_plate"],
        ),
        (
            {"profiles": "p", "level": "embeddings_augmented"},
            ["embeddings_augmented", "embeddings_normalized_negcon", "embeddings_normalized"],
        ),
    ],
)
def test_the_levels_of_a_plate_follow_from_where_it_enters(plate, expected):
    experiment = build_experiment([plate], feature_select={"over": ["plate", "batch"]})
    assert list(experiment.get_levels(experiment.plates[0])) == expected


@pytest.mark.parametrize(
    ("over", "expected"),
    [(["plate"], [f"{SELECTED}batch", f"{SELECTED}plate"]), (["batch"], [f"{SELECTED}batch"])],
)
def test_published_profiles_are_selected_further_if_the_config_asks_for_it(over, expected):
    experiment = build_experiment(
        [{"profiles": "p", "level": f"{SELECTED}batch"}],
        feature_select={"over": over},
        benchmark={"feature_sets": [f"{SELECTED}batch"]},
    )
    assert list(experiment.get_levels(experiment.plates[0])) == expected


def test_published_profiles_selected_over_the_batch_are_selected_further():
    experiment = build_experiment(
        [{"profiles": "p", "level": f"{SELECTED}batch"}, {"images": "i", "plate": "Q"}],
        feature_select={"over": ["plate", "batch"]},
    )
    published, imaged = experiment.plates
    level = experiment.levels[f"{SELECTED}plate"]
    assert experiment.get_source_level(published, level).name == f"{SELECTED}batch"
    assert experiment.get_source_level(imaged, level).name == "normalized_negcon"
    assert [s["plate"] for s in get_selections(experiment)] == ["P", "Q", "Q"]


def test_a_network_sees_plates_with_images_only():
    plates = [{"images": "i"}, {"plate": "Q", "cellprofiler": "t"}]
    experiment = build_experiment(plates, embeddings={"weights": "random"})
    imaged, tables = experiment.plates
    assert experiment.get_cells(imaged, "network") == "workspace/embeddings/B/P/P.parquet"
    assert experiment.get_cells(tables, "network") == ""
    assert "embeddings_normalized" in experiment.get_levels(imaged)
    assert "embeddings" not in experiment.get_levels(tables)
    assert build_experiment([plates[1]], embeddings={"weights": "random"}).embeddings is None


@pytest.mark.parametrize(
    ("cellprofiler", "accelerated", "engine"),
    [
        ({}, True, "platewise"),
        ({"accelerate": False}, False, "platewise"),
        ({"engine": "stock"}, True, "stock"),
        ({"environment": "container"}, False, "stock"),
    ],
)
def test_the_container_has_neither_numba_nor_pyarrow(cellprofiler, accelerated, engine):
    experiment = build_experiment([{"images": "i"}], cellprofiler=cellprofiler)
    assert (experiment.accelerated, experiment.engine) == (accelerated, engine)


def test_while_a_person_looks_nothing_is_measured():
    segmentation = {"wait_for_approval": True}
    experiment = build_experiment([{"images": "i"}], segmentation=segmentation)
    montage = "workspace/quality_control/B/P/pictures/segmentation/montage.png"
    assert get_plate_targets(experiment, experiment.plates[0]) == [montage]
    approved = build_experiment([{"images": "i"}], segmentation={**segmentation, "approved": True})
    assert "workspace/backend/B/P/P.parquet" in get_plate_targets(approved, approved.plates[0])


def test_a_place_is_filled_in_as_far_as_it_is_known():
    assert place("flags", batch="B", plate="0012") == "workspace/quality_control/B/0012/flags.csv"
    assert place("illumination", channel="DNA") == "images/{batch}/illum/{plate}/{plate}_IllumDNA.npy"
    assert len(set(PLACES.values())) == len(PLACES)


def test_the_manifest_names_what_the_targets_make():
    plates = [{"images": "i"}, {"plate": "Q", "profiles": "p", "level": "normalized_negcon"}]
    experiment = build_experiment(plates)
    manifest = get_manifest(experiment)
    targets = {file for plate in experiment.plates for file in get_plate_targets(experiment, plate)}
    targets |= set(get_benchmark_targets(experiment))
    for plate in manifest["plates"]:
        shown = {*plate["pictures"], *plate["tables"].values(), *plate["cells"].values()}
        assert {file for file in shown if "segmentation" not in file} <= targets
    assert set(manifest["scores"].values()) <= targets
    assert [condition["name"] for condition in manifest["conditions"]] == list(experiment.conditions)


def test_an_experiment_is_frozen():
    with pytest.raises(AttributeError):
        build_experiment([{"images": "i"}]).plates = ()
    assert Experiment.__dataclass_params__.frozen


def test_a_feature_set_that_is_not_made_names_the_key_that_decides():
    plates = [{"plate": name, "cellprofiler": name} for name in ("P1", "P2")]
    for name, key in (
        ("normalized_feature_select_plate", r"normalized to negcon \(feature_select\.reference\)"),
        ("normalized", r"Profiles are normalized to negcon \(normalize\.to\)"),
    ):
        benchmark = {"feature_sets": [name]}
        experiment = build_experiment(plates, benchmark=benchmark, normalize={"to": ["negcon"]})
        with pytest.raises(InputError, match=rf"{name} is not made for plate P1, P2; .*{key}"):
            _ = experiment.feature_sets


# --- normalized cells and crops -----------------------------------------------------------------


def test_normalized_cells_have_the_features_of_a_level():
    plates = [{"plate": "A", "images": "a"}, {"plate": "B", "cellprofiler": "b"}]
    plates.append({"plate": "C", "profiles": "c.csv", "level": "normalized_negcon"})
    selected = "normalized_feature_select_negcon_batch"
    for features, level in (
        ("selection", "normalized_feature_select_negcon_plate"),
        ("all", None),
        (selected, selected),
    ):
        found = build_experiment(plates, normalized_cells={"features": features}).levels_of_cells
        names = {key: each and each.name for key, each in found.items()}
        assert names == {("B", "A"): level, ("B", "B"): level}
    assert build_experiment(plates).levels_of_cells == {}
    with pytest.raises(InputError, match=r"normalized_cells.features: `embeddings` .* for plate A"):
        build_experiment(plates, normalized_cells={"features": "embeddings"}).levels_of_cells  # noqa: B018


def test_what_normalized_cells_and_crops_add_to_the_targets():
    plates = [{"plate": "A", "images": "a"}, {"plate": "B", "cellprofiler": "b"}]

    def added(**config):
        with_them, without = build_experiment(plates, **config), build_experiment(plates)
        of_plates = [
            set(get_plate_targets(with_them, plate)) - set(get_plate_targets(without, plate))
            for plate in with_them.plates
        ]
        return *of_plates, set(get_batch_targets(with_them)) - set(get_batch_targets(without))

    cells = "workspace/single_cells/B/{0}/{0}.{1}"
    names = [{cells.format(plate, kind) for kind in ("parquet", "h5ad")} for plate in "AB"]
    sample = "workspace/single_cells/sample.h5ad"
    assert added(normalized_cells={}) == (*names, {sample})
    assert added(normalized_cells={"sample": None}) == (*names, set())
    over_batch = {"features": "normalized_feature_select_negcon_batch"}
    of_batch = added(normalized_cells=over_batch)[2]
    assert {sample, *names[0], *names[1]} <= of_batch
    assert added(normalized_cells=over_batch)[:2] == (set(), set())
    assert added(crops={}) == ({"workspace/crops/B/A"}, set(), set())


@pytest.mark.unit
def test_levels_of_published_embeddings():
    judged = {"benchmark": {"feature_sets": [CELLPROFILER, SPHERIZED]}}
    ours = {"profiles": "a.csv", "level": CELLPROFILER}
    deep = {"batch": "D", "profiles": "b.csv", "level": "embeddings"}
    sphered = {"batch": "E", "profiles": "b.csv", "level": SPHERIZED}
    experiment = build_experiment([ours, deep, sphered], **judged)
    ours, deep, sphered = experiment.plates
    assert list(experiment.get_levels(deep)) == [
        "embeddings",
        "embeddings_augmented",
        "embeddings_normalized_negcon",
        "embeddings_normalized",
        SPHERIZED,
    ]
    assert list(experiment.get_levels(sphered)) == [SPHERIZED]
    # two rows of one plate: each is judged on the feature sets of its own kind
    assert experiment.get_plates_with(SPHERIZED, [ours, deep]) == [deep]
    assert experiment.get_plates_with(CELLPROFILER, [ours, deep]) == [ours]
    assert build_experiment([ours, deep], **judged).feature_sets == [CELLPROFILER, SPHERIZED]
    with pytest.raises(
        InputError, match=r"embeddings_spherized is not made for plate P; .* block `embeddings`"
    ):
        _ = build_experiment([ours], **judged).feature_sets
    with pytest.raises(InputError, match="embeddings_spherized is not made for plate P"):
        _ = build_experiment([{"images": "i"}, deep], **judged).feature_sets


def test_profiles_of_sites_are_made_of_plates_with_cells_if_the_config_asks_for_them():
    plates = [{"cellprofiler": "t"}, {"profiles": "p", "level": "normalized"}]
    for sites in (True, False):
        experiment = build_experiment(plates, aggregate={"sites": sites})
        found = [
            any(file.endswith("_sites.parquet") for file in get_plate_targets(experiment, plate))
            for plate in experiment.plates
        ]
        assert found == [sites, False]
