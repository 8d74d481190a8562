"""The conda environments have what the scripts import, in the versions of the locks."""

import ast
import importlib.metadata
import re
import sys

import pytest

import conda_environments
from workflow import PROJECT

pytestmark = pytest.mark.unit

SCRIPTS = PROJECT / "scripts"
# What runs in CellProfiler's Python, and in that of the deep networks.
IN_CELLPROFILER = re.compile(
    r"(cellprofiler_(fetching|pipelines|plugins|runner)/|run_cellprofiler\.py|pipelines\.py|compile_kernels\.py)"
)
IN_EMBEDDINGS = {"embeddings.py", "network.py", "network_weights.py", "lib/networks.py", "lib/crops.py"}
IN_HARMONY = {"harmony.py"}
# What boto3 and Snakemake bring is installed with them.
BROUGHT = {"botocore", "urllib3", "snakemake_interface_logger_plugins"}


def imported_packages(files) -> set[str]:
    """The packages that scripts import, by the names of Python's index."""
    own = {path.stem for path in SCRIPTS.rglob("*")}
    modules = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                modules |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                modules.add(node.module.split(".")[0])
    modules -= own | set(sys.stdlib_module_names)
    installed = importlib.metadata.packages_distributions()
    names = {installed.get(module, [module])[0].lower() for module in modules - BROUGHT}
    return {name.replace("_", "-") for name in names}


def path_of(file) -> str:
    return file.relative_to(SCRIPTS).as_posix()


@pytest.mark.parametrize("name", conda_environments.LOCKS)
def test_the_versions_are_those_of_the_lock(name):
    text = (conda_environments.ENVIRONMENTS / name).read_text()
    expected = conda_environments.with_versions(text, conda_environments.LOCKS[name]())
    assert text == expected, "run: python tests/support/conda_environments.py"
    assert len(re.findall(r"=\s*\d", text)) >= 3


def test_every_package_that_the_workflows_scripts_import_is_there():
    text = (conda_environments.ENVIRONMENTS / "platewise.yaml").read_text()
    files = [
        file
        for file in SCRIPTS.rglob("*.py")
        if not IN_CELLPROFILER.match(path_of(file)) and path_of(file) not in IN_EMBEDDINGS | IN_HARMONY
    ]
    found = imported_packages(files)
    assert {"anndata", "umap-learn", "pandas", "pyarrow", "pillow"} <= found
    assert found - conda_environments.names_of(text) == set()


def test_every_package_of_the_deep_networks_is_there():
    text = (conda_environments.ENVIRONMENTS / "embeddings.yaml").read_text()
    found = imported_packages(SCRIPTS / name for name in IN_EMBEDDINGS)
    assert {"torch", "timm"} <= found
    assert found - conda_environments.names_of(text) == set()
    wanted = (conda_environments.ENVIRONMENTS / "embeddings.in").read_text()
    names = set(re.findall(r"^[a-z][\w-]*", wanted, re.MULTILINE))
    assert names == conda_environments.names_of(text)


@pytest.mark.parametrize("name", ["segmentation", "stardist", "onnx"])
def test_every_package_of_a_small_lock_is_there(name):
    names = conda_environments.names_of((conda_environments.ENVIRONMENTS / f"{name}.yaml").read_text())
    wanted = (conda_environments.ENVIRONMENTS / f"{name}.in").read_text()
    assert set(re.findall(r"^[a-z][\w-]*", wanted, re.MULTILINE)) == names


def test_a_missing_version_is_found():
    text = "channels:\n  - x\ndependencies:\n  - python =3.12\n  - numpy\n  - pip:\n      - copairs\n"
    pinned = conda_environments.with_versions(text, {"numpy": "2.0", "copairs": "1.0"})
    assert pinned.endswith("  - python =3.12\n  - numpy =2.0\n  - pip:\n      - copairs==1.0\n")
