"""Published profiles whose columns have other types than text and numbers, and folders of DeepProfiler."""

from decimal import Decimal

import anndata
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cases.case import case
from cases.profiles import FORMATS, PLATE, get_refusal, make_profiles, read
from cases.tables import COMPLETE
from import_profiles import main as import_plate
from lib.deep_profiles import read_deepprofiler
from lib.errors import InputError
from lib.tables import get_features, read_profiles

pytestmark = pytest.mark.unit

DAY = pd.Timestamp("2020-11-04")
LARGE = 2**53 + 1


def write(path, **columns):
    """The small profiles with these Arrow columns, without what pandas notes of its types."""
    table = pa.Table.from_pandas(make_profiles(), preserve_index=False)
    for name, values in columns.items():
        at = table.column_names.index(name) if name in table.column_names else None
        table = table.append_column(name, values) if at is None else table.set_column(at, name, values)
    pq.write_table(table.replace_schema_metadata(None), path)
    return path


@case(
    "profiles",
    kind="identifiers of more than 15 digits in a Parquet file, beside a missing one",
    comes_from="database keys; pandas reads such a column as decimal numbers and rounds them",
    happens="each keeps all its digits",
)
def test_large_integers_beside_a_missing_one(tmp_path):
    values = [LARGE, LARGE - 1, None, 1, 2, 3]
    path = write(tmp_path / "p.parquet", Metadata_id=pa.array(values, pa.int64()))
    assert read(path)["Metadata_id"].fillna("").tolist() == [str(value or "") for value in values]


@case(
    "profiles",
    kind="text stored as bytes, dictionaries, decimal numbers, dates with a time zone, lists of targets",
    comes_from="Parquet files of other programs: databases, R, Spark, polars",
    happens="they are read like text, numbers and days; the names of a list are several genes",
)
def test_other_types_of_columns(tmp_path):
    names = ["x", "y", "DMSO"] * 2
    targets = [["EGFR", "ERBB2"], ["A"], None, [], ["B"], ["C", "D"]]
    path = write(
        tmp_path / "p.parquet",
        Metadata_Well=pa.array([b"A01", b"A02", b"A03", b"B01", b"B02", b"B03"]),
        Metadata_broad_sample=pa.array(names).dictionary_encode(),
        Metadata_target=pa.array(targets, pa.list_(pa.string())),
        Metadata_dose=pa.array([Decimal("1.00"), None, Decimal(3)] * 2, pa.decimal128(8, 2)),
        Metadata_day=pa.array([DAY] * 6, pa.timestamp("us", tz="UTC")),
        Cells_AreaShape_Area=pa.array([Decimal("1.00"), None, Decimal(3)] * 2, pa.decimal128(8, 2)),
        Nuclei_Intensity_MeanIntensity_DNA=pa.array([1, None, 3] * 2, pa.int64()),
    )
    found = read(path)
    assert found["Metadata_Well"].tolist() == ["A01", "A02", "A03", "B01", "B02", "B03"]
    assert found["Metadata_broad_sample"].tolist() == names
    assert found["Metadata_target"].fillna("").tolist() == ["EGFR|ERBB2", "A", "", "", "B", "C|D"]
    assert found["Metadata_dose"].fillna("").tolist() == ["1", "", "3"] * 2
    assert found["Metadata_day"].tolist() == ["2020-11-04"] * 6
    for feature in ("Cells_AreaShape_Area", "Nuclei_Intensity_MeanIntensity_DNA"):
        np.testing.assert_array_equal(found[feature], [1, np.nan, 3] * 2)


