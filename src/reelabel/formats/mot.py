"""MOTChallenge text files (https://motchallenge.net/instructions), one sequence for each video.

::

    <video>/gt/gt.txt       frame, track, left, top, width, height, flag, class, visibility
    <video>/gt/labels.txt   the class names, in the order of their numbers
    <video>/seqinfo.ini     size, frame rate and number of frames
    frames.json             the labelled frames, their time stamps and the time base
    ignore.json             regions to ignore and negatives (see `reelabel.formats.video_files`)

Frames and classes count from 1. Boxes are read and written in pixels from 0, as CVAT and Datumaro
do, though the benchmark counts them from 1. The seventh value of ``gt.txt`` is 0 for boxes that do
not count, which are read as regions to ignore; in ``det.txt`` it is the score. A track of -1 is
none. Frames are those with a row, those of ``frames.json``, and the pictures of ``img1``.
"""

from __future__ import annotations

import configparser
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from reelabel.data.dataset import DIGITS, Dataset, ImageEntry
from reelabel.data.states import IGNORE, POSITIVE
from reelabel.errors import FormatError
from reelabel.files import read_text, safe_stem, write_text
from reelabel.formats.checked import FARTHEST
from reelabel.formats.entries import Entry
from reelabel.formats.listing import visible
from reelabel.formats.pictures import picture_files
from reelabel.formats.video_files import FoundFrames, OfVideos, VideoFrames

BENCHMARK_CLASSES = (
    *("pedestrian", "person on vehicle", "car", "bicycle", "motorbike", "non motorized vehicle"),
    *("static person", "distractor", "occluder", "occluder on the ground", "occluder full"),
    *("reflection", "crowd"),
)
"""Of MOT16 to MOT20, by number from 1; they hold where no ``labels.txt`` does."""
UNNAMED = "object"
"""Class of boxes whose file gives none."""
_PATTERNS = ("gt/gt.txt", "*/gt/gt.txt", "*/*/gt/gt.txt", "det/det.txt", "*/det/det.txt")
_FEWEST = 6
_FLAG, _CLASS, _VISIBILITY = 6, 7, 8
"""Positions of the values behind the box, which may be missing."""


def _write(folder: Path, videos: Sequence[VideoFrames]) -> None:
    """Write a sequence for each video."""
    for video in videos:
        for name in video.classes:
            if not name.isprintable() or name != name.strip() or not name:
                raise FormatError(f"expected a class name on one line, but got {name!r}: rename it")
        home = folder / safe_stem(video.video)
        rows = "".join(_row(index, entry) for index, entry in video.positives())
        write_text(home / "gt" / "gt.txt", rows, atomic=False)
        names = "".join(f"{name}\n" for name in video.classes)
        write_text(home / "gt" / "labels.txt", names, atomic=False)
        write_text(home / "seqinfo.ini", _info_text(video), atomic=False)


def _row(index: int, entry: Entry) -> str:
    track = -1 if entry.track_id is None else entry.track_id
    box = ",".join(f"{value:.{DIGITS}f}" for value in entry.xywh)
    visible = entry.extra.get("visibility", 1)
    return f"{index + 1},{track},{box},1,{entry.class_id + 1},{visible:g}\n"


def _info_text(video: VideoFrames) -> str:
    width, height = video.size_wh
    lines = [
        "[Sequence]",
        f"name={video.video}",
        "imDir=img1",
        f"frameRate={max(1.0, video.fps):.0f}",
        f"seqLength={video.indices[-1] + 1}",
        f"imWidth={width}",
        f"imHeight={height}",
        "imExt=.jpg",
    ]
    return "".join(f"{line}\n" for line in lines)


write_mot = OfVideos(_write)


def read_mot(path: Path, *, category: str | None = None) -> Dataset:
    """Read a file, a sequence, or a folder of sequences; ``gt.txt`` before ``det.txt``.

    Args:
        path: ``gt.txt``, ``det.txt`` or any file of such rows, or a folder.
        category: class of boxes for which the files give none.

    Raises:
        FormatError: naming the file and line that is wrong, and what was expected.
    """
    files = _files(path)
    sequences = [_Sequence.of(each, category or UNNAMED) for each in files]
    classes = tuple(dict.fromkeys(name for s in sequences for name in s.classes))
    frames = FoundFrames()
    used: set[str] = set()
    for sequence in sequences:
        for index, name, entry in sequence.rows():
            used.add(name)
            frames.add(sequence.image(index), [_of_class(entry, classes.index(name))])
        for index in sequence.pictures():
            frames.add(sequence.image(index), [])
    found = frames.dataset(classes, path if path.is_dir() else None)
    named = [name for s in sequences for name in s.named]
    kept = [name for name in found.classes if name in {*named, *used, *found.used_classes}]
    return found.in_classes(kept)


def _of_class(entry: Entry, class_id: int) -> Entry:
    return Entry(entry.xyxy, class_id, entry.score, entry.state, "", entry.extra, entry.track_id)


def _files(path: Path) -> list[Path]:
    """Return the text of each sequence.

    Raises:
        FormatError: if a folder holds none.
    """
    if path.is_file():
        return [path]
    found: dict[Path, Path] = {}
    for pattern in _PATTERNS:
        for each in sorted(visible(path, pattern)):
            found.setdefault(each.parent.parent, each)
    if not found:
        raise FormatError(f"{path}: expected gt/gt.txt or det/det.txt in it, but there is none")
    return list(found.values())


