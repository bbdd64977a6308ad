"""What every student can do, how it is built, saved and read again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, TypedDict, cast, runtime_checkable

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torchvision.ops import batched_nms, box_iou

from reelabel.errors import ModelError, UsageError
from reelabel.models.trainers.folder import WEIGHTS, ModelCard, write_card
from reelabel.models.trainers.settings import TrainSettings, family_of

Found = tuple[Tensor, Tensor, Tensor]
"""Boxes ``(n, 4)`` xyxy in input pixels, scores ``(n,)`` in 0..1, labels ``(n,)`` from 0."""


class Target(TypedDict):
    """What the loss sees of one picture; boxes are xyxy in input pixels.

    Attributes:
        boxes: ``(n, 4)`` float32, the positive labels.
        labels: ``(n,)`` int64, class numbers from 0.
        weights: ``(n,)`` float32, each box's weight in the loss, 0..1.
        wanted: ``(n,)`` float32, the score that each box is to be given, 0..1.
        ignore: ``(m, 4)`` float32, regions of which the loss says nothing.
        negatives: ``(k, 4)`` float32, boxes that are surely background.
    """

    boxes: Tensor
    labels: Tensor
    weights: Tensor
    wanted: Tensor
    ignore: Tensor
    negatives: Tensor


def moved(target: Target, device: torch.device) -> Target:
    """Return the same on another device."""
    return Target(
        boxes=target["boxes"].to(device),
        labels=target["labels"].to(device),
        weights=target["weights"].to(device),
        wanted=target["wanted"].to(device),
        ignore=target["ignore"].to(device),
        negatives=target["negatives"].to(device),
    )


@runtime_checkable
class Student(Protocol):
    """A detector that can be trained: an `nn.Module` with these two methods."""

    def forward_train(self, images: Tensor, targets: list[Target]) -> dict[str, Tensor]:
        """Return the loss terms; their sum is what training makes smaller.

        Args:
            images: ``(b, 3, height, width)`` float32, RGB, 0..255; sides are multiples of 32.
            targets: one per picture; a picture without boxes is background.
        """
        ...

    def forward_detect(self, images: Tensor) -> list[Found]:
        """Return what is found in each picture, from a low score up."""
        ...


def detect(student: Student, images: Tensor, card: ModelCard) -> list[Found]:
    """Return what a student in eval mode finds, after non-maximum suppression per class.

    With ``card.flip_test`` the mirrored pictures are looked at too; a box that both views have is
    their mean, weighted by score, so that each view corrects the other's edges.
    """
    with torch.inference_mode():
        found = [_suppressed(each, card) for each in student.forward_detect(images)]
        if not card.flip_test:
            return found
        mirrored = [_suppressed(each, card) for each in student.forward_detect(images.flip(-1))]
        width = images.shape[-1]
        return [_joined(a, b, width, card) for a, b in zip(found, mirrored, strict=True)]


def _joined(seen: Found, mirrored: Found, width: int, card: ModelCard) -> Found:
    boxes, scores, labels = mirrored
    back = torch.stack((width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]), 1)
    boxes = torch.cat((seen[0], back))
    scores, labels = torch.cat((seen[1], scores)), torch.cat((seen[2], labels))
    kept = batched_nms(boxes, scores, labels, card.nms_iou)
    same = (box_iou(boxes[kept], boxes) >= card.nms_iou) & (labels[kept, None] == labels[None])
    weight = same * scores
    mean = (weight @ boxes) / weight.sum(1, keepdim=True)
    return mean, scores[kept], labels[kept]


def _suppressed(found: Found, card: ModelCard) -> Found:
    boxes, scores, labels = (found[0].float(), found[1].float(), found[2])
    clear = scores >= card.score_floor
    boxes, scores, labels = boxes[clear], scores[clear], labels[clear]
    kept = batched_nms(boxes, scores, labels, card.nms_iou)
    return boxes[kept], scores[kept], labels[kept]


def build(settings: TrainSettings, classes: Sequence[str]) -> nn.Module:
    """Return a new student, from its pretrained weights where the settings name some.

    Raises:
        UsageError: if the student is not one of ours.
        ModelError: if the weights cannot be used.
    """
    torch.manual_seed(settings.seed)
    family = family_of(settings)
    if family not in _FAMILIES:
        raise UsageError(f"expected one of {', '.join(_FAMILIES)}, but got '{settings.student}'")
    return _FAMILIES[family](settings, tuple(classes))


def _centre(settings: TrainSettings, classes: tuple[str, ...]) -> nn.Module:
    from reelabel.models.trainers.centre import CentreNet  # noqa: PLC0415 -- loaded on demand

    net = CentreNet(len(classes), settings.negative_weight, frozen=settings.freeze_backbone)
    if settings.weights is not None:
        load_matching(net, read_weights(settings.weights))
    return net


def _yolox(settings: TrainSettings, classes: tuple[str, ...]) -> nn.Module:
    from reelabel.models.trainers import start  # noqa: PLC0415 -- loaded on demand

    return start.yolox(settings, classes)


def _torchvision(settings: TrainSettings, classes: tuple[str, ...]) -> nn.Module:
    from reelabel.models.trainers import torchvision_students  # noqa: PLC0415 -- slow to load

    return torchvision_students.from_settings(settings, classes)


def _transformers(settings: TrainSettings, classes: tuple[str, ...]) -> nn.Module:
    from reelabel.models.trainers import transformers_students  # noqa: PLC0415 -- slow to load

    return transformers_students.from_settings(settings, classes)


_FAMILIES = {
    "centre": _centre,
    "yolox": _yolox,
    "torchvision": _torchvision,
    "transformers": _transformers,
}


def save_student(model_dir: Path, student: nn.Module, card: ModelCard) -> None:
    """Write a folder that `folder.load_student_detector` can read; `model.json` comes last."""
    model_dir.mkdir(parents=True, exist_ok=True)
    if card.kind == "transformers":
        cast("Any", student).net.save_pretrained(model_dir)
    else:
        save_weights(model_dir / WEIGHTS, student.state_dict())
    if card.kind == "yolox":
        from reelabel.models.trainers import fast  # noqa: PLC0415 -- it imports us

        fast.write_network(model_dir / fast.NETWORK, cast("Any", student))
    write_card(model_dir, card)


def load_student(model_dir: Path, card: ModelCard) -> nn.Module:
    """Return the student of a finished folder, in eval mode, on the CPU.

    Raises:
        ModelError: if weights are missing, damaged, or do not fit `model.json`.
    """
    if card.kind == "transformers":
        from reelabel.models.trainers import transformers_students  # noqa: PLC0415 -- slow to load

        return transformers_students.load(model_dir, card).eval()
    student = _empty(card)
    try:
        student.load_state_dict(read_weights(model_dir / WEIGHTS))
    except RuntimeError as exc:
        raise ModelError(
            f"expected the weights of a {card.kind} student in {model_dir / WEIGHTS}, but they do "
            f"not fit its model.json: {exc}"
        ) from exc
    return student.eval()


def _empty(card: ModelCard) -> nn.Module:
    n = len(card.classes)
    if card.kind == "centre":
        from reelabel.models.trainers.centre import CentreNet  # noqa: PLC0415 -- loaded on demand

        return CentreNet(n)
    if card.kind == "torchvision":
        from reelabel.models.trainers import torchvision_students  # noqa: PLC0415 -- slow to load

        return torchvision_students.TorchvisionStudent(n, **card.arch)
    if card.kind == "yolox":
        from reelabel.models.trainers import start  # noqa: PLC0415 -- loaded on demand

        return start.empty_yolox(n, card.arch)
    raise ModelError(f"expected a student of a known kind, but model.json says '{card.kind}'")


def save_weights(path: Path, state: dict[str, Tensor]) -> None:
    """Write tensors as safetensors, under a temporary name first."""
    unfinished = path.with_name(f".{path.name}.tmp")
    save_file({k: v.detach().cpu().contiguous().clone() for k, v in state.items()}, unfinished)
    unfinished.replace(path)


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a ``.safetensors`` file or a PyTorch state dict; no code runs.

    Raises:
        ModelError: if the file is missing or holds something else.
    """
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as exc:  # each format has its own errors for a damaged file
        raise ModelError(
            f"expected weights in {path}, but it cannot be read: {type(exc).__name__}: {exc}"
        ) from exc
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ModelError(f"expected a dictionary of tensors in {path}, but it holds something else")
    return state


def load_matching(net: nn.Module, state: dict[str, Tensor]) -> int:
    """Take over all tensors whose name and shape fit, and return how many they are.

    Raises:
        ModelError: if not one of them fits.
    """
    own = net.state_dict()
    fitting = {k: v for k, v in state.items() if k in own and own[k].shape == v.shape}
    if not fitting:
        raise ModelError(
            f"expected weights of a {type(net).__name__}, but none of the {len(state)} tensors "
            "fits: name the file of this very network"
        )
    net.load_state_dict(fitting, strict=False)
    return len(fitting)
