"""Work is done once, redone exactly when something it rests on changed, and no failure spreads."""

from __future__ import annotations

import errno
import json
import os
import sys
import threading
from dataclasses import replace

import pytest

from reelabel.config import Engine, NoSettings, Project, Settings
from reelabel.engine.plan import bind, counts, plan
from reelabel.engine.progress import Display
from reelabel.engine.run import Options, run_stage
from reelabel.engine.stage import Output, Resource, Stage
from reelabel.errors import MediaError, WorkspaceError
from reelabel.pipeline import Run
from reelabel.tables import CLIPS, DUPLICATES, TRUTH_FRAMES, VIDEOS
from reelabel.workspace import Workspace
from reelabel.workspace.snapshot import Snapshot

PROJECT = Project(classes=("ball",))
IDS = ("v1", "v2", "v3")
ONE = Options(engine=Engine(workers=1, processes=False), quiet=True)
TWO = Options(engine=Engine(workers=2, processes=False), quiet=True)


class Length(Settings):
    """Settings of the first stage here."""

    end_s: float = 1.0
    """End of each clip."""


def video_row(video_id, **changes):
    """Return a video's row."""
    row = {c.name: "" if str(c.type) == "string" else 0 for c in VIDEOS.columns}
    row |= {"video_id": video_id, "path": f"{video_id}.mp4", "name": video_id, "state": "ok"}
    return row | {"role": "footage"} | changes


def put(workspace, video_id, **changes):
    """Register a video."""
    rows = VIDEOS.from_rows([video_row(video_id, **changes)])
    workspace.write(VIDEOS, video_id, rows, fingerprint="test")


@pytest.fixture
def workspace(tmp_path):
    """Return a workspace with three videos."""
    (tmp_path / "reelabel.yaml").write_text("classes: [ball]\n")
    made = Workspace.open(tmp_path)
    for video_id in IDS:
        put(made, video_id)
    return made


def clips(video_id, end_s=1.0):
    """Return the rows of one clip."""
    row = {"video_id": video_id, "clip": 0, "start_s": 0.0, "end_s": end_s, "origin": "whole"}
    return CLIPS.from_rows([row])


def cut(unit):
    """Return one clip per video."""
    return Output({"clips": clips(unit.video.video_id, unit.settings.end_s)}, {"n": 1})


def mark(unit):
    """Return one row per clip."""
    row = {"video_id": unit.video.video_id, "pts": 0, "frame_index": len(unit.rows(CLIPS))}
    return Output({"truth_frames": TRUTH_FRAMES.from_rows([row])})


def pair(unit):
    """Return one shard per video with clips."""
    return Output({
        "duplicates": {video_id: DUPLICATES.empty() for video_id, _ in unit.shards(CLIPS)}
    })


CUT = Stage("cut", "videos -> clips", Length, cut, reads=(VIDEOS,), writes=(CLIPS,))
MARK = Stage("mark", "clips -> rows", NoSettings, mark, reads=(CLIPS,), writes=(TRUTH_FRAMES,))
PAIR = Stage(
    "pair", "clips -> pairs", NoSettings, pair, scope="all", reads=(CLIPS,), writes=(DUPLICATES,)
)


def bound(stage, workspace, settings=None, project=PROJECT):
    """Return a stage bound to a workspace."""
    return bind(stage, workspace, project, settings or stage.settings(), round_number=0)


def states(stage, workspace, settings=None, project=PROJECT):
    """Return how many units are in which state."""
    return counts(plan(bound(stage, workspace, settings, project)))


def do(stage, workspace, settings=None, options=ONE):
    """Bring a stage up to date."""
    return run_stage(bound(stage, workspace, settings), options)


def test_units_are_missing_then_done(workspace):
    """What was never made is missing; after a run it is done, and a second run does nothing."""
    assert states(CUT, workspace) == {"missing": 3}
    first = do(CUT, workspace)
    assert (first.done, first.kept, first.failed) == (3, 0, {})
    assert first.notes == {video_id: {"n": 1} for video_id in IDS}
    assert states(CUT, workspace) == {"done": 3}
    assert (again := do(CUT, workspace)).done == 0
    assert again.kept == 3


def test_a_changed_setting_makes_all_units_stale(workspace):
    """Every unit was made with the old setting, so every unit is stale, back and forth."""
    do(CUT, workspace)
    assert states(CUT, workspace, Length(end_s=2.0)) == {"stale": 3}
    do(CUT, workspace, Length(end_s=2.0))
    assert workspace.read(CLIPS, "v1")["end_s"].to_pylist() == [2.0]
    assert states(CUT, workspace) == {"stale": 3}


