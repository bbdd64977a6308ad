"""A YOLOX network in torch that starts from the weights of an ONNX file.

The ONNX file has its batch norms folded into the convolutions, so there are none here. Widths,
depth and whether the convolutions are depthwise are read off the weights.

Pictures are RGB, 0 to 255, with sides that are multiples of 32; the network itself works in BGR,
without normalisation. Boxes are x1, y1, x2, y2 in pixels of the network's input. A cell's raw
outputs are: 2 for the centre, 2 for the size (log), 1 logit for "an object", then one per class.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, cast

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import batched_nms, box_iou

from reelabel.errors import ModelError

STRIDES = (8, 16, 32)
DEPTHS = (1, 2, 3, 4)
UNKNOWN_CLASS_BIAS = -4.6
"""Class logit of a class that the source does not know: about one in a hundred."""
CENTRE_RADIUS = 1.5
"""A cell may stand for a box if its centre is within so many strides of the box's."""
MOST_CELLS = 10
"""How many cells at most stand for one box."""
IOU_COST, OUTSIDE_COST, BOX_WEIGHT = 3.0, 1e5, 5.0
IGNORE_MARGIN = 8.0
"""Pixels around an ignore box in which nothing is taught either."""
LARGEST_LOG_SIZE = 8.0


class Convolution(nn.Module):
    """A convolution with bias and SiLU; (B, i, H, W) -> (B, o, H/stride, W/stride)."""

    def __init__(self, io: tuple[int, int], size: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(*io, size, stride, size // 2, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        """Return the activated convolution of `x`."""
        return functional.silu(self.conv(x))


def _spatial(io: tuple[int, int], depthwise: bool, stride: int = 1) -> nn.Module:
    """Return a 3x3 convolution, as one or as a depthwise and a 1x1 one."""
    if not depthwise:
        return Convolution(io, 3, stride)
    return nn.Sequential(Convolution((io[0], io[0]), 3, stride, io[0]), Convolution(io, 1))


class Bottleneck(nn.Module):
    """A 1x1 and a 3x3 convolution, with the input added or not."""

    def __init__(self, channels: int, depthwise: bool, add: bool) -> None:
        super().__init__()
        io, self.add = (channels, channels), add
        self.squeeze, self.spatial = Convolution(io, 1), _spatial(io, depthwise)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, channels, H, W) for the same."""
        y: Tensor = self.spatial(self.squeeze(x))
        return x + y if self.add else y


class CrossStage(nn.Module):
    """Bottlenecks over one half of the channels, joined with the other half."""

    def __init__(self, io: tuple[int, int], count: int, depthwise: bool, add: bool) -> None:
        super().__init__()
        half = io[1] // 2
        self.main, self.side = Convolution((io[0], half), 1), Convolution((io[0], half), 1)
        self.blocks = nn.Sequential(*[Bottleneck(half, depthwise, add) for _ in range(count)])
        self.join = Convolution((2 * half, io[1]), 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, o, H, W) for (B, i, H, W)."""
        joined: Tensor = self.join(torch.cat([self.blocks(self.main(x)), self.side(x)], 1))
        return joined


class Pooling(nn.Module):
    """The maxima over windows of 5, 9 and 13 cells, beside the features themselves."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = Convolution((channels, channels // 2), 1)
        self.join = Convolution((2 * channels, channels), 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, channels, H, W) for the same."""
        x = self.squeeze(x)
        pools = [functional.max_pool2d(x, k, 1, k // 2) for k in (5, 9, 13)]
        joined: Tensor = self.join(torch.cat([x, *pools], 1))
        return joined


class LevelHead(nn.Module):
    """The outputs of one pyramid level; (B, i, h, w) -> (B, h w, 5 + classes)."""

    def __init__(self, io: tuple[int, int], classes: int, depthwise: bool) -> None:
        super().__init__()
        same = (io[1], io[1])
        self.stem = Convolution(io, 1)
        self.class_convs = nn.Sequential(*[_spatial(same, depthwise) for _ in range(2)])
        self.classes = nn.Conv2d(io[1], classes, 1)
        self.box_convs = nn.Sequential(*[_spatial(same, depthwise) for _ in range(2)])
        self.box = nn.Conv2d(io[1], 4, 1)
        self.object = nn.Conv2d(io[1], 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the raw outputs, cell by cell."""
        x = self.stem(x)
        near = self.box_convs(x)
        raw = torch.cat([self.box(near), self.object(near), self.classes(self.class_convs(x))], 1)
        return raw.flatten(2).transpose(1, 2)

    def keep_classes(self, rows: Sequence[int | None]) -> None:
        """Replace the class outputs by the given ones of them; None is a class yet to learn."""
        weights, biases = (p.data for p in self.classes.parameters())
        self.classes = nn.Conv2d(weights.shape[1], len(rows), 1)
        new_weights, new_biases = (p.data for p in self.classes.parameters())
        for new, row in enumerate(rows):
            weight, bias = (0.0, UNKNOWN_CLASS_BIAS) if row is None else (weights[row], biases[row])
            new_weights[new], new_biases[new] = weight, bias


class Backbone(nn.Module):
    """Features at strides 8, 16 and 32 of a picture in BGR."""

    def __init__(self, width: int, depth: int, depthwise: bool) -> None:
        super().__init__()
        w1, w2, w3, w4, w5 = (width * 2**i for i in range(5))

        def stage(io: tuple[int, int], count: int) -> list[nn.Module]:
            same = (io[1], io[1])
            return [_spatial(io, depthwise, 2), CrossStage(same, count, depthwise, add=True)]

        self.stem = Convolution((12, w1), 3)
        self.stage2 = nn.Sequential(*stage((w1, w2), depth))
        self.stage3 = nn.Sequential(*stage((w2, w3), 3 * depth))
        self.stage4 = nn.Sequential(*stage((w3, w4), 3 * depth))
        last = CrossStage((w5, w5), depth, depthwise, add=False)
        self.stage5 = nn.Sequential(_spatial((w4, w5), depthwise, 2), Pooling(w5), last)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return three feature maps for (B, 3, H, W)."""
        corners = [x[..., i::2, j::2] for j in (0, 1) for i in (0, 1)]
        at8: Tensor = self.stage3(self.stage2(self.stem(torch.cat(corners, 1))))
        at16: Tensor = self.stage4(at8)
        return at8, at16, self.stage5(at16)


class Pyramid(nn.Module):
    """Mixes the three feature maps, first downwards, then upwards."""

    def __init__(self, width: int, depth: int, depthwise: bool) -> None:
        super().__init__()
        w3, w4, w5 = 4 * width, 8 * width, 16 * width
        mix = partial(CrossStage, count=depth, depthwise=depthwise, add=False)
        self.reduce32, self.down16 = Convolution((w5, w4), 1), mix((2 * w4, w4))
        self.reduce16, self.down8 = Convolution((w4, w3), 1), mix((2 * w3, w3))
        self.shrink8, self.up16 = _spatial((w3, w3), depthwise, 2), mix((2 * w3, w4))
        self.shrink16, self.up32 = _spatial((w4, w4), depthwise, 2), mix((2 * w4, w5))

    def forward(self, at8: Tensor, at16: Tensor, at32: Tensor) -> list[Tensor]:
        """Return maps at strides 8, 16 and 32."""
        top = self.reduce32(at32)
        middle = self.reduce16(self.down16(torch.cat([_doubled(top), at16], 1)))
        out8 = self.down8(torch.cat([_doubled(middle), at8], 1))
        out16 = self.up16(torch.cat([self.shrink8(out8), middle], 1))
        return [out8, out16, self.up32(torch.cat([self.shrink16(out16), top], 1))]


def _doubled(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")


class YoloxNano(nn.Module):
    """The detector; for larger members of the family give their width and depth."""

    def __init__(
        self, classes: int, width: int = 16, depth: int = 1, *, depthwise: bool = True
    ) -> None:
        super().__init__()
        self.backbone = Backbone(width, depth, depthwise)
        self.pyramid = Pyramid(width, depth, depthwise)
        channels = [width * 2**i for i in (2, 3, 4)]
        heads = [LevelHead((c, channels[0]), classes, depthwise) for c in channels]
        self.heads = nn.ModuleList(heads)

    @classmethod
    def from_onnx(
        cls, path: Path | str, classes: Sequence[str], source_classes: Sequence[str]
    ) -> YoloxNano:
        """Return a network for `classes` that starts from the weights of an ONNX file.

        A class that is one of `source_classes` starts from what the file knows of it.

        Raises:
            ModelError: if the file does not hold a network of this family.
        """
        weights = _onnx_convolutions(path)
        network = _built_for(weights, len(source_classes), str(path))
        known = {name: row for row, name in enumerate(source_classes)}
        for head in network.heads:
            cast("Any", head).keep_classes([known.get(name) for name in classes])
        return network

    def freeze_backbone(self) -> None:
        """Let only the pyramid and the heads learn: fewer steps forget less."""
        self.backbone.requires_grad_(requires_grad=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return raw outputs (B, cells, 5 + classes) for RGB (B, 3, H, W)."""
        levels = zip(self.heads, self.pyramid(*self.backbone(images.flip(1))), strict=True)
        return torch.cat([head(level) for head, level in levels], 1).float()

    def forward_train(
        self, images: Tensor, targets: Sequence[dict[str, Tensor]]
    ) -> dict[str, Tensor]:
        """Return the losses ``box``, ``object`` and ``class``, to be summed.

        Args:
            images: RGB, 0 to 255, (B, 3, H, W).
            targets: per picture ``boxes`` (n, 4) and ``labels`` (n,); if there are any also
                ``ignore`` (m, 4), where it is not taught that nothing is there, ``negatives``
                (k, 4), where it is taught even inside those, and ``weights`` (n,) of the boxes.
        """
        raw = self(images)
        cells = grid(images)
        parts = [_one_loss(r, cells, t) for r, t in zip(raw, targets, strict=True)]
        total = torch.stack([p.cells for p in parts]).sum().clamp(min=1.0)
        return {
            "box": BOX_WEIGHT * torch.stack([p.box for p in parts]).sum() / total,
            "object": torch.stack([p.object for p in parts]).sum() / total,
            "class": torch.stack([p.classes for p in parts]).sum() / total,
        }

    def forward_detect(
        self, images: Tensor, floor: float = 0.01, overlap: float = 0.65
    ) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Return boxes (n, 4), scores (n,) and labels (n,) per picture, best first.

        Of boxes of one class with a higher IoU than `overlap` only the best stays.
        """
        raw, cells = self(images), grid(images)
        boxes, scores = decode(raw, cells), raw[..., 4:5].sigmoid() * raw[..., 5:].sigmoid()
        corner = boxes.new_tensor([images.shape[3], images.shape[2]] * 2)
        found = []
        for of_one, by_class in zip(boxes, scores, strict=True):
            cell, label = (by_class >= floor).nonzero(as_tuple=True)
            inside, score = of_one[cell].clamp(min=0).minimum(corner), by_class[cell, label]
            i = batched_nms(inside, score, label, overlap)
            found.append((inside[i], score[i], label[i]))
        return found


def grid(images: Tensor) -> Tensor:
    """Return x, y (of the top left corner) and stride of every cell, in pixels (cells, 3)."""
    height, width = images.shape[-2:]
    levels = []
    for stride in STRIDES:
        ys, xs = (torch.arange(0, n, stride, device=images.device) for n in (height, width))
        y, x = torch.meshgrid(ys, xs, indexing="ij")
        levels.append(torch.stack([x, y, torch.full_like(x, stride)], -1).reshape(-1, 3))
    return torch.cat(levels).float()


def decode(raw: Tensor, cells: Tensor) -> Tensor:
    """Return boxes (..., cells, 4) in pixels for raw outputs (..., cells, 5 + classes)."""
    strides = cells[:, 2:]
    centre = raw[..., :2] * strides + cells[:, :2]
    half = raw[..., 2:4].clamp(max=LARGEST_LOG_SIZE).exp() * strides / 2
    return torch.cat([centre - half, centre + half], -1)


class _Losses(NamedTuple):
    """Sums over the cells of one picture, and the number of cells that stand for a box."""

    box: Tensor
    object: Tensor
    classes: Tensor
    cells: Tensor


def _one_loss(raw: Tensor, cells: Tensor, target: dict[str, Tensor]) -> _Losses:
    """Return the loss sums of one picture's raw outputs (cells, 5 + classes)."""
    boxes = decode(raw, cells)
    cell, which = _assign(raw, boxes.detach(), cells, target)
    taught, truth = _taught(cells, target), torch.zeros_like(raw[:, 4])
    truth[cell] = 1.0
    objectness = functional.binary_cross_entropy_with_logits(raw[:, 4], truth, reduction="none")
    weight = target["weights"][which] if "weights" in target else torch.ones_like(raw[cell, 4])
    taught[cell] = weight.to(taught)
    iou = _paired_iou(boxes[cell], target["boxes"][which])
    wanted = torch.zeros_like(raw[cell, 5:])
    wanted[torch.arange(len(cell)), target["labels"][which]] = iou.detach()
    classes = functional.binary_cross_entropy_with_logits(raw[cell, 5:], wanted, reduction="none")
    return _Losses(
        box=((1 - iou**2) * weight).sum(),
        object=(objectness * taught).sum(),
        classes=(classes.sum(1) * weight).sum(),
        cells=weight.sum(),
    )


def _taught(cells: Tensor, target: dict[str, Tensor]) -> Tensor:
    """Return 1 where a cell without a box is taught to be empty, else 0; (cells,)."""
    centres = cells[:, :2] + cells[:, 2:] / 2
    taught = torch.ones(len(cells), device=cells.device)
    if "ignore" in target:
        taught[_inside(centres, target["ignore"], IGNORE_MARGIN).any(1)] = 0.0
    if "negatives" in target:
        taught[_inside(centres, target["negatives"]).any(1)] = 1.0
    return taught


def _inside(points: Tensor, boxes: Tensor, margin: float = 0.0) -> Tensor:
    """Return which points (n, 2) are in which boxes (m, 4), grown by a margin; (n, m)."""
    after = points[:, None] > boxes[None, :, :2] - margin
    before = points[:, None] < boxes[None, :, 2:] + margin
    return (after & before).all(-1)


@torch.no_grad()
def _assign(
    raw: Tensor, boxes: Tensor, cells: Tensor, target: dict[str, Tensor]
) -> tuple[Tensor, Tensor]:
    """Return the cells that stand for a box, and the index of that box; both (p,).

    A box takes the cells that find it best already, as many as their overlaps add up to.
    """
    truth, labels = target["boxes"], target["labels"]
    near, within = _candidates(cells, truth)
    some = (near | within).any(1).nonzero()[:, 0] if len(truth) else cells.new_zeros(0).long()
    if not len(some):
        return some, some
    iou = box_iou(boxes[some], truth)
    score = (raw[some, 4:5].sigmoid() * raw[some, 5:].sigmoid()[:, labels]).sqrt().clamp(1e-6, 1)
    cost = -score.log() - IOU_COST * (iou + 1e-8).log() + OUTSIDE_COST * ~(near & within)[some]
    counts = iou.topk(min(MOST_CELLS, len(some)), 0)[0].sum(0).int().clamp(min=1)
    taken = torch.zeros_like(iou, dtype=torch.bool)
    for box, count in enumerate(counts.tolist()):
        taken[cost[:, box].topk(count, largest=False)[1], box] = True
    best = torch.where(taken, cost, torch.inf).argmin(1)
    used = taken.any(1)
    return some[used], best[used]


def _candidates(cells: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Return which cells (cells, n) have their centre near a box's centre, and within the box."""
    centres, middle = cells[:, :2] + cells[:, 2:] / 2, (truth[:, :2] + truth[:, 2:]) / 2
    near = ((centres[:, None] - middle).abs() < CENTRE_RADIUS * cells[:, None, 2:]).all(-1)
    return near, _inside(centres, truth)


def _paired_iou(a: Tensor, b: Tensor) -> Tensor:
    """Return the IoU of each box of `a` (n, 4) with the same one of `b`; (n,)."""
    shared = (a[:, 2:].minimum(b[:, 2:]) - a[:, :2].maximum(b[:, :2])).clamp(min=0).prod(1)
    areas = (a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1)
    return shared / (areas - shared + 1e-6)


def _onnx_convolutions(path: Path | str) -> list[tuple[Tensor, Tensor]]:
    """Return weight and bias of every convolution of an ONNX file, in its order."""
    graph = onnx.load(str(path)).graph
    known = {item.name: item for item in graph.initializer}
    found = []
    for node in graph.node:
        if node.op_type != "Conv":
            continue
        if len(node.input) != 3 or not set(node.input[1:]) <= set(known):  # noqa: PLR2004 -- x, weight, bias
            raise ModelError(f"{path}: every convolution must have a weight and a bias in the file")
        weight, bias = (torch.tensor(numpy_helper.to_array(known[n])) for n in node.input[1:])
        found.append((weight, bias))
    return found


def _built_for(weights: list[tuple[Tensor, Tensor]], classes: int, path: str) -> YoloxNano:
    """Return the member of the family that the weights are of, with them in it."""
    shapes = [weight.shape for weight, _ in weights]
    depthwise = len(shapes) > 1 and shapes[1][1] == 1
    for depth in DEPTHS if shapes else ():
        network = YoloxNano(classes, shapes[0][0], depth, depthwise=depthwise)
        convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
        if [c.weight.shape for c in convolutions] == shapes:
            for module, (weight, bias) in zip(convolutions, weights, strict=True):
                module.weight.data, module.bias = weight, nn.Parameter(bias)
            return network
    raise ModelError(f"{path} is not a YOLOX network of {classes} classes with folded batch norms")
