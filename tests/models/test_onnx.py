"""ONNX detectors: the published accuracy, the families, the names, and what is refused."""

from __future__ import annotations

import contextlib
import io
import json
from types import SimpleNamespace

import cv2
import numpy as np
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelabel.data.boxes import Boxes, iou
from reelabel.errors import ModelError
from reelabel.models.coco import CATEGORY_IDS
from reelabel.models.detectors.letterbox import letterbox
from reelabel.models.detectors.nanodet import NanoDet
from reelabel.models.detectors.onnx_inputs import Inputs, part_of
from reelabel.models.detectors.suppress import suppressed
from reelabel.models.detectors.yolox import Yolox, grid
from reelabel.models.names import read_names
from reelabel.models.onnx_session import open_session
from reelabel.models.registry import load_detector

CPU = "CPUExecutionProvider"


def rgb(path):
    """Return a picture file as RGB."""
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


def ap_and_ap50(truth_path, rows):
    """Return COCO's AP and AP50 by pycocotools."""
    coco = pytest.importorskip("pycocotools.coco")
    cocoeval = pytest.importorskip("pycocotools.cocoeval")
    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco.COCO(str(truth_path))
        judge = cocoeval.COCOeval(truth, truth.loadRes(rows), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return judge.stats[0], judge.stats[1]


def coco_rows(image_id, found):
    """Return boxes as COCO result rows."""
    for (left, top, right, bottom), score, class_id in zip(
        found.xyxy.tolist(), found.score.tolist(), found.class_id, strict=True
    ):
        box = [left, top, right - left, bottom - top]
        category = CATEGORY_IDS[class_id]
        yield {"image_id": image_id, "category_id": category, "bbox": box, "score": score}


@pytest.mark.parametrize(
    ("file", "published"),
    [("yolox_nano.onnx", (0.288, 0.462)), ("nanodet_m_320.onnx", (0.228, 0.389))],
)
def test_parity_with_the_published_networks(data_dir, monkeypatch, file, published):
    """AP on COCO pictures is that of an independent reading, also with most padding cut off."""
    # The figures were taken without cutting boxes at the picture's edge, which adds 0.001.
    monkeypatch.setattr(Boxes, "clipped", lambda self, _size_wh: self)
    folder = data_dir / "annotated" / "coco_val"
    truth = json.loads((folder / "instances.json").read_text())
    for rect, near in ((False, 0.0006), (True, 0.003)):
        options = {"floor": 0.01, "rect": rect}
        predict = load_detector(f"onnx:{data_dir}/weights/{file}", options=options).open()
        rows = [
            row
            for image in truth["images"]
            for row in coco_rows(image["id"], predict([rgb(folder / image["file_name"])])[0])
        ]
        measured = ap_and_ap50(folder / "instances.json", rows)
        assert measured == pytest.approx(published, abs=near)


def test_reduced_pictures_lose_nothing(data_dir):
    """A picture reduced into `fit_wh` gives nearly the boxes of the whole one."""
    detector = load_detector(f"onnx:{data_dir}/weights/yolox_nano.onnx", options={"floor": 0.5})
    picture = rgb(next((data_dir / "annotated" / "coco_val" / "images").glob("*.jpg")))
    factor = min(f / s for f, s in zip(detector.fit_wh, picture.shape[1::-1], strict=True))
    size = tuple(int(side * factor) for side in picture.shape[1::-1])
    whole, reduced = detector.open()([picture, cv2.resize(picture, size)])
    assert len(whole) == len(reduced) > 0
    back = (picture.shape[1] / size[0], picture.shape[0] / size[1])
    assert np.abs(whole.xyxy - reduced.scaled(back).xyxy).max() < 3


@given(st.integers(1, 3000), st.integers(1, 3000))
def test_a_cut_input_holds_the_fitted_picture(width, height):
    """A picture is as large in the cut input as in the full one, and the sides fit the strides."""
    picture = np.zeros((height, width, 3), np.uint8)
    cut = part_of((416, 320), picture)
    full, less = np.zeros((3, 320, 416), np.float32), np.zeros((3, *cut[::-1]), np.float32)
    assert letterbox(picture, less) == pytest.approx(letterbox(picture, full))
    assert all(side % 32 == 0 and side <= most for side, most in zip(cut, (416, 320), strict=True))


@pytest.mark.parametrize(("file", "cut"), [("yolox_nano", True), ("nanodet_m_320", False)])
def test_a_network_is_cut_if_it_can_be(data_dir, capfd, file, cut):
    """A network of convolutions alone is opened at the size needed; another keeps its input."""
    detector = load_detector(f"onnx:{data_dir}/weights/{file}.onnx")
    width, height = detector.fit_wh
    inputs = Inputs(detector.path, detector.family, 1, "cpu")
    found = inputs.at((width, height - 64))
    assert found.buffer.shape == (1, 3, height - 64 * cut, width)
    assert inputs.at((width, height - 64)) is found
    assert (inputs.at((width, height)) is found) == (not cut)
    assert capfd.readouterr().err == ""


def test_letterbox_keeps_the_aspect():
    """The picture lies at the top left as BGR, padded, and the factors lead back."""
    picture = np.zeros((50, 100, 3), np.uint8)
    picture[..., 0] = 200
    into = np.full((3, 40, 40), 7, np.float32)
    assert letterbox(picture, into) == (2.5, 2.5)
    assert into[:, :20].reshape(3, -1).mean(axis=1).tolist() == [0, 0, 200]
    assert (into[:, 20:] == 114).all()


def test_yolox_decoding():
    """A raw row becomes the box that YOLOX's definition says, under the best class asked for."""
    family = Yolox((32, 32), 2, decoded=False)
    output = np.zeros((21, 7), np.float32)
    # Row 5 is the first grid's second row, second column (stride 8).
    output[5] = [0.5, 0.25, np.log(2), np.log(1), 0.8, 0.5, 0.9]
    found = family.decode([output], 0.1, np.arange(2))
    assert found.xyxy.tolist() == [pytest.approx([4, 6, 20, 14])]
    assert found.score.tolist() == pytest.approx([0.72])
    assert found.class_id.tolist() == [1]
    assert len(family.decode([output], 0.73, np.arange(2))) == 0
    asked = family.decode([output], 0.1, np.array([0]))
    assert asked.class_id.tolist() == [0]
    assert asked.score.tolist() == pytest.approx([0.4])


def test_yolox_with_decoding_inside():
    """A network that decodes by itself is recognised and its numbers taken as they are."""
    cells = grid((64, 64), (8, 16, 32))
    output = np.zeros((1, len(cells), 6), np.float32)
    output[0, :, :2] = (cells[:, :2] + 0.5) * cells[:, 2:]
    output[0, :, 2:] = 8, 8, 0.9, 0.9
    family = Yolox.recognise((64, 64), [output])
    assert family == Yolox((64, 64), 1, decoded=True)
    assert family.decode([output[0]], 0.5, np.arange(1)).xyxy[0].tolist() == [0, 0, 8, 8]


def test_nanodet_decoding():
    """A distribution with all its weight on one bin is a distance of that many strides."""
    family = NanoDet((32, 32), 3)
    scores = [np.zeros((n, 3), np.float32) for n in (16, 4, 1)]
    sides = [np.zeros((n, 32), np.float32) for n in (16, 4, 1)]
    scores[1][3, 2] = 0.6
    for side, steps in enumerate((1, 0, 2, 3)):
        sides[1][3, side * 8 + steps] = 100
    found = family.decode([*scores, *sides], 0.5, np.arange(3))
    assert found.xyxy.tolist() == [pytest.approx([7.5, 23.5, 55.5, 71.5])]
    assert (found.class_id.tolist(), found.score.tolist()) == ([2], pytest.approx([0.6]))


@pytest.mark.parametrize("file", ["FastestDet.onnx", "vballnetv1_seq9_gray_330_h288_w512.onnx"])
def test_other_networks_are_refused(data_dir, file):
    """A network of no known family is an error that says what it takes and gives."""
    with pytest.raises(ModelError, match=r"input.* -> .*\d+x.*Known are yolox.*nanodet"):
        load_detector(f"onnx:{data_dir}/weights/{file}")


def test_other_files_are_refused(tmp_path):
    """A file that is no ONNX network is an error."""
    (tmp_path / "net.onnx").write_bytes(b"no network")
    with pytest.raises(ModelError, match="not an ONNX network"):
        load_detector(f"onnx:{tmp_path}/net.onnx")


def test_the_gpu_must_be_there(data_dir):
    """Asking for a GPU that ONNX Runtime does not have is an error."""
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this machine has one")
    with pytest.raises(ModelError, match="set device 'auto'"):
        load_detector(f"onnx:{data_dir}/weights/yolox_nano.onnx", options={"device": "cuda"})


def constant_network(path, columns, names=None):
    """Write a YOLOX-shaped network with open batch and size that gives small numbers."""
    onnx = pytest.importorskip("onnx")
    h = onnx.helper
    output = np.full((1, 8400, columns), 0.5, np.float32)
    nodes = [
        h.make_node("ReduceMax", ["images"], ["top"], keepdims=0),
        h.make_node("Mul", ["top", "zero"], ["nothing"]),
        h.make_node("Add", ["constant", "nothing"], ["out"]),
    ]
    floats = onnx.TensorProto.FLOAT
    graph = h.make_graph(
        nodes,
        "g",
        [h.make_tensor_value_info("images", floats, ["batch", 3, "h", "w"])],
        [h.make_tensor_value_info("out", floats, [1, 8400, columns])],
        [
            onnx.numpy_helper.from_array(np.float32(0), "zero"),
            onnx.numpy_helper.from_array(output, "constant"),
        ],
    )
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=9)
    if names is not None:
        h.set_model_props(model, {"names": names})
    onnx.save(model, str(path))


