"""Temporal evidence: from small real clips to rows of evidence, and what it costs."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import pytest

from reelabel.errors import ConfigError, ModelError
from reelabel.media.encode import VideoWriter
from reelabel.stages import mine as stage
from reelabel.stages.track import STAGE as TRACK
from reelabel.tables import CANDIDATES, DETECTIONS, EVIDENCE, LABELS, SEEN, VIDEOS

ON, OFF = {"enabled": True}, {"enabled": False}
KINDS = ("flicker", "gap", "static", "smooth")
FRAMES, SIZE = 24, (240, 160)
MISSED = (10, 11, 12)
GHOST = (6, (150.0, 100.0, 186.0, 136.0))
STAIN = (30.0, 100.0, 60.0, 130.0)


def place(i):
    """Return where the moving thing lies in frame i, as x1, y1, x2, y2."""
    return 20.0 + 5 * i, 30.0, 60.0 + 5 * i, 70.0


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Return a clip in which one structured square moves over structured, still ground."""
    path = tmp_path_factory.mktemp("clip") / "square.mp4"
    rng = np.random.default_rng(1)
    ground = cv2.resize(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8), SIZE)
    square = cv2.resize(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8), (40, 40))
    with VideoWriter(path, time_base=Fraction(1, 25), rate=25) as writer:
        for i in range(FRAMES):
            picture = ground.copy()
            x1, y1, x2, y2 = map(int, place(i))
            picture[y1:y2, x1:x2] = square
            writer.write(picture, i)
    return path


def detection(i, xyxy, score):
    """Return one row."""
    x1, y1, x2, y2 = xyxy
    box = {"x1": x1, "y1": y1, "x2": x2, "y2": y2}
    return {"video_id": "v", "pts": i, "frame_index": i, "category": "ball", "score": score} | box


def detected():
    """Return boxes on the square but for three frames, one ghost, and a stain that blinks."""
    found = [detection(i, place(i), 0.9) for i in range(FRAMES) if i not in MISSED]
    found.append(detection(*GHOST, 0.8))
    found += [detection(i, STAIN, 0.3) for i in range(0, FRAMES, 3)]
    return DETECTIONS.from_rows(sorted(found, key=lambda row: row["pts"]))


@pytest.fixture
def mined(clip, make_unit, make_video):
    """Return a function from detections and settings to the rows of evidence."""

    def run(detections, path=clip, frames=FRAMES, **settings):
        video = make_video(path, SIZE)
        seen = SEEN.from_rows([
            {"video_id": "v", "pts": i, "frame_index": i, "time_s": i / 25} for i in range(frames)
        ])
        rows = {"seen": seen, "detections": detections}
        rows |= TRACK.run(make_unit(TRACK, rows, video=video)).tables
        off = dict.fromkeys(KINDS, OFF)
        given = stage.STAGE.settings(
            **off | {k: ON if v is True else v for k, v in settings.items()}
        )
        output = stage.mine(make_unit(stage.STAGE, rows, settings=given, video=video))
        rows = output.tables["evidence"].to_pylist()
        assert sum(output.notes.values()) == len(rows)
        return rows

    return run


def test_a_ghost_is_a_flicker_and_says_what_it_rests_on(mined):
    """The one confident box that nothing supports is found, with frames, similarity and reason."""
    detections = detected()
    (row,) = mined(detections, flicker=True)
    at, box = GHOST
    assert (row["kind"], row["pts"], row["score"]) == ("flicker", at, pytest.approx(0.8))
    assert (row["x1"], row["y1"], row["x2"], row["y2"]) == box
    assert detections["score"][row["detection"]].as_py() == pytest.approx(0.8)
    assert row["frames"] == [1, 2, 3, 4, 5, 7, 8, 9, 10, 11]
    assert row["similarity"] > 0.8
    assert "10 frames" in row["reason"]
    assert row["sigma"] is None


def test_missed_boxes_of_a_track_are_found_where_they_are(mined):
    """Each frame of the gap gets a box on the moving square; it is no detection."""
    rows = mined(detected(), gap=True)
    assert [(r["kind"], r["pts"], r["detection"]) for r in rows] == [("gap", i, -1) for i in MISSED]
    for row in rows:
        assert [row[k] for k in ("x1", "y1", "x2", "y2")] == pytest.approx(place(row["pts"]), abs=2)
        assert row["frames"] == [9, 13]
        assert 0.6 <= row["score"] <= min(0.9, row["similarity"]) + 1e-6


def test_a_blinking_box_over_a_still_place_is_static(mined):
    """Every one of the repeated boxes gets a row."""
    rows = mined(detected(), static=True)
    assert [(r["kind"], r["pts"]) for r in rows] == [("static", i) for i in range(0, FRAMES, 3)]
    assert {r["x1"] for r in rows} == {STAIN[0]}


