"""Object storage: images, tables and files read from a real S3 server on loopback, results written to it."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile

import load_data
from lib import crops, image_changes, object_storage, pictures
from lib.errors import InputError
from lib.image_changes import get_stored_contents, write_digests
from lib.image_names import PHENIX
from lib.plates import read_plates
from object_storage import KEYS, Broken, breaking_proxy, put, put_folder

pytestmark = pytest.mark.unit

CHANNELS = {"1": "Mito", "5": "DNA"}
PLATE = {"batch": "B1", "plate": "P1"}


def through(proxy: str, monkeypatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy)
    object_storage.get_client.cache_clear()


def test_an_object_is_read_whole(storage_client):
    assert (
        object_storage.fetch_content(put(storage_client, "s3://one/a folder/ü+%.bin", b"12345")) == b"12345"
    )


def test_one_that_is_not_there_is_named(storage_client):
    put(storage_client, "s3://one/here")
    with pytest.raises(InputError, match=r"s3://one/gone.tiff does not exist \(any more\)"):
        object_storage.fetch_content("s3://one/gone.tiff")
    with pytest.raises(InputError, match="s3://nowhere/x does not exist"):
        object_storage.fetch_content("s3://nowhere/x")
    with pytest.raises(InputError, match="is not an address of S3 storage"):
        object_storage.fetch_content("https://one/x")


def test_one_that_may_not_be_read_is_named(storage_client):
    address = put(storage_client, "s3://one/secret", access="private")
    with pytest.raises(InputError, match=r"s3://one/secret was denied \(403\). Set credentials"):
        object_storage.fetch_content(address)


@pytest.mark.parametrize("how", ["cut", "change", "busy"])
def test_a_transfer_that_breaks_once_is_tried_again(storage_client, storage_server, monkeypatch, how):
    content = bytes(range(256)) * 4000
    address = put(storage_client, "s3://one/image.tiff", content)
    broken = Broken(".tiff", 1, how)
    with breaking_proxy(storage_server, broken) as proxy:
        through(proxy, monkeypatch)
        assert object_storage.fetch_content(address) == content
    assert broken.done == 1


@pytest.mark.parametrize("how", ["cut", "change", "busy"])
def test_one_that_always_breaks_is_reported(storage_client, storage_server, monkeypatch, how):
    address = put(storage_client, "s3://one/image.tiff", bytes(1000))
    broken = Broken(".tiff", 1000, how)
    with breaking_proxy(storage_server, broken) as proxy:
        through(proxy, monkeypatch)
        with pytest.raises(InputError, match=r"s3://one/image.tiff could not be fetched in 5 attempts"):
            object_storage.fetch_content(address)
    assert broken.done == object_storage.ATTEMPTS


def test_no_server_is_reported(storage_client, monkeypatch):
    through("http://127.0.0.1:9", monkeypatch)
    with pytest.raises(InputError, match=r"5 attempts; the last one: EndpointConnectionError"):
        object_storage.list_objects("s3://one/folder")


def test_the_gallery_is_read_without_credentials_and_others_with_them(storage_client, monkeypatch):
    from botocore import UNSIGNED

    assert object_storage.get_client("mine").meta.config.signature_version is UNSIGNED
    object_storage.get_client.cache_clear()
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    assert object_storage.get_client("mine").meta.config.signature_version != UNSIGNED
    assert object_storage.get_client("cellpainting-gallery").meta.config.signature_version is UNSIGNED


def test_the_time_stamp_in_a_folders_name_is_looked_up(storage_client):
    put(storage_client, "s3://stamps/images/P1__2020-11-08T18/Images/a.tiff")
    put(storage_client, "s3://stamps/images/P10__2020-11-08T19/Images/a.tiff")
    found = object_storage.resolve_address("s3://stamps/images/P1__*/Images/")
    assert found == "s3://stamps/images/P1__2020-11-08T18/Images/"
    assert object_storage.resolve_address("s3://stamps/as it is") == "s3://stamps/as it is"
    put(storage_client, "s3://stamps/images/P1__2020-11-09T18/Images/a.tiff")
    with pytest.raises(InputError, match="matches 2 folders"):
        object_storage.resolve_address("s3://stamps/images/P1__*/Images/")
    with pytest.raises(InputError, match=r"matches 0 folders \(none\)"):
        object_storage.resolve_address("s3://stamps/images/P3__*/Images/")


def test_a_folder_is_fetched_as_far_as_it_is_wanted(storage_client, tmp_path):
    for name in ("a/Cells.csv", "a/outlines.png", "b/Cells.csv", "b/"):
        put(storage_client, f"s3://tables/plate/{name}", name.encode())
    put(storage_client, "s3://tables/plate2/Cells.csv")
    taken = object_storage.fetch_folder("s3://tables/plate", tmp_path, lambda name: name.endswith(".csv"), 2)
    assert taken == 2
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")) == [
        "a/Cells.csv",
        "b/Cells.csv",
    ]
    with pytest.raises(InputError, match="contains none of the expected objects"):
        object_storage.fetch_folder("s3://tables/plate", tmp_path, lambda name: False, 2)


def test_no_object_is_written_outside_the_folder(storage_client, tmp_path):
    put(storage_client, "s3://evil/plate/../../Cells.csv")
    with pytest.raises(InputError, match="would be written outside its folder"):
        object_storage.fetch_folder("s3://evil/plate", tmp_path / "in" / "here", lambda name: True, 1)
    assert not list(tmp_path.rglob("Cells.csv"))


# --- a plate's images ---------------------------------------------------------------------------


def write_images(folder: Path) -> Path:
    """Two wells of two sites and two channels."""
    folder.mkdir(parents=True)
    for number, well in enumerate(("r01c01", "r02c10")):
        for field in ("01", "02"):
            for channel in CHANNELS:
                seed = [number, int(field), int(channel)]
                image = np.random.default_rng(seed).integers(0, 500, (64, 48)).astype(np.uint16)
                tifffile.imwrite(folder / f"{well}f{field}p01-ch{channel}sk1fk1fl1.tiff", image)
    return folder


def read(images, bad_sites="error"):
    return load_data.load_data(images, PLATE, CHANNELS, "phenix", bad_sites, threads=2)


def test_images_in_storage_are_listed_as_a_folders_are(storage_client, tmp_path):
    folder = write_images(tmp_path / "images")
    put_folder(storage_client, folder, "s3://images/P1__stamp/Images")
    here, _ = read(folder)
    there, faults = read("s3://images/P1__*/Images/")
    assert faults == []
    assert set(there["PathName_OrigDNA"]) == {"s3://images/P1__stamp/Images"}
    paths = [name for name in here if name.startswith("PathName_")]
    assert len(paths) == 2
    assert here.drop(columns=paths).equals(there.drop(columns=paths))


def test_what_a_listing_shows_to_be_wrong_is_reported(storage_client, tmp_path):
    folder = write_images(tmp_path / "images")
    (folder / "r01c01f01p01-ch1sk1fk1fl1.tiff").unlink()
    (folder / "r01c01f02p01-ch5sk1fk1fl1.tiff").write_bytes(b"")
    (folder / "r02c10f02p01-ch5sk1fk1fl1.tiff").write_bytes(b"x" * 100)
    put_folder(storage_client, folder, "s3://faulty/P1")
    with pytest.raises(InputError) as error:
        read("s3://faulty/P1")
    message = str(error.value)
    assert "Plate P1: 3 faults" in message
    assert "well A01, site 1: has no image of channel Mito" in message
    assert "well A01, site 2: s3://faulty/P1/r01c01f02p01-ch5sk1fk1fl1.tiff is empty (0 bytes)" in message
    assert "ch5sk1fk1fl1.tiff has 100 bytes; half of the plate's images of DNA have" in message
    table, faults = read("s3://faulty/P1", "drop")
    assert table["Metadata_Well"].tolist() == ["B10"]
    assert len(faults) == 3
    with pytest.raises(InputError, match="there is no object below s3://faulty/P2/"):
        read("s3://faulty/P2/")


def test_pixels_of_a_few_images_are_checked(storage_client, tmp_path):
    """Signed pixels, black channels and one image under two names, none of which a listing's sizes show."""
    folder = write_images(tmp_path / "images")
    for path in folder.glob("*ch5*"):
        tifffile.imwrite(path, tifffile.imread(path).astype(np.int16) - 500)
    put_folder(storage_client, folder, "s3://signed/P1")
    with pytest.raises(InputError, match=r"channel DNA \(4\) holds signed numbers of the type int16"):
        read("s3://signed/P1", "drop")
    again = write_images(tmp_path / "again")
    shutil.copy(again / "r01c01f01p01-ch1sk1fk1fl1.tiff", again / "r02c10f01p01-ch1sk1fk1fl1.tiff")
    put_folder(storage_client, again, "s3://twice/P1")
    with pytest.raises(InputError, match=r"same bytes as r02c10f01p01-ch1sk1fk1fl1\.tiff, the image of"):
        read("s3://twice/P1")


