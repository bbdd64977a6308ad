"""The box type that every room shares, and the geometry on it.

Layouts are in the names: ``xyxy`` is left, top, right, bottom; ``xywh`` is left, top, width,
height. Right and bottom are exclusive, so that width is ``right - left``. Pixels are those of the
picture that the boxes belong to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reelabel.data.states import POSITIVE, State

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Strings = NDArray[np.str_]

MIN_SIDE_PX = 1.0
"""Shorter visible sides, in pixels, are no label."""
MIN_VISIBLE = 0.1
"""A smaller visible share of a box, 0..1, is no label."""


@dataclass(frozen=True, eq=False)
class Boxes:
    """Boxes with their scores and classes, from the detector to the export and to the loss.

    Attributes:
        xyxy: ``(n, 4)`` float32 in pixels.
        score: ``(n,)`` float32 in 0..1; NaN where no model gave one.
        class_id: ``(n,)`` int64, an index into class names that travel beside the boxes.
        track_id: ``(n,)`` int64, the track that each belongs to, -1 for none; None: none has one.
        state: ``(n,)`` strings of `reelabel.data.states.STATES`, or None: all are positive.
        origin: ``(n,)`` strings of `reelabel.data.states.Origin`, of fused detections the labels of
            the detectors that found each; or None.
        mask: ``(n, height, width)`` bool, or None.
        extra: ``(n,)`` dictionaries of further values that a file format carries, or None.

    The arrays are read-only: copies, unless what is given was read-only already. Index with a mask,
    with positions or with a slice to select: ``boxes[boxes.score > 0.5]``.

    Raises:
        ValueError: if the shapes do not agree.
    """

    xyxy: Floats
    score: Floats
    class_id: Ints
    track_id: Ints | None = None
    state: Strings | None = None
    origin: Strings | None = None
    mask: Bools | None = None
    extra: NDArray[np.object_] | None = None

    def __post_init__(self) -> None:
        n = len(self.xyxy)
        freeze_array(self, "xyxy", np.float32, (n, 4))
        freeze_array(self, "score", np.float32, (n,))
        freeze_array(self, "class_id", np.int64, (n,))
        freeze_array(self, "track_id", np.int64, (n,))
        freeze_array(self, "state", np.str_, (n,))
        freeze_array(self, "origin", np.str_, (n,))
        freeze_array(self, "extra", np.object_, (n,))
        if self.mask is not None:
            freeze_array(self, "mask", np.bool_, (n, *self.mask.shape[1:]))

    @classmethod
    def empty(cls) -> Boxes:
        """Return no boxes."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))

    @classmethod
    def concatenated(cls, parts: Iterable[Boxes]) -> Boxes:
        """Return the boxes of all parts, in order; a field is kept if every part has it."""
        parts = [part for part in parts if len(part)]
        if not parts:
            return cls.empty()
        columns = {f.name: [getattr(part, f.name) for part in parts] for f in fields(cls)}
        joined: dict[str, Any] = {
            name: None
            if any(value is None for value in values)
            else read_only(np.concatenate(values))
            for name, values in columns.items()
        }
        return cls(**joined)

    def __len__(self) -> int:
        return len(self.xyxy)

    def __getitem__(self, which: NDArray[Any] | slice) -> Boxes:
        columns = {f.name: getattr(self, f.name) for f in fields(self)}
        chosen: dict[str, Any] = {
            k: v if v is None else read_only(v[which]) for k, v in columns.items()
        }
        return Boxes(**chosen)

    def __eq__(self, other: object) -> bool:
        """Return whether all fields are equal; NaN equals NaN."""
        if not isinstance(other, Boxes):
            return NotImplemented
        return all(_same(getattr(self, f.name), getattr(other, f.name)) for f in fields(self))

    __hash__ = None  # type: ignore[assignment]  # arrays have no hash

    def __repr__(self) -> str:
        return f"Boxes({len(self)})"

    def has_state(self, state: State) -> Bools:
        """Return which boxes are in this state: ``(n,)`` bool."""
        if self.state is None:
            return np.full(len(self), state == POSITIVE)
        return np.equal(self.state, state)

    def scaled(self, factor_xy: tuple[float, float]) -> Boxes:
        """Return the same boxes in a picture that is larger by ``factor_xy``."""
        return replace(self, xyxy=self.xyxy * np.array(factor_xy * 2))

    def clipped(self, size_wh: tuple[int, int]) -> Boxes:
        """Return the boxes clipped to the picture; those with no area left are dropped."""
        xyxy = clip(self.xyxy, size_wh)
        return replace(self, xyxy=xyxy)[area(xyxy) > 0]


