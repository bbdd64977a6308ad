"""Detectors of the transformers library as students: D-FINE, RT-DETR, DETR, YOLOS and others.

Their losses know positive and background alone and cannot be changed from outside. So ignore
regions are painted over with the picture's mean colour before the network gets it; where a positive
box overlaps the region, its part stays. A box of target score ``y`` is background with probability
``1 - y``. Hard negatives are background as they are; they count through the pictures they are in.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from transformers import AutoModelForObjectDetection
from transformers.utils import cached_file
from transformers.utils import logging as transformers_logging

from reelabel.errors import ModelError
from reelabel.models.students.folder import ModelCard
from reelabel.models.students.settings import BoxStudentSettings
from reelabel.models.students.targets import Found, Target, cells_inside

_MAX_DETECTIONS = 100
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, what most were trained on


class TransformersStudent(nn.Module):
    """A network of ``AutoModelForObjectDetection`` with a head for our classes.

    Args:
        net: the network.
        mean: subtracted from each colour channel, in 0..1.
        std: divisor of each colour channel.
        frozen: do not train the backbone.
    """

    default_lr: ClassVar[float] = 1e-4

    def __init__(
        self,
        net: nn.Module,
        *,
        mean: tuple[float, ...] = _MEAN,
        std: tuple[float, ...] = _STD,
        frozen: bool = False,
    ) -> None:
        super().__init__()
        self.net: Any = net
        self.frozen = frozen
        self.arch: dict[str, Any] = {"mean": list(mean), "std": list(std)}
        self.register_buffer("mean", torch.tensor(mean).reshape(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).reshape(3, 1, 1), persistent=False)
        if frozen:
            for each in _backbones(net):
                each.requires_grad_(requires_grad=False)

    def train(self, mode: bool = True) -> TransformersStudent:
        """Switch between training and detection; a frozen backbone keeps its batch statistics."""
        super().train(mode)
        if self.frozen:
            for each in _backbones(self.net):
                each.eval()
        return self

    def forward_train(self, images: Tensor, targets: list[Target]) -> dict[str, Tensor]:
        """Return the network's own weighted loss, as one term."""
        sampled = [_sampled(each) for each in targets]
        images = torch.stack([painted(i, t) for i, t in zip(images, sampled, strict=True)])
        size = torch.tensor([images.shape[-1], images.shape[-2]] * 2, device=images.device)
        labels = [
            {"class_labels": each.class_id, "boxes": _centred(each.xyxy) / size} for each in sampled
        ]
        return {"detection": self.net(pixel_values=self._pixels(images), labels=labels).loss}

    def forward_detect(self, images: Tensor) -> list[Found]:
        """Return the 100 best pairs of query and class of each picture."""
        outputs = self.net(pixel_values=self._pixels(images))
        logits, boxes = outputs.logits.float(), outputs.pred_boxes.float()
        # Those of DETR's kind have a last class "no object"; the others score each class alone.
        no_object = logits.shape[-1] == self.net.config.num_labels + 1
        scores = logits.softmax(-1)[..., :-1] if no_object else logits.sigmoid()
        size = torch.tensor([images.shape[-1], images.shape[-2]] * 2, device=images.device)
        return [_best(s, _cornered(b) * size) for s, b in zip(scores, boxes, strict=True)]

    def _pixels(self, images: Tensor) -> Tensor:
        return (images / 255 - self.get_buffer("mean")) / self.get_buffer("std")


def from_settings(settings: BoxStudentSettings, classes: tuple[str, ...]) -> TransformersStudent:
    """Return the student that the settings name, from a hub id or a local folder.

    Raises:
        ModelError: if there is no such model, or it is not a detector.
    """
    source = settings.student.partition(":")[2]
    names = dict(enumerate(classes))
    net = _pretrained(
        source,
        id2label=names,
        label2id={name: i for i, name in names.items()},
        ignore_mismatched_sizes=True,
    )
    mean, std = _normalisation(source)
    return TransformersStudent(net, mean=mean, std=std, frozen=settings.freeze_backbone)


def load(model_dir: Path, card: ModelCard) -> TransformersStudent:
    """Return the student of a finished folder."""
    net = _pretrained(str(model_dir), local_files_only=True)
    return TransformersStudent(net, mean=tuple(card.arch["mean"]), std=tuple(card.arch["std"]))


def _pretrained(source: str, **options: Any) -> nn.Module:
    try:
        with _quiet():
            net: nn.Module = AutoModelForObjectDetection.from_pretrained(
                source, use_safetensors=True, trust_remote_code=False, **options
            )
    except (OSError, ValueError, KeyError, RuntimeError) as exc:
        raise ModelError(
            f"expected a detector of the transformers library at '{source}', with weights as "
            f"safetensors, but it cannot be loaded: {exc}"
        ) from exc
    return net


def _normalisation(source: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and deviation of the colours that the model was trained with."""
    path = cached_file(
        source, "preprocessor_config.json", _raise_exceptions_for_missing_entries=False
    )
    settings = json.loads(Path(path).read_bytes()) if path else {}
    if not settings.get("do_normalize", True):
        return (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    return tuple(settings.get("image_mean", _MEAN)), tuple(settings.get("image_std", _STD))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the library's table of replaced weights and its progress bar off the terminal."""
    level = transformers_logging.get_verbosity()
    bar = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(level)
        if bar:
            transformers_logging.enable_progress_bar()


def _backbones(net: nn.Module) -> Iterator[nn.Module]:
    """Yield the parts that see the picture: ``backbone``, or ``vit`` in YOLOS."""
    for name, module in net.named_modules():
        if name.rpartition(".")[2] in {"backbone", "vit"}:
            yield module


def _sampled(target: Target) -> Target:
    """Return the target with each box kept with the probability of its target score."""
    kept = torch.rand_like(target.target_score) < target.target_score
    return replace(
        target,
        xyxy=target.xyxy[kept],
        class_id=target.class_id[kept],
        target_score=target.target_score[kept],
    )


def painted(image: Tensor, target: Target) -> Tensor:
    """Return the picture ``(3, h, w)`` with its mean colour in the ignore regions."""
    if not len(target.ignore):
        return image
    size_hw = (image.shape[1], image.shape[2])
    hidden = cells_inside(target.ignore, size_hw) & ~cells_inside(target.xyxy, size_hw)
    return torch.where(hidden, image.mean((1, 2), keepdim=True), image)


def _centred(xyxy: Tensor) -> Tensor:
    return torch.cat(((xyxy[:, :2] + xyxy[:, 2:]) / 2, xyxy[:, 2:] - xyxy[:, :2]), 1)


def _cornered(cxcywh: Tensor) -> Tensor:
    half = cxcywh[:, 2:] / 2
    return torch.cat((cxcywh[:, :2] - half, cxcywh[:, :2] + half), 1)


def _best(scores: Tensor, boxes: Tensor) -> Found:
    top = scores.flatten().topk(min(_MAX_DETECTIONS, scores.numel()))
    classes = scores.shape[-1]
    return Found(boxes[top.indices // classes], top.values, top.indices % classes)
