"""What is told before anything runs about plate maps, annotation and controls."""

import re

import pytest

from lib.foreseen import find_problems
from planned_experiment import build_experiment

pytestmark = pytest.mark.unit

MAP = "well_position,broad_sample\nA1,D\nA2,D\nA3,D\nB1,X\n"
KNOWN = "broad_sample,control_type\nD,negcon\nX,\n"


def get_problems(folder, plate_map=MAP, known=KNOWN, **config) -> list[str]:
    (folder / "map.csv").write_text(plate_map)
    (folder / "known.csv").write_text(known)
    annotation = {"annotation": {"compound": {"table": "known.csv"}}}
    plates = [{"plate": name, "images": "i"} for name in ("P1", "P2")]
    return list(find_problems(build_experiment(plates, folder, **{**annotation, **config})))


def test_nothing_is_said_of_what_is_right(tmp_path):
    assert get_problems(tmp_path) == []
    assert get_problems(tmp_path, benchmark={"group": ["broad_sample", "Metadata_Batch", "cell_line"]}) == []


@pytest.mark.parametrize("kind", ["poscon", "negcon2", "no_control"])
def test_another_kind_of_control_is_no_misspelling(tmp_path, kind):
    assert get_problems(tmp_path, MAP + "B2,Y\n", KNOWN + f"Y,{kind}\n") == []


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"plate_map": MAP + "b01,X\n"}, "plate P1, P2: .*map.csv: well B01 is listed more than once"),
        (
            {"known": KNOWN.replace("negcon", "neg")},
            r"0 negative controls \(control_type = negcon\).*has neg;",
        ),
        (
            {"known": KNOWN.replace("negcon", "Negcn")},
            r"0 negative controls \(control_type = negcon\).*needs 3. Did you mean Negcn\? The column has",
        ),
        (
            {"plate_map": MAP + "B2,Y\n", "known": KNOWN + "Y,negkon\n"},
            r"control_type has negkon in map.csv, known.csv, which is not the name of .*negcon\)",
        ),
        ({"known": KNOWN.replace("control_type", "role")}, "no column control_type in map.csv, known.csv"),
        (
            {"plate_map": "well_position,broad_sample\nA1,\nA2,\n", "normalize": {"to": ["all"]}},
            r"plate P1, P2: no well of map.csv has a perturbation \(broad_sample\)",
        ),
        ({"normalize": {"minimum_wells": 4}}, "3 negative controls .*normalizing needs 4"),
        ({"benchmark": {"group": ["broad_sample", "batch"]}}, "no column batch in map.csv"),
        (
            {"benchmark": {"group": "compound"}},
            "no column compound in map.csv, known.csv, which benchmark.group",
        ),
        (
            {"annotation": {"compounds": {"table": "known.csv"}}},
            "no plate has the perturbation type compounds",
        ),
    ],
)
def test_what_will_stop_a_plate_is_foreseen(tmp_path, config, words):
    assert re.search(words, "\n".join(get_problems(tmp_path, **config)))


def test_what_cannot_be_looked_at_is_passed_over(tmp_path):
    address = {"images": "i", "plate_map": "s3://bucket/map.csv"}
    gone = {"plate": "Q", "images": "i", "plate_map": "archived.csv"}
    assert list(find_problems(build_experiment([address, gone], tmp_path))) == []


def test_every_key_of_the_remedy_is_in_one_message(tmp_path):
    (problem,) = get_problems(tmp_path, known=KNOWN.replace("control_type", "role"))
    for key in (
        "normalize.to: [all]",
        "feature_select.reference: all",
        "benchmark.feature_sets: [normalized_feature_select_plate]",
    ):
        assert key in problem
    assert "spherize" not in problem
    (problem,) = get_problems(tmp_path, spherize={"enabled": True}, normalize={"minimum_wells": 4})
    assert "spherize.enabled: false" in problem


def write_images(folder, wells, name="{}_s1_w1.tif"):
    folder.mkdir(exist_ok=True)
    for well in wells:
        (folder / name.format(well)).touch()


def test_negative_controls_without_images_are_foreseen(tmp_path):
    """The plate map has three controls, of which only those with images can serve."""
    write_images(tmp_path / "i", ["A01", "A02", "B01"])
    problems = get_problems(tmp_path, images={"pattern": "imagexpress"})
    assert len(problems) == 2  # one per plate
    assert "plate P2 has images of 3 wells, of which 2 are negative controls (control_type = " in problems[1]
    assert "normalizing needs 3. Without images are A03." in problems[1]
    for key in ("normalize.to: [all]", "feature_select.reference: all", "normalize.minimum_wells"):
        assert key in problems[0]
    assert get_problems(tmp_path, images={"pattern": "imagexpress"}, normalize={"over": "batch"}) == []
    write_images(tmp_path / "i", ["A03"])
    assert get_problems(tmp_path, images={"pattern": "imagexpress"}) == []


def test_several_names_of_negative_controls_are_found_with_images(tmp_path):
    """Two names, in other capitals: none of the controls is said to lack images."""
    write_images(tmp_path / "i", ["A01", "A02", "A03", "B01"])
    config = {"controls": {"negcon": ["mock", "DMSO"]}, "images": {"pattern": "imagexpress"}}
    assert get_problems(tmp_path, known=KNOWN.replace("negcon", "Mock"), **config) == []


def test_plates_and_conditions_that_differ_in_capitals_only_are_told(tmp_path):
    plates = [
        {"plate": "P1", "images": "i", "cell_line": "U2OS"},
        {"plate": "p1", "images": "j", "cell_line": "u2os"},
    ]
    problems = list(find_problems(build_experiment(plates, tmp_path)))
    assert problems == [
        f"{column} of the sample sheet: {names} differ in capitals only and are not taken for one."
        for column, names in (("plate", "P1 and p1"), ("cell_line", "U2OS and u2os"))
    ]
