"""Networks of timm with their weights."""

from __future__ import annotations

from typing import Any

from reelabel.errors import ModelError
from reelabel.models.torch_tools import read_state


def load_network(architecture: str, path: str | None, *, classes: int = 0) -> Any:
    """Return a network with its weights, ready to be used.

    Args:
        architecture: timm's name.
        path: of a state dict; None takes timm's own from the hub.
        classes: how many; with 0 the network has no classifier, and one in the file is left out.

    Raises:
        ModelError: if the weights cannot be had or do not fit.
    """
    import timm  # noqa: PLC0415 -- heavy

    try:
        model = timm.create_model(architecture, pretrained=path is None, num_classes=classes)
        if path is not None:
            own, state = model.state_dict(), read_state(path)
            model.load_state_dict(
                state if classes else {key: value for key, value in state.items() if key in own}
            )
    except ModelError:
        raise
    except Exception as exc:  # the hub, the network, torch: each has its own errors
        reason = " ".join(str(exc).split())[:300]
        others = "; if they are for other classes, name these in the option 'labels'"
        raise ModelError(
            f"weights for timm's {architecture} cannot be loaded ({reason}): without a network, "
            f"put its state dict somewhere and name it in the option 'weights'"
            f"{others if classes else ''}"
        ) from exc
    return model.eval()
