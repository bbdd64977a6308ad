"""Shows the frames of a video to a detector: one thread decodes, several look."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from queue import SimpleQueue

from reelabel.labels.boxes import Detections
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
    boxes: Detections


def look(
    path: Path,
    detector: Detector,
    wanted: list[int] | None,
    *,
    size_wh: tuple[int, int],
    sessions: int,
) -> Iterator[Looked]:
    """Yield what a detector sees in each frame, in the order of time; memory stays flat.

    Args:
        path: the video.
        detector: a detector; one that must see frames in turn gets one session and all frames.
        wanted: the time stamps to look at, sorted; None looks at all.
        size_wh: size of the upright video in pixels, to which boxes are scaled and clipped.
        sessions: how many copies of the model work at once.
    """
    chosen = None if wanted is None else set(wanted)
    workers = 1 if detector.in_order else max(1, sessions)
    every = wanted is None or detector.in_order
    source = (
        decode(path, threads=1)
        if every
        else frames(path, wanted or [], threads=1, on_error=lambda _: None)
    )
    for frame, boxes, seen_wh in _seen(source, detector, workers):
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


def _seen(
    source: Iterable[Frame], detector: Detector, workers: int
) -> Iterator[tuple[Seat, Detections, tuple[int, int]]]:
    """Yield each frame with its boxes and the size of the picture that was looked at."""
    # A model is opened by the thread that first needs it, while others decode and look already.
    idle: SimpleQueue[Predict | None] = SimpleQueue()
    for _ in range(workers):
        idle.put(None)
    batches = _batches(iter(source), detector)
    waiting: deque[tuple[list[Seat], list[Image], Future[list[Detections]]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for seats, pictures in batches:
            waiting.append((seats, pictures, pool.submit(_predict, detector, idle, pictures)))
            if len(waiting) >= workers * AHEAD:
                yield from _unpacked(*waiting.popleft())
        while waiting:
            yield from _unpacked(*waiting.popleft())


def _batches(
    source: Iterator[Frame], detector: Detector
) -> Iterator[tuple[list[Seat], list[Image]]]:
    while batch := list(islice(source, max(1, detector.batch_size))):
        seats = [Seat(frame.pts, frame.index, frame.time_s) for frame in batch]
        yield seats, [frame.rgb(detector.fit_wh) for frame in batch]


def _predict(
    detector: Detector, idle: SimpleQueue[Predict | None], pictures: list[Image]
) -> list[Detections]:
    predict = idle.get()
    try:
        predict = predict or detector.open()
        return predict(pictures)
    finally:
        idle.put(predict)


def _unpacked(
    seats: list[Seat], pictures: list[Image], future: Future[list[Detections]]
) -> Iterator[tuple[Seat, Detections, tuple[int, int]]]:
    for seat, picture, boxes in zip(seats, pictures, future.result(), strict=True):
        yield seat, boxes, (picture.shape[1], picture.shape[0])
