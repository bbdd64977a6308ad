"""The detector that repeats what stands in texts: what it is asked for, and when it is another."""

from __future__ import annotations

import os

import numpy as np
import pytest

from reelabel.errors import FormatError, MissingInput, ModelError, UsageError
from reelabel.formats.detections_txt import write_detections
from reelabel.models.registry import load_detector

FRAMES = 20


@pytest.fixture
def folder(tmp_path):
    """Return a folder with texts of two classes for one video of twenty frames."""
    for name, left in (("dog", 10.0), ("sports_ball", 50.0)):
        blocks = [np.zeros((0, 5)) for _ in range(FRAMES)]
        blocks[3] = np.array([[left, 20, 30, 40, 0.5]])
        write_detections(tmp_path / name / "v.txt", blocks)
    return tmp_path


def test_it_says_what_stands_in_the_texts_of_its_classes(folder, disc_clips):
    """Boxes of all classes stand in their frame, which is named by its time stamp."""
    wanted = ["sports ball", "dog"]
    mapping = {"frisbee": "sports ball"}
    found = load_detector(f"detections-txt:{folder}", wanted=wanted, mapping=mapping)
    assert found.classes == ("sports ball", "dog")
    replayed = found.replay(disc_clips[0], "v")
    assert [s.index for s in replayed] == list(range(FRAMES))
    assert [s.index for s in replayed if len(s.boxes)] == [3]
    assert (replayed[3].pts, replayed[3].time_s) == (72, pytest.approx(0.12))
    assert replayed[3].boxes.xyxy.tolist() == [[50, 20, 80, 60], [10, 20, 40, 60]]
    assert replayed[3].boxes.class_id.tolist() == [0, 1]


def test_it_is_another_when_a_text_or_a_class_is(folder):
    """Its fingerprint changes with every text that comes, goes or is written again."""
    spec = f"detections-txt:{folder}"

    def now(*classes):
        return load_detector(spec, wanted=classes).fingerprint

    first = now("dog")
    assert now("dog") == first != now("dog", "sports ball")
    os.utime(folder / "dog/v.txt", ns=(1, 1))
    second = now("dog")
    (folder / "dog/w.txt").write_text("")
    assert len({first, second, now("dog")}) == 3


def test_what_it_cannot_say_is_an_error(folder, disc_clips, tmp_path):
    """No text, a text of another video, no class, no folder, options: each error names it."""
    spec = f"detections-txt:{folder}"
    found = load_detector(spec, wanted=["dog"])
    with pytest.raises(MissingInput, match=r"'dog'.*reelabel import --format detections-txt"):
        found.replay(disc_clips[0], "unknown")
    (folder / "dog/v.txt").write_text("1\n0\n")
    with pytest.raises(FormatError, match="expected 20 blocks"):
        found.replay(disc_clips[0], "v")
    with pytest.raises(ModelError, match="cannot process new images"):
        found.open()
    with pytest.raises(ModelError, match="name the classes"):
        load_detector(spec)
    for rest in ("", tmp_path / "gone"):
        with pytest.raises(ModelError, match="expected a folder"):
            load_detector(f"detections-txt:{rest}", wanted=["dog"])
    with pytest.raises(UsageError, match="no option 'floor'"):
        load_detector(spec, wanted=["dog"], options={"floor": 0.1})
