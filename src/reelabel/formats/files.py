"""Files that come from elsewhere or go there: names, sizes, and writing without halves."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from reelabel.errors import FormatError, UsageError, WorkspaceError
from reelabel.formats.dataset import ImageEntry

PICTURE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
"""Picture files that every reader of YOLO and VOC folders finds."""

LONGEST_NAME = 60
"""Characters of a file name; at four bytes each they stay below what file systems take."""


def safe_join(folder: Path, name: str) -> Path:
    """Return ``folder / name`` if that lies inside the folder, links followed.

    Raises:
        FormatError: for a name that is empty, absolute, climbs out with ``..`` or through a link,
            or that no file system can hold.
    """
    parts = name.replace("\\", "/").split("/")
    absolute = name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", name) is not None
    if absolute or ".." in parts or "\0" in name or not set(parts) - {"", "."}:
        raise FormatError(_outside(folder, name))
    try:
        inside = (folder / name).resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError) as exc:
        raise FormatError(_outside(folder, name)) from exc
    if not inside:
        raise FormatError(_outside(folder, name))
    return folder / name


def _outside(folder: Path, name: str) -> str:
    return (
        f"expected the name of a file inside {folder}, but got {name[:200]!r}: "
        "put the file into that folder and name it relative to it"
    )


def read_text(path: Path, limit_bytes: int | None = None) -> str:
    """Return the content of a text file in UTF-8, a byte order mark taken off.

    Raises:
        FormatError: if it cannot be read, is no UTF-8, or is larger than `limit_bytes`.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(-1 if limit_bytes is None else limit_bytes + 1)
        if limit_bytes is not None and len(raw) > limit_bytes:
            raise FormatError(f"{path}: expected at most {limit_bytes} bytes, but it is larger")
        return raw.decode("utf-8-sig")
    except (OSError, ValueError) as exc:
        raise FormatError(f"{path}: expected a text file in UTF-8, but {exc}; check it") from exc


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise WorkspaceError(
            f"{path}: expected to write it, but {exc.strerror or exc}; "
            "free space, correct the rights, or choose another place"
        ) from exc


def write_text(path: Path, text: str, *, atomic: bool = True) -> None:
    """Write a text file in UTF-8 and its folder; `atomic`: all of it or nothing.

    Raises:
        WorkspaceError: if the file system refuses.
    """
    raw = text.encode("utf-8")
    with _explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if not atomic:
            path.write_bytes(raw)
            return
        scratch = path.with_name(f".{secrets.token_hex(8)}.tmp")
        try:
            _write_synced(scratch, raw)
            scratch.replace(path)
        finally:
            scratch.unlink(missing_ok=True)


def _write_synced(path: Path, raw: bytes) -> None:
    with path.open("xb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())


def new_folder(folder: Path) -> None:
    """Make a folder, so that an export never mixes with what stood there before.

    Raises:
        UsageError: if it exists and is not an empty folder.
        WorkspaceError: if the file system refuses.
    """
    with _explained(folder):
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UsageError(f"expected a new or empty folder, but {folder} holds files already")
        folder.mkdir(parents=True, exist_ok=True)


def place_picture(source: Path, target: Path) -> None:
    """Give a picture a second name, as a hard link if the file system can, else as a copy.

    Raises:
        FormatError: if there is no such picture.
        WorkspaceError: if the file system refuses.
    """
    if not source.is_file():
        raise FormatError(f"expected a picture at {source}, but there is none")
    with _explained(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            target.hardlink_to(source.resolve())
        except OSError:
            shutil.copyfile(source, target)


def picture_suffix(source: Path) -> str:
    """Return the suffix of a picture file, lower case.

    Raises:
        FormatError: if readers of the format would not take it for a picture.
    """
    suffix = source.suffix.lower()
    if suffix not in PICTURE_SUFFIXES:
        known = ", ".join(sorted(PICTURE_SUFFIXES))
        raise FormatError(f"expected a picture ({known}), but got {source}: convert it first")
    return suffix


def picture_size_wh(path: Path) -> tuple[int, int]:
    """Return width and height in pixels of a picture file, as it is shown (EXIF followed).

    Raises:
        FormatError: if it is missing or damaged.
    """
    import cv2  # noqa: PLC0415 -- slow to load, and only pictures of unknown size need it
    import numpy as np  # noqa: PLC0415 -- the same

    try:
        coded = np.fromfile(path, np.uint8)
        image = cv2.imdecode(coded, cv2.IMREAD_COLOR) if len(coded) else None
    except (OSError, cv2.error) as exc:
        raise FormatError(f"{path}: expected a picture, but it cannot be read: {exc}") from exc
    if image is None:
        raise FormatError(f"{path}: expected a picture, but it is damaged: remove or replace it")
    return int(image.shape[1]), int(image.shape[0])


def size_wh(image: ImageEntry, source: Path) -> tuple[int, int]:
    """Return the size that an entry gives, else that of its picture file.

    Raises:
        FormatError: if the entry gives none and the file is missing or damaged.
    """
    if image.width > 0 and image.height > 0:
        return image.width, image.height
    return picture_size_wh(source)


def unique_stems(images: Sequence[ImageEntry]) -> list[str]:
    """Return a file name without suffix for each image: safe everywhere, and no two alike.

    It is the picture's own if no other has the same; else its folders' names come before it, and
    a number after it where even that is not enough. Upper and lower case count as the same, for
    file systems that see no difference.
    """
    own = [safe_stem(_parts(image)[-1]) for image in images]
    count = Counter(stem.casefold() for stem in own)
    used: set[str] = set()
    stems = []
    for image, stem in zip(images, own, strict=True):
        alone = count[stem.casefold()] == 1
        stems.append(_unused(stem if alone else safe_stem("_".join(_parts(image))), used))
    return stems


def _parts(image: ImageEntry) -> list[str]:
    if image.file_name:
        name, ending = image.file_name, ""
    else:
        time = image.pts if image.pts is not None else image.frame_index
        name, ending = image.video, f"_{time:06d}" if time is not None else ""
    path = PurePosixPath(name.replace("\\", "/"))
    return [*(part for part in path.parent.parts if part not in {"/", ".."}), path.stem + ending]


def _unused(stem: str, used: set[str]) -> str:
    number, candidate = 1, stem
    while candidate.casefold() in used:
        number += 1
        candidate = f"{stem}_{number}"
    used.add(candidate.casefold())
    return candidate


def safe_stem(name: str) -> str:
    r"""Return a file name made of letters, digits, ``_``, ``-`` and inner dots, never empty.

    >>> safe_stem("../a b\n"), safe_stem("con"), safe_stem("")
    ('a_b', 'con_', 'picture')
    """
    # Composed letters, so that file systems that compose names see the same one.
    plain = unicodedata.normalize("NFC", name)
    kept = "".join(c if c.isalnum() or c in "-._" else "_" for c in plain)
    # The end of a long name tells more than its beginning: frame numbers stand there.
    stem = kept[-LONGEST_NAME:].strip("._-")
    if re.fullmatch(r"(?i:con|prn|aux|nul|com\d|lpt\d)(\..*)?", stem):
        return f"{stem}_"
    return stem or "picture"
