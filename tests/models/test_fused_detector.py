"""Several detectors as one: classes, options, inputs, and what cannot be fused."""

from __future__ import annotations

import numpy as np
import pytest

from reelabel.config import Project
from reelabel.engine.project import parse_config
from reelabel.errors import ConfigError, ModelError, UsageError
from reelabel.models.base import FrameDetections
from reelabel.models.callables import detector_name
from reelabel.models.contract import detector_faults, sample_pictures
from reelabel.models.detector_pool import DetectorPool, detect_frames
from reelabel.models.mirrored import TwoViewDetector, has_two_views, single_view
from reelabel.models.registry import load_detector
from reelabel.models.teacher import chosen_input
from reelabel.short_names import detector_labels, full_name, fused_name, member_names
from reelabel.workspace.results import InputChoice


@pytest.fixture
def networks(data_dir):
    """Return the name of YOLOX-nano and NanoDet-m together."""
    return fused_name([f"{data_dir}/weights/{n}.onnx" for n in ("yolox_nano", "nanodet_m_320")])


class Still:
    """Finds one box of one class in every picture."""

    def __init__(self, left, score=0.8, classes=("dog",)):
        self.left, self.score, self.classes = left, score, classes
        self.fingerprint = f"{left} {score} {classes}"

    def predict(self, image):
        """Return the box."""
        del image
        return [(self.left, 10.0, self.left + 20.0, 30.0, self.score, 0)]


@pytest.mark.parametrize("others", [["motion"], ["motion", "fake:"], ["fake:", "round"]])
def test_fused_detectors_keep_the_contract(networks, others):
    """Networks together, and with detectors that need frames in order or none, are detectors."""
    spec = networks if others[-1] == "round" else fused_name([member_names(networks)[0], *others])
    detector = load_detector(spec, wanted=["dog", "sports ball"] if spec == networks else ["dog"])
    assert detector_faults(detector) == []
    assert detector.in_order == ("motion" in others)


def test_names_of_several_detectors_are_one_name():
    """Short names are written out, and labels are unique."""
    spec = full_name("fused:yolox-nano + motion")
    assert spec == fused_name(["yolox-nano", "motion"])
    assert detector_labels(spec) == ("yolox_nano", "motion")
    assert detector_labels("fused:onnx:a/net.onnx + onnx:b/net.onnx") == (
        "onnx:a/net.onnx",
        "onnx:b/net.onnx",
    )
    assert fused_name(["motion"]) == "motion"
    assert detector_labels("onnx:a/net.onnx") == ("net",)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["motion", "none"], "'none' cannot be fused with others, as it finds nothing"),
        (["motion", "detections-txt:a"], "'detections-txt:a' cannot be fused.*recording"),
        (["motion", "motion"], "different detectors.*'motion' twice"),
        (["motion", "a + b.onnx"], "none with ' \\+ ' in its name"),
        ([], "one detector or several, but got an empty list"),
    ],
)
def test_what_cannot_be_fused_is_refused_with_the_settings(names, message):
    """Settings are refused before anything is loaded; a name by hand is refused when loaded."""
    with pytest.raises(ValueError, match=message):
        Project(classes=("dog",), detector=names)


@pytest.mark.parametrize("spec", ["fused:motion + none", "fused:fake: + fake:"])
def test_a_fused_name_by_hand_is_checked_when_it_is_loaded(spec):
    """Settings are not the only door."""
    with pytest.raises(ModelError, match=r"^fused:.*(cannot be fused|twice)"):
        load_detector(spec)


def test_each_detector_has_its_own_classes():
    """The same object has one name after each one's mapping; a class of one alone is found too."""
    dog, hound, cat = Still(10), Still(11, 0.6, ("hound",)), Still(60, 0.9, ("cat",))
    spec = detector_name([dog, hound, cat])
    detector = load_detector(spec, wanted=["cat", "dog"], mapping={"hound": "dog"})
    boxes = detector.open()([np.zeros((64, 96, 3), np.uint8)])[0]
    assert detector.classes == ("cat", "dog")
    assert boxes.class_id.tolist() == [0, 1]
    assert boxes.score.tolist() == pytest.approx([0.9, 0.7])
    assert boxes.xyxy[1, 0] == pytest.approx((10 * 0.8 + 11 * 0.6) / 1.4)
    names = member_names(spec)
    assert [name.rpartition(".")[2] for name in names] == ["Still", "Still#2", "Still#3"]
    assert boxes.origin.tolist() == [
        detector_labels(spec)[2],
        " + ".join(sorted(detector_labels(spec)[:2])),
    ]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (["dog", "cot"], "none of .* has a class 'cot' .did you mean 'cat'"),
        (["dog"], r"Still.* has none of the classes dog: leave it out, or map some .*: cat"),
    ],
)
def test_classes_that_nobody_has_and_idle_detectors_are_refused(wanted, message):
    """A class that no detector has, and a detector without any wanted class, are named."""
    spec = detector_name([Still(1), Still(2, classes=("cat",))])
    with pytest.raises(ModelError, match=message):
        load_detector(spec, wanted=wanted)


