"""The simulated plates: their pictures, their truth, and that both are the same on every run."""

import hashlib
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

import simulate
from lib.errors import InputError
from simulate import get_faults
from simulation import cells as simulated_cells
from simulation.camera import add_debris, draw_illumination, expose
from simulation.wells import plan_wells, read_effects

pytestmark = pytest.mark.unit

METADATA = Path(__file__).parents[1] / "metadata"
EFFECTS = METADATA / "simulated_effects.tsv"
UNTREATED = dict.fromkeys(simulate.PARAMETERS, 1.0)
KINDS = ("compound", "crispr", "orf")


def field(well="A01", seed=1, empty=False, **effect):
    return simulate.draw_field(seed, "P1", well, 1, 200, UNTREATED | effect, empty)


def small_experiment(folder, broad_samples=("NEG", "STRONG")):
    """A plate map, an annotation and an effects table; wells B03, B04, ..."""
    wells = [f"B{number:02d}" for number in range(3, 3 + len(broad_samples))]
    plate_map = folder / "map.txt"
    plate_map.write_text(
        "well_position\tbroad_sample\n"
        + "".join(f"{well}\t{name}\n" for well, name in zip(wells, broad_samples, strict=True))
    )
    annotation = folder / "annotation.tsv"
    annotation.write_text(
        "broad_sample\tgene\tpert_type\tcontrol_type\nNEG\t\tcontrol\tnegcon\nSTRONG\tG1\ttrt\t\n"
    )
    table = pd.DataFrame(
        [
            {"broad_sample": "NEG", "gene": "", "effect": "none", **UNTREATED},
            {"broad_sample": "STRONG", "gene": "G1", "effect": "strong", **UNTREATED}
            | {"dna_intensity": 2.0},
        ]
    )
    effects = folder / "effects.tsv"
    table.to_csv(effects, sep="\t", index=False)
    return {"plate_map": plate_map, "annotation": annotation, "effects": effects}


def draw_plate(folder, broad_samples=("NEG", "STRONG"), **changes):
    arguments = {
        "plate": {"batch": "B", "plate": "P1", "perturbation": "compound"},
        "images": folder / "images" / "P1",
        "truth": folder / "truth" / "P1.csv",
        "seed": 1,
        "size": 120,
        "fields": 1,
        **small_experiment(folder, broad_samples),
    }
    simulate.main(**(arguments | changes))
    return arguments["images"], arguments["truth"]


