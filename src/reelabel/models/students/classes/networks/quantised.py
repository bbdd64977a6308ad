"""Weights that were stored as whole numbers, and the padding of networks made in TensorFlow.

A file holds for each convolution ``NAME.bias`` and either ``NAME.w``, the weights, or ``NAME.q``
with ``NAME.scale``: the weights are ``(q - zero) * scale`` where ``NAME.zero`` is there, else
``q * scale``, by output channel. Batch norms are folded into the convolutions.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from reelabel.errors import ModelError


def is_quantised(state: dict[str, Tensor]) -> bool:
    """Return whether weights are stored as described above."""
    return any(key.endswith(".q") for key in state)


def dequantised(state: dict[str, Tensor], net: nn.Module) -> dict[str, Tensor]:
    """Return the weights under the names of a network whose batch norms then change nothing.

    Args:
        state: as stored.
        net: the network, its last layer included or not.

    Raises:
        ModelError: if a convolution of the network is missing in the file.
    """
    found: dict[str, Tensor] = {}
    for name, norm_name, norm in _normed_convolutions(net):
        found[f"{name}.weight"] = weight = _weight(state, name)
        one = weight.new_ones(len(weight))
        found[f"{norm_name}.weight"] = one
        found[f"{norm_name}.bias"] = state[f"{name}.bias"].float()
        found[f"{norm_name}.running_mean"] = 0 * one
        found[f"{norm_name}.running_var"] = one - norm.eps
    normed = {key.rpartition(".")[0] for key in found}
    for key in state:
        name = key.rpartition(".")[0]
        if name not in normed and f"{name}.weight" not in found:
            found[f"{name}.weight"] = _weight(state, name)
            found[f"{name}.bias"] = state[f"{name}.bias"].float()
    return found


def _normed_convolutions(net: nn.Module) -> list[tuple[str, str, nn.BatchNorm2d]]:
    """Return each convolution that a batch norm follows, and that norm."""
    kinds = (nn.Conv2d, nn.BatchNorm2d)
    layers = [(name, layer) for name, layer in net.named_modules() if isinstance(layer, kinds)]
    return [
        (name, norm_name, norm)
        for (name, layer), (norm_name, norm) in pairwise(layers)
        if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
    ]


def _weight(state: dict[str, Tensor], name: str) -> Tensor:
    if f"{name}.w" in state:
        return state[f"{name}.w"].float()
    if f"{name}.q" not in state:
        raise ModelError(
            f"expected quantised weights of this network, but the layer {name} is missing: name "
            "the file of this network"
        )
    whole, scale = state[f"{name}.q"].float(), state[f"{name}.scale"]
    if f"{name}.zero" in state:
        return (whole - state[f"{name}.zero"].float()) * scale
    return whole * scale.reshape(-1, *(1,) * (whole.ndim - 1))


class TensorflowConv(nn.Conv2d):
    """A convolution with TensorFlow's ``SAME`` padding: what is odd goes to the right and below."""

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps ``(n, c', ceil(h / stride), ceil(w / stride))`` of ``(n, c, h, w)``."""
        sides = zip(
            maps.shape[:1:-1], self.kernel_size[::-1], self.stride[::-1], self.dilation[::-1],
            strict=True,
        )  # fmt: skip
        padding: list[int] = []
        for side, kernel, stride, dilation in sides:
            covered = (-(-side // stride) - 1) * stride + dilation * (kernel - 1) + 1
            total = max(covered - side, 0)
            padding += [total // 2, total - total // 2]
        return functional.conv2d(
            functional.pad(maps, padding),
            self.weight,
            self.bias,
            self.stride,
            0,
            self.dilation,
            self.groups,
        )


def pad_as_tensorflow(net: nn.Module) -> None:
    """Change the padding of all strided convolutions of a network."""
    for name, layer in list(net.named_modules()):
        if not isinstance(layer, nn.Conv2d) or max(layer.stride) == 1:
            continue
        changed = TensorflowConv(
            layer.in_channels,
            layer.out_channels,
            layer.kernel_size,  # type: ignore[arg-type]  # torch types it as a tuple of any length
            layer.stride,  # type: ignore[arg-type]  # the same
            dilation=layer.dilation,  # type: ignore[arg-type]  # the same
            groups=layer.groups,
            bias=layer.bias is not None,
        )
        changed.load_state_dict(layer.state_dict())
        parent, _, attribute = name.rpartition(".")
        setattr(net.get_submodule(parent), attribute, changed)
