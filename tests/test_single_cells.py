"""Joining CellProfiler's tables, made by hand."""

import gzip

import polars as pl
import pytest

from cell_tables import ALL, image, join, objects, site, write
from lib.cellprofiler_output import find_compartments, find_published_folders
from lib.errors import InputError
from lib.tables import read_provenance

pytestmark = pytest.mark.unit


def test_a_cell_is_joined_by_its_parents_and_not_by_its_row(tmp_path):
    folder = tmp_path / "chunk"
    image(folder, [(7, "P", "b2", "03")])
    objects(
        folder,
        [(7, 1, 11, 2), (7, 2, 12, 1)],
        [(7, 1, 21, 2, 1), (7, 2, 22, 1, 2)],
        [(7, 1, 31, 1), (7, 2, 32, 1)],
    )
    cells, sites = join([folder], tmp_path)
    assert cells.columns[:5] == [
        "Metadata_Plate",
        "Metadata_Well",
        "Metadata_Site",
        "Metadata_ImageNumber",
        "Metadata_ObjectNumber",
    ]
    assert cells.rows()[0][:5] == ("P", "B02", "3", 7, 1)
    # Cell 1 belongs to cytoplasm 2 and nucleus 2, cell 2 to cytoplasm 1 and nucleus 1.
    assert cells["Cells_AreaShape_Area"].to_list() == [11, 12]
    assert cells["Cytoplasm_AreaShape_Area"].to_list() == [22, 21]
    assert cells["Nuclei_AreaShape_Area"].to_list() == [32, 31]
    assert cells.schema["Cells_AreaShape_Area"] == pl.Float32
    assert cells.schema["Cells_Parent_Nuclei"] == pl.Int32
    assert sites.rows() == [("B02", 3, 7, 2, 0, "ok")]


def test_cells_and_nuclei_without_cytoplasm(tmp_path):
    folder = tmp_path / "chunk"
    image(folder, [(1, "P", "A01", 1)])
    write(folder / "Cells.csv", ("ImageNumber", "ObjectNumber", "X", "Parent_Nuclei"), [(1, 1, 5, 2)])
    write(folder / "Nuclei.csv", ("ImageNumber", "ObjectNumber", "X"), [(1, 1, 6), (1, 2, 7)])
    cells, sites = join([folder], tmp_path, compartments=("Cells", "Nuclei"))
    assert cells.select("Cells_X", "Nuclei_X").rows() == [(5.0, 7.0)]
    assert sites["unpaired_objects"].to_list() == [1]
    cells, _ = join([folder], tmp_path, compartments=("Nuclei",))
    assert cells.select("Metadata_ObjectNumber", "Nuclei_X").rows() == [(1, 6.0), (2, 7.0)]


def test_an_object_without_partner_is_left_out_counted_and_named(tmp_path, caplog):
    folder = tmp_path / "chunk"
    image(folder, [(1, "P", "A01", 1)])
    objects(folder, [(1, 1, 1, 1)], [(1, 1, 1, 1, 1), (1, 2, 1, 0, 2)], [(1, 1, 1, 1), (1, 2, 1, 0)])
    cells, sites = join([folder], tmp_path)
    assert cells["Metadata_ObjectNumber"].to_list() == [1]
    assert sites.select("cells", "unpaired_objects").rows() == [(1, 2)]
    assert "well A01, site 1: Cytoplasm without a partner: 2" in caplog.text
    assert "well A01, site 1: Nuclei without a partner: 2" in caplog.text


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        (([(1, 1, 1, 1)], [(1, 1, 1, 1, 1), (1, 2, 1, 1, 0)], [(1, 1, 1, 1)]), "belong to two Cytoplasm"),
        (([(1, 1, 1, 1)], [(1, 1, 1, 1, 5)], [(1, 1, 1, 0)]), "Cytoplasm names Nuclei 5"),
        (([(1, 1, 1, 1)] * 2, [(1, 1, 1, 1, 1)], [(1, 1, 1, 1)]), "object numbers 1 twice"),
        (([(1, 1, 1, 1)], [(1, 1, 1, 1, 1)], [(1, 1, 1, 1), (1, 2, 1, 1)]), "belong to Nuclei 2"),
        (([(2, 1, 1, 1)], [], []), "holds objects of ImageNumber 2"),
        (
            ([(1, 1, "x", 1)], [(1, 1, 1, 1, 1)], [(1, 1, 1, 1)]),
            "in its column AreaShape_Area, which is not a number",
        ),
    ],
)
def test_tables_that_do_not_fit_each_other(tmp_path, tables, message):
    folder = tmp_path / "chunk"
    image(folder, [(1, "P", "A01", 1)])
    objects(folder, *tables)
    with pytest.raises(InputError, match="1 site of plate P has tables") as error:
        join([folder], tmp_path)
    assert message in str(error.value)
    assert f"well A01, site 1: {folder}" in str(error.value)
    assert not (tmp_path / "cells.parquet").exists()


