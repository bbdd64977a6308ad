"""A task is data: one that is defined here, outside the package, runs through the whole loop."""

from __future__ import annotations

import json
from collections import Counter

import cv2
import numpy as np
import pytest
from pydantic import Field

import reelabel
from reelabel.config import NoSettings, Settings
from reelabel.engine.stage import Output, Stage
from reelabel.engine.task import Task, register_task, task_named
from reelabel.errors import ConfigError, UsageError
from reelabel.files import read_json
from reelabel.media.pictures import read_rgb
from reelabel.stages import cut, dedup, register, sample
from reelabel.tables import DUPLICATES, FRAMES, VIDEOS
from reelabel.tables.base import FRAME_INDEX, PTS, TEXT, VIDEO_ID, Column, Table
from reelabel.workspace.results import Decision

COLOURS = Table(
    "colours",
    "the mean colour of each frame, as a class",
    (VIDEO_ID, PTS, FRAME_INDEX, Column("colour", TEXT, "class name")),
    "rounds",
)


class ColourSettings(Settings):
    """How a colour is told."""

    margin: int = Field(0, ge=0)
    """By how much red must exceed the other channels."""


def paint_one(picture, margin):
    """Return the class of a picture."""
    red, green, _ = picture.mean(axis=(0, 1))
    return "red" if red > green + margin else "green"


def paint(unit):
    """Label each kept frame by its mean colour."""
    rows = []
    for frame in unit.rows(FRAMES).to_pylist():
        if frame["kept"]:
            colour = paint_one(read_rgb(unit.inputs.path(frame["picture"])), unit.settings.margin)
            keys = ("video_id", "pts", "frame_index")
            rows.append({key: frame[key] for key in keys} | {"colour": colour})
    return Output({"colours": COLOURS.from_rows(rows)}, {"frames": len(rows)})


def count(unit):
    """Write how many frames have which colour, and decide that one round is enough."""
    found = Counter(c for _, rows in unit.shards(COLOURS) for c in rows["colour"].to_pylist())
    unit.files.write_json("colours.json", found)
    again = unit.round_number == 0
    decision = Decision(
        unit.round_number,
        "advance" if again else "stop",
        best="mean",
        next_teacher="mean",
        reason="all frames have a colour",
    )
    return Output(notes=dict(found), results=(decision,))


PAINT = Stage(
    "paint",
    "frames -> colours",
    ColourSettings,
    paint,
    reads=(VIDEOS, FRAMES, DUPLICATES),
    writes=(COLOURS,),
    per_round=True,
)
COUNT = Stage(
    "count",
    "colours -> model",
    NoSettings,
    count,
    scope="all",
    reads=(COLOURS,),
    folder="model",
    per_round=True,
)


def mean_colour(model, sources, **given):
    """Return the colour of each picture."""
    assert given["min_score"] == 0.3
    return [paint_one(read_rgb(path), margin=0) for path in sources]


@pytest.fixture(scope="module")
def task():
    """Return a task that labels frames by their mean colour."""
    once = (register.STAGE, cut.STAGE, sample.STAGE, dedup.STAGE)
    return register_task(
        Task("mean-colour", "frames by colour", once, (PAINT, COUNT), COLOURS, predict=mean_colour)
    )


@pytest.fixture
def workspace(task, tmp_path):
    """Return a workspace of that task, with a red and a green picture series."""
    home = tmp_path / "footage"
    home.mkdir()
    rng = np.random.default_rng(0)
    for name, channel in (("red", 2), ("green", 1)):
        for i in range(2):
            picture = cv2.resize(rng.integers(0, 90, (12, 18, 3), dtype=np.uint8), (144, 96))
            picture[..., channel] += 120
            cv2.imwrite(str(home / f"{name}{i}.png"), picture)
    return reelabel.init(tmp_path / "w", classes=["red", "green"], videos=[home], task=task.name)


def test_a_task_from_outside_runs_the_loop(workspace):
    """Its own stages, table, settings and result pass through engine, status and resume."""
    run = reelabel.run(workspace)
    assert run.exit_code == 0
    assert run.reason == "all frames have a colour"
    assert [r.stage for r in run.stages][-4:] == ["paint", "count", "paint", "count"]
    assert read_json(workspace.round_dir(1) / "model" / "colours.json") == {"green": 2, "red": 2}
    assert {one.stage for one in reelabel.status(workspace)} == {
        *("register", "cut", "sample", "dedup", "paint", "count")
    }
    assert not any(result.done for result in reelabel.run(workspace).stages)


def test_the_settings_of_its_stages_are_checked(workspace):
    """Settings of a stage of this task are known in the file; those of other tasks are not."""
    reelabel.run(workspace)
    text = workspace.config_path.read_text()
    workspace.config_path.write_text(text + "\npaint: {margin: 255}\n")
    reelabel.run(workspace)
    counted = json.loads((workspace.round_dir(0) / "model" / "colours.json").read_text())
    assert counted == {"green": 4}
    workspace.config_path.write_text(text + "\nclean: {score: 0.4}\n")
    with pytest.raises(ConfigError, match="unknown key 'clean'"):
        reelabel.run(workspace)


def test_predict_asks_the_task(workspace):
    """A workspace of this task predicts colours, not boxes."""
    home = workspace.root.parent / "footage"
    assert reelabel.predict(workspace, [home / "red0.png", home / "green1.png"]) == ["red", "green"]


def test_stages_of_other_tasks_are_refused(workspace):
    """A stage that the task does not have is an error that names those it has."""
    with pytest.raises(UsageError, match=r"no stage 'clean'.*paint"):
        reelabel.clean(workspace, score=0.4)
    with pytest.raises(UsageError, match=r"the task mean-colour .* has no report"):
        reelabel.report(workspace)
    with pytest.raises(UsageError, match="no format 'coco'"):
        reelabel.export(workspace, workspace.root / "out")


def test_an_unknown_task_names_the_known_ones(tmp_path):
    """A mistyped task is an error with the nearest name."""
    with pytest.raises(ConfigError, match=r"got 'detct'; did you mean 'detect'\?"):
        reelabel.init(tmp_path / "w", classes=["a"], videos=[tmp_path], task="detct")
    assert task_named("detect").name == "detect"
