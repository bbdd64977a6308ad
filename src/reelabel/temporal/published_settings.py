"""The published flicker miner's parameters; loads nothing heavy: flags are made of them."""

from __future__ import annotations

from dataclasses import dataclass

FRAME_LIMIT = 70_000
"""The published miner reads no further than this."""


@dataclass(frozen=True)
class PublishedSettings:
    """The published miner's parameters, with its defaults.

    Attributes:
        valid_score: floor for candidates and for the boxes that support them, 0..1.
        alpha: how many frames before and after are compared.
        valid_sim_score: correlation under which a neighbour counts as not comparable, -1..1.
        iou_thr: overlap above which a box supports, 0..1.
        beta: by how many pixels the search window is larger than the box, on each side.
        frame_limit: blocks after this many are left alone; None reads all.

    Raises:
        ValueError: if alpha or beta is negative.
    """

    valid_score: float = 0.8
    alpha: int = 5
    valid_sim_score: float = 0.5
    iou_thr: float = 0.2
    beta: float = 100.0
    frame_limit: int | None = FRAME_LIMIT

    def __post_init__(self) -> None:
        if self.alpha < 0 or self.beta < 0:
            raise ValueError(f"alpha and beta must be >= 0, but got {self.alpha} and {self.beta}")
