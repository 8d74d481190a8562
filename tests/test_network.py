"""The network of the embeddings: how a file of weights is recognized (test_embeddings.py runs networks)."""

import pytest

import network
from lib.errors import InputError

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("name", ["net.onnx", "NET.ONNX"])
def test_an_onnx_file_is_recognized_in_any_case(monkeypatch, tmp_path, name):
    # The rules choose the environment without torch for both names.
    def check_onnx(path, about, size):
        raise InputError(f"{path.name} is read as ONNX")

    monkeypatch.setattr(network, "check_onnx", check_onnx)
    with pytest.raises(InputError, match=f"{name} is read as ONNX"):
        network.prepare("net", str(tmp_path / name), 0, 5, True, 8, None, None, tmp_path)
