"""The whole loop on small clips: done once, resumed after any kill, extended by what is new."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import yaml

import reelabel as api
from reelabel.engine.plan import bind, counts, plan
from reelabel.engine.run import Options
from reelabel.errors import MediaError, ModelError, UsageError
from reelabel.pipeline import DETECT, read_config, run, run_one
from reelabel.tables import DETECTIONS, FRAMES, LABELS, SEEN, VIDEOS
from reelabel.verbs.init import init
from reelabel.verbs.status import status
from reelabel.workspace import Workspace
from reelabel.workspace.products import described
from reelabel.workspace.results import Decision, Scores
from reelabel.workspace.rounds import best_model

QUIET = Options(quiet=True)
SETTINGS = {
    "train": {"student": "fake"},
    "evaluate": {"resamples": 10},
    "advance": {"keep_going": True},
    "engine": {"workers": 2},
}


CACHES = {".lock", "_receipts.jsonl", "_rows.jsonl"}
"""Files that say nothing of the results."""


def begin(root, footage, **settings):
    """Make a workspace on a folder of clips."""
    detector = settings.pop("detector", "fake:")
    values = SETTINGS | settings
    return init(root, classes=["disc"], videos=[footage], detector=detector, settings=values)


def go(workspace, **how):
    """Run everything."""
    return run(workspace, read_config(workspace), QUIET, **how)


def contents(root):
    """Return every file that a run leaves, but for receipts, indexes and logs, which hold times."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not {"receipts", "logs"} & set(path.parts) and path.name not in CACHES
    }


@pytest.fixture(scope="module")
def footage(disc_clips, tmp_path_factory):
    """Return a folder with three clips."""
    folder = tmp_path_factory.mktemp("footage")
    for clip in disc_clips[:3]:
        shutil.copy(clip, folder)
    return folder


@pytest.fixture(scope="module")
def finished(footage, tmp_path_factory):
    """Return a workspace in which two rounds were run, and what the run said."""
    workspace = begin(tmp_path_factory.mktemp("loop") / "finished", footage)
    return workspace, go(workspace)


def test_two_rounds_go_through_every_stage(finished):
    """Each stage is done once, or once a round, and nothing fails."""
    workspace, done = finished
    visited = [(result.stage, result.round_number) for result in done.results]
    asked = [stage for stage in DETECT.once if stage.name not in {"want", "fetch"}]
    expected = [(stage.name, 0) for stage in asked]
    expected += [(stage.name, number) for number in (0, 1) for stage in DETECT.each_round]
    assert visited == expected
    assert all(result.done and not result.failed for result in done.results)
    assert done.exit_code == 0
    assert workspace.rounds() == [0, 1]
    assert done.reason


def test_the_student_learns_what_its_teacher_saw(finished):
    """In round 1 the student of round 0 finds the disc in the frames where the teacher did."""
    workspace, _ = finished
    for row in workspace.videos():
        first, second = (
            set(workspace.read(LABELS, row.video_id, n)["pts"].to_pylist()) for n in (0, 1)
        )
        assert first
        assert len(first & second) >= 0.9 * len(first)
    scores = Scores.load(workspace.round_dir(0))
    assert scores.held_out.models["student"].labels.value >= 0.8
    assert scores.truth is None


def test_a_second_run_does_nothing(finished):
    """Nothing is stale after a run: the next one writes no file but indexes of what is there."""
    workspace, _ = finished

    def written():
        files = (p for p in workspace.root.rglob("*") if p.is_file() and p.name not in CACHES)
        return {path: path.stat().st_mtime_ns for path in files}

    before = written()
    again = go(workspace)
    assert [result.stage for result in again.results if result.done] == []
    assert written() == before
    assert all(set(one.units) <= {"done"} for one in status(workspace, read_config(workspace)))


