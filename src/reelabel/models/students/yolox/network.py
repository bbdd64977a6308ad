"""The YOLOX network in torch, with the weights of an ONNX file (Ge et al. 2021, arXiv 2107.08430).

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
from typing import Any, cast

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import batched_nms

from reelabel.errors import ModelError
from reelabel.models.students.targets import Found
from reelabel.models.students.yolox.loss import decode, grid

DEPTHS = (1, 2, 3, 4)
UNKNOWN_CLASS_BIAS = -4.6
"""Initial class logit of a class that the source does not have: a probability of about 1 %."""


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
        """Replace the class outputs by the given rows of them; None is a class without weights."""
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


class YoloxNetwork(nn.Module):
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
    ) -> YoloxNetwork:
        """Return a network for `classes` that starts from the weights of an ONNX file.

        A class that is one of `source_classes` starts from its row of the head.

        Raises:
            ModelError: if the file does not hold a network of this family.
        """
        weights = _onnx_convolutions(path)
        network = _built_for(weights, len(source_classes), str(path))
        network.keep_classes(classes, source_classes)
        return network

    def keep_classes(self, classes: Sequence[str], source_classes: Sequence[str]) -> None:
        """Replace the head's classes by `classes`; those of `source_classes` keep their weights."""
        known = {name: row for row, name in enumerate(source_classes)}
        for head in self.heads:
            cast("Any", head).keep_classes([known.get(name) for name in classes])

    def forward(self, images: Tensor) -> Tensor:
        """Return raw outputs (B, cells, 5 + classes) for RGB (B, 3, H, W)."""
        return self.outputs(*self.backbone(images.flip(1)))

    def outputs(self, *features: Tensor) -> Tensor:
        """Return raw outputs (B, cells, 5 + classes) for the backbone's features."""
        levels = zip(self.heads, self.pyramid(*features), strict=True)
        return torch.cat([head(level) for head, level in levels], 1).float()


def detections(
    raw: Tensor, images: Tensor, floor: float = 0.01, overlap: float = 0.65
) -> list[Found]:
    """Return the detections in each picture, best first.

    Args:
        raw: outputs ``(b, cells, 5 + classes)``.
        images: RGB 0 to 255 ``(b, 3, h, w)``, of which only the size counts.
        floor: lowest score.
        overlap: of boxes of one class with a higher IoU only the best stays.
    """
    cells = grid(images)
    boxes, scores = decode(raw, cells), raw[..., 4:5].sigmoid() * raw[..., 5:].sigmoid()
    corner = boxes.new_tensor([images.shape[3], images.shape[2]] * 2)
    found = []
    for of_one, by_class in zip(boxes, scores, strict=True):
        cell, label = (by_class >= floor).nonzero(as_tuple=True)
        inside, score = of_one[cell].clamp(min=0).minimum(corner), by_class[cell, label]
        i = batched_nms(inside, score, label, overlap)
        found.append(Found(inside[i], score[i], label[i]))
    return found


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


def _built_for(weights: list[tuple[Tensor, Tensor]], classes: int, path: str) -> YoloxNetwork:
    """Return the member of the family that has these shapes, with the weights loaded."""
    shapes = [weight.shape for weight, _ in weights]
    depthwise = len(shapes) > 1 and shapes[1][1] == 1
    for depth in DEPTHS if shapes else ():
        network = YoloxNetwork(classes, shapes[0][0], depth, depthwise=depthwise)
        convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
        if [c.weight.shape for c in convolutions] == shapes:
            for module, (weight, bias) in zip(convolutions, weights, strict=True):
                module.weight.data, module.bias = weight, nn.Parameter(bias)
            return network
    raise ModelError(f"{path} is not a YOLOX network of {classes} classes with folded batch norms")
