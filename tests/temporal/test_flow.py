"""Optical flow fills gaps where the object moves off the straight line, and nowhere else."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from reelabel.data.boxes import paired_iou
from reelabel.data.sequence import BoxSequence
from reelabel.temporal.evidence import EvidenceSettings, plan_search
from reelabel.temporal.flow import flow_queries, without_doubles
from reelabel.temporal.gap import ConfirmedBox, GapBox, GapSettings, gap_queries
from reelabel.temporal.link import Tracks
from reelabel.temporal.pictures import evaluate_queries
from reelabel.temporal.video import TrackedVideo

FRAMES, GAP = 30, range(11, 20)


def texture(shape, seed):
    """Return smooth structure in grey values."""
    noise = np.random.default_rng(seed).uniform(0, 255, shape).astype(np.float32)
    soft = cv2.GaussianBlur(noise, (0, 0), 2)
    return np.clip((soft - soft.mean()) * 6 + 128, 0, 255).astype(np.uint8)


def thrown(t):
    """Return where a thrown object is: it turns round in the middle of the gap."""
    x, y = 60 + 2 * t, 40 + 0.6 * (t - 15) ** 2
    return np.array([x, y, x + 24.0, y + 24.0])


def film(place=thrown, *, gone=(), hidden=()):
    """Film an object before a resting ground; where it is `gone` only the ground is left."""
    ground, look = texture((240, 320), 0), texture((24, 24), 1)
    pictures = []
    for t in range(FRAMES):
        picture = ground.copy()
        x, y = place(t)[:2].round().astype(int)
        if t not in gone and 0 <= y <= 216:
            picture[y : y + 24, x : x + 24] = look
        if t in hidden:
            picture[20:200, 40:160] = texture((180, 120), 100 + t)
        pictures.append(picture)
    return pictures


def video_of(rows, *, track_id=None, cuts=()):
    """Return a video of ``(frame, box, score)``, all of one track if no other one is given."""
    frame, xyxy, score = zip(*rows, strict=True)
    boxes = BoxSequence.of(np.array(frame), np.array(xyxy), np.array(score))
    number = np.zeros(len(rows), np.int64) if track_id is None else np.array(track_id)
    tracks = Tracks(number, np.ones(int(number.max()) + 1, bool))
    return TrackedVideo(boxes, tracks, np.arange(FRAMES), tuple(cuts))


def sure(place=thrown, skip=GAP):
    """Return confident detections of the object in all other frames in which it is filmed."""
    return [(t, place(t), 0.9) for t in range(8, 23) if t not in skip]


def filled(video, pictures, **settings):
    """Return what optical flow finds, in order of frame."""
    queries = flow_queries(video, GapSettings(**settings))
    found = [box for answer in evaluate_queries(pictures, queries) for box in answer.boxes]
    return sorted(found, key=lambda box: getattr(box, "frame", -1))


def test_a_thrown_object_is_followed_off_the_straight_line():
    """The search along the line fails where it turns; flow places a box on it in every frame."""
    video, pictures = video_of(sure()), film()
    straight = [b for a in evaluate_queries(pictures, gap_queries(video)) for b in a]
    assert len(straight) < len(GAP)
    found = filled(video, pictures)
    assert [box.frame for box in found] == list(GAP)
    for box in found:
        assert paired_iou(box.xyxy, thrown(box.frame)) > 0.7
        assert video.boxes.frame[list(box.rows)].tolist() == [10, 20]
        assert box.score == pytest.approx(min(*box.similarity, 0.9), abs=1e-6)


def test_large_objects_are_followed_in_reduced_pictures():
    """Boxes four times as large come out at the same place, in pixels of the video."""
    rows = [(t, 4 * box, score) for t, box, score in sure()]
    large = [cv2.resize(p, None, fx=4, fy=4, interpolation=cv2.INTER_LINEAR) for p in film()]
    (query,) = flow_queries(video_of(rows))
    assert query.shrink == 2
    found = filled(video_of(rows), large)
    assert [box.frame for box in found] == list(GAP)
    assert all(paired_iou(box.xyxy, 4 * thrown(box.frame)) > 0.7 for box in found)


def test_an_object_that_went_away_is_not_claimed():
    """Both directions rest at its place, but the ground there is not alike."""

    def resting(t):
        return np.array([100.0, 80, 124, 104])

    video = video_of(sure(resting))
    assert filled(video, film(resting, gone=GAP)) == []
    assert len(filled(video, film(resting))) == len(GAP), "it is there"
    assert len(filled(video, film(resting, gone=GAP), flow_similarity=-1.0)) == len(GAP)


def test_a_hidden_object_is_not_claimed():
    """Where something covers the object the pictures are not alike."""
    hidden = {14, 15}
    frames = {box.frame for box in filled(video_of(sure()), film(hidden=hidden))}
    assert not frames & hidden


def test_two_tracks_of_one_object_are_joined_over_the_gap():
    """A later track may continue it; not over a cut, nor from far away."""
    rows = sure()
    number = [int(t > 15) for t, *_ in rows]
    assert len(filled(video_of(rows, track_id=number), film())) == len(GAP)
    assert filled(video_of(rows, track_id=number, cuts=[15]), film()) == []
    aside = np.array([250.0, 0, 250, 0])
    far = [(t, box + aside * (t > 15), score) for t, box, score in rows]
    assert flow_queries(video_of(far, track_id=number)) == []
    assert flow_queries(video_of(rows, track_id=number), GapSettings(max_frames=5)) == []


def test_a_weak_detection_on_the_way_is_confirmed():
    """It has a box of its own, so none is added in its frame."""
    rows = [*sure(), (15, thrown(15) + 1, 0.2)]
    number = [0] * (len(rows) - 1) + [1]
    confirmed, *added = filled(video_of(rows, track_id=number), film())
    assert (confirmed.row, confirmed.rows) == (len(rows) - 1, (2, 3))
    assert confirmed.agreement > 0.5
    assert [box.frame for box in added] == [t for t in GAP if t != 15]


def test_a_film_that_ends_early_leaves_gaps_open():
    """Without the pictures of the end nothing is filled."""
    assert filled(video_of(sure()), film()[:15]) == []


def test_one_object_gets_one_box():
    """What is known stays alone, and of two boxes of flow the one that agrees better stays."""
    video = video_of([*sure(), (15, thrown(15), 0.2)])
    last = len(video.boxes) - 1

    def box(frame, agreement, move=0.0):
        return GapBox(0, frame, thrown(frame) + move, 0.9, (2, 3), (0.9, 0.9), agreement)

    known = [box(12, 0.9)]
    found = [box(12, 0.8, 2), box(13, 0.6), box(13, 0.7, 2), box(15, 0.6), box(14, 0.6)]
    found += [ConfirmedBox(last, (2, 3), 0.9)]
    kept = without_doubles(found, known, video)
    assert kept == [ConfirmedBox(last, (2, 3), 0.9), found[2], found[4]]


def test_it_can_be_switched_off():
    """Without flow the evidence is that of the search along the line."""
    video, pictures = video_of(sure()), film()
    off = EvidenceSettings(gap=GapSettings(flow=False))
    with_flow, without = (
        plan_search(video, settings).run(pictures) for settings in (EvidenceSettings(), off)
    )
    assert len(with_flow.gaps) == len(GAP)
    assert len(without.gaps) < len(GAP)
