"""Commands print results, not units: labels, scores, what is amiss, and JSON for programs."""

from __future__ import annotations

import json
import shutil

import pytest

from reelabel.engine.loop import run
from reelabel.engine.pace import Pace, duration
from reelabel.engine.project import read_config
from reelabel.engine.run import Options
from reelabel.errors import ModelError
from reelabel.workspace import Workspace
from reelabel.workspace.run_log import RunLog

QUICK = {"train.student": "fake", "evaluate.resamples": "10", "engine.workers": "1"}


@pytest.fixture
def begun(disc_clips, tmp_path, reelabel):
    """Return a new workspace on two clips."""
    folder = tmp_path / "footage"
    folder.mkdir()
    for clip in disc_clips[:2]:
        shutil.copy(clip, folder)
    root = tmp_path / "w"
    pairs = [word for key, value in QUICK.items() for word in ("--set", f"{key}={value}")]
    flags = ("--classes", "disc", "--videos", folder, "--detector", "fake:", *pairs)
    assert reelabel("init", root, *flags)[0] == 0
    return root


def test_labels_are_printed_after_merge_and_when_up_to_date(begun, reelabel):
    """A line for each class, and the command that shows them; the second time too."""
    for _ in range(2):
        code, out, _ = reelabel("run", begun, "--until", "merge", "--quiet")
        assert code == 0
        assert "disc: " in out
        assert " positive" in out
        assert "sampled frames without a positive" in out
        assert f"next: reelabel show {begun}" in out.replace("\n", "")


def test_a_teacher_that_finds_nothing_is_named_at_once(begun, reelabel):
    """The line comes from detect, before the stages that have nothing to work on."""
    flags = ("--until", "detect", "--quiet", "--set", "detector_options={min_px: 9999}")
    code, out, _ = reelabel("run", begun, *flags)
    assert code == 0
    assert "The teacher found nothing in 40 frames of 2 videos: fake: looked for disc" in out
    assert "The teacher found nothing" not in reelabel("run", begun, "--until", "detect", "-q")[1]


def test_evaluate_prints_its_table_also_when_up_to_date(begun, reelabel):
    """The table of a stage that has nothing to do is that of the run."""
    _, whole, _ = reelabel("run", begun, "--rounds", 1, "--quiet")
    code, again, _ = reelabel("evaluate", begun, "--quiet")
    rows = [line for line in again.splitlines() if line.startswith(("teacher", "student"))]
    assert code == 0
    assert len(rows) >= 2
    assert all(row in whole for row in rows)


def test_results_are_json_for_programs(begun, reelabel, tmp_path):
    """Run, evaluate, status and predict print one JSON value and nothing else."""
    code, out, _ = reelabel("run", begun, "--rounds", 1, "--quiet", "--json")
    told = json.loads(out)
    assert (code, told["exit_code"], told["round"]) == (0, 0, 0)
    assert told["labels"]["disc"]["positive"] > 10
    assert told["scores"]["agreement"]
    assert told["report"].endswith("report.html")
    assert {one["stage"] for one in told["stages"]} >= {"detect", "train", "advance"}
    assert json.loads(reelabel("evaluate", begun, "--json", "-q")[1]) == told["scores"]
    stages = json.loads(reelabel("status", begun, "--json")[1])
    assert {"register", "advance"} <= {one["stage"] for one in stages if one["units"]}
    clip = next((tmp_path / "footage").glob("*.mp4"))
    found = json.loads(reelabel("predict", "fake:", clip, "--json", "-q")[1])
    assert len(found["boxes"]) > 10


def test_each_run_with_work_leaves_a_log(begun, reelabel):
    """What was done, what failed and the decision stand in it; a run without work leaves none."""
    reelabel("run", begun, "--until", "clean", "--quiet")
    (log,) = (begun / "logs").glob("*.log")
    text = log.read_text(encoding="utf-8")
    assert "run, 2 rounds, until clean" in text.splitlines()[0]
    assert "detect (round 0): 2 done in " in text
    reelabel("run", begun, "--until", "clean", "--quiet")
    assert len(list((begun / "logs").glob("*.log"))) == 1


