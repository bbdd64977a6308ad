"""Ties the pictures of a label file to exact frames of registered videos."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reelabel.config import Project
from reelabel.data.boxes import Boxes, Placement
from reelabel.data.dataset import Dataset, ImageEntry
from reelabel.data.video import Video
from reelabel.data.video_names import VideoNames, ambiguous
from reelabel.errors import FormatError, counted, few, nearest
from reelabel.short_names import composed, spelled_as

SAME_SHAPE = 1.02
"""Ratio up to which two factors of size are the same: rounding to whole pixels differs so much."""

Timeline = NDArray[np.int64]
"""``(n,)`` time stamps of a video's decoded frames, ascending."""


@dataclass
class ImportProblems:
    """What a label file holds that could not be used as it stands.

    Attributes:
        unknown_videos: names of videos that are not in the workspace.
        other_folders: names whose folders differ from those of the video they were tied to, with
            its path.
        left_out: boxes without area or outside their picture, one sentence each.
        not_read: what the reader left out besides, one sentence each.
        without_box: pictures with an object that has no box, with its classes; they are left out.
        lost_frames: frames that had no other boxes. They are no background: what they show is not
            known.
    """

    unknown_videos: set[str] = field(default_factory=set)
    other_folders: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    not_read: list[str] = field(default_factory=list)
    without_box: list[str] = field(default_factory=list)
    lost_frames: list[str] = field(default_factory=list)

    def sentences(self) -> Iterator[str]:
        """Yield a sentence for each kind."""
        yield from self.not_read
        if self.unknown_videos:
            yield f"videos that are not in this workspace: {few(sorted(self.unknown_videos))}"
        if self.other_folders:
            pairs = [f"{name} as {path}" for name, path in sorted(self.other_folders.items())]
            yield f"videos found under other folders: {few(pairs)}"
        if self.left_out:
            boxes = counted(len(self.left_out), "box", "boxes")
            yield f"{boxes} outside the picture or without area left out: {few(self.left_out)}"
        if self.lost_frames:
            frames = counted(len(self.lost_frames), "frame")
            yield f"{frames} left out that had no other box: {few(self.lost_frames)}"
        yield from self.pictures_left_out()

    def pictures_left_out(self) -> list[str]:
        """Return a sentence on pictures that are not used, if there are any."""
        if not self.without_box:
            return []
        pictures = counted(len(self.without_box), "picture")
        why = "an object is drawn in a shape that has no box, such as a single point"
        return [f"{pictures} left out, as {why}: {few(self.without_box)}"]


@dataclass(frozen=True)
class TiedFile:
    """The pictures of a label file, tied.

    Attributes:
        videos: the frames of each video that the file names, by video id and sorted by it; boxes
            are in pixels of the upright video.
        rest: positions of the pictures that belong to no video.
    """

    videos: dict[str, Dataset]
    rest: tuple[int, ...]


def tie(
    path: Path,
    data: Dataset,
    names: VideoNames,
    timeline: Callable[[Video], Timeline],
    *,
    problems: ImportProblems,
) -> TiedFile:
    """Tie every picture that names a video to its frame.

    Args:
        path: the label file, for messages.
        data: what it holds.
        names: the videos that may be named.
        timeline: returns the time stamps of a video's frames.
        problems: is added to.

    Raises:
        FormatError: if a name could mean several videos, a frame does not exist, one is annotated
            twice, or no box lies in its picture.
    """
    found: dict[str, tuple[Video, list[int]]] = {}
    rest: list[int] = []
    for i, image in enumerate(data.images):
        video = _video_of(path, image, names, problems)
        if video is None:
            rest.append(i)
        else:
            found.setdefault(video.video_id, (video, []))[1].append(i)
    problems.left_out += data.subset(rest).left_out
    problems.not_read += data.not_read
    tied: dict[str, Dataset] = {}
    for video_id, (video, positions) in sorted(found.items()):
        frames = _in_video(path, data.subset(positions), video, timeline(video))
        problems.left_out += frames.left_out
        problems.lost_frames += [str(frames.images[i]) for i in _lost(frames)]
        tied[video_id] = frames
    if found and not any(without_lost(one).images for one in tied.values()) and not rest:
        raise FormatError(
            f"{path}: expected boxes inside their pictures, but all of them lie outside or have no "
            f"area ({few(problems.left_out)}): correct them, or the size of the pictures"
        )
    return TiedFile(tied, tuple(rest))