@case(
    "profiles",
    kind="the wells in the index of a table, with a name or without; an index that repeats a column",
    comes_from="pandas' set_index; AnnData, whose rows have names",
    happens="they are read",
)
def test_wells_in_an_index(tmp_path, expected_profiles):
    table = make_profiles()
    for index in (
        table["Metadata_Well"].rename(None),
        table["Metadata_Well"],
    ):
        for kept in (table, table.drop(columns="Metadata_Well")):
            kept.set_axis(pd.Index(index, name=index.name)).to_parquet(tmp_path / "p.parquet")
            assert read(tmp_path / "p.parquet")["Metadata_Well"].tolist() == table["Metadata_Well"].tolist()
    metadata = [name for name in table if name.startswith("Metadata_")]
    for name in (None, "well"):
        obs = table[metadata].set_index(pd.Index(table["Metadata_Well"], name=name))
        data = anndata.AnnData(table.drop(columns=metadata).to_numpy(), obs.drop(columns="Metadata_Well"))
        data.var_names = [name for name in table if name not in metadata]
        with anndata.settings.override(allow_write_nullable_strings=True):
            data.write_h5ad(tmp_path / "p.h5ad")
        found = read(tmp_path / "p.h5ad")[expected_profiles.columns]
        pd.testing.assert_frame_equal(found, expected_profiles, check_dtype=False)


@case(
    "profiles",
    kind="a duplicate column, which pandas or R numbered: Cells_AreaShape_Area.1",
    comes_from="a table with a column twice that was read and written again",
    says="the columns Cells_AreaShape_Area and Cells_AreaShape_Area.1 are the same. Keep one of them.",
    happens="the plate stops; a copy of metadata is left out, with a warning; features that do not vary stay",
)
def test_a_numbered_copy_of_a_column(tmp_path, caplog):
    table = make_profiles()
    harmless = table.assign(Metadata_x="a", Cells_Zero=0.0)
    harmless = harmless.assign(**{"Metadata_x.1": "a", "Metadata_x.2": "b", "Cells_Zero.5": 0.0})
    harmless.to_csv(tmp_path / "p.csv", index=False)
    found = read(tmp_path / "p.csv")
    assert get_features(found) == [*get_features(table), "Cells_Zero", "Cells_Zero.5"]
    assert [name for name in found if "_x" in name] == ["Metadata_x", "Metadata_x.2"]
    assert "Metadata_x.1 is the same as Metadata_x, and is left out" in caplog.text
    table["Cells_AreaShape_Area.1"] = table["Cells_AreaShape_Area"]
    table.to_csv(tmp_path / "p.csv", index=False)
    return get_refusal(tmp_path / "p.csv")


def write_sites(folder, **sites):
    for name, values in sites.items():
        file = folder / f"{name.replace('__', '/')}.npz"
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(file, features=values)
    return folder


@case(
    "profiles",
    kind="DeepProfiler's cells that lack a feature (NaN)",
    comes_from="crops without contrast",
    says="cells lack features (NaN or infinite), and the means are those of the other cells: well A01 site "
    "1 (1 cell)",
    happens="a warning; the cells count, and the mean of a feature is that of the cells that have it",
)
def test_cells_without_a_feature(tmp_path, caplog):
    values = np.array([[1.0, 2.0], [3.0, np.nan]])
    found = read_deepprofiler(write_sites(tmp_path, A01_1=values, A02_1=values[:1], A03_1=np.empty(0)))
    assert found[["deep_0", "deep_1"]].fillna(-1).to_numpy().tolist() == [[2, 2], [1, 2], [-1, -1]]
    assert found["Metadata_Count_Cells"].tolist() == [2, 1, 0]
    return caplog.text


@case(
    "profiles",
    kind="a duplicate DeepProfiler file, in a copy of the folder or under two names; a name with two wells "
    "(P1_A01_1)",
    comes_from="backups inside the folder; names that begin with the plate",
    says="are both site 1 of well A01 of plate P1: keep one of them. ... its name has two possible wells, "
    "P01 and A01.",
    happens="the plate stops: the cells would count twice, or for another well",
)
def test_files_of_deepprofiler_that_say_two_things(tmp_path):
    messages = []
    values = np.ones((2, 3))
    for name, sites in {
        "copy": {"P1__A01__1": values, "backup__P1__A01__1": values},
        "names": {"A01__1": values, "A01_1": values},
        "two": {"P1_A01_1": values},
    }.items():
        with pytest.raises(InputError) as error:
            read_deepprofiler(write_sites(tmp_path / name, **sites))
        messages.append(str(error.value))
    return " ".join(messages)