def test_a_black_channel_is_reported(storage_client, tmp_path, caplog):
    folder = write_images(tmp_path / "images")
    for path in folder.glob("*ch5*"):
        tifffile.imwrite(path, np.zeros((64, 48), np.uint16))
    put_folder(storage_client, folder, "s3://black/P1")
    assert read("s3://black/P1")[1] == []
    assert "plate P1: images of channel DNA hold one value" in caplog.text


def test_a_replaced_object_is_a_change_and_only_then(storage_client, tmp_path):
    """As in a folder: the plan after a repair differs, and stays as it is once the image is measured."""
    folder = write_images(tmp_path / "images")
    put_folder(storage_client, folder, "s3://changes/P1")
    record, seen = tmp_path / "digests.csv", tmp_path / "seen.json"

    def look(asked=True):
        return get_stored_contents("s3://changes/P1/", PHENIX, record, seen, asked)

    assert look(asked=False) == ""
    first = look()
    write_digests("s3://changes/P1/", PHENIX, record, 1)
    assert look() == look(asked=False) == first
    name = "r02c10f02p01-ch5sk1fk1fl1.tiff"
    before = (folder / name).read_bytes()
    put(storage_client, f"s3://changes/P1/{name}", before + b"more")
    changed = look()
    assert changed != first
    write_digests("s3://changes/P1/", PHENIX, record, 1)
    assert look() == look(asked=False) == changed
    put(storage_client, f"s3://changes/P1/{name}", before)
    assert look() == first
    storage_client.delete_object(Bucket="changes", Key=f"P1/{name}")
    assert look() not in (first, changed)