def test_a_changed_input_makes_its_own_unit_stale(workspace):
    """Another content of one video's rows concerns that video alone."""
    do(CUT, workspace)
    put(workspace, "v2", width=5)
    assert states(CUT, workspace) == {"done": 2, "stale": 1}
    assert do(CUT, workspace).done == 1


def test_a_changed_resource_makes_all_units_stale(workspace):
    """Another model behind the same setting redoes the work."""
    do(replace(CUT, resource=lambda _: Resource(None, "model 1")), workspace)
    assert states(replace(CUT, resource=lambda _: Resource(None, "model 1")), workspace) == {
        "done": 3
    }
    assert states(replace(CUT, resource=lambda _: Resource(None, "model 2")), workspace) == {
        "stale": 3
    }


def test_only_the_projects_keys_that_a_stage_names_concern_it(workspace):
    """A stage that rests on the classes is stale when they change, another one is not."""
    other = Project(classes=("dog",))
    do(CUT, workspace)
    assert states(CUT, workspace, project=other) == {"done": 3}
    named = replace(CUT, project_keys=("classes",))
    do(named, workspace)
    assert states(named, workspace, project=other) == {"stale": 3}


def test_a_new_version_of_a_stage_redoes_its_work(workspace):
    """Raising the version of a stage makes everything that it made stale."""
    do(CUT, workspace)
    assert states(replace(CUT, version=2), workspace) == {"stale": 3}


@pytest.mark.parametrize("later", [MARK, PAIR], ids=lambda s: s.scope)
def test_the_same_result_again_makes_nothing_stale(workspace, later):
    """A stage that is redone with the same rows leaves what rests on it up to date."""
    do(CUT, workspace)
    do(later, workspace)
    assert do(replace(CUT, version=2), workspace).done == 3
    assert set(states(later, workspace)) == {"done"}
    do(CUT, workspace, Length(end_s=2.0))
    assert set(states(later, workspace)) == {"stale"}


def test_force_redoes_what_is_done(workspace):
    """With force every unit is worked on again."""
    do(CUT, workspace)
    assert do(CUT, workspace, options=replace(ONE, force=True)).done == 3


def failing(errors):
    """Return a stage that raises these errors, by video."""

    def run(unit):
        if error := errors.get(unit.video.video_id):
            raise error
        return cut(unit)

    return replace(CUT, run=run)


@pytest.mark.parametrize("options", [ONE, TWO], ids=["one", "two"])
def test_one_failing_video_stops_no_other(workspace, options):
    """A failure is written down, tried again, and forgotten when it is mended."""
    errors = {"v1": MediaError("the file is cut short"), "v2": ValueError("odd")}
    result = do(failing(errors), workspace, options=options)
    assert result.done == 1
    assert result.failed == {
        "v1": "the file is cut short",
        "v2": "unexpected ValueError: odd",
    }
    found = workspace.failures("cut", None)
    assert found["v1"] == {"video": "v1", "error": "the file is cut short", "trace": []}
    assert any("raise error" in line for line in found["v2"]["trace"])
    assert states(CUT, workspace) == {"failed": 2, "done": 1}
    assert do(CUT, workspace, options=options).done == 2
    assert workspace.failures("cut", None) == {}
    assert states(CUT, workspace) == {"done": 3}


def test_a_failure_is_said_once(workspace, capsys):
    """A video that failed waits in the stages behind, without a failure of its own there."""
    loud = replace(ONE, quiet=False)
    do(failing({"v1": MediaError("the file is cut short")}), workspace, options=loud)
    result = do(MARK, workspace, options=loud)
    assert (result.done, result.failed) == (2, {})
    assert result.waiting == {"v1": "waits, as cut failed: the file is cut short"}
    assert Run([result]).exit_code == 1
    told = capsys.readouterr().err
    assert told.count("the file is cut short") == 1
    assert "not there yet" not in told
    assert "2 done, 1 failed before" in told
    assert workspace.failures("mark", None) == {}
    assert states(MARK, workspace) == {"done": 2, "missing": 1}
    do(CUT, workspace)
    assert do(MARK, workspace).done == 1


def test_what_was_never_made_is_a_failure_of_its_own(workspace):
    """Where nothing failed before, a missing input is what there is to say."""
    workspace.failure_path("mark", None, "v1").parent.mkdir(parents=True)
    workspace.failure_path("mark", None, "v1").write_text('{"error": "of an earlier run"}')
    result = do(MARK, workspace)
    assert set(result.failed) == set(IDS)
    assert "not there yet" in result.failed["v1"]
    assert result.waiting == {}


