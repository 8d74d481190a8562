"""Experiment folders from folders of images: what is found, and what is written."""

import csv
import gzip
import tarfile
from pathlib import Path

import numpy as np
import pytest
import tifffile
import yaml

import draft
from drafted_plates import NOISE, RANDOM, draw_nuclei, make, write_plate
from lib.channel_guess import name_channels
from lib.config import complete_config
from lib.drafts import read_draft_request
from lib.errors import InputError
from lib.image_changes import list_images
from lib.image_tables import read_image_table, take_rows_of_plate
from lib.plates import read_plates
from lib.surveys import Channel, find_format, get_plate_name, survey
from load_data import load_data
from microscope_files import harmony_name, write_harmony_index, write_htd, write_ome_tiff, write_ome_zarr

pytestmark = pytest.mark.unit


def test_several_plates_in_nested_folders(tmp_path):
    for plate in ("BR1", "BR2"):
        place = write_plate(
            tmp_path / "in" / f"{plate}__2024-05-06T01_02_03-Measurement 1" / "Images",
            "{well}_w{channel}.tif",
        )
        (place / "notes.txt").write_text("x")
    write_plate(tmp_path / "in" / "BR1__2024-05-06T01_02_03-Measurement 1", "{well}_w{channel}_thumb.tif")
    config, rows, tasks = make(tmp_path / "in", tmp_path)
    assert [row["plate"] for row in rows] == ["BR1", "BR2"]
    assert all(Path(row["images"]).name == "Images" for row in rows)
    assert config["images"]["pattern"] == "imagexpress"
    assert any("6 files in the folder are not used: " in task for task in tasks)
    assert any("per channel. With fewer than 50, an illumination function may show" in task for task in tasks)


def test_planes_in_folders_of_their_own_are_one_plate(tmp_path):
    for well in ("A01", "A02"):
        write_plate(tmp_path / "P" / well, "{well}_s{site}_w{channel}.tif", wells=(well,), sites=(1, 2))
    found = survey(tmp_path / "P")
    assert [(plate.name, plate.sites, len(plate.wells)) for plate in found.plates] == [("P", 2, 2)]


def test_plates_that_share_a_folder(tmp_path):
    for plate in ("X1", "X2"):
        write_plate(tmp_path / "in", plate + "_{well}_s{site}_d{channel}.tif", sites=(1, 2))
    config, rows, _ = make(tmp_path / "in", tmp_path)
    assert [row["plate"] for row in rows] == ["X1", "X2"]
    assert "(?P<plate>" in config["images"]["pattern"]


def test_nuclei_are_found_by_their_look_and_measured(tmp_path):
    folder = write_plate(tmp_path / "P", "{well}_ch{channel}.tif", channels=(1, 3))
    write_plate(folder, "{well}_ch{channel}.tif", channels=(2,), kind=draw_nuclei())
    write_plate(
        folder, "{well}_ch{channel}.tif", channels=(1, 3), kind=RANDOM.integers(0, 99, (120, 120), np.uint16)
    )
    config, _, tasks = make(folder, tmp_path)
    assert [channel["name"] for channel in config["assay"]["channels"]] == [
        "Channel1",
        "Channel2",
        "Channel3",
    ]
    assert config["assay"]["nuclei"]["channel"] == "Channel2"
    smallest, largest = config["assay"]["nuclei"]["diameter"]
    assert smallest < 16 < largest
    assert any("guessed from what the images show" in task for task in tasks)


def test_a_smaller_camera_gets_its_scale(tmp_path):
    folder = write_plate(tmp_path / "P", "{well}_ch{channel}.tif", channels=(1,), kind=draw_nuclei())
    write_plate(folder, "{well}_ch{channel}.tif", channels=(2,), kind=NOISE)
    config, _, _ = make(folder, tmp_path)
    assert [channel.get("scale") for channel in config["assay"]["channels"]] == [None, 3.0]


