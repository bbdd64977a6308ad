"""The lookup files of YouTube-8M: read from a folder, or asked for by HTTP and kept."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from reelabel.errors import FormatError, UsageError
from reelabel.files import remove_leftovers, safe_join, safe_stem, write_bytes
from reelabel.sources.extra import needs_fetch
from reelabel.sources.manifests.reading import Lookup
from reelabel.sources.web.settings import FetchSettings

LARGEST_BYTES = 2**26
"""Of a lookup file; the largest tags have some megabytes."""
FOLDER = "lookups"
"""Where answers are kept, below the folder of all downloads."""


def is_address(place: str) -> bool:
    """Return whether lookup files are asked for by HTTP, rather than read from a folder."""
    return place.lower().startswith(("http://", "https://"))


class Lookups:
    """Reads lookup files; used by all threads, one at a time.

    Args:
        root: the workspace's folder: relative folders start from it, and answers are kept below.
        settings: how anything is fetched: politely, and from allowed networks.
        keep: write answers down, so that no later run asks again.
    """

    def __init__(
        self, root: Path, settings: FetchSettings | None = None, *, keep: bool = True
    ) -> None:
        self._root, self._settings, self._keep = root, settings or FetchSettings(), keep
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """Leave connections behind when pickled for another process."""
        return _made, (self._root, self._settings, self._keep)

    def at(self, place: str) -> Lookup:
        """Return the function that reads the lookup files at a place.

        It raises `UsageError` without their folder, or where a host does not send them, and
        `FormatError` for a file that is not there.

        Args:
            place: a folder, or an address of http or https.
        """
        if is_address(place):
            return lambda name: self._kept(f"{place.rstrip('/')}/{quote(name)}")
        return _in_folder(place, self._root)

    def _kept(self, url: str) -> bytes:
        """Return an answer that was kept, else ask; an empty file stands for one that is not there.

        Raises:
            FormatError: if there is no such file.
            UsageError: if it cannot be had today.
        """
        path = self._path(url)
        with self._lock:
            try:
                content = path.read_bytes()
            except OSError:
                content = self._ask(url)
                if self._keep:
                    write_bytes(path, content)
        if not content:
            raise FormatError(f"{url}: there is no such file")
        return content

    def _path(self, url: str) -> Path:
        """Return where an answer is kept; ids differ in case alone, names of files must not."""
        name = PurePosixPath(url)
        digest = hashlib.sha256(url.encode()).hexdigest()[:20]
        return self._root / "downloads" / FOLDER / f"{safe_stem(name.stem)}-{digest}.js"

    @cached_property
    def _ask(self) -> Callable[[str], bytes]:
        """Return what asks hosts.

        Raises:
            MissingExtra: if urllib3 is not installed.
        """
        with needs_fetch("looking up ids of YouTube-8M by HTTP"):
            from reelabel.sources.manifests.lookups_by_http import asking  # noqa: PLC0415 -- an extra
        remove_leftovers(self._path("").parent)
        return asking(self._settings, LARGEST_BYTES)


def _made(root: Path, settings: FetchSettings, keep: bool) -> Lookups:
    return Lookups(root, settings, keep=keep)


def _in_folder(place: str, root: Path) -> Lookup:
    """Return the function that reads lookup files of a folder."""
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