@case(
    "profiles",
    kind="columns without Metadata_ that the config names: Treatment, Role, dose",
    comes_from="tables of one's own",
    happens="they are metadata in every format, as written: `0012` remains a name, and a dose is not a "
    "feature",
)
@pytest.mark.parametrize("name", ["comma.csv", "tab.csv", "table.parquet", "table.feather", "table.h5ad"])
def test_columns_that_the_config_names_are_metadata(tmp_path, name):
    own = {"Treatment": ["0012", "0013", "DMSO"] * 2, "Role": ["", "NA", "negcon"] * 2}
    table = make_profiles().assign(**own, conc=[0.5, 10, 0] * 2)
    if name == "table.h5ad":  # the columns of obs are metadata
        table = table.rename(
            columns={column: f"Metadata_{column}" for column in ("Treatment", "Role", "conc")}
        )
        table = table.astype({"Metadata_conc": str})
    FORMATS[name](table, tmp_path / name)
    found = read(tmp_path / name, metadata=("Role", "Treatment", "conc", "Well", "Plate"))
    assert found["Metadata_Treatment"].tolist() == own["Treatment"]
    assert found["Metadata_Role"].fillna("").tolist() == ["", "", "negcon"] * 2
    assert found["Metadata_conc"].tolist() == ["0.5", "10", "0"] * 2
    assert get_features(found) == get_features(make_profiles())
    assert found["Metadata_Well"].tolist() == make_profiles()["Metadata_Well"].tolist()


@case(
    "profiles",
    kind="a laboratory's own numbers without Metadata_ beside the features: viability, passage",
    comes_from="tables of one's own",
    says="viability, passage are among the 50 features, and no other feature's name begins with the same "
    "word. A column that does not measure the cells is left out with `exclude_features` in the config, or is "
    "kept as metadata if it is renamed to Metadata_...",
    happens="they are features, and a warning names them",
)
def test_numbers_of_ones_own_beside_the_features(tmp_path, caplog):
    features = {f"feat{at:02d}": [float(at), 1.0, 2.0] for at in range(48)}
    table = pd.DataFrame({"Metadata_Well": ["A1", "A2", "A3"], **features})
    parameters = {
        **{"gene": None, "missing": COMPLETE, "metadata": (), "sharing": ["P1"], "unwanted": []},
        **{"identifiers": [], "minimum_cells": 1, "outlier_cutoff": None},
    }
    path, output = tmp_path / "p.csv", tmp_path / "out.parquet"
    table.to_csv(path, index=False)
    import_plate(str(path), "", str(output), PLATE, parameters)
    assert "among the" not in caplog.text
    table.assign(viability=[0.5, 0.25, 0.125], passage=[3, 4, 4]).to_csv(path, index=False)
    wanted = {**parameters, "unwanted": ["viability", "passage"]}
    import_plate(str(path), "", str(output), PLATE, wanted)
    assert "among the" not in caplog.text
    import_plate(str(path), "", str(output), PLATE, parameters)
    assert len(get_features(read_profiles(output))) == 50
    return caplog.text


def test_a_column_that_the_config_names_is_metadata_in_a_table_without_cellprofilers_names(tmp_path, caplog):
    features = {f"feat{at:02d}": [float(at), 1.0, 2.0] for at in range(12)}
    table = pd.DataFrame({"Well": ["A1", "A2", "A3"], "level": [1, 2, 5], **features})
    path = tmp_path / "p.csv"
    table.to_csv(path, index=False)
    assert "level" in get_features(read(path))
    found = read(path, metadata=("level",))
    assert get_features(found) == list(features)
    assert found["Metadata_level"].tolist() == ["1", "2", "5"]
    table.assign(Metadata_level=["a", "b", "c"]).to_csv(path, index=False)
    assert read(path, metadata=("level",))["Metadata_level"].tolist() == ["a", "b", "c"]
    assert "level also exists as Metadata_level, which is used instead" in caplog.text


