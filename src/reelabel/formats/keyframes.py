"""Tracks of key frames: a frame that is listed for one object shows the others of its file too.

Tools such as CVAT and Label Studio draw an object at key frames and move it in a straight line
between them. A file may hold the key frames alone. Then a frame that is a key frame of one track
lies between two of another, and without that one's box it would count as background there.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest

from reelabel.data.dataset import ImageEntry
from reelabel.formats.entries import Entry, Four
from reelabel.formats.video_files import FoundFrames


@dataclass(frozen=True)
class KeyFrame:
    """One place of a track.

    Attributes:
        image: the frame of the video, with its index.
        entry: the box there; None where the shape has none.
        shown: whether the object is there in this frame.
        goes_on: whether it is there in the frames behind, up to the next key frame of the track.
    """

    image: ImageEntry
    entry: Entry | None
    shown: bool
    goes_on: bool

    @property
    def index(self) -> int:
        """Index of the frame."""
        return self.image.frame_index or 0


def add_tracks(frames: FoundFrames, tracks: Sequence[Sequence[KeyFrame]]) -> None:
    """Add the tracks of one file: their key frames, and their boxes in those of the others.

    Args:
        frames: is added to.
        tracks: of one file, in which every object of a listed frame has its track.
    """
    listed: dict[str, set[int]] = {}
    for key in chain.from_iterable(tracks):
        if key.shown:
            listed.setdefault(key.image.video, set()).add(key.index)
            frames.add(key.image, [key.entry] if key.entry else [])
    indices = {video: sorted(some) for video, some in listed.items()}
    for track in tracks:
        ordered = sorted(track, key=lambda key: key.index)
        for key, following in zip_longest(ordered, ordered[1:]):
            if key.shown and key.goes_on:
                _add_between(frames, key, following, indices[key.image.video])


def _add_between(
    frames: FoundFrames, key: KeyFrame, following: KeyFrame | None, indices: Sequence[int]
) -> None:
    """Add an object to the listed frames behind a key frame, up to the next if there is one."""
    stop = len(indices) if following is None else bisect_left(indices, following.index)
    for index in indices[bisect_right(indices, key.index) : stop]:
        image = replace(key.image, frame_index=index)
        frames.add(image, [_moved(key, key.entry, following, index)] if key.entry else [])


def _moved(key: KeyFrame, entry: Entry, following: KeyFrame | None, index: int) -> Entry:
    """Return a box on its straight way to the next key frame; without one it stays."""
    xyxy = entry.xyxy
    if following is not None and following.entry is not None:
        share = (index - key.index) / (following.index - key.index)
        a, b = xyxy, following.entry.xyxy
        xyxy = _four(*(p + (q - p) * share for p, q in zip(a, b, strict=True)))
    return replace(entry, xyxy=xyxy, extra={**entry.extra, "interpolated": True})


def _four(x1: float, y1: float, x2: float, y2: float) -> Four:
    return x1, y1, x2, y2
