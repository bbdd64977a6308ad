"""A new workspace is told which detector it has and why; one that cannot be used is refused."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

import reelabel
from reelabel.config import Project
from reelabel.errors import ModelError, ReelabelError, UsageError
from reelabel.models.registry import load_detector
from reelabel.models.weights import cached_path, read_lock
from reelabel.short_names import RELEASED, RELEASED_SHA256, full_name
from reelabel.verbs import first_teacher
from reelabel.verbs.first_teacher import chosen_detector
from reelabel.verbs.model_names import named_model

onnx = pytest.importorskip("onnx")


@pytest.fixture
def cached(data_dir, tmp_path, monkeypatch):
    """Put the weights where a download of the smallest network is kept; return their hash."""
    monkeypatch.setenv("REELABEL_CACHE", str(tmp_path / "cache"))
    target = cached_path(RELEASED["yolox-nano"])
    target.parent.mkdir(parents=True)
    target.write_bytes((data_dir / "weights/yolox_nano.onnx").read_bytes())
    digest = hashlib.sha256(target.read_bytes()).hexdigest()
    monkeypatch.setitem(RELEASED_SHA256, RELEASED["yolox-nano"], digest)
    return digest


@pytest.mark.parametrize(
    ("classes", "extras", "chosen"),
    [
        (["dog", "sports ball"], True, "yolox-nano"),
        (["dog", "hedgehog"], True, first_teacher.ZERO_SHOT),
        (["hedgehog"], False, "motion"),
    ],
)
def test_the_detector_follows_from_the_classes(classes, extras, chosen, monkeypatch):
    """Classes of COCO take YOLOX, others a detector by text, and without its packages motion."""
    monkeypatch.setattr(first_teacher, "find_spec", lambda _: extras or None)
    found, why = chosen_detector(classes)
    assert found == chosen
    assert why.startswith("as ")


def test_a_new_workspace_states_its_detector(disc_clips, tmp_path):
    """The choice and its reason are told, and the choice is written down."""
    told = []
    made = reelabel.init(tmp_path / "w", classes="dog", videos=disc_clips, on_message=told.append)
    assert told[0].startswith("detector: yolox-nano, as all classes are of COCO")
    assert "detector: yolox-nano" in made.config_path.read_text()


def test_released_weights_are_found_by_name(cached, tmp_path):
    """The name is that of the file at the makers' address, locked at first use."""
    found = load_detector("yolox-nano", home=tmp_path, wanted=["dog"])
    assert found.classes == ("dog",)
    assert read_lock(tmp_path) == {RELEASED["yolox-nano"]: cached}
    assert Project(classes=("dog",), detector="yolox-nano").detector == full_name("yolox-nano")
    assert named_model("yolox-nano").spec == full_name("yolox-nano")


def test_another_file_in_the_place_of_released_weights_is_refused(tmp_path, monkeypatch):
    """What lies where the download is kept counts only with the hash of the release."""
    monkeypatch.setenv("REELABEL_CACHE", str(tmp_path))
    target = cached_path(RELEASED["yolox-s"])
    target.parent.mkdir(parents=True)
    target.write_bytes(b"another network")
    with pytest.raises(ModelError, match="not the released file") as caught:
        load_detector("yolox-s")
    for part in (str(target), RELEASED_SHA256[RELEASED["yolox-s"]], "--detector FILE"):
        assert part in str(caught.value)


