"""What predict is given, files or arrays, and where renderings of it are written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, cast

import numpy as np

from reelabel.errors import UsageError
from reelabel.files import explained
from reelabel.formats.pictures import PICTURE_SUFFIXES
from reelabel.media.encode import VideoWriter
from reelabel.media.probe import VideoInfo
from reelabel.media.rendering import MARK, write_rendering
from reelabel.media.stream import scan
from reelabel.models.base import Image
from reelabel.sources.footage import STILL_SUFFIXES, files_in

Sources = Path | str | Image | Iterable[Path | str | Image]
"""Files or folders, or frames as ``(height, width, 3)`` uint8 RGB arrays, one or many."""

SUFFIXES = (".json", ".csv")
"""Of files that predictions are written to."""
JPEG_SUFFIXES = frozenset({".jpg", ".jpeg"})


def check_suffix(path: Path, *, none_too: bool = False) -> str:
    """Return the suffix of a file to write, ``.json`` or ``.csv``.

    Args:
        path: the file.
        none_too: take a name without a suffix, such as /dev/stdout, for JSON.

    Raises:
        UsageError: if it stands for no format that is written.
    """
    suffix = path.suffix.lower() or (".json" if none_too else "")
    if suffix not in SUFFIXES:
        raise UsageError(
            f"{path}: expected a name that ends in {' or '.join(SUFFIXES)}, but got '{suffix}'"
        )
    return suffix


@dataclass(frozen=True)
class Span:
    """The part of each video that is looked at, in seconds from its first frame."""

    start_s: float | None = None
    end_s: float | None = None
    duration_s: float | None = None


WHOLE = Span()
"""All of each video."""


def files_and_arrays(sources: Sources) -> tuple[list[Path], Iterable[Image]]:
    """Return the files and the arrays among what was given; a folder stands for its footage.

    Raises:
        UsageError: if both are given at once, or a folder holds no footage.
    """
    if isinstance(sources, Path | str):
        return _files([sources]), ()
    if isinstance(sources, np.ndarray):
        return [], [sources] if sources.ndim == 3 else sources  # noqa: PLR2004 -- one frame
    entries = iter(sources)
    first = next(entries, None)
    if first is None:
        return [], ()
    if isinstance(first, np.ndarray):
        return [], cast("Iterable[Image]", chain([first], entries))
    paths = [first, *entries]
    files = [path for path in paths if isinstance(path, Path | str)]
    if len(files) < len(paths):
        raise UsageError("expected either files or arrays, but got both: call predict for each")
    return _files(files), ()


def _files(paths: Iterable[Path | str]) -> list[Path]:
    """Return the files, and those in the folders, each once."""
    named = (files_in(Path(path)) if Path(path).is_dir() else [Path(path)] for path in paths)
    return list(dict.fromkeys(chain.from_iterable(named)))


def check_array(array: Any, index: int) -> None:
    """Refuse what is no RGB frame ``(height, width, 3)``.

    Raises:
        UsageError: naming its shape and type.
    """
    is_frame = isinstance(array, np.ndarray) and array.dtype == np.uint8
    if not is_frame or array.shape[2:] != (3,) or not array.size:
        came = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array)
        raise UsageError(
            f"expected frame {index} as a uint8 array (height, width, 3), RGB, but got {came}"
        )


def stamps_within(path: Path, info: VideoInfo, start_s: float, end_s: float) -> list[int]:
    """Return the time stamps of the frames in a span of a video.

    Raises:
        UsageError: if there are none.
    """
    times = [(pts, info.time_s(pts)) for pts in scan(path).pts.tolist()]
    # Seconds are rounded where they are written down: a thousandth of slack on either side.
    wanted = [pts for pts, at in times if start_s - 1e-3 <= at < end_s - 1e-3]
    if not wanted:
        raise UsageError(f"{path}: no frame lies between {start_s} s and {end_s} s")
    return wanted


def render_targets(infos: Mapping[Path, VideoInfo], render: Path | str | None) -> dict[Path, Path]:
    """Return where each file is drawn.

    Raises:
        UsageError: for a picture format that is not written.
    """
    if render is None:
        return {}
    home = Path(render)
    suffix = home.suffix.lower()
    if suffix in PICTURE_SUFFIXES and suffix not in JPEG_SUFFIXES:
        raise UsageError(f"{home}: pictures are drawn as JPEG: name it {home.with_suffix('.jpg')}")
    if len(infos) == 1 and not home.is_dir():
        return dict.fromkeys(infos, home)
    suffixes = (".jpg" if is_picture(path, info) else ".mp4" for path, info in infos.items())
    names = [f"{path.stem}{suffix}" for path, suffix in zip(infos, suffixes, strict=True)]
    return dict(zip(infos, [home / name for name in numbered(names)], strict=True))


def numbered(names: Iterable[str]) -> list[str]:
    """Return names for files of several folders in one: those that repeat get a number.

    >>> numbered(["a.mp4", "b.mp4", "a.mp4"])
    ['a.mp4', 'b.mp4', '2-a.mp4']
    """
    taken = Counter[str]()
    result = []
    for name in names:
        taken[name] += 1
        result.append(f"{taken[name]}-{name}" if taken[name] > 1 else name)
    return result


def is_picture(path: Path, info: VideoInfo) -> bool:
    """Return whether a file is a single picture."""
    return info.num_packets == 1 and path.suffix.lower() in STILL_SUFFIXES


def write_drawn(
    path: Path, info: VideoInfo, target: Path, drawn: Iterator[tuple[int, Image]]
) -> None:
    """Write what was drawn of a file: a picture as JPEG, a video with every frame at its own time.

    Args:
        path: the file.
        info: of the file.
        target: where to write.
        drawn: time stamps and pictures ``(height, width, 3)`` in the order of time, at least one.

    Raises:
        WorkspaceError, MediaError: if it cannot be written.
    """
    with explained(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    if is_picture(path, info) and target.suffix.lower() in JPEG_SUFFIXES:
        write_rendering(target, next(drawn)[1])
        return
    with VideoWriter(target, time_base=info.time_base, rate=info.fps, comment=MARK) as writer:
        for pts, picture in drawn:
            writer.write(picture, pts)