def test_a_run_without_work_draws_nothing(copied):
    """Where all is up to date the command keeps the report and does not load what draws one."""
    workspace, page = copied, api.report(copied)
    before = page.stat().st_mtime_ns
    code = (
        "import sys\nfrom reelabel.cli import main\ntry: main()\n"
        "except SystemExit as ended: assert not ended.code\n"
        "print({'matplotlib', 'jinja2', 'torch'} & sys.modules.keys())"
    )
    command = [sys.executable, "-c", code, "run", str(workspace.root), "--quiet"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.split("\n")[-2] == "set()"
    assert "report.html" in said.replace("\n", "")
    assert page.stat().st_mtime_ns == before


def test_two_workspaces_on_the_same_footage_are_the_same(finished, footage, tmp_path):
    """Nothing in the result depends on when or where it was made, or on how many workers."""
    workspace, _ = finished
    other = begin(tmp_path / "finished", footage)
    run(other, read_config(other), Options(quiet=True))
    mine, theirs = contents(workspace.root), contents(other.root)
    assert mine.keys() == theirs.keys()
    assert [name for name in mine if mine[name] != theirs[name]] == []


# Runs the loop in children that kill themselves at their n-th write, before or after the rename
# that gives the file its name, until one of them comes to the end. With one worker, as its settings
# say: two would count past the n-th at the same moment.
KILLER = """
import os, pathlib, random, signal, sys
from reelabel.engine.run import Options
from reelabel.pipeline import read_config, run
from reelabel.workspace import Workspace

workspace = Workspace.open(sys.argv[1])
replace = pathlib.Path.replace
left = 0

def deadly(self, target):
    global left
    left -= 1
    if left == 0 and random.random() < 0.5:
        os.kill(os.getpid(), signal.SIGKILL)
    result = replace(self, target)
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return result

random.seed(int(sys.argv[2]))
deaths = 0
while True:
    left = random.randint(2, 60)
    child = os.fork()
    if not child:
        random.seed(left)
        pathlib.Path.replace = deadly
        config = read_config(workspace)
        run(workspace, config, Options(engine=config.engine, quiet=True))
        os._exit(0)
    _, how = os.waitpid(child, 0)
    if not os.WIFSIGNALED(how):
        print(deaths, os.waitstatus_to_exitcode(how))
        break
    deaths += 1
"""


def test_a_run_that_is_killed_again_and_again_ends_the_same(finished, footage, tmp_path):
    """However often a run is killed, the labels, data sets and decisions become the same bytes."""
    workspace, _ = finished
    other = begin(tmp_path / "finished", footage, engine={"workers": 1})
    command = [sys.executable, "-c", KILLER, str(other.root), "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    deaths, code = done.stdout.split()
    assert code == "0", done.stderr
    assert int(deaths) >= 3
    mine, theirs = contents(workspace.root), contents(other.root)
    mine.pop("reelabel.yaml")
    theirs.pop("reelabel.yaml")
    assert {name for name in theirs if name not in mine and not name.endswith(".tmp")} == set()
    assert [name for name in mine if mine[name] != theirs.get(name)] == []


def test_a_killed_command_leaves_the_workspace_free(footage, tmp_path):
    """SIGKILL at any moment: the next run is let in and comes to its end."""
    workspace = begin(tmp_path / "w", footage)
    command = [sys.executable, "-m", "reelabel", "run", str(workspace.root), "--quiet"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while not workspace.shards(FRAMES) and process.poll() is None:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
    done = go(workspace)
    assert done.exit_code == 0
    assert sum(result.kept for result in done.results) >= 1
    assert workspace.rounds() == [0, 1]


@pytest.fixture
def copied(finished, tmp_path):
    """Return a copy of the finished workspace, to be changed."""
    shutil.copytree(finished[0].root, tmp_path / "w")
    return Workspace.open(tmp_path / "w")


def test_a_new_video_is_the_only_one_that_is_worked_on(footage, disc_clips, tmp_path):
    """Per-video stages look at the new video alone; one that is taken away leaves all tables."""
    mine = tmp_path / "footage"
    shutil.copytree(footage, mine)
    workspace = begin(tmp_path / "w", mine)
    go(workspace, rounds=1)
    shutil.copy(disc_clips[3], mine)
    again = go(workspace, rounds=1)
    per_video = {name for name, stage in DETECT.flow.items() if stage.scope == "video"}
    first = {r.stage: (r.done, r.kept) for r in again.results}
    assert {name: first[name] for name in per_video} == dict.fromkeys(per_video, (1, 3))
    assert len(workspace.shards(LABELS)) == 4

    config = workspace.config_path
    gone = min(mine.iterdir())
    named = "\n".join(f"- {path}" for path in sorted(mine.iterdir()) if path != gone)
    config.write_text(config.read_text().replace(f"- {mine}", named))
    assert go(workspace, rounds=1).exit_code == 0
    for table in (VIDEOS, FRAMES, DETECTIONS, LABELS):
        assert len(workspace.shards(table)) == 3


def test_new_labels_make_a_new_student(copied):
    """When the labels change the student is trained again, and does not stay what it was."""
    workspace, card = copied, copied.round_dir(0) / "model" / "model.json"
    before = card.read_bytes()
    text = workspace.config_path.read_text()
    workspace.config_path.write_text(f"clean: {{border_px: 30}}\n{text}")
    done = go(workspace)
    assert {r.stage for r in done.results if r.done and not r.round_number} >= {"clean", "train"}
    assert card.read_bytes() != before


def test_other_pictures_make_a_new_student(copied):
    """Boxes may stay the same to the bit: what was written as a worse JPEG is learnt from again."""
    workspace, card = copied, copied.round_dir(0) / "model" / "model.json"
    before = card.read_bytes()
    text = workspace.config_path.read_text()
    workspace.config_path.write_text(f"sample: {{jpeg_quality: 20}}\n{text}")
    assert "train" in {r.stage for r in go(workspace, rounds=1).results if r.done}
    assert card.read_bytes() != before


def test_force_trains_from_the_start(copied):
    """Nothing of a student of the same labels and settings is gone on with."""
    workspace, config = copied, read_config(copied)
    left = workspace.round_dir(0) / "model" / "left"
    left.touch()
    for force in (False, True):
        train = Options(quiet=True, force=force)
        assert run_one(workspace, config, train, DETECT.flow["train"], number=0).done == force
        assert left.is_file() != force
    assert (left.parent / "model.json").is_file()


def test_a_decision_rests_on_the_one_before(copied):
    """Another best model before is another comparison now."""
    folder = copied.round_dir(0)
    replace(Decision.load(folder), best_ap=0.01).save(folder)
    config = read_config(copied)
    settings = config.stages["advance"]
    bound = bind(DETECT.flow["advance"], copied, config.project, settings, round_number=1)
    assert counts(plan(bound)) == {"stale": 1}


def test_a_round_that_no_longer_follows_does_not_count(copied):
    """When round 0 now says stop, what an earlier run left in round 1 is not the best model."""
    workspace = copied
    text = workspace.config_path.read_text()
    changed = text.replace("keep_going: true", "keep_going: false\n  by: truth")
    workspace.config_path.write_text(changed)
    folder = workspace.round_dir(0)
    path = replace(Scores.load(folder), agreement=None, held_out=None, mirror=None).save(folder)
    receipt = workspace.read_receipt("evaluate", 0)
    files = described(workspace.root, [path])
    workspace.write_receipt("evaluate", 0, replace(receipt, files=files))
    stopped = go(workspace)
    assert [r.stage for r in stopped.results if r.round_number] == []
    assert stopped.reason.startswith("nothing to decide by")
    assert best_model(workspace, read_config(workspace).project.detector) == "fake:"
    assert workspace.rounds() == [0, 1]


def test_the_motion_teacher_runs_the_loop_too(footage, tmp_path):
    """A teacher that must see the frames in turn leads through the same stages."""
    settings = {"detector": "motion", "clean": {"score": 0.05, "floor": 0.01}}
    workspace = begin(tmp_path / "w", footage, **settings)
    done = go(workspace, rounds=1)
    assert done.exit_code == 0
    assert [r.stage for r in done.results if r.failed] == []


def test_a_broken_file_costs_itself_alone(footage, tmp_path):
    """A file that is no video is named as failed; the loop is run with the others; exit code 1."""
    mine = tmp_path / "footage"
    shutil.copytree(footage, mine)
    (mine / "text.mp4").write_text("this is no video")
    workspace = begin(tmp_path / "w", mine)
    done = go(workspace, rounds=1)
    assert done.exit_code == 1
    bad = [row for row in workspace.videos() if row.state != "ok"]
    assert [video.name for video in bad] == ["text.mp4"]
    assert bad[0].error
    assert len(workspace.shards(LABELS)) == 3
    assert go(workspace, rounds=1).exit_code == 1, "it is still broken"


def test_without_usable_footage_nothing_else_is_blamed(tmp_path):
    """No video named, or none that can be read: said after the first stage, with the reasons."""
    (tmp_path / "v").mkdir()
    (tmp_path / "v" / "text.mp4").write_text("no video")
    workspace = begin(tmp_path / "w", tmp_path / "v")
    with pytest.raises(MediaError, match=r"none of 1 video can be used: text.mp4: "):
        go(workspace)
    text = workspace.config_path.read_text()
    workspace.config_path.write_text(text.replace(f"- {tmp_path / 'v'}", "").replace("videos:", ""))
    with pytest.raises(UsageError, match="no footage is named"):
        go(workspace)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"detector": "onnx:gone.onnx"}, "gone.onnx"),
        pytest.param({"train": {"student": "yolox"}}, "weights", marks=pytest.mark.train),
    ],
)
def test_what_is_missing_is_said_before_the_work(footage, tmp_path, changed, said):
    """A detector or student that cannot be had ends a run before any frame is taken."""
    workspace = begin(tmp_path / "w", footage)
    text = workspace.config_path.read_text()
    values = yaml.safe_load(text) | changed
    workspace.config_path.write_text(yaml.safe_dump(values))
    with pytest.raises((ModelError, UsageError), match=said):
        go(workspace)
    assert not workspace.shards(FRAMES)
    workspace.config_path.write_text(text)
    assert go(workspace, until="sample").exit_code == 0


