"""The boxes of one video in memory, and the geometry that linking and evidence share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reelabel.data.boxes import Boxes, fixed, iou, read_only

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class BoxSequence:
    """All boxes of one video, in any order; results are given in the same order.

    Attributes:
        frame: ``(n,)`` int64, the frame that each box is in: a number that rises with display time.
            Temporal evidence counts the processed frames from 0 without gaps (a detector that
            processes every fifth frame counts 0, 1, 2); labels use time stamps.
        boxes: ``(n,)`` boxes in video pixels.

    Raises:
        ValueError: if the lengths do not agree, a coordinate is NaN or infinite, a score is
            infinite, or a box has a negative size.
    """

    frame: Ints
    boxes: Boxes

    def __post_init__(self) -> None:
        frame: Ints = fixed(self.frame, np.int64)
        if frame.shape != (len(self.boxes),):
            raise ValueError(
                f"frame must have shape {(len(self.boxes),)}, but got {frame.shape}: give one "
                "frame for each box"
            )
        object.__setattr__(self, "frame", frame)
        self._check()

    def _check(self) -> None:
        wrong = {"xyxy": ~np.isfinite(self.xyxy), "score": np.isinf(self.score)}
        for name, values in wrong.items():
            if values.any():
                raise ValueError(
                    f"{name} must be finite, but {int(values.sum())} values are not; the first is "
                    f"in row {int(np.argwhere(values)[0, 0])}"
                )
        negative = (self.xyxy[:, 2:] < self.xyxy[:, :2]).any(axis=1)
        if negative.any():
            row = int(np.argmax(negative))
            raise ValueError(
                f"right and bottom must not be less than left and top, but row {row} is "
                f"{self.xyxy[row].tolist()}"
            )

    @property
    def xyxy(self) -> Singles:
        """``(n, 4)`` float32, left, top, right, bottom in pixels, right and bottom exclusive."""
        return self.boxes.xyxy

    @property
    def score(self) -> Singles:
        """``(n,)`` float32 in 0..1, NaN where no model gave one."""
        return self.boxes.score

    @property
    def class_id(self) -> Ints:
        """``(n,)`` int64, an index into class names that travel beside the boxes."""
        return self.boxes.class_id

    def __len__(self) -> int:
        return len(self.frame)

    def __getitem__(self, which: NDArray[Any] | slice) -> BoxSequence:
        return BoxSequence(read_only(self.frame[which]), self.boxes[which])

    def __repr__(self) -> str:
        return f"BoxSequence({len(self)} boxes in {len(np.unique(self.frame))} frames)"

    @classmethod
    def of(
        cls,
        frame: NDArray[Any],
        xyxy: NDArray[Any],
        score: NDArray[Any],
        class_id: NDArray[Any] | int = 0,
    ) -> BoxSequence:
        """Make one from columns.

        Args:
            frame: ``(n,)`` the frame of each box.
            xyxy: ``(n, 4)`` pixels.
            score: ``(n,)`` in 0..1.
            class_id: ``(n,)``, or one number for all boxes.
        """
        class_id = np.full(len(frame), class_id) if isinstance(class_id, int) else class_id
        return cls(frame, Boxes(np.reshape(xyxy, (-1, 4)), score, class_id))

    @classmethod
    def empty(cls) -> BoxSequence:
        """Return no boxes."""
        return cls(np.zeros(0, np.int64), Boxes.empty())

    @classmethod
    def concatenated(cls, parts: Sequence[BoxSequence]) -> BoxSequence:
        """Return the boxes of all parts, one part after the other."""
        frame = np.concatenate([np.zeros(0, np.int64), *(part.frame for part in parts)])
        return cls(read_only(frame), Boxes.concatenated(part.boxes for part in parts))


def rows_by_track(track_id: Ints, frame: Ints) -> list[Ints]:
    """Return the rows of each track in order of frame; tracks in order of their numbers.

    Args:
        track_id: ``(n,)`` the track of each row.
        frame: ``(n,)`` the frame of each row.

    >>> [rows.tolist() for rows in rows_by_track(np.array([5, 2, 5]), np.array([1, 0, 0]))]
    [[1], [2, 0]]
    """
    rows = np.lexsort((frame, track_id))
    return np.split(rows, np.flatnonzero(np.diff(track_id[rows])) + 1) if len(rows) else []


def covered(boxes: BoxSequence, others: BoxSequence, least_iou: float) -> Bools:
    """Return which boxes overlap one of the others in the same frame: ``(n,)``.

    Args:
        boxes: ``(n,)`` boxes of one video.
        others: boxes of the same video.
        least_iou: overlap in 0..1 from which it counts.
    """
    result = np.zeros(len(boxes), bool)
    first, second = (np.argsort(some.frame, kind="stable") for some in (boxes, others))
    frames = np.intersect1d(boxes.frame, others.frame)
    sides = (frames, frames + 1)
    ends = (np.searchsorted(boxes.frame[first], side) for side in sides)
    other_ends = (np.searchsorted(others.frame[second], side) for side in sides)
    # Frame by frame: all pairs of a long video would not fit into memory.
    for a, b, c, d in zip(*ends, *other_ends, strict=True):
        rows, other_rows = first[a:b], second[c:d]
        overlap = iou(boxes.xyxy[rows], others.xyxy[other_rows])
        result[rows] = (overlap >= least_iou).any(axis=1)
    return result


def centres(xyxy: Floats) -> Floats:
    """Return the centre of each box: ``(..., 4)`` -> ``(..., 2)``."""
    result: Floats = (xyxy[..., :2] + xyxy[..., 2:]) / 2
    return result


def sizes(xyxy: Floats) -> Floats:
    """Return the square root of each box's area in pixels: ``(..., 4)`` -> ``(...,)``."""
    sides = xyxy[..., 2:] - xyxy[..., :2]
    result: Floats = np.sqrt(np.maximum(sides[..., 0] * sides[..., 1], 0))
    return result


def stabilized(xyxy: Singles, frame: Ints, shift_xy: Floats | None) -> Floats:
    """Return boxes with the camera motion removed: ``(n, 4)`` float32 -> ``(n, 4)`` float64.

    Args:
        xyxy: ``(n, 4)`` boxes in pixels.
        frame: ``(n,)`` the frame of each, from 0.
        shift_xy: ``(frames, 2)`` by how many pixels the picture's content moved from the frame
            before to this one (`reelabel.temporal.motion`), or None for a fixed camera.

    Raises:
        ValueError: if `shift_xy` does not cover every frame or is not finite.
    """
    # Sums over a long video need double precision.
    exact = xyxy.astype(np.float64)
    if shift_xy is None or not len(frame):
        return exact
    result: Floats = exact - np.tile(camera_path(shift_xy, int(frame.max()) + 1)[frame], 2)
    return result


def camera_path(shift_xy: Floats | None, frames: int) -> Floats:
    """Return the camera's path, ``(frames, 2)``: the sum of all shifts up to each frame.

    Args:
        shift_xy: ``(frames, 2)`` or more rows of pixels, or None for a fixed camera.
        frames: how many frames there are.

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
    """Return the number of each frame's shot: ``(n,)`` -> ``(n,)``.

    Args:
        frame: ``(n,)`` frames.
        shot_starts: the first frames of new shots, ascending.
    """
    starts = np.unique(np.asarray(shot_starts, np.int64))
    result: Ints = np.searchsorted(starts, frame, side="right").astype(np.int64)
    return result
