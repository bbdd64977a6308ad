"""export --unsure of boxes: the frames that a person should look at first, with boxes to correct.

Positive labels and doubtful boxes are shown as objects, so that what a person leaves standing is
what is there. Frames in which a person drew already, test videos and frames for which a
near-duplicate stands are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np

from reelabel.config import Config
from reelabel.data.boxes import Boxes, Ints, Strings
from reelabel.data.dataset import Dataset
from reelabel.data.sequence import BoxSequence
from reelabel.data.states import POSITIVE
from reelabel.data.video import Video
from reelabel.formats.pictures import frame_picture
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
)
from reelabel.tables.boxes import boxes_of
from reelabel.tables.columns import texts_of
from reelabel.verbs.export_boxes import Writer
from reelabel.verbs.exported_frames import ExportedFrames
from reelabel.workspace import Workspace
from reelabel.workspace.names import VideosById
from reelabel.workspace.video_tables import VideoTables

PROPOSED = 0.25
"""A doubtful box of this weight or more, half of its threshold, is shown as an object."""
_SAME_IOU = 0.5  # from this overlap on two boxes are of one object
_STANDS = 2.0  # as the score of a positive label: no doubtful box goes before it


@dataclass(frozen=True)
class UnsureBoxes:
    """The boxes of a round; see `reelabel.verbs.unsure.UnsureRound`."""

    workspace: Workspace
    number: int
    config: Config

    def unsure(self) -> Iterator[Unsure]:
        """Yield the frames in which something is in doubt."""
        labelled = set(self.workspace.shards(LABELS, self.number))
        for video in self.workspace.videos():
            if video.usable and not video.is_test and video.video_id in labelled:
                yield from self._read(video).unsure()

    def write(self, folder: Path, write: Writer, chosen: Sequence[Unsure]) -> None:
        """Write frames with their labels to correct; their videos are read again for it."""
        videos = VideosById(self.workspace.videos())
        shown = {v: self._read(videos[v]) for v in {one.video_id for one in chosen}}
        entries = [shown[one.video_id].entry(one.pts) for one in chosen]
        names = [frame_picture(one.video_id, one.pts) for one in chosen]
        images = tuple(
            replace(picture_of(frame, name), split=TRAIN)
            for (frame, _), name in zip(entries, names, strict=True)
        )
        boxes = tuple(boxes for _, boxes in entries)
        data = Dataset(self.config.project.classes, images, boxes).clipped()
        described = ExportedFrames(self.workspace, self.number, videos).described(data)
        pictures = (self.workspace.root / frame["picture"] for frame, _ in entries)
        files = dict(zip(names, pictures, strict=True))
        write(folder, described, lambda image: files[image.file_name])

    def _read(self, video: Video) -> _Video:
        return _Video.read(self.workspace, self.number, self.config, video)


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
        tables, names = VideoTables(workspace, video.video_id, number), config.project.classes
        table = tables.rows(LABELS)
        labels = boxes_of(table, names)
        rules = cast("RuleSettings", config.stages["clean"])
        least = np.array([rules.score_per_class.get(name, rules.score) for name in names])
        rule = texts_of(table, "rule")
        weight, kind = box_doubts(labels.boxes, rule, least[labels.boxes.class_id])
        frames = _frames(tables, names)
        order = np.argsort(labels.frame, kind="stable")
        background = cast("SplitSettings", config.stages["split"]).background
        return cls(
            frames=frames,
            boxes=FrameBoxes(table, names),
            pts=labels.frame[order],
            weight=weight[order],
            kind=kind[order],
            missed=_missed(frames, labels, _teacher(tables, video), background),
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


def _frames(tables: VideoTables, names: Sequence[str]) -> dict[int, Row]:
    """Return the frames with a picture that nobody annotated, without near-duplicates."""
    known = annotated_pts(tables.rows(IMPORTED_FRAMES).to_pylist(), names)
    known |= annotated_pts(tables.rows(TRUTH_FRAMES).to_pylist(), names)
    known |= set(tables.rows(DUPLICATES)["pts"].to_pylist())
    rows = (row for row in tables.rows(FRAMES).to_pylist() if row["kept"] and row["picture"])
    return {row["pts"]: row for row in rows if row["pts"] not in known}


def _teacher(tables: VideoTables, video: Video) -> TeacherPass:
    """Return what the teacher's pass over the video left."""
    return TeacherPass.of(
        tables.rows(SEEN),
        tables.rows(DETECTIONS),
        camera=tables.rows(CAMERA),
        tracks=tables.rows(TRACKS),
        time_base=float(video.time_base),
    )