def test_class_names(tmp_path):
    """Names come from the option, a file, or the network; a wrong number of them is an error."""
    path = tmp_path / "net.onnx"
    spec = f"onnx:{path}"
    constant_network(path, 7)
    with pytest.raises(ModelError, match="2 classes, but no names"):
        load_detector(spec)
    with pytest.raises(ModelError, match="2 classes, but 1 names"):
        load_detector(spec, options={"classes": ["a"]})
    assert load_detector(spec, options={"classes": ["a", "b"]}).classes == ("a", "b")
    (tmp_path / "names.txt").write_text("c\nd d\n\n")
    named = load_detector(spec, home=tmp_path, options={"classes": "names.txt"})
    assert (named.classes, named.fit_wh) == (("c", "d d"), (640, 640))
    constant_network(path, 7, "{1: 'f', 0: 'e'}")
    assert load_detector(spec).classes == ("e", "f")
    constant_network(path, 7, "__import__('os').abort()")
    with pytest.raises(ModelError, match="no names"):
        load_detector(spec)


def test_names_file_must_be_text(tmp_path):
    """A names file that is missing or no text is an error."""
    (tmp_path / "names").write_bytes(b"\xff\xfe\x00")
    for name in ("names", "none"):
        with pytest.raises(ModelError, match="class names cannot be read"):
            read_names(tmp_path / name)


