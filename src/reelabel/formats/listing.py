"""Lists the files of a folder that belong to a data set: those that are not hidden."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path


def visible(folder: Path, pattern: str) -> Iterator[Path]:
    """Yield the files below a folder that match a pattern, in no fixed order, without hidden ones.

    Hidden are files, and what lies in folders, whose names begin with a dot: programs keep their
    own state there, and macOS beside each file of a foreign disk a ``._`` file of the same suffix.

    Args:
        folder: may itself be hidden.
        pattern: as for `pathlib.Path.glob`.
    """
    for path in folder.glob(pattern):
        parts = path.relative_to(folder).parts
        if not any(part.startswith(".") for part in parts) and path.is_file():
            yield path
