"""Where weights come from: a local file or a URL, and the proof that they have not changed.

A URL is downloaded once into a cache (``REELABEL_CACHE``, else ``~/.cache/reelabel``); of released
weights the SHA-256 is known beforehand. The SHA-256 of every file is written into the workspace's
``weights.lock.json`` at first use and compared after, so that a round can never quietly be made by
other weights than the one before.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from reelabel.errors import ModelError, WorkspaceError, os_reason
from reelabel.file_kinds import special_kind
from reelabel.files import write_chunks, write_json
from reelabel.short_names import RELEASED_SHA256
from reelabel.terminal.console import PlainConsole

LOCK_NAME = "weights.lock.json"
MAX_BYTES = 4 << 30
"""A download that is larger is refused."""

_TIMEOUT_S = 30.0
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Weights:
    """A file with weights on this machine.

    Attributes:
        path: where it lies.
        sha256: of its content, 64 hexadecimal digits.
    """

    path: Path
    sha256: str


def cache_dir() -> Path:
    """Return the folder that downloads are kept in."""
    named = os.environ.get("REELABEL_CACHE")
    return Path(named).expanduser() if named else Path.home() / ".cache" / "reelabel"


def resolve(where: str, *, home: Path | None = None) -> Weights:
    """Return the file that a path or URL stands for, downloaded if need be, and checked.

    Args:
        where: a path (relative to `home`, else to the current folder) or a URL with the scheme
            http, https or file.
        home: the folder that holds the lock; None checks nothing.

    Raises:
        ModelError: if the file does not exist, cannot be fetched, is larger than allowed, or is
            not the one that its makers released or that was used before.
        WorkspaceError: if a download or the lock cannot be written.
    """
    scheme, mark, _ = where.partition("://")
    if not mark:
        path = _local(Path(where).expanduser(), home)
    elif scheme.lower() == "file":
        path = _local(_file_url(where), home)
    elif scheme.lower() in {"http", "https"}:
        path = _fetched(where)
    else:
        raise ModelError(f"weights come from a path or a http, https or file URL, not '{where}'")
    found = Weights(path, sha256_of([path]))
    if found.sha256 != (released := RELEASED_SHA256.get(where, found.sha256)):
        raise ModelError(
            f"{path} is not the released file: expected the SHA-256 {released}, but got "
            f"{found.sha256}. Remove it to download it again, or name it as a file of your own: "
            "--detector FILE.onnx"
        )
    check_lock(where, found.sha256, home=home, path=path)
    return found


def sha256_of(paths: Iterable[Path]) -> str:
    """Return the SHA-256 of one file, or that of the names and hashes of several.

    Raises:
        ModelError: if one cannot be read.
    """
    try:
        found = {path.name: _sha256(path) for path in paths}
    except OSError as exc:
        raise ModelError(f"weights cannot be read: {os_reason(exc)}") from exc
    if len(found) == 1:
        return next(iter(found.values()))
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def check_lock(key: str, value: str, *, home: Path | None, path: Path | str) -> None:
    """Lock what identifies a model's weights at first use, and compare it afterwards.

    Args:
        key: how the model was asked for.
        value: the SHA-256 of its file, or the revision of a hub id.
        home: the folder of the lock; None does nothing.
        path: the file, for the message.

    Raises:
        ModelError: if another value is locked.
        WorkspaceError: if the lock cannot be read or written.
    """
    if home is None:
        return
    known = read_lock(home)
    if known.get(key, value) != value:
        raise ModelError(
            f"{path} is not the file that was used before: expected {known[key]}, "
            f"but got {value}. Put the old file back, or, if the change is wanted, remove "
            f"'{key}' from {home / LOCK_NAME}"
        )
    if key not in known:
        write_json(home / LOCK_NAME, {**known, key: value})


def read_lock(home: Path) -> dict[str, str]:
    """Return what is locked so far: model -> hash or revision.

    Raises:
        WorkspaceError: if the lock is there but cannot be read.
    """
    path = home / LOCK_NAME
    try:
        known: Any = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as exc:
        raise WorkspaceError(
            f"{path} cannot be read ({os_reason(exc)}): repair or remove it"
        ) from exc
    if not isinstance(known, dict) or not all(isinstance(v, str) for v in known.values()):
        raise WorkspaceError(f"{path} should map models to hashes: repair or remove it")
    return known


def _local(given: Path, home: Path | None) -> Path:
    """Return the first place where a path leads to a file."""
    tried = [home / given, given] if home is not None else [given]
    for path in dict.fromkeys(tried):
        if path.is_file():
            return path
        if kind := special_kind(path):
            raise ModelError(f"{path}: expected a file of weights, but it is {kind}: name a file")
    places = " or ".join(str(path.absolute()) for path in dict.fromkeys(tried))
    raise ModelError(f"no weights at {places}: put the file there, or name another path or a URL")


def _file_url(where: str) -> Path:
    parts = urllib.parse.urlsplit(where)
    if parts.netloc not in {"", "localhost"}:
        raise ModelError(f"a file URL names no other machine, but got '{where}'")
    return Path(urllib.request.url2pathname(parts.path))


def cached_path(url: str) -> Path:
    """Return where the download of a URL is kept, whether it is there or not."""
    name = urllib.parse.unquote(urllib.parse.urlsplit(url).path).rpartition("/")[2]
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip(".")[-80:] or "weights"
    return cache_dir() / "weights" / f"{hashlib.sha256(url.encode()).hexdigest()[:16]}-{plain}"


def _fetched(url: str) -> Path:
    """Return the cached copy of a URL, made if it is not there; a terminal shows the progress."""
    target = cached_path(url)
    if not target.is_file():
        with _progress() as bar:
            task = bar.add_task(url.rpartition("/")[2][-40:], total=None)

            def tick(done: int, declared: int) -> None:
                bar.update(task, completed=done, total=declared if declared > 0 else None)

            chunks = _downloaded(url, target, tick)
            write_chunks(target, _released(url, chunks))
    return target


def _released(url: str, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the parts of a download.

    Raises:
        ModelError: after the last, if they are not the file that is known to lie at the URL.
    """
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
        yield chunk
    found = digest.hexdigest()
    if found != (expected := RELEASED_SHA256.get(url, found)):
        raise ModelError(
            f"{url} gave another file than its makers released: expected the SHA-256 {expected}, "
            f"but got {found}; nothing of it was kept"
        )


