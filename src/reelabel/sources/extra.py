"""What needs the extra ``fetch``: an error that names it where its packages are missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from reelabel.errors import MissingExtra

PACKAGES = frozenset({"urllib3", "yt_dlp"})
"""The packages that the extra brings."""


@contextmanager
def needs_fetch(what: str) -> Iterator[None]:
    """Translate the error of an import inside the block.

    Args:
        what: what needs the packages, for the message.

    Raises:
        MissingExtra: if a package of the extra is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as exc:
        if (exc.name or "").partition(".")[0] not in PACKAGES:
            raise
        raise MissingExtra(what, "fetch") from exc
