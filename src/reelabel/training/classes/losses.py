"""Losses of classifiers, with unknown targets left out."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def exclusive_loss(outputs: Tensor, target: Tensor, weight: Tensor, smoothing: float) -> Tensor:
    """Return the cross entropy where exactly one class is right.

    Where it is only known which classes are wrong, the probability of all others together is
    raised.

    Args:
        outputs: ``(b, k)`` float32, before the softmax.
        target: ``(b, k)``: 1 right, 0 wrong, NaN unknown; at least one class is not wrong.
        weight: ``(b,)`` of each example.
        smoothing: share of the target that is spread over all classes.
    """
    log_p = outputs.log_softmax(1)
    right = target == 1
    possible = torch.where(right.any(1, keepdim=True), right, target != 0)  # NaN is not 0
    likelihood = log_p.masked_fill(~possible, float("-inf")).logsumexp(1)
    loss = -(1 - smoothing) * likelihood - smoothing * log_p.mean(1)
    return (weight * loss).mean()


def multi_label_loss(
    outputs: Tensor,
    target: Tensor,
    weight: Tensor,
    *,
    smoothing: float,
    positive_weight: Tensor | None = None,
) -> Tensor:
    """Return the binary cross entropy of known targets, where each class is its own question.

    Args:
        outputs: ``(b, k)`` float32, before the sigmoid.
        target: ``(b, k)``: 1 right, 0 wrong, NaN unknown.
        weight: ``(b,)`` of each example.
        smoothing: targets lie so much between 0 and 1; 1 is one half.
        positive_weight: ``(k,)`` of targets that are 1, relative to those that are 0.
    """
    known = ~target.isnan()
    soft = target.nan_to_num(0.0) * (1 - smoothing) + smoothing / 2
    loss = functional.binary_cross_entropy_with_logits(
        outputs, soft, reduction="none", pos_weight=positive_weight
    )
    total = (loss * weight[:, None] * known).sum()
    return total / known.sum().clamp(min=1)