def digests(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


def test_a_plate_is_its_images_a_readme_and_a_truth(tmp_path):
    images, truth = draw_plate(tmp_path, fields=2)
    tiffs = sorted(path.name for path in images.glob("*.tiff"))
    assert len(tiffs) == 2 * 2 * 5
    assert tiffs[0] == "r02c03f01p01-ch1sk1fk1fl1.tiff"
    assert tiffs[-1] == "r02c04f02p01-ch5sk1fk1fl1.tiff"
    assert "SIMULATED" in (images / "README.txt").read_text()
    with tifffile.TiffFile(images / tiffs[0]) as tiff:
        assert tiff.pages[0].dtype == np.uint16
        assert tiff.pages[0].shape == (120, 120)
        assert tiff.pages[0].compression == tifffile.COMPRESSION.ADOBE_DEFLATE
        assert tiff.pages[0].description == "SIMULATED"
    table = pd.read_csv(truth)
    assert list(table["well"]) == ["B03", "B04"]
    assert list(table["effect"]) == ["none", "strong"]
    assert list(table["dna_intensity"]) == [1.0, 2.0]
    assert (table["cells"] >= table["nuclei_inside"]).all()


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    first, truth = draw_plate(tmp_path)
    before, table = digests(first), truth.read_bytes()
    (first / "left over.tiff").write_text("from an earlier run")
    draw_plate(tmp_path)
    assert digests(first) == before
    assert truth.read_bytes() == table
    draw_plate(tmp_path, seed=2)
    now = digests(first)
    assert now.keys() == before.keys()
    assert all(now[name] != before[name] for name in before)


def test_a_well_does_not_depend_on_the_other_wells(tmp_path):
    (tmp_path / "two").mkdir()
    (tmp_path / "one").mkdir()
    two, _ = draw_plate(tmp_path / "two")
    one, _ = draw_plate(tmp_path / "one", ["NEG"])
    ours = {name: value for name, value in digests(one).items() if name != "README.txt"}
    assert len(ours) == 5
    assert ours.items() <= digests(two).items()


def test_an_empty_field_holds_stray_light_only():
    images, cells = field(empty=True)
    assert cells is None
    # Offset and stray light, each pixel: 200 + 60, whatever the illumination; debris is rare.
    for image in images.values():
        assert 250 < np.median(image) < 270
        assert np.mean(image > 600) < 0.02


def test_illumination_is_uneven_and_differs_between_plates_and_channels():
    dna = draw_illumination(1, "P1", "DNA", 200)
    assert dna.mean() == pytest.approx(1)
    assert dna.max() / dna.min() > 1.3
    assert np.array_equal(dna, draw_illumination(1, "P1", "DNA", 200))
    for plate, channel in (("P1", "ER"), ("P2", "DNA")):
        assert not np.allclose(dna, draw_illumination(1, plate, channel, 200), atol=0.01)


def test_the_camera_counts_offset_light_and_noise():
    light = np.full((300, 300), 1000.0)
    image = expose(np.random.default_rng(0), light, np.ones_like(light)).astype(float)
    assert image.mean() == pytest.approx(200 + 1000 + 60, abs=1)
    # 1060 counts are 530 electrons: shot noise of 2 sqrt(530) counts; read noise 8; rounding 1/12.
    assert image.var() == pytest.approx(4 * 530 + 64 + 1 / 12, rel=0.03)
    bright = expose(np.random.default_rng(0), light * 100, np.ones_like(light))
    assert (bright == 65535).all()


@pytest.mark.parametrize(
    ("parameter", "factor", "channel"),
    [
        ("dna_intensity", 1.6, "DNA"),
        ("er_intensity", 1.6, "ER"),
        ("rna_intensity", 1.6, "RNA"),
        ("agp_intensity", 1.6, "AGP"),
        ("mito_intensity", 1.6, "Mito"),
    ],
)
def test_an_intensity_acts_on_its_channel_alone(parameter, factor, channel):
    def light(images):
        return {name: float(np.sum(image - 265.0)) for name, image in images.items()}

    plain, treated = {}, {}
    for number in range(1, 7):
        for total, effect in ((plain, {}), (treated, {parameter: factor})):
            for name, value in light(field(f"A{number:02d}", **effect)[0]).items():
                total[name] = total.get(name, 0) + value
    ratios = {name: treated[name] / plain[name] for name in plain}
    assert ratios.pop(channel) == pytest.approx(factor, rel=0.1)
    assert all(ratio == pytest.approx(1, rel=0.03) for ratio in ratios.values())


def test_sizes_and_counts_act_on_the_cells():
    plain = [field(f"A{number:02d}")[1] for number in range(1, 10)]
    treated = [
        field(f"A{number:02d}", cell_count=0.6, nucleus_size=0.6, nucleus_elongation=1.4)[1]
        for number in range(1, 10)
    ]

    def mean(cells, of):
        return np.mean(np.concatenate([of(one) for one in cells]))

    counts = [sum(len(one.row) for one in cells) for cells in (plain, treated)]
    assert counts[1] / counts[0] == pytest.approx(0.6, abs=0.1)
    area = [mean(cells, lambda one: one.nucleus_radius**2) for cells in (plain, treated)]
    assert area[1] / area[0] == pytest.approx(0.6, abs=0.08)
    aspect = [mean(cells, lambda one: one.nucleus_aspect) for cells in (plain, treated)]
    assert aspect[1] / aspect[0] == pytest.approx(1.4, abs=0.1)


def test_some_cells_touch_and_some_lie_at_the_border():
    touching = border = 0
    for number in range(1, 7):
        _, cells = field(f"A{number:02d}")
        centers = np.stack([cells.row, cells.column], axis=1)
        gaps = np.linalg.norm(centers[:, None] - centers[None], axis=-1)
        reach = cells.radius[:, None] + cells.radius[None]
        touching += np.sum(np.triu(gaps < reach, 1))
        border += len(cells.row) - simulate.count_inside(cells, 200)
    assert touching >= 6
    assert border >= 3


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10**6), radius=st.floats(12, 30))
def test_nuclei_never_overlap(seed, radius):
    centers = simulated_cells.place_cells(np.random.default_rng(seed), np.full(12, radius), 200)
    gaps = np.linalg.norm(centers[:, None] - centers[None], axis=-1)
    gaps[np.diag_indices(len(centers))] = np.inf
    assert gaps.min(initial=np.inf) >= max(20, 1.44 * radius) - 1e-9


def test_debris_is_too_small_for_a_nucleus():
    light = {channel: np.zeros((200, 200)) for channel in simulate.CHANNELS}
    for number in range(20):
        add_debris(np.random.default_rng(number), light, 200)
    assert light["DNA"].max() > 1000
    assert np.sum(light["DNA"] > 1000) / 20 < 50


