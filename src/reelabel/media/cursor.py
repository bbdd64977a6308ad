"""A position in an open video, which advances frame by frame or seeks where that is faster."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from functools import cached_property, partial
from pathlib import Path
from typing import Self

import numpy as np
from av.video.frame import VideoFrame

from reelabel.media.convert import pixel_aspect
from reelabel.media.decoder import Decoder
from reelabel.media.frame import Frame
from reelabel.media.opening import OnError
from reelabel.media.stamps import Stamped
from reelabel.media.stream import Timeline, scan_packets

# Seconds given as float may lie a little behind the time stamp that they mean.
_TICK_SLACK = Fraction(1, 1000)
_WORTH_A_JUMP = 8  # frames: emptying and refilling the decoder costs about as much


class Cursor:
    """A position before a frame of a video, at first before the first one.

    A jump goes to the key frame before the wanted frame, and only where it saves decoding: the key
    frame must lie further ahead than the next few frames. What it finds is checked against the time
    stamps of the packets; in a container that cannot seek exactly, or in a file whose key frames
    are none, the cursor decodes through from the start instead.

    Args:
        path: the video file.
        threads: decoding threads, 0 for one per core.
        tolerant: skip what cannot be decoded, else raise `DecodeError`.
        on_error: called with each skipped error.
        timeline: of `scan_packets`, if it is known already; else it is read when first needed.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        threads: int = 0,
        tolerant: bool = True,
        on_error: OnError | None = None,
        timeline: Timeline | None = None,
    ) -> None:
        self.path = Path(path)
        self._known_timeline = timeline
        self._reopen = partial(Decoder, path, threads=threads, tolerant=tolerant, on_error=on_error)
        self._may_jump = True
        self._pictures: Iterator[Stamped]
        self._next: Stamped | None
        self._decoder = self._reopen()
        self._start()
        self.time_base = self._decoder.time_base
        self.start_pts = self._next[0] if self._next else 0

    def __enter__(self) -> Self:
        """Return the cursor itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close the file."""
        self._decoder.close()

    @cached_property
    def timeline(self) -> Timeline:
        """The time stamps of all frames, read when first needed."""
        return self._known_timeline or scan_packets(self.path)

    def pts_at(self, time_s: float) -> int:
        """Return the time stamp of that second; a frame there or later is not before it."""
        ticks = Fraction(time_s) / self.time_base
        return self.start_pts + math.ceil(ticks - _TICK_SLACK)

    def frames(self) -> Iterator[Frame]:
        """Yield the frames from here on."""
        return self.frames_before(None)

    def frames_before(self, pts: int | None) -> Iterator[Frame]:
        """Yield the frames from here on up to a time stamp, all if it is None; later ones stay."""
        while self._next is not None and (pts is None or self._next[0] < pts):
            yield self._take(*self._next)

    def key_frames(self) -> Iterator[Frame]:
        """Yield the key frames of the whole video; others are not even decoded where possible."""
        if not self.timeline.exact:
            yield from (frame for frame in self.frames() if frame.is_key)
            return
        self._decoder.close()
        self._decoder = self._reopen()
        self._next = None
        for pts, picture in self._decoder.key_pictures():
            self._index = self._rank(pts)
            frame = self._frame(pts, picture)
            if frame.is_key:
                yield frame

    def is_sparse(self, step_s: float) -> bool:
        """Return whether frames so many seconds apart are reached by jumps, not by decoding all.

        They are where key frames are no further apart than that on average.
        """
        line = self.timeline
        if not line.seekable or not len(line.key_pts) or not self._may_jump:
            return False
        return line.length * self.time_base <= Fraction(step_s) * len(line.key_pts)

    def at(self, pts: int) -> Frame | None:
        """Go to the frame with exactly this time stamp and return it; None if there is none.

        Wanted frames must be asked for in rising order.
        """
        self.approach(pts)
        found = self._through(pts)
        if found is None and self._jumped:
            self._may_jump = False
            self._restart()
            found = self._through(pts)
        return found

    def approach(self, pts: int) -> None:
        """Jump to the key frame at or before `pts` if that skips enough frames."""
        if not self._may_jump or self._next is None or not self.timeline.seekable:
            return
        before = np.searchsorted(self.timeline.key_pts, pts, side="right")
        if not before:
            return
        key_pts = int(self.timeline.key_pts[before - 1])
        here = self._rank(self._next[0])
        if self._rank(key_pts) - here >= _WORTH_A_JUMP and not self._jump(key_pts, here):
            self._may_jump = False
            self._restart()

    def _jump(self, key_pts: int, here: int) -> bool:
        """Seek; False if that led nowhere, too far, or not ahead."""
        self._pictures = self._decoder.pictures_from(key_pts)
        self._next = next(self._pictures, None)
        if self._next is None or not here < self._rank(self._next[0]) <= self._rank(key_pts):
            return False
        self._jumped = True
        self._index = self._rank(self._next[0])
        return True

    def _through(self, pts: int) -> Frame | None:
        while self._next is not None and self._next[0] <= pts:
            frame = self._take(*self._next)
            if frame.pts == pts:
                return frame
        return None

    def _take(self, pts: int, picture: VideoFrame) -> Frame:
        frame = self._frame(pts, picture)
        self._next = next(self._pictures, None)
        self._index += 1
        return frame

    def _frame(self, pts: int, picture: VideoFrame) -> Frame:
        time_s = float((pts - self.start_pts) * self.time_base)
        damaged = self._decoder.is_damaged(picture)
        return Frame(
            picture, pts=pts, index=self._index, time_s=time_s, sar=self._sar, damaged=damaged
        )

    def _rank(self, pts: int) -> int:
        return int(np.searchsorted(self.timeline.pts, pts))

    def _restart(self) -> None:
        self._decoder.close()
        self._decoder = self._reopen()
        self._start()

    def _start(self) -> None:
        self._sar = pixel_aspect(self._decoder.stream)
        self._jumped = False
        self._index = 0
        self._pictures = self._decoder.pictures()
        self._next = next(self._pictures, None)