@case(
    "profiles",
    kind="tables of wells as Harmony and Columbus export them: Row and Column, `Nuclei - Nucleus Area [µm²] "
    "- Mean per Well`, `Nuclei - Number of Objects`",
    comes_from="own trial: all features were taken for descriptions of wells, since their names say `Well`",
    happens="they are features, the number of objects is that of cells, and the other columns are metadata",
)
def test_tables_of_harmony(tmp_path):
    area, texture = (
        "Nuclei - Nucleus Area [µm²] - Mean per Well",
        "Nuclei - Texture SER Spot - StdDev per Well",
    )
    columns = {
        "row": [1, 1, 2],
        "column": [1, 2, 1],
        "Timepoint": [0, 0, 0],
        "Cell Count": [2000, 2000, 2000],
    }
    values = {"Nuclei - Number of Objects": [90, 80, 70], area: [1.5, 2.5, 3.5], texture: [0.1, 0.2, 0.3]}
    pd.DataFrame({**columns, **values}).to_csv(tmp_path / "wells.csv", index=False)
    profiles = read(tmp_path / "wells.csv")
    assert profiles["Metadata_Well"].tolist() == ["A01", "A02", "B01"]
    assert profiles["Metadata_Count_Cells"].tolist() == [90, 80, 70]
    assert get_features(profiles) == [area, texture]
    assert profiles[area].tolist() == [1.5, 2.5, 3.5]
    assert profiles["Metadata_Cell Count"].tolist() == ["2000"] * 3


@case(
    "profiles",
    kind="features with separators of thousands, or with decimal commas",
    comes_from="spreadsheets",
    says="column Cells_AreaShape_Area holds numbers with commas: `1,234.5` in well A01, A02. Write numbers "
    "with decimal points, and without separators of thousands. ... has numbers with commas (1,5) and "
    "numbers with decimal points (1.234).",
    happens="the plate stops, because 1,234 has two readings",
)
def test_features_with_separators_of_thousands(tmp_path):
    table = make_profiles()
    texts = ["1,234.5", "2,000", "1", "2", "1e3", "3"]
    table.assign(Cells_AreaShape_Area=texts).to_csv(tmp_path / "us.csv", index=False)
    commas, points = ["1,5"] * 6, ["1.234"] * 6
    mixed = table.assign(Cells_AreaShape_Area=commas, Cells_Texture_Contrast_DNA_3_00_256=points)
    mixed.to_csv(tmp_path / "de.csv", index=False, sep=";")
    return get_refusal(tmp_path / "us.csv") + " " + get_refusal(tmp_path / "de.csv")


@case(
    "profiles",
    kind="features that are True and False, in some wells neither",
    comes_from="own trial: one empty cell made text of a column that is read otherwise",
    happens="they are 1 and 0, and missing if they are empty",
)
def test_features_that_are_true_or_false(tmp_path):
    table = make_profiles().assign(Cells_AreaShape_Round=[True, None, False, True, None, False])
    table.to_csv(tmp_path / "a.csv", index=False)
    table.to_parquet(tmp_path / "a.parquet")
    for name in ("a.csv", "a.parquet"):
        values = read(tmp_path / name)["Cells_AreaShape_Round"]
        assert values.fillna(9).tolist() == [1, 9, 0, 1, 9, 0], name


@case(
    "profiles",
    kind="two plates of the sample sheet that take the same rows of a file, each named in another column",
    comes_from="own trial: a file with Metadata_Plate and Metadata_Barcode",
    says="The sample sheet takes the same rows of ... for plate P1 (named in Metadata_Plate) and plate 0012 "
    "(named in Metadata_Barcode), as well A01, A02, A03 and 3 more: each well would be its own replicate.",
    happens="both plates stop",
)
def test_one_plate_under_the_names_of_two_columns(tmp_path):
    table = make_profiles().assign(Metadata_Barcode="0012")
    table.to_csv(tmp_path / "p.csv", index=False)
    other = table.assign(Metadata_Plate="P2", Metadata_Barcode="0013")
    pd.concat([table, other]).to_csv(tmp_path / "two.csv", index=False)
    # different rows, under the names of different columns
    for plate, sharing in ((PLATE, ("P1", "0013")), (PLATE | {"plate": "0013"}, ("P1", "0013"))):
        assert len(read(tmp_path / "two.csv", plate=plate, sharing=sharing)) == 6
    message = get_refusal(tmp_path / "p.csv", plate=PLATE | {"plate": "0012"}, sharing=("P1", "0012"))
    assert "for plate 0012 (named in Metadata_Barcode) and plate P1 (named in Metadata_Plate)" in message
    return get_refusal(tmp_path / "p.csv", sharing=("P1", "0012"))