def test_a_server_that_does_not_answer_changes_nothing_and_is_asked_once(
    storage_client, tmp_path, monkeypatch
):
    put_folder(storage_client, write_images(tmp_path / "images"), "s3://silent/P1")
    record, seen = tmp_path / "digests.csv", tmp_path / "seen.json"
    monkeypatch.setattr(image_changes, "FAILED", set())
    first = get_stored_contents("s3://silent/P1", PHENIX, record, seen, True)
    asked = []

    def silent(*_):
        asked.append(1)
        raise InputError("silent")

    monkeypatch.setattr(object_storage, "list_entries", silent)
    for _ in range(2):
        assert get_stored_contents("s3://silent/P1", PHENIX, record, seen, True) == first
    assert len(asked) == 1


def test_a_load_data_csv_may_name_objects(storage_client, tmp_path):
    put_folder(storage_client, write_images(tmp_path / "images"), "s3://listed/P1")
    table, _ = read("s3://listed/P1")
    table.to_csv(tmp_path / "load_data.csv", index=False)
    again, faults = read(tmp_path / "load_data.csv")
    assert faults == []
    assert again.equals(table)
    gone = table["FileName_OrigDNA"][0]
    storage_client.delete_object(Bucket="listed", Key=f"P1/{gone}")
    with pytest.raises(InputError, match=f"s3://listed/P1/{gone} does not exist"):
        read(tmp_path / "load_data.csv")


def test_a_web_address_is_not_a_folder_of_images(write_table):
    columns = ["batch", "plate", "plate_map", "perturbation", "cell_line", "timepoint", "images"]
    row = ["B", "P", "map.txt", "compound", "U2OS", "48", "https://example.org/plate/"]
    with pytest.raises(InputError, match="cannot be listed: give a folder, an s3:// address, or"):
        read_plates(write_table("plates.tsv", [columns, row]), [])
    row[-1] = "https://example.org/plate/load_data.csv"
    assert len(read_plates(write_table("plates.tsv", [columns, row]), [])) == 1


def test_pictures_and_crops_read_images_in_storage(storage_client, tmp_path):
    folder = write_images(tmp_path / "images")
    put_folder(storage_client, folder, "s3://pictures/P1")
    name = "r02c10f02p01-ch5sk1fk1fl1.tiff"
    for module in (pictures, crops):
        there = module.read_image(Path("s3://pictures/P1", name))
        assert np.array_equal(there, module.read_image(folder / name))
        with pytest.raises(InputError, match=r"s3://pictures/P1/none.tiff does not exist"):
            module.read_image(Path("s3://pictures/P1", "none.tiff"))
