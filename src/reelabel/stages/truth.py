"""truth  files -> truth, truth_frames, imported  1:N  people's boxes, tied to exact frames.

A truth file is only evaluated on, a labels file is trained on. Both are COCO whose images name a
picture, or a ``video`` with a ``frame_index`` (position among the decoded frames), a ``pts`` or a
``pts_time`` in seconds. Only the workspace's own classes are taken; a frame that is annotated for
some classes only counts for those alone.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import compress
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reelabel.config import NoSettings, Project
from reelabel.data.dataset import BoxEntry, Dataset, ImageEntry
from reelabel.data.video import Video
from reelabel.engine.stage import Context, Output, Resource, Stage, Unit
from reelabel.errors import FormatError, nearest
from reelabel.formats.coco import read_coco
from reelabel.media.stream import scan
from reelabel.tables import IMPORTED, IMPORTED_FRAMES, TRUTH, TRUTH_FRAMES, VIDEOS
from reelabel.workspace import fingerprint

Row = Mapping[str, Any]
Truths = Unit[NoSettings, "Paths"]


Paths = list[Path | None]
"""The file of truth and the file of labels, where they are named."""


def source(context: Context[NoSettings]) -> Resource[Paths]:
    """Return the two files, whose content decides whether they must be read again."""
    named = (context.project.truth, context.project.labels)
    paths = [context.root / name if name else None for name in named]
    for path in paths:
        if path is not None and not path.is_file():
            raise FormatError(f"{path}: expected a COCO file of drawn boxes, but there is none")
    return Resource(paths, fingerprint([p.read_bytes().hex() if p else "" for p in paths]))


def truth(unit: Unit[NoSettings, Paths]) -> Output:
    """Return the annotated frames and boxes of every video that the files name."""
    truth_path, labels_path = unit.resource
    odd = Odd()
    drawn = list(_drawn(unit, truth_path, odd))
    brought = list(_drawn(unit, labels_path, odd))
    tables = {
        "truth_frames": {d.video_id: TRUTH_FRAMES.from_rows(d.frames) for d in drawn},
        "truth": {
            d.video_id: TRUTH.from_rows([_true(b) for b in d.boxes if b["state"] != "negative"])
            for d in drawn
        },
        "imported_frames": {d.video_id: IMPORTED_FRAMES.from_rows(d.frames) for d in brought},
        "imported": {d.video_id: IMPORTED.from_rows([_label(b) for b in d.boxes]) for d in brought},
    }
    notes = {
        "frames": sum(len(d.frames) for d in drawn),
        "boxes": sum(len(d.boxes) for d in drawn),
        "imported_boxes": sum(len(d.boxes) for d in brought),
        "unknown_videos": sorted(odd.videos),
        "boxes_nowhere": odd.boxes,
    }
    return Output(tables, notes=notes)


@dataclass
class Odd:
    """What the files hold that is of no use.

    Attributes:
        videos: names of videos that are not in the workspace.
        boxes: those without area, or outside their picture, in words.
    """

    videos: set[str] = field(default_factory=set)
    boxes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Drawn:
    """What people drew in one video."""

    video_id: str
    frames: list[dict[str, Any]]
    boxes: list[dict[str, Any]]


def _true(box: dict[str, Any]) -> dict[str, Any]:
    """Return a row of truth."""
    return {k: v for k, v in box.items() if k in TRUTH.schema.names} | {
        "crowd": box["state"] == "ignore"
    }


def _label(box: dict[str, Any]) -> dict[str, Any]:
    """Return a row of imported labels."""
    return box | {"origin": "person", "score": 1.0}


def _drawn(unit: Truths, path: Path | None, odd: Odd) -> Iterator[Drawn]:
    """Yield what a file holds, video by video, in the order of the video ids.

    Raises:
        FormatError: if it is damaged, or names no video or no class of this workspace.
    """
    if path is None:
        return
    data = read_coco(path)
    videos = [video for video in unit.inputs.videos if video.usable]
    by_video, unknown = _by_video(data, videos)
    odd.videos.update(unknown)
    if not by_video:
        raise FormatError(_nothing_known(path, unknown, videos))
    check_classes(path, data, unit.project)
    boxes = data.boxes_by_image()
    row_of = {row.video_id: row for row in videos}
    for i, (video_id, images) in enumerate(sorted(by_video.items())):
        row = row_of[video_id]
        unit.tick(i / len(by_video), row.name)
        found = _tied(row, [data.images[image] for image in images])
        pairs = list(zip(images, found, strict=True))
        rows = [
            _box_row(unit, row, box, data.images[image]) | {"pts": pts, "frame_index": index}
            for image, (pts, index) in pairs
            for box in boxes[image]
            if _own(unit, box.category) in unit.project.classes
        ]
        visible = [_visible(row, box) for box in rows]
        odd.boxes += [
            _words(row, box) for box, is_there in zip(rows, visible, strict=True) if not is_there
        ]
        yield Drawn(
            video_id,
            [_frame_row(unit, video_id, at, data.images[image]) for image, at in pairs],
            list(compress(rows, visible)),
        )


def _visible(row: Video, box: Row) -> bool:
    """Tell whether any of a box lies in the picture: else nobody can find it."""
    wide = min(box["x2"], row.width) - max(box["x1"], 0)
    tall = min(box["y2"], row.height) - max(box["y1"], 0)
    return bool(wide > 0 and tall > 0)


def _words(row: Video, box: Row) -> str:
    corners = ", ".join(f"{box[key]:g}" for key in ("x1", "y1", "x2", "y2"))
    return f"{row.name} frame {box['frame_index']}, {box['category']} at {corners}"


def check_classes(path: Path, data: Dataset, project: Project) -> None:
    """Refuse a file of other classes, or of one that differs in its letters' case alone.

    Raises:
        FormatError: naming them; frames without any box would be taken for empty.
    """
    theirs = dict.fromkeys(box.category for box in data.boxes)
    own = {name for name in theirs if project.class_map.get(name, name) in project.classes}
    missing = {name.lower() for name in project.classes if name not in own}
    alike = [name for name in theirs if name not in own and name.lower() in missing]
    if not alike and (own or not theirs):
        return
    named = ", ".join(f"'{name}'" for name in (alike or list(theirs))[:8])
    hint = nearest(next(iter(alike or theirs)), project.classes)
    raise FormatError(
        f"{path}: expected boxes of {', '.join(project.classes)}, but some are of {named}{hint}; "
        "rename them, or say in reelabel.yaml what they are: class_map: {theirs: ours}"
    )


def _by_video(data: Dataset, videos: list[Video]) -> tuple[dict[str, list[int]], list[str]]:
    """Return the positions of the images of each video, and the names that no video has."""
    found: dict[str, list[int]] = defaultdict(list)
    unknown: set[str] = set()
    for i, image in enumerate(data.images):
        name = image.video or image.file_name
        row = _named(name, videos)
        if row is None:
            unknown.add(name)
        else:
            found[row.video_id].append(i)
    return dict(found), sorted(unknown)


def _named(name: str, videos: list[Video]) -> Video | None:
    """Return the video of this id, or whose path ends like `name` in most parts, at least one."""
    wanted = PurePath(name).parts[::-1]
    best, most = None, 0
    for row in videos:
        if name == row.video_id:
            return row
        parts = PurePath(row.path).parts[::-1]
        same = next(
            (i for i, (a, b) in enumerate(zip(wanted, parts, strict=False)) if a != b), None
        )
        count = min(len(wanted), len(parts)) if same is None else same
        if count > most:
            best, most = row, count
    return best


def _nothing_known(path: Any, unknown: list[str], videos: list[Video]) -> str:
    names = [row.name for row in videos]
    first = PurePath(unknown[0]).name if unknown else ""
    return (
        f"{path}: none of the videos that it names is in this workspace: {', '.join(unknown[:5])}"
        f"{' ...' if len(unknown) > 5 else ''}{nearest(first, names)}; "  # noqa: PLR2004 -- a few
        "check the names, or add the videos to 'videos' in reelabel.yaml"
    )


def _tied(row: Video, images: list[ImageEntry]) -> list[tuple[int, int]]:
    """Return the time stamp and index of the frame that each image means.

    Raises:
        FormatError: if a frame is named that the video does not have, or one is named twice.
    """
    timeline = np.asarray(scan(row.path).pts, np.int64)
    base = float(row.time_base)
    times_s = (timeline - timeline[0]) * base
    found = [_one_frame(image, row, timeline, times_s) for image in images]
    index, times = max(Counter(index for _, index in found).items(), key=lambda item: item[1])
    if times > 1:
        raise FormatError(
            f"frame {index} of {row.name} is annotated {times} times, as {times} images: "
            "bring its boxes together in one"
        )
    return found


def _one_frame(
    image: ImageEntry, row: Video, timeline: NDArray[np.int64], times_s: NDArray[np.float64]
) -> tuple[int, int]:
    if image.pts is not None:
        index = int(np.searchsorted(timeline, image.pts))
        known = index < len(timeline) and timeline[index] == image.pts
    elif image.frame_index is not None:
        index, known = image.frame_index, 0 <= image.frame_index < len(timeline)
    elif image.pts_time is not None:
        index = int(np.argmin(np.abs(times_s - image.pts_time)))
        known = abs(times_s[index] - image.pts_time) <= _half_frame_s(times_s)
    elif len(timeline) == 1:
        index, known = 0, True  # a picture file of its own
    else:
        raise FormatError(
            f"an image of {row.name} says nothing of its frame: give it pts, frame_index or "
            "pts_time"
        )
    if not known:
        raise FormatError(
            f"truth names frame index {image.frame_index}, pts {image.pts}, time {image.pts_time} "
            f"of {row.name}, which has {len(timeline)} frames up to {times_s[-1]:.3f} s"
        )
    return int(timeline[index]), index


def _half_frame_s(times_s: NDArray[np.float64]) -> float:
    return float(np.max(np.diff(times_s))) / 2 + 1e-3 if len(times_s) > 1 else 1.0


def _frame_row(
    unit: Truths, video_id: str, found: tuple[int, int], image: ImageEntry
) -> dict[str, object]:
    complete = None
    if image.complete is not None:
        own = {_own(unit, name) for name in image.complete}
        complete = [name for name in unit.project.classes if name in own]
    pts, index = found
    return {"video_id": video_id, "pts": pts, "frame_index": index, "complete": complete}


def _box_row(unit: Truths, row: Video, box: BoxEntry, image: ImageEntry) -> dict[str, object]:
    """Return a box in pixels of the upright video, whatever size it was drawn at."""
    x_factor = row.width / image.width if image.width else 1.0
    y_factor = row.height / image.height if image.height else 1.0
    x, y, w, h = box.xywh
    return {
        "video_id": row.video_id,
        "category": _own(unit, box.category),
        "x1": x * x_factor,
        "y1": y * y_factor,
        "x2": (x + w) * x_factor,
        "y2": (y + h) * y_factor,
        "state": box.state,
    }


def _own(unit: Truths, category: str) -> str:
    """Return the workspace's word for a category."""
    return unit.project.class_map.get(category, category)


STAGE = Stage(
    name="truth",
    arrow=(__doc__ or "").splitlines()[0],
    settings=NoSettings,
    run=truth,
    scope="all",
    reads=(VIDEOS,),
    writes=(TRUTH_FRAMES, TRUTH, IMPORTED_FRAMES, IMPORTED),
    project_keys=("classes", "class_map"),
    version=3,
    resource=source,
)
