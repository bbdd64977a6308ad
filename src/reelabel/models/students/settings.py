"""The settings that a student's network is built from."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from reelabel.config import Seed, Settings

Device = Literal["cpu", "cuda", "mps"]
"""Where a network computes."""

Output = Literal["boxes", "classes"]
"""What a student finds: boxes in pictures, or classes of pictures and of windows of pictures."""


SMALLEST = 32
"""Smallest side of a classifier's input in pixels: networks halve it five times."""


class StudentSettings(Settings):
    """Which student is trained; what it outputs is known by the type."""

    output: ClassVar[Output]
    student: str = "auto"
    """The student to train."""
    seed: Seed = 0
    """Random seed."""


class BoxStudentSettings(StudentSettings):
    """Which detector is trained, and what it starts from."""

    output: ClassVar[Output] = "boxes"
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


class ClassStudentSettings(StudentSettings):
    """Which classifier is trained, and what it starts from."""

    output: ClassVar[Output] = "classes"
    clips: ClassVar[bool] = False
    """True if windows of pictures are classified, else single pictures."""
    weights: Path | Literal["pretrained"] | None = None
    """File with the initial weights (safetensors or .pth); pretrained: those that the network's
    makers publish, downloaded once; none: random."""
    padding: Literal["own", "tensorflow"] = "own"
    """Padding of strided convolutions; tensorflow: on the right and below, as weights expect that
    were converted from TensorFlow; quantised ones of torchvision's networks have it anyway."""
    backbone: Literal["tuned", "frozen", "staged"] = "tuned"
    """How the layers before the head are trained: tuned, with the head; frozen, not at all, their
    features are computed once; staged, after the head, at a lower rate."""
    image_size: int = Field(0, ge=0, le=1024)
    """Side of the square input in pixels; 0: the network's own."""
    frames: int = Field(0, ge=0, le=1024)
    """Pictures per window; 0: as many as the longest window has, or as the network asks for."""
    step_s: float = Field(0.0, ge=0)
    """Seconds between the pictures of a window, which the trained student keeps; 0: those of the
    data set."""
    dropout: float = Field(0.2, ge=0, lt=1)
    """Share of the features that each training step leaves out before the last layer."""
    differences: bool = True
    """Recurrent students: give the features' change from picture to picture too."""
    accept_noncommercial: bool = False
    """Use weights whose licence forbids commercial use."""

    @field_validator("image_size")
    @classmethod
    def large_enough(cls, value: int) -> int:
        """Refuse inputs that networks reduce to nothing."""
        if 0 < value < SMALLEST:
            raise ValueError(f"expected 0, or {SMALLEST} or more pixels, but got {value}")
        return value
