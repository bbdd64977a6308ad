"""Names of networks of timm."""

from __future__ import annotations

from reelabel.errors import ModelError, nearest
from reelabel.models.spec import Request


def check_name(request: Request) -> None:
    """Check that timm has the network that a request names; see `check_timm_name`."""
    check_timm_name(request.rest)


def check_timm_name(name: str) -> None:
    """Check that timm has a network of that name; a tag of weights may follow a dot.

    Raises:
        ModelError: if it has not, with the nearest name.
    """
    import timm  # noqa: PLC0415 -- heavy

    known = timm.list_models()
    if name.partition(".")[0] not in known:
        raise ModelError(
            f"timm has no network '{name}'{nearest(name, known)}: see timm.list_models()"
        )
