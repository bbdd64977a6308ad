"""Takes the last layer off a network that was made for other classes."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from reelabel.errors import ModelError


def without_last_layer(net: nn.Module, name: str) -> tuple[str, int]:
    """Replace the last linear layer (or 1 x 1 convolution) by nothing.

    Args:
        net: is changed.
        name: of the network, for the message.

    Returns:
        The layer's name in the network, and the number of features that it was given.

    Raises:
        ModelError: if there is no such layer.
    """
    layers = [(path, layer) for path, layer in net.named_modules() if _is_linear(layer)]
    if not layers:
        raise ModelError(
            f"expected a network that ends in a linear layer, but got '{name}': choose another"
        )
    path, layer = layers[-1]
    parent, _, attribute = path.rpartition(".")
    setattr(net.get_submodule(parent), attribute, nn.Identity())
    given: Any = layer
    return path, int(given.in_features if isinstance(layer, nn.Linear) else given.in_channels)


def load_all(net: nn.Module, state: dict[str, Tensor], where: str) -> None:
    """Copy weights into a network, each of which must be there; others are left out.

    Raises:
        ModelError: naming one that is missing or has another shape.
    """
    own = net.state_dict()
    needed = [key for key in own if not key.endswith("num_batches_tracked")]
    wrong = [key for key in needed if key not in state or state[key].shape != own[key].shape]
    if wrong:
        raise ModelError(
            f"expected the weights of this network in {where}, but {len(wrong)} of {len(needed)} "
            f"are missing or have other shapes, such as {wrong[0]}: name the file of this network"
        )
    net.load_state_dict({key: state[key] for key in needed}, strict=False)


def _is_linear(layer: nn.Module) -> bool:
    if isinstance(layer, nn.Conv2d | nn.Conv3d):
        return set(layer.kernel_size) == {1} and layer.groups == 1
    return isinstance(layer, nn.Linear)
