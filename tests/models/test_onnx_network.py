"""Rewritten ONNX networks: they say the same as before, and only a focus is joined."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from onnx import TensorProto, helper, numpy_helper

from reelabel.models.onnx_network import rewritten

CORNERS = [(0, 0), (1, 0), (0, 1), (1, 1)]


def focus_network(path, phases_yx, kernel, **changed):
    """Write a network that is a focus and a convolution; `changed` overrides parts of it."""
    parts = {"step": 2, "end": 2**62, "dilations": [1, 1], "pads": [kernel // 2] * 4} | changed
    weight = np.random.default_rng(0).normal(size=(2, 4 * 3, kernel, kernel)).astype(np.float32)
    values = {"w": weight, "end": np.array([parts["end"]]), "step": np.array([parts["step"]])}
    values |= {f"i{i}": np.array([i]) for i in range(4)}
    nodes = []
    for n, (y, x) in enumerate(phases_yx):
        for source, out, start, axis in (("images", f"r{n}", y, 2), (f"r{n}", f"c{n}", x, 3)):
            names = [source, f"i{start}", "end", f"i{axis}", "step"]
            nodes.append(helper.make_node("Slice", names, [out]))
    shape = {"dilations": parts["dilations"], "pads": parts["pads"]}
    copies = [f"c{n}" for n in range(4)]
    nodes.append(helper.make_node("Concat", copies, ["stacked"], axis=1))
    nodes.append(helper.make_node("Conv", ["stacked", "w"], ["out"], **shape))
    sides = [TensorProto.FLOAT, ("b", 3, "h", "w")], [TensorProto.FLOAT, ("b", 2, "y", "x")]
    ends = [
        [helper.make_tensor_value_info(n, *s)]
        for n, s in zip(("images", "out"), sides, strict=True)
    ]
    stored = [numpy_helper.from_array(value, name) for name, value in values.items()]
    graph = helper.make_graph(nodes, "focus", *ends, initializer=stored)
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)
    return path


def said(network, picture):
    """Return what a network says of a picture."""
    return onnxruntime.InferenceSession(network).run(None, {"images": picture})[0]


def kinds(network):
    """Return the kinds of nodes of a network, in order."""
    return [node.op_type for node in onnx.load_model_from_string(network).graph.node]


@given(
    phases_yx=st.permutations(CORNERS),
    kernel=st.sampled_from([1, 3, 5]),
    picture=arrays(np.float32, (1, 3, 16, 12), elements=st.floats(0, 255, width=32)),
)
def test_a_joined_focus_says_the_same(tmp_path_factory, phases_yx, kernel, picture):
    """One convolution over the picture gives what the four copies gave, in any order of them."""
    path = focus_network(tmp_path_factory.mktemp("net") / "a.onnx", phases_yx, kernel)
    network = rewritten(path)
    assert kinds(network) == ["Conv"]
    assert said(network, picture) == pytest.approx(said(path, picture), abs=0.01, rel=1e-4)


@pytest.mark.parametrize(
    ("phases_yx", "changed"),
    [
        ([*CORNERS[:3], (0, 0)], {}),
        (CORNERS, {"step": 4}),
        (CORNERS, {"end": 8}),
        (CORNERS, {"dilations": [2, 2], "pads": [2, 2, 2, 2]}),
    ],
)
def test_what_is_no_focus_stays(tmp_path, phases_yx, changed):
    """Copies of other pixels, parts of a picture and dilated kernels are left as they are."""
    network = rewritten(focus_network(tmp_path / "a.onnx", phases_yx, 3, **changed))
    assert kinds(network) == [*["Slice"] * 8, "Concat", "Conv"]


def test_copies_that_others_need_stay(tmp_path):
    """A slice that is an output of the network itself is still made."""
    path = focus_network(tmp_path / "a.onnx", CORNERS, 3)
    model = onnx.load(path)
    model.graph.output.append(helper.make_tensor_value_info("c2", TensorProto.FLOAT, None))
    onnx.save(model, path)
    assert kinds(rewritten(path)) == ["Slice", "Slice", "Conv"]


def test_the_teacher_has_a_focus(data_dir):
    """YOLOX's own network is joined, at its own size and at another one."""
    path = data_dir / "weights/yolox_nano.onnx"
    assert kinds(rewritten(path))[0] == kinds(rewritten(path, (416, 256)))[0] == "Conv"


def test_a_student_has_a_focus(tmp_path):
    """The network that training writes is joined behind the turning of its colours."""
    pytest.importorskip("torch")
    from reelabel.models.students.yolox.network import YoloxNetwork  # noqa: PLC0415 -- heavy
    from reelabel.models.students.yolox.yolox_onnx import write_network  # noqa: PLC0415 -- heavy

    student = SimpleNamespace(net=YoloxNetwork(1))
    write_network(tmp_path / "a.onnx", student)
    network = rewritten(tmp_path / "a.onnx")
    assert [kind for kind in kinds(network) if kind != "Constant"][:2] == ["Slice", "Conv"]
    picture = np.random.default_rng(1).uniform(0, 255, (1, 3, 64, 96)).astype(np.float32)
    assert said(network, picture) == pytest.approx(said(tmp_path / "a.onnx", picture), abs=1e-3)


def test_what_cannot_be_rewritten(tmp_path):
    """A file that is no network gives None, and is left to whoever opens it."""
    (tmp_path / "a.onnx").write_bytes(b"no network")
    assert rewritten(tmp_path / "a.onnx") is None
