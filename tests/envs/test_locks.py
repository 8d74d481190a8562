"""The locks of the environments that the workflow builds."""

import pytest

from workflow import PROJECT

pytestmark = pytest.mark.unit

# What each lock has to pin at the least; the locks without a name here pin something.
PINNED = {
    "cellprofiler": {"cellprofiler"},
    "embeddings": {"torch", "timm", "onnxruntime", "safetensors"},
}


@pytest.mark.parametrize("lock", sorted((PROJECT / "envs").glob("*.txt")), ids=lambda lock: lock.stem)
def test_locks_have_hashes_and_no_address(lock):
    text = lock.read_text()
    pinned = [line for line in text.splitlines() if "==" in line and not line.startswith((" ", "#"))]
    assert pinned
    assert PINNED.get(lock.stem, set()) <= {line.split("==")[0] for line in pinned}
    assert all(line.endswith("\\") for line in pinned)
    assert "://" not in text
    assert "index-url" not in text


def test_the_locked_cellprofiler_is_the_one_that_the_documentation_names():
    assert "\ncellprofiler==4.2.8.1 " in (PROJECT / "envs" / "cellprofiler.txt").read_text()
