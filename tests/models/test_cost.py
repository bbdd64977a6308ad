"""How large a model is, against the libraries that wrote the files."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from reelabel.errors import ModelError
from reelabel.models.cost import model_size


def test_weights_of_a_network_are_counted(tmp_path):
    """What is learnt counts; statistics of batch normalisation are no weights."""
    torch = pytest.importorskip("torch")
    save_file = pytest.importorskip("safetensors.torch").save_file
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8))
    path = tmp_path / "model.safetensors"
    save_file(network.state_dict(), path, metadata={"format": "pt"})
    expected = sum(weight.numel() for weight in network.parameters())
    assert model_size(tmp_path) == (expected, path.stat().st_size)


def test_weights_of_an_onnx_file_are_counted(tmp_path):
    """All its constant tensors."""
    weight = numpy_helper.from_array(np.zeros((4, 5), np.float32), "w")
    bias = numpy_helper.from_array(np.zeros(5, np.float32), "b")
    ports = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in ("x", "y")]
    nodes = [helper.make_node("Gemm", ["x", "w", "b"], ["y"])]
    graph = helper.make_graph(nodes, "g", ports[:1], ports[1:], [weight, bias])
    onnx.save(helper.make_model(graph), tmp_path / "x.onnx")
    assert model_size(tmp_path / "x.onnx") == (25, (tmp_path / "x.onnx").stat().st_size)


def test_what_is_not_known_is_none(tmp_path):
    """No place, a folder without weights, a file of another kind."""
    assert model_size(None) == (None, None)
    assert model_size(tmp_path) == (None, None)
    (tmp_path / "x.pth").write_bytes(b"1234")
    assert model_size(tmp_path / "x.pth") == (None, 4)


@pytest.mark.parametrize(
    "content", [b"", b"\xff" * 20, b"\x02\0\0\0\0\0\0\0[]", b"\x04\0\0\0\0\0\0\0"]
)
def test_damaged_weights_are_named(tmp_path, content):
    """The error names the file."""
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match=r"model\.safetensors: expected safetensors"):
        model_size(tmp_path)
