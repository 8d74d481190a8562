"""Whole experiments whose inputs and results are in object storage, a real S3 server of this machine."""

import csv
import io
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from object_storage import KEYS, Broken, breaking_proxy, objects, put, put_folder, s3, s3_server
from small_experiment import results, write_experiment
from workflow import PROJECT, planned, snakemake

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def server():
    with s3_server() as address:
        yield address


@pytest.fixture
def client(server, monkeypatch):
    """A client that writes; the workflow reads without credentials."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    return s3(server)


def test_published_tables_and_files_come_from_storage(client, server, tmp_path, monkeypatch):
    """The tables of a plate are fetched, joined and dropped; nothing without `fetch: true`."""
    here = write_experiment(tmp_path / "here")
    there = write_experiment(tmp_path / "there")
    (there.parent / "tables" / "P1" / "A01-1" / "outlines.png").write_bytes(b"no table")
    put_folder(client, there.parent / "tables", "s3://published/tables")
    for name in ("plate_map.txt", "reagents.tsv"):
        put(client, f"s3://published/{name}", (there.parent / name).read_bytes())
        (there.parent / name).unlink()
    shutil.rmtree(there.parent / "tables")
    config = yaml.safe_load(there.read_text())
    config["annotation"]["compound"]["table"] = "s3://published/reagents.tsv"
    there.write_text(yaml.safe_dump(config))
    sheet = there.parent / "plates.tsv"
    text = sheet.read_text().replace("plate_map.txt", "s3://published/plate_map.txt")
    sheet.write_text(text.replace("tables/", "s3://published/tables/"))

    monkeypatch.delenv("AWS_ENDPOINT_URL")
    jobs = planned("--configfile", there)  # no server is asked
    assert jobs["fetch_tables"] == 3
    assert jobs["fetch_file"] == 2
    refused = snakemake("--configfile", there, "--config", "only=P1", check=False)
    assert refused.returncode
    assert "is not fetched: set fetch: true in the config, or add --config fetch=true" in refused.stdout

    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    snakemake("--configfile", there, "--config", "only=P1", "fetch=true")
    snakemake("--configfile", here, "--config", "only=P1")
    found, expected = results(there.parent), results(here.parent)
    assert len(expected) > 8
    assert not apart(found, expected)
    assert not list((there.parent / "results" / "workspace").glob("fetched_tables/*/*"))
    # What was fetched stays when the key is gone again.
    assert not planned("--configfile", there, "--config", "only=P1")


def apart(found: dict[str, bytes], expected: dict[str, bytes]) -> list[str]:
    """The files whose bytes differ; of profiles and scores, whose metadata name inputs, whose tables do."""

    def same(name: str) -> bool:
        if name.startswith(("workspace/profiles/", "benchmark/")) and name.endswith(".parquet"):
            mine, other = (pq.read_table(io.BytesIO(held[name])) for held in (found, expected))
            return mine.equals(other)
        return found[name] == expected[name]

    return [name for name in expected if name not in found or not same(name)]


def test_the_default_experiment_from_storage_to_storage(
    default_results, client, server, tmp_path, monkeypatch
):
    """Images, plate maps and annotation come from S3, all results go there; a transfer breaks once midway.

    The bytes are those of the local run; then an image disappears, and the job says which.
    """
    config = stored_experiment(client, default_results, tmp_path)
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    arguments = ["--configfile", config, "--config", "fetch=true"]
    arguments += ["--default-storage-provider", "s3", "--default-storage-prefix", "s3://results/default"]
    arguments += ["--local-storage-prefix", tmp_path / "local"]
    broken = Broken("ch5sk1fk1fl1.tiff", 1, "cut")
    with breaking_proxy(server, broken) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy)
        said = snakemake(*arguments).stdout
    assert broken.done == 1, said
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    assert not planned(*arguments)
    assert not list((tmp_path / "local").rglob("*.tiff"))

    found = objects(client, "s3://results/default")
    compared = [
        name
        for name in found
        if name.endswith((".parquet", ".csv", ".npy"))
        and "/load_data" not in name
        and name.startswith(
            ("workspace/profiles", "workspace/backend", "workspace/quality", "images/", "benchmark/")
        )
    ]
    assert len(compared) > 100, compared
    assert {"benchmark/percent_replicating.csv", "benchmark/percent_matching.csv"} <= set(compared)
    assert not [name for name in compared if not found[name]]
    assert not apart(found, {name: (default_results / name).read_bytes() for name in compared})
    page, local = found["report/report.html"].decode(), (default_results / "report/report.html").read_text()
    assert page.count("<img") == local.count("<img") > 50
    assert page.count("<tr") > local.count("<tr") / 2, "it lacks run times and what was made of single cells"

    plate = "COMPOUND1"
    table = found[f"workspace/load_data_csv/simulated/{plate}/load_data.csv"].decode().splitlines()
    gone = list(csv.DictReader(table))[3]["FileName_OrigRNA"]
    client.delete_object(Bucket="images", Key=f"{plate}/{gone}")
    again = ["--config", "fetch=true", f"only={plate}", "--forcerun", "features", "--retries", "0"]
    failed = snakemake(*arguments, *again, check=False)
    assert failed.returncode
    assert f"s3://images/{plate}/{gone} does not exist (any more)" in failed.stdout


def stored_experiment(client, default_results: Path, folder: Path) -> Path:
    """The default experiment with its images, plate maps and annotation in storage."""
    for plate in sorted((default_results / "images" / "simulated" / "images").iterdir()):
        put_folder(client, plate, f"s3://images/{plate.name}")
    put_folder(client, PROJECT / "metadata", "s3://metadata/simulated")
    config = yaml.safe_load((PROJECT / "config" / "config.yaml").read_text())
    del config["simulate"]
    for described in config["annotation"].values():
        described["table"] = described["table"].replace("../metadata", "s3://metadata/simulated")
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    with (PROJECT / "config" / "plates.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    for row in rows:
        row["plate_map"] = row["plate_map"].replace("../metadata", "s3://metadata/simulated")
        row["images"] = f"s3://images/{row['plate']}/"
    with (folder / "plates.tsv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return folder / "config.yaml"
