"""A trained detector becomes an ONNX file that ``onnx:`` opens without options."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from reelabel.data.boxes import iou  # noqa: E402 -- torch
from reelabel.errors import UsageError  # noqa: E402 -- torch
from reelabel.media.pictures import read_rgb  # noqa: E402 -- torch
from reelabel.models.contract import detector_faults  # noqa: E402 -- torch
from reelabel.models.onnx_session import open_session  # noqa: E402 -- torch
from reelabel.models.registry import load_detector  # noqa: E402 -- torch
from reelabel.models.students.centernet.network import CenterNet  # noqa: E402 -- torch
from reelabel.models.students.folder import ModelCard, write_card  # noqa: E402 -- torch
from reelabel.models.students.onnx_export import export_onnx  # noqa: E402 -- torch
from reelabel.models.students.registry import family_named, family_of  # noqa: E402 -- torch
from reelabel.models.students.yolox import session  # noqa: E402 -- torch
from reelabel.training.boxes.settings import BoxTrainSettings  # noqa: E402 -- torch

pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_thread")]
CLASSES = ("person", "sports ball")


def saved(folder, student, card):
    """Write a finished model folder."""
    folder.mkdir()
    family_named(card.kind, "test", "boxes").save(folder, student)
    write_card(folder, card)
    return folder


def test_yolox_as_onnx_finds_the_same_boxes(data_dir, tmp_path):
    """The exported file gives the boxes of the folder, at its input size and with its names."""
    settings = BoxTrainSettings(weights=data_dir / "weights" / "yolox_nano.onnx")
    student = family_of(settings).build(settings, CLASSES).eval()
    card = ModelCard(kind="yolox", classes=CLASSES, image_size=320, nms_iou=0.65, arch=student.arch)
    model = saved(tmp_path / "model", student, card)
    metadata = export_onnx(model, tmp_path / "student.onnx")
    assert metadata.preprocessing["image_size"] == 320
    props = {p.key: p.value for p in onnx.load(tmp_path / "student.onnx").metadata_props}
    assert (props["task"], json.loads(props["names"])) == ("detect", list(CLASSES))
    options = {"rect": False, "floor": 0.3}
    ours = load_detector(f"student:{model}")
    theirs = load_detector(f"onnx:{tmp_path}/student.onnx", options=options)
    assert (theirs.classes, theirs.fit_wh) == (CLASSES, (320, 320))
    assert detector_faults(theirs) == []
    found = 0
    for path in sorted((data_dir / "annotated" / "coco_val").rglob("*.jpg"))[:12]:
        picture = read_rgb(path)[:320, :320]
        if picture.shape[:2] != (320, 320):
            continue
        expected, boxes = (d.open()([picture])[0] for d in (ours, theirs))
        expected, boxes = (each[each.score >= 0.3] for each in (expected, boxes))
        assert len(boxes) == len(expected)
        if len(boxes):
            overlap = iou(expected.xyxy, boxes.xyxy)
            assert overlap.max(axis=1).min() > 0.98
            assert np.sort(boxes.score) == pytest.approx(np.sort(expected.score), abs=1e-3)
        found += len(boxes)
    assert found > 3


def test_pictures_are_given_to_onnx_runtime_one_by_one(data_dir, tmp_path, monkeypatch):
    """A batch finds what its pictures do alone; memory does not grow with its size."""
    settings = BoxTrainSettings(weights=data_dir / "weights" / "yolox_nano.onnx")
    student = family_of(settings).build(settings, CLASSES).eval()
    card = ModelCard(kind="yolox", classes=CLASSES, image_size=160, nms_iou=0.65, arch=student.arch)
    model, given = saved(tmp_path / "model", student, card), []

    def opened(path, *more):
        inner = open_session(path, *more)

        def run(names, inputs):
            given.append(inputs["images"].shape)
            return inner.run(names, inputs)

        return SimpleNamespace(run=run)

    monkeypatch.setattr(session, "open_session", opened)
    network = session.onnx_network(next(model.glob("*.onnx")))
    pictures = np.random.default_rng(0).uniform(0, 255, (3, 3, 96, 160)).astype(np.float32)
    together, alone = network(pictures), [network(each[None])[0] for each in pictures]
    assert given == [(1, 3, 96, 160)] * 6
    for one, other in zip(together, alone, strict=True):
        assert np.array_equal(one.xyxy, other.xyxy)
        assert np.array_equal(one.score, other.score)


def test_half_precision_finds_nearly_the_same_boxes_in_half_the_size(data_dir, tmp_path):
    """Inputs and outputs stay float32; the file states its precision."""
    settings = BoxTrainSettings(weights=data_dir / "weights" / "yolox_nano.onnx")
    student = family_of(settings).build(settings, CLASSES).eval()
    card = ModelCard(kind="yolox", classes=CLASSES, image_size=320, nms_iou=0.65, arch=student.arch)
    model = saved(tmp_path / "model", student, card)
    whole, half = tmp_path / "whole.onnx", tmp_path / "half.onnx"
    assert export_onnx(model, whole).precision == "float32"
    assert export_onnx(model, half, "float16").precision == "float16"
    assert half.stat().st_size < 0.6 * whole.stat().st_size
    props = {p.key: p.value for p in onnx.load(half).metadata_props}
    assert props["precision"] == "float16"
    options = {"rect": False, "floor": 0.3}
    detectors = [load_detector(f"onnx:{path}", options=options) for path in (whole, half)]
    found = 0
    for path in sorted((data_dir / "annotated" / "coco_val").rglob("*.jpg"))[:6]:
        expected, boxes = (d.open()([read_rgb(path)])[0] for d in detectors)
        sure = expected[expected.score >= 0.35]
        if len(sure):
            assert iou(sure.xyxy, boxes.xyxy).max(axis=1).min() > 0.95
        found += len(sure)
    assert found > 3


def test_families_without_an_onnx_form_are_named(tmp_path):
    """A family that has no ONNX form is an error that names it."""
    torch.manual_seed(0)
    card = ModelCard(kind="centernet", classes=("ball",), image_size=96)
    student = CenterNet(1)
    card = card.model_copy(update={"arch": student.arch})
    with pytest.raises(UsageError, match=r"'centernet' .* has no such form"):
        export_onnx(saved(tmp_path / "model", student, card), tmp_path / "student.onnx")
