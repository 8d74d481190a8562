"""The documents agree with the workflow: links, files, messages, and examples, which are run unchanged."""

import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
import yaml

import small_images
from lib.config import complete_config
from lib.places import PLACES
from lib.plates import read_table
from lib.tables import get_features, read_profiles, read_provenance
from simulated_profiles import plates as simulated_plates
from small_experiment import write_experiment, write_rows
from workflow import PROJECT, copy_of_project, snakemake

pytestmark = pytest.mark.run

DOCUMENTS = [*(PROJECT / "docs").glob("*.md"), PROJECT / "README.md", PROJECT / "config" / "README.md"]
OUTPUTS = PROJECT / "docs" / "outputs.md"
# A file of an example, named before its block: `rules/x.smk`:
EXAMPLE = re.compile(r"^`([\w/]+\.\w+)`:\n\n```\w*\n(.*?)^```", re.M | re.S)


@pytest.mark.unit
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: file.name)
def test_links_between_documents_lead_somewhere(document):
    links = re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []


# --- outputs.md ----------------------------------------------------------------------------------


def documented() -> dict[str, re.Pattern[str]]:
    """The paths of outputs.md, each as the expression of the files that it names."""
    found = {}
    for line in OUTPUTS.read_text().splitlines():
        if not line.startswith("| `"):
            continue
        first, *others = re.findall(r"`([^`]+)`", line.split(" | ")[0])
        if "/" not in first:
            continue
        for path in (first, *(f"{first.rsplit('/', 1)[0]}/{name}" for name in others)):
            parts = re.split(r"(\{\w+\})", path.removesuffix("/"))
            kinds = {"{level}": r"\w+"}
            expression = "".join(
                kinds.get(part, "[^/]+") if part[:1] == "{" else re.escape(part) for part in parts
            )
            found[path] = re.compile(expression + ("(/.*)?" if path.endswith("/") else ""))
    return found


def outputs(*arguments: str | Path) -> set[str]:
    """Every file that the rules of an experiment write, whether it is there or not."""
    lines = snakemake("--summary", *arguments).stdout.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("output_file\t"))
    return {
        line.split("\t")[0] for line in lines[start + 1 :] if "\t" in line and "/.environments/" not in line
    }


RANKINGS = {
    "controls": {"positives": {"same": ["broad_sample"]}, "negatives": {"different": ["control_type"]}}
}


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> set[str]:
    """The files of the default experiment, and of one that asks for everything."""
    folder = tmp_path_factory.mktemp("everything") / "experiment"
    folder.mkdir()
    file = write_experiment(folder)
    config = yaml.safe_load(file.read_text())
    config |= {
        "spherize": {"enabled": True},
        "export": ["csv.gz", "h5ad"],
        "consensus": ["median", "mean", "modz"],
        "splits": {"random": {}},
        "dose_response": {"dose": "dose"},
        "benchmark": {**config["benchmark"], "known_pairs": ["plate_map.txt"], "rankings": RANKINGS},
    }
    file.write_text(yaml.safe_dump(config))
    # A chain's files on each plate are named after its steps; docs/chains.md describes them.
    composed = folder / "chains.yaml"
    composed.write_text(yaml.safe_dump(config | {"chains": {"ranks": ["rank_int"]}}))
    of_chains = {name for name in outputs("--configfile", composed) if "judged" in name or "/chains/" in name}
    images = small_images.write_experiment(folder.parent / "images")
    config = yaml.safe_load(images.read_text()) | {"embeddings": {"weights": "random"}}
    config["cell_quality"] = {"sets": ["large_nuclei"], "exclude_flagged": True}
    config |= {"crops": {}, "normalized_cells": {"formats": ["h5ad", "zarr"]}}
    config["spherize"] = {"enabled": True}
    config["gallery"] = {"prefix": "s3://bucket/dataset/source"}
    config["benchmark"]["feature_sets"] = ["normalized_feature_select_negcon_plate", "embeddings_spherized"]
    images.write_text(yaml.safe_dump(config))
    return (
        of_chains
        | outputs()
        | outputs("--configfile", file)
        | outputs("all", "segmentation_check", "gallery", "--configfile", images)
    )


