"""Fixtures that many tests share, and the layers of the tests (CONTRIBUTING.md).

Each test belongs to one layer: the mark on the test, or else the `pytestmark` of its module. Helpers that
are not fixtures are in `tests/support/`.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

import embedded_plates
import small_experiment
from workflow import PROJECT, SHARED, TESTS, copy_of_project, made_once, snakemake

# A busy machine may be slow: no example has a time limit.
hypothesis.settings.register_profile(
    "platewise", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("platewise")

LAYERS = ("unit", "plan", "run", "oracle", "data", "cluster", "long")
DEFAULT_EXPERIMENT = TESTS / "experiments" / "test_default.py"
STARTS_A_PROCESS = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn"}


# --- layers -------------------------------------------------------------------------------------


def layer_of(item: pytest.Item) -> str:
    """Find the layer of a test: the mark nearest to it."""
    for node in reversed(item.listchain()):
        found = {mark.name for mark in node.own_markers if mark.name in LAYERS}
        if len(found) > 1:
            raise pytest.UsageError(f"{item.nodeid} belongs to several layers: {', '.join(sorted(found))}")
        if found:
            return found.pop()
    raise pytest.UsageError(
        f"{item.nodeid} belongs to no layer. Write `pytestmark = pytest.mark.unit` (or another of"
        f" {', '.join(LAYERS)}) into its module."
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test exactly one layer, before `-m` selects: the mark of a test replaces its module's.

    Modules are sorted by `get_start`, since `-n` gives each process a module at a time.
    """
    layers = [layer_of(item) for item in items]
    modules: dict[Path, list[pytest.Item]] = {}
    for item, layer in zip(items, layers, strict=True):
        for node in item.listchain():
            node.own_markers[:] = [mark for mark in node.own_markers if mark.name not in LAYERS]
        item.add_marker(layer)
        modules.setdefault(item.path, []).append(item)
    starts = {path: get_start(path, tests) for path, tests in modules.items()}
    items.sort(key=lambda item: starts[item.path])


def get_start(path: Path, tests: list[pytest.Item]) -> int:
    """Return whether a module starts early (0) or late (5), so that processes do not wait for each other.

    The first one builds CellProfiler's environment, if there is none yet, and runs the default experiment.
    Meanwhile, the others run modules that need neither. The modules that read the default experiment's
    results start when they are there, and the short unit tests last, so that no process is left with a long
    module.
    """
    layers = {layer_of(test) for test in tests}
    if path == DEFAULT_EXPERIMENT:
        return 0
    if layers <= {"unit", "plan"}:
        return 1 if "plan" in layers else 5
    fixtures = {name for test in tests for name in test.fixturenames}
    if "default_project" in fixtures:
        return 4
    return 3 if "cellprofiler_environment" in fixtures or hasattr(tests[0].module, "small_images") else 2


class Watch:
    """The unit test that runs at the moment, if any: it may not start a process."""

    unit_test: str | None = None


def refuse_processes(event: str, arguments: tuple) -> None:
    """Stop a unit test that starts a process (an audit hook: it sees those of libraries, too)."""
    if Watch.unit_test and event in STARTS_A_PROCESS:
        test, Watch.unit_test = Watch.unit_test, None
        raise RuntimeError(
            f"{test} is marked `unit` and starts a process ({event}: {arguments[0]}): mark it `run`"
        )


sys.addaudithook(refuse_processes)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item):
    """Watch a unit test from its first fixture to its last."""
    Watch.unit_test = item.nodeid if item.get_closest_marker("unit") else None
    try:
        return (yield)
    finally:
        Watch.unit_test = None


# --- fixtures -----------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of real data beside the project; tests that need it are skipped if it does not exist."""
    if not SHARED.is_dir():
        pytest.skip(f"the real data of this test are not at {SHARED}")
    return SHARED


@pytest.fixture(scope="session")
def cellprofiler_environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of CellProfiler's environment, which the workflow builds if it does not exist yet."""

    def make(folder: Path) -> None:
        # Of an experiment whose inputs are there: the default one's images are made by a run of it.
        snakemake("compiled_kernels", "--configfile", small_experiment.write_experiment(folder))

    made_once(tmp_path_factory, "environment", make)
    (ready,) = (PROJECT / ".environments").glob("cellprofiler-*/complete.json")
    return ready.parent


@pytest.fixture(scope="session")
def default_project(tmp_path_factory: pytest.TempPathFactory, cellprofiler_environment: Path) -> Path:
    """A copy of the project in which the default experiment was run, once in a session; read it only.

    The kernels were compiled before, beside their source: they are copied, and other experiments have them.
    """
    return made_once(tmp_path_factory, "platewise", lambda folder: snakemake(project=copy_of_project(folder)))


@pytest.fixture(scope="session")
def default_results(default_project: Path) -> Path:
    """The results of the default experiment; read them only."""
    return default_project / "results" / "default"


@pytest.fixture(scope="session")
def embedded_results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of two small plates with deep-network features, made once in a session; read them only."""
    return made_once(tmp_path_factory, "embedded", embedded_plates.run_experiment) / "results"


@pytest.fixture(scope="module")
def storage_server() -> Iterator[str]:
    """The address of an S3 server on this machine, empty at the start of each module."""
    from object_storage import s3_server  # imports moto, which few tests need

    with s3_server() as address:
        yield address


@pytest.fixture
def storage_client(storage_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client that writes to the S3 server; the workflow reads without credentials and without waiting."""
    from lib import object_storage
    from object_storage import KEYS, s3

    monkeypatch.setenv("AWS_ENDPOINT_URL", storage_server)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(object_storage, "PAUSE", 0.01)
    object_storage.get_client.cache_clear()
    yield s3(storage_server)
    object_storage.get_client.cache_clear()


@pytest.fixture
def write_table(tmp_path: Path) -> Callable[[str, Iterable[Iterable[str]]], Path]:
    """Write rows of text as a tab-separated file in the test's folder."""

    def write(name: str, rows: Iterable[Iterable[str]]) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join("\t".join(row) + "\n" for row in rows))
        return path

    return write
