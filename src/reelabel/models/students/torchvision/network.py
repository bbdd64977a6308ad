"""Faster R-CNN of torchvision as a student (Ren et al. 2015; FPN: Lin et al. 2017).

torchvision has positive and background. Here the loss has more states: anchors and proposals whose
centre lies in an ignore region are never sampled, those that match a box of target score ``y`` are
background with probability ``1 - y``, and hard negatives are sampled more often, in ignore regions
too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torchvision.models import detection, get_model
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork
from torchvision.ops import FrozenBatchNorm2d, box_iou

from reelabel.models.students.settings import BoxStudentSettings
from reelabel.models.students.targets import Found, Target
from reelabel.models.students.weights import load_matching
from reelabel.models.torch_tools import read_state

M = TypeVar("M", bound=nn.Module)

_SCORE_FLOOR = 0.01
_HARD_IOU = 0.4  # an anchor that overlaps a hard negative this much shows the same thing
_EASY_PER_SAMPLE = 1.0  # in a picture with hard negatives: easy anchors left, in sample sizes


class TorchvisionStudent(nn.Module):
    """A Faster R-CNN with a head for our classes.

    Args:
        n_classes: classes without background.
        name: torchvision's name of the network.
        anchor_sizes: sides in input pixels: one per level if there are as many as levels,
            otherwise all on each level; empty keeps the network's own.
        anchor_ratios: height over width of the anchors; empty keeps the network's own.
        frozen_norms: batch norms are constants, as in networks that come from weights.
        norm_eps: what is added to the variance in constant norms; part of what was trained.
        frozen: do not train the backbone.
        negative_weight: number of times that a hard-negative box is proposed to the second stage.
    """

    def __init__(
        self,
        n_classes: int,
        *,
        name: str,
        anchor_sizes: Sequence[int] = (),
        anchor_ratios: Sequence[float] = (),
        frozen_norms: bool = False,
        norm_eps: float = 1e-5,
        frozen: bool = False,
        negative_weight: float = 3.0,
    ) -> None:
        super().__init__()
        self.arch: dict[str, Any] = {
            "name": name,
            "anchor_sizes": list(anchor_sizes),
            "anchor_ratios": list(anchor_ratios),
            "frozen_norms": frozen_norms,
            "norm_eps": norm_eps,
        }
        self.default_lr = 2e-4 if frozen_norms else 1e-3
        self.frozen = frozen
        self.net = _bare_net(name, n_classes)
        if frozen_norms:
            _freeze_norms(self.net.backbone, norm_eps)
        if anchor_sizes or anchor_ratios:
            set_anchors(self.net, anchor_sizes, anchor_ratios)
        self.net.rpn = _taken_over(_Rpn, self.net.rpn)
        self.net.roi_heads = _taken_over(_Heads, self.net.roi_heads)
        self.net.roi_heads.offers = math.ceil(negative_weight)
        if frozen:
            self.net.backbone.body.requires_grad_(requires_grad=False)

    def train(self, mode: bool = True) -> TorchvisionStudent:
        """Switch between training and detection; a frozen backbone keeps its batch statistics."""
        super().train(mode)
        if self.frozen:
            self.net.backbone.body.eval()
        return self

    def forward_train(self, images: Tensor, targets: list[Target]) -> dict[str, Tensor]:
        """Return torchvision's four terms: proposals (objectness, box) and heads (class, box)."""
        losses: dict[str, Tensor] = self.net(list(images / 255), [_labels(t) for t in targets])
        return {key.removeprefix("loss_"): value for key, value in losses.items()}

    def forward_detect(self, images: Tensor) -> list[Found]:
        """Return boxes after the network's own suppression."""
        found = self.net(list(images / 255))
        return [Found(each["boxes"], each["scores"], each["labels"] - 1) for each in found]


def _labels(target: Target) -> dict[str, Tensor]:
    """Return a target in torchvision's form, with what `_Rpn` and `_Heads` need besides."""
    return {
        "boxes": target.xyxy,
        "labels": target.class_id + 1,  # 0 is background
        "target_score": target.target_score,
        "ignore": target.ignore,
        "negative": target.negative,
    }


def from_settings(settings: BoxStudentSettings, classes: tuple[str, ...]) -> TorchvisionStudent:
    """Return the student that the settings name; weights come from a local file or are random.

    Raises:
        ModelError: if the file holds the weights of another network.
    """
    name = settings.student.partition(":")[2]
    pretrained = settings.weights is not None
    student = TorchvisionStudent(
        len(classes),
        name=name,
        anchor_sizes=settings.anchor_sizes,
        anchor_ratios=settings.anchor_ratios,
        frozen_norms=pretrained and not name.endswith("_v2"),
        # The published weights of this one network were trained without epsilon.
        norm_eps=0.0 if name == "fasterrcnn_resnet50_fpn" else 1e-5,
        frozen=settings.freeze_backbone,
        negative_weight=settings.negative_weight,
    )
    if settings.weights is not None:
        load_matching(student.net, read_state(settings.weights))
    return student


def _bare_net(name: str, n_classes: int) -> detection.FasterRCNN:
    """Return the network with random weights; nothing is downloaded."""
    net = get_model(
        name,
        weights=None,
        weights_backbone=None,
        box_score_thresh=_SCORE_FLOOR,
        rpn_score_thresh=0.0,
        _skip_resize=True,  # pictures come in the input size already
    )
    features = net.roi_heads.box_predictor.cls_score.in_features
    net.roi_heads.box_predictor = FastRCNNPredictor(features, n_classes + 1)
    return net