def test_a_dropped_site_is_listed_and_the_others_stay(tmp_path):
    site(tmp_path / "c" / "P-A01-1", 1, 2)
    site(tmp_path / "c" / "P-A01-2", 2, 3, name=2)
    table = tmp_path / "c" / "P-A01-2" / "Nuclei.csv"
    table.write_text(table.read_text()[:-6])
    cells, sites = join(tmp_path / "c", tmp_path, bad_sites="drop")
    assert cells["Metadata_Site"].to_list() == ["1", "1"]
    assert sites["status"][0] == "ok"
    assert sites["status"][1].startswith("dropped: Nuclei.csv is cut off")
    assert pl.read_parquet(tmp_path / "image.parquet")["Metadata_Site"].to_list() == ["1"]


def test_a_table_cut_at_the_end_of_a_line_is_found_by_the_count(tmp_path):
    folder = tmp_path / "c"
    site(folder, 1, 3)
    columns = ("ImageNumber", "Metadata_Plate", "Metadata_Well", "Metadata_Site", "Count_Cells")
    image(folder, [(1, "P", "A01", 1, "3.0")], columns)
    table = folder / "Cells.csv"
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:3]))
    with pytest.raises(InputError, match=r"Cells\.csv has 2 rows, and the Image table counts 3"):
        join([folder], tmp_path)


def test_a_broken_archive_spoils_no_other_folder(tmp_path):
    for number in (1, 2):
        site(tmp_path / "c" / f"P-A01-{number}", number, 50, name=number)
    table = tmp_path / "c" / "P-A01-1" / "Cells.csv"
    packed = gzip.compress(table.read_bytes())
    table.unlink()
    (table.parent / "Cells.csv.gz").write_bytes(packed[: len(packed) - 20])
    cells, sites = join(tmp_path / "c", tmp_path, bad_sites="drop")
    assert len(cells) == 50
    assert "cannot be read to its end" in sites["status"][0]


@pytest.mark.parametrize("count", [None, 0])
def test_a_site_without_cells_stays_in_the_image_table(tmp_path, count):
    site(tmp_path / "c" / "P-A01-1", 1, 2)
    columns = ["ImageNumber", "Metadata_Plate", "Metadata_Well", "Metadata_Site", "Count_Cells"]
    row = [2, "P", "A02", 1, count]
    image(tmp_path / "c" / "P-A02-1", [row if count == 0 else row[:4]], columns[: 4 + (count == 0)])
    _, sites = join(tmp_path / "c", tmp_path)
    assert sites["status"].to_list() == ["ok", "no cells"]
    assert pl.read_parquet(tmp_path / "image.parquet")["Metadata_Well"].to_list() == ["A01", "A02"]


def test_counted_cells_without_tables_are_an_error(tmp_path):
    columns = ("ImageNumber", "Metadata_Plate", "Metadata_Well", "Metadata_Site", "Count_Cells")
    image(tmp_path / "c", [(1, "P", "A01", 1, 12)], columns)
    with pytest.raises(InputError, match="the Image table counts 12 Cells"):
        join([tmp_path / "c"], tmp_path)


