"""Warnings before anything runs: plate maps, annotation and controls."""

import re

import pytest

from lib.early_warnings import MOST_FOLDERS, MOST_PROFILES, find_problems, find_problems_of_images
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


def test_valid_tables_get_no_warning(tmp_path):
    assert get_problems(tmp_path) == []
    assert get_problems(tmp_path, benchmark={"group": ["broad_sample", "Metadata_Batch", "cell_line"]}) == []


def test_equal_doses_in_two_units_matter_only_where_they_make_replicates(tmp_path):
    doses = "well_position,broad_sample,dose\nA1,D,\nA2,D,\nA3,D,\nB1,X,500 nM\nB2,X,0.5 uM\n"
    assert get_problems(tmp_path, doses, dose_response={"dose": "dose"}) == []
    group = {"benchmark": {"group": ["broad_sample", "dose"]}}
    (problem,) = get_problems(tmp_path, doses, **group)
    assert "map.csv: dose has 500 nM and 0.5 uM: the same amount in two units" in problem


@pytest.mark.parametrize("kind", ["poscon", "negcon2", "no_control"])
def test_another_kind_of_control_is_not_a_misspelling(tmp_path, kind):
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
            "no column compound in map.csv, known.csv, by which benchmark.group",
        ),
        (
            {"annotation": {"compounds": {"table": "known.csv"}}},
            "no plate has the perturbation type compounds",
        ),
    ],
)
def test_a_warning_names_what_will_stop_a_plate(tmp_path, config, words):
    assert re.search(words, "\n".join(get_problems(tmp_path, **config)))


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (
            {"known": KNOWN.replace("control_type", "control_typ")},
            r"Is `control_typ` meant to be `control_type`\? Use the same name in both\. "
            r"The columns are well_position, broad_sample, control_typ\.",
        ),
        (
            {"known": KNOWN.replace("broad_sample", "broad_smaple")},
            r"Is it broad_smaple\? Call that column broad_s",
        ),
        (
            {"benchmark": {"group": ["broad_sample", "batch"]}},
            r"Is `Batch` meant to be `batch`\? Use the same name in both\. "
            r"The columns are well_position, broad_sample, control_type\.",
        ),
        (
            {"plate_map": MAP.replace("well_position", "well_postion")},
            r"has well_postion, broad_sample\. Is it well_postion\? Call that column well_position\.",
        ),
        (
            {"plate_map": MAP.replace("broad_sample", "Cmpound"), "plate_maps": {"sample": "Compound"}},
            r"Is it Cmpound\? Call that column Compound\.",
        ),
        (
            {"dose_response": {"dose": "well_dose"}},
            r"which dose_response names\. The columns are well_position",
        ),
    ],
)
def test_a_misspelled_heading_is_named_with_the_right_one(tmp_path, config, words):
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
        for channel in ("w1", "w2"):
            (folder / name.format(well).replace("w1", channel)).touch()


def test_negative_controls_without_images_get_a_warning(tmp_path):
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
    """Two names, in other capitals: no warning says that a control lacks images."""
    write_images(tmp_path / "i", ["A01", "A02", "A03", "B01"])
    config = {"controls": {"negcon": ["mock", "DMSO"]}, "images": {"pattern": "imagexpress"}}
    assert get_problems(tmp_path, known=KNOWN.replace("negcon", "Mock"), **config) == []


def test_plates_and_conditions_that_differ_only_in_capitals_get_a_warning(tmp_path):
    plates = [
        {"plate": "P1", "images": "i", "cell_line": "U2OS"},
        {"plate": "p1", "images": "j", "cell_line": "u2os"},
    ]
    problems = list(find_problems(build_experiment(plates, tmp_path)))
    assert problems == [
        f"{column} of the sample sheet: {names} differ only in capitalization; they are different values."
        for column, names in (("plate", "P1 and p1"), ("cell_line", "U2OS and u2os"))
    ]


def write_profiles(folder, plates=("P1",), wells=("A01", "A02", "A03", "B01"), extra=""):
    rows = [f"{plate},{well}{extra and ',x'},1.5\n" for plate in plates for well in wells]
    names = f"Metadata_Plate,Metadata_Well{extra and ',' + extra},Cells_X\n"
    (folder / "p.csv").write_text(names + "".join(rows))