def test_an_index_names_channels_plates_and_the_pixel_size(tmp_path):
    folder, dyes = tmp_path / "in" / "Images", {1: "HOECHST 33342", 2: "Brightfield"}
    write_harmony_index(folder / "Index.xml", ["A01", "P24"], dyes, planes=2, plates=["BR7"], version=7)
    for well, channel, plane in (("A01", 1, 1), ("A01", 1, 2), ("A01", 2, 1), ("A01", 2, 2)):
        tifffile.imwrite(folder / harmony_name(well, 1, channel, plane), draw_nuclei())
    config, rows, tasks = make(tmp_path / "in", tmp_path)
    assert (rows[0]["plate"], rows[0]["plate_map"]) == ("BR7", "plate_map_384_wells.tsv")
    assert config["images"] | {"bad_sites": ""} == {
        "pattern": "index",
        "project": "max",
        "bad_sites": "",
        "pixel_size": 0.5,
    }
    assert config["assay"]["channels"] == [
        {"name": "DNA", "stain": "HOECHST 33342", "image": "HOECHST 33342"},
        {"name": "Brightfield", "stain": "", "image": "Brightfield"},
    ]
    assert any("images.project: each image has up to 2 planes" in task for task in tasks)


def test_plates_of_imagexpress_share_a_folder(tmp_path):
    for plate in ("E1", "E2"):
        write_htd(tmp_path / "in" / f"{plate}.HTD", ["A01", "B02"], ["DAPI", "FITC"])
        write_plate(tmp_path / "in" / "TimePoint_1", plate + "_{well}_w{channel}.tif", kind=draw_nuclei())
    config, rows, _ = make(tmp_path / "in", tmp_path)
    assert [(row["plate"], Path(row["images"]).name) for row in rows] == [("E1", "E1.HTD"), ("E2", "E2.HTD")]
    assert [channel["name"] for channel in config["assay"]["channels"]] == ["DNA", "FITC"]
    assert rows[0]["plate_map"] == "plate_map_6_wells.tsv"
    images = Path(rows[0]["images"])
    assert "TimePoint_1/E1_A01_w1.tif" in list_images(images, "index")
    for file in (tmp_path / "in" / "TimePoint_1").iterdir():
        tifffile.imwrite(file, RANDOM.integers(0, 999, (40, 40)).astype(np.uint16))
    table, faults = load_data(images, rows[0], {"DAPI": "DNA", "FITC": "FITC"}, "index", "error", 2)
    assert (len(table), faults) == (2, [])


def test_files_with_several_channels_and_zarr(tmp_path):
    pixels = np.array([draw_nuclei(), draw_nuclei()])
    write_ome_tiff(tmp_path / "ome" / "a01.ome.tif", pixels, "CYX", ["DAPI", "GFP"])
    config, _, _ = make(tmp_path / "ome", tmp_path / "1")
    assert config["images"]["channels_in"] == "files"
    assert [channel["image"] for channel in config["assay"]["channels"]] == ["DAPI", "GFP"]
    write_ome_zarr(tmp_path / "in" / "P9.ome.zarr", {"A01": {"0": pixels}}, ["DAPI", "GFP"], "0.5")
    config, rows, _ = make(tmp_path / "in", tmp_path / "2")
    assert (config["images"]["pattern"], rows[0]["plate"]) == ("ome-zarr", "P9")
    assert [channel["name"] for channel in config["assay"]["channels"]] == ["DNA", "GFP"]


def test_one_channel(tmp_path):
    folder = write_plate(tmp_path / "P", "{well}.tif", channels=(1,), kind=draw_nuclei())
    config, _, _ = make(folder, tmp_path)
    assert [channel["image"] for channel in config["assay"]["channels"]] == ["1"]