def place_expressions() -> dict[str, re.Pattern[str]]:
    """The places of results, each as the expression of its files; a chain's suffix has dots and dashes."""
    found = {}
    for result, pattern in PLACES.items():
        parts = re.split(r"(\{\w+\})", pattern)
        kinds = {"{suffix}": r"\w*", "{kind}": r"[\w.]+"}
        found[result] = re.compile(
            "".join(kinds.get(part, "[^/]+") if part[:1] == "{" else re.escape(part) for part in parts)
        )
    return found


def test_every_output_has_a_place(written):
    expressions = place_expressions().values()
    assert [file for file in sorted(written) if not any(e.fullmatch(file) for e in expressions)] == []


def test_every_output_is_documented(written):
    patterns = documented().values()
    assert len(written) > 100
    unknown = [file for file in written if not any(pattern.fullmatch(file) for pattern in patterns)]
    assert sorted(unknown) == []


def test_every_documented_file_is_an_output(written):
    # None of these experiments has label images or more than 60 plates; the places of their files are known.
    places = {*PLACES.values()}
    idle = [
        path
        for path, pattern in documented().items()
        if not any(map(pattern.fullmatch, written)) and path.removesuffix("/") not in places
    ]
    assert idle == []


@pytest.mark.unit
def test_no_command_gives_its_target_to_an_option():
    """`--configfile` takes every word up to the next option for a config file."""
    documents = [PROJECT / "README.md", *PROJECT.glob("*/README.md"), *(PROJECT / "docs").glob("*.md")]
    lines = [line for file in documents for line in file.read_text().splitlines()]
    commands = [line for line in lines if line.startswith("    snakemake") and "--configfile" in line]
    assert len(commands) >= 10
    assert [line for line in commands if re.search(r"--configfile \S+ +(?!\S+\.yaml)[^- ]", line)] == []


# --- first_plate.md and troubleshooting.md -------------------------------------------------------


@pytest.mark.unit
def test_the_files_of_the_first_plate_are_right(tmp_path):
    blocks = re.findall(r"```(\w*)\n(.*?)```", (PROJECT / "docs" / "first_plate.md").read_text(), re.S)
    (config,) = [text for kind, text in blocks if kind == "yaml"]
    complete = complete_config(yaml.safe_load(config), "config.yaml")
    assert [channel["image"] for channel in complete["assay"]["channels"]] == list("54321")
    tables = [text for kind, text in blocks if not kind]
    read = []
    for number, text in enumerate(tables):
        (tmp_path / f"{number}.tsv").write_text(text)
        read.append(read_table(tmp_path / f"{number}.tsv"))
    assert [len(rows) for _, rows in read] == [2, 2, 1]
    assert read[1][1][0] == {"broad_sample": "DMSO", "gene": "", "control_type": "negcon"}
    assert read[2][0][-1] == "images"


@pytest.mark.unit
def test_messages_in_troubleshooting_are_those_of_the_workflow():
    files = [*(PROJECT / "scripts").rglob("*.py"), *(PROJECT / "rules").glob("*.smk")]
    source = "\n".join(file.read_text() for file in files)
    # A message over several lines of code is one message.
    source = re.sub(r'"\s*\n\s*(?:\+ )?f?"', "", source)
    checked = 0
    for line in (PROJECT / "docs" / "troubleshooting.md").read_text().splitlines():
        cells = line.split(" | ")
        for quoted in re.findall(r"`([^`]+ [^`]+)`", cells[0]) if len(cells) == 3 else []:
            for fragment in quoted.split("..."):
                words = fragment.strip(" ;?:")
                # What Snakemake says, and numbers that the config gives.
                if len(words) < 8 or "cannot be locked" in words or re.search(r"\d", words):
                    continue
                assert words in source, quoted
                checked += 1
    assert checked >= 6


