"""Work that is not a video yet: each source has a shard, a fingerprint and failures of its own."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelabel.config import Engine, NoSettings, Project
from reelabel.engine.plan import bind, counts, plan
from reelabel.engine.run import Options, run_stage
from reelabel.engine.stage import Output, Source, Stage
from reelabel.errors import MediaError, UsageError
from reelabel.tables import CLIPS, DUPLICATES, TRUTH_FRAMES, VIDEOS
from reelabel.workspace import Workspace

PROJECT = Project(classes=("ball",))
ONE = Options(engine=Engine(workers=1), quiet=True)
TWO = Options(engine=Engine(workers=2), quiet=True)


@pytest.fixture
def workspace(tmp_path):
    """Return an empty workspace."""
    (tmp_path / "reelabel.yaml").write_text("classes: [ball]\n")
    return Workspace.open(tmp_path)


def source(key, **facts):
    """Return a wanted download."""
    return Source(key, f"https://example.org/{key}", {"url": key, **facts})


def fetch(unit):
    """Return one row for each source, and leave a file in its folder."""
    unit.tick(0.5, unit.source.label)
    unit.files.write("content", unit.source.facts["url"].encode())
    row = {"video_id": unit.source.key, "clip": 0, "start_s": 0.0, "end_s": 1.0, "origin": "whole"}
    return Output({"clips": CLIPS.from_rows([row])}, {"label": unit.source.label})


def stage(*sources, run=fetch):
    """Return a stage whose units are these sources."""
    return Stage(
        "fetch",
        "manifest -> clips",
        NoSettings,
        run,
        scope="source",
        writes=(CLIPS,),
        folder="fetched",
        sources=lambda _: sources,
    )


def bound(made, workspace):
    """Return a stage bound to a workspace."""
    return bind(made, workspace, PROJECT, NoSettings(), round_number=0)


def states(made, workspace):
    """Return how many units are in which state."""
    return counts(plan(bound(made, workspace)))


def do(made, workspace, options=ONE):
    """Bring a stage up to date."""
    return run_stage(bound(made, workspace), options)


@pytest.mark.parametrize("options", [ONE, TWO], ids=["one", "two"])
def test_each_source_is_worked_on_once(workspace, options):
    """A source has a shard and a folder under its key, and is done until its facts change."""
    made = stage(source("a"), source("b-2"), source("c_3"))
    assert states(made, workspace) == {"missing": 3}
    result = do(made, workspace, options)
    assert (result.done, result.failed) == (3, {})
    assert result.notes["a"] == {"label": "https://example.org/a"}
    assert workspace.shards(CLIPS) == ["a", "b-2", "c_3"]
    assert (workspace.root / "fetched" / "b-2" / "content").read_bytes() == b"b-2"
    assert states(made, workspace) == {"done": 3}
    assert do(made, workspace, options).kept == 3


def test_facts_decide_what_is_stale_and_labels_do_not(workspace):
    """Another address is another content; another name for people is not."""
    do(stage(source("a"), source("b")), workspace)
    changed = stage(source("a", licence="CC0"), replace(source("b"), label="another name"))
    assert states(changed, workspace) == {"stale": 1, "done": 1}
    assert do(changed, workspace).done == 1
    assert states(changed, workspace) == {"done": 2}


def test_a_source_that_is_gone_leaves_nothing(workspace):
    """What is no longer in the manifest loses its shard and its failure."""

    def some(unit):
        if unit.source.key == "bad":
            raise MediaError("not there")
        return fetch(unit)

    do(stage(source("a"), source("b"), source("bad"), run=some), workspace)
    assert list(workspace.failures("fetch", None)) == ["bad"]
    do(stage(source("a")), workspace)
    assert workspace.shards(CLIPS) == ["a"]
    assert workspace.failures("fetch", None) == {}


def test_a_failing_source_stops_no_other_and_is_tried_again(workspace):
    """A failure is written down under the source's key, with its name for people."""
    errors = {"b": MediaError("404")}

    def some(unit):
        if error := errors.get(unit.source.key):
            raise error
        return fetch(unit)

    made = stage(source("a"), source("b"), run=some)
    result = do(made, workspace)
    assert (result.done, result.failed) == (1, {"b": "404"})
    assert workspace.failures("fetch", None)["b"]["video"] == "https://example.org/b"
    assert states(made, workspace) == {"done": 1, "failed": 1}
    errors.clear()
    assert do(made, workspace).done == 1
    assert workspace.failures("fetch", None) == {}


def test_one_stage_of_sources_builds_on_another(workspace):
    """A source reads the rows under its own key, and is stale when these change."""

    def check(unit):
        rows = unit.rows(CLIPS)
        frames = [{"video_id": unit.source.key, "pts": 0, "frame_index": len(rows)}]
        return Output({"truth_frames": TRUTH_FRAMES.from_rows(frames)})

    later = replace(
        stage(source("a"), source("b"), run=check),
        name="check",
        reads=(CLIPS,),
        writes=(TRUTH_FRAMES,),
    )
    do(stage(source("a")), workspace)
    result = do(later, workspace)
    assert (result.done, list(result.failed)) == (1, ["b"])
    do(stage(source("a"), source("b")), workspace)
    assert do(later, workspace).done == 1
    workspace.write(CLIPS, "a", CLIPS.empty(), fingerprint="another run")
    assert states(later, workspace) == {"stale": 1, "done": 1}


def test_a_stage_that_sees_all_reads_what_sources_made(workspace):
    """Registered footage may come from sources: their keys are those of the rows."""

    def pair(unit):
        return Output({"duplicates": {k: DUPLICATES.empty() for k, _ in unit.shards(CLIPS)}})

    later = Stage("pair", "", NoSettings, pair, scope="all", reads=(CLIPS,), writes=(DUPLICATES,))
    do(stage(source("a"), source("b")), workspace)
    do(later, workspace)
    assert workspace.shards(DUPLICATES) == ["a", "b"]
    do(stage(source("a")), workspace)
    assert states(later, workspace) == {"stale": 1}


def test_a_stage_of_sources_has_no_video(workspace):
    """Asking for the video of a source is a defect of the stage, and said as one."""
    assert VIDEOS not in stage().reads
    result = do(stage(source("a"), run=lambda unit: unit.video), workspace)
    assert "only a stage of scope 'video' has a video" in result.failed["a"]


def test_two_sources_of_one_key_are_refused(workspace):
    """One would overwrite the other."""
    with pytest.raises(UsageError, match="2 have the key 'a'"):
        do(stage(source("a"), source("b"), source("a")), workspace)


@pytest.mark.parametrize(
    "key",
    ["", ".", "..", "../a", "a/b", "/a", "a\\b", "a.b", "a b", "a\n", "ä", "a\0", "*", "x" * 101],
)
def test_hostile_keys_are_refused(key):
    """A key that is no plain file name never reaches the file system."""
    with pytest.raises(UsageError, match="take a hash"):
        Source(key, "name")


@given(st.text(max_size=120))
def test_a_key_that_is_taken_is_a_plain_name(key):
    """Whatever text is given, what is accepted is a file name on every system."""
    try:
        kept = Source(key, "name").key
    except UsageError:
        return
    assert kept.isascii()
    assert kept.replace("_", "").replace("-", "").isalnum() or set(kept) <= {"_", "-"}
    assert 1 <= len(kept) <= 100
