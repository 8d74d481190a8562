"""Networks: whether there is a GPU, and what the workflow needs of torch."""

import json
import subprocess
import sys
import types
from pathlib import Path

import pytest

from embedded_plates import run_python
from lib import networks
from workflow import PROJECT, SUPPORT

pytestmark = pytest.mark.unit


@pytest.mark.unit
def test_a_gpu_is_seen_by_its_driver(monkeypatch):
    """No driver, a driver that fails, one that shows no GPU, one that shows two."""

    class Driver:
        def __init__(self, status, count):
            self.status, self.count = status, count

        def cuInit(self, flags):  # noqa: N802
            return self.status

        def cuDeviceGetCount(self, count):  # noqa: N802
            count._obj.value = self.count
            return 0

    def found(driver):
        def load(name):
            assert name == "libcuda.so.1"
            if driver is None:
                raise OSError
            return driver

        monkeypatch.setattr(networks.ctypes, "CDLL", load)
        return networks.has_gpu_driver()

    assert found(None) == Path("/dev/kfd").exists()
    assert not found(Driver(100, 0))
    assert not found(Driver(0, 0))
    assert found(Driver(0, 2))


@pytest.mark.unit
def test_a_gpu_that_torch_cannot_use_is_reported(monkeypatch, capsys):
    def refuse():
        raise RuntimeError("The NVIDIA driver on your system is too old")

    cuda = types.SimpleNamespace(is_available=lambda: False, init=refuse)
    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(cuda=cuda, __version__="2.14.1"))
    monkeypatch.setattr(networks, "has_gpu_driver", lambda: True)
    assert not networks.has_gpu()
    assert (
        "torch 2.14.1 cannot use it: The NVIDIA driver on your system is too old" in capsys.readouterr().err
    )


@pytest.mark.run
def test_the_workflow_itself_needs_no_torch():
    code = "import sys; sys.path.insert(0, 'scripts'); import plot_contact_sheet, lib.networks\n"
    code += "assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=False).returncode == 0


MIXED = SUPPORT / "embeddings_mixed.py"


@pytest.fixture(scope="module")
def mixed(embedded_results):
    """What the code that a GPU runs gives on the CPU, in float16 by torch."""
    return json.loads(run_python(MIXED, embedded_results / "workspace/network").stdout)


@pytest.mark.oracle
def test_mixed_precision_gives_float32_near_the_exact_features(mixed):
    assert mixed["type"] == "float32"
    assert 0 < mixed["apart"] < 0.05
    assert mixed["same"]


@pytest.mark.oracle
def test_one_thread_at_a_time_is_in_the_network(mixed):
    assert (mixed["at_once"], mixed["tried"]) == (1, 10)
    assert mixed["threaded"] < 1e-4


@pytest.mark.oracle
def test_the_time_that_a_gpu_works_is_summed(mixed):
    """Three batches from three threads, each 20 ms by stand-ins of a GPU's events."""
    assert mixed["worked"] == pytest.approx(0.06)
    assert mixed["as_on_gpu"] < 1e-4


@pytest.mark.oracle
def test_what_does_not_fit_into_the_memory_is_halved(mixed):
    """Five cells of five channels, where the memory takes two cells, then less than one."""
    assert mixed["halves"] == [25, 10, 10, 5]
    assert mixed["halved"] < 1e-4
    assert "memory is full, or too small for one cell with efficientnet_b0" in mixed["too_small"]


@pytest.mark.oracle
def test_what_overflows_float16_is_computed_in_float32(mixed):
    assert mixed["overflows"]
    assert mixed["then_finite"]
