"""Shots and camera motion of the processed frames, from sampled frames or from small pictures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from reelabel.data.sequence import Bools, BoxSequence, Floats, Ints
from reelabel.media.quality import CutDetector
from reelabel.temporal.link import LinkSettings, Tracks, link
from reelabel.temporal.motion import global_shift
from reelabel.temporal.video import UniformTime


@dataclass(frozen=True)
class CameraView:
    """What is known of the camera at each processed frame.

    Attributes:
        cut: ``(frames,)`` whether a shot begins there.
        shift_xy: ``(frames, 2)`` camera motion in pixels since the frame before.
    """

    cut: Bools
    shift_xy: Floats

    @property
    def shot(self) -> Ints:
        """``(frames,)`` the number of each frame's shot, from 0."""
        result: Ints = np.cumsum(self.cut) - 1
        return result

    def split_at(self, breaks: Bools) -> CameraView:
        """Return the same with a new shot at each of ``(frames,)`` breaks; none moves into one."""
        cut = self.cut | breaks
        return CameraView(cut, np.where(cut[:, None], 0.0, self.shift_xy))


def breaks_in_time(time_s: Floats, max_step_s: float) -> Bools:
    """Return which processed frames are too far from the one before: ``(frames,)`` -> the same.

    Args:
        time_s: ``(frames,)`` rising seconds.
        max_step_s: the longest step between frames of one shot. The first frame is a break.
    """
    result: Bools = np.diff(time_s, prepend=-np.inf) > max_step_s
    return result


def view_from_samples(pts: Ints, sampled_pts: Ints, sampled_shot: Ints) -> CameraView:
    """Return the cuts that sampled frames imply; of camera motion they imply nothing.

    A cut lies somewhere between two sampled frames, so the frames between are a shot of their own.

    Args:
        pts: ``(frames,)`` rising time stamps of the processed frames.
        sampled_pts: ``(k,)`` rising time stamps of the sampled frames.
        sampled_shot: ``(k,)`` the shot of each.
    """
    cut = np.zeros(len(pts) + 1, bool)
    for k in np.flatnonzero(np.diff(sampled_shot)):
        cut[np.searchsorted(pts, sampled_pts[k], side="right")] = True
        cut[np.searchsorted(pts, sampled_pts[k + 1])] = True
    return CameraView(cut[:-1], np.zeros((len(pts), 2)))


def view_from_pictures(
    pictures: Iterable[tuple[int, NDArray[np.uint8]]], breaks: Bools, size_wh: tuple[int, int]
) -> CameraView:
    """Return the cuts and the camera motion that pictures show; nothing is compared over a break.

    Args:
        pictures: positions of processed frames, ascending, each with a small RGB picture
            ``(height, width, 3)``.
        breaks: ``(frames,)`` see `breaks_in_time`.
        size_wh: width and height of the video in pixels, in which motion is given.
    """
    cut, shift_xy = np.zeros(len(breaks), bool), np.zeros((len(breaks), 2))
    detector, before = CutDetector(), None
    for i, small in pictures:
        if breaks[i]:
            detector, before = CutDetector(), None
        grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
        cut[i] = detector.is_cut(small)
        if before is not None and before.shape == grey.shape and not cut[i]:
            height, width = grey.shape
            factor = (size_wh[0] / width, size_wh[1] / height)
            shift_xy[i] = np.multiply(global_shift(before, grey), factor)
        before = grey
    return CameraView(cut, shift_xy)


def link_in_shots(
    boxes: BoxSequence, pts: Ints, view: CameraView, settings: LinkSettings
) -> Tracks:
    """Link detections at uniform time steps, within shots and with the camera motion removed.

    Args:
        boxes: every detection; frames count the processed ones.
        pts: ``(frames,)`` rising time stamps of the processed frames.
        view: cuts and camera motion.
        settings: thresholds.
    """
    time = UniformTime.of(pts)
    shift_xy = view.shift_xy if view.shift_xy.any() else None
    starts = np.flatnonzero(np.diff(view.shot)) + 1
    return link(time.boxes(boxes), time.frames(starts), time.shift(shift_xy), settings)