def test_a_failure_leaves_no_result_of_old_settings_behind(workspace):
    """A video that fails with new settings does not go on with what the old ones gave."""
    do(CUT, workspace)
    do(failing({"v2": MediaError("gone")}), workspace, Length(end_s=2.0))
    assert workspace.shards(CLIPS) == ["v1", "v3"]


def test_fail_fast_stops_at_the_first_failure(workspace):
    """With fail_fast the error itself comes out, and what was done before stays."""
    options = replace(ONE, fail_fast=True)
    with pytest.raises(MediaError, match="broken"):
        do(failing({"v2": MediaError("broken")}), workspace, options=options)
    assert workspace.shards(CLIPS) == ["v1"]


def test_a_stage_that_sees_all_videos_raises_its_error(workspace):
    """There is no other unit that could go on, so the error comes out."""
    do(CUT, workspace)

    def broken(unit):
        raise MediaError("no")

    with pytest.raises(MediaError, match="no"):
        do(replace(PAIR, run=broken), workspace)
    assert states(PAIR, workspace) == {"missing": 1}


def test_a_full_disk_stops_the_run_and_keeps_what_was_done(workspace, monkeypatch):
    """When nothing can be written any more the run ends with the reason; finished shards stay."""
    import reelabel.workspace.rows as home  # noqa: PLC0415 -- to be changed for this test alone

    write, seen = home.pq.write_table, []

    def full(*args, **kwargs):
        seen.append(args)
        if len(seen) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(*args, **kwargs)

    monkeypatch.setattr(home.pq, "write_table", full)
    with pytest.raises(WorkspaceError, match="disk is full"):
        do(CUT, workspace)
    monkeypatch.undo()
    assert workspace.shards(CLIPS) == ["v1"]
    assert workspace.failures("cut", None) == {}
    assert do(CUT, workspace).done == 2


def damage(path):
    """Cut the end of a file off."""
    path.write_bytes(path.read_bytes()[:40])


def test_a_damaged_shard_is_made_again(workspace):
    """A shard that was cut short is no finished work: the next run makes it anew."""
    do(CUT, workspace)
    damage(workspace.shard_path(CLIPS, "v2"))
    assert states(CUT, workspace) == {"done": 2, "missing": 1}
    assert do(CUT, workspace).done == 1
    assert workspace.read(CLIPS, "v2").equals(clips("v2"))


def test_rot_inside_an_input_costs_one_video_and_mends_itself(workspace):
    """Rows that cannot be read are set aside and fail their video; the next run makes them anew."""
    do(CUT, workspace)
    path = workspace.shard_path(CLIPS, "v2")
    content = bytearray(path.read_bytes())
    content[4:40] = b"\xff" * 36
    path.write_bytes(bytes(content))
    assert states(CUT, workspace) == {"done": 3}, "the foot of the file is whole"
    assert list(do(MARK, workspace).failed) == ["v2"]
    assert path.with_name("v2.parquet.damaged").exists()
    assert do(CUT, workspace).done == 1
    assert do(MARK, workspace).done == 1
    assert states(MARK, workspace) == {"done": 3}


@pytest.mark.parametrize("what", ["damaged", "removed"])
def test_a_lost_shard_of_a_stage_that_sees_all_is_made_again(workspace, what):
    """A receipt counts only as long as the shards that it speaks of are there."""
    do(CUT, workspace)
    do(PAIR, workspace)
    path = workspace.shard_path(DUPLICATES, "v3")
    damage(path) if what == "damaged" else path.unlink()
    assert states(PAIR, workspace) == {"missing": 1}
    do(PAIR, workspace)
    assert workspace.shards(DUPLICATES) == list(IDS)
    assert states(PAIR, workspace) == {"done": 1}


def test_work_that_was_killed_never_passes_for_the_old_result(workspace):
    """Killed with new settings half way, then run with the old ones again: it is all redone."""
    do(CUT, workspace)
    do(PAIR, workspace)

    def killed(unit):
        raise SystemExit

    for stage in (CUT, PAIR):
        with pytest.raises(SystemExit):
            run_stage(bound(replace(stage, run=killed, version=2), workspace), ONE)
    assert states(CUT, workspace) == {"missing": 1, "done": 2}
    assert states(PAIR, workspace) == {"stale": 1}