def get_problems_of_profiles(folder, level, plate_map="map.csv", plates=("P1",), **config):
    (folder / "map.csv").write_text(
        "well,broad_sample,control_type\nA1,D,negcon\nA2,D,negcon\nA3,D,negcon\nB1,X,\n"
    )
    rows = [{"plate": plate, "profiles": "p.csv", "level": level, "plate_map": plate_map} for plate in plates]
    return list(find_problems(build_experiment(rows, folder, **config)))


def test_a_plate_map_of_annotated_profiles_is_not_read_and_this_is_reported_if_columns_lack(tmp_path):
    write_profiles(tmp_path)
    (problem,) = get_problems_of_profiles(tmp_path, "normalized_negcon")
    assert "plate P1: p.csv has no column Metadata_broad_sample, Metadata_control_type, by which" in problem
    assert "map.csv is not read: a plate_map is used for profiles of level `aggregated` only." in problem
    (problem,) = get_problems_of_profiles(tmp_path, "normalized_negcon", plate_map="")
    assert "has no column Metadata_broad_sample, by which benchmark.group" in problem
    assert "plate_map" not in problem
    assert get_problems_of_profiles(tmp_path, "aggregated") == []
    by_plate = {"benchmark": {"group": ["Plate", "Metadata_Well"]}}
    assert get_problems_of_profiles(tmp_path, "normalized_negcon", plate_map="", **by_plate) == []
    write_profiles(tmp_path, extra="Metadata_broad_sample")
    (problem,) = get_problems_of_profiles(tmp_path, "normalized_negcon")
    assert "p.csv has no column Metadata_control_type. map.csv is not read" in problem
    write_profiles(tmp_path, extra="compound")
    by_compound = {"benchmark": {"group": "compound"}, "controls": {"column": "compound", "negcon": "x"}}
    assert get_problems_of_profiles(tmp_path, "normalized_negcon", plate_map="", **by_compound) == []


def test_wells_that_a_plate_map_lacks_get_a_warning(tmp_path):
    """Of profiles and of images, of the plate itself only, and not beyond a number of plates."""
    write_profiles(tmp_path, ("P1", "P2"), ("a1", "A02", "A03", "B01", "C12", "C2"))
    (problem,) = get_problems_of_profiles(tmp_path, "aggregated", plates=("P1", "P2"))
    assert (
        "map.csv has no entry for 2 wells of plate P1, P2, which will not be scored: C02, C12. Add" in problem
    )
    with (tmp_path / "p.csv").open("a") as file:
        file.write("P2,D01,1\n")
    problems = get_problems_of_profiles(tmp_path, "aggregated", plates=("P1", "P2"))
    assert ["of plate P1, which" in problems[0], "3 wells of plate P2, which" in problems[1]] == [True, True]
    many = [f"P{number}" for number in range(MOST_PROFILES + 1)]
    assert get_problems_of_profiles(tmp_path, "aggregated", plates=many) == []
    write_images(tmp_path / "i", ["A01", "A02", "A03", "B01", "D01"])
    problems = get_problems(tmp_path, images={"pattern": "imagexpress"})
    assert (
        "map.csv has no entry for 1 well of plate P1, P2, which will not be scored: D01. Add" in problems[0]
    )


def test_features_that_are_not_measurements_are_reported_once(tmp_path):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(
            f"Metadata_Well,Cells_Parent_Nuclei,Cells_AreaShape_Area\nA01,1,{name == 'a.csv'}\n"
        )

    def get(level, **config):
        rows = [
            {"plate": name, "profiles": f"{name}.csv", "level": level, "plate_map": "m.csv"}
            for name in ("a", "b")
        ]
        problems = find_problems(build_experiment(rows, tmp_path, **config))
        return [problem for problem in problems if "not measurements" in problem]

    (problem,) = get("aggregated")
    assert problem.startswith(
        "plate a, b: identifiers, counts or locations of objects, not measurements, are 1 feature"
    )
    assert get("aggregated", exclude_features=["*_Parent_*"]) == []
    assert get("aggregated", aggregate={"exclude_features": []}) == []
    # Scores of what was normalized elsewhere are the published ones, with these features.
    assert get("normalized_negcon") == []


