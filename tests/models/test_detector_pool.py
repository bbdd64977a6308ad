"""Frames reach the detector in order, in bounded number, and boxes come back in video pixels."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

import reelabel.models.detector_pool as home
from reelabel.data.boxes import Boxes
from reelabel.media.video import decode
from reelabel.models.detector_pool import AHEAD, DetectorPool, detect_frames
from reelabel.models.detectors.fake import FakeDetector

WH = (160, 96)


@dataclass
class Recorder:
    """A detector that notes its input and returns one box that is too large."""

    classes: tuple[str, ...] = ("ball",)
    name: str = "recorder"
    fingerprint: str = "recorder"
    fit_wh: tuple[int, int] | None = None
    in_order: bool = False
    batch_size: int = 3
    seen: list[tuple[int, ...]] = field(default_factory=list)
    opened: int = 0

    def open(self):
        """Return the function that notes pictures."""
        self.opened += 1

        def predict(pictures):
            self.seen += [picture.shape for picture in pictures]
            box = np.array([[10, 8, 500, 500]], np.float32)
            one = Boxes(box, np.ones(1, np.float32), np.zeros(1, np.int64))
            return [one for _ in pictures]

        return predict


def seen(path, detector, wanted=None, sessions=1):
    """Return everything that a detector sees."""
    return list(detect_frames(path, DetectorPool(detector, sessions), wanted, size_wh=WH))


def plain(looks):
    """Return looks as comparable values."""
    return [
        (one.pts, one.index, one.time_s, one.boxes.xyxy.tolist(), one.boxes.score.tolist())
        for one in looks
    ]


def test_frames_come_in_the_order_of_time(disc_clips):
    """Every frame is seen once, under the names that decoding gives it."""
    found = seen(disc_clips[0], FakeDetector())
    expected = [(frame.pts, frame.index, frame.time_s) for frame in decode(disc_clips[0])]
    assert [(one.pts, one.index, one.time_s) for one in found] == expected
    assert [one.pts for one in found] == [24 * i for i in range(20)]


def test_boxes_follow_the_disc(disc_clips):
    """The disc of the first clip is found where it was drawn, to a pixel and a half."""
    for one in seen(disc_clips[0], FakeDetector())[:15]:
        centre = (20 + 6 * one.index, 30 + round(8 * np.sin(one.index / 3)))
        box = one.boxes.xyxy[0]
        assert np.allclose((box[:2] + box[2:]) / 2, np.add(centre, 0.5), atol=1.5)


@pytest.mark.parametrize("in_order", [False, True])
def test_only_the_wanted_frames_are_returned(disc_clips, in_order):
    """A subset is returned alone; a detector that needs all frames in turn still sees them all."""
    detector = Recorder(in_order=in_order)
    found = seen(disc_clips[0], detector, [48, 240, 456], sessions=4)
    assert [(one.pts, one.index) for one in found] == [(48, 2), (240, 10), (456, 19)]
    assert len(detector.seen) == (20 if in_order else 3)
    assert detector.opened == 1  # one batch: the other sessions are never needed


@pytest.mark.parametrize(("in_order", "opened"), [(False, 1), (True, 3)])
def test_an_open_model_serves_video_after_video(disc_clips, in_order, opened):
    """One that needs the frames in order is opened anew for each video; no other is."""
    pool = DetectorPool(Recorder(in_order=in_order), sessions=1)
    for clip in disc_clips[:3]:
        assert len(list(detect_frames(clip, pool, None, size_wh=WH))) == 20
    assert pool.detector.opened == opened


def test_a_pool_is_pickled_without_its_open_copies(disc_clips):
    """Sent to another process they are as new."""
    pool = DetectorPool(Recorder(), sessions=2)
    list(detect_frames(disc_clips[0], pool, [0], size_wh=WH))
    there = pickle.loads(pickle.dumps(pool))  # noqa: S301 -- our own
    assert (there.sessions, there.detector.opened) == (2, 1)
    list(detect_frames(disc_clips[0], there, [0], size_wh=WH))
    assert there.detector.opened == 2


def test_a_wanted_frame_that_does_not_exist_is_left_out(disc_clips):
    """A time stamp between two frames gives nothing, and no other frame in its place."""
    assert [one.pts for one in seen(disc_clips[0], FakeDetector(), [24, 25, 48])] == [24, 48]


def test_boxes_are_scaled_back_and_cut_at_the_edge(disc_clips):
    """A detector that is shown smaller pictures still answers in pixels of the video."""
    detector = Recorder(fit_wh=(80, 80))
    found = seen(disc_clips[0], detector, [0])
    assert detector.seen == [(48, 80, 3)]
    assert found[0].boxes.xyxy.tolist() == [[20, 16, 160, 96]]


@pytest.mark.parametrize("wanted", [None, list(range(0, 480, 48))])
def test_several_sessions_see_what_one_sees(disc_clips, wanted):
    """The number of sessions changes how fast it goes and nothing else."""
    one = seen(disc_clips[1], FakeDetector(), wanted)
    many = seen(disc_clips[1], replace(FakeDetector(), batch_size=1), wanted, sessions=3)
    assert plain(one) == plain(many)
    assert sum(len(look.boxes) for look in one) >= 8


def test_memory_does_not_grow_with_the_video(disc_clips, monkeypatch):
    """The decoder is never further ahead than what all sessions hold."""
    decoded = []

    def counted(*args, **kwargs):
        for frame in decode(*args, **kwargs):
            decoded.append(frame.pts)
            yield frame

    monkeypatch.setattr(home, "decode", counted)
    detector, sessions, ahead = Recorder(batch_size=1), 2, []
    looks = detect_frames(disc_clips[0], DetectorPool(detector, sessions), None, size_wh=WH)
    for done, _ in enumerate(looks):
        ahead.append(len(decoded) - done)
    assert len(decoded) == 20
    assert max(ahead) <= sessions * AHEAD


def test_an_error_of_the_detector_comes_out(disc_clips):
    """What a session raises reaches the caller, and no thread is left hanging."""

    @dataclass
    class Broken(Recorder):
        def open(self):
            def predict(pictures):
                raise ValueError("wrong shape")

            return predict

    with pytest.raises(ValueError, match="wrong shape"):
        seen(disc_clips[0], Broken(), sessions=2)


def test_one_may_stop_looking_at_any_time(disc_clips):
    """A caller that stops early ends the work behind it."""
    looks = detect_frames(disc_clips[0], DetectorPool(FakeDetector(), 2), None, size_wh=WH)
    assert next(looks).pts == 0
    looks.close()
    assert list(looks) == []