def test_shards_of_two_different_runs_are_not_one_result(workspace):
    """Of a stage with two tables both must come from the same work."""

    def both(unit):
        rows = {"video_id": unit.video.video_id, "pts": 0, "frame_index": 0}
        return Output({**cut(unit).tables, "truth_frames": TRUTH_FRAMES.from_rows([rows])})

    done = replace(CUT, run=both, writes=(CLIPS, TRUTH_FRAMES))
    do(done, workspace)
    assert states(done, workspace) == {"done": 3}
    workspace.write(CLIPS, "v1", clips("v1", 9.0), fingerprint="of another run")
    assert states(done, workspace) == {"done": 2, "missing": 1}


@pytest.mark.parametrize("error", [WorkspaceError("disk"), KeyboardInterrupt()], ids=repr)
def test_the_end_of_a_run_stops_all_workers(workspace, error):
    """Whatever ends the run, a worker that is busy stops at its next tick."""
    busy, stopped = threading.Event(), threading.Event()

    def run(unit):
        if unit.video.video_id == "v1":
            assert busy.wait(30)
            raise error
        busy.set()
        try:
            while True:
                unit.tick(0.5, "busy")
        finally:
            stopped.set()

    with pytest.raises(type(error)):
        do(replace(CUT, run=run), workspace, options=TWO)
    assert stopped.is_set()
    assert workspace.shards(CLIPS) == []


MODULE = """
import os
from reelabel.config import NoSettings
from reelabel.engine.stage import Output, Stage
from reelabel.errors import MediaError, WorkspaceError
from reelabel.tables import CLIPS, VIDEOS

def run(unit):
    if unit.resource == "tick":
        unit.tick(0.5, "half of " + unit.video.name)
    if unit.resource == "full" and unit.video.video_id == "v2":
        raise WorkspaceError("disk is full")
    if unit.resource == "crash" and unit.video.video_id == "v2":
        os._exit(11)
    if unit.resource == "raise" and unit.video.video_id == "v2":
        raise MediaError("cannot be read")
    row = {"video_id": unit.video.video_id, "clip": 0, "start_s": 0.0, "end_s": 1.0}
    return Output({"clips": CLIPS.from_rows([row | {"origin": "whole"}])})

STAGE = Stage("cut", "videos -> clips", NoSettings, run, reads=(VIDEOS,), writes=(CLIPS,))
"""


@pytest.fixture
def importable(tmp_path, monkeypatch):
    """Return a stage that another process can import."""
    home = tmp_path / "importable"
    home.mkdir()
    (home / "stage_for_processes.py").write_text(MODULE)
    monkeypatch.syspath_prepend(home)
    import stage_for_processes  # noqa: PLC0415 -- it was written a moment ago

    yield stage_for_processes.STAGE
    del sys.modules["stage_for_processes"]


def with_resource(stage, value):
    """Return a stage whose units are given `value`."""
    return replace(stage, resource=lambda _: Resource(value, ""))


def test_processes_give_what_threads_give(workspace, importable):
    """Results and failures are the same whichever way the work is spread."""
    results = []
    for processes in (False, True):
        options = Options(engine=Engine(workers=2, processes=processes), quiet=True)
        found = bound(importable, workspace)
        result = run_stage(replace(found, resource=Resource("raise")), options)
        results.append((result.done, result.failed, workspace.read(CLIPS, "v1").to_pylist()))
        for video_id in IDS:
            workspace.remove(CLIPS, video_id)
    assert results[0] == results[1]
    assert results[0][:2] == (2, {"v2": "cannot be read"})


def test_a_crash_in_a_process_costs_one_video(workspace, importable):
    """A process that dies takes its own video with it and no other."""
    options = Options(engine=Engine(workers=2, processes=True), quiet=True)
    found = replace(bound(importable, workspace), resource=Resource("crash"))
    result = run_stage(found, options)
    assert result.done == 2
    assert list(result.failed) == ["v2"]
    assert "died" in result.failed["v2"]


def test_a_crash_does_not_end_a_stage_that_works_in_turn(workspace, importable):
    """Where one unit uses the whole machine it still has a process of its own, if asked for."""
    options = Options(engine=Engine(processes=True), quiet=True)
    found = replace(bound(importable, workspace), resource=Resource("crash", in_turn=True))
    result = run_stage(found, options)
    assert (result.done, list(result.failed)) == (2, ["v2"])


def test_ticks_of_processes_reach_the_display(workspace, importable, monkeypatch):
    """The display shows the progress of units wherever they are worked on."""
    shown = set()
    monkeypatch.setattr(
        Display, "tick", lambda _, key, share, words: shown.add((key, share, words))
    )
    options = Options(engine=Engine(workers=2, processes=True), quiet=True)
    run_stage(replace(bound(importable, workspace), resource=Resource("tick")), options)
    assert shown == {(video_id, 0.5, f"half of {video_id}") for video_id in IDS}