def test_the_plate_map_has_all_wells_of_the_format(tmp_path):
    folder = write_plate(tmp_path / "P", "{well}_w{channel}.tif", wells=("A01", "AF48"), kind=draw_nuclei())
    make(folder, tmp_path)
    with (tmp_path / "experiment" / "plate_map_1536_wells.tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert len(rows) == 1536
    assert rows[-1] == {"well_position": "AF48", "broad_sample": "", "control_type": "", "imaged": "yes"}


@pytest.mark.parametrize(
    ("wells", "known", "shape", "is_guessed"),
    [
        (["A01", "B03"], (0, 0), (8, 12), True),
        (["A01", "D06"], (16, 24), (16, 24), False),
        (["A01", "P24"], (8, 12), (16, 24), True),
        (["A01", "A02", "A03", "B01", "B02", "B03"], (0, 0), (2, 3), True),
        (["I01"], (0, 0), (16, 24), True),
        (["Q01"], (0, 0), (32, 48), True),
    ],
)
def test_the_format_of_a_plate_is_known_or_a_usual_one(wells, known, shape, is_guessed):
    assert find_format(wells, known) == (shape, is_guessed)


def test_a_guessed_format_is_shared_and_reported(tmp_path):
    write_plate(tmp_path / "in" / "P1", "{well}_w{channel}.tif", kind=draw_nuclei())
    write_plate(tmp_path / "in" / "P2", "{well}_w{channel}.tif", wells=("A01", "P24"), kind=draw_nuclei())
    _, rows, tasks = make(tmp_path / "in", tmp_path)
    assert {row["plate_map"] for row in rows} == {"plate_map_384_wells.tsv"}
    assert any("the plate format (384 wells) was guessed" in task for task in tasks)


def test_uniform_images_are_not_taken_for_stains(tmp_path):
    folder = write_plate(tmp_path / "P", "{well}_ch{channel}.tif", channels=(1,), kind=draw_nuclei())
    light = RANDOM.integers(19000, 21000, (120, 120)).astype(np.uint16)
    write_plate(folder, "{well}_ch{channel}.tif", channels=(2,), kind=light)
    config, _, tasks = make(folder, tmp_path)
    assert config["assay"]["nuclei"]["channel"] == "Channel1"
    assert any("the images of Channel2 are uniform" in task for task in tasks)


def test_no_file_is_overwritten(tmp_path):
    folder = write_plate(tmp_path / "P", "{well}_w{channel}.tif", kind=draw_nuclei())
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "plates.tsv").write_text("mine")
    with pytest.raises(InputError, match=r"already has plates\.tsv, which this command did not write"):
        make(folder, tmp_path)
    assert [path.name for path in (tmp_path / "experiment").iterdir()] == ["plates.tsv"]
    assert (tmp_path / "experiment" / "plates.tsv").read_text() == "mine"


def test_nothing_recognized_names_what_was_seen(tmp_path):
    folder = write_plate(tmp_path / "P", "IMG_{site}.tif", sites=(1, 2))
    with pytest.raises(InputError, match=r"2 image files were not recognized \(IMG_1\.tif, IMG_2\.tif\)"):
        survey(folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"0 image files were not recognized \(no file\)"):
        survey(tmp_path / "empty")
    with pytest.raises(InputError, match="does not exist"):
        survey(tmp_path / "none")


def test_cameras_of_12_bits_are_reported(tmp_path):
    folder = write_plate(tmp_path / "P", "{well}_w{channel}.tif", kind=np.minimum(draw_nuclei() * 2, 4095))
    _, _, tasks = make(folder, tmp_path)
    assert any("a camera of 12 bits; set it to 4095" in task for task in tasks)


def test_names_of_channels():
    painted = ["HOECHST 33342", "Alexa 488", "Alexa 568", "488 long", "Alexa 647", "Brightfield"]
    named = name_channels([Channel(name, name) for name in painted])
    assert list(named.values()) == ["DNA", "ER", "AGP", "RNA", "Mito", "Brightfield"]
    few = name_channels([Channel("DAPI"), Channel("Alexa 488"), Channel("01"), Channel("alexa-488")])
    assert list(few.values()) == ["DNA", "Alexa488", "Channel1", "alexa488"]


