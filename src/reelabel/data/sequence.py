"""The boxes of one video as arrays, and the geometry that linking and evidence share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class BoxSequence:
    """Every detection of one video, in any order; results are given in the same order.

    Attributes:
        frame: ``(n,)`` int64 >= 0, which of the frames that the detector saw, counted without
            gaps in display order (a detector that looks at every fifth frame counts 0, 1, 2).
        xyxy: ``(n, 4)`` float64, left, top, right, bottom in pixels, right and bottom exclusive.
        score: ``(n,)`` float64 in 0..1.
        class_id: ``(n,)`` int64.

    The arrays are read-only copies.

    Raises:
        ValueError: if the shapes do not agree, a number is NaN or infinite, a frame is negative,
            or a box has a negative size.
    """

    frame: Ints
    xyxy: Floats
    score: Floats
    class_id: Ints

    def __post_init__(self) -> None:
        n = len(self.frame)
        for name, shape, dtype in (
            ("frame", (n,), np.int64),
            ("xyxy", (n, 4), np.float64),
            ("score", (n,), np.float64),
            ("class_id", (n,), np.int64),
        ):
            array: NDArray[Any] = np.array(getattr(self, name), dtype=dtype)
            if array.shape != shape:
                raise ValueError(f"{name} must have shape {shape}, but got {array.shape}")
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        self._check()

    def _check(self) -> None:
        for name in ("xyxy", "score"):
            wrong = ~np.isfinite(getattr(self, name))
            if wrong.any():
                raise ValueError(
                    f"{name} must be finite, but {int(wrong.sum())} values are NaN or infinite; "
                    f"the first stands in row {int(np.argwhere(wrong)[0, 0])}"
                )
        if len(self) and self.frame.min() < 0:
            raise ValueError(f"frames count from 0, but got {int(self.frame.min())}")
        negative = (self.xyxy[:, 2:] < self.xyxy[:, :2]).any(axis=1)
        if negative.any():
            row = int(np.argmax(negative))
            raise ValueError(
                f"right and bottom must not be less than left and top, but row {row} holds "
                f"{self.xyxy[row].tolist()}"
            )

    def __len__(self) -> int:
        return len(self.frame)

    def __getitem__(self, which: NDArray[Any] | slice) -> BoxSequence:
        return BoxSequence(
            self.frame[which], self.xyxy[which], self.score[which], self.class_id[which]
        )

    @classmethod
    def of(cls, blocks: Sequence[NDArray[Any]], class_id: int = 0) -> BoxSequence:
        """Make one of a list that holds, per frame, ``(n, 5)`` rows: xyxy and score."""
        counts = [len(block) for block in blocks]
        rows = np.concatenate([np.reshape(b, (-1, 5)) for b in blocks] or [np.zeros((0, 5))])
        frame = np.repeat(np.arange(len(blocks)), counts)
        return cls(frame, rows[:, :4], rows[:, 4], np.full(len(rows), class_id))


def rows_by_track(track_id: Ints, frame: Ints) -> list[Ints]:
    """Return the rows of each track in order of frame; tracks in order of their numbers.

    >>> [rows.tolist() for rows in rows_by_track(np.array([5, 2, 5]), np.array([1, 0, 0]))]
    [[1], [2, 0]]
    """
    rows = np.lexsort((frame, track_id))
    return np.split(rows, np.flatnonzero(np.diff(track_id[rows])) + 1) if len(rows) else []


def centres(xyxy: Floats) -> Floats:
    """Return the middle of each box: ``(..., 4)`` -> ``(..., 2)``."""
    result: Floats = (xyxy[..., :2] + xyxy[..., 2:]) / 2
    return result


def sizes(xyxy: Floats) -> Floats:
    """Return the square root of each box's area in pixels: ``(..., 4)`` -> ``(...,)``."""
    sides = xyxy[..., 2:] - xyxy[..., :2]
    result: Floats = np.sqrt(np.maximum(sides[..., 0] * sides[..., 1], 0))
    return result


def steadied(xyxy: Floats, frame: Ints, shift_xy: Floats | None) -> Floats:
    """Return boxes as they would lie had the camera not moved.

    Args:
        xyxy: ``(n, 4)`` boxes in pixels.
        frame: ``(n,)`` the frame of each.
        shift_xy: ``(frames, 2)`` by how many pixels the picture's content moved from the frame
            before to this one (`reelabel.temporal.motion`), or None for a fixed camera.

    Raises:
        ValueError: if `shift_xy` does not cover every frame or is not finite.
    """
    if shift_xy is None or not len(frame):
        return xyxy
    return xyxy - np.tile(drift(shift_xy, int(frame.max()) + 1)[frame], 2)


def drift(shift_xy: Floats | None, frames: int) -> Floats:
    """Return the camera's path, ``(frames, 2)``: the sum of all shifts up to each frame.

    Raises:
        ValueError: if there are fewer shifts than frames, or one is NaN or infinite.
    """
    if shift_xy is None:
        return np.zeros((frames, 2))
    shift = np.asarray(shift_xy, np.float64)
    if shift.ndim != 2 or shift.shape[1] != 2 or len(shift) < frames:  # noqa: PLR2004 -- x and y
        raise ValueError(f"expected a shift for each of {frames} frames, but got {shift.shape}")
    if not np.isfinite(shift).all():
        raise ValueError("expected finite shifts, but got NaN or infinity")
    result: Floats = np.cumsum(shift, axis=0)
    return result


def shots(frame: Ints, shot_starts: Sequence[int]) -> Ints:
    """Return the shot of each frame; `shot_starts` are the first frames of new shots."""
    starts = np.unique(np.asarray(shot_starts, np.int64))
    result: Ints = np.searchsorted(starts, frame, side="right").astype(np.int64)
    return result