def test_the_log_names_what_ended_a_run(begun):
    """An error of a model is its last line."""
    workspace = Workspace.open(begun)
    config = read_config(workspace)
    changes = {"detector_options": {}, "detector": "round:7"}
    broken = config.project.model_copy(update=changes)
    with pytest.raises(ModelError):
        run(workspace, type(config)(broken, config.engine, config.stages), Options(quiet=True))
    (log,) = (begun / "logs").glob("*.log")
    assert "ModelError: " in log.read_text().splitlines()[-1]


def test_names_in_a_log_cannot_steer_the_terminal(tmp_path):
    """Control characters and line ends of a name are written out."""
    log = RunLog(tmp_path, "run")
    assert not log.begun
    log.write("bad\x1b[2J.mp4\nsecond line")
    (title, event) = log.path.read_text().splitlines()
    assert title.endswith("  run")
    assert event.endswith("bad\\x1b[2J.mp4 second line")


def test_a_log_that_cannot_be_written_ends_no_run(tmp_path):
    """A file where the folder should be is passed over."""
    (tmp_path / "logs").write_text("in the way")
    RunLog(tmp_path, "run").write("event")


def test_the_rest_of_a_run_is_estimated_from_its_work(monkeypatch):
    """Places count all stages; time left follows from those that worked, by what is usual."""
    now = [0.0]
    monkeypatch.setattr("reelabel.engine.pace.time.monotonic", lambda: now[0])
    pace = Pace(["register", "sample", "detect", "train"])
    assert pace.begin() == "1/4"
    pace.end(worked=False)
    assert pace.begin() == "2/4"
    now[0] = 20.0
    pace.end(worked=True)
    assert pace.begin() == "3/4, about 2 min left"


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "1 s"), (59, "59 s"), (90, "2 min"), (5400, "1.5 h")]
)
def test_lengths_of_time_are_said_in_one_unit(seconds, words):
    """Seconds, minutes or hours, whichever is near."""
    assert duration(seconds) == words


def test_stages_that_nothing_asks_for_are_not_counted():
    """A run without a manifest begins at its first stage."""
    pace = Pace(["want", "register", "cut"])
    pace.begin()
    pace.drop()
    assert pace.begin() == "1/2"


def test_pictures_and_labels_by_rule_are_printed_and_in_json(begun, reelabel):
    """After split how many pictures are which; with the scores what each rule gained and lost."""
    flags = ("--rounds", 2, "--quiet", "--set", "advance.keep_going=true")
    code, out, _ = reelabel("run", begun, *flags)
    assert code == 0
    pictures = [line for line in out.splitlines() if " labelled pictures, " in line]
    assert len(pictures) == 2, "one for each round"
    table = out[out.index("Labels of round 1 by rule") :].splitlines()
    assert table[1].split() == ["rule", "labels", "gained", "lost"]
    code, shown, _ = reelabel("status", begun)
    assert pictures[1] in shown
    assert "Labels of round 0 by rule" in shown
    stages = json.loads(reelabel("status", begun, "--json")[1])
    split, evaluate = (
        next(s["figures"] for s in stages if (s["stage"], s["round_number"]) == (name, 1))
        for name in ("split", "evaluate")
    )
    assert f"{split['labelled']} labelled pictures, {split['background']} background" in pictures[1]
    assert sum(split["unlabelled_because"].values()) == split["unlabelled"]
    labels = sum(rule["labels"]["count"] for rule in evaluate["rules"])
    gained = sum(rule["gained"]["count"] for rule in evaluate["rules"])
    rules = [line.split() for line in table[2 : 3 + len(evaluate["rules"])]]
    total = rules[0] if len(evaluate["rules"]) == 1 else rules[-1]
    assert total[1:3] == [str(labels), str(gained)]
    assert evaluate["background"] is None, "there is no truth"