def test_names_of_plates():
    assert get_plate_name(Path("/x/BR1__2024-05-06T01_02_03-Measurement 1/Images")) == "BR1"
    assert get_plate_name(Path("/x/Müller 7/TimePoint_1")) == "M_ller_7"


def test_the_request_on_the_command_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = {"images": "a/b", "plates": "p.tsv"}
    folders = {"images": f"{tmp_path}/a/b", "experiment": f"{tmp_path}/experiments/b"}
    assert read_draft_request(config) == folders
    assert config == {"plates": "p.tsv"}
    assert read_draft_request({"images": {"pattern": "phenix"}}) == {}
    with pytest.raises(InputError, match="a folder on this machine"):
        read_draft_request({"images": "s3://bucket/plate"})


@pytest.mark.data
def test_published_plates(shared, tmp_path):
    with tarfile.open(shared / "bbbc013_plate" / "images.tar.xz") as archive:
        archive.extractall(tmp_path / "bbbc013", filter="data")
    config, rows, _ = make(tmp_path / "bbbc013", tmp_path)
    assert config["assay"]["nuclei"]["channel"] == "Channel2"
    assert (rows[0]["plate"], rows[0]["plate_map"]) == ("bbbc013", "plate_map_96_wells.tsv")
    config, _, _ = make(shared / "cpjump1" / "images", tmp_path / "2")
    assert (config["images"]["pattern"], config["assay"]["nuclei"]["channel"]) == ("phenix", "Channel5")


# --- datasets of the Gallery -----------------------------------------------------------------------


def write_dataset(folder: Path, table: str) -> Path:
    """A dataset of one batch with two plates."""
    maps = folder / "workspace" / "metadata" / "platemaps" / "2024_B1"
    (maps / "platemap").mkdir(parents=True)
    barcodes = "Assay_Plate_Barcode,Plate_Map_Name\nBR1,T1_crispr_platemap\nBR2,T1_crispr_platemap\n"
    (maps / "barcode_platemap.csv").write_text(barcodes)
    (maps / "platemap" / "T1_crispr_platemap.txt").write_text("well_position\tbroad_sample\nA01\tx\n")
    for plate in ("BR1", "BR2"):
        (folder / "images" / "2024_B1" / "images" / f"{plate}__2024-Measurement 1").mkdir(parents=True)
        tables = folder / "workspace" / "load_data_csv" / "2024_B1" / plate
        tables.mkdir(parents=True)
        (tables / "load_data.csv").write_text(table)
    return folder


def test_a_dataset_with_urls(tmp_path):
    table = "URL_OrigDNA,URL_OrigER,Metadata_Well\ns3://b/r01c01f01p01-ch5sk1fk1fl1.tiff,s3://b/x.tiff,A01\n"
    dataset = write_dataset(tmp_path / "in", table)
    draft.draft_dataset(str(dataset), "2024_B1", tmp_path / "out", 2)
    rows = read_plates(tmp_path / "out" / "plates.tsv", {})
    assert [(row["batch"], row["plate"], row["perturbation"]) for row in rows] == [
        ("2024_B1", "BR1", "crispr"),
        ("2024_B1", "BR2", "crispr"),
    ]
    assert rows[0]["images"] == f"{dataset}/workspace/load_data_csv/2024_B1/BR1/load_data.csv"
    assert Path(rows[0]["plate_map"]).is_file()
    config = yaml.safe_load((tmp_path / "out" / "config.yaml").read_text())
    complete_config(config, tmp_path / "config.yaml")
    assert [channel["name"] for channel in config["assay"]["channels"]] == ["DNA", "ER"]


