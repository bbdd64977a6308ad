"""Shows the frames of videos to a detector: one thread decodes, several look."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from reelabel.data.boxes import Boxes
from reelabel.media.video import Frame, decode, frames
from reelabel.models.base import Detector, Image, Predict

AHEAD = 2
"""Batches that wait for each session, so that it never waits for the decoder."""


@dataclass(frozen=True)
class Looked:
    """One frame that a detector has seen; boxes are in pixels of the upright video."""

    pts: int
    index: int
    time_s: float
    boxes: Boxes


class Eyes:
    """A detector with the copies of its model that are open, which serve video after video.

    Args:
        detector: a detector.
        sessions: how many copies of its model work at once; 0 means one per core.
    """

    def __init__(self, detector: Detector, sessions: int = 0) -> None:
        self.detector = detector
        # One that sees frames in turn remembers what it saw.
        self.sessions = 1 if detector.in_order else sessions or os.cpu_count() or 1
        self._idle: SimpleQueue[Predict] = SimpleQueue()

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to other processes without what is open."""
        return Eyes, (self.detector, self.sessions)

    def see(self, pictures: list[Image]) -> list[Boxes]:
        """Return what the detector sees; a model is opened by the thread that first needs it."""
        try:
            predict = self._idle.get_nowait()
        except Empty:
            predict = self.detector.open()
        try:
            return predict(pictures)
        finally:
            self._idle.put(predict)


def look(
    path: Path, eyes: Eyes, wanted: list[int] | None, *, size_wh: tuple[int, int]
) -> Iterator[Looked]:
    """Yield what a detector sees in each frame, in the order of time; memory stays flat.

    Args:
        path: the video.
        eyes: a detector; one that must see frames in turn is opened anew, and sees all frames.
        wanted: the time stamps to look at, sorted; None looks at all.
        size_wh: size of the upright video in pixels, to which boxes are scaled and clipped.
    """
    chosen = None if wanted is None else set(wanted)
    in_order = eyes.detector.in_order
    source = (
        decode(path, threads=1)
        if wanted is None or in_order
        else frames(path, wanted, threads=1, on_error=lambda _: None)
    )
    for frame, boxes, seen_wh in _seen(source, Eyes(eyes.detector) if in_order else eyes):
        if chosen is None or frame.pts in chosen:
            factor_xy = (size_wh[0] / seen_wh[0], size_wh[1] / seen_wh[1])
            inside = boxes.scaled(factor_xy).clipped(size_wh)
            yield Looked(frame.pts, frame.index, frame.time_s, inside)


@dataclass(frozen=True)
class Seat:
    """What is remembered of a frame while its picture is being looked at."""

    pts: int
    index: int
    time_s: float


def _seen(source: Iterable[Frame], eyes: Eyes) -> Iterator[tuple[Seat, Boxes, tuple[int, int]]]:
    """Yield each frame with its boxes and the size of the picture that was looked at."""
    batches = _batches(iter(source), eyes.detector)
    waiting: deque[tuple[list[Seat], list[Image], Future[list[Boxes]]]] = deque()
    with ThreadPoolExecutor(eyes.sessions) as pool:
        for seats, pictures in batches:
            waiting.append((seats, pictures, pool.submit(eyes.see, pictures)))
            if len(waiting) >= eyes.sessions * AHEAD:
                yield from _unpacked(*waiting.popleft())
        while waiting:
            yield from _unpacked(*waiting.popleft())


def _batches(
    source: Iterator[Frame], detector: Detector
) -> Iterator[tuple[list[Seat], list[Image]]]:
    while batch := list(islice(source, max(1, detector.batch_size))):
        seats = [Seat(frame.pts, frame.index, frame.time_s) for frame in batch]
        yield seats, [frame.rgb(detector.fit_wh) for frame in batch]


def _unpacked(
    seats: list[Seat], pictures: list[Image], future: Future[list[Boxes]]
) -> Iterator[tuple[Seat, Boxes, tuple[int, int]]]:
    for seat, picture, boxes in zip(seats, pictures, future.result(), strict=True):
        yield seat, boxes, (picture.shape[1], picture.shape[0])
