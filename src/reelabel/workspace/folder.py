"""The folder of a stage's own files."""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from reelabel.files import explained, write_chunks, write_json


@dataclass(frozen=True)
class OutputFolder:
    """A folder below the workspace that one stage fills.

    Attributes:
        root: the workspace's folder.
        path: the folder; it is made when something is written.
    """

    root: Path
    path: Path

    def write(self, name: str, content: bytes) -> str:
        """Write a file that can be made again, atomically but not synced.

        Returns:
            Its path relative to the workspace.

        Raises:
            WorkspaceError: if it cannot be written.
        """
        return self.write_chunks(name, [content])

    def write_chunks(self, name: str, chunks: Iterable[bytes]) -> str:
        """Write a file from its parts; see `write`.

        Raises:
            WorkspaceError: if it cannot be written.
        """
        write_chunks(self.path / name, chunks, sync=False)
        return self.relative(name)

    def write_json(self, name: str, value: object) -> None:
        """Write a JSON file atomically.

        Raises:
            WorkspaceError: if it cannot be written.
        """
        write_json(self.path / name, value)

    def relative(self, name: str) -> str:
        """Return a file's path relative to the workspace."""
        return str((self.path / name).relative_to(self.root))

    def remove(self, name: str) -> None:
        """Remove a file, if it is there.

        Raises:
            WorkspaceError: if it cannot be removed.
        """
        with explained(self.path):
            (self.path / name).unlink(missing_ok=True)

    def keep_only(self, names: Collection[str], own: re.Pattern[str]) -> None:
        """Remove all other files; a folder that holds other people's files stays as it is.

        Args:
            names: what stays; with none of it the folder goes too.
            own: what the stage's own files are called.

        Raises:
            WorkspaceError: if one cannot be removed.
        """
        if not self.path.is_dir() or self.path.is_symlink():
            return
        with explained(self.path):
            paths = list(self.path.iterdir())
            if not all(own.fullmatch(path.name) and path.is_file() for path in paths):
                return
            for path in paths:
                if path.name not in names:
                    path.unlink()
            if not names:
                self.path.rmdir()

    def begin(self, origin: str, *, afresh: bool = False) -> None:
        """Remove what other work has left; interrupted work of the same origin may resume.

        Args:
            origin: what identifies the work.
            afresh: nothing may resume.

        Raises:
            WorkspaceError: if it cannot be done.
        """
        note = self.path / "origin"
        if afresh or not note.is_file() or note.read_bytes() != origin.encode():
            self.clear()
            self.write("origin", origin.encode())

    def clear(self, name: str = "") -> None:
        """Remove the folder, or one folder in it, and make the folder again.

        Raises:
            WorkspaceError: if it cannot be done.
        """
        with explained(self.path):
            shutil.rmtree(self.path / name, ignore_errors=True)
            self.path.mkdir(parents=True, exist_ok=True)