def test_a_plate_without_any_cell_has_an_empty_table(tmp_path):
    image(tmp_path / "c", [(1, "P", "A01", 1)])
    cells, sites = join([tmp_path / "c"], tmp_path)
    assert cells.shape == (0, 5)
    assert sites["status"].to_list() == ["no cells"]


def test_an_empty_chunk_is_passed_over(tmp_path):
    site(tmp_path / "chunk_1", 1, 2)
    (tmp_path / "chunk_2").mkdir()
    (tmp_path / "chunk_2" / "sites.json").write_text("[]")
    assert len(join([tmp_path / "chunk_1", tmp_path / "chunk_2"], tmp_path)[0]) == 2


def test_image_numbers_that_start_anew_in_each_folder_are_made_unique(tmp_path):
    for well, name in (("A10", 1), ("A02", 2), ("A02", 1)):
        site(tmp_path / "c" / f"P-{well}-{name}", 1, 2, well=well, name=name)
    cells, _ = join(tmp_path / "c", tmp_path)
    assert cells["Metadata_Well"].to_list() == ["A02"] * 4 + ["A10"] * 2
    assert cells["Metadata_ImageNumber"].to_list() == [1, 1, 2, 2, 3, 3]


def test_columns_are_matched_by_name(tmp_path):
    site(tmp_path / "c" / "P-A01-1", 1, 1)
    site(tmp_path / "c" / "P-A01-2", 2, 1, name=2)
    write(
        tmp_path / "c" / "P-A01-2" / "Nuclei.csv",
        ("ImageNumber", "Children_Cytoplasm_Count", "AreaShape_Area", "ObjectNumber"),
        [(2, 1, 77, 1)],
    )
    cells, _ = join(tmp_path / "c", tmp_path)
    assert cells["Nuclei_AreaShape_Area"].to_list() == [1201, 77]
    site(tmp_path / "c" / "P-A01-3", 3, 1, name=3)
    write(tmp_path / "c" / "P-A01-3" / "Nuclei.csv", ("ImageNumber", "ObjectNumber"), [(3, 1)])
    with pytest.raises(InputError, match="lacks the columns AreaShape_Area, Children_Cytoplasm_Count"):
        join(tmp_path / "c", tmp_path)


def test_the_site_is_read_from_the_folder_or_the_file_names(tmp_path):
    columns = ("ImageNumber", "FileName_OrigDNA")
    for name, well in ((1, "C03"), (2, "C04")):
        site(tmp_path / f"P-{well}-{name}", name, 1)
        image(tmp_path / f"P-{well}-{name}", [(name, f"x_D0{name}f09.tif")], columns)
    folders = sorted(tmp_path.glob("P-*"))
    assert join(folders, tmp_path)[0]["Metadata_Well"].to_list() == ["C03", "C04"]
    cells, _ = join(folders, tmp_path, site_pattern=r"_(?P<well>\w\d\d)f(?P<site>\d\d)")
    assert cells.select("Metadata_Well", "Metadata_Site").rows() == [("D01", "9"), ("D02", "9")]
    with pytest.raises(InputError, match="finds neither a file name"):
        join(folders, tmp_path, site_pattern=r"(?P<well>Q\d\d)f(?P<site>\d\d)")


def test_tables_with_a_prefix(tmp_path):
    """CellProfiler's own default, MyExpt_, and one per site, all in one folder."""
    for number, well in enumerate(("A01", "A02"), start=1):
        site(tmp_path / "own", number, 2, well=well)
        for file in sorted((tmp_path / "own").iterdir()):
            file.rename(tmp_path / f"MyExpt_{well}-1_{file.name}")
    (tmp_path / "MyExpt_A01-1_Experiment.csv").write_text("Key,Value\n")
    cells, sites = join(tmp_path, tmp_path)
    assert sites["Metadata_Well"].to_list() == ["A01", "A02"]
    assert cells["Nuclei_AreaShape_Area"].to_list() == [1201, 1202, 2201, 2202]


