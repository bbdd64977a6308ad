"""Detections become tracks: none is lost, none crosses a cut or a hole in time."""

from __future__ import annotations

import shutil
from fractions import Fraction

import cv2
import numpy as np
import pytest

from reelabel.errors import ConfigError, ModelError
from reelabel.media.encode import VideoWriter
from reelabel.stages.track import STAGE
from reelabel.tables import CAMERA, DETECTIONS, FRAMES, SEEN, TRACKS


def seen_at(times_s):
    """Return rows of frames that were looked at; a time stamp is a hundredth of a second."""
    return SEEN.from_rows([
        {"video_id": "v", "pts": round(100 * t), "frame_index": i, "time_s": t}
        for i, t in enumerate(times_s)
    ])


def boxes_at(*found):
    """Return detections from (time_s, x1, score)."""
    return DETECTIONS.from_rows([
        {"video_id": "v", "pts": round(100 * t), "frame_index": 0, "category": "ball"}
        | {"score": score, "x1": x1, "y1": 10.0, "x2": x1 + 20, "y2": 30.0}
        for t, x1, score in found
    ])


@pytest.fixture
def tracked(call):
    """Return a function from times and boxes to the rows of tracks and of the camera."""

    def run(times_s, *found, shots=None, **settings):
        inputs = {"seen": seen_at(times_s), "detections": boxes_at(*found)}
        if shots is not None:
            inputs["frames"] = FRAMES.from_rows([
                {"pts": round(100 * t), "shot": shot} for t, shot in shots
            ])
        output = call(STAGE, inputs, **settings)
        return [output.tables[name].to_pylist() for name in ("tracks", "camera")]

    return run


STEADY = [i / 10 for i in range(8)]


def test_a_moving_box_is_one_track_and_every_detection_has_one(tracked):
    """One row per detection, in their order, whatever the order is; a weak box is linked too."""
    found = [(t, 10 + 20 * t, 0.2 if i else 0.9) for i, t in enumerate(STEADY)]
    rows, camera = tracked(STEADY, *found[::-1])
    assert [r["detection"] for r in rows] == list(range(8))
    assert {r["track_id"] for r in rows} == {0}
    assert all(r["started"] for r in rows)
    assert [(c["shot"], c["shift_x"]) for c in camera] == [(0, 0.0)] * 8


def test_no_track_crosses_a_cut_between_sampled_frames(tracked):
    """What lies between two sampled frames of different shots belongs to neither."""
    found = [(t, 10.0, 0.9) for t in STEADY]
    shots = [(0.0, 0), (0.2, 0), (0.6, 1)]
    rows, camera = tracked(STEADY, *found, shots=shots)
    assert [c["shot"] for c in camera] == [0, 0, 0, 1, 1, 1, 2, 2]
    assert [r["track_id"] for r in rows] == [0, 0, 0, 1, 1, 1, 2, 2]


def test_no_track_crosses_a_hole_in_time(tracked):
    """Frames that are far apart do not belong together, however alike their boxes are."""
    times = [0.0, 0.1, 0.2, 0.3, 0.9, 1.0, 1.1, 1.2]
    rows, _ = tracked(times, *[(t, 10.0, 0.9) for t in times])
    assert [r["track_id"] for r in rows] == [0, 0, 0, 0, 1, 1, 1, 1]
    rows, _ = tracked(times, *[(t, 10.0, 0.9) for t in times], max_step_s=3)
    assert {r["track_id"] for r in rows} == {0}


def test_speed_is_that_of_time_and_not_of_frames(tracked):
    """Where frames were skipped the object went on: it is still one track."""
    looked = [t / 10 for start in (0, 9, 18, 27) for t in range(start, start + 6)]
    rows, _ = tracked(looked, *[(t, 10 + 80 * t, 0.9) for t in looked])
    assert {r["track_id"] for r in rows} == {0}


def test_nothing_seen_and_nothing_found(tracked):
    """Without boxes there are no tracks; without frames nothing at all."""
    assert tracked([]) == [[], []]
    rows, camera = tracked([0.0, 0.1])
    assert rows == []
    assert len(camera) == 2


def test_boxes_outside_the_seen_frames_and_boxes_that_are_none_are_refused(tracked):
    """Shards that do not belong together, and NaN from a model, are said and not linked."""
    with pytest.raises(ModelError, match="pts 55"):
        tracked([0.0, 0.1], (0.55, 10.0, 0.9))
    with pytest.raises(ModelError, match="finite"):
        tracked([0.0, 0.1], (0.1, float("nan"), 0.9))


def test_a_weak_threshold_above_the_strong_one_is_refused(bench):
    """The two thresholds are checked when settings are read."""
    with pytest.raises(ConfigError, match="weak_score"):
        bench.run("track", weak_score=0.9)


def pan(path, cut_at=None, frames=16):
    """Write a clip whose picture moves 3 px to the left per frame, with a cut if asked for."""
    rng = np.random.default_rng(0)
    scenes = [cv2.resize(rng.integers(0, 255, (8, 20, 3), np.uint8), (480, 192)) for _ in "ab"]
    with VideoWriter(path, time_base=Fraction(1, 25), rate=25) as writer:
        for i in range(frames):
            scene = scenes[cut_at is not None and i >= cut_at]
            writer.write(np.ascontiguousarray(scene[:, 3 * i : 3 * i + 256]), i)
    return path


def test_camera_motion_and_cuts_come_from_one_decode(bench, tmp_path):
    """A pan of 3 px per frame is measured in pixels of the video, and a cut stands where it is."""
    folder = tmp_path / "footage"
    folder.mkdir()
    pan(folder / "pan.mp4", cut_at=9)
    bench.configure(videos=[str(folder)], detector="fake:", detect={"frames": "all"})
    bench.run("register", "cut", "sample", "detect", "track", camera=True)
    camera = bench.rows(CAMERA)
    assert [row["shot"] for row in camera] == [0] * 9 + [1] * 7
    shift = np.array([[row["shift_x"], row["shift_y"]] for row in camera])
    assert (shift[[0, 9]] == 0).all()
    moving = np.delete(shift, [0, 9], axis=0)
    assert np.abs(moving - [-3, 0]).max() < 0.5


def test_without_camera_no_video_is_opened(bench, disc_clips, tmp_path):
    """Linking rests on tables alone: it works after the footage has gone."""
    clip = shutil.copy(disc_clips[0], tmp_path / "clip.mp4")
    bench.configure(videos=[str(clip)], detector="fake:", detect={"frames": "all"})
    bench.run("register", "cut", "sample", "detect")
    (tmp_path / "clip.mp4").unlink()
    result = bench.run("track")
    assert not result.failed
    assert len(bench.rows(TRACKS)) == len(bench.rows(DETECTIONS)) > 0
    assert len(bench.rows(CAMERA)) == 20
