"""Smoothing adds rows that are nearer to the truth than the detections, and says how near."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelabel.data.sequence import BoxSequence
from reelabel.temporal.smooth import smooth


def wave(seed, frames=120, noise=2.0, drop=0.0):
    """Return the truth of one swinging object, ``(frames, 4)``, and noisy boxes of it."""
    rng = np.random.default_rng(seed)
    t = np.arange(frames)[:, None]
    middle = np.array([300, 200]) + np.array([200, 90]) * np.sin(t * np.array([0.03, 0.05]))
    truth = np.concatenate((middle - 20, middle + 20), axis=1)
    keep = rng.random(frames) >= drop
    seen = (truth + rng.normal(0, noise, truth.shape))[keep]
    n = len(seen)
    return truth, BoxSequence.of(np.flatnonzero(keep), seen, np.full(n, 0.9))


def one_track(boxes):
    """Return one track for all boxes."""
    return np.zeros(len(boxes), np.int64)


@pytest.mark.parametrize("drop", [0.0, 0.3])
def test_smoothed_boxes_are_nearer_to_the_truth(drop):
    """The error falls by far more than 30 %, also where boxes are missing."""
    truth, boxes = wave(0, drop=drop)
    result = smooth(boxes, one_track(boxes))
    raw = np.sqrt(((boxes.xyxy - truth[boxes.frame]) ** 2).mean())
    fitted = np.sqrt(((result.xyxy - truth[result.frame]) ** 2).mean())
    assert fitted < 0.7 * raw


def test_sigma_is_how_far_off_the_boxes_are():
    """About 95 % of the true centres and sizes lie within two sigma."""
    inside = []
    for seed in range(8):
        truth, boxes = wave(seed, drop=0.2)
        result = smooth(boxes, one_track(boxes))
        true, found = (
            np.concatenate(((x[:, :2] + x[:, 2:]) / 2, x[:, 2:] - x[:, :2]), axis=1)
            for x in (truth[result.frame], result.xyxy)
        )
        inside.append(np.abs(found - true) < 2 * result.sigma_cxcywh)
    assert 0.88 < np.concatenate(inside).mean() < 0.995


def test_missing_frames_are_filled_and_less_sure():
    """Every frame between first and last gets a row; sigma grows inside a gap."""
    _, boxes = wave(1)
    holed = boxes[(boxes.frame < 50) | (boxes.frame >= 60)]
    result = smooth(holed, one_track(holed))
    assert result.frame.tolist() == list(range(120))
    assert (~result.observed).sum() == 10
    assert (result.sigma_cxcywh[54, :2] > result.sigma_cxcywh[30, :2]).all()
    np.testing.assert_array_equal(
        holed.frame[result.row[result.observed]], result.frame[result.observed]
    )


def test_an_exact_straight_line_stays():
    """A detector without noise is believed."""
    t = np.arange(30.0)[:, None]
    xyxy = np.array([10, 10, 30, 40]) + t * np.array([3, 1, 3, 1])
    boxes = BoxSequence.of(np.arange(30), xyxy, np.ones(30))
    np.testing.assert_allclose(smooth(boxes, one_track(boxes)).xyxy, xyxy, atol=0.05)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000))
def test_rows_may_come_in_any_order(seed):
    """The order of rows does not matter."""
    _, boxes = wave(seed, frames=25, drop=0.2)
    order = np.random.default_rng(seed).permutation(len(boxes))
    a, b = smooth(boxes, one_track(boxes)), smooth(boxes[order], one_track(boxes))
    np.testing.assert_array_equal(a.frame, b.frame)
    np.testing.assert_allclose(a.xyxy, b.xyxy)
    np.testing.assert_array_equal(order[b.row[b.observed]], a.row[a.observed])


def test_tracks_do_not_touch_each_other():
    """A track smoothed among others of other lengths comes out as it does alone."""
    parts = [wave(seed, frames=n)[1] for seed, n in ((0, 20), (1, 90), (2, 400), (3, 5))]
    boxes = BoxSequence.concatenated(parts)
    track = np.repeat(np.arange(4), [len(p) for p in parts])
    together = smooth(boxes, track)
    for k, part in enumerate(parts):
        alone = smooth(part, one_track(part))
        np.testing.assert_allclose(together.xyxy[together.track_id == k], alone.xyxy)


def test_batches_change_no_bit(monkeypatch):
    """Tracks that share variances, or are smoothed many at once, get the very same numbers."""
    parts = [wave(seed, frames=60, drop=seed % 3 / 5)[1] for seed in range(9)]
    boxes = BoxSequence.concatenated(parts)
    track = np.repeat(np.arange(len(parts)), [len(p) for p in parts])
    together = smooth(boxes, track)
    for name in ("_CELLS", "_BATCH_CELLS", "_STEPS"):
        monkeypatch.setattr(f"reelabel.temporal.smooth.{name}", 7)
    for ours, alone in zip(
        vars(together).values(), vars(smooth(boxes, track)).values(), strict=True
    ):
        np.testing.assert_array_equal(ours, alone)


def test_short_tracks_are_left_out_and_nothing_gives_nothing():
    """Two boxes are too few to tell noise from motion."""
    _, boxes = wave(0, frames=2)
    assert len(smooth(boxes, one_track(boxes)).frame) == 0
    assert len(smooth(BoxSequence.empty(), np.zeros(0, np.int64)).frame) == 0


def test_wrong_tracks_are_refused():
    """Two boxes of one frame in one track, or tracks of other boxes, are errors."""
    _, boxes = wave(0, frames=5)
    with pytest.raises(ValueError, match="two of one frame"):
        smooth(boxes[np.array([0, 1, 1, 2])], np.zeros(4, np.int64))
    with pytest.raises(ValueError, match="a track for each of 5"):
        smooth(boxes, np.zeros(4, np.int64))
    with pytest.raises(ValueError, match="min_length"):
        smooth(boxes, one_track(boxes), min_length=2)


def test_a_shaking_camera_is_no_noise():
    """With the camera's motion given, boxes come out as in a still picture, where they lie now."""
    _, boxes = wave(2)
    shift = np.random.default_rng(3).normal(0, 15, (120, 2))
    path = np.tile(np.cumsum(shift, axis=0), 2)
    shaken = BoxSequence.of(boxes.frame, boxes.xyxy + path, boxes.score)
    still = smooth(boxes, one_track(boxes))
    found = smooth(shaken, one_track(shaken), shift_xy=shift)
    np.testing.assert_allclose(found.xyxy, still.xyxy + path, atol=1e-3)
    np.testing.assert_allclose(found.sigma_cxcywh, still.sigma_cxcywh, atol=1e-3)
