"""The YOLOX student: the network with what it takes to build and train it."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from reelabel.models.students.targets import Found, LossSums, Target
from reelabel.models.students.yolox.frozen import FrozenBackbone
from reelabel.models.students.yolox.loss import grid, loss_sums
from reelabel.models.students.yolox.network import YoloxNetwork, detections


class YoloxStudent(nn.Module):
    """A member of the YOLOX family as a student.

    Args:
        net: the network.
        frozen: do not train the backbone.
        negative_weight: weight of a cell in a hard negative, relative to other background.

    Attributes:
        frozen_backbone: computes the features in place of a frozen backbone while it is trained.
    """

    default_lr: ClassVar[float] = 2e-4  # a higher rate loses what the initial weights know

    def __init__(
        self, net: YoloxNetwork, *, frozen: bool = False, negative_weight: float = 1.0
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
        self.frozen_backbone: FrozenBackbone | None = None
        if frozen:
            net.backbone.requires_grad_(requires_grad=False)

    def begin_training(self, device: torch.device) -> None:
        """Compute a frozen backbone in ONNX Runtime from now on, where that is faster."""
        trained = any(each.requires_grad for each in self.net.backbone.parameters())
        if not trained and device.type == "cpu":
            self.frozen_backbone = FrozenBackbone(self.net.backbone)

    def forward_train(self, images: Tensor, targets: list[Target]) -> dict[str, Tensor]:
        """Return the terms ``box``, ``object`` and ``class``."""
        sums = self.loss_sums(images, targets)
        return {name: value / sums.divisor.clamp(min=1.0) for name, value in sums.terms.items()}

    def loss_sums(self, images: Tensor, targets: list[Target]) -> LossSums:
        """Return the sums of the same terms over a part of a batch."""
        return loss_sums(self._raw(images), grid(images), targets, self.negative_weight)

    def forward_detect(self, images: Tensor) -> list[Found]:
        """Return the detections in each picture, best first."""
        return detections(self._raw(images), images)

    def _raw(self, images: Tensor) -> Tensor:
        backbone = self.frozen_backbone
        raw: Tensor = self.net.outputs(*backbone(images)) if backbone else self.net(images)
        return raw
