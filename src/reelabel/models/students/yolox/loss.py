"""SimOTA assignment and the YOLOX losses (Ge et al. 2021, arXiv 2107.08430).

A cell is a place of the network's output: its left top corner and stride, in pixels of the input.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from reelabel.models.students.targets import LossSums, Target

STRIDES = (8, 16, 32)
CENTRE_RADIUS = 1.5
"""A cell is a candidate for a box if its centre is within so many strides of the box's."""
MAX_CELLS = 10
"""Most cells that are assigned to one box."""
IOU_COST, OUTSIDE_COST, BOX_WEIGHT = 3.0, 1e5, 5.0
IGNORE_MARGIN = 8.0
"""Pixels around an ignore region that are without loss too."""
LARGEST_LOG_SIZE = 8.0


def loss_sums(
    raw: Tensor, cells: Tensor, targets: Sequence[Target], negative_weight: float = 1.0
) -> LossSums:
    """Return the sums of the losses ``box``, ``object`` and ``class``, and of assigned cells.

    Args:
        raw: outputs ``(b, cells, 5 + classes)``.
        cells: what `grid` returns, ``(cells, 3)``.
        targets: one per picture.
        negative_weight: weight of a cell in a hard negative, relative to other background.
    """
    boxes, truth = decode(raw, cells), _padded(targets)
    picture, cell, box = _assign(raw.detach(), boxes.detach(), cells, truth)
    iou = _paired_iou(boxes[picture, cell], truth.xyxy[picture, box])
    target_class = torch.zeros_like(raw[picture, cell, 5:])
    target_class[torch.arange(len(cell)), truth.class_id[picture, box]] = iou.detach()
    weight, target_score = (
        _background(cells, targets, negative_weight),
        torch.zeros_like(raw[..., 4]),
    )
    target_score[picture, cell] = truth.target_score[picture, box].to(raw)
    weight[picture, cell] = 1.0
    terms = {
        "box": BOX_WEIGHT * (1 - iou**2).sum(),
        "object": _cross_entropy(raw[..., 4], target_score, weight),
        "class": _cross_entropy(raw[picture, cell, 5:], target_class),
    }
    return LossSums(terms, raw.new_tensor(float(len(cell))))


def grid(images: Tensor) -> Tensor:
    """Return left, top and stride of every cell in pixels: ``(b, 3, h, w)`` -> ``(cells, 3)``."""
    height, width = images.shape[-2:]
    levels = []
    for stride in STRIDES:
        ys, xs = (torch.arange(0, n, stride, device=images.device) for n in (height, width))
        y, x = torch.meshgrid(ys, xs, indexing="ij")
        levels.append(torch.stack([x, y, torch.full_like(x, stride)], -1).reshape(-1, 3))
    return torch.cat(levels).float()


def decode(raw: Tensor, cells: Tensor) -> Tensor:
    """Return boxes in pixels: raw outputs ``(..., cells, 5 + classes)`` -> ``(..., cells, 4)``."""
    strides = cells[:, 2:]
    centre = raw[..., :2] * strides + cells[:, :2]
    half = raw[..., 2:4].clamp(max=LARGEST_LOG_SIZE).exp() * strides / 2
    return torch.cat([centre - half, centre + half], -1)


class _Truth(NamedTuple):
    """The positive labels of all pictures, as many for each: what is missing is NaN, or 0."""

    xyxy: Tensor  # (b, n, 4)
    class_id: Tensor  # (b, n)
    target_score: Tensor  # (b, n)


def _padded(targets: Sequence[Target]) -> _Truth:
    return _Truth(
        _together([each.xyxy for each in targets]),
        pad_sequence([each.class_id for each in targets], batch_first=True),
        pad_sequence([each.target_score for each in targets], batch_first=True),
    )


def _together(boxes: list[Tensor]) -> Tensor:
    """Return the boxes (n, 4) of each picture as (b, n, 4), the missing ones NaN."""
    return pad_sequence(boxes, batch_first=True, padding_value=torch.nan)


def _cross_entropy(logits: Tensor, targets: Tensor, weight: Tensor | None = None) -> Tensor:
    """Return the sum of the binary cross entropies."""
    return functional.binary_cross_entropy_with_logits(logits, targets, weight, reduction="sum")


