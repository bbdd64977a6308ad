"""What predict is given: files, or arrays and pictures in memory; and what becomes of bad files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pil
from PIL import ImageOps

from reelabel.errors import MediaError, ReelabelError, UsageError, counted, few
from reelabel.file_kinds import as_path
from reelabel.media.probe import VideoInfo, probe
from reelabel.media.stream import scan
from reelabel.media.video import time_range
from reelabel.models.base import Image
from reelabel.sources.footage import STILL_SUFFIXES, files_in

OnMessage = Callable[[str], None]
"""Is called with sentences."""
Picture = Image | Pil.Image
"""One frame in memory."""
Sources = Path | str | Picture | Iterable[Path | str | Picture]
"""Files or folders, or frames as ``(height, width, 3)`` uint8 RGB arrays or PIL images, one or
many."""

_EXPECTED = (
    "paths of files or folders, or RGB frames: uint8 arrays (height, width, 3) or PIL images"
)
_FRAMES = 4
"""Axes of an array that holds several frames."""


@dataclass(frozen=True)
class Span:
    """The part of each video that is looked at, in seconds from its first frame."""

    start_s: float | None = None
    end_s: float | None = None
    duration_s: float | None = None

    def of(self, path: Path, info: VideoInfo) -> tuple[float, float]:
        """Return the first second of a file that is looked at, and the first one behind.

        A picture has no time: it is looked at as a whole, whatever the span.

        Raises:
            UsageError: if it does not fit the video.
        """
        if is_picture(path, info):
            return 0.0, info.duration_s
        try:
            return time_range(info, self.start_s, self.end_s, self.duration_s)
        except UsageError as exc:
            raise UsageError(f"{path}: {exc}") from exc

    def check(self) -> None:
        """Refuse a span that fits no video.

        Raises:
            UsageError: if it has an end and a duration, or ends before it starts.
        """
        start_s, end_s, duration_s = self.start_s or 0.0, self.end_s, self.duration_s
        if end_s is not None and duration_s is not None:
            raise UsageError(f"give an end ({end_s} s) or a duration ({duration_s} s), not both")
        if end_s is not None and end_s <= start_s:
            raise UsageError(f"end {end_s} s must be behind start {start_s} s")
        if duration_s == 0:
            raise UsageError("expected a duration of more than 0 s, but got 0")


WHOLE = Span()
"""All of each video."""


@dataclass(frozen=True)
class Inputs:
    """What predict is given.

    Attributes:
        files: each once; folders are replaced by their footage.
        arrays: frames ``(height, width, 3)`` uint8 RGB, each checked when it is taken; None where
            files are given.
        repeated: files that were named more than once.
    """

    files: tuple[Path, ...] = ()
    arrays: Iterator[Image] | None = None
    repeated: tuple[Path, ...] = ()

    def refuse_of_files(self, **given: Any) -> None:
        """Refuse arguments that are about files alone where arrays are given.

        Args:
            given: name -> value, None where it was not given.

        Raises:
            UsageError: naming the first one.
        """
        for name, value in given.items():
            if self.arrays is not None and value is not None:
                raise UsageError(
                    f"{name} is about files, but frames in memory were given: leave it out"
                )


def inputs_of(sources: Sources, on_message: OnMessage | None = None) -> Inputs:
    """Return the files or the arrays that were given; a folder stands for its footage.

    Args:
        sources: what was given.
        on_message: is called with a sentence on each file that was named more than once.

    Raises:
        UsageError: if it is none of these, both are given at once, or a folder holds no footage.
    """
    found = _inputs(sources)
    if on_message is not None:
        for path in found.repeated:
            on_message(f"{path} is named more than once: it is taken once")
    return found


def _inputs(sources: Any) -> Inputs:
    if isinstance(sources, Path | str):
        return files_of([sources])
    if isinstance(sources, Pil.Image):
        return Inputs(arrays=_frames([sources]))
    if isinstance(sources, np.ndarray):
        return Inputs(arrays=_frames(sources if sources.ndim == _FRAMES else [sources]))
    if not isinstance(sources, Iterable) or isinstance(sources, bytes | Mapping):
        raise UsageError(f"expected {_EXPECTED}, one or several, but got {_kind(sources)}")
    entries = iter(sources)
    for first in entries:
        if isinstance(first, np.ndarray | Pil.Image):
            return Inputs(arrays=_frames(chain([first], entries)))
        return files_of(_paths(chain([first], entries)))
    return Inputs()


def files_of(paths: Iterable[Path | str]) -> Inputs:
    """Return the files, and those in the folders, each once, whichever way it is named."""
    found: dict[Path, Path] = {}
    repeated: dict[Path, None] = {}
    for path in paths:
        one = as_path("sources", path)
        for file in files_in(one) if one.is_dir() else [one]:
            if found.setdefault(_resolved(file), file) is not file:
                repeated[file] = None
    return Inputs(files=tuple(found.values()), repeated=tuple(repeated))


def _resolved(path: Path) -> Path:
    """Return a file's own path; one that leads nowhere stays, and is refused where it is opened."""
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError):
        return path


