"""A task is data: one that is defined here, outside the package, runs through the whole loop."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import pytest
from pydantic import Field

import reelabel
from reelabel.cli.printing import print_all_scores
from reelabel.config import NoSettings, Settings
from reelabel.engine.stage import Output, Stage
from reelabel.engine.task import Task, register_task, task_named
from reelabel.errors import ConfigError, UsageError
from reelabel.files import read_json
from reelabel.media.pictures import read_rgb
from reelabel.stages import cut, dedup, register, sample
from reelabel.tables import DUPLICATES, FRAMES, VIDEOS
from reelabel.tables.base import FRAME_INDEX, PTS, TEXT, VIDEO_ID, Column, Table
from reelabel.verbs.report import base_report
from reelabel.verbs.show import Shown
from reelabel.views.html import write_report
from reelabel.workspace.results import Decision, Result
from reelabel.workspace.rounds import labelled_rounds, report_path

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


def mean_colour(model, sources, *, min_score=0.3, **_):
    """Return the colour of each picture."""
    assert min_score == 0.3
    return [paint_one(read_rgb(path), margin=0) for path in sources]


@pytest.fixture(scope="module")
def task():
    """Return a task that labels frames by their mean colour."""
    once = (register.STAGE, cut.STAGE, sample.STAGE, dedup.STAGE)
    return register_task(
        Task("mean-colour", "frames by colour", once, (PAINT, COUNT), COLOURS, predict=mean_colour)
    )


@dataclass(frozen=True)
class ColourScores(Result):
    """How sure a round's colours are."""

    FILE: ClassVar[str] = "scores.json"

    frames: int


def count_and_score(unit):
    """Do what `count` does, and score it."""
    done = count(unit)
    return replace(done, results=(*done.results, ColourScores(sum(done.notes.values()))))


def write_page(workspace, config):
    """Write a report with the sections that every task has."""
    rounds = labelled_rounds(workspace, COLOURS)
    page = base_report(workspace, config, rounds)
    return write_report(report_path(workspace, COLOURS), page)


def show_nothing(workspace, **given):
    """Return the number of the round and what was asked for."""
    return [Shown(workspace.root.name, Path(f"{name}={given[name]}"), []) for name in sorted(given)]


@dataclass(frozen=True)
class ColourAblation(Result):
    """A comparison of another kind than that of boxes."""

    FILE: ClassVar[str] = "ablation.json"

    round: int
    seeds: int


def ablate_nothing(workspace, config, **given):
    """Return an empty comparison with the round and seeds that were asked for."""
    assert config.project.task == "colours-with-commands"
    found = ColourAblation(given["round_number"], given["seeds"])
    found.save(workspace.round_dir(found.round))
    return found


@pytest.fixture(scope="module")
def task_with_commands(task):
    """Return the same task with scores of its own, and all commands."""
    counted = replace(COUNT, run=count_and_score)
    return register_task(
        replace(
            task,
            name="colours-with-commands",
            each_round=(PAINT, counted),
            scores=ColourScores,
            report=write_page,
            show=show_nothing,
            ablate=ablate_nothing,
        )
    )


@pytest.fixture
def workspace(task, tmp_path):
    """Return a workspace of that task, with a red and a green picture series."""
    return made_workspace(task, tmp_path / "plain")


@pytest.fixture
def workspace_with_commands(task_with_commands, tmp_path):
    """Return a workspace on the same pictures, of the task with all commands."""
    return made_workspace(task_with_commands, tmp_path / "commands")


def made_workspace(task, folder):
    """Return a new workspace on a red and a green picture series."""
    home = folder / "footage"
    home.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, channel in (("red", 2), ("green", 1)):
        for i in range(2):
            picture = cv2.resize(rng.integers(0, 90, (12, 18, 3), dtype=np.uint8), (144, 96))
            picture[..., channel] += 120
            cv2.imwrite(str(home / f"{name}{i}.png"), picture)
    return reelabel.init(folder / "w", classes=["red", "green"], videos=[home], task=task.name)


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
    for verb in (reelabel.report, reelabel.show, reelabel.ablate):
        refusal = rf"the task mean-colour \(frames by colour\) has no {verb.__name__}$"
        with pytest.raises(UsageError, match=refusal):
            verb(workspace)
    with pytest.raises(UsageError, match="no format 'coco'"):
        reelabel.export(workspace, workspace.root / "out")


def test_scores_are_of_the_type_of_the_task(workspace, workspace_with_commands):
    """A run returns scores of the type that the task declares, and none where it declares none."""
    assert reelabel.run(workspace_with_commands).scores == ColourScores(frames=4)
    assert reelabel.run(workspace).scores is None


def test_scores_of_a_task_without_tables_of_its_own_are_printed(workspace_with_commands, capsys):
    """The numbers among them stand on the terminal, for each round up to the last."""
    reelabel.run(workspace_with_commands, quiet=True)
    task = task_named("colours-with-commands")
    print_all_scores(workspace_with_commands, task, 0)
    assert "Round 0: frames 4" in capsys.readouterr().out


def test_show_and_ablate_ask_the_task(workspace_with_commands):
    """Both commands call the task's functions with all of their arguments."""
    shown = reelabel.show(workspace_with_commands, round=1, pictures=3)
    assert [one.movie.name for one in shown] == [
        *("evidence=None", "out=None", "pictures=3", "quiet=True", "round=1")
    ]
    assert reelabel.ablate(workspace_with_commands, seeds=2) == ColourAblation(0, 2)


def test_a_report_of_another_task_has_the_shared_sections(workspace_with_commands):
    """Facts, decision, models and settings need no boxes."""
    reelabel.run(workspace_with_commands)
    page = reelabel.report(workspace_with_commands).read_text(encoding="utf-8")
    assert "all frames have a colour" in page
    assert "<dt>frames sampled</dt><dd>4</dd>" in page
    assert "teacher of round 1" in page


def test_the_command_line_serves_other_tasks(workspace, workspace_with_commands, request):
    """`run` prints decision and report; a task without report ends with its decision."""
    reelabel_command = request.getfixturevalue("reelabel")
    code, out, _ = reelabel_command("run", workspace.root)
    assert (code, "all frames have a colour" in out, "Report" in out) == (0, True, False)
    code, out, _ = reelabel_command("run", workspace_with_commands.root)
    assert (code, "all frames have a colour" in out, "Report" in out) == (0, True, True)
    code, out, _ = reelabel_command("ablate", workspace_with_commands.root, "--seeds", 1)
    assert (code, "written to" in out) == (0, True)
    code, out, _ = reelabel_command("predict", workspace.root, workspace.videos()[0].path)
    assert (code, out) == (0, "['red']\n")


def test_an_unknown_task_names_the_known_ones(tmp_path):
    """A mistyped task is an error with the nearest name."""
    with pytest.raises(ConfigError, match=r"got 'detct' .did you mean 'detect'\?"):
        reelabel.init(tmp_path / "w", classes=["a"], videos=[tmp_path], task="detct")
    assert task_named("detect").name == "detect"


@pytest.mark.parametrize("name", [["detect"], {"detect": 1}, None, 3])
def test_a_task_is_named_by_text(name):
    """Anything else is refused, whatever can be looked up."""
    with pytest.raises(ConfigError, match="expected task to be the name of one"):
        task_named(name)