def test_a_round_that_cannot_be_yet_is_refused(copied, reelabel):
    """Nothing is left behind in the folder of a round that does not follow."""
    for stage in ("clean", "train"):
        code, _, err = reelabel(stage, copied.root, "--round", 5)
        assert (code, "round 5 needs round 4 to be finished" in " ".join(err.split())) == (6, True)
    assert copied.rounds() == [0, 1]
    assert not (copied.root / "failures" / "round-5").exists()


def test_until_stops_behind_a_stage(footage, tmp_path):
    """With `until` the run ends behind that stage and says so."""
    workspace = begin(tmp_path / "w", footage)
    done = go(workspace, until="cut")
    assert [result.stage for result in done.results] == ["register", "cut"]
    assert "cut" in done.reason


def test_two_runs_at_once_are_told_apart(finished, reelabel):
    """The second run is refused with exit code 6 and one line that says why."""
    workspace, _ = finished
    with workspace.locked():
        code, out, err = reelabel("run", workspace.root)
    assert (code, out) == (6, "")
    assert err.count("\n") == 1
    assert "another process" in err


def test_the_python_way_does_the_same(finished):
    """`reelabel.run` and `reelabel.status` take a folder and find everything done."""
    workspace, _ = finished
    assert [r.stage for r in api.run(str(workspace.root)).stages if r.done] == []
    assert {one.stage for one in api.status(workspace)} == set(DETECT.flow)
    assert api.report(workspace).is_file()