def test_a_late_plate_whose_images_have_other_names_is_reported(tmp_path):
    plates = []
    for number in range(MOST_FOLDERS + 2):
        folder = tmp_path / f"P{number}"
        folder.mkdir()
        for channel in (1, 2):
            name = "A01_{}.tif" if number == MOST_FOLDERS + 1 else "r01c01f01p01-ch{}sk1fk1fl1.tiff"
            (folder / name.format(channel)).touch()
        plates.append({"plate": folder.name, "images": folder.name})
    found = list(find_problems_of_images(build_experiment(plates, tmp_path)))
    assert len(found) == 1
    assert re.match(r"plate P25: images\.pattern matches none of the names in P25", found[0])


def test_a_table_of_many_plates_is_looked_at_plate_by_plate(tmp_path):
    """Only P2 lacks negative controls; its sentence does not name P1."""
    header, *wells = MAP.splitlines()
    rows = [f"P1,{well}" for well in wells] + [f"P2,{well.replace(',D', ',X')}" for well in wells]
    (problem,) = get_problems(tmp_path, "\n".join([f"Metadata_Plate,{header}", *rows]) + "\n")
    assert problem.startswith("plate P2: 0 negative controls")


def test_the_remedy_for_missing_controls_names_the_chains_that_use_them(tmp_path):
    chains = {"z": [{"normalize": {"method": "standardize"}}], "all": [{"normalize": {"reference": "all"}}]}
    known = KNOWN.replace("negcon", "neg")
    sets = {"feature_sets": ["z", "all"]}
    problems = get_problems(tmp_path, known=known, chains=chains, benchmark=sets)
    assert "feature_sets: [z, all], chains.z.options.normalize.reference: all." in problems[0]
    (problem,) = get_problems(
        tmp_path, known=known, chains={"all": chains["all"]}, benchmark={"feature_sets": ["all"]}
    )
    assert "benchmark.feature_sets: [all]." in problem


@pytest.mark.parametrize(
    ("chain", "words"),
    [
        (
            {"normalize": {"reference": "Metadata_pert_typ == 'control'"}},
            r"z.normalize: no plate has the column pert_typ. Is `pert_typ` meant to be",
        ),
        (
            {"normalize": {"reference": "Metadata_control_type == 'negcon' and Metadata_dose == '0'"}},
            "no plate has the column dose",
        ),
        ({"combat": {"batch": "Lot"}}, "chains.z.combat: no plate has the column Lot"),
        (
            "arm_correction",
            "z.arm_correction: no plate has the column arm, zfpkm. The columns of the wells are Batch, ",
        ),
    ],
)
def test_a_column_that_a_chain_needs_and_no_plate_has_is_reported(tmp_path, chain, words):
    known = "broad_sample,control_type,pert_type\nD,negcon,control\nX,,trt\n"
    assert re.search(words, "\n".join(get_problems(tmp_path, known=known, chains={"z": [chain]})))


@pytest.mark.parametrize(
    "chain",
    [
        {"normalize": {"reference": "Metadata_pert_type == 'control' and Metadata_Count_Cells > 50"}},
        {"normalize": {"reference": "Metadata_plate_map == 'map.csv'"}},
        {"combat": {"batch": "cell_line"}},
        "cell_count",
    ],
)
def test_columns_that_the_wells_have_get_no_warning(tmp_path, chain):
    known = "broad_sample,control_type,pert_type\nD,negcon,control\nX,,trt\n"
    assert get_problems(tmp_path, known=known, chains={"z": [chain]}) == []


@pytest.mark.parametrize(("count", "number"), [("", 1), (",Metadata_Count_Cells", 0), (",nCells", 0)])
def test_numbers_of_cells_that_a_chain_needs_are_looked_for_in_profiles(tmp_path, count, number):
    header = f"Metadata_Plate,Metadata_Well,Metadata_control_type,Metadata_broad_sample,Cells_A{count}"
    (tmp_path / "p.csv").write_text(header + "\nP1,A01,negcon,D,1,9\n")
    plates = [{"plate": "P1", "profiles": "p.csv", "level": "augmented"}]
    experiment = build_experiment(plates, tmp_path, chains={"z": ["cell_count"]})
    problems = [text for text in find_problems(experiment) if "numbers of cells" in text]
    assert len(problems) == number


def test_a_column_that_a_ranking_needs_and_no_plate_has_is_reported(tmp_path):
    sides = {"positives": {"same": ["broad_sample"]}, "negatives": {"different": ["moa", "control_type"]}}
    problems = get_problems(tmp_path, benchmark={"rankings": {"mine": sides}})
    assert len(problems) == 1
    assert problems[0].startswith("benchmark.rankings.mine: no plate has the column moa.")
