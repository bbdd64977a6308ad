"""Weights of students: written, read and put into a network."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor, nn

from reelabel.errors import ModelError
from reelabel.files import write_atomic
from reelabel.models.torch_tools import read_state


def save_weights(path: Path, state: dict[str, Tensor]) -> None:
    """Write tensors as safetensors, atomically.

    Raises:
        WorkspaceError: if they cannot be written.
    """
    plain = {k: v.detach().cpu().contiguous().clone() for k, v in state.items()}
    write_atomic(path, lambda scratch: save_file(plain, scratch))


def load_exactly(net: nn.Module, path: Path) -> nn.Module:
    """Return the network with the weights of a file; all of them must fit.

    Raises:
        ModelError: if the file is missing or damaged, or holds those of another network.
    """
    try:
        net.load_state_dict(read_state(path))
    except RuntimeError as exc:
        raise ModelError(
            f"expected the weights of this student in {path}, but they do not fit its model.json: "
            f"train again ({exc})"
        ) from exc
    return net


def load_matching(net: nn.Module, state: dict[str, Tensor]) -> int:
    """Copy all tensors whose name and shape fit into the network; return their number.

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