# --- extending.md --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def extended(tmp_path_factory) -> Path:
    """A copy of the project with the examples of extending.md."""
    folder = copy_of_project(tmp_path_factory.mktemp("extended") / "platewise")
    files = dict(EXAMPLE.findall((PROJECT / "docs" / "extending.md").read_text()))
    assert {Path(name).suffix for name in files} == {".smk", ".py"}
    for name, text in files.items():
        assert not (folder / name).exists()
        (folder / name).write_text(text)
    snakefile = (folder / "Snakefile").read_text()
    last = re.findall(r'^include: "rules/\w+\.smk"\n', snakefile, re.M)[-1]
    rules = "".join(f'include: "{name}"\n' for name in files if name.endswith(".smk"))
    (folder / "Snakefile").write_text(snakefile.replace(last, last + rules))
    return folder


def test_the_normalization_of_the_example_takes_the_place_of_the_workflows(extended, tmp_path):
    (name, profiles), *_ = simulated_plates(6, replicates=1, controls=8, features=5).items()
    wells = [f"A{number:02d}" for number in range(1, len(profiles) + 1)]
    profiles.assign(Metadata_Plate="P1", Metadata_Well=wells).to_csv(tmp_path / "p.csv", index=False)
    header = ["batch", "plate", "plate_map", "perturbation", "cell_line", "timepoint", "profiles", "level"]
    row = ["B", "P1", "", "compound", "U2OS", "48", "p.csv", "augmented"]
    write_rows(tmp_path / "plates.tsv", [header, row], "\t")
    (tmp_path / "config.yaml").write_text("results: results\nplates: plates.tsv\n")
    target = "workspace/profiles/B/P1/P1_normalized_negcon.parquet"
    output = snakemake(target, "--configfile", tmp_path / "config.yaml", project=extended).stdout
    assert "z-scores to the negative controls" in output
    file = tmp_path / "results" / target
    scores = read_profiles(file)
    controls = scores.loc[scores["Metadata_control_type"] == "negcon", get_features(scores)]
    assert len(controls) == 8
    assert controls.mean().abs().max() < 1e-12
    assert controls.std().to_numpy() == pytest.approx(1)
    assert read_provenance(file)["parameters"]["method"] == "standardize"
    assert name


def test_the_feature_extractor_of_the_example_needs_no_cellprofiler(extended, tmp_path):
    file = small_images.write_experiment(tmp_path / "images")
    plate = small_images.PLATE
    target = f"workspace/profiles/B/{plate}/{plate}_normalized_negcon.parquet"
    output = snakemake(target, "--configfile", file, project=extended).stdout
    assert "statistics of its images" in output
    assert "illumination functions" not in output
    results = tmp_path / "images" / "results"
    profiles = pd.read_parquet(results / f"workspace/profiles/B/{plate}/{plate}.parquet")
    assert list(profiles["Metadata_Well"]) == list(small_images.WELLS)
    features = get_features(profiles)
    assert len(features) == 5 * len(small_images.CHANNELS)
    images = pd.read_csv(results / f"workspace/load_data_csv/B/{plate}/load_data.csv")
    first = Path(images["PathName_OrigDNA"][0]) / images["FileName_OrigDNA"][0]
    import tifffile

    assert profiles["Image_Intensity_Mean_DNA"][0] == pytest.approx(tifffile.imread(first).mean())
    assert (results / target).exists()


def test_the_examples_are_formatted(extended):
    ruff = shutil.which("ruff", path=str(PROJECT / ".venv" / "bin"))
    if ruff is None:
        pytest.skip("ruff is not installed")
    files = [extended / name for name, _ in EXAMPLE.findall((PROJECT / "docs" / "extending.md").read_text())]
    scripts = [file for file in files if file.suffix == ".py"]
    checked = subprocess.run(
        [ruff, "check", "--config", PROJECT / "pyproject.toml", *scripts], capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout
