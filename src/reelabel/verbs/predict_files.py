"""Where predict writes: formats of files, and what is drawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from reelabel.errors import UsageError
from reelabel.files import explained
from reelabel.formats.pictures import PICTURE_SUFFIXES
from reelabel.media.encode import VideoWriter
from reelabel.media.probe import VideoInfo
from reelabel.media.rendering import MARK, write_rendering
from reelabel.models.base import Image
from reelabel.output_files import check_output_file
from reelabel.sources.footage import SUFFIXES as FOOTAGE_SUFFIXES
from reelabel.verbs.predict_sources import PlannedFile, is_picture

SUFFIXES = (".json", ".csv")
"""Of files that predictions are written to."""
JPEG_SUFFIXES = frozenset({".jpg", ".jpeg"})


def check_suffix(path: Path, *, none_too: bool = False) -> str:
    """Return the suffix of a file to write, ``.json`` or ``.csv``.

    Args:
        path: the file.
        none_too: take a name without a suffix, such as ``boxes``, for JSON.

    Raises:
        UsageError: if it stands for no format that is written.
    """
    check_output_file(path)
    suffix = path.suffix.lower() or (".json" if none_too else "")
    if suffix not in SUFFIXES:
        raise UsageError(
            f"{path}: expected a name that ends in {' or '.join(SUFFIXES)}, but got '{suffix}'"
        )
    return suffix


def render_targets(
    files: Mapping[Path, PlannedFile], render: Path | str | None, *, several: bool
) -> dict[Path, Path]:
    """Return where each file is drawn.

    Args:
        files: those that can be used.
        render: a folder, or for a single file also a file.
        several: whether more than one file was given.

    Raises:
        UsageError: for a picture format that is not written, or a file where several are drawn.
    """
    if render is None:
        return {}
    home = Path(render)
    suffix = home.suffix.lower()
    if several and suffix in FOOTAGE_SUFFIXES and not home.is_dir():
        raise UsageError(
            f"{home}: expected a folder, as several files are drawn, but got the name of a file: "
            f"name {home.with_suffix('')}"
        )
    if suffix in PICTURE_SUFFIXES and suffix not in JPEG_SUFFIXES:
        raise UsageError(f"{home}: pictures are drawn as JPEG: name it {home.with_suffix('.jpg')}")
    if not several and not home.is_dir():
        return dict.fromkeys(files, home)
    suffixes = (".jpg" if is_picture(one.path, one.info) else ".mp4" for one in files.values())
    names = [f"{path.stem}{suffix}" for path, suffix in zip(files, suffixes, strict=True)]
    return dict(zip(files, [home / name for name in numbered(names)], strict=True))


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
