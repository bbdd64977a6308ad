"""Models by name: kinds, options, plug-ins, class names, and folders of our own."""

from __future__ import annotations

import importlib.metadata
import json
import sys

import numpy as np
import pytest

from reelabel.config import Settings
from reelabel.data.boxes import Boxes
from reelabel.errors import MissingExtra, ModelError, UsageError
from reelabel.models import registry
from reelabel.models.coco import CATEGORY_IDS, COCO_80
from reelabel.models.contract import sample_pictures
from reelabel.models.detectors import fake
from reelabel.models.detectors.fake import FakeDetector
from reelabel.models.detectors.mapped import wanted_only
from reelabel.models.registry import load_detector, load_embedder
from reelabel.models.spec import Request, fingerprint


def test_coco_classes(data_dir):
    """The built-in names and category ids are those of COCO."""
    text = (data_dir / "weights" / "coco_classes_80.txt").read_text()
    assert tuple(text.split("\n"))[:80] == COCO_80
    truth = json.loads((data_dir / "annotated" / "coco_val" / "instances.json").read_text())
    names = dict(zip(CATEGORY_IDS, COCO_80, strict=True))
    assert all(names[category["id"]] == category["name"] for category in truth["categories"])


def test_unknown_kind_lists_the_kinds():
    """An unknown kind is an error that names the nearest and all others."""
    with pytest.raises(
        ModelError,
        match=r"did you mean 'onnx'\?.*fused:\.\.\., hf:\.\.\., hf-zero-shot:\.\.\., motion",
    ):
        load_detector("onxx:a.onnx")
    with pytest.raises(ModelError, match=r"did you mean 'tiny'\?.*timm:\.\.\., tiny"):
        load_embedder("tinny")


def test_unknown_option():
    """An unknown option is an error with a suggestion; a value out of range is one too."""
    with pytest.raises(UsageError, match="did you mean 'threshold'"):
        load_detector("fake:", options={"treshold": 3})
    with pytest.raises(UsageError, match=r"'threshold'.*999"):
        load_detector("fake:", options={"threshold": 999})


def test_nothing_after_motion():
    """Kinds that take nothing after the colon say so."""
    with pytest.raises(ModelError, match="nothing after the colon"):
        load_detector("motion:fast")


def test_missing_extra(monkeypatch):
    """A missing optional package is told with the extra that brings it."""
    monkeypatch.setitem(sys.modules, "transformers", None)
    monkeypatch.delitem(sys.modules, "reelabel.models.detectors.transformers", raising=False)
    with pytest.raises(MissingExtra, match=r"reelabel\[train\]"):
        load_detector("hf:some/model")


def test_plug_ins_come_through_entry_points(monkeypatch):
    """A kind from an entry point loads like ours, and cannot take the place of ours."""
    points = [
        importlib.metadata.EntryPoint("mine", f"{fake.__name__}:load", "reelabel.detectors"),
        importlib.metadata.EntryPoint("onnx", f"{fake.__name__}:load", "reelabel.detectors"),
        importlib.metadata.EntryPoint(
            "odd", "reelabel.models.spec:fingerprint", "reelabel.detectors"
        ),
    ]
    monkeypatch.setattr(registry, "entry_points", lambda **_: points)
    assert load_detector("mine:x", options={"threshold": 9}).name == "mine:x"
    with pytest.raises(ModelError, match="no weights at"):
        load_detector("onnx:nothing-here")
    monkeypatch.setattr("reelabel.models.spec.fingerprint", lambda request: request)
    with pytest.raises(ModelError, match="no Detector"):
        load_detector("odd:x")


def test_fake_finds_bright_blobs():
    """The fake detector boxes a bright disc exactly, and its score is its brightness."""
    picture = np.zeros((40, 60, 3), np.uint8)
    picture[10:20, 30:45] = (255, 0, 0)
    picture[30:35, 5:10] = (0, 204, 0)
    found = load_detector("fake:", wanted=["red", "green"]).open()([picture])[0]
    assert found.xyxy.tolist() == [[30, 10, 45, 20], [5, 30, 10, 35]]
    assert found.score.tolist() == pytest.approx([1, 0.8])
    assert found.class_id.tolist() == [0, 1]


def stub(*names):
    """Return a detector with these classes that never opens."""
    return FakeDetector(classes=names)


def test_wanted_alone_is_the_identity():
    """Wanting all classes in their order changes nothing, not even the object."""
    detector = stub("a", "b")
    assert wanted_only(detector, ["a", "b"]) is detector


def test_wanted_selects_and_reorders():
    """Classes that are not wanted are left out and the others numbered in the order asked for."""
    mapped = wanted_only(stub("a", "b", "c"), ["c", "a"])
    assert (mapped.classes, mapped.sources) == (("c", "a"), (1, -1, 0))