def test_without_a_network_the_place_of_the_file_is_named(tmp_path, monkeypatch):
    """An address that cannot be reached leads to the place where the file may be put."""
    monkeypatch.setenv("REELABEL_CACHE", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(ModelError) as caught:
        load_detector("yolox-tiny")
    assert str(cached_path(RELEASED["yolox-tiny"])) in str(caught.value)


def test_a_path_alone_is_a_detector_everywhere(data_dir, disc_clips, tmp_path, monkeypatch):
    """A file without a kind is taken by init, by settings and by predict, from any folder."""
    monkeypatch.chdir(data_dir / "weights")
    made = reelabel.init(
        tmp_path / "w", classes=["dog"], videos=disc_clips, detector="yolox_nano.onnx"
    )
    path = data_dir / "weights/yolox_nano.onnx"
    assert f"detector: {path.resolve()}" in made.config_path.read_text()
    monkeypatch.chdir(tmp_path)
    assert reelabel.predict(str(path), np.zeros((64, 64, 3), np.uint8)).boxes == []


def ultralytics_file(path):
    """Write an ONNX file with the outputs and the metadata of an Ultralytics export."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    takes = helper.make_tensor_value_info("images", kind, [1, 3, 64, 64])
    gives = helper.make_tensor_value_info("output0", kind, [1, 3, 64, 64])
    node = helper.make_node("Identity", ["images"], ["output0"])
    model = helper.make_model(
        helper.make_graph([node], "g", [takes], [gives]),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    helper.set_model_props(
        model, {"author": "Ultralytics", "description": "Ultralytics YOLOv8n model"}
    )
    onnx.save(model, path)


@pytest.mark.parametrize("name", ["best.pt", "onnx:best.pt", "yolov8n.onnx"])
def test_files_of_ultralytics_are_explained(name, disc_clips, tmp_path, monkeypatch):
    """Init, prediction and loading state what the file is and what to take instead."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "best.pt").write_bytes(b"PK\x03\x04")
    ultralytics_file(tmp_path / "yolov8n.onnx")
    with pytest.raises(ModelError, match=r"Ultralytics .*--detector yolox-nano"):
        reelabel.init(tmp_path / "w", classes=["dog"], videos=disc_clips, detector=name)
    with pytest.raises(ModelError, match=r"Ultralytics .*yolox-nano"):
        reelabel.predict(name, disc_clips[0], quiet=True)
    assert not (tmp_path / "w").exists()


def test_a_class_that_the_file_lacks_is_refused_at_once(data_dir, disc_clips, tmp_path):
    """Init names the nearest class, before anything is made."""
    path = data_dir / "weights/yolox_nano.onnx"
    with pytest.raises(ModelError, match="did you mean 'sports ball'"):
        reelabel.init(tmp_path / "w", classes=["ball"], videos=disc_clips, detector=path.as_posix())
    options = {"detector_options": {"flor": 1}}
    with pytest.raises(UsageError, match="did you mean 'floor'"):
        reelabel.init(
            tmp_path / "w", classes=["dog"], videos=disc_clips, detector=str(path), settings=options
        )
    assert not (tmp_path / "w").exists()


FRAMES = "classify-frames"


@pytest.mark.parametrize(
    "given",
    [
        {"detector": "hf:"},
        {"detector": "hf:a b/c"},
        {"detector": "hf-zero-shot:a/b/c"},
        {"detector": ["motion", "hf:a/b/c"]},
        {"task": FRAMES, "teacher": "hf-zero-shot-image:a/b/c"},
    ],
    ids=str,
)
def test_names_that_no_hub_can_have_are_refused_at_once(given, disc_clips, tmp_path):
    """Init looks at the form of a name without a download; nothing is made."""
    with pytest.raises(ModelError, match="hub id"):
        reelabel.init(tmp_path / "w", classes=["dog", "cat"], videos=disc_clips, **given)
    assert not (tmp_path / "w").exists()


@pytest.mark.train
@pytest.mark.parametrize(
    "given",
    [
        {"detector": "torchvision:fasterrcn"},
        {"task": FRAMES, "teacher": "timm:resnet1"},
        {
            "task": FRAMES,
            "tags": "folders",
            "settings": {"train": {"student": "timm:resnet1"}},
        },
    ],
    ids=str,
)
def test_names_that_a_library_lacks_are_refused_at_once(given, disc_clips, tmp_path):
    """Where it is installed, init asks the library and names the nearest."""
    with pytest.raises(ModelError, match=r"did you mean '(fasterrcnn_|resnet18)"):
        reelabel.init(tmp_path / "w", classes=["dog", "cat"], videos=disc_clips, **given)
    assert not (tmp_path / "w").exists()


@pytest.mark.train
@pytest.mark.parametrize(
    ("task", "pair"),
    [
        (FRAMES, ("torchvision:mobilenet_v22", "mobilenet_v2")),
        (FRAMES, ("timm:resnet188", "resnet18")),
        ("classify-clips", ("tsm:resnt18", "resnet18")),
        ("classify-clips", ("cnn-lstm:resnt18", "resnet18")),
        ("classify-clips", ("gru:torchvision:resnt18", "resnet18")),
        ("classify-clips", ("torchvision-video:r3d_81", "torchvision-video:r3d_18")),
        ("detect", ("torchvision:fasterrcnn_resnet51_fpn", "torchvision:fasterrcnn_resnet50_fpn")),
    ],
)
def test_a_misspelt_student_is_refused_at_every_door(task, pair, disc_clips, tmp_path):
    """Init and run name the nearest network, before anything is made or done."""
    student, nearest = pair
    train = {"train": {"student": student, "weights": "pretrained"}}
    if task == "detect":
        train["train"].pop("weights")
    given = {"classes": ["dog", "cat"], "videos": disc_clips, "task": task}
    given |= {"detector": "motion"} if task == "detect" else {"tags": "folders"}
    with pytest.raises(ReelabelError, match=f"did you mean '{nearest}'"):
        reelabel.init(tmp_path / "w", settings=train, **given)
    made = reelabel.init(tmp_path / "v", **given)
    with pytest.raises(ReelabelError, match=f"did you mean '{nearest}'"):
        reelabel.run(made, settings=train)
    assert not (tmp_path / "w").exists()
    assert not (made.root / "tables").exists()


@pytest.mark.train
@pytest.mark.parametrize("task", ["detect", FRAMES])
def test_a_network_of_another_kind_is_no_student(task, disc_clips, tmp_path):
    """Networks that judge windows are refused as students of pictures."""
    given = {"classes": ["dog", "cat"], "videos": disc_clips, "task": task}
    given |= {} if task == "detect" else {"tags": "folders"}
    student = {"train": {"student": "torchvision:r3d_18"}}
    with pytest.raises(ReelabelError, match=r"expected .* but got '.*r3d_18'"):
        reelabel.init(tmp_path / "w", settings=student, **given)


@pytest.mark.parametrize(("task", "student"), [("detect", "hf:"), ("classify-clips", "hf-video:")])
def test_students_that_no_hub_can_have_are_refused_at_once(task, student, disc_clips, tmp_path):
    """Init looks at the form of a name without a download; nothing is made."""
    given = {"classes": ["dog", "cat"], "videos": disc_clips, "task": task}
    given |= {} if task == "detect" else {"tags": "folders"}
    with pytest.raises(ModelError, match="hub id"):
        reelabel.init(tmp_path / "w", settings={"train": {"student": f"{student}a/b/c"}}, **given)
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize("task", ["detect", FRAMES, "classify-clips"])
def test_missing_initial_weights_are_named_at_once(task, disc_clips, tmp_path):
    """A file of weights that is not there is refused before anything is made."""
    given = {"classes": ["dog", "cat"], "videos": disc_clips, "task": task}
    given |= {} if task == "detect" else {"tags": "folders"}
    with pytest.raises(ModelError, match=r"nowhere\.pth"):
        reelabel.init(
            tmp_path / "w", settings={"train": {"weights": str(tmp_path / "nowhere.pth")}}, **given
        )
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize("classes", ["", [""], ["dog", "dog"]])
def test_nothing_is_told_before_an_error(classes, disc_clips, tmp_path):
    """What is wrong is the only thing that is said."""
    told = []
    with pytest.raises(UsageError, match="each class needs a name"):
        reelabel.init(tmp_path / "w", classes=classes, videos=disc_clips, on_message=told.append)
    assert told == []
