"""Which models of a round are compared."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from reelabel.models.compared import ComparedModels  # noqa: E402 -- torch
from reelabel.models.registry import load_detector  # noqa: E402 -- torch
from reelabel.models.students.folder import START, ModelCard, write_card  # noqa: E402 -- torch
from reelabel.models.students.registry import family_of  # noqa: E402 -- torch
from reelabel.training.boxes.settings import BoxTrainSettings  # noqa: E402 -- torch

CLASSES = ("ball",)


def finished(folder, *, seed, image_size=96, **training):
    """Write a student that was built but not trained, and return its folder."""
    torch.manual_seed(seed)
    settings = BoxTrainSettings(student="centernet")
    family: Any = family_of(settings)
    student = family.build(settings, CLASSES)
    folder.mkdir(parents=True)
    family.save(folder, student)
    card = ModelCard(kind="centernet", classes=CLASSES, image_size=image_size, arch=student.arch)
    write_card(folder, card.model_copy(update={"training": training}))
    return folder


@pytest.mark.parametrize(("image_size", "roles"), [(96, ["teacher", "student"]), (64, None)])
def test_a_start_that_is_the_teacher_is_not_scored_twice(tmp_path, image_size, roles):
    """A student that goes on from its teacher has no other start; another input is another one."""
    before = finished(tmp_path / "before", seed=0, steps=9)
    after = finished(tmp_path / "after", seed=1)
    begun = finished(tmp_path / "begun", seed=0, image_size=image_size)
    shutil.copytree(begun, after / START)
    teacher = load_detector(f"student:{before}", wanted=CLASSES)
    found = ComparedModels.load(teacher, after, CLASSES)
    assert list(found.by_role) == (roles or ["teacher", "start", "student"])
