"""Folders of single frames that commands write beside their results."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reelabel.files import staged_folder, write_text
from reelabel.formats.pictures import EXPORT_MARK


@contextmanager
def frame_folder(folder: Path | str | None, command: str) -> Iterator[Path | None]:
    """Yield a folder to write frames into, which gets its name when the block ends well.

    No frame in it is ever taken for footage.

    Args:
        folder: new or empty; None: no folder, and None is yielded.
        command: that writes the frames.

    Raises:
        UsageError: if it holds something.
        WorkspaceError: if it cannot be made.
    """
    if folder is None:
        yield None
        return
    with staged_folder(Path(folder)) as staged:
        write_text(staged / EXPORT_MARK, f"frames written by  reelabel {command}\n")
        yield staged