def test_a_dataset_with_paths_of_another_machine(tmp_path):
    table = "FileName_OrigDNA,PathName_OrigDNA,Metadata_Well\nr01c01f01p01-ch5sk1fk1fl1.tiff,/home/x,A01\n"
    dataset = write_dataset(tmp_path / "in", table)
    draft.draft_dataset(str(dataset), "", tmp_path / "out", 2)
    rows = read_plates(tmp_path / "out" / "plates.tsv", {})
    assert rows[1]["images"] == f"{dataset}/images/2024_B1/images/BR2__2024-Measurement 1"
    config = yaml.safe_load((tmp_path / "out" / "config.yaml").read_text())
    assert config["assay"]["channels"] == [{"name": "DNA", "stain": "", "image": "5"}]


def test_what_is_not_a_dataset(tmp_path):
    with pytest.raises(InputError, match=r"has no B2/barcode_platemap\.csv"):
        draft.draft_dataset(str(write_dataset(tmp_path / "in", "")), "B2", tmp_path / "out", 2)
    with pytest.raises(InputError, match="add fetch=true"):
        read_draft_request({"dataset": "s3://bucket/project/source"})
    request = read_draft_request({"dataset": "s3://bucket/project/source/", "fetch": True, "batch": "B"})
    assert (request["dataset"], request["batch"]) == ("s3://bucket/project/source", "B")


