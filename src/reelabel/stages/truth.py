"""truth  files -> truth, truth_frames, imported  1:N  people's boxes, tied to exact frames.

A truth file is only evaluated on, a labels file is trained on. Both are COCO whose images name a
picture, or a ``video`` with a ``frame_index`` (position among the decoded frames), a ``pts`` or a
``pts_time`` in seconds. Only the workspace's own classes are taken; a frame that is annotated for
some classes only counts for those alone.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reelabel.config import NoSettings, Project
from reelabel.data.boxes import Boxes, Placement
from reelabel.data.dataset import Dataset, ImageEntry
from reelabel.data.states import IGNORE, NEGATIVE, PERSON, POSITIVE
from reelabel.data.video import Video
from reelabel.engine.stage import Context, Output, Resource, Stage, Unit
from reelabel.errors import FormatError, nearest
from reelabel.formats.coco import read_coco
from reelabel.media.stream import scan
from reelabel.tables import CORNERS, IMPORTED, IMPORTED_FRAMES, TRUTH, TRUTH_FRAMES, VIDEOS
from reelabel.workspace import fingerprint

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
        "truth_frames": {d.video_id: TRUTH_FRAMES.from_rows(d.frame_rows()) for d in drawn},
        "truth": {d.video_id: TRUTH.from_rows(d.truth_rows()) for d in drawn},
        "imported_frames": {d.video_id: IMPORTED_FRAMES.from_rows(d.frame_rows()) for d in brought},
        "imported": {d.video_id: IMPORTED.from_rows(d.label_rows()) for d in brought},
    }
    notes = {
        "frames": sum(len(d.data.images) for d in drawn),
        "boxes": sum(d.data.box_count for d in drawn),
        "imported_boxes": sum(d.data.box_count for d in brought),
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
    """What people drew in one video: its frames, and boxes in its pixels."""

    video_id: str
    data: Dataset

    def frame_rows(self) -> list[dict[str, Any]]:
        """Return the rows of the annotated frames."""
        return [
            self._place(image) | {"complete": self._complete(image)} for image in self.data.images
        ]

    def _place(self, image: ImageEntry) -> dict[str, Any]:
        return {"video_id": self.video_id, "pts": image.pts, "frame_index": image.frame_index}

    def _complete(self, image: ImageEntry) -> list[str] | None:
        ids = image.complete
        return None if ids is None else [self.data.classes[class_id] for class_id in ids]

    def box_rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows of the boxes of all states."""
        for image, boxes in zip(self.data.images, self.data.boxes, strict=True):
            for i, xyxy in enumerate(boxes.xyxy.tolist()):
                yield (
                    self._place(image)
                    | dict(zip(CORNERS, xyxy, strict=True))
                    | {
                        "category": self.data.classes[boxes.class_id[i]],
                        "state": POSITIVE if boxes.state is None else boxes.state[i],
                    }
                )

    def truth_rows(self) -> list[dict[str, Any]]:
        """Return the rows of the table `truth`: objects and regions to ignore."""
        rows = (row for row in self.box_rows() if row["state"] != NEGATIVE)
        return [
            {k: v for k, v in row.items() if k in TRUTH.schema.names}
            | {"crowd": row["state"] == IGNORE}
            for row in rows
        ]

    def label_rows(self) -> list[dict[str, Any]]:
        """Return the rows of the table `imported`."""
        return [row | {"origin": PERSON, "score": 1.0} for row in self.box_rows()]


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
    odd.boxes += data.left_out
    if not by_video:
        raise FormatError(_nothing_known(path, unknown, videos))
    check_classes(path, data, unit.project)
    data = replace(data, left_out=()).in_classes(unit.project.classes, unit.project.class_map)
    row_of = {row.video_id: row for row in videos}
    for i, (video_id, positions) in enumerate(sorted(by_video.items())):
        video = row_of[video_id]
        unit.tick(i / len(by_video), video.name)
        found = _in_video(data.subset(positions), video)
        odd.boxes += found.left_out
        yield Drawn(video_id, found)


def _in_video(data: Dataset, video: Video) -> Dataset:
    """Return pictures as exact frames of their video, boxes in its pixels and clipped to it."""
    images, boxes = list[ImageEntry](), list[Boxes]()
    frames = _tied(video, data.images)
    for image, drawn, (pts, index) in zip(data.images, data.boxes, frames, strict=True):
        scale = (
            (image.width or video.width) / video.width,
            (image.height or video.height) / video.height,
        )
        xyxy = Placement(scale).to_video(drawn.xyxy).astype(np.float32)
        boxes.append(replace(drawn, xyxy=xyxy))
        images.append(
            replace(
                image,
                video=video.name,
                pts=pts,
                frame_index=index,
                width=video.width,
                height=video.height,
            )
        )
    return Dataset(data.classes, tuple(images), tuple(boxes)).clipped()


def check_classes(path: Path, data: Dataset, project: Project) -> None:
    """Refuse a file of other classes, or of one that differs in its letters' case alone.

    Raises:
        FormatError: naming them; frames without any box would be taken for empty.
    """
    theirs = data.used_classes
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


def _tied(row: Video, images: Sequence[ImageEntry]) -> list[tuple[int, int]]:
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


STAGE = Stage(
    name="truth",
    arrow=(__doc__ or "").splitlines()[0],
    settings=NoSettings,
    run=truth,
    scope="all",
    reads=(VIDEOS,),
    writes=(TRUTH_FRAMES, TRUTH, IMPORTED_FRAMES, IMPORTED),
    project_keys=("classes", "class_map"),
    version=4,
    resource=source,
)
