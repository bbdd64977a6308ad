"""The input size of the teacher, chosen before anything is labelled."""

from __future__ import annotations

import pytest

from reelabel.errors import ModelError
from reelabel.models.input_size import SIZES
from reelabel.models.mirrored import TwoViewDetector, single_view
from reelabel.models.registry import load_detector
from reelabel.models.teacher import chosen_input, with_input
from reelabel.training.boxes.settings import BoxTrainSettings
from reelabel.training.boxes.start import with_input_size
from reelabel.workspace.results import InputChoice


@pytest.fixture
def juggling(bench, data_dir):
    """Return a bench with a real clip and YOLOX-nano, sampled."""
    bench.configure(
        classes=["sports ball"],
        videos=[str(data_dir / "videos/sports/soccer_juggle.mp4")],
        detector=f"onnx:{data_dir / 'weights/yolox_nano.onnx'}",
        class_map={"frisbee": "sports ball"},
    )
    bench.run("register", "cut", "truth", "sample", every=8)
    return bench


def chosen(bench):
    """Return the input of the first round."""
    return InputChoice.load(bench.workspace.round_dir(0))


@pytest.mark.train
def test_a_larger_input_suits_a_small_ball(juggling):
    """A ball of 77 of 1280 pixels is found best in an input larger than the network's own 416."""
    result = juggling.run("tune")
    found = chosen(juggling)
    assert found.image_size > 416
    assert found.flip
    assert max(found.agreement.values()) - found.agreement[found.image_size] <= 0.002
    assert result.notes["all"]["image_size"] == found.image_size


def test_sizes_beyond_the_limit_are_not_tried(juggling):
    """The time of detection grows with the square of the input, so it can be bounded."""
    juggling.run("tune", largest=320)
    found = chosen(juggling)
    assert set(found.agreement) == {size for size in SIZES if size <= 320}
    assert str(found).startswith("the teacher's input is 320 px and its mirror image: ")
    assert not str(InputChoice())


def test_own_keeps_the_input_of_the_file(juggling):
    """With `input: own` nothing is tried, and the teacher stays as its file says."""
    juggling.run("tune", input="own")
    assert chosen(juggling) == InputChoice()


def test_an_input_that_options_name_is_not_chosen_anew(juggling):
    """Who names an input has decided."""
    juggling.configure(detector_options={"input_wh": [320, 320]})
    juggling.run("tune")
    assert chosen(juggling) == InputChoice()


def test_a_network_that_cannot_be_resized_keeps_its_input(juggling, data_dir):
    """NanoDet writes its sizes into the file."""
    juggling.configure(detector=f"onnx:{data_dir / 'weights/nanodet_m_320.onnx'}")
    juggling.run("tune")
    assert chosen(juggling) == InputChoice()


def test_detectors_without_an_input_size_keep_their_input(bench, disc_clips):
    """Motion and recorded detections have no input size."""
    bench.configure(videos=[str(disc_clips)], detector="motion")
    bench.run("register", "cut", "truth", "sample", "tune")
    assert chosen(bench) == InputChoice()


def test_a_chosen_input_goes_around_the_mapping_of_classes(data_dir):
    """Both views are joined by the workspace's classes, whatever the network calls an object."""
    spec = f"onnx:{data_dir / 'weights/yolox_nano.onnx'}"
    plain = load_detector(spec, wanted=["ball"], mapping={"sports ball": "ball"})
    found = chosen_input(plain, InputChoice(640, flip=True))
    assert isinstance(found, TwoViewDetector)
    assert (found.fit_wh, found.classes) == ((640, 640), ("ball",))
    assert found.fingerprint != plain.fingerprint
    assert single_view(found).fingerprint == with_input(plain, 640, flip=False).fingerprint
    assert chosen_input(plain, InputChoice()) is plain


def test_a_network_of_a_fixed_input_can_be_given_another(data_dir):
    """`input_wh` resizes a file; one that cannot be resized is refused with its own size."""
    nano, rigid = (f"onnx:{data_dir}/weights/{n}.onnx" for n in ("yolox_nano", "nanodet_m_320"))
    assert load_detector(nano, options={"input_wh": (640, 384)}).fit_wh == (640, 384)
    with pytest.raises(ModelError, match="works at 320 x 320 alone"):
        load_detector(rigid, options={"input_wh": (640, 640)})


def test_students_take_the_chosen_size_unless_one_is_set():
    """A student that starts from the teacher's weights is used at the teacher's input."""
    choice, weights = InputChoice(736), {"weights": "a.onnx"}
    size = lambda **given: with_input_size(BoxTrainSettings(**given), choice).image_size  # noqa: E731 -- one line
    assert size(**weights) == 736
    assert size(**weights, image_size=320) == 320
    assert size() == 480