def without_lost(data: Dataset) -> Dataset:
    """Return a data set without the pictures that had boxes of which none was taken.

    They would be background, and what they show is not known.
    """
    lost = set(_lost(data))
    return data.subset([i for i in range(len(data.images)) if i not in lost]) if lost else data


def _lost(data: Dataset) -> list[int]:
    """Return the positions of the pictures that had boxes of which none was taken."""
    pairs = enumerate(zip(data.images, data.boxes, strict=True))
    return [i for i, (image, boxes) in pairs if image.left_out and not len(boxes)]


def _video_of(
    path: Path, image: ImageEntry, names: VideoNames, problems: ImportProblems
) -> Video | None:
    name = image.video or image.file_name
    match = names.find(name)
    if len(match.videos) > 1:
        raise FormatError(f"{path}: {ambiguous(name, match.videos)}")
    if not match.videos:
        problems.unknown_videos.add(name)
        return None
    if match.partial:
        problems.other_folders[name] = str(match.videos[0].path)
    return match.videos[0]


def check_usable(
    path: Path, data: Dataset, project: Project, problems: ImportProblems | None = None
) -> None:
    """Refuse a file of other classes, or of which no picture can be used; see `with_boxes`.

    Args:
        path: the label file.
        data: what it holds.
        project: of the workspace.
        problems: is added to.

    Raises:
        FormatError: naming the classes or the pictures.
    """
    check_classes(path, data, project)
    own = data.in_classes(project.classes, project.class_map)
    tuple(with_boxes(path, [own], problems or ImportProblems()))


def nothing_known(path: Path, problems: ImportProblems, names: VideoNames) -> FormatError:
    """Return the error for a file of which no picture belongs to a video of the workspace."""
    unknown = sorted(problems.unknown_videos)
    hint = names.hint(unknown[0]) if unknown else ""
    return FormatError(
        f"{path}: none of the videos that it names is in this workspace: "
        f"{few(unknown)}{hint}; "
        "check the names, or add the videos to 'videos' in reelabel.yaml"
    )


def check_classes(path: Path, data: Dataset, project: Project) -> None:
    """Refuse a file of other classes, or of one that differs in its letters' case alone.

    Names that look alike are the same; see `reelabel.short_names.spelled_as`.

    Raises:
        FormatError: naming them; frames without any box would be taken for empty.
    """
    theirs, mapped = data.used_classes, project.class_map
    spelled = zip(theirs, spelled_as(theirs, [*mapped, *project.classes]), strict=True)
    own = {name for name, like in spelled if mapped.get(like, like) in project.classes}
    lower = {name.lower() for name in project.classes}
    alike = [name for name in theirs if name not in own and composed(name).lower() in lower]
    if not alike and (own or not theirs):
        return
    named = ", ".join(f"'{name}'" for name in (alike or list(theirs))[:8])
    hint = nearest(next(iter(alike or theirs)), project.classes)
    raise FormatError(
        f"{path}: expected boxes of {', '.join(project.classes)}, but some are of {named}{hint}; "
        "rename them, or map them: class_map: {theirs: ours} in reelabel.yaml, or  --set "
        "class_map.THEIRS=OURS"
    )


def with_boxes(path: Path, parts: Iterable[Dataset], problems: ImportProblems) -> Iterator[Dataset]:
    """Yield data sets without the pictures in which an object has no box.

    The object would be background in them.

    Args:
        path: the label file, for messages.
        parts: what it holds, in the classes of the workspace.
        problems: is added to.

    Raises:
        FormatError: if there are such pictures alone.
    """
    left, out = 0, list[str]()
    for part in parts:
        named = [[part.classes[each] for each in image.without_box] for image in part.images]
        pairs = zip(part.images, named, strict=True)
        out += [f"{image} ({', '.join(names)})" for image, names in pairs if names]
        kept = [i for i, names in enumerate(named) if not names]
        left += len(kept)
        yield part.subset(kept)
    problems.without_box += out
    if out and not left:
        raise FormatError(
            f"{path}: expected objects with boxes, or shapes that have one around them, but each "
            f"picture has one of a single point or a mask that cannot be read: {few(out)}; draw "
            "boxes"
        )


