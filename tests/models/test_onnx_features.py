"""Pooled feature levels: where a network halves the picture, what is taken, what is refused."""

from __future__ import annotations

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from reelabel.errors import ModelError, UsageError
from reelabel.models.embedders.unit import unit_rows
from reelabel.models.onnx_backbone import cut_network, feature_levels
from reelabel.models.registry import load_embedder

SIDE = 32


def small_network(path, nodes, weights, outputs):
    """Write a network that takes ``images`` 1x3x32x32; weights are (out, in, k, k) by name."""
    rng = np.random.default_rng(0)
    stored = [
        numpy_helper.from_array(rng.normal(size=shape).astype(np.float32), name)
        for name, shape in weights.items()
    ]
    stored.append(numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "twice"))
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ("b", 3, "h", "w"))
    graph = helper.make_graph(nodes, "small", [images], ends, initializer=stored)
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)
    return path


def conv(source, weight, out, stride=1):
    """Return a convolution of 3 x 3."""
    shape = {"kernel_shape": [3, 3], "pads": [1] * 4, "strides": [stride] * 2}
    return helper.make_node("Conv", [source, weight], [out], **shape)


@pytest.fixture
def detector_like(tmp_path):
    """Return a network with three halvings, channel attention, and a neck that enlarges."""
    nodes = [
        conv("images", "w0", "full"),
        conv("full", "w1", "half", stride=2),
        helper.make_node("Relu", ["half"], ["half_relu"]),
        helper.make_node("GlobalAveragePool", ["half_relu"], ["mean"]),
        helper.make_node("Conv", ["mean", "gate"], ["gated"], kernel_shape=[1, 1]),
        helper.make_node("Mul", ["half_relu", "gated"], ["half_end"]),
        helper.make_node("MaxPool", ["half_end"], ["quarter"], kernel_shape=[2, 2], strides=[2, 2]),
        conv("quarter", "w2", "quarter_end"),
        conv("quarter_end", "w3", "eighth", stride=2),
        helper.make_node("Relu", ["eighth"], ["eighth_end"]),
        helper.make_node("Resize", ["eighth_end", "", "twice"], ["up"]),
        conv("up", "w4", "head"),
        conv("head", "w5", "low_again", stride=4),
    ]
    weights = {"w0": (4, 3, 3, 3), "w1": (5, 4, 3, 3), "gate": (5, 5, 1, 1), "w2": (6, 5, 3, 3)}
    weights |= {"w3": (7, 6, 3, 3), "w4": (7, 7, 3, 3), "w5": (2, 7, 3, 3)}
    return small_network(tmp_path / "a.onnx", nodes, weights, ["low_again"])


def test_levels_end_before_each_halving(detector_like):
    """A level is the last tensor before a halving, or before maps are enlarged."""
    levels = feature_levels(detector_like, (1, 3, SIDE, SIDE), most=9)
    assert [(e.name, e.channels, e.size_wh) for e in levels] == [
        ("half_end", 5, (16, 16)),
        ("quarter_end", 6, (8, 8)),
        ("eighth_end", 7, (4, 4)),
    ]


def test_the_cut_network_gives_the_same_and_no_more(detector_like):
    """What lies behind the levels is cut off, and they keep their values."""
    shape = (1, 3, SIDE, SIDE)
    levels = feature_levels(detector_like, shape, most=2)
    cut = cut_network(detector_like, shape, levels)
    assert "Resize" not in {node.op_type for node in onnx.load_model_from_string(cut).graph.node}
    whole = onnx.load(detector_like)
    whole.graph.output.extend(onnx.ValueInfoProto(name=end.name) for end in levels)
    picture = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    expected = onnxruntime.InferenceSession(whole.SerializeToString()).run(
        [end.name for end in levels], {"images": picture}
    )
    for value, other in zip(
        onnxruntime.InferenceSession(cut).run(None, {"images": picture}), expected, strict=True
    ):
        np.testing.assert_allclose(value, other, rtol=1e-5, atol=1e-5)


def test_means_and_maxima_about_their_centre(detector_like):
    """The vector is the mean and the maximum of every channel less the centre, by parts."""
    embedder = load_embedder(f"onnx-features:{detector_like}", options={"side": SIDE, "levels": 2})
    picture = np.random.default_rng(2).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    network = cut_network(detector_like, (1, 3, SIDE, SIDE), embedder.levels)
    planes = embedder.input.prepare(picture, embedder.options)
    maps = onnxruntime.InferenceSession(network).run(None, {"images": planes})
    parts = [pool(m[0], axis=(1, 2)) for m in maps for pool in (np.mean, np.max)]
    parts = [unit_rows((p - c)[None])[0] for p, c in zip(parts, embedder.centre, strict=True)]
    expected = unit_rows(np.concatenate(parts)[None].astype(np.float32))
    np.testing.assert_allclose(embedder.open()([picture]), expected, atol=1e-4)


def test_a_detector_is_prepared_as_it_was_trained(data_dir):
    """YOLOX gets blue, green, red in 0..255, unless the user says otherwise."""
    spec = f"onnx-features:{data_dir}/weights/yolox_nano.onnx"
    embedder = load_embedder(spec)
    white = np.full((8, 8, 3), 255, np.uint8)
    white[..., 0] = 51
    planes = embedder.input.prepare(white, embedder.options)
    np.testing.assert_allclose(planes[0, :, 0, 0], [255, 255, 51], rtol=1e-5)
    own = load_embedder(spec, options={"order": "rgb"})
    assert own.options.order == "rgb"
    assert own.fingerprint != embedder.fingerprint


def test_scenes_are_apart_and_copies_near(data_dir):
    """Pictures of different scenes have cosines below 0.9; a JPEG copy is nearer than any."""
    folder = data_dir / "annotated" / "coco_val" / "images"
    pictures = [cv2.imread(str(path))[..., ::-1] for path in sorted(folder.glob("*.jpg"))[:16]]
    copies = [
        cv2.imdecode(cv2.imencode(".jpg", p, [cv2.IMWRITE_JPEG_QUALITY, 50])[1], cv2.IMREAD_COLOR)
        for p in pictures
    ]
    embed = load_embedder(f"onnx-features:{data_dir}/weights/yolox_nano.onnx").open()
    rows = embed(pictures)
    others = (rows @ rows.T - 2 * np.eye(len(rows))).max(axis=1)
    assert others.max() < 0.9
    assert ((rows * embed(copies)).sum(axis=1) > others).all()


def test_networks_without_levels_are_refused(tmp_path, data_dir):
    """A network that keeps the resolution, one that takes no picture, and no network at all."""
    flat = small_network(
        tmp_path / "flat.onnx", [conv("images", "w0", "out")], {"w0": (4, 3, 3, 3)}, ["out"]
    )
    with pytest.raises(ModelError, match="none of its layers halves the picture"):
        load_embedder(f"onnx-features:{flat}")
    with pytest.raises(ModelError, match="one picture"):
        load_embedder(f"onnx-features:{data_dir}/weights/vballnetv1_seq9_gray_330_h288_w512.onnx")
    (tmp_path / "no.onnx").write_bytes(b"no network")
    with pytest.raises(ModelError, match=r"no\.onnx"):
        load_embedder(f"onnx-features:{tmp_path}/no.onnx")
    with pytest.raises(UsageError, match="levels"):
        load_embedder(f"onnx-features:{flat}", options={"levels": 0})