def _paths(entries: Iterable[Any]) -> Iterator[Path | str]:
    """Yield paths.

    Raises:
        UsageError: at anything else.
    """
    for index, entry in enumerate(entries):
        if isinstance(entry, np.ndarray | Pil.Image):
            raise UsageError("expected either files or arrays, but got both: call predict for each")
        if not isinstance(entry, Path | str):
            raise UsageError(
                f"expected sources of {_EXPECTED}, but number {index} is {_kind(entry)}"
            )
        yield entry


def _frames(entries: Iterable[Any]) -> Iterator[Image]:
    """Yield frames ``(height, width, 3)`` uint8 RGB; PIL images upright as by their EXIF.

    Raises:
        UsageError: at what is no RGB frame, naming its position, shape and type.
    """
    for index, entry in enumerate(entries):
        array = _array_of(entry, index) if isinstance(entry, Pil.Image) else entry
        is_frame = isinstance(array, np.ndarray) and array.dtype == np.uint8
        if not is_frame or array.shape[2:] != (3,) or not array.size:
            raise UsageError(
                f"expected frame {index} as a uint8 array (height, width, 3), RGB, but got "
                f"{_kind(array)}"
            )
        yield array


def _array_of(image: Pil.Image, index: int) -> Image:
    """Return a PIL image as an array."""
    try:
        array: Image = np.array(ImageOps.exif_transpose(image).convert("RGB"))
    except (OSError, ValueError, SyntaxError) as exc:  # Pillow decodes when pixels are asked for
        raise UsageError(f"expected frame {index} as a picture, but it is damaged: {exc}") from exc
    return array


def _kind(value: object) -> str:
    """Return what a value is, for a message."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape}"
    if value is None:
        return "None: could the picture not be read?"
    return f"{type(value).__module__}.{type(value).__name__}".removeprefix("builtins.")


def is_picture(path: Path, info: VideoInfo) -> bool:
    """Return whether a file is a single picture."""
    return info.num_packets == 1 and path.suffix.lower() in STILL_SUFFIXES


def found_by(model: str, boxes: int, frames: int) -> str:
    """Return how much a model found in how many frames.

    >>> found_by("motion", 1, 1), found_by("motion", 0, 2)
    ('1 box in 1 frame by motion', '0 boxes in 2 frames by motion')
    """
    return f"{counted(boxes, 'box', 'boxes')} in {counted(frames, 'frame')} by {model}"


def failed(failures: Mapping[str, str]) -> str:
    """Return how many files could not be used, for the end of a line; empty if all could.

    >>> failed({}), failed({"a.mp4": "damaged"})
    ('', '; 1 file failed')
    """
    return f"; {counted(len(failures), 'file')} failed" if failures else ""


@dataclass
class Failures:
    """The files that cannot be used, while others go on.

    Attributes:
        count: how many files were given.
        errors: file -> why it cannot be used.
        messages: the same, in words.
    """

    count: int
    errors: dict[Path, ReelabelError] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def noted(self, path: Path) -> Iterator[None]:
        """Note why a file cannot be used, in place of raising.

        Raises:
            UsageError, MediaError: if none of the files can be used.
        """
        try:
            yield
        except (MediaError, UsageError) as exc:
            self.errors[path] = exc
            self.messages[str(path)] = str(exc).removeprefix(f"{path}: ")
            if len(self.errors) == self.count:
                raise self._of_all() from exc

    def _of_all(self) -> ReelabelError:
        errors = list(self.errors.values())
        if len(errors) == 1:
            return errors[0]
        usage = all(isinstance(exc, UsageError) for exc in errors)
        message = f"none of {self.count} files can be used: {few(map(str, errors), 3)}"
        return UsageError(message) if usage else MediaError(message)


@dataclass(frozen=True)
class PlannedFile:
    """A file that can be opened, and the part of it that is looked at, in seconds."""

    path: Path
    info: VideoInfo
    span_s: tuple[float, float]

    @property
    def time_base(self) -> Fraction | None:
        """Seconds per tick of its time stamps; None for a picture, which has no time."""
        return None if is_picture(self.path, self.info) else self.info.time_base

    @property
    def whole(self) -> bool:
        """Whether all of it is looked at."""
        return self.span_s[0] == 0 and self.span_s[1] >= self.info.duration_s


def planned(files: Iterable[Path], span: Span, failures: Failures) -> dict[Path, PlannedFile]:
    """Return what is looked at of each file; those that cannot be used are noted.

    Raises:
        UsageError: for a span that fits no video, or none of these.
        MediaError: if none of the files can be read.
    """
    span.check()
    found = {}
    for path in files:
        with failures.noted(path):
            info = probe(path)
            found[path] = PlannedFile(path, info, span.of(path, info))
    return found


def stamps_within(path: Path, info: VideoInfo, span_s: tuple[float, float]) -> list[int]:
    """Return the time stamps of the frames in a span of a video.

    Raises:
        UsageError: if there are none.
    """
    start_s, end_s = span_s
    times = [(pts, info.time_s(pts)) for pts in scan(path).pts.tolist()]
    # Seconds are rounded where they are written down: a thousandth of slack on either side.
    wanted = [pts for pts, at in times if start_s - 1e-3 <= at < end_s - 1e-3]
    if not wanted:
        raise UsageError(f"{path}: no frame lies between {start_s} s and {end_s} s")
    return wanted