def _same(a: NDArray[Any] | None, b: NDArray[Any] | None) -> bool:
    """Return whether two fields are both left out, or equal."""
    if a is None or b is None:
        return a is b
    return np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


def freeze_array(owner: object, name: str, kind: type[np.generic], shape: tuple[int, ...]) -> None:
    """Replace a field of a frozen dataclass by a read-only array of its type, if it is given.

    It is a copy, unless what is given is read-only already.

    Raises:
        ValueError: if it has another shape.
    """
    value = getattr(owner, name)
    if value is None:
        return
    array = fixed(value, kind)
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, but got {array.shape}")
    object.__setattr__(owner, name, array)


def fixed(value: object, kind: type[np.generic]) -> NDArray[Any]:
    """Return ``(...)`` as a read-only array of a type; a copy, unless it is read-only already."""
    # Making it read-only must not freeze the caller's array.
    return read_only(np.array(value, dtype=kind, copy=None if _is_fixed(value) else True))


def _is_fixed(value: object) -> bool:
    """Return whether an array is read-only, and so is the whole that it is a part of."""
    if not isinstance(value, np.ndarray) or value.flags.writeable:
        return False
    whole = value.base
    return whole is None or (isinstance(whole, np.ndarray) and not whole.flags.writeable)


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """Return the same array, ``(...)``, read-only from now on: for one that nobody else has."""
    array.setflags(write=False)
    return array


@dataclass(frozen=True)
class Placement:
    """Where a video frame lies in a picture made from it: ``picture = video * scale + offset``.

    Attributes:
        scale_xy: picture pixels per video pixel.
        offset_xy: padding at the left and at the top, in picture pixels.
    """

    scale_xy: tuple[float, float] = (1.0, 1.0)
    offset_xy: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def of_frame(cls, row: Mapping[str, Any]) -> Placement:
        """Return how the picture of a row of the table `frames` was made."""
        return cls((row["scale_x"], row["scale_y"]), (row["offset_x"], row["offset_y"]))

    def row(self) -> dict[str, float]:
        """Return the columns of the table `frames` that hold it."""
        (scale_x, scale_y), (offset_x, offset_y) = self.scale_xy, self.offset_xy
        return {"scale_x": scale_x, "scale_y": scale_y, "offset_x": offset_x, "offset_y": offset_y}

    def resized(self, factor_xy: tuple[float, float]) -> Placement:
        """Return the placement after the picture was made larger by ``factor_xy``."""
        (scale_x, scale_y), (offset_x, offset_y) = self.scale_xy, self.offset_xy
        x, y = factor_xy
        return Placement((scale_x * x, scale_y * y), (offset_x * x, offset_y * y))

    def to_picture(self, xyxy: NDArray[Any]) -> NDArray[Any]:
        """Map boxes in video pixels to picture pixels: ``(n, 4)`` -> ``(n, 4)``."""
        result: NDArray[Any] = xyxy * np.array(self.scale_xy * 2) + np.array(self.offset_xy * 2)
        return result

    def to_video(self, xyxy: NDArray[Any]) -> NDArray[Any]:
        """Map boxes in picture pixels to video pixels: ``(n, 4)`` -> ``(n, 4)``."""
        result: NDArray[Any] = (xyxy - np.array(self.offset_xy * 2)) / np.array(self.scale_xy * 2)
        return result


def clip(xyxy: NDArray[Any], size_wh: tuple[float, float] | NDArray[Any]) -> NDArray[Any]:
    """Return boxes clipped to a picture of this size, or each to its own: ``(n, 4)``.

    Args:
        xyxy: ``(n, 4)`` in pixels.
        size_wh: of the picture, or ``(n, 2)`` of each box's.
    """
    edges = np.asarray(size_wh, np.float64)
    largest = np.minimum(np.concatenate([edges, edges], axis=-1), np.finfo(np.float32).max)
    result: NDArray[Any] = np.clip(xyxy, 0, largest.astype(np.float32))
    return result


