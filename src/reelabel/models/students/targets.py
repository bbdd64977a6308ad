"""What passes between a student and its training: targets in, loss terms or detections out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor


class Found(NamedTuple):
    """What a student detects in one picture.

    Attributes:
        xyxy: ``(n, 4)`` float32, in input pixels.
        score: ``(n,)`` float32 in 0..1.
        class_id: ``(n,)`` int64, from 0.
    """

    xyxy: Tensor
    score: Tensor
    class_id: Tensor


class LossSums(NamedTuple):
    """Losses of a part of a batch; those of the batch are the sums over its parts.

    Attributes:
        terms: sums of the loss terms.
        divisor: ``()``, what the sums of the whole batch are divided by, 1 at least.
    """

    terms: dict[str, Tensor]
    divisor: Tensor


@dataclass(frozen=True)
class Target:
    """The labels of one picture as the loss uses them; boxes are xyxy in input pixels.

    Attributes:
        xyxy: ``(n, 4)`` float32, the positive labels.
        class_id: ``(n,)`` int64, from 0.
        target_score: ``(n,)`` float32, the score that each box is trained towards, 0..1.
        ignore: ``(m, 4)`` float32, regions without loss.
        negative: ``(k, 4)`` float32, hard negatives: boxes that are known to be background, also
            inside ignore regions.
    """

    xyxy: Tensor
    class_id: Tensor
    target_score: Tensor
    ignore: Tensor
    negative: Tensor

    def to(self, device: torch.device) -> Target:
        """Return the same on another device."""
        return Target(
            xyxy=self.xyxy.to(device),
            class_id=self.class_id.to(device),
            target_score=self.target_score.to(device),
            ignore=self.ignore.to(device),
            negative=self.negative.to(device),
        )


def cells_inside(boxes: Tensor, size_hw: Sequence[int], *, cell: int = 1) -> Tensor:
    """Return which cells have their middle in any of the boxes: ``(h, w)`` bool.

    Args:
        boxes: ``(n, 4)`` in pixels.
        size_hw: rows and columns of cells.
        cell: side of a cell in pixels.
    """
    y = (torch.arange(size_hw[0], device=boxes.device) + 0.5) * cell
    x = (torch.arange(size_hw[1], device=boxes.device) + 0.5) * cell
    rows = (y >= boxes[:, 1:2]) & (y < boxes[:, 3:4])
    columns = (x >= boxes[:, :1]) & (x < boxes[:, 2:3])
    return (rows[:, :, None] & columns[:, None]).any(0)


@runtime_checkable
class Student(Protocol):
    """A detector that can be trained: an `nn.Module` with these methods and attributes.

    Attributes:
        arch: what the network is built from; `model.json` keeps it.
        default_lr: learning rate where the settings name none.
    """

    arch: dict[str, object]
    default_lr: float

    def forward_train(self, images: Tensor, targets: list[Target]) -> dict[str, Tensor]:
        """Return the loss terms; training minimises their sum.

        Args:
            images: ``(b, 3, height, width)`` float32, RGB, 0..255; sides are multiples of 32.
            targets: one per picture; a picture without boxes is background.
        """
        ...

    def forward_detect(self, images: Tensor) -> list[Found]:
        """Return the detections in each picture, from a low score up."""
        ...


@runtime_checkable
class DivisibleStudent(Student, Protocol):
    """A student of which the parts of a batch can be computed apart, also at the same time.

    No layer may mix the pictures of a batch, keep statistics of them, or draw random numbers.
    """

    def begin_training(self, device: torch.device) -> None:
        """Prepare for the first step; weights and device are those of the training."""
        ...

    def loss_sums(self, images: Tensor, targets: list[Target]) -> LossSums:
        """Return the losses of a part of a batch; see `Student.forward_train`."""
        ...
