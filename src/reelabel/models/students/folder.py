"""The folder of a trained student.

    model/
    ├── model.json            written last: a folder that has it is finished
    ├── model.safetensors     the weights, if the family has any
    ├── ...                   further files of the family, such as a network for ONNX Runtime
    ├── curve.csv             step, loss terms, learning rate, agreement on the validation split
    ├── calibration.json      the temperature of a classifier, which its evaluation adds
    ├── start/                the same before its training, if it detects already then
    └── checkpoints/          what an interrupted training resumes from

This module does not import torch.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ConfigDict, Field, ValidationError

from reelabel.checksums import sealed, unsealed
from reelabel.config import Settings
from reelabel.errors import ModelError, ShardError
from reelabel.file_kinds import plain_file
from reelabel.files import explained, safe_join, write_text

MODEL_JSON = "model.json"
CALIBRATION_JSON = "calibration.json"
"""What calibrates a classifier, written by the evaluation behind its training."""
WEIGHTS = "model.safetensors"
_NEEDED = frozenset({".json", ".onnx", ".safetensors"})
"""Suffixes of the files that using a student needs."""
START = "start"
"""Folder in a model folder: the same student before its training, if it detects already."""

TRAINED_ON = "video_ids"
"""Key in `Card.training`: ids of the videos that were trained on, which are hashes of content."""

VERSION = 1
"""Of the format of `model.json`; raised when older readers would misread it."""


class Card(Settings):
    """The content of `model.json`: with the weights, all that using a student needs.

    Unknown keys are ignored: a later version may add information.
    """

    model_config = ConfigDict(extra="ignore")

    version: int = VERSION
    """Of the format."""
    task: str = "detect"
    """What the student was trained for."""
    kind: str
    """Name of the student's family."""
    classes: tuple[str, ...] = Field(min_length=1)
    """Class names, in the order of the class ids."""
    image_size: int = Field(ge=1)
    """Longest side of the input in pixels."""
    batch_size: int = Field(8, ge=1)
    """Pictures, or windows of pictures, per call of the network."""
    arch: dict[str, Any] = Field(default_factory=dict)
    """What the network is built from; the keys are those of its family."""
    training: dict[str, Any] = Field(default_factory=dict)
    """How it was trained, for people."""
    files: dict[str, str] = Field(default_factory=dict)
    """SHA-256 of each file beside `model.json` that using the student needs, by name."""
    has_start: bool = False
    """Whether the same student before its training lies in the folder `start`."""


class ModelCard(Card):
    """The card of a student that finds boxes."""

    image_size: int = Field(ge=32)
    """Longest side of the input in pixels."""
    stride: int = Field(32, ge=1)
    """Input sides are multiples of this, in pixels."""
    score_floor: float = Field(0.01, ge=0, le=1)
    """Detections with a lower score are not returned."""
    nms_iou: float = Field(0.5, gt=0, le=1)
    """IoU from which non-maximum suppression drops the box with the lower score."""
    flip_test: bool = False
    """Detect in the mirrored picture too, and join the results."""


C = TypeVar("C", bound=Card)


def is_finished(model_dir: Path) -> bool:
    """Return whether the training that writes into this folder came to its end.

    A student whose files were altered or removed since is none any more.
    """
    try:
        fingerprint(model_dir)
        has_start = _read(Card, model_dir / MODEL_JSON).has_start
    except ModelError:
        return False
    return not has_start or is_finished(model_dir / START)


def write_card(model_dir: Path, card: Card) -> None:
    """Write `model.json`; call it last, since it marks the folder as finished.

    Raises:
        WorkspaceError: if it cannot be written.
    """
    with explained(model_dir):
        names = sorted(path.name for path in model_dir.glob("*") if path.suffix in _NEEDED)
        own = [name for name in names if name not in {MODEL_JSON, CALIBRATION_JSON}]
        files = {name: _sha256(model_dir / name) for name in own}
    has_start = (model_dir / START / MODEL_JSON).is_file()
    whole = card.model_copy(update={"files": files, "has_start": has_start})
    content = sealed(whole.model_dump(mode="json"))
    write_text(model_dir / MODEL_JSON, json.dumps(content, indent=2))


def read_card(model_dir: Path) -> ModelCard:
    """Return the content of `model.json` of a student that finds boxes.

    Raises:
        ModelError: as `read_card_as` does.
    """
    return read_card_as(ModelCard, model_dir)


def task_of(model_dir: Path) -> str:
    """Return what the student in a folder was trained for.

    Raises:
        ModelError: if the folder is not a finished student.
    """
    return _read(Card, model_dir / MODEL_JSON).task


def read_card_as(kind: type[C], model_dir: Path) -> C:
    """Return the content of `model.json`.

    Raises:
        ModelError: if the folder is not a finished student, or one for another task or from a
            later version.
    """
    path = model_dir / MODEL_JSON
    card = _read(Card, path)
    if card.version > VERSION:
        raise ModelError(
            f"{path}: expected version {VERSION} or earlier, but got {card.version}: "
            "install a later version of reelabel"
        )
    expected = kind.model_fields["task"].default
    if card.task != expected:
        raise ModelError(
            f"{path}: expected a student for the task '{expected}', but got one for "
            f"'{card.task}': name another model, or install the version that trained this one"
        )
    return _read(kind, path)


def _read(kind: type[C], path: Path) -> C:
    try:
        return kind.model_validate(unsealed(json.loads(plain_file(path).read_bytes()), str(path)))
    except FileNotFoundError as exc:
        raise ModelError(
            f"expected a trained student in {path.parent}, but it has no {MODEL_JSON}: "
            "train one first, or name another folder"
        ) from exc
    except (OSError, ValueError, ValidationError, ShardError) as exc:
        raise ModelError(
            f"expected the description of a student, but {path} is damaged: put it back, or train "
            f"again with  reelabel train WORKSPACE --round N --force ({exc})"
        ) from exc


def fingerprint(model_dir: Path) -> str:
    """Return the SHA-256 over the description of a finished student, which names its files.

    Raises:
        ModelError: if the folder is not a finished student, or one of its files is missing or not
            the one that the training wrote.
    """
    for name, expected in _read(Card, model_dir / MODEL_JSON).files.items():
        path = safe_join(model_dir, name)
        if (found := _sha256(path)) != expected:
            raise ModelError(
                f"{path} is damaged: expected the file that the training wrote, with the SHA-256 "
                f"{expected[:12]}..., but {found[:12] or 'it is missing'}: put it back, or train "
                "again with  reelabel train WORKSPACE --round N --force"
            )
    return _sha256(model_dir / MODEL_JSON)


def _sha256(path: Path) -> str:
    """Return the SHA-256 of a file, empty if there is none."""
    try:
        with plain_file(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
