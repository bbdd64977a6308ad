"""Frames that are far apart are reached by jumps, and are those that a full decode gives."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reelabel
from reelabel.media.cursor import Cursor
from reelabel.media.encode import VideoWriter
from reelabel.media.sampling import FrameSampler, SamplingSettings
from reelabel.media.video import SparseSpans
from reelabel.tables import FRAMES
from reelabel.verbs.init import init
from reelabel.verbs.run import run

VIDEOS = (
    "sports/soccer_juggle.mp4",
    "traffic/cars_topdown.mp4",
    "action/flipping_a_pancake.mkv",
    "awkward/bit_errors.mp4",
    "awkward/corrupted_mid.mp4",
    "awkward/delayed_start.mp4",
    "awkward/start_at_5s.mkv",
    "awkward/truncated_moov_first.mp4",
    "awkward/vfr_train_day.mp4",
    "action/apply_eye_makeup.avi",
)
RULES = ({"every_s": 0.7}, {"per_video": 3}, {"every_s": 0.3, "max_per_video": 5})


@pytest.fixture
def sampled(tmp_path, monkeypatch):
    """Return what gives the rows of `sample`, without shots, which only a full decode finds."""

    def rows(video, *, jumps, rule):
        with monkeypatch.context() as patch:
            patch.setattr(Cursor, "is_sparse", lambda cursor, _: jumps and cursor.timeline.seekable)
            settings = {"sample": rule, "engine": {"workers": 1}, "cut": {"start_s": 0.1}}
            home = tmp_path / ("far" if jumps else "all")
            ws = init(home, classes=["x"], videos=[video], detector="fake:", settings=settings)
            run(ws, until="sample", quiet=True)
        (only,) = ws.shards(FRAMES)
        return ws.read(FRAMES, only).drop_columns(["shot"]).to_pylist()

    return rows


@pytest.mark.parametrize("name", VIDEOS)
@pytest.mark.parametrize("rule", RULES, ids=str)
def test_jumps_give_the_frames_of_a_full_decode(data_dir, sampled, name, rule):
    """The same frames with the same pixels and figures, also of damaged files."""
    video = data_dir / "videos" / name
    if not video.is_file():
        pytest.skip(f"{name} is not in the data folder")
    assert sampled(video, jumps=True, rule=rule) == sampled(video, jumps=False, rule=rule)


def test_the_cost_depends_on_the_frames_taken(tmp_path, monkeypatch):
    """Of a long video with key frames nearer than the step few frames are decoded."""
    video = tmp_path / "long.mp4"
    ground = np.full((48, 64, 3), 60, np.uint8)
    with VideoWriter(video, time_base=Fraction(1, 25), rate=25, quick=True) as writer:
        for i in range(3000):
            writer.write(np.roll(ground + np.uint8(i % 90), i, axis=1), i)
    taken, usual = [], Cursor._take
    monkeypatch.setattr(
        Cursor, "_take", lambda self, *what: (taken.append(1), usual(self, *what))[1]
    )
    with Cursor(video) as cursor:
        assert cursor.is_sparse(60.0)
        assert not cursor.is_sparse(0.5)
        spans = SparseSpans(cursor, [(0.0, None)])
        wanted = [pts for _, pts, time_s in spans.times() if time_s % 60 == 0]
        assert [spans.frame(pts).pts for pts in wanted] == [0, 1500]
    assert len(taken) < 3000 / 4


@given(st.lists(st.floats(0.01, 3), min_size=1, max_size=60), st.floats(0.1, 5))
def test_a_take_that_is_taken_back_was_never_made(steps, step_s):
    """After `take_back` the next frame is taken in place of the one that could not be had."""
    sampler = FrameSampler(SamplingSettings(every_s=step_s), 100.0)
    for time_s in np.cumsum(steps).tolist():
        if sampler.takes(time_s):
            sampler.take_back()
            assert sampler.takes(time_s)


def test_the_command_jumps(tmp_path, monkeypatch):
    """`sample` takes that way for a sparse rule, and only then."""
    video = tmp_path / "clip.mp4"
    with VideoWriter(video, time_base=Fraction(1, 25), rate=25, quick=True) as writer:
        for i in range(300):
            writer.write(np.full((48, 64, 3), i % 200, np.uint8), i)
    asked, usual = [], SparseSpans.frame
    monkeypatch.setattr(SparseSpans, "frame", lambda *a: (asked.append(1), usual(*a))[1])
    for name, rule in {"few": {"per_video": 1}, "all": {"every": 1}}.items():
        settings = {"sample": rule, "engine": {"workers": 1}}
        ws = init(
            tmp_path / name, classes=["x"], videos=[video], detector="fake:", settings=settings
        )
        run(ws, until="sample", quiet=True)
        assert reelabel.status(ws)
    assert len(asked) == 1