def test_a_plate_without_its_map_is_left_out_and_reported(tmp_path):
    dataset = write_dataset(tmp_path / "in", "")
    folder = dataset / "workspace/metadata/platemaps/2024_B1"
    text = (folder / "barcode_platemap.csv").read_text()
    (folder / "barcode_platemap.csv").write_text(text + "BR3,lost\nBR1,T1_crispr_platemap\n")
    tables = dataset / "workspace/metadata/external_metadata"
    tables.mkdir()
    (tables / "reagents.tsv").write_text("broad_sample\tgene\n")
    tasks = draft.draft_dataset(str(dataset), "", tmp_path / "out", 2)
    assert [row["plate"] for row in read_plates(tmp_path / "out" / "plates.tsv", {})] == ["BR1", "BR2"]
    assert "plates.tsv lacks 1 plate of the dataset, without a plate map in it: BR3 (lost)." in tasks
    assert any("workspace/metadata/external_metadata/reagents.tsv" in task for task in tasks)
    (folder / "platemap" / "T1_crispr_platemap.txt").unlink()
    with pytest.raises(InputError, match="none of the plates has its plate map: BR1 "):
        draft.draft_dataset(str(dataset), "", tmp_path / "out2", 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Plate,Map\nBR1,x\n", "lacks the columns Assay_Plate_Barcode, Plate_Map_Name"),
        ("Assay_Plate_Barcode,Plate_Map_Name\nBR1,x\nBR1,y\n", "gives the plate BR1 two plate maps, x and y"),
    ],
)
def test_a_barcode_table_that_cannot_be_used(tmp_path, text, message):
    dataset = write_dataset(tmp_path / "in", "")
    (dataset / "workspace/metadata/platemaps/2024_B1/barcode_platemap.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        draft.draft_dataset(str(dataset), "", tmp_path / "out", 2)


def test_plates_with_blanks_and_compressed_tables(tmp_path):
    """The sample sheet has other names than the dataset, and images are found by the dataset's."""
    dataset = write_dataset(tmp_path / "in", "")
    maps = dataset / "workspace/metadata/platemaps/2024_B1"
    rows = (
        "Assay_Plate_Barcode , Plate_Map_Name\nPlate 1,T1_crispr_platemap.txt\nPlate 10,T1_crispr_platemap\n"
    )
    (maps / "barcode_platemap.csv").write_text(rows)
    head = "URL_OrigDNA,URL_OrigBrightfield_H,Metadata_Plate,Metadata_Well,Metadata_Site\n"
    for plate in ("Plate 1", "Plate 10"):
        folder = dataset / "workspace/load_data_csv/2024_B1" / plate
        folder.mkdir()
        with gzip.open(folder / "load_data.csv.gz", "wt") as file:
            file.write(head + f"s3://b/p q/{plate}/a_1.tif,s3://b/p q/{plate}/a_2.tif,{plate},a1,1\n")
    for plate in ("BR1", "BR2"):
        (dataset / f"workspace/load_data_csv/2024_B1/{plate}/load_data.csv").unlink()
    draft.draft_dataset(str(dataset), "", tmp_path / "out", 2)
    found = read_plates(tmp_path / "out" / "plates.tsv", {})
    assert [row["plate"] for row in found] == ["Plate_1", "Plate_10"]
    assert found[0]["images"].endswith("2024_B1/Plate 1/load_data.csv.gz")
    config = yaml.safe_load((tmp_path / "out" / "config.yaml").read_text())
    complete_config(config, tmp_path / "config.yaml")
    assert [channel["name"] for channel in config["assay"]["channels"]] == ["DNA", "Brightfield_H"]
    columns, rows = read_image_table(Path(found[0]["images"]))
    assert len(take_rows_of_plate(Path("x"), columns, rows, "Plate_1")) == 1
    assert rows[0]["PathName_OrigDNA"] == "s3://b/p q/Plate 1"


def test_images_of_a_dataset_on_disk_are_taken_from_there(tmp_path):
    """Its image tables name addresses; BR1 and BR10 are two plates."""
    table = "URL_OrigDNA,Metadata_Well\ns3://b/r01c01f01p01-ch5sk1fk1fl1.tiff,A01\n"
    dataset = write_dataset(tmp_path / "in", table)
    (dataset / "images/2024_B1/images/BR10__2024-Measurement 1").mkdir()
    draft.draft_dataset(str(dataset), "", tmp_path / "out", 2)
    rows = read_plates(tmp_path / "out" / "plates.tsv", {})
    assert rows[0]["images"] == f"{dataset}/images/2024_B1/images/BR1__2024-Measurement 1"


def test_numbers_that_may_be_channels_or_sites_are_asked_about(tmp_path):
    write_plate(tmp_path / "BR9", "{well}_{site}_{channel}.tif", sites=(1, 2, 3))
    config, _, tasks = make(tmp_path / "BR9", tmp_path)
    assert [channel["image"] for channel in config["assay"]["channels"]] == ["1", "2"]
    asked = (
        "what their numbers are; 1, 2 are taken for the channels. If all pictures on this page show one stain"
    )
    assert any(asked in task for task in tasks)
    for number, form in enumerate(
        (
            "{well}_s{site}_w{channel}.tif",
            "{well}_Channel_{channel}_Site_{site}.tif",
            "Channel {channel} {well} {site}.tif",
        )
    ):
        write_plate(tmp_path / f"C{number}", form, sites=(1, 2, 3))
        tasks = make(tmp_path / f"C{number}", tmp_path / f"to_{number}")[2]
        assert not any("what their numbers are" in task for task in tasks)


def test_channels_whose_names_have_different_separators(tmp_path):
    write_plate(tmp_path / "BR9", "{well}_{site}_{channel}.tif", channels=("DAPI", "Alexa_488"), sites=(1, 2))
    config, _, tasks = make(tmp_path / "BR9", tmp_path)
    assert [channel["image"] for channel in config["assay"]["channels"]] == ["DAPI", "Alexa_488"]
    assert not any("not used" in task for task in tasks)


def test_an_image_that_cannot_be_read_is_named(tmp_path):
    folder = tmp_path / "BR9"
    folder.mkdir()
    for well in ("A01", "A02"):
        tifffile.imwrite(folder / f"{well}_DAPI.tif", np.zeros((8, 6, 3), np.uint8), photometric="rgb")
    with pytest.raises(InputError, match=r"A01_DAPI\.tif is in color \(YXS, \(8, 6, 3\)\): write one"):
        survey(folder)