def test_the_order_of_the_names_changes_nothing(networks):
    """Detections are the same in any order, and so is what makes them stale."""
    one, two = member_names(networks)
    a, b = (load_detector(fused_name(names), wanted=["dog"]) for names in ([one, two], [two, one]))
    assert a.fingerprint == b.fingerprint
    assert a.name != b.name
    others = [load_detector(one, wanted=["dog"]), load_detector(networks, wanted=["cat"])]
    assert len({a.fingerprint, *(other.fingerprint for other in others)}) == 3


def test_each_detector_has_its_own_options(networks):
    """Options go by the label or by the whole name; unknown ones are named."""
    name = member_names(networks)[1]
    plain = load_detector(networks)
    for key in ("nanodet_m_320", name):
        given = load_detector(networks, options={"members": {key: {"floor": 0.9}}})
        assert given.members["nanodet_m_320"].options.floor == 0.9
        assert given.members["yolox_nano"] == plain.members["yolox_nano"]
    weighed = load_detector(networks, options={"weights": {"yolox_nano": 3}})
    assert weighed.weights == {"nanodet_m_320": 1, "yolox_nano": 3}
    assert weighed.fingerprint != plain.fingerprint
    with pytest.raises(UsageError, match=r"weights: expected one of .*did you mean 'yolox_nano'"):
        load_detector(networks, options={"weights": {"yolox-nano": 3}})
    assert load_detector(networks, options={"iou": 0.4}).fingerprint != plain.fingerprint
    with pytest.raises(UsageError, match="expected one of yolox_nano, nanodet_m_320, but got 'yo"):
        load_detector(networks, options={"members": {"yolox-nano": {}}})
    with pytest.raises(UsageError, match="has no option 'floor'"):
        load_detector(networks, options={"floor": 0.1})
    with pytest.raises(UsageError, match="did you mean 'floor'"):
        load_detector(networks, options={"members": {"yolox_nano": {"flor": 0.1}}})


def test_each_detector_is_given_its_own_input(networks):
    """An input that was chosen for one goes around that one; both views are taken apart again."""
    plain = load_detector(networks, wanted=["dog"])
    found = chosen_input(plain, InputChoice(members={"yolox_nano": InputChoice(640, flip=True)}))
    assert isinstance(found.members["yolox_nano"], TwoViewDetector)
    assert found.members["nanodet_m_320"] is plain.members["nanodet_m_320"]
    assert (found.fit_wh, plain.fit_wh) == ((640, 640), (416, 416))
    assert single_view(found).members["yolox_nano"].fit_wh == (640, 640)
    assert has_two_views(found)
    assert not has_two_views(load_detector("fused:fake: + motion", wanted=["dog"]))


def test_boxes_of_a_reduced_picture_lie_where_the_whole_one_has_them(networks, data_dir):
    """A detector that is given less than the others finds what it finds alone."""
    member = member_names(networks)[1]
    clip = data_dir / "videos/dogs/dog_fetch.mp4"
    alone = load_detector(member, wanted=["dog"], options={"floor": 0.3})
    options = {"members": {"yolox_nano": {"floor": 1.0}, "nanodet_m_320": {"floor": 0.3}}, "iou": 1}
    both = load_detector(networks, wanted=["dog"], options=options)

    def first(detector) -> FrameDetections:
        return next(detect_frames(clip, DetectorPool(detector, 1), [0], size_wh=(1280, 720)))

    a, b = first(alone).boxes, first(both).boxes
    assert len(a) == len(b) > 0
    assert np.abs(a.xyxy - b.xyxy).max() < 8
    assert np.allclose(a.score / 2, b.score, atol=0.05)
    assert set(b.origin.tolist()) == {"nanodet_m_320"}


def test_pictures_without_any_box_are_fused_too():
    """Nothing found is no box, whoever looked."""
    detector = load_detector("fused:fake: + motion", wanted=["dog"])
    found = detector.open()([sample_pictures()[0], np.zeros((64, 96, 3), np.uint8)])
    assert [len(boxes) for boxes in found] == [1, 0]


def test_functions_that_cannot_be_called_are_refused():
    """A list is checked one by one."""
    with pytest.raises(ModelError, match="a function that takes a picture"):
        detector_name([Still(1), 3])
    with pytest.raises(ModelError, match="recording"):
        detector_name([Still(1), "detections-txt:a"])
    with pytest.raises(ModelError, match="twice"):
        detector_name(["motion", "motion"])


def test_project_settings_name_wrong_lists():
    """A list of something else than names is an error of the settings."""
    with pytest.raises(ConfigError, match=r"'detector': .*valid string"):
        parse_config({"classes": ["dog"], "detector": [1, 2]}, "reelabel.yaml")
