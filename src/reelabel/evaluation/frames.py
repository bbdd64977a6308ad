"""The frames that models are compared on: what is known of each, and which belong together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from reelabel.data.boxes import Boxes

Ints = NDArray[np.int64]
FrameKey = tuple[str, int]
"""Video id and time stamp."""
T = TypeVar("T")

FEWEST_VIDEOS = 3
_BLOCKS = 10


@dataclass(frozen=True)
class KnownFrame:
    """One frame with its true boxes, or with the labels that stand for them.

    Attributes:
        video: the video that it belongs to.
        pts: its time stamp.
        boxes: the objects in pixels of the video; those with the state "ignore" are regions in
            which detections count neither way.
        complete: class ids that are fully annotated in it; None: all of them.
    """

    video: str
    pts: int
    boxes: Boxes
    complete: frozenset[int] | None = None

    @property
    def key(self) -> FrameKey:
        """Video id and time stamp."""
        return self.video, self.pts


def spread(frames: Sequence[T], most: int) -> list[T]:
    """Return so many frames at most, spread evenly, with the first and the last.

    >>> spread("abcdefg", 3)
    ['a', 'd', 'g']
    """
    chosen = np.linspace(0, len(frames) - 1, min(most, len(frames))).round().astype(int)
    return [frames[i] for i in chosen]


def sampling_units(frames: Sequence[KnownFrame]) -> tuple[str, Ints]:
    """Return what a bootstrap draws, and the number of each frame's unit: ``(frames,)``.

    Frames of one video are alike, so whole videos are drawn. With fewer than three videos blocks of
    time are drawn instead, about ten for each video.
    """
    videos = [frame.video for frame in frames]
    if len(set(videos)) >= FEWEST_VIDEOS:
        return "video", np.unique(videos, return_inverse=True)[1]
    return "time block", _time_blocks(frames, videos)


def _time_blocks(frames: Sequence[KnownFrame], videos: list[str]) -> Ints:
    unit = np.zeros(len(frames), np.int64)
    count = 0
    for video in dict.fromkeys(videos):
        inside = [i for i, v in enumerate(videos) if v == video]
        inside.sort(key=lambda i: frames[i].pts)
        for block in np.array_split(np.array(inside), min(_BLOCKS, len(inside))):
            unit[block] = count
            count += 1
    return unit