boxes = st.lists(
    st.tuples(
        st.integers(0, 40), st.integers(0, 40), st.integers(1, 40), st.integers(1, 40),
        st.integers(0, 20), st.integers(0, 2),
    ),
    max_size=30,
)  # fmt: skip


def plainly_suppressed(found, iou_threshold):
    """Return what is left when each box, best first, removes those of its class that it covers."""
    left, kept = np.argsort(-found.score, kind="stable"), []
    while len(left):
        best, left = left[:1], left[1:]
        kept.append(best[0])
        covered = iou(found.xyxy[best], found.xyxy[left])[0] > iou_threshold
        left = left[~(covered & (found.class_id[left] == found.class_id[best]))]
    return found[np.array(kept, np.int64)]


@given(boxes, st.sampled_from([0.3, 0.65]))
def test_fast_suppression_is_the_plain_one(rows, iou_threshold):
    """The fast suppression keeps exactly what the plain one keeps, ties included."""
    table = np.array(rows, np.float32).reshape(-1, 6)
    table[:, 2:4] += table[:, :2]
    found = Boxes(table[:, :4], table[:, 4] / 20, table[:, 5].astype(int))
    ours, plain = suppressed(found, iou_threshold), plainly_suppressed(found, iou_threshold)
    assert np.array_equal(ours.xyxy, plain.xyxy)
    assert np.array_equal(ours.score, plain.score)
    assert np.array_equal(ours.class_id, plain.class_id)


