"""Names of classifiers of torchvision."""

from __future__ import annotations

from reelabel.errors import ModelError, first_of, nearest

_AUXILIARY = ("googlenet", "inception_v3")
"""Networks that end in several layers at once."""


def check_torchvision_name(name: str, *, video: bool = False) -> None:
    """Check that torchvision has a classifier of that name.

    Args:
        name: of the network.
        video: networks of windows of pictures will do too.

    Raises:
        ModelError: if it has not, with the nearest name.
    """
    from torchvision import models  # noqa: PLC0415 -- heavy

    modules = [models, models.video] if video else [models]
    listed = (each for module in modules for each in models.list_models(module=module))
    known = [each for each in listed if each not in _AUXILIARY]
    if name not in known:
        raise ModelError(
            f"expected a classifier of torchvision, but got '{name}'{nearest(name, known)}: choose "
            f"one of {first_of(known)}"
        )
