"""The figure of the plate maps: every well at its place, every number in the table beside it."""

import matplotlib
import matplotlib.pyplot as plt
import pandas as pd
import pytest

import plot_plate_maps
from lib.tables import write_profiles
from lib.wells import get_plate_format, get_row_name, get_row_number
from plot_plate_maps import (
    choose_looks,
    count_phases,
    count_wells,
    draw,
    find_layouts,
    get_wells_of_plate,
    limit_control_types,
    list_kinds,
    main,
)

pytestmark = pytest.mark.unit

CONTROLS = {"column": "control_type", "negcon": "negcon"}
GROUP = "Metadata_broad_sample"


def metadata(rows: list[tuple], **columns) -> pd.DataFrame:
    """Wells with their control type and perturbation, missing where None."""
    names = ["Metadata_Well", "Metadata_control_type", "Metadata_broad_sample"]
    return pd.DataFrame(rows, columns=names).assign(**columns)


SMALL = [
    ("A01", "negcon", None),
    ("A02", None, "x"),
    ("A03", "", "x"),
    ("B01", "poscon_cp", "y"),
    ("B02", None, None),
    ("B03", None, "empty"),
    ("H12", None, "z"),
]
COMPOUND = {"plate_map": "maps/compound.txt", "perturbation": "compound"}


def of_plate(rows: list[tuple], plate: dict[str, str] = COMPOUND, **columns):
    table = metadata(rows, **columns)
    return plate, get_wells_of_plate(table, plate, CONTROLS, GROUP), table


def test_the_control_type_of_every_well():
    _, wells, _ = of_plate(SMALL)
    expected = ["negcon", "treatment", "treatment", "poscon_cp", "empty", "empty", "treatment"]
    assert wells["control_type"].tolist() == expected


def test_another_column_and_word_for_controls():
    table = metadata([("A01", None, "x"), ("A02", None, "y")], Metadata_role=["DMSO", None])
    wells = get_wells_of_plate(table, COMPOUND, {"column": "role", "negcon": "DMSO"}, GROUP)
    assert wells["control_type"].tolist() == ["DMSO", "treatment"]
    without = get_wells_of_plate(table, COMPOUND, {"column": "nowhere", "negcon": "DMSO"}, GROUP)
    assert without["control_type"].tolist() == ["treatment", "treatment"]


def test_a_column_of_names_marks_the_negative_controls_alone():
    names = [("A01", "DMSO", "DMSO"), *((f"B{i:02d}", f"compound {i}", f"c{i}") for i in range(1, 9))]
    of_names = {"column": "control_type", "negcon": "DMSO"}
    one = get_wells_of_plate(of_plate(names)[2], COMPOUND, of_names, GROUP)
    assert one["control_type"].tolist() == ["DMSO", *["treatment"] * 8]
    # On no plate more than there are looks, but on two plates together.
    other = {**COMPOUND, "plate_map": "other.txt"}
    parts = [(COMPOUND, names[:5]), (other, names[5:])]
    wells = find_layouts(
        [(plate, get_wells_of_plate(of_plate(rows)[2], plate, of_names, GROUP)) for plate, rows in parts]
    )
    assert limit_control_types(wells, "DMSO")["control_type"].tolist() == ["DMSO", *["treatment"] * 8]
    few = find_layouts([of_plate(names[:5])[:2]])
    assert limit_control_types(few, "DMSO")["control_type"].tolist() == few["control_type"].tolist()


def test_plates_of_one_map_share_a_panel_and_no_well_is_lost():
    first, second = of_plate(SMALL), of_plate([*SMALL[1:], ("C10", None, "w")])
    wells = find_layouts([part[:2] for part in (first, second)])
    assert wells["plate_map"].unique().tolist() == ["compound"]
    assert wells["plates"].unique().tolist() == [2]
    assert wells["Metadata_Well"].tolist() == ["A01", "A02", "A03", "B01", "B02", "B03", "C10", "H12"]


def test_one_table_with_the_maps_of_many_plates_has_a_panel_for_each_layout():
    """JUMP's way: 18 layouts in one file, of which each plate has one."""
    moved = [(well, control, {"x": "q", "z": "r"}.get(name, name)) for well, control, name in SMALL]
    parts = [of_plate(rows)[:2] for rows in (SMALL, moved, SMALL)]
    wells = find_layouts(parts)
    assert wells.groupby("plate_map")["plates"].first().to_dict() == {
        "compound, layout 1": 2,
        "compound, layout 2": 1,
    }
    assert set(wells["perturbation"].dropna()) == {"x", "y", "z", "q", "r"}


def test_two_plate_maps_of_one_file_name_are_two_panels():
    other = {**COMPOUND, "plate_map": "other/compound.txt"}
    wells = find_layouts([of_plate(SMALL)[:2], of_plate(SMALL[:3], other)[:2]])
    assert wells.groupby("plate_map").size().to_dict() == {"maps/compound.txt": 7, "other/compound.txt": 3}


def test_without_a_plate_map_equal_layouts_share_a_panel():
    nameless = {"plate_map": "", "perturbation": "orf"}
    parts = [of_plate(rows, nameless)[:2] for rows in (SMALL, SMALL[::-1], SMALL[:4])]
    wells = find_layouts(parts)
    assert wells.groupby("plate_map")["plates"].first().to_dict() == {"layout 1": 2, "layout 2": 1}