def visible_parts(xyxy: NDArray[Any], size_wh: tuple[int, int]) -> tuple[Floats, Bools]:
    """Return boxes clipped to a picture, and which of them are visible enough to be labels.

    Enough is a visible part of at least `MIN_SIDE_PX` on each side and of at least `MIN_VISIBLE`
    of the box's area.

    Args:
        xyxy: ``(n, 4)`` boxes in pixels.
        size_wh: width and height of the picture.

    Returns:
        ``(n, 4)`` float32 and ``(n,)`` bool; a box that is not finite is not visible.
    """
    inside: Floats = clip(xyxy, size_wh).astype(np.float32)
    sides = inside[:, 2:] - inside[:, :2]
    large = (sides >= MIN_SIDE_PX).all(axis=1) & (area(inside) >= MIN_VISIBLE * area(xyxy))
    return inside, large & np.isfinite(xyxy).all(axis=1)


def xywh_to_xyxy(xywh: NDArray[Any]) -> NDArray[Any]:
    """Return ``left, top, width, height`` as ``left, top, right, bottom``: ``(n, 4)``."""
    xywh = np.reshape(xywh, (-1, 4))
    return np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)


def xyxy_to_xywh(xyxy: NDArray[Any]) -> NDArray[Any]:
    """Return ``left, top, right, bottom`` as ``left, top, width, height``: ``(n, 4)``."""
    xyxy = np.reshape(xyxy, (-1, 4))
    return np.concatenate([xyxy[:, :2], xyxy[:, 2:] - xyxy[:, :2]], axis=1)


def area(xyxy: NDArray[Any]) -> NDArray[Any]:
    """Return the area in square pixels of each box: ``(n, 4)`` -> ``(n,)``."""
    sides = np.clip(xyxy[:, 2:] - xyxy[:, :2], 0, None)
    result: NDArray[Any] = sides[:, 0] * sides[:, 1]
    return result


def iou(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """Return intersection over union of each box of ``a`` with each of ``b``: ``(n, m)`` in 0..1.

    >>> iou(np.array([[0, 0, 2, 2]], np.float32), np.array([[1, 0, 3, 2]], np.float32)).round(3)
    array([[0.333]], dtype=float32)
    """
    shared = intersection(a, b)
    union = area(a)[:, None] + area(b)[None, :] - shared
    result: NDArray[Any] = shared / np.maximum(union, 1e-9)
    return result


def intersection(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """Return the shared area of each box of ``a`` with each of ``b``: ``(n, m)``."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    sides = np.clip(high - low, 0, None)
    result: NDArray[Any] = sides[..., 0] * sides[..., 1]
    return result


def paired_containment(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """Return which share of the smaller of two opposite boxes lies in the larger: ``(n,)`` in 0..1.

    >>> paired_containment(np.array([[0.0, 0, 4, 4]] * 2), np.array([[1.0, 1, 3, 3], [3, 0, 5, 2]]))
    array([1. , 0.5])
    """
    smaller = np.minimum(area(a), area(b))
    result: NDArray[Any] = _paired_intersection(a, b) / np.maximum(smaller, 1e-9)
    return result


def paired_iou(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """Return intersection over union of opposite boxes: ``(..., 4)`` twice -> ``(...)``, broadcast.

    >>> paired_iou(np.array([0., 0, 2, 2]), np.array([[1., 0, 3, 2], [5, 5, 6, 6]])).round(3)
    array([0.333, 0.   ])
    """
    shared = _paired_intersection(a, b)
    area_a = (a[..., 2] - a[..., 0]) * (a[..., 3] - a[..., 1])
    area_b = (b[..., 2] - b[..., 0]) * (b[..., 3] - b[..., 1])
    result: NDArray[Any] = shared / np.maximum(area_a + area_b - shared, 1e-9)
    return result


def _paired_intersection(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    width = np.minimum(a[..., 2], b[..., 2]) - np.maximum(a[..., 0], b[..., 0])
    height = np.minimum(a[..., 3], b[..., 3]) - np.maximum(a[..., 1], b[..., 1])
    result: NDArray[Any] = np.maximum(width, 0) * np.maximum(height, 0)
    return result
