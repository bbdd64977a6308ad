"""Recipes train their students on the same footage and compare them on unseen videos."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import reelabel
from reelabel.errors import ConfigError, ModelError, UsageError
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
    first = reelabel.Workspace.open(done.workspaces[min(names)])
    tests = [video for video in first.videos() if video.is_test]
    assert done.comparison.levels["video"].moments == len(tests) >= 2, "not those that validate"
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


def test_settings_below_a_student_reach_it_alone(tmp_path):
    """Weights that suit one network are given to it by name; a missing file is named at once."""
    mine = tmp_path / "mine.safetensors"
    settings = {"mobilenet": {"train": {"weights": str(mine)}}}
    with pytest.raises(ModelError, match=r"student 'mobilenet': .*mine\.safetensors"):
        read_recipe(RECIPES[0], settings)
    mine.touch()
    found = read_recipe(RECIPES[0], settings)
    assert found.of_student("mobilenet")["train"]["weights"] == str(mine)
    assert "weights" not in found.of_student("simple")["train"]


@pytest.mark.parametrize(
    ("right", "wrong", "hint"),
    [
        ("per_video", "per_vido", "did you mean 'per_video'"),
        ("train: {student: simple}", "trian: {student: simple}", "did you mean 'train'"),
        ("student: simple", "student: simpel", "did you mean 'simple'"),
        ("backbone: staged", "backbone: stagd", "staged"),
        ("classify-frames", "classify-frame", "did you mean 'classify-frames'"),
    ],
)
def test_every_student_is_checked_before_work(tmp_path, right, wrong, hint):
    """A typo in any student is named with the file and the student before anything is made."""
    path = tmp_path / "r.yaml"
    text = next(path for path in RECIPES if path.stem == "indoor_outdoor").read_text()
    assert right in text
    path.write_text(text.replace(right, wrong))
    with pytest.raises(UsageError, match=rf"r\.yaml: student '\w+': .*{hint}"):
        reelabel.recipe(path, tmp_path / "out", videos=[tmp_path], tags="folders")
    assert not (tmp_path / "out").exists()


def test_a_recipe_that_is_not_there_is_answered_with_the_nearest(tmp_path):
    """The name without its folder or with a typo leads to the file."""
    with pytest.raises(ConfigError, match=r"no such recipe .did you mean '.*indoor_outdoor\.yaml'"):
        read_recipe(RECIPES[0].with_name("indoor_outdor.yaml"))


def test_a_recipe_does_not_go_on_with_other_settings(tmp_path):
    """A student that was begun is not taken for one of other settings; they are named."""
    for number, name in enumerate(("indoor", "outdoor")):
        for i in range(3):
            film(tmp_path / "v" / name / f"{i}.mp4", (190, 60 + 99 * number, 60), 10 * number + i)
    path = next(path for path in RECIPES if path.stem == "indoor_outdoor")
    given = {"videos": [tmp_path / "v"], "tags": "folders"}
    reelabel.recipe(path, tmp_path / "out", **given, settings=FAKE)
    with pytest.raises(UsageError, match=r"begun with other settings .*jpeg_quality None -> 50"):
        reelabel.recipe(
            path, tmp_path / "out", **given, settings=FAKE | {"sample": {"jpeg_quality": 50}}
        )
