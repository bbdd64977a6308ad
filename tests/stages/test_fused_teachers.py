"""Several teachers in a workspace: who found what, what is stale, and who gives the start."""

from __future__ import annotations

import pytest

from reelabel.config import Project
from reelabel.errors import ConfigError
from reelabel.models.input_size import SIZES
from reelabel.pipeline import read_config
from reelabel.tables import DETECTIONS
from reelabel.training.boxes.settings import BoxTrainSettings
from reelabel.training.boxes.start import start_from_detector
from reelabel.verbs.status import status
from reelabel.verbs.teachers import TeachersAgreement, teachers_agreement
from reelabel.workspace.results import InputChoice


@pytest.fixture
def discs(bench, disc_clips):
    """Return a bench whose clips two detectors without weights have labelled."""
    bench.configure(videos=[str(clip) for clip in disc_clips[:2]], detector=["fake:", "motion"])
    bench.run("register", "cut", "truth", "sample", "tune", "detect")
    return bench


@pytest.fixture
def networks(data_dir):
    """Return NanoDet-m and YOLOX-nano."""
    return [f"onnx:{data_dir}/weights/{n}.onnx" for n in ("nanodet_m_320", "yolox_nano")]


def done(bench, name):
    """Return how many units of a stage are up to date."""
    found = status(bench.workspace, read_config(bench.workspace))
    return next(one.units.get("done", 0) for one in found if one.stage == name)


def test_each_detection_names_its_teachers(discs):
    """The disc is found by both in most frames; each row keeps who found it."""
    names = {row["found_by"] for row in discs.rows(DETECTIONS)}
    assert "fake + motion" in names
    assert names <= {"fake + motion", "fake", "motion"}


def test_detections_of_one_teacher_name_none(bench, disc_clips):
    """A single teacher needs no name."""
    bench.configure(videos=[str(disc_clips[0])], detector=["fake:"])
    bench.run("register", "cut", "truth", "sample", "tune", "detect")
    assert {row["found_by"] for row in bench.rows(DETECTIONS)} == {None}
    assert teachers_agreement(bench.workspace, read_config(bench.workspace), 0) is None


def test_how_often_teachers_agree_is_counted_on_positive_boxes(discs):
    """The line states how many of the positive boxes both found, and each alone."""
    assert teachers_agreement(discs.workspace, read_config(discs.workspace), 0) is None
    discs.run("track", "mine", "clean", score=0.2)
    found = teachers_agreement(discs.workspace, read_config(discs.workspace), 0)
    strong = [row for row in discs.rows(DETECTIONS) if row["score"] >= 0.2]
    both = sum(row["found_by"] == "fake + motion" for row in strong)
    assert found.found_by["fake", "motion"] >= both > 0
    assert str(found).startswith(f"both found {found.found_by['fake', 'motion']} of ")


@pytest.mark.parametrize(
    ("teachers", "counts", "line"),
    [
        (
            ("yolox", "nanodet"),
            {("nanodet", "yolox"): 812, ("yolox",): 160, ("nanodet",): 1062},
            "both found 812 of 2,034 positive boxes; nanodet alone 1,062, yolox alone 160",
        ),
        (
            ("a", "b", "c"),
            {("a", "b"): 3, ("c",): 2},
            "all 3 found 0 of 5 positive boxes; a + b 3, c alone 2, a alone 0, b alone 0",
        ),
    ],
)
def test_agreement_is_one_line(teachers, counts, line):
    """Those that found nothing alone are named too."""
    assert str(TeachersAgreement(teachers, counts)) == line


def test_the_order_of_teachers_makes_nothing_stale(discs):
    """Another order finds the same boxes; another detector or option does not."""
    assert done(discs, "detect") == 2
    discs.configure(detector=["motion", "fake:"])
    assert done(discs, "detect") == 2
    discs.configure(detector_options={"iou": 0.3})
    assert done(discs, "detect") == 0
    discs.configure(detector_options={"members": {"fake": {"threshold": 210}}})
    assert done(discs, "detect") == 0
    discs.configure(detector=["motion", "none"], detector_options={})
    with pytest.raises(ConfigError, match=r"'detector': 'none' cannot be fused"):
        done(discs, "detect")


def test_each_network_that_can_be_resized_has_its_own_input(bench, data_dir, networks):
    """YOLOX is tried at several sizes, NanoDet keeps its own; one that is named is not tried."""
    bench.configure(
        classes=["sports ball"],
        videos=[str(data_dir / "videos/sports/soccer_juggle.mp4")],
        detector=networks,
    )
    bench.run("register", "cut", "truth", "sample", every=40)
    result = bench.run("tune", largest=320)
    found = InputChoice.load(bench.workspace.round_dir(0))
    assert set(found.members) == {"yolox_nano"}
    assert found.image_size is None
    tried = set(found.members["yolox_nano"].agreement)
    assert tried == {size for size in SIZES if size <= 320}
    assert result.notes["all"] == {"yolox_nano": found.members["yolox_nano"].image_size or "own"}
    named = {"members": {"yolox_nano": {"input_wh": [320, 320]}}}
    bench.configure(detector_options=named)
    bench.run("tune")
    assert InputChoice.load(bench.workspace.round_dir(0)) == InputChoice()


def test_a_choice_names_the_teacher_that_it_is_of():
    """The sentence of each member begins with its label; those without a choice have none."""
    one = InputChoice(640, flip=True, agreement={640: 0.9}, pictures=3)
    found = InputChoice(members={"yolox_nano": one, "nanodet": InputChoice()})
    assert str(found).startswith("yolox_nano: the teacher's input is 640 px and its mirror image")
    assert "nanodet" not in str(found)
    assert InputChoice.from_json(found.to_json()) == found


def test_a_student_starts_from_the_first_teacher_that_it_can(networks, tmp_path):
    """NanoDet has no student, so the weights and the input are those of YOLOX."""
    choice = InputChoice(members={"yolox_nano": InputChoice(736)})
    project = Project(classes=("dog",), detector=networks)
    found = start_from_detector(BoxTrainSettings(), project, tmp_path, choice)
    assert (found.student, found.image_size) == ("yolox", 736)
    assert f"onnx:{found.weights}" == networks[1]
    settings = BoxTrainSettings()
    other = Project(classes=("dog",), detector=["motion", networks[0]])
    assert start_from_detector(settings, other, tmp_path, choice) is settings
