"""The student that starts from a YOLOX teacher's own weights."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from reelabel.models.coco import COCO_80
from reelabel.models.trainers.settings import TrainSettings, teachers_weights
from reelabel.models.trainers.students import Found, Target
from reelabel.models.trainers.yolox import YoloxNano


class YoloxStudent(nn.Module):
    """A member of the YOLOX family, and what it takes to build it again.

    Args:
        net: the network.
        frozen: leave the backbone as it is.
        negative_weight: what a cell in a hard negative counts, against 1 of other background.
    """

    kind: ClassVar[str] = "yolox"
    default_lr: ClassVar[float] = 2e-4  # it knows most already; more makes it forget

    def __init__(
        self, net: YoloxNano, *, frozen: bool = False, negative_weight: float = 1.0
    ) -> None:
        super().__init__()
        self.negative_weight = negative_weight
        self.net: Any = net
        stages: Any = self.net.backbone
        self.arch: dict[str, Any] = {
            "width": stages.stem.conv.out_channels,
            "depth": len(stages.stage2[1].blocks),
            "depthwise": isinstance(stages.stage2[0], nn.Sequential),
        }
        if frozen:
            net.freeze_backbone()

    def forward_train(self, images: Tensor, targets: list[Target]) -> dict[str, Tensor]:
        """Return the terms ``box``, ``object`` and ``class``."""
        terms: dict[str, Tensor] = self.net.forward_train(images, targets, self.negative_weight)
        return terms

    def forward_detect(self, images: Tensor) -> list[Found]:
        """Return what is found in each picture."""
        found: list[Found] = self.net.forward_detect(images)
        return found


def yolox(settings: TrainSettings, classes: tuple[str, ...]) -> YoloxStudent:
    """Return the student with the backbone and head of an ONNX file.

    Raises:
        UsageError: if no ONNX file is named.
        ModelError: if the file is not of this network.
    """
    weights = teachers_weights(settings)
    names = settings.source_classes or COCO_80
    net = YoloxNano.from_onnx(weights, classes, names)
    return YoloxStudent(
        net, frozen=settings.freeze_backbone, negative_weight=settings.negative_weight
    )


def empty_yolox(n_classes: int, arch: dict[str, Any]) -> YoloxStudent:
    """Return the network of a finished folder, its weights still to be loaded."""
    return YoloxStudent(YoloxNano(n_classes, **arch))