def test_wells_by_row_and_column_and_without_a_site(tmp_path):
    columns = ("ImageNumber", "Metadata_Row", "Metadata_Column")
    image(tmp_path, [(1, "C", "07"), (2, "3", "8")], columns)
    rows = [(1, 1, 5.0), (2, 1, 6.0)]
    write(tmp_path / "Nuclei.csv", ("ImageNumber", "ObjectNumber", "AreaShape_Area"), rows)
    cells, sites = join(tmp_path, tmp_path, compartments=["Nuclei"])
    assert cells["Metadata_Well"].to_list() == ["C07", "C08"]
    assert sites["Metadata_Site"].to_list() == [1, 1]


def test_of_the_usual_compartments_those_that_there_are(tmp_path, caplog):
    site(tmp_path / "P-A01-1", 1, 1)
    site(tmp_path / "P-A02-1", 2, 1, well="A02")
    for path in tmp_path.rglob("Cytoplasm.csv"):
        path.unlink()
    folders = find_published_folders(tmp_path, ALL)
    assert find_compartments(folders, ALL) == ["Cells", "Nuclei"]
    assert "there are no tables of Cytoplasm" in caplog.text
    # What only one site lacks is not left out of all sites.
    (tmp_path / "P-A02-1" / "Nuclei.csv").unlink()
    assert find_compartments(find_published_folders(tmp_path, ALL), ALL) == ["Cells", "Nuclei"]


def test_another_plate_is_an_error(tmp_path):
    site(tmp_path / "c", 1, 1, plate="Q")
    with pytest.raises(InputError, match="belongs to plate Q, and the sample sheet names this plate P"):
        join([tmp_path / "c"], tmp_path)


def test_a_site_twice_is_an_error(tmp_path):
    site(tmp_path / "c", 1, 1)
    site(tmp_path / "d", 2, 1)
    with pytest.raises(InputError, match="these sites twice: A01 site 1"):
        join([tmp_path / "c", tmp_path / "d"], tmp_path)


def test_compartments_that_nothing_relates(tmp_path):
    site(tmp_path / "c", 1, 1)
    write(tmp_path / "c" / "Cytoplasm.csv", ("ImageNumber", "ObjectNumber"), [(1, 1)])
    with pytest.raises(InputError, match="has the parent columns of all others"):
        join([tmp_path / "c"], tmp_path)


def test_nan_is_a_missing_value(tmp_path):
    site(tmp_path / "c", 1, 1)
    write(
        tmp_path / "c" / "Nuclei.csv",
        ("ImageNumber", "ObjectNumber", "A", "B", "Parent_Other"),
        [(1, 1, "nan", "", "nan")],
    )
    cells, _ = join([tmp_path / "c"], tmp_path)
    assert cells.select("Nuclei_A", "Nuclei_B", "Nuclei_Parent_Other").rows() == [(None, None, None)]


def test_the_image_table_tells_of_the_images_and_not_of_the_run(tmp_path):
    site(tmp_path / "c", 1, 1)
    columns = "ImageNumber Metadata_Well Metadata_Site Mean_DNA PathName_DNA ExecutionTime_1 FileName_DNA"
    image(tmp_path / "c", [(1, "A01", 1, 0.25, "/here", 3.5, "1.tif")], columns.split())
    join([tmp_path / "c"], tmp_path)
    table = pl.read_parquet(tmp_path / "image.parquet")
    assert table.rows(named=True) == [
        {
            "Metadata_Plate": "P",
            "Metadata_Well": "A01",
            "Metadata_Site": "1",
            "Metadata_ImageNumber": 1,
            "FileName_DNA": "1.tif",
            "Mean_DNA": 0.25,
        }
    ]


def test_another_value_gives_another_provenance(tmp_path):
    site(tmp_path / "c", 1, 2)
    join([tmp_path / "c"], tmp_path)
    first = read_provenance(tmp_path / "cells.parquet")
    table = tmp_path / "c" / "Cells.csv"
    table.write_text(table.read_text().replace("1001", "1002"))
    join([tmp_path / "c"], tmp_path)
    second = read_provenance(tmp_path / "cells.parquet")
    assert first["inputs"] != second["inputs"]
    assert first["parameters"] == second["parameters"]
