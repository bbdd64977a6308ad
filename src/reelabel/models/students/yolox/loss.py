"""SimOTA assignment and the YOLOX losses (Ge et al. 2021, arXiv 2107.08430).

A cell is a place of the network's output: its left top corner and stride, in pixels of the input.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.ops import box_iou

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
    parts = [_one_loss(r, cells, t, negative_weight) for r, t in zip(raw, targets, strict=True)]
    terms = {
        "box": BOX_WEIGHT * torch.stack([p.box for p in parts]).sum(),
        "object": torch.stack([p.object for p in parts]).sum(),
        "class": torch.stack([p.classes for p in parts]).sum(),
    }
    return LossSums(terms, torch.stack([p.cells for p in parts]).sum())


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


class _Losses(NamedTuple):
    """Sums over the cells of one picture, and the number of cells that are assigned to a box."""

    box: Tensor
    object: Tensor
    classes: Tensor
    cells: Tensor


def _one_loss(raw: Tensor, cells: Tensor, target: Target, negative_weight: float) -> _Losses:
    """Return the loss sums of one picture's raw outputs (cells, 5 + classes)."""
    boxes = decode(raw, cells)
    cell, box = _assign(raw, boxes.detach(), cells, target)
    weight, target_score = _background(cells, target, negative_weight), torch.zeros_like(raw[:, 4])
    target_score[cell] = target.target_score[box].to(target_score)
    weight[cell] = 1.0
    objectness = functional.binary_cross_entropy_with_logits(
        raw[:, 4], target_score, reduction="none"
    )
    iou = _paired_iou(boxes[cell], target.xyxy[box])
    target_class = torch.zeros_like(raw[cell, 5:])
    target_class[torch.arange(len(cell)), target.class_id[box]] = iou.detach()
    classes = functional.binary_cross_entropy_with_logits(
        raw[cell, 5:], target_class, reduction="none"
    )
    return _Losses(
        box=(1 - iou**2).sum(),
        object=(objectness * weight).sum(),
        classes=classes.sum(1).sum(),
        cells=raw.new_tensor(float(len(cell))),
    )


def _background(cells: Tensor, target: Target, negative_weight: float) -> Tensor:
    """Return the weight of each cell as background, 0 in ignore regions; (cells,)."""
    centres = cells[:, :2] + cells[:, 2:] / 2
    weight = torch.ones(len(cells), device=cells.device)
    weight[_inside(centres, target.ignore, IGNORE_MARGIN).any(1)] = 0.0
    weight[_inside(centres, target.negative).any(1)] = negative_weight
    return weight


def _inside(points: Tensor, boxes: Tensor, margin: float = 0.0) -> Tensor:
    """Return which points (n, 2) are in which boxes (m, 4), grown by a margin; (n, m)."""
    after = points[:, None] > boxes[None, :, :2] - margin
    before = points[:, None] < boxes[None, :, 2:] + margin
    return (after & before).all(-1)


@torch.no_grad()
def _assign(raw: Tensor, boxes: Tensor, cells: Tensor, target: Target) -> tuple[Tensor, Tensor]:
    """Return the cells that are assigned to a box, and the index of that box; both (p,).

    SimOTA: a box gets its cells of lowest cost, as many as the sum of its best IoUs.
    """
    truth, labels = target.xyxy, target.class_id
    near, within = _candidates(cells, truth)
    some = (near | within).any(1).nonzero()[:, 0] if len(truth) else cells.new_zeros(0).long()
    if not len(some):
        return some, some
    iou = box_iou(boxes[some], truth)
    score = (raw[some, 4:5].sigmoid() * raw[some, 5:].sigmoid()[:, labels]).sqrt().clamp(1e-6, 1)
    cost = -score.log() - IOU_COST * (iou + 1e-8).log() + OUTSIDE_COST * ~(near & within)[some]
    counts = iou.topk(min(MAX_CELLS, len(some)), 0)[0].sum(0).int().clamp(min=1)
    taken = torch.zeros_like(iou, dtype=torch.bool)
    for box, count in enumerate(counts.tolist()):
        taken[cost[:, box].topk(count, largest=False)[1], box] = True
    best = torch.where(taken, cost, torch.inf).argmin(1)
    used = taken.any(1)
    return some[used], best[used]


def _candidates(cells: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Return which cells (cells, n) have their centre near a box's centre, and within the box."""
    centres, middle = cells[:, :2] + cells[:, 2:] / 2, (truth[:, :2] + truth[:, 2:]) / 2
    near = ((centres[:, None] - middle).abs() < CENTRE_RADIUS * cells[:, None, 2:]).all(-1)
    return near, _inside(centres, truth)


def _paired_iou(a: Tensor, b: Tensor) -> Tensor:
    """Return the IoU of each box of `a` (n, 4) with the same one of `b`; (n,)."""
    shared = (a[:, 2:].minimum(b[:, 2:]) - a[:, :2].maximum(b[:, :2])).clamp(min=0).prod(1)
    areas = (a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1)
    return shared / (areas - shared + 1e-6)