@dataclass(frozen=True)
class _Sequence:
    """One sequence: its text, the folder that it lies in, and what that describes."""

    path: Path
    root: Path | None
    name: str
    size_wh: tuple[int, int]
    picture_dir: str
    named: tuple[str, ...]
    unnamed: str

    @classmethod
    def of(cls, path: Path, unnamed: str) -> _Sequence:
        """Return the sequence of a text."""
        inside = path.parent.name in {"gt", "det"}
        root = path.parent.parent if inside else None
        info = _info(root / "seqinfo.ini") if root else {}
        name = info.get("name") or (root.resolve().name if root else path.stem)
        size = (_size(root, info, "imwidth"), _size(root, info, "imheight"))
        return cls(path, root, name, size, info.get("imdir", "img1"), _labels(path), unnamed)

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names by number from 1, then that of boxes without one."""
        return (*(self.named or BENCHMARK_CLASSES), self.unnamed)

    def image(self, index: int) -> ImageEntry:
        """Return a frame."""
        return ImageEntry("", *self.size_wh, video=self.name, frame_index=index)

    def pictures(self) -> Iterator[int]:
        """Yield the index of each frame whose picture lies in the sequence."""
        home = self.root / self.picture_dir if self.root else None
        for each in picture_files(home) if home is not None else ():
            if each.stem.isdecimal():
                yield max(int(each.stem[-9:]) - 1, 0)

    def rows(self) -> Iterator[tuple[int, str, Entry]]:
        """Yield frame index, class and box of each line."""
        detections = self.path.name == "det.txt" or self.path.parent.name == "det"
        for number, line in enumerate(read_text(self.path).split("\n"), start=1):
            if line.strip():
                yield self._row(f"{self.path}: line {number}", line, detections=detections)

    def _row(self, where: str, line: str, *, detections: bool) -> tuple[int, str, Entry]:
        values = _numbers(where, line)
        frame, track = int(values[0]), int(values[1])
        x, y, w, h = values[2:6]
        flag = values[_FLAG] if len(values) > _FLAG else 1.0
        score = flag if detections and flag != -1 else None
        if score is not None and not 0 <= score <= 1:
            raise _wrong(where, "a score in 0..1", line)
        visible = values[_VISIBILITY] if len(values) == _VISIBILITY + 1 else 1.0
        entry = Entry(
            (x, y, x + w, y + h),
            0,
            score,
            IGNORE if not detections and flag == 0 else POSITIVE,
            extra={"visibility": visible} if 0 <= visible < 1 else {},
            track_id=track if track >= 0 else None,
        )
        return frame - 1, self._class(where, values, line), entry

    def _class(self, where: str, values: Sequence[float], line: str) -> str:
        # Files of detections have coordinates of the world in this place, -1 throughout.
        known = values[_CLASS] if len(values) in {_CLASS + 1, _CLASS + 2} else -1
        if known == -1:
            return self.unnamed
        names = self.classes[:-1]
        if known != int(known) or not 1 <= known <= len(names):
            raise _wrong(where, f"a class number from 1 to {len(names)}", line)
        return names[int(known) - 1]


def _numbers(where: str, line: str) -> list[float]:
    """Return the numbers of a line, the first ones of which are a frame, a track and a box."""
    try:
        values = [float(field) for field in line.replace(";", ",").split(",")]
    except ValueError:
        values = []
    expected = "frame,track,left,top,width,height with the frame a whole number from 1 up"
    if len(values) < _FEWEST or not all(map(math.isfinite, values)) or "_" in line:
        raise _wrong(where, expected, line)
    frame, track, *box = values[:_FEWEST]
    whole = frame == int(frame) and track == int(track)
    if not whole or not 1 <= frame < 2**31 or max(map(abs, (track, *box))) > 2**31:
        raise _wrong(where, expected, line)
    if min(box[2:]) < 0 or max(map(abs, box)) > FARTHEST:
        raise _wrong(where, "a box of a size from 0 up, in pixels", line)
    return values


def _wrong(where: str, expected: str, line: str) -> FormatError:
    return FormatError(
        f"{where}: expected {expected}, but got {line.strip()[:80]!r}; correct or remove it"
    )


def _labels(path: Path) -> tuple[str, ...]:
    """Return the class names that lie beside a text."""
    labels = path.parent / "labels.txt"
    lines = read_text(labels).split("\n") if labels.is_file() else []
    return tuple(line.strip() for line in lines if line.strip())


def _info(path: Path) -> dict[str, str]:
    """Return the values of a sequence's description, empty if there is none."""
    if not path.is_file():
        return {}
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(read_text(path))
        return dict(parser["Sequence"])
    except (configparser.Error, KeyError) as exc:
        raise FormatError(f"{path}: expected [Sequence] with name=value lines, but {exc}") from exc


def _size(root: Path | None, info: dict[str, str], key: str) -> int:
    text = info.get(key, "0").strip()
    if not (text.isascii() and text.isdecimal()) or int(text[:9]) > FARTHEST:
        raise FormatError(f"{root}/seqinfo.ini: expected a number of pixels in {key}, got {text!r}")
    return int(text[:9])
