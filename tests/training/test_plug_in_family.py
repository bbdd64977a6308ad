"""A family of students from another package."""

import pytest

from reelabel.data.boxes import Boxes
from reelabel.errors import ModelError, UsageError
from reelabel.models.registry import load_detector
from reelabel.models.students import registry
from reelabel.models.students.box_family import BoxOnePassFamily
from reelabel.models.students.folder import read_card
from reelabel.training.boxes.settings import BoxTrainSettings
from reelabel.training.registry import load_trainer


class MeanFamily(BoxOnePassFamily):
    """Detects the mean box of the first class in every picture."""

    name = "mean"
    defaults = {"image_size": 96}  # noqa: RUF012 -- declared as a ClassVar in the base class

    def learn(self, examples, classes):
        """Return the mean box."""
        del classes
        boxes = Boxes.concatenated([boxes for _, boxes in examples])
        return {"box": boxes[boxes.class_id == 0].xyxy.mean(axis=0).tolist()}

    def open(self, model_dir, card):
        """Return the function that detects it."""
        del model_dir
        return lambda images: [Boxes([card.arch["box"]], [1.0], [0]) for _ in images]


class Point:
    """An entry point."""

    def __init__(self, value):
        self.name, self._value = "mean", value

    def load(self):
        """Return what it names."""
        return self._value


@pytest.fixture
def plug_in(monkeypatch):
    """Return a function that registers an object as a family of another package."""

    def register(value):
        monkeypatch.setattr(registry, "entry_points", lambda **_: [Point(value)])

    return register


def test_it_trains_and_detects(squares, tmp_path, plug_in):
    """One object is enough: its defaults hold, it is trained, and its folder is a detector."""
    plug_in(MeanFamily())
    trainer = load_trainer(BoxTrainSettings(student="mean"))
    trainer.fit(squares(), tmp_path / "model", lambda *_: None)
    assert read_card(tmp_path / "model").image_size == 96
    detector = load_detector(f"student:{tmp_path / 'model'}")
    assert detector.classes == ("red", "blue")
    assert len(detector.open()([None])[0]) == 1


def test_its_folder_needs_it(squares, tmp_path, plug_in, monkeypatch):
    """Without the package the folder is an error that names the family."""
    plug_in(MeanFamily())
    load_trainer(BoxTrainSettings(student="mean")).fit(squares(), tmp_path / "m", lambda *_: None)
    monkeypatch.setattr(registry, "entry_points", lambda **_: [])
    with pytest.raises(ModelError, match="but got 'mean'"):
        load_detector(f"student:{tmp_path / 'm'}")


def test_something_else_is_refused(plug_in):
    """An entry point that names no family is an error that names the entry point."""
    plug_in("a text")
    with pytest.raises(UsageError, match=r"'mean'.*got str"):
        load_trainer(BoxTrainSettings(student="mean"))


def test_the_old_name_names_the_new_one():
    """The student that was renamed is refused, with its new name."""
    with pytest.raises(ValueError, match="'centre' is now called 'centernet'"):
        BoxTrainSettings(student="centre")
