"""Runs a detector on the frames of videos: one thread decodes, several detect."""

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
from reelabel.models.base import Detector, FrameDetections, Image, Predict
from reelabel.models.frame_errors import in_frame

AHEAD = 2
"""Batches that wait for each session, so that it never waits for the decoder."""


class DetectorPool:
    """A detector with its open copies, which serve video after video.

    Args:
        detector: a detector.
        sessions: number of copies that work at once; 0 means one per core.
    """

    def __init__(self, detector: Detector, sessions: int = 0) -> None:
        self.detector = detector
        # One that needs the frames in order keeps a state from frame to frame.
        self.sessions = 1 if detector.in_order else sessions or os.cpu_count() or 1
        self._idle: SimpleQueue[Predict] = SimpleQueue()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without the open copies."""
        return DetectorPool, (self.detector, self.sessions)

    def predict(self, pictures: list[Image]) -> list[Boxes]:
        """Return the detections in each picture; a thread without a copy opens one."""
        try:
            predict = self._idle.get_nowait()
        except Empty:
            predict = self.detector.open()
        try:
            return predict(pictures)
        finally:
            self._idle.put(predict)


def detect_frames(
    path: Path, pool: DetectorPool, wanted: list[int] | None, *, size_wh: tuple[int, int]
) -> Iterator[FrameDetections]:
    """Yield the detections in each frame, in the order of time; memory does not grow.

    Args:
        path: the video.
        pool: a detector; one that needs the frames in order is opened anew and gets all frames.
        wanted: the time stamps of the frames, sorted; None means all.
        size_wh: size of the upright video in pixels, to which boxes are scaled and clipped.
    """
    chosen = None if wanted is None else set(wanted)
    in_order = pool.detector.in_order
    source = (
        decode(path, threads=1)
        if wanted is None or in_order
        else frames(path, wanted, threads=1, on_error=lambda _: None)
    )
    used = DetectorPool(pool.detector) if in_order else pool
    for frame, boxes, picture_wh in _detected(source, used):
        if chosen is None or frame.pts in chosen:
            factor_xy = (size_wh[0] / picture_wh[0], size_wh[1] / picture_wh[1])
            inside = boxes.scaled(factor_xy).clipped(size_wh)
            yield FrameDetections(frame.pts, frame.index, frame.time_s, inside)


@dataclass(frozen=True)
class FrameRef:
    """A frame whose picture is with the detector."""

    pts: int
    index: int
    time_s: float

    def name(self) -> str:
        """Return what messages call it."""
        return f"frame {self.index} at {self.time_s:.3f} s"


def _detected(
    source: Iterable[Frame], pool: DetectorPool
) -> Iterator[tuple[FrameRef, Boxes, tuple[int, int]]]:
    """Yield each frame with its boxes and the size of the picture that they are in."""
    batches = _batches(iter(source), pool.detector)
    waiting: deque[tuple[list[FrameRef], list[Image], Future[list[Boxes]]]] = deque()
    with ThreadPoolExecutor(pool.sessions) as threads:
        for refs, pictures in batches:
            waiting.append((refs, pictures, threads.submit(pool.predict, pictures)))
            if len(waiting) >= pool.sessions * AHEAD:
                yield from _unpacked(*waiting.popleft())
        while waiting:
            yield from _unpacked(*waiting.popleft())


def _batches(
    source: Iterator[Frame], detector: Detector
) -> Iterator[tuple[list[FrameRef], list[Image]]]:
    while batch := list(islice(source, max(1, detector.batch_size))):
        refs = [FrameRef(frame.pts, frame.index, frame.time_s) for frame in batch]
        yield refs, [frame.rgb(detector.fit_wh) for frame in batch]


def _unpacked(
    refs: list[FrameRef], pictures: list[Image], future: Future[list[Boxes]]
) -> Iterator[tuple[FrameRef, Boxes, tuple[int, int]]]:
    with in_frame(refs[0].name):
        found = future.result()
    for ref, picture, boxes in zip(refs, pictures, found, strict=True):
        yield ref, boxes, (picture.shape[1], picture.shape[0])
