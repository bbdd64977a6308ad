"""Where the lookup files of YouTube-8M are read from."""

from __future__ import annotations

from pathlib import Path

from reelabel.errors import FormatError, UsageError
from reelabel.files import safe_join
from reelabel.sources.manifests.reading import Lookup

LARGEST_BYTES = 2**26
"""Of a lookup file; the largest tags have some megabytes."""


def lookup_at(place: str, root: Path) -> Lookup:
    """Return the function that reads lookup files; it raises `UsageError` without their folder.

    Args:
        place: a folder.
        root: what a relative folder starts from.
    """
    folder = root / Path(place).expanduser()

    def lookup(name: str) -> bytes:
        if not folder.is_dir():
            raise UsageError(
                f"{place}: expected a folder with the lookup files j/v and j/i of YouTube-8M, but "
                "there is none: name it under 'lookups'"
            )
        path = safe_join(folder, name)
        try:
            with path.open("rb") as file:
                return file.read(LARGEST_BYTES)
        except OSError as exc:
            raise FormatError(f"{path}: {exc.strerror or exc}") from exc

    return lookup
