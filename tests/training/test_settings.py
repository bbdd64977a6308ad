"""The settings of a training, and which trainer they choose."""

import pytest
from pydantic import ValidationError

from reelabel.errors import UsageError
from reelabel.models.base import Trainer
from reelabel.models.students.registry import built_in
from reelabel.training.boxes.settings import BoxTrainSettings
from reelabel.training.registry import load_trainer


def test_every_setting_is_described():
    """Each field has a description, since flags and the reference page are made from it."""
    assert all(field.description for field in BoxTrainSettings.model_fields.values())


def test_what_a_family_does_by_itself_is_said():
    """Where a student has a default of its own, the setting's description names both."""
    for family in built_in("boxes").values():
        for name, value in family.defaults.items():
            shown = "on" if value is True else value
            described = BoxTrainSettings.model_fields[name].description or ""
            assert f"; {family.name}: {shown}" in described, name


@pytest.mark.parametrize(
    "wrong",
    [{"image_size": 100}, {"devices": 0}, {"lr": -1}, {"epoch": 3}, {"student": "torchvision:x"}],
)
def test_wrong_values_are_refused(wrong):
    """A value out of range, or a key that does not exist, is an error."""
    with pytest.raises(ValidationError):
        BoxTrainSettings(**wrong)


def test_misspelt_student_is_answered_with_the_nearest():
    """The message for an unknown network names the one that was probably meant."""
    with pytest.raises(ValidationError, match="did you mean 'torchvision:fasterrcnn_resnet50_fpn'"):
        BoxTrainSettings(student="torchvision:fasterrcn_resnet50_fpn")


def test_unknown_student_is_a_usage_error():
    """A plain name that neither we nor a plug-in know is refused when the trainer is loaded."""
    with pytest.raises(UsageError, match="did you mean 'centernet'"):
        load_trainer(BoxTrainSettings(student="center"))


def test_plug_in_is_loaded(monkeypatch):
    """A student that an entry point names is trained by what the entry point makes."""

    class Point:
        name = "mine"

        @staticmethod
        def load():
            return lambda settings: ("made with", settings.seed)

    monkeypatch.setattr("reelabel.training.registry.entry_points", lambda **_: [Point()])
    assert load_trainer(BoxTrainSettings(student="mine", seed=7)) == ("made with", 7)


@pytest.mark.train
def test_fingerprint_follows_what_changes_the_student():
    """Other seeds make another student; other machines do not."""
    pytest.importorskip("torch")
    plain = load_trainer(BoxTrainSettings())
    assert isinstance(plain, Trainer)
    assert load_trainer(BoxTrainSettings(seed=1)).fingerprint != plain.fingerprint
    assert load_trainer(BoxTrainSettings(num_workers=2)).fingerprint == plain.fingerprint
