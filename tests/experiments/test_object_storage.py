"""Whole experiments whose inputs and results are in object storage, a real S3 server of this machine."""

import csv
import io
import shutil
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

import small_images
from object_storage import KEYS, Broken, breaking_proxy, objects, put, put_folder
from small_experiment import results, write_experiment
from workflow import PROJECT, planned, snakemake

pytestmark = pytest.mark.cluster


def test_published_tables_and_files_come_from_storage(storage_client, storage_server, tmp_path, monkeypatch):
    """The tables of a plate are fetched, joined and dropped; nothing without `fetch: true`."""
    here = write_experiment(tmp_path / "here")
    there = write_experiment(tmp_path / "there")
    (there.parent / "tables" / "P1" / "A01-1" / "outlines.png").write_bytes(b"no table")
    put_folder(storage_client, there.parent / "tables", "s3://published/tables")
    for name in ("plate_map.txt", "reagents.tsv"):
        put(storage_client, f"s3://published/{name}", (there.parent / name).read_bytes())
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

    monkeypatch.setenv("AWS_ENDPOINT_URL", storage_server)
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


@dataclass(frozen=True)
class Run:
    """An experiment that starts with images and was run on this disk.

    Parameters
    ----------
    config, results
        Its config file and the folder of its results.
    plate
        One of its plates.
    addresses
        For each text of the config and the sample sheet that is a path of inputs, the folder or file that it
        names and its address in storage.
    targets
        What is asked for; everything where it is empty.
    tables
        How many tables it has at the least.
    """

    config: Path
    results: Path
    plate: str
    addresses: dict[str, tuple[Path, str]]
    targets: tuple[str, ...]
    tables: int


@pytest.fixture
def small_run(tmp_path) -> Run:
    """One plate of six wells, to its normalized profiles and quality control."""
    config = small_images.write_experiment(tmp_path / "here")
    settings = yaml.safe_load(config.read_text()) | {"normalize": {"minimum_wells": 3}}
    config.write_text(yaml.safe_dump(settings))
    plate = small_images.PLATE
    targets = (
        f"workspace/profiles/B/{plate}/{plate}_normalized_negcon.parquet",
        f"workspace/quality_control/B/{plate}/flags.csv",
    )
    snakemake(*targets, "--configfile", config)
    addresses = {f"images/{plate}": (config.parent / "images" / plate, f"s3://images/{plate}/")}
    for name in ("plate_map.txt", "reagents.tsv"):
        addresses[name] = (config.parent / name, f"s3://metadata/{name}")
    return Run(config, config.parent / "results", plate, addresses, targets, tables=10)


@pytest.fixture
def default_run(default_results) -> Run:
    """The default experiment."""
    images = default_results / "images" / "simulated" / "images"
    addresses = {
        f"../results/default/images/simulated/images/{folder.name}": (folder, f"s3://images/{folder.name}/")
        for folder in sorted(images.iterdir())
    }
    addresses["../metadata"] = (PROJECT / "metadata", "s3://metadata/simulated")
    config = PROJECT / "config" / "config.yaml"
    return Run(config, default_results, "COMPOUND1", addresses, (), tables=100)


def move_to_storage(run: Run, storage_client, folder: Path) -> Path:
    """Copy the inputs of an experiment to storage, and write its config with their addresses to a folder."""
    settings = yaml.safe_load(run.config.read_text())
    settings.pop("simulate", None)
    config, sheet = yaml.safe_dump(settings), (run.config.parent / "plates.tsv").read_text()
    for path, (source, address) in run.addresses.items():
        if source.is_dir():
            put_folder(storage_client, source, address)
        else:
            put(storage_client, address, source.read_bytes())
        config, sheet = config.replace(path, address), sheet.replace(path, address)
    folder.mkdir()
    (folder / "config.yaml").write_text(config)
    (folder / "plates.tsv").write_text(sheet)
    return folder / "config.yaml"


@pytest.mark.parametrize("run", ["small_run", pytest.param("default_run", marks=pytest.mark.long)])
def test_an_experiment_from_storage_to_storage(
    run, request, storage_client, storage_server, tmp_path, monkeypatch
):
    """Images, plate maps and annotation come from S3, all results go there; a transfer breaks once midway.

    The bytes are those of the local run; then an image disappears, and the job names it.
    """
    run = request.getfixturevalue(run)
    config = move_to_storage(run, storage_client, tmp_path / "there")
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    arguments = [*run.targets, "--configfile", config, "--config", "fetch=true"]
    arguments += ["--default-storage-provider", "s3", "--default-storage-prefix", "s3://results/run"]
    arguments += ["--local-storage-prefix", tmp_path / "local"]
    broken = Broken("ch5sk1fk1fl1.tiff", 1, "cut")
    with breaking_proxy(storage_server, broken) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy)
        output = snakemake(*arguments).stdout
    assert broken.done == 1, output
    monkeypatch.setenv("AWS_ENDPOINT_URL", storage_server)
    assert not planned(*arguments)
    assert not list((tmp_path / "local").rglob("*.tiff"))

    found = objects(storage_client, "s3://results/run")
    parts = ("workspace/profiles", "workspace/backend", "workspace/quality", "images/", "benchmark/")
    compared = [
        name
        for name in found
        if name.endswith((".parquet", ".csv", ".npy")) and name.startswith(parts) and "/load_data" not in name
    ]
    assert len(compared) > run.tables, compared
    scores = [str(file.relative_to(run.results)) for file in (run.results / "benchmark").glob("*.csv")]
    assert set(scores) <= set(compared)
    assert not [name for name in compared if not found[name]]
    assert not apart(found, {name: (run.results / name).read_bytes() for name in compared})
    if not run.targets:
        page, local = found["report/report.html"].decode(), (run.results / "report/report.html").read_text()
        assert page.count("<img") == local.count("<img") > 50
        assert page.count("<tr") > local.count("<tr") / 2, (
            "it lacks run times and what became of single cells"
        )

    (table,) = [name for name in found if name.endswith(f"/{run.plate}/load_data.csv")]
    row = list(csv.DictReader(found[table].decode().splitlines()))[3]
    gone = row["FileName_OrigRNA"]
    storage_client.delete_object(Bucket="images", Key=f"{run.plate}/{gone}")
    again = ["--config", "fetch=true", f"only={run.plate}", "--forcerun", "features", "--retries", "0"]
    failed = snakemake(*arguments, *again, check=False)
    assert failed.returncode
    assert f"s3://images/{run.plate}/{gone} does not exist (any more)" in failed.stdout