def test_file_names_are_the_phenix_ones():
    assert simulate.name_file("B03", 1, "DNA") == "r02c03f01p01-ch5sk1fk1fl1.tiff"
    assert simulate.name_file("P24", 9, "Mito") == "r16c24f09p01-ch1sk1fk1fl1.tiff"


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("effect", "huge", "effect of NEG is not one of none, weak, strong"),
        ("cell_size", "0", "cell_size of NEG is not a number above 0"),
        ("cell_size", "big", "cell_size of NEG is not a number above 0"),
        ("broad_sample", "STRONG", "names STRONG more than once"),
        ("broad_sample", "OTHER", "Plate P1: NEG is in"),
    ],
)
def test_a_wrong_table_of_effects_is_named(tmp_path, column, value, message):
    paths = small_experiment(tmp_path)
    table = pd.read_csv(paths["effects"], sep="\t", dtype=str, keep_default_na=False)
    table.loc[0, column] = value
    table.to_csv(paths["effects"], sep="\t", index=False)
    with pytest.raises(InputError, match=re.escape(message)):
        plan_wells("P1", **paths)


def test_a_table_without_its_columns_is_named(tmp_path):
    paths = small_experiment(tmp_path)
    paths["plate_map"].write_text("well,broad_sample\nB03,NEG\n")
    with pytest.raises(InputError, match="no column well_position, broad_sample"):
        plan_wells("P1", **paths)


# What is committed ----------------------------------------------------------------------------


def design(kind):
    return plan_wells(
        kind,
        METADATA / "platemaps" / f"{kind}_platemap.txt",
        METADATA / f"{kind}_metadata.tsv",
        EFFECTS,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_each_plate_has_controls_and_treatments_in_replicate(kind):
    wells = design(kind)
    assert wells["well"].is_unique
    assert (wells["control_type"] == "negcon").sum() >= 8
    assert wells["control_type"].str.startswith("poscon").sum() >= 2
    treated = wells[wells["control_type"] != "negcon"]
    assert (treated.groupby("broad_sample").size() == 2).all()
    assert {"none", "strong"} <= set(treated["effect"])


def test_the_reagents_of_a_gene_act_alike_and_those_of_others_do_not():
    effects = read_effects(EFFECTS)
    assert (effects.loc[effects["effect"] == "none", list(simulate.PARAMETERS)] == 1).all(axis=None)
    assert (effects[effects["gene"] != ""].groupby("gene")["effect"].nunique() == 1).all()
    strong = effects[effects["effect"] == "strong"]
    logs = np.log(strong[list(simulate.PARAMETERS)].to_numpy())
    logs = logs / np.linalg.norm(logs, axis=1, keepdims=True)
    cosines = logs @ logs.T
    same = strong["gene"].to_numpy()[:, None] == strong["gene"].to_numpy()[None]
    assert cosines[same].min() > 0.95
    assert cosines[~same].max() < 0.5


def test_strong_genes_are_shared_by_the_three_kinds_of_perturbation():
    strong = [set(wells.loc[wells["effect"] == "strong", "gene"]) for wells in map(design, KINDS)]
    assert len(strong[0] & strong[1]) >= 3
    assert len(strong[0] & strong[2]) >= 3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(5))
def test_empty_fields_lie_in_wells_without_effect(kind, seed):
    wells = design(kind).set_index("well")
    empty = simulate.choose_empty_fields(seed, kind, wells.reset_index(), 1)
    assert len(empty) == round(simulate.EMPTY_FIELDS * len(wells)) == 1
    assert all(wells.loc[well, "effect"] == "none" for well, _ in empty)


def test_planted_faults_must_lie_on_the_plate():
    wells = ["A01", "A02", "B01"]
    assert get_faults([{"fault": "blurred", "well": "A01", "site": 2}], "P", wells, 2) == {
        ("A01", 2): {"blurred"}
    }
    assert get_faults([{"fault": "shifted", "column": 1}], "P", wells, 1) == {
        ("A01", 1): {"shifted"},
        ("B01", 1): {"shifted"},
    }
    with pytest.raises(InputError, match="plate P has no well C09, site 1"):
        get_faults([{"fault": "empty", "well": "C09"}], "P", wells, 1)
    with pytest.raises(InputError, match="plate P, shifted: name its `column`"):
        get_faults([{"fault": "shifted", "well": "A01"}], "P", wells, 1)
