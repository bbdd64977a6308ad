"""truth  files -> truth, truth_frames, imported  1:N  people's boxes, tied to exact frames.

A truth file is only evaluated on, a labels file is trained on. Both are COCO whose images name a
picture, or a ``video`` with a ``frame_index`` (position among the decoded frames), a ``pts`` or a
``pts_time`` in seconds. Only the workspace's own classes are taken; a frame that is annotated for
some classes only counts for those alone. One in which an object has no box is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reelabel.config import NoSettings
from reelabel.data.dataset import Dataset, ImageEntry
from reelabel.data.states import IGNORE, NEGATIVE, PERSON, POSITIVE
from reelabel.data.video import Video
from reelabel.data.video_names import VideoNames
from reelabel.engine.people_files import Paths, people_files
from reelabel.engine.stage import Context, Output, Resource, Stage, Unit
from reelabel.formats.coco import read_coco
from reelabel.labels.tying import (
    ImportProblems,
    Timeline,
    check_classes,
    nothing_known,
    tie,
    with_boxes,
    without_lost,
)
from reelabel.media.stream import scan
from reelabel.tables import CORNERS, IMPORTED, IMPORTED_FRAMES, TRUTH, TRUTH_FRAMES, VIDEOS, Row
from reelabel.workspace.names import copies_in, in_folder

Truths = Unit[NoSettings, Paths]


def source(context: Context[NoSettings]) -> Resource[Paths]:
    """Return the file of truth and the file of labels."""
    return people_files(context, "a COCO file of drawn boxes")


def truth(unit: Truths) -> Output:
    """Return the annotated frames and boxes of every video that the files name."""
    truth_path, labels_path = unit.resource
    problems = ImportProblems()
    drawn = _tied(unit, truth_path, problems)
    imported = _tied(unit, labels_path, problems)
    tables = {
        "truth_frames": {d.video_id: TRUTH_FRAMES.from_rows(d.frame_rows()) for d in drawn},
        "truth": {d.video_id: TRUTH.from_rows(d.truth_rows()) for d in drawn},
        "imported_frames": {
            d.video_id: IMPORTED_FRAMES.from_rows(d.frame_rows()) for d in imported
        },
        "imported": {d.video_id: IMPORTED.from_rows(d.label_rows()) for d in imported},
    }
    notes = {
        "frames": sum(len(d.data.images) for d in drawn),
        "boxes": sum(d.data.box_count for d in drawn),
        "imported_boxes": sum(d.data.box_count for d in imported),
        "unknown_videos": sorted(problems.unknown_videos),
        "other_folders": problems.other_folders,
        "boxes_nowhere": problems.left_out,
        "without_box": problems.without_box,
        "left_out": problems.pictures_left_out(),
        "frames_nowhere": problems.lost_frames,
    }
    return Output(tables, notes=notes)


def _tied(unit: Truths, path: Path | None, problems: ImportProblems) -> list[Drawn]:
    """Return what a file holds, video by video, in the order of the video ids.

    Raises:
        FormatError: if it is damaged, or names no video or no class of this workspace.
    """
    if path is None:
        return []
    data = read_coco(path)
    check_classes(path, data, unit.project)
    data = data.in_classes(unit.project.classes, unit.project.class_map)
    copies = copies_in(unit.inputs.receipt("register"))
    names = VideoNames(
        (video for video in unit.inputs.videos if video.usable),
        in_folder(copies, unit.root),
    )

    def timeline(video: Video) -> Timeline:
        unit.tick(0.0, video.name)
        return np.asarray(scan(video.path).pts, np.int64)

    tied = tie(path, data, names, timeline, problems=problems)
    if not tied.videos:
        raise nothing_known(path, problems, names)
    parts = list(with_boxes(path, map(without_lost, tied.videos.values()), problems))
    pairs = zip(tied.videos, parts, strict=True)
    return [Drawn(video_id, frames) for video_id, frames in pairs if frames.images]


@dataclass(frozen=True)
class Drawn:
    """What people drew in one video: its frames, and boxes in its pixels."""

    video_id: str
    data: Dataset

    def frame_rows(self) -> list[Row]:
        """Return the rows of the annotated frames."""
        return [
            self._place(image) | {"complete": self._complete(image)} for image in self.data.images
        ]

    def _place(self, image: ImageEntry) -> Row:
        return {"video_id": self.video_id, "pts": image.pts, "frame_index": image.frame_index}

    def _complete(self, image: ImageEntry) -> list[str] | None:
        ids = image.complete
        return None if ids is None else [self.data.classes[class_id] for class_id in ids]

    def box_rows(self) -> Iterator[Row]:
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

    def truth_rows(self) -> list[Row]:
        """Return the rows of the table `truth`: objects and regions to ignore."""
        rows = (row for row in self.box_rows() if row["state"] != NEGATIVE)
        return [
            {k: v for k, v in row.items() if k in TRUTH.schema.names}
            | {"crowd": row["state"] == IGNORE}
            for row in rows
        ]

    def label_rows(self) -> list[Row]:
        """Return the rows of the table `imported`."""
        return [row | {"origin": PERSON, "score": 1.0} for row in self.box_rows()]


STAGE = Stage(
    name="truth",
    arrow=(__doc__ or "").splitlines()[0],
    settings=NoSettings,
    run=truth,
    scope="all",
    reads=(VIDEOS,),
    after=("register",),
    writes=(TRUTH_FRAMES, TRUTH, IMPORTED_FRAMES, IMPORTED),
    project_keys=("classes", "class_map"),
    version=6,
    resource=source,
    resource_words="the file of truth or that of labels",
)
