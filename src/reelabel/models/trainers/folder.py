"""A student's folder: what its files mean, and the way back to a detector.

    model/
    ├── model.json            written last: a folder that has it is finished
    ├── model.safetensors     the weights (none for the fake student)
    ├── model.onnx            the same network for ONNX Runtime, for yolox students alone
    ├── config.json           the architecture, for transformers students alone
    ├── curve.csv             step, loss terms, learning rate, val agreement
    └── checkpoints/          what a killed run goes on from

This module does not import torch.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reelabel.errors import MissingExtra, ModelError
from reelabel.models.base import Detector, Predict

MODEL_JSON = "model.json"
WEIGHTS = "model.safetensors"


class ModelCard(BaseModel):
    """What `model.json` says; it and the weights are all that a detector needs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    kind: str = Field(description="fake, centre, yolox, torchvision or transformers")
    classes: tuple[str, ...] = Field(min_length=1)
    image_size: int = Field(ge=32, description="longest side of the input in pixels")
    pad_value: int = Field(default=114, ge=0, le=255, description="grey of the border")
    stride: int = Field(default=32, ge=1, description="input sides are multiples of this")
    colour: Literal["rgb"] = "rgb"
    score_floor: float = Field(
        default=0.01, ge=0, le=1, description="detections below are not returned"
    )
    nms_iou: float = Field(default=0.5, gt=0, le=1)
    flip_test: bool = Field(default=False, description="look at the mirrored picture too, and join")
    batch_size: int = Field(default=8, ge=1, description="pictures per call")
    arch: dict[str, Any] = Field(default_factory=dict, description="what the network is built from")
    training: dict[str, Any] = Field(default_factory=dict, description="how it was trained")


def is_finished(model_dir: Path) -> bool:
    """Return whether the training that writes into this folder came to its end."""
    return (model_dir / MODEL_JSON).is_file()


def write_card(model_dir: Path, card: ModelCard) -> None:
    """Write `model.json`, atomically; call it last, since it marks the folder as finished."""
    model_dir.mkdir(parents=True, exist_ok=True)
    write_atomically(model_dir / MODEL_JSON, card.model_dump_json(indent=2).encode())


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that after a crash it is there whole or not at all."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with unfinished.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def read_card(model_dir: Path) -> ModelCard:
    """Return what `model.json` says.

    Raises:
        ModelError: if the folder is not a finished student.
    """
    path = model_dir / MODEL_JSON
    try:
        return ModelCard.model_validate(json.loads(path.read_bytes()))
    except FileNotFoundError as exc:
        raise ModelError(
            f"expected a trained student in {model_dir}, but it has no {MODEL_JSON}: "
            "finish its training, or name another folder"
        ) from exc
    except (ValueError, ValidationError) as exc:
        raise ModelError(f"expected a student's description, but {path} is damaged: {exc}") from exc


def fingerprint(model_dir: Path) -> str:
    """Return the SHA-256 over the weights and the description of a finished student."""
    digest = hashlib.sha256()
    for name in (MODEL_JSON, WEIGHTS, "config.json"):
        path = model_dir / name
        if path.is_file():
            digest.update(f"{name}:{path.stat().st_size}:".encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def load_student_detector(model_dir: Path) -> Detector:
    """Return the detector that stands in a finished student's folder.

    Nothing in the folder is run as code. The weights are loaded by the detector's ``open()``.

    Raises:
        ModelError: if the folder is not a finished student, or of a kind that is not known.
        MissingExtra: if the student needs torch and it is not installed.
    """
    card = read_card(model_dir)
    if card.kind == "fake":
        from reelabel.models.trainers.fake import FakeDetector  # noqa: PLC0415 -- a circle

        return FakeDetector(model_dir, card)
    if find_spec("torch") is None:
        raise MissingExtra(f"the {card.kind} student in {model_dir}", "train")
    return StudentDetector(model_dir, card)


@dataclass
class StudentDetector:
    """Finds what a student was trained for; see `base.Detector` for the attributes.

    It describes the student without torch: a run with nothing to do need not load it.
    """

    model_dir: Path
    card: ModelCard
    name: str = field(init=False)
    classes: tuple[str, ...] = field(init=False)
    fingerprint: str = field(init=False)
    fit_wh: tuple[int, int] | None = field(init=False)
    in_order: bool = field(init=False, default=False)
    batch_size: int = field(init=False)

    def __post_init__(self) -> None:
        self.name = f"student:{self.model_dir}"
        self.classes = self.card.classes
        self.fingerprint = fingerprint(self.model_dir)
        self.fit_wh = (self.card.image_size, self.card.image_size)
        self.batch_size = self.card.batch_size

    def open(self) -> Predict:
        """Load the weights and return the function that finds; see `detector.open_student`."""
        from reelabel.models.trainers.detector import open_student  # noqa: PLC0415 -- loads torch

        return open_student(self.model_dir, self.card)
