"""Names and sizes of the pictures that label files refer to."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qs, unquote, urlsplit

from reelabel.data.dataset import ImageEntry
from reelabel.errors import DecodeError, FormatError
from reelabel.files import safe_stem
from reelabel.formats.listing import visible
from reelabel.media.pictures import read_size_wh

EXPORT_MARK = ".reelabel-export"
"""The file that marks the folder of an export, so that it is never taken for footage."""

FRAME_PICTURE = re.compile(
    r"(?P<video_id>(?<![0-9a-f])[0-9a-f]{16})_(?P<pts>-?\d+)(?!\d)(?P<suffix>\.jpg)?"
)
"""The name of an exported picture of a frame, see `frame_picture`."""

_UPLOADED = re.compile(r"/data/upload/(?:.*/)?[0-9a-f]{8}-([^/]+)$")
UNKNOWN_SIDE = 100_000
"""Size that a picture is read with where no file gives it: its boxes are shares of it."""

PICTURE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
"""Picture files that every reader of YOLO and VOC folders finds."""
_READ_SUFFIXES = PICTURE_SUFFIXES | {".avif"}
"""Picture files that are found in the folders of others."""


def frame_picture(video_id: str, pts: int) -> str:
    """Return the name of the exported picture of a frame."""
    return f"{video_id}_{pts}.jpg"


def served_name(address: str) -> tuple[str, str]:
    """Return the name of a file by its address, and its place if Label Studio serves it locally.

    The name has no server and no mark of uploads; addresses without server are taken whole. Places
    of other files are empty.

    >>> served_name("/data/local-files/?d=a/b%20c.jpg")
    ('b c.jpg', 'a/b c.jpg')
    >>> served_name("/data/upload/1/0a1b2c3d-b.jpg")
    ('b.jpg', '')
    """
    split = urlsplit(address)
    local = parse_qs(split.query).get("d", [""])[0]
    path = local or unquote(split.path)
    found = _UPLOADED.search(path)
    if found:
        return found[1], ""
    return path.lstrip("/") if not (split.netloc or local) else PurePosixPath(path).name, local


def usual_picture(name: str) -> str:
    """Return the name that an exported picture has whose name without suffix, or with it, is known.

    >>> usual_picture("s/a"), usual_picture("a.png"), usual_picture("a.b")
    ('s/a.jpg', 'a.png', 'a.b.jpg')
    """
    plain = name.replace("\\", "/")
    known = PurePosixPath(plain).suffix.lower() in _READ_SUFFIXES
    return plain if known else f"{plain}.jpg"


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


def picture_files(folder: Path, pattern: str = "*") -> list[Path]:
    """Return the pictures below a folder that match a pattern, sorted; hidden ones are no part."""
    found = visible(folder, pattern)
    return sorted(path for path in found if path.suffix.lower() in _READ_SUFFIXES)


def pictures_by_key(folder: Path) -> dict[str, Path]:
    """Return the pictures of a folder and its folders by relative path, with suffix and without.

    Parts are joined by ``/``. Hidden files and files of other kinds are no pictures.
    """
    kept = {each.relative_to(folder): each for each in picture_files(folder, "**/*")}
    without = {place.with_suffix("").as_posix(): each for place, each in kept.items()}
    return without | {place.as_posix(): each for place, each in kept.items()}


def picture_size_wh(path: Path) -> tuple[int, int]:
    """Return width and height in pixels of a picture file, as it is shown (EXIF followed).

    Raises:
        FormatError: if it is missing or damaged.
    """
    try:
        return read_size_wh(path)
    except DecodeError as exc:
        raise FormatError(f"{exc}: remove or replace it") from exc


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