def test_what_a_video_left_before_it_failed_is_not_built_on(footage, make_disc_clip, tmp_path):
    """A video that fails after a change stops nobody, and none of its old labels is trained on."""
    clips = tmp_path / "clips"
    shutil.copytree(footage, clips)
    make_disc_clip(clips / "short.mp4", seed=3, frames=6)
    workspace = begin(tmp_path / "w", clips)
    assert go(workspace, rounds=1).exit_code == 0
    short = next(row.video_id for row in workspace.videos() if row.name == "short.mp4")
    assert short in workspace.shards(LABELS, 0)
    config = workspace.config_path
    config.write_text(config.read_text() + "sample: {start_delay_s: 0.3}\n")
    done = go(workspace, rounds=1)
    assert done.exit_code == 1
    assert short not in workspace.shards(LABELS, 0)
    data = json.loads((workspace.round_dir(0) / "dataset/train.json").read_text())
    assert {image["video"] for image in data["images"]} <= set(workspace.shards(LABELS, 0))
    assert (workspace.round_dir(0) / "decision.json").is_file()


@pytest.mark.parametrize("frames", ["all", "near"])
def test_the_teacher_looks_only_at_the_spans_that_are_worked_on(footage, tmp_path, frames):
    """What `cut` left out is not looked at, however many frames are asked for."""
    workspace = begin(
        tmp_path / "w",
        footage,
        cut={"start_s": 0.2, "end_s": 0.4},
        sample={"every": 2},
        detect={"frames": frames},
    )
    go(workspace, until="detect")
    for video_id in workspace.shards(SEEN, 0):
        seen = workspace.read(SEEN, video_id, 0)["frame_index"].to_pylist()
        assert seen == list(range(5, 10))
