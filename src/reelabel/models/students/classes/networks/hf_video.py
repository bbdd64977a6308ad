"""Video classifiers of the transformers library, with a head for our classes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForVideoClassification

from reelabel.errors import ModelError
from reelabel.models.hub import Located, locate, network, read_file
from reelabel.models.spec import Request
from reelabel.models.students.classes.card import ClassCard
from reelabel.models.students.classes.inputs import IMAGENET_MEAN, IMAGENET_STD, Preprocessing
from reelabel.models.students.classes.licences import check_licence, known_licence
from reelabel.models.students.classes.networks.base import ClassNetwork, MeanHead
from reelabel.models.students.classes.networks.last_layer import without_last_layer
from reelabel.models.students.settings import ClassStudentSettings

_LICENCE = re.compile(r"^licen[cs]e:\s*[\"']?([^\s\"']+)", re.MULTILINE)


class _Backbone(nn.Module):
    """A network of the library without its last layer.

    Args:
        net: takes windows ``(b, t, 3, size, size)``.
    """

    def __init__(self, net: nn.Module, name: str) -> None:
        super().__init__()
        self.net: Any = net
        self.last, self.features = without_last_layer(net, name)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return features ``(b, 1, d)`` of windows ``(b, t, size, size, 3)``."""
        given = {self.net.main_input_name: pictures.permute(0, 1, 4, 2, 3)}
        found: Tensor = self.net(**given).logits
        return found[:, None]


def pretrained(source: str, classes: int, settings: ClassStudentSettings) -> ClassNetwork:
    """Return the student of a hub id or a local folder, with a new last layer.

    Raises:
        ModelError: if there is no such model, or it is no video classifier.
        UsageError: if its licence forbids commercial use and that is not accepted.
    """
    check_licence(source, known_licence(source), settings)
    place = locate(Request(f"hf-video:{source}", source), None)
    check_licence(source, _licence(place), settings)
    net = network(AutoModelForVideoClassification, place)
    how = _preprocessing(place)
    frames, dropout = _frames(place.config), settings.dropout
    made = _network(net, source, how, frames=frames, classes=classes, dropout=dropout)
    made.default_lr, made.backbone_rate = 5e-4, 0.1
    return made


def from_folder(model_dir: Path, card: ClassCard) -> ClassNetwork:
    """Return the network that a folder's ``config.json`` describes, with random weights.

    Raises:
        ModelError: if that file is damaged.
    """
    try:
        config = AutoConfig.from_pretrained(model_dir, local_files_only=True)
        net = AutoModelForVideoClassification.from_config(config)
    except (OSError, ValueError, KeyError) as exc:
        raise ModelError(
            f"expected the description of a video classifier in {model_dir / 'config.json'}, but "
            f"it is damaged: train again ({exc})"
        ) from exc
    classes, how = len(card.classes), card.preprocessing
    return _network(net, str(model_dir), how, frames=card.frames, classes=classes, dropout=0.0)


def _network(
    net: nn.Module, name: str, how: Preprocessing, *, frames: int, classes: int, dropout: float
) -> ClassNetwork:
    backbone = _Backbone(net, name)
    head = MeanHead(backbone.features, classes, dropout)
    return ClassNetwork(backbone, head, preprocessing=how, frames=frames, arch={})


def _frames(config: Any) -> int:
    """Return how many pictures a window has."""
    return int(getattr(config, "num_frames", None) or config.frames_per_clip)


def _preprocessing(place: Located) -> Preprocessing:
    values, config = _processor(place), place.config
    size = int(getattr(config, "crop_size", None) or config.image_size)
    normal = values.get("do_normalize", True)
    return Preprocessing(
        size=size,
        resize="crop",
        interpolation="bilinear",
        mean=tuple(values.get("image_mean", IMAGENET_MEAN)) if normal else (0.0, 0.0, 0.0),
        std=tuple(values.get("image_std", IMAGENET_STD)) if normal else (1.0, 1.0, 1.0),
    )


def _processor(place: Located) -> dict[str, Any]:
    """Return the settings of a model's preprocessing; empty if it has none."""
    for name in ("preprocessor_config.json", "video_preprocessor_config.json"):
        text = read_file(place, name)
        if text:
            found: dict[str, Any] = json.loads(text)
            return found
    return {}


def _licence(place: Located) -> str:
    """Return the licence that a model's card names; empty if there is none."""
    found = _LICENCE.search(read_file(place, "README.md"))
    return found.group(1) if found else ""