def set_anchors(net: detection.FasterRCNN, sizes: Sequence[int], ratios: Sequence[float]) -> None:
    """Give the network other anchors, and a proposal head with as many outputs as they are.

    A new generator is made: torchvision's computes its anchors once, when it is built.
    """
    old = net.rpn.anchor_generator
    levels = len(old.sizes)
    per_level = old.sizes
    if sizes:
        each_level = (
            [(size,) for size in sizes] if len(sizes) == levels else [tuple(sizes)] * levels
        )
        per_level = tuple(each_level)
    shapes = (tuple(ratios),) * levels if ratios else old.aspect_ratios
    net.rpn.anchor_generator = AnchorGenerator(per_level, shapes)
    count = net.rpn.anchor_generator.num_anchors_per_location()[0]
    head = net.rpn.head
    if head.cls_logits.out_channels != count:
        head.cls_logits = _conv(head.cls_logits.in_channels, count)
        head.bbox_pred = _conv(head.bbox_pred.in_channels, 4 * count)


def _conv(into: int, out: int) -> nn.Conv2d:
    conv = nn.Conv2d(into, out, 1)
    nn.init.normal_(conv.weight, std=0.01)  # as torchvision starts its own head
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv


def _freeze_norms(module: nn.Module, eps: float) -> None:
    """Replace batch norms by constant ones, as pretrained networks have them."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            setattr(module, name, FrozenBatchNorm2d(child.num_features, eps))
        else:
            _freeze_norms(child, eps)


def _taken_over(kind: type[M], old: nn.Module) -> M:
    """Return one of a kind with all parts of another: torchvision builds its own kind itself."""
    new = kind.__new__(kind)
    new.__dict__ = old.__dict__
    return new


class _Rpn(RegionProposalNetwork):
    """The first stage, with ignore regions, target scores and hard negatives."""

    def assign_targets_to_anchors(
        self, anchors: list[Tensor], targets: list[dict[str, Tensor]]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Return labels (1 object, 0 background, -1 not sampled) and matched boxes."""
        labels, matched = super().assign_targets_to_anchors(anchors, targets)
        for label, near, boxes, target in zip(labels, anchors, matched, targets, strict=True):
            label[(label == 0) & _ignored(near, target)] = -1
            if len(target["boxes"]):
                objects = torch.nonzero(label == 1)[:, 0]
                whose = box_iou(boxes[objects], target["boxes"]).argmax(1)
                label[objects[_as_background(target["target_score"][whose])]] = 0
            if len(target["negative"]):
                self._prefer_hard(label, near, target["negative"])
        return labels, matched

    def _prefer_hard(self, label: Tensor, anchors: Tensor, negatives: Tensor) -> None:
        """Remove easy background anchors until the hard ones are certain to be sampled."""
        overlap = box_iou(negatives, anchors)
        hard = overlap.amax(0) >= _HARD_IOU
        hard[overlap.argmax(1)] = True
        easy = torch.nonzero((label == 0) & ~hard)[:, 0]
        left = int(_EASY_PER_SAMPLE * self.fg_bg_sampler.batch_size_per_image)
        label[easy[torch.randperm(len(easy), device=easy.device)[left:]]] = -1


class _Heads(RoIHeads):
    """The second stage, with ignore regions, target scores and hard negatives."""

    offers: int = 1
    _targets: list[dict[str, Tensor]]

    def select_training_samples(
        self, proposals: list[Tensor], targets: list[dict[str, Tensor]]
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor], list[Tensor]]:
        """Return what torchvision's returns, with hard negatives among the proposals."""
        self._targets = targets  # `assign_targets_to_proposals` is given boxes and labels alone
        offered = [
            torch.cat((each, target["negative"].to(each).repeat(self.offers, 1)))
            for each, target in zip(proposals, targets, strict=True)
        ]
        chosen: tuple[list[Tensor], list[Tensor], list[Tensor], list[Tensor]]
        chosen = super().select_training_samples(offered, targets)
        return chosen

    def assign_targets_to_proposals(
        self, proposals: list[Tensor], gt_boxes: list[Tensor], gt_labels: list[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Return matched boxes and labels (0 background, -1 not sampled)."""
        matched, labels = super().assign_targets_to_proposals(proposals, gt_boxes, gt_labels)
        for label, index, near, target in zip(
            labels, matched, proposals, self._targets, strict=True
        ):
            label[(label == 0) & _ignored(near, target)] = -1
            if len(target["boxes"]):
                objects = label > 0
                label[objects & _as_background(target["target_score"][index])] = 0
        return matched, labels


def _as_background(score: Tensor) -> Tensor:
    """Return at random which samples count as background: each with probability 1 - score."""
    return torch.rand_like(score) >= score


def _ignored(boxes: Tensor, target: dict[str, Tensor]) -> Tensor:
    """Return which boxes are without loss: those in ignore regions, unless in a hard negative."""
    return inside(boxes, target["ignore"]) & ~inside(boxes, target["negative"])


def inside(boxes: Tensor, regions: Tensor) -> Tensor:
    """Return which boxes have their centre in any of the regions: ``(n,)`` bool."""
    if not len(regions):
        return torch.zeros(len(boxes), dtype=torch.bool, device=boxes.device)
    middle = ((boxes[:, :2] + boxes[:, 2:]) / 2)[:, None]
    return ((middle >= regions[None, :, :2]) & (middle < regions[None, :, 2:])).all(-1).any(1)
