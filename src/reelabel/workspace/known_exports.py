"""Which exports were written, and from which videos, so that they can be named later.

``_exports.jsonl`` has a line for each folder or file that was written; like an index it is a note,
not part of any result. Without permission to write nothing is noted.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from reelabel.errors import WorkspaceError
from reelabel.files import write_text

FILE = "_exports.jsonl"


@dataclass(frozen=True)
class KnownExport:
    """One folder or file that was written.

    Attributes:
        path: absolute.
        format: of the export.
        round: whose data set or student it is.
        videos: ids of the videos that it holds pictures of or was trained on.
    """

    path: str
    format: str
    round: int
    videos: tuple[str, ...]


def known_exports(root: Path) -> list[KnownExport]:
    """Return the exports of a workspace, one for each path; damaged lines are passed over."""
    path = root / FILE
    lines = path.read_text(encoding="utf-8").split("\n") if path.is_file() else []
    found: dict[str, KnownExport] = {}
    for line in lines:
        with contextlib.suppress(KeyError, TypeError, ValueError):
            row = json.loads(line)
            one = KnownExport(
                str(row["path"]),
                str(row["format"]),
                int(row["round"]),
                tuple(map(str, row["videos"])),
            )
            found[one.path] = one
    return list(found.values())


def note_export(root: Path, made: Path, kind: str, *, number: int, videos: Collection[str]) -> None:
    """Note an export in place of an earlier one at the same path.

    Args:
        root: the workspace's folder.
        made: the folder or file.
        kind: its format.
        number: the round.
        videos: ids of the videos that it holds pictures of or was trained on.
    """
    one = KnownExport(str(made.absolute()), kind, number, tuple(sorted(videos)))
    others = [known for known in known_exports(root) if known.path != one.path]
    with contextlib.suppress(WorkspaceError):
        write_exports(root, [*others, one])


def write_exports(root: Path, exports: Iterable[KnownExport]) -> None:
    """Write the note of all exports.

    Raises:
        WorkspaceError: if it cannot be written.
    """
    lines = (json.dumps(asdict(one), ensure_ascii=False) + "\n" for one in exports)
    write_text(root / FILE, "".join(lines))
