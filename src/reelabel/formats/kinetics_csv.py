"""Clips as folders of frames, with the manifests of Kinetics and lists of frame folders.

    train.csv               label,youtube_id,time_start,time_end,split,pts,until_pts,path
    train_list.txt          frames/3f2a_0-1200 8 0
    frames/3f2a_0-1200/img_00001.jpg ... img_00008.jpg
    classes.txt             a class a line, in the order of the numbers

The columns up to ``split`` are those of the manifests of Kinetics (Kay et al., "The Kinetics human
action video dataset", 2017), with the video's id for YouTube's; times are empty unless given. The
lists are those of MMAction2's `RawframeDataset`: folder, number of frames, number of each class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from reelabel.data.class_dataset import ClassDataset
from reelabel.errors import UsageError
from reelabel.files import new_folder, write_text
from reelabel.formats.class_export import (
    Parts,
    PicturePath,
    class_names,
    copy_frames,
    moment_names,
    only_class,
    positive_classes,
    write_left_out,
    write_rows,
)

HEADER = ("label", "youtube_id", "time_start", "time_end", "split", "pts", "until_pts", "path")

TimeOf = Callable[[str, int], float]
"""Returns the seconds from a video's first frame to a time stamp."""


def write_kinetics_csv(
    folder: Path, parts: Parts, picture_path: PicturePath, *, time_s: TimeOf | None = None
) -> None:
    """Write the manifest and the list of each split, and copies of the frames.

    A moment with several classes has a row for each, and their numbers in one line of the list.
    Moments without a class that is right are listed in ``left_out.csv``.

    Args:
        folder: new or empty; see `reelabel.files.staged_folder`.
        parts: the data set of each split.
        picture_path: where the file of a picture lies.
        time_s: video id and time stamp -> seconds; None leaves the times empty.

    Raises:
        UsageError: if one of exclusive classes is not alone, a class name has a line break, or the
            folder holds something.
        FormatError: for an unknown split, or a picture that is missing or of an unusual kind.
        WorkspaceError: if the file system refuses.
    """
    classes = class_names(parts)
    if any(len(name.splitlines()) > 1 for name in classes):
        raise UsageError("expected class names without line breaks: rename the class")
    new_folder(folder)
    names = moment_names(parts)
    left_out: list[tuple[str, int, str]] = []
    for split, data in parts.items():
        rows: list[tuple[object, ...]] = []
        lines: list[str] = []
        for number, pictures in enumerate(data.pictures):
            columns = _columns(data, number)
            if not columns:
                left_out.append((split, number, "no class is known to be right"))
                continue
            path = f"frames/{names[split][number]}"
            copy_frames(folder / path, pictures, picture_path)
            lines.append(f"{path} {len(pictures)} {' '.join(map(str, columns))}\n")
            at = tuple(_place(data, number, split, time_s))
            rows += [(classes[column], *at, path) for column in columns]
        write_rows(folder / f"{split}.csv", HEADER, rows)
        write_text(folder / f"{split}_list.txt", "".join(lines), atomic=False)
    write_text(folder / "classes.txt", "".join(f"{name}\n" for name in classes), atomic=False)
    write_left_out(folder, parts, left_out)


def _columns(data: ClassDataset, number: int) -> list[int]:
    if not data.exclusive:
        return positive_classes(data, number)
    column = only_class(data, number)
    return [] if column is None else [column]


def _place(data: ClassDataset, number: int, split: str, time_s: TimeOf | None) -> Iterator[object]:
    """Yield the cells from the video to the time stamps."""
    video = str(data.moments.video[number])
    stamps = (int(data.moments.pts[number]), int(data.moments.until_pts[number]))
    yield video
    for pts in stamps:
        yield "" if time_s is None else round(time_s(video, pts), 6)
    yield split
    yield from stamps
