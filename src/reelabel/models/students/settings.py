"""The settings that a student's network is built from."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from reelabel.config import Settings

Device = Literal["cpu", "cuda", "mps"]
"""Where a network computes."""


class StudentSettings(Settings):
    """Which network is trained, and what it starts from."""

    student: str = "auto"
    """The student to train."""
    weights: Path | None = None
    """File with the initial weights (ONNX, safetensors or .pth); none: random."""
    source_classes: tuple[str, ...] = ()
    """Class names of the head in `weights`, in order; empty: the 80 of COCO."""
    freeze_backbone: bool = False
    """Train only the layers after the backbone."""
    anchor_sizes: tuple[int, ...] = ()
    """Sides of the anchors in input pixels, for torchvision students; empty: the network's own."""
    anchor_ratios: tuple[float, ...] = ()
    """Height over width of the anchors, for torchvision students; empty: the network's own."""
    negative_weight: float = Field(3.0, ge=1, le=100)
    """Weight of hard-negative boxes in the loss, relative to other background."""
    seed: int = Field(0, ge=0, lt=2**31)
    """Random seed."""