def test_joining_ball_and_frisbee(data_dir):
    """With frisbee taken as ball the ball of the juggling clip is found far more often."""
    av = pytest.importorskip("av")
    truth = json.loads((data_dir / "annotated" / "hand_boxes" / "instances.json").read_text())
    balls = {c["id"] for c in truth["categories"] if c["name"] == "sports ball"}
    wanted = {
        i["frame_index"]: i["id"]
        for i in truth["images"]
        if "soccer_juggle" in i["video"] and i["frame_index"] % 24 == 0
    }
    with_ball = {a["image_id"] for a in truth["annotations"] if a["category_id"] in balls}
    spec = f"onnx:{data_dir}/weights/yolox_nano.onnx"
    alone = load_detector(spec, wanted=["sports ball"], options={"floor": 0.3})
    mapping = {"sports ball": "ball", "frisbee": "ball"}
    joined = load_detector(spec, wanted=["ball"], mapping=mapping, options={"floor": 0.3})
    with av.open(str(data_dir / "videos/sports/soccer_juggle.mp4")) as video:
        frames = [
            frame.to_ndarray(format="rgb24")
            for i, frame in enumerate(video.decode(video=0))
            if wanted.get(i) in with_ball
        ]
    counts = [sum(len(found) > 0 for found in d.open()(frames)) for d in (alone, joined)]
    assert counts[1] >= counts[0] + len(frames) // 4


def test_a_wanted_class_of_the_network_counts_beside_those_mapped_to_it(data_dir):
    """With frisbee mapped to sports ball, boxes of both are found, whichever scores higher."""
    spec = f"onnx:{data_dir / 'weights/yolox_nano.onnx'}"
    both = {"frisbee": "sports ball"}
    same = load_detector(spec, wanted=["sports ball"], mapping=both)
    other = load_detector(spec, wanted=["ball"], mapping={"sports ball": "ball", "frisbee": "ball"})
    assert same.inner.asked == other.inner.asked == (29, 32)


@pytest.mark.parametrize("device", ["cuda", "coreml", "openvino"])
def test_a_device_that_is_not_there_is_named_with_its_package(data_dir, device, monkeypatch):
    """What was asked for and cannot be had is an error, never the CPU in silence."""
    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: ["AzureExecutionProvider", CPU]
    )
    with pytest.raises(ModelError, match=rf"device '{device}' .* install onnxruntime"):
        load_detector(f"onnx:{data_dir}/weights/yolox_nano.onnx", options={"device": device})


@pytest.fixture
def runtime(monkeypatch):
    """Replace ONNX Runtime by one with every device; those in `broken` cannot be started."""
    names = ("CUDA", "CoreML", "OpenVINO")
    there = [*(f"{name}ExecutionProvider" for name in names), CPU]
    broken = set()

    def session(*_, providers):
        started = [name for name in providers if name not in broken]
        return SimpleNamespace(get_providers=lambda: started)

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: there)
    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    return SimpleNamespace(broken=broken)


@pytest.mark.parametrize(
    ("device", "wanted"),
    [
        ("auto", ["CUDAExecutionProvider", CPU]),
        ("cuda", ["CUDAExecutionProvider", CPU]),
        ("cpu", [CPU]),
        ("coreml", ["CoreMLExecutionProvider", CPU]),
        ("openvino", ["OpenVINOExecutionProvider", CPU]),
    ],
)
@pytest.mark.usefixtures("runtime")
def test_a_device_is_a_provider_of_onnx_runtime(device, wanted, tmp_path):
    """The provider of the device comes first and the CPU behind it; auto takes a CUDA GPU alone."""
    assert open_session(tmp_path / "net.onnx", device).get_providers() == wanted


def test_a_device_that_cannot_be_started_is_no_cpu_in_silence(tmp_path, runtime):
    """ONNX Runtime falls back on the CPU where libraries are missing; asked for, it is an error."""
    runtime.broken.add("CUDAExecutionProvider")
    with pytest.raises(ModelError, match="ONNX Runtime could not start it"):
        open_session(tmp_path / "net.onnx", "cuda")
    assert open_session(tmp_path / "net.onnx", "auto").get_providers() == [CPU]