def _background(cells: Tensor, targets: Sequence[Target], negative_weight: float) -> Tensor:
    """Return the weight of each cell as background, 0 in ignore regions; (b, cells)."""
    centres = cells[:, :2] + cells[:, 2:] / 2
    weight = cells.new_ones((len(targets), len(cells)))
    ignore = _together([each.ignore for each in targets])
    negative = _together([each.negative for each in targets])
    weight[_inside(centres, ignore, IGNORE_MARGIN).any(1)] = 0.0
    weight[_inside(centres, negative).any(1)] = negative_weight
    return weight


def _inside(points: Tensor, boxes: Tensor, margin: float = 0.0) -> Tensor:
    """Return which points (m, 2) are in which boxes (b, n, 4), grown by a margin; (b, n, m)."""
    x, y = points.unbind(1)
    left, top, right, bottom = boxes[..., None].unbind(2)
    across = (x > left - margin) & (x < right + margin)
    return across & (y > top - margin) & (y < bottom + margin)


@torch.no_grad()
def _assign(
    raw: Tensor, boxes: Tensor, cells: Tensor, truth: _Truth
) -> tuple[Tensor, Tensor, Tensor]:
    """Return picture and cell of each cell that is assigned to a box, and the box; all (p,).

    SimOTA: a box gets its cells of lowest cost, as many as the sum of its best IoUs.
    """
    near, within = _candidates(cells, truth.xyxy)
    candidate = (near | within).any(1)  # (b, cells)
    some = candidate.any(0).nonzero()[:, 0]
    usable = candidate[:, None, some] & truth.xyxy[:, :, :1].isfinite()
    iou = torch.where(usable, _all_iou(truth.xyxy, boxes[:, some]), 0.0)
    cost = _cost(raw[:, some], iou, truth.class_id) + OUTSIDE_COST * ~(near & within)[..., some]
    cost = torch.where(usable, cost, torch.inf)
    most = min(MAX_CELLS, len(some))
    counts = iou.topk(most)[0].sum(2).int().clamp(min=1)
    lowest, place = cost.topk(most, largest=False)
    chosen = (torch.arange(most, device=raw.device) < counts[..., None]) & lowest.isfinite()
    taken = torch.zeros_like(usable).scatter_(2, place, chosen)
    picture, at = taken.any(1).nonzero(as_tuple=True)
    costs = torch.where(taken, cost, torch.inf).transpose(1, 2)[picture, at]
    return picture, some[at], costs.argmin(1) if len(at) else at


def _cost(raw: Tensor, iou: Tensor, class_id: Tensor) -> Tensor:
    """Return the cost of a cell for a box (b, n, cells), but for where the cell lies."""
    scores = (raw[..., 4:5].sigmoid() * raw[..., 5:].sigmoid()).transpose(1, 2)
    of_class = scores.gather(1, class_id[..., None].expand(-1, -1, raw.shape[1]))
    return -of_class.sqrt().clamp(1e-6, 1).log() - IOU_COST * (iou + 1e-8).log()


def _candidates(cells: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Return which cells have their centre near that of a box (b, n, 4), and within the box.

    Both are (b, n, cells).
    """
    centres, middle = cells[:, :2] + cells[:, 2:] / 2, (truth[..., :2] + truth[..., 2:]) / 2
    radius = CENTRE_RADIUS * cells[:, 2]
    x, y = ((centres[:, i] - middle[..., i, None]).abs() < radius for i in (0, 1))
    return x & y, _inside(centres, truth)


def _all_iou(a: Tensor, b: Tensor) -> Tensor:
    """Return the IoU of all boxes of a picture, (b, n, 4) and (b, m, 4); (b, n, m)."""
    one, two = a[:, :, None].unbind(3), b[:, None].unbind(3)
    shared = _length(one, two, 0) * _length(one, two, 1)
    (area_a, area_b) = ((x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in (one, two))
    return shared / (area_a + area_b - shared)


def _length(one: Sequence[Tensor], two: Sequence[Tensor], axis: int) -> Tensor:
    """Return how far boxes, each of four tensors, overlap along one axis."""
    begin, end = one[axis].maximum(two[axis]), one[axis + 2].minimum(two[axis + 2])
    return (end - begin).clamp(min=0)


def _paired_iou(a: Tensor, b: Tensor) -> Tensor:
    """Return the IoU of each box of `a` (n, 4) with the same one of `b`; (n,)."""
    shared = (a[:, 2:].minimum(b[:, 2:]) - a[:, :2].maximum(b[:, :2])).clamp(min=0).prod(1)
    areas = (a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1)
    return shared / (areas - shared + 1e-6)