def test_the_counts_by_hand():
    table = count_wells(find_layouts([of_plate(SMALL)[:2]]), "negcon").set_index("control_type")
    assert table["wells"].to_dict() == {"treatment": 3, "negcon": 1, "poscon_cp": 1, "empty": 2}
    assert table["perturbations"].to_dict() == {"treatment": 2, "negcon": 0, "poscon_cp": 1, "empty": 0}
    assert list(table.index) == list_kinds(pd.Series(table.index), "negcon")


def test_every_kind_of_control_has_its_own_look():
    order = ["treatment", "negcon", "poscon_cp", "poscon_diverse", "poscon_orf", "sentinel", "empty"]
    look = choose_looks(order, "negcon")
    assert len({look[kind] for kind in order}) == len(order)
    shapes = [look[kind][1] for kind in order if kind not in ("treatment", "empty")]
    assert len(set(shapes)) == len(shapes), "told apart without color"


@pytest.mark.parametrize(
    ("last", "size"),
    [
        ("A01", (2, 3)),
        ("B03", (2, 3)),
        ("D06", (4, 6)),
        ("E06", (6, 8)),
        ("H12", (8, 12)),
        ("P24", (16, 24)),
        ("A25", (32, 48)),
        ("AF48", (32, 48)),
        ("AG50", (33, 50)),
    ],
)
def test_the_plate_is_the_smallest_that_has_the_wells(last, size):
    assert get_plate_format(["A01", last]) == size


def test_rows_by_letter():
    assert [get_row_number(get_row_name(row)) for row in range(1, 33)] == list(range(1, 33))


def test_phases_are_counted_once_a_compound_in_their_order():
    named = ["", "Launched", "Launched", None, None, None, "Phase 1"]
    phase = pd.Series(named, dtype="str").replace("", pd.NA)
    with_phase = of_plate(SMALL, Metadata_clinical_phase=phase)
    guides = of_plate(SMALL, {"plate_map": "maps/crispr.txt", "perturbation": "crispr"})
    table = count_phases([with_phase, with_phase, guides], "Metadata_clinical_phase", "negcon")
    assert table.to_numpy().tolist() == [
        ["compound", "Phase 1", 1],
        ["compound", "Launched", 1],
        ["compound", "not annotated", 1],
    ]
    assert count_phases([guides], "Metadata_clinical_phase", "negcon").empty


@pytest.mark.parametrize(("rows", "columns"), [(4, 6), (8, 12), (16, 24), (32, 48)])
def test_every_well_is_drawn_at_its_place(rows, columns):
    layout = [
        (f"{get_row_name(row)}{column:02d}", "negcon" if column == 1 else None, f"p{row}")
        for row in range(1, rows + 1)
        for column in range(1, columns + 1)
    ]
    wells = find_layouts([of_plate(layout)[:2]])
    figure = draw(wells, count_phases([], "x", "negcon"), "negcon")
    (axes,) = (axes for part in figure.subfigs for axes in part.axes)
    drawn = {tuple(place) for marks in axes.collections for place in marks.get_offsets().astype(int).tolist()}
    assert drawn == {(column, row) for row in range(1, rows + 1) for column in range(1, columns + 1)}
    assert [label.get_text() for label in axes.get_yticklabels()][-1] == get_row_name(rows)
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels[0] == f"treatment: {rows * (columns - 1)} wells, {rows} perturbations"
    assert labels[1] == f"negcon: {rows} wells, {rows} perturbations"
    matplotlib.pyplot.close("all")


def test_figure_and_tables_are_written(tmp_path):
    paths = []
    for name in "ab":
        table = metadata(SMALL, Metadata_clinical_phase="Launched").astype("str").assign(Cells_F=1.0)
        paths.append(str(tmp_path / f"{name}.parquet"))
        write_profiles(table, paths[-1], {})
    names = {"png": "p.png", "svg": "p.svg", "csv": "p.csv", "wells": "p_wells.csv"}
    outputs = {kind: str(tmp_path / name) for kind, name in names.items()}
    main(paths, [COMPOUND, COMPOUND], outputs, CONTROLS, GROUP, "Metadata_clinical_phase")
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    numbers = pd.read_csv(outputs["csv"], keep_default_na=False)
    assert numbers["control_type"].tolist() == ["treatment", "negcon", "poscon_cp", "empty", ""]
    assert numbers["clinical_phase"].tolist() == ["", "", "", "", "Launched"]
    assert numbers["perturbations"].tolist() == [2, 0, 1, 0, 3]
    words = (tmp_path / "p.svg").read_text()
    for row in numbers.itertuples():
        assert f"{row.control_type}: {row.wells} wells" in words or row.clinical_phase in words
    assert len(pd.read_csv(outputs["wells"])) == len(SMALL)
    first = (tmp_path / "p.svg").read_bytes()
    main(paths, [COMPOUND, COMPOUND], outputs, CONTROLS, GROUP, "Metadata_clinical_phase")
    assert (tmp_path / "p.svg").read_bytes() == first


def test_the_first_of_many_plate_maps_are_drawn_and_the_title_says_so(monkeypatch):
    monkeypatch.setattr(plot_plate_maps, "MOST_MAPS", 2)
    maps = [{"plate_map": f"m{number}", "perturbation": "compound"} for number in range(3)]
    plates = [of_plate(SMALL, plate) for plate in maps]
    for number, title in ((3, "Plate maps: 2 of 3"), (2, "Plate maps")):
        wells = find_layouts([(plate, wells) for plate, wells, _ in plates[:number]])
        clinical = count_phases(plates[:number], "Metadata_clinical_phase", "negcon")
        figure = draw(wells, clinical, "negcon")
        assert figure.get_suptitle() == title
        plt.close(figure)
