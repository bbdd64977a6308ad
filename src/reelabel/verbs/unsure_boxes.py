"""export --unsure of boxes: the frames that a person should look at first, with boxes to correct.

Positive labels and doubtful boxes are shown as objects, so that what a person leaves standing is
what is there. Frames in which a person drew already, test videos and frames for which a
near-duplicate stands are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa

from reelabel.config import Config
from reelabel.data.boxes import Boxes, Ints, Strings
from reelabel.data.dataset import Dataset
from reelabel.data.sequence import BoxSequence
from reelabel.data.states import POSITIVE
from reelabel.data.video import Video
from reelabel.errors import UsageError
from reelabel.formats.pictures import frame_picture
from reelabel.formats.video_files import OfVideos
from reelabel.labels.background import BackgroundSettings, TeacherPass, unlabelled_reasons
from reelabel.labels.division import TRAIN, SplitSettings
from reelabel.labels.rows import FrameBoxes, picture_of
from reelabel.labels.rules import RuleSettings
from reelabel.labels.selection import annotated_pts
from reelabel.labels.unsure import (
    DOUBTFUL,
    Doubles,
    Unsure,
    box_doubts,
    frame_doubt,
    look_first,
)
from reelabel.models.detectors.suppress import suppress
from reelabel.tables import (
    CAMERA,
    DETECTIONS,
    DUPLICATES,
    FRAMES,
    IMPORTED_FRAMES,
    LABELS,
    SEEN,
    TRACKS,
    TRUTH_FRAMES,
    Row,
    Table,
)
from reelabel.tables.boxes import boxes_of
from reelabel.tables.columns import texts_of
from reelabel.verbs.export_boxes import Writer
from reelabel.verbs.exported_frames import ExportedFrames
from reelabel.workspace import Workspace
from reelabel.workspace.names import VideosById
from reelabel.workspace.written import require_pictures

PROPOSED = 0.25
"""A doubtful box of this weight or more, half of its threshold, is shown as an object."""
_SAME_IOU = 0.5  # from this overlap on two boxes are of one object
_STANDS = 2.0  # as the score of a positive label: no doubtful box goes before it


def export_unsure_boxes(
    workspace: Workspace, folder: Path, write: Writer, *, number: int, config: Config, most: int
) -> list[Unsure]:
    """Write the frames of a round that a person should look at first, and return them.

    Args:
        workspace: the workspace.
        folder: an empty folder.
        write: the writer of a format of pictures.
        number: a round with labels.
        config: the settings of the workspace.
        most: so many frames at most.

    Raises:
        UsageError: if the format is one of whole videos.
        ShardError: if a picture is not what was written.
    """
    if isinstance(write, OfVideos):
        raise UsageError(
            "single frames of a video cannot be written in a format of whole videos: take the one "
            "of pictures (cvat, label-studio, coco)"
        )
    read = partial(_Video.read, workspace, number, config)
    labelled = set(workspace.readable(LABELS, number))
    videos = {v.video_id: v for v in workspace.videos() if v.video_id in labelled and not v.is_test}
    # Read twice: the frames of all videos at once need not fit into memory.
    chosen = look_first((one for v in videos.values() for one in read(v).unsure()), most)
    require_pictures(workspace, {one.video_id for one in chosen})
    shown = {video_id: read(videos[video_id]) for video_id in {one.video_id for one in chosen}}
    entries = [shown[one.video_id].entry(one.pts) for one in chosen]
    names = (frame_picture(one.video_id, one.pts) for one in chosen)
    images = tuple(
        replace(picture_of(frame, name), split=TRAIN)
        for (frame, _), name in zip(entries, names, strict=True)
    )
    data = Dataset(config.project.classes, images, tuple(boxes for _, boxes in entries)).clipped()
    frames = ExportedFrames(workspace, number, VideosById(workspace.videos()))
    files = {
        i.file_name: workspace.root / f["picture"]
        for i, (f, _) in zip(images, entries, strict=True)
    }
    if chosen:
        write(folder, frames.described(data), lambda image: files[image.file_name])
    return chosen


@dataclass(frozen=True, eq=False)
class _Video:
    """The frames of one video that a person may be shown, and what is in doubt in its labels.

    Attributes:
        frames: rows of the table `frames`, by time stamp.
        boxes: the labels, frame by frame.
        pts: ``(n,)`` rising time stamps of the labels.
        weight: ``(n,)`` how much each is in doubt.
        kind: ``(n,)`` as what.
        missed: time stamps of frames that may miss an object.
    """

    frames: Mapping[int, Row]
    boxes: FrameBoxes
    pts: Ints
    weight: Doubles
    kind: Strings
    missed: frozenset[int]

    @classmethod
    def read(cls, workspace: Workspace, number: int, config: Config, video: Video) -> _Video:
        """Return what a round holds of a video."""
        tables, names = _Tables(workspace, video.video_id, number), config.project.classes
        table = tables.rows(LABELS)
        labels = boxes_of(table, names)
        rules = cast("RuleSettings", config.stages["clean"])
        least = np.array([rules.score_per_class.get(name, rules.score) for name in names])
        rule = texts_of(table, "rule")
        weight, kind = box_doubts(labels.boxes, rule, least[labels.boxes.class_id])
        frames = tables.frames(names)
        order = np.argsort(labels.frame, kind="stable")
        background = cast("SplitSettings", config.stages["split"]).background
        return cls(
            frames=frames,
            boxes=FrameBoxes(table, names),
            pts=labels.frame[order],
            weight=weight[order],
            kind=kind[order],
            missed=_missed(frames, labels, tables.teacher(video), background),
        )

    def unsure(self) -> Iterator[Unsure]:
        """Yield the frames in which something is in doubt."""
        for pts, frame in self.frames.items():
            rows, missed = self._rows(pts), pts in self.missed
            weight, reason = frame_doubt(self.weight[rows], self.kind[rows], missed=missed)
            if weight:
                yield Unsure(frame["video_id"], pts, frame["time_s"], weight, reason)

    def entry(self, pts: int) -> tuple[Row, Boxes]:
        """Return a frame and its boxes as a person is to see them, in pixels of its picture."""
        frame, rows = self.frames[pts], self._rows(pts)
        boxes = self.boxes.in_picture(frame)
        assert boxes.state is not None  # noqa: S101 -- labels have states
        positive = boxes.has_state(POSITIVE)
        doubtful = (self.kind[rows] == DOUBTFUL) & (self.weight[rows] >= PROPOSED)
        at = np.flatnonzero(positive | doubtful)
        score = np.where(positive, _STANDS, boxes.score)[at]
        shown = at[suppress(boxes.xyxy[at], score, boxes.class_id[at], _SAME_IOU)]
        positive[shown] = True
        state = np.where(positive, POSITIVE, boxes.state)
        # What is left of the doubtful boxes is settled by the person, who draws all that is there.
        settled = (self.kind[rows] == DOUBTFUL) & ~positive
        return frame, replace(boxes, state=state)[~settled]

    def _rows(self, pts: int) -> slice:
        return slice(*np.searchsorted(self.pts, [pts, pts + 1]))


def _missed(
    frames: Mapping[int, Row],
    labels: BoxSequence,
    teacher: TeacherPass,
    settings: BackgroundSettings,
) -> frozenset[int]:
    """Return which frames have no positive label, and are no background on evidence either."""
    labelled = labels.frame[labels.boxes.has_state(POSITIVE)]
    empty = np.setdiff1d(np.array(sorted(frames), np.int64), labelled)
    reasons = unlabelled_reasons(empty, labels, teacher, settings)
    return frozenset(empty[reasons != ""].tolist())


@dataclass(frozen=True)
class _Tables:
    """The tables of one video in one round; what is not there has no rows."""

    workspace: Workspace
    video_id: str
    number: int

    def rows(self, table: Table) -> pa.Table:
        """Return the rows of a table."""
        there = self.workspace.shard_path(table, self.video_id, self.number).is_file()
        return self.workspace.read(table, self.video_id, self.number) if there else table.empty()

    def frames(self, names: Sequence[str]) -> dict[int, Row]:
        """Return the frames with a picture that nobody annotated, without near-duplicates."""
        known = annotated_pts(self.rows(IMPORTED_FRAMES).to_pylist(), names)
        known |= annotated_pts(self.rows(TRUTH_FRAMES).to_pylist(), names)
        known |= set(self.rows(DUPLICATES)["pts"].to_pylist())
        rows = (row for row in self.rows(FRAMES).to_pylist() if row["kept"] and row["picture"])
        return {row["pts"]: row for row in rows if row["pts"] not in known}

    def teacher(self, video: Video) -> TeacherPass:
        """Return what the teacher's pass over the video left."""
        return TeacherPass.of(
            self.rows(SEEN),
            self.rows(DETECTIONS),
            camera=self.rows(CAMERA),
            tracks=self.rows(TRACKS),
            time_base=float(video.time_base),
        )