def test_unknown_names_suggest_the_nearest():
    """A name that the model does not know is an error with the nearest, wanted or mapped."""
    with pytest.raises(ModelError, match="did you mean 'sports ball'"):
        wanted_only(stub(*COCO_80), ["ball"])
    with pytest.raises(ModelError, match=r"'frisbe' .did you mean 'frisbee'"):
        wanted_only(stub(*COCO_80), ["ball"], {"sports ball": "ball", "frisbe": "ball"})


def test_one_mapping_serves_teacher_and_student():
    """A mapping made for the teacher does not disturb a student that knows the wanted name."""
    mapping = {"sports ball": "ball", "frisbee": "ball"}
    student = stub("ball")
    assert wanted_only(student, ["ball"], mapping) is student
    teacher = wanted_only(stub(*COCO_80), ["ball"], mapping)
    assert {COCO_80[i] for i, s in enumerate(teacher.sources) if s == 0} == set(mapping)


def test_joined_classes_are_suppressed_again():
    """One object under two names becomes one box; under one wanted name each it stays two."""

    class Two(FakeDetector):
        def _one(self, _picture):
            box = [[1.0, 1, 9, 9], [1, 1, 9, 9.5]]
            return Boxes(np.array(box), np.array([0.9, 0.6]), np.array([0, 1]))

    picture = sample_pictures()[:1]
    inner = Two(classes=("a", "b"))
    joined = wanted_only(inner, ["x"], {"a": "x", "b": "x"}).open()(picture)[0]
    assert joined.score.tolist() == pytest.approx([0.9])
    apart = wanted_only(inner, ["b", "a"]).open()(picture)[0]
    assert apart.class_id.tolist() == [1, 0]


def test_fingerprints_tell_mappings_apart():
    """What the names mean is part of a mapped detector's identity."""
    a = wanted_only(stub("a", "b"), ["x"], {"a": "x"}).fingerprint
    b = wanted_only(stub("a", "b"), ["x"], {"b": "x"}).fingerprint
    assert a != b


def test_fingerprint_of_settings():
    """Settings enter a fingerprint by their values."""

    class Options(Settings):
        x: int = 1

    assert fingerprint(Options()) == fingerprint(Options(x=1)) != fingerprint(Options(x=2))


CARD = {"kind": "fake", "classes": ["ball"], "image_size": 64}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "train one first"),
        ("{", "damaged"),
        ("[]", "damaged"),
        ('{"kind": "fake"}', "damaged"),
        (json.dumps({**CARD, "kind": "centernt"}), "did you mean 'centernet'"),
        (json.dumps({**CARD, "kind": "centre"}), "now called 'centernet'"),
        (json.dumps({**CARD, "task": "dance"}), "task 'detect', but got one for 'dance'"),
        (json.dumps({**CARD, "version": 9}), "version 1 or earlier, but got 9"),
    ],
)
def test_broken_model_folders(tmp_path, text, message):
    """A missing, damaged or unknown description of a student is an error that says what to do."""
    if text is not None:
        (tmp_path / "model.json").write_text(text)
    with pytest.raises(ModelError, match=message):
        load_detector(f"student:{tmp_path}")


def test_folder_without_weights(tmp_path):
    """A student whose weights are missing is refused before anything is detected."""
    pytest.importorskip("torch")
    (tmp_path / "model.json").write_text(json.dumps({**CARD, "kind": "centernet"}))
    with pytest.raises(ModelError, match=r"no model\.safetensors"):
        load_detector(f"student:{tmp_path}")


def test_round_needs_a_number_and_a_workspace(tmp_path):
    """The student of a round is found by the round's number in a workspace."""
    with pytest.raises(ModelError, match="needs the workspace"):
        load_detector("round:0")
    with pytest.raises(ModelError, match="expected the number of a round"):
        load_detector("round:../x", home=tmp_path)


def test_students_take_no_options(tmp_path):
    """All that a student needs is in its folder."""
    (tmp_path / "model.json").write_text(json.dumps(CARD))
    with pytest.raises(UsageError, match="no option 'floor'"):
        load_detector(f"student:{tmp_path}", options={"floor": 0.1})


def test_rooted_paths(tmp_path, monkeypatch):
    """Relative paths are looked for in the workspace, then where we stand."""
    monkeypatch.chdir(tmp_path)
    home = tmp_path / "home"
    home.mkdir()
    request = Request("k:x", "x", home=home)
    assert str(request.rooted("x")) == "x"
    (home / "x").touch()
    assert request.rooted("x") == home / "x"