def test_a_full_disk_ends_the_run_in_processes_too(workspace, importable):
    """What concerns the whole workspace comes out as it is, and is no failure of one video."""
    options = Options(engine=Engine(workers=2, processes=True), quiet=True)
    found = replace(bound(importable, workspace), resource=Resource("full"))
    with pytest.raises(WorkspaceError, match="disk is full"):
        run_stage(found, options)
    assert workspace.failures("cut", None) == {}


def test_what_killed_writes_left_is_removed(workspace):
    """Temporary files of a stage go when it runs again; those of others and other names stay."""
    made = replace(CUT, folder="own")
    do(made, workspace)
    name = ".v1.parquet.123.0123abcd.tmp"
    mine = [
        workspace.table_dir(CLIPS) / name,
        workspace.root / "own" / "v1" / ".x.jpg.1.00000000.tmp",
    ]
    others = [workspace.table_dir(DUPLICATES) / name, workspace.table_dir(CLIPS) / ".mine.tmp"]
    for path in (*mine, *others):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
    assert do(made, workspace).done == 0
    assert all(path.exists() for path in mine), "where nothing is done nothing is touched"
    do(made, workspace, options=replace(ONE, force=True))
    assert not any(path.exists() for path in mine)
    assert all(path.exists() for path in others)


def test_what_killed_writes_left_beside_a_product_is_removed(workspace):
    """So it is in folders that are no part of it, such as that of checkpoints."""
    do(CUT, workspace)
    made = replace(PAIR, folder="own", aside=("checkpoints", "notes.csv"))
    left = workspace.root / "own" / "checkpoints" / ".last.ckpt.12.0123abcd.tmp"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    do(made, workspace)
    assert not left.exists()
    assert left.parent.is_dir()


def test_plans_may_share_what_they_read(workspace):
    """With one snapshot a table is read once for several stages, until something is done."""
    do(CUT, workspace)
    snapshot = Snapshot(workspace)
    assert counts(plan(bound(MARK, workspace), snapshot)) == {"missing": 3}
    do(MARK, workspace)
    assert counts(plan(bound(MARK, workspace), snapshot)) == {"missing": 3}, "as it was"
    snapshot.clear()
    assert counts(plan(bound(MARK, workspace), snapshot)) == {"done": 3}
    run_stage(bound(CUT, workspace, Length(end_s=2.0)), ONE, snapshot)
    assert counts(plan(bound(MARK, workspace), snapshot)) == {"stale": 3}
    workspace.remove(VIDEOS, "v3")
    snapshot.clear()
    run_stage(bound(CUT, workspace, Length(end_s=2.0)), ONE, snapshot)
    assert list(snapshot.receipts(CLIPS)) == ["v1", "v2"]


def test_videos_that_are_gone_lose_their_shards_and_failures(workspace):
    """A video that is no longer part of the workspace leaves nothing behind in any stage."""
    do(failing({"v3": MediaError("no")}), workspace)
    do(MARK, workspace)
    for video_id in ("v2", "v3"):
        workspace.remove(VIDEOS, video_id)
    do(CUT, workspace)
    do(MARK, workspace)
    assert workspace.shards(CLIPS) == workspace.shards(TRUTH_FRAMES) == ["v1"]
    assert workspace.failures("cut", None) == {}


def test_a_file_that_is_gone_keeps_what_was_made_of_it(workspace):
    """A video whose file disappeared is not worked on, but its rows stay."""
    do(CUT, workspace)
    put(workspace, "v2", state="failed", error="the file is gone")
    assert states(CUT, workspace) == {"done": 2}
    do(CUT, workspace)
    assert workspace.shards(CLIPS) == list(IDS)


def test_a_video_that_became_a_test_video_leaves_the_footage(workspace):
    """What was sampled of a video is removed when it is only to be evaluated on."""
    do(CUT, workspace)
    put(workspace, "v2", role="test")
    do(CUT, workspace)
    assert workspace.shards(CLIPS) == ["v1", "v3"]
    everything = replace(CUT, tests_too=True)
    assert do(everything, workspace).done == 1


def test_the_receipts_of_finished_work_are_plain_json(workspace):
    """Any program can read which stage is finished, and with what notes."""
    do(CUT, workspace)
    do(replace(PAIR, run=lambda unit: replace(pair(unit), notes={"n": 2})), workspace)
    raw = json.loads(workspace.receipt_path("pair", None).read_text())
    assert raw["notes"] == {"n": 2}
    assert do(PAIR, workspace).notes == {"all": {"n": 2}}, "also when there is nothing to do"