def _in_video(path: Path, data: Dataset, video: Video, timeline: Timeline) -> Dataset:
    """Return pictures as exact frames of their video, boxes in its pixels and clipped to it."""
    width, height = video.size_wh
    _check_upright(path, data.images, video)
    frames = _FrameFinder(path, video, timeline)
    images, boxes = list[ImageEntry](), list[Boxes]()
    for image, drawn, index in zip(data.images, data.boxes, frames.find(data.images), strict=True):
        scale_xy = (image.width or width) / width, (image.height or height) / height
        xyxy = Placement(scale_xy).to_video(drawn.xyxy).astype(np.float32)
        boxes.append(replace(drawn, xyxy=xyxy))
        frame = replace(image, video=video.name, pts=int(timeline[index]), frame_index=index)
        images.append(replace(frame, width=width, height=height))
    return Dataset(data.classes, tuple(images), tuple(boxes)).clipped()


def _check_upright(path: Path, images: Sequence[ImageEntry], video: Video) -> None:
    """Refuse pictures that are the video's turned by a right angle.

    Raises:
        FormatError: naming the first one and both sizes.
    """
    width, height = video.size_wh
    for image in images:
        if min(image.size_wh) < 1 or width == height:
            continue
        upright = stretched(image.size_wh, (width, height))
        if upright > SAME_SHAPE >= stretched(image.size_wh, (height, width)):
            raise FormatError(
                f"{path}: expected {image} in the shape of its video, {width} x {height}, but got "
                f"{image.width} x {image.height}: exchange width and height; if boxes were drawn "
                "in the picture before it was turned, turn them too"
            )


def stretched(picture_wh: tuple[int, int], video_wh: tuple[int, int]) -> float:
    """Return by how much a picture is stretched along one side more than the other, from 1."""
    across, down = (a / b for a, b in zip(picture_wh, video_wh, strict=True))
    return max(across, down) / min(across, down)


@dataclass(frozen=True)
class _FrameFinder:
    """Finds the frames of one video that the pictures of a file name."""

    path: Path
    video: Video
    timeline: Timeline

    def find(self, images: Sequence[ImageEntry]) -> list[int]:
        """Return the index of the frame that each image names.

        Raises:
            FormatError: if the video does not have a frame, or one is named twice.
        """
        found = [self._index(image) for image in images]
        index, times = max(Counter(found).items(), key=lambda item: item[1])
        if times > 1:
            raise FormatError(
                f"{self.path}: frame {index} of {self.video.name} is annotated {times} times, as "
                f"{times} images: put its boxes into one"
            )
        return found

    def _index(self, image: ImageEntry) -> int:
        timeline = self.timeline
        index: int | None = None
        if image.pts is not None:
            pts = image.pts * (image.time_base or self.video.time_base) / self.video.time_base
            at = int(np.searchsorted(timeline, int(pts)))
            index = at if at < len(timeline) and timeline[at] == pts else None
        elif image.frame_index is not None:
            index = image.frame_index if image.frame_index < len(timeline) else None
        elif image.pts_time is not None:
            index = self._nearest(image.pts_time)
        elif len(timeline) == 1:
            index = 0  # a picture file of its own
        else:
            raise FormatError(
                f"{self.path}: an image of {self.video.name} names no frame: give it pts, "
                "frame_index or pts_time"
            )
        if index is None:
            raise FormatError(
                f"{self.path}: frame index {image.frame_index}, pts {image.pts}, time "
                f"{image.pts_time} is no frame of {self.video.name}, which has {len(timeline)} "
                f"frames up to {self._times_s[-1]:.3f} s"
            )
        return index

    @property
    def _times_s(self) -> NDArray[np.float64]:
        """Seconds from the first frame to each."""
        times_s: NDArray[np.float64] = (self.timeline - self.timeline[0]) * float(
            self.video.time_base
        )
        return times_s

    def _nearest(self, time_s: float) -> int | None:
        """Return the frame nearest to an instant, None beyond half a frame outside the video."""
        times_s = self._times_s
        # The median distance: a pause within the video must not widen its ends.
        half = float(np.median(np.diff(times_s))) / 2 + 1e-3 if len(times_s) > 1 else 1.0
        if not -half <= time_s <= times_s[-1] + half:
            return None
        return int(np.argmin(np.abs(times_s - time_s)))
