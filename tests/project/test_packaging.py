"""The descriptions of the project agree, and tests mirror the code."""

import re
import tomllib

import pytest
import yaml

from workflow import PROJECT, TESTS

pytestmark = pytest.mark.unit

# Folders of tests that mirror a folder of scripts, module by module.
OF_SCRIPTS = (".", "lib", "cellprofiler_fetching", "cellprofiler_pipelines", "plate_quality", "report_page")


def test_the_version_is_the_same_everywhere():
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((PROJECT / "CITATION.cff").read_text())
    assert citation["version"] == project["version"]
    assert citation["license"] == project["license"]
    newest = re.search(r"^## (\S+)", (PROJECT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest[1] == project["version"]


def test_the_profiles_have_the_name_that_snakemake_recommends():
    folders = [path for path in (PROJECT / "profiles").iterdir() if path.is_dir()]
    assert len(folders) >= 5
    assert [folder.name for folder in folders if not (folder / "profile.yaml").exists()] == []


def test_the_catalog_and_github_actions_are_valid():
    catalog = yaml.safe_load((PROJECT / ".snakemake-workflow-catalog.yml").read_text())
    assert catalog["usage"]["software-stack-deployment"]["conda"] is True
    actions = yaml.safe_load((PROJECT / ".github/workflows/tests.yml").read_text())
    (command,) = [step["run"] for step in actions["jobs"]["tests"]["steps"] if "run" in step]
    assert command == ".ci/run ${{ github.event_name == 'push' && 'all' || '' }}"


@pytest.mark.parametrize("folder", OF_SCRIPTS)
def test_a_module_of_tests_has_the_name_of_what_it_tests(folder):
    scripts = PROJECT / "scripts" / folder
    tests = [path.stem.removeprefix("test_") for path in (TESTS / folder).glob("test_*.py")]
    there = [name for name in tests if (scripts / f"{name}.py").exists() or (scripts / name).is_dir()]
    assert tests == there


def test_the_layers_are_those_of_contributing():
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    layers = [marker.split(":")[0] for marker in settings["markers"]]
    table = re.findall(r"^\| `(\w+)` \|", (PROJECT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    assert table == layers
