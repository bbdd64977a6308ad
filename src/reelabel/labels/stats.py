"""Counts that describe a set of labels: sizes, places, two classes on one object."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reelabel.data.box_pairs import pairs_within
from reelabel.data.boxes import paired_iou
from reelabel.errors import counted

SMALL_PX = 32**2
LARGE_PX = 96**2
ONE_OBJECT_IOU = 0.7
"""Boxes of two classes that overlap by this are on one object."""
_BOXES_AT_ONCE = 4096


@dataclass(frozen=True)
class Count:
    """How many, and which share 0..1 of all."""

    n: int
    share: float


def size_bins(xyxy: NDArray[np.float32]) -> dict[str, Count]:
    """Return how many of ``(n, 4)`` boxes are small, medium and large.

    The bounds are those of the COCO evaluation: small below 32^2 square pixels, large above
    96^2, medium between, both bounds included.
    """
    sides = np.clip(xyxy[:, 2:].astype(np.float64) - xyxy[:, :2], 0, None)
    area = sides[:, 0] * sides[:, 1]
    n_small, n_large = int((area < SMALL_PX).sum()), int((area > LARGE_PX).sum())
    counts = {"small": n_small, "medium": len(area) - n_small - n_large, "large": n_large}
    return {name: Count(n, n / max(len(area), 1)) for name, n in counts.items()}


def two_classes(
    pts: NDArray[np.int64], xyxy: NDArray[np.float32], class_name: NDArray[np.str_]
) -> dict[tuple[str, str], int]:
    """Return how many objects have boxes of two classes, by the pair of classes, most first.

    Args:
        pts: ``(n,)`` the frame of each box of one video.
        xyxy: ``(n, 4)`` float32 in pixels.
        class_name: ``(n,)`` strings.
    """
    found: Counter[tuple[str, str]] = Counter()
    names, class_id = np.unique(class_name, return_inverse=True)
    if len(names) <= 1:
        return {}
    order = np.argsort(pts, kind="stable")
    frames = np.split(order, np.flatnonzero(np.diff(pts[order])) + 1)
    for first, second in pairs_within(frames):
        other = class_id[first] != class_id[second]
        pairs = np.stack([first[other], second[other]])
        over = paired_iou(xyxy[pairs[0]], xyxy[pairs[1]]) >= ONE_OBJECT_IOU
        classes = np.sort(class_id[pairs[:, over]], axis=0)
        found.update((str(names[a]), str(names[b])) for a, b in classes.T.tolist())
    return dict(sorted(found.items(), key=lambda one: (-one[1], one[0])))


def two_classes_sentences(found: Mapping[tuple[str, str], int]) -> list[str]:
    """Return one sentence for each pair of classes that stand on one object."""
    return [
        f"{a} and {b} are on one object {counted(n, 'time')} (IoU {ONE_OBJECT_IOU:g} or "
        "more): see  reelabel show, or set  clean.overlap_across_classes: true  to keep one"
        for (a, b), n in found.items()
    ]


def heat_map(
    xyxy: NDArray[np.float32], size_wh: tuple[int, int], grid_wh: tuple[int, int] = (96, 54)
) -> NDArray[np.float64]:
    """Return how many boxes cover each place of the picture.

    The picture is cut into a grid of fixed size, whatever the picture's. A box adds to each cell
    the share of the cell that it covers; with a grid of one cell a pixel and whole coordinates
    this is the sum of the boxes' masks. What lies outside of the picture is left out.

    Args:
        xyxy: ``(n, 4)`` float32 in pixels.
        size_wh: of the picture.
        grid_wh: columns and rows.

    Returns:
        ``(rows, columns)`` float64, 0 or above.
    """
    result = np.zeros(grid_wh[::-1])
    for start in range(0, len(xyxy), _BOXES_AT_ONCE):
        part = xyxy[start : start + _BOXES_AT_ONCE].astype(np.float64)
        across = _covered(part[:, 0], part[:, 2], size_wh[0], grid_wh[0])
        down = _covered(part[:, 1], part[:, 3], size_wh[1], grid_wh[1])
        result += down.T @ across
    return result


def _covered(
    low: NDArray[np.float64], high: NDArray[np.float64], size: int, cells: int
) -> NDArray[np.float64]:
    """Return ``(n, cells)``, the share 0..1 of each cell between low and high along one side."""
    edges = np.arange(cells + 1) * (size / cells)
    inside = np.minimum(high[:, None], edges[1:]) - np.maximum(low[:, None], edges[:-1])
    result: NDArray[np.float64] = np.clip(inside, 0, None) * (cells / size)
    return result
