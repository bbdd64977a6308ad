"""Frames in which time found hard examples are trained on, also where a near-duplicate stands."""

from __future__ import annotations

import json

import pytest

from reelabel.media.pictures import read_rgb
from reelabel.tables import DUPLICATES, FRAMES, LABELS, VIDEOS

BOX = {"x1": 1.0, "y1": 1.0, "x2": 9.0, "y2": 9.0, "score": 0.9, "category": "ball"}
PLAIN, GAP, FLICKER, DRAWN, REJECTED = range(5)


def label(pts, state, origin, rule):
    """Return one label."""
    words = {"state": state, "origin": origin, "rule": rule, "reason": "", "round": 0}
    return {"video_id": "v", "pts": pts, "frame_index": pts} | BOX | words


@pytest.fixture
def split(bench):
    """Return a function from settings to the frames of a data set in which every frame is hard."""
    columns = {c.name: "" if str(c.type) == "string" else 0 for c in VIDEOS.columns}
    video = columns | {"video_id": "v", "name": "v.mp4", "state": "ok", "role": "footage"}
    frame = {"video_id": "v", "time_s": 0.0, "picture": "x.jpg", "width": 20, "height": 20}
    frame |= {"scale_x": 1.0, "scale_y": 1.0, "offset_x": 0.0, "offset_y": 0.0}
    rows = {
        VIDEOS: [video],
        FRAMES: [
            frame | {"pts": i, "frame_index": i, "kept": i != REJECTED} for i in range(REJECTED + 2)
        ],
        DUPLICATES: [
            {"video_id": "v", "pts": i, "kept_video_id": "v", "kept_pts": REJECTED + 1}
            for i in range(REJECTED)
        ],
        LABELS: [
            label(PLAIN, "positive", "teacher", "score"),
            label(GAP, "positive", "previous", "gap"),
            label(FLICKER, "negative", "teacher", "flicker"),
            label(DRAWN, "negative", "person", "imported"),
            label(REJECTED, "negative", "teacher", "flicker"),
            label(REJECTED + 1, "positive", "teacher", "score"),
        ],
    }
    for table, listed in rows.items():
        bench.workspace.write(table, "v", table.from_rows(listed), fingerprint="test")

    def run(**settings):
        assert not bench.run("split", held_out=0.0, **settings).failed
        path = bench.workspace.round_dir(0) / "dataset" / "train.json"
        return sorted(image["pts"] for image in json.loads(path.read_text())["images"])

    return run


def test_dropped_frames_with_hard_examples_come_back(split):
    """A gap's box, also of a round before, a flicker and a person bring their frame in."""
    assert split() == [GAP, FLICKER, DRAWN, REJECTED + 1]


def test_they_can_be_left_out(split):
    """With hard_frames off the duplicates decide alone, but for what a person drew."""
    assert split(hard_frames=False) == [DRAWN, REJECTED + 1]


def test_hard_frames_that_were_not_sampled_are_taken_from_the_video(split, bench, disc_clips):
    """Their pictures are written beside the data set, in the video's size, thinned to the cap."""
    clip = {"path": str(disc_clips[0]), "width": 160, "height": 96}
    row = bench.workspace.read(VIDEOS, "v").to_pylist()[0] | clip
    bench.workspace.write(VIDEOS, "v", VIDEOS.from_rows([row]), fingerprint="test")
    more = [label(24 * i, "positive", "tracker", "gap") for i in range(4, 9)]
    more += [
        label(24 * 9, "positive", "teacher", "score"),
        label(9999, "negative", "teacher", "static"),
    ]
    rows = bench.workspace.read(LABELS, "v").to_pylist() + more
    bench.workspace.write(LABELS, "v", LABELS.from_rows(rows), fingerprint="test")
    usual = [GAP, FLICKER, DRAWN, REJECTED + 1]
    assert split() == [*usual, *(24 * i for i in range(4, 9))]
    folder = bench.workspace.round_dir(0) / "dataset" / "hard" / "v"
    assert read_rgb(folder / "96.jpg").shape == (96, 160, 3)
    assert split(hard_frames_max=2) == [*usual, 96]
    assert [path.name for path in folder.iterdir()] == ["96.jpg"]
    rows += [label(24 * i, "positive", "person", "imported") for i in (10, 11, 12)]
    bench.workspace.write(LABELS, "v", LABELS.from_rows(rows), fingerprint="test")
    drawn = [24 * i for i in (10, 11, 12)]
    assert split(hard_frames_max=2) == [*usual, 96, *drawn]
    assert split(hard_frames=False) == [DRAWN, REJECTED + 1, *drawn]