def _progress() -> Progress:
    """Return a bar that is shown on terminals alone."""
    console = PlainConsole(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


Tick = Callable[[int, int], None]
"""Is called with the bytes that are there and those that were announced, -1 if none were."""


def _downloaded(url: str, target: Path, tick: Tick) -> Iterator[bytes]:
    """Yield the body of an answer in parts.

    Raises:
        ModelError: if it cannot be fetched, is too long or breaks off.
    """
    request = urllib.request.Request(url, headers={"User-Agent": "reelabel"})  # noqa: S310 -- resolve() let only http and https through
    try:
        with _opener().open(request, timeout=_TIMEOUT_S) as answer:
            yield from _body(answer, url, tick)
    except (OSError, HTTPException, ValueError) as exc:
        # URLError and HTTPError are OSErrors; ValueError is what a malformed URL gives.
        raise ModelError(
            f"{url} could not be fetched ({exc}). Without a network, put the file at {target}, or "
            "name a file that is here: --detector FILE.onnx"
        ) from exc


def _body(answer: Any, url: str, tick: Tick) -> Iterator[bytes]:
    """Yield an answer's body in parts, and refuse one that is too long or breaks off."""
    declared = int(answer.headers.get("Content-Length") or -1)
    done = 0
    while declared <= MAX_BYTES and (chunk := answer.read(_CHUNK)):
        done += len(chunk)
        if done > MAX_BYTES:
            break
        tick(done, declared)
        yield chunk
    if max(done, declared) > MAX_BYTES:
        raise ModelError(
            f"{url} is larger than the {MAX_BYTES:,} bytes allowed: "
            "download it yourself and name the file"
        )
    if declared >= 0 and done != declared:
        raise OSError(f"it broke off after {done:,} of {declared:,} bytes")


def _opener() -> urllib.request.OpenerDirector:
    """Return an opener that follows redirects to http and https alone."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener
