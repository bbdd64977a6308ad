"""Recipes train their students on the same footage and compare them on unseen videos."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import reelabel
from reelabel.errors import ConfigError
from reelabel.media.encode import VideoWriter
from reelabel.verbs.recipe import read_recipe

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.yaml"))
FAKE = {"train": {"student": "fake", "weights": None}}


def film(path, colour, seed):
    """Write a video of one colour, a second and a half long."""
    rng = np.random.default_rng(seed)
    ground = rng.integers(-25, 25, (4, 6, 1)).repeat(12, axis=0).repeat(12, axis=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, time_base=Fraction(1, 10), rate=Fraction(10)) as writer:
        for t in range(15):
            picture = np.clip(np.array(colour) + ground + rng.integers(-4, 4, (48, 72, 1)), 0, 255)
            writer.write(picture.astype(np.uint8), t)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipes_run_on_stand_in_clips(tmp_path, path):
    """Each recipe of the repository, with two of its classes and a student that learns at once."""
    found = read_recipe(path)
    colours = {found.classes[0]: (190, 60, 60), found.classes[1]: (60, 190, 60)}
    for number, (name, colour) in enumerate(colours.items()):
        for i in range(6):
            film(tmp_path / "v" / name / f"{number}_{i}.mp4", colour, 10 * number + i)
    done = reelabel.recipe(
        path,
        tmp_path / "out",
        videos=[tmp_path / "v"],
        tags="folders",
        settings={**FAKE, "classes": list(colours)},
    )
    names = {model.name for model in done.comparison.levels["video"].models}
    assert names == set(found.students) == set(done.runs)
    assert done.comparison.levels["video"].moments >= 2
    trained = {v.name for v in reelabel.Workspace.open(done.workspaces[min(names)]).videos()}
    assert len(trained) == 12
    assert (tmp_path / "out" / "comparison.json").is_file()


def test_settings_win_over_the_recipe(tmp_path):
    """What is given reaches every student, also where the recipe sets it."""
    found = read_recipe(RECIPES[0], {"train": {"max_steps": 5}})
    assert all(found.of_student(s)["train"]["max_steps"] == 5 for s in found.students)


def test_a_damaged_recipe_is_named(tmp_path):
    """An unknown key is an error with the file."""
    path = tmp_path / "r.yaml"
    path.write_text("classes: [a, b]\nstudent: {}\n")
    with pytest.raises(ConfigError, match=r"r\.yaml: .*unknown key 'student' .did you mean"):
        read_recipe(path)