def test_no_gap_is_filled_at_a_static_repeat(mined):
    """Now and then the detector is sure of the stain; its blinking tells, asked for or not."""
    scores = {i: 0.55 if i % 6 else 0.3 for i in range(0, FRAMES, 3)}
    stain = DETECTIONS.from_rows([detection(i, STAIN, score) for i, score in scores.items()])
    assert len(mined(stain, gap=True, static=OFF | {"max_score": 0.2})) > FRAMES // 2
    assert mined(stain, gap=True) == []
    assert {row["kind"] for row in mined(stain, gap=True, static=True)} == {"static"}


def test_smoothed_boxes_are_added_with_sigma(mined):
    """Every frame of a started track has one, those that were missed too; detections stay."""
    rows = [r for r in mined(detected(), smooth=True) if r["y1"] < 50]
    assert [r["pts"] for r in rows] == list(range(FRAMES))
    assert [r["pts"] for r in rows if r["detection"] < 0] == list(MISSED)
    for row in rows:
        assert [row[k] for k in ("x1", "x2")] == pytest.approx(place(row["pts"])[::2], abs=1)
        assert row["sigma"] >= 0
        assert row["frames"] == [0, FRAMES - 1]
        assert row["score"] == pytest.approx(0.9)


def test_all_together_find_what_each_finds_alone(mined):
    """One pass over the video gives the same rows as one pass for each."""
    detections = detected()
    alone = [row for name in KINDS for row in mined(detections, **{name: True})]
    together = mined(detections, **dict.fromkeys(KINDS, True))

    def ordered(rows):
        return sorted(rows, key=lambda r: (r["kind"], r["pts"], r["track_id"]))

    assert ordered(together) == ordered(alone)
    assert together == mined(detections, **dict.fromkeys(KINDS, True))


def test_with_everything_off_no_video_is_opened(mined, tmp_path):
    """There is an empty shard, and the file need not even exist."""
    assert mined(detected(), path=tmp_path / "gone.mp4") == []


def test_what_needs_no_picture_opens_no_video(mined, tmp_path):
    """Smoothing works on boxes alone; so does every check when there is nothing to compare."""
    assert mined(detected(), path=tmp_path / "gone.mp4", smooth=True)
    everything = dict.fromkeys(KINDS, True)
    assert mined(DETECTIONS.empty(), path=tmp_path / "gone.mp4", **everything) == []


def test_a_video_of_one_frame_has_no_evidence(mined):
    """Without neighbouring frames nothing can support a box, which is no evidence against it."""
    one = DETECTIONS.from_rows([detection(0, place(0), 0.9)])
    assert mined(one, frames=1, flicker=True, gap=True, static=True, smooth=True) == []


def test_a_box_that_cannot_be_compared_is_unsupported(mined):
    """A box too small to be compared, without support, is unsupported and no flicker."""
    small = detected().to_pylist()
    small.append(detection(6, (150.0, 20.0, 154.0, 24.0), 0.9))
    rows = mined(DETECTIONS.from_rows(small), flicker=True)
    assert sorted(r["kind"] for r in rows) == ["flicker", "unsupported"]


def test_detections_that_are_none_are_refused(mined):
    """NaN from a model is named."""
    with pytest.raises(ModelError, match="finite"):
        mined(DETECTIONS.from_rows([detection(0, (0.0, 0.0, float("nan"), 9.0), 0.9)]))


def test_a_supporting_threshold_above_the_candidates_is_refused(bench):
    """Hysteresis the wrong way round is said when settings are read."""
    with pytest.raises(ConfigError, match="support_score"):
        bench.run("mine", flicker={"support_score": 0.9})


def test_evidence_reaches_the_labels(bench, clip):
    """Through the stages: the ghost is a hard negative, the missed boxes are the tracker's."""
    bench.configure(videos=[str(clip)], detector="fake:", detect={"frames": "all"})
    bench.run("register", "cut", "sample", "detect")
    ws = bench.workspace
    (video_id,) = ws.shards(DETECTIONS)
    rows = detected().to_pylist()
    pts = [row["pts"] for row in bench.rows(SEEN)]
    rows = [row | {"video_id": video_id, "pts": pts[row["pts"]]} for row in rows]
    receipt = ws.receipt(DETECTIONS, video_id)
    ws.write(DETECTIONS, video_id, DETECTIONS.from_rows(rows), fingerprint=receipt.fingerprint)
    bench.run("track")
    assert not bench.run("mine", gap=OFF, smooth=OFF).failed
    assert bench.rows(EVIDENCE) == []
    bench.run("mine", flicker=ON, static=ON, smooth=OFF)
    bench.run("clean", "merge")
    labels = bench.rows(LABELS)
    assert {r["detection"] for r in bench.rows(CANDIDATES) if r["origin"] == "tracker"} == {-1}
    assert [pts.index(r["pts"]) for r in labels if r["rule"] == "flicker"] == [GHOST[0]]
    assert [pts.index(r["pts"]) for r in labels if r["origin"] == "tracker"] == list(MISSED)
    assert {r["state"] for r in labels if r["rule"] in ("flicker", "static")} == {"negative"}
    assert sum(r["rule"] == "static" for r in labels) == 8
    assert len(bench.rows(VIDEOS)) == 1
