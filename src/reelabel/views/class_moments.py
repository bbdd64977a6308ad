"""What a round holds of its moments: labels, pictures, and the student's predictions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from reelabel.data.boxes import Floats
from reelabel.data.classes import Moments, Predictions
from reelabel.data.video import Video
from reelabel.errors import DecodeError
from reelabel.formats.class_json import read_class_json
from reelabel.labels.claims import span_targets
from reelabel.media.pictures import fit, read_rgb
from reelabel.tables import CLASS_LABELS, CLASS_TRUTH, MOMENTS, STUDENT_PREDICTIONS
from reelabel.tables.claims import moments_of, predictions_of, spans_of, times_s
from reelabel.views.html import jpeg_uri
from reelabel.workspace import Workspace
from reelabel.workspace.names import VideosById
from reelabel.workspace.rounds import dataset_dir

MomentId = tuple[str, int, int]
"""Video, first and last time stamp."""
PICTURE_WH = (240, 180)


def labels_of(workspace: Workspace, number: int) -> pa.Table:
    """Return the labels of all videos of a round."""
    tables = (
        workspace.read(CLASS_LABELS, v, number) for v in workspace.readable(CLASS_LABELS, number)
    )
    return pa.concat_tables([CLASS_LABELS.empty(), *tables])


@dataclass
class MomentPictures:
    """The pictures of moments, made small for a report; of a window its middle one."""

    workspace: Workspace

    @cached_property
    def videos(self) -> dict[str, Video]:
        """All registered videos by id."""
        return VideosById(self.workspace.videos())

    def uri(self, moment: MomentId) -> str | None:
        """Return a picture as a data URI, None if it is gone."""
        path = self._paths(moment[0]).get(moment)
        if path is None:
            return None
        try:
            return jpeg_uri(fit(read_rgb(path), "longest", PICTURE_WH)[0])
        except DecodeError:
            return None

    def place(self, moment: MomentId) -> str:
        """Return the video's name and the second, for captions."""
        video_id, pts, _ = moment
        video = self.videos.get(video_id)
        return f"{video.name}, {video.time_s(pts):.2f} s" if video else video_id

    def _paths(self, video_id: str) -> dict[MomentId, Path]:
        if video_id not in self._known:
            self._known[video_id] = dict(self._read(video_id))
        return self._known[video_id]

    @cached_property
    def _known(self) -> dict[str, dict[MomentId, Path]]:
        return {}

    def _read(self, video_id: str) -> Iterator[tuple[MomentId, Path]]:
        if video_id in self.workspace.shards(MOMENTS):
            for row in self.workspace.read(MOMENTS, video_id).to_pylist():
                pictures = row["pictures"]
                path = self.workspace.root / pictures[len(pictures) // 2]
                yield (video_id, row["pts"], row["until_pts"]), path


@dataclass(frozen=True, eq=False)
class ScoredMoments:
    """Moments of known class with the student's probabilities.

    Attributes:
        predictions: of ``(n,)`` moments.
        target: ``(n, k)`` float32, 1, 0 or NaN.
    """

    predictions: Predictions
    target: Floats


def scored_moments(
    workspace: Workspace, number: int, names: tuple[str, ...], *, truth: bool, exclusive: bool
) -> ScoredMoments:
    """Return what the student of a round was scored on.

    Args:
        workspace: the workspace.
        number: the round.
        names: class names by class id.
        truth: against people's classes; else against held-out labels.
        exclusive: whether exactly one class is right.
    """
    found = {
        v: predictions_of(workspace.read(STUDENT_PREDICTIONS, v, number), names)
        for v in workspace.shards(STUDENT_PREDICTIONS, number)
    }
    known = _truth(workspace, names, exclusive=exclusive) if truth else _held_out(workspace, number)
    parts, targets = [Predictions.empty(len(names))], [np.zeros((0, len(names)), np.float32)]
    for moments, target in known:
        video = str(moments.video[0]) if len(moments) else ""
        if video in found:
            rows = found[video].moments.rows_of(moments)
            parts.append(found[video][rows[rows >= 0]])
            targets.append(target[rows >= 0])
    return ScoredMoments(Predictions.joined(parts), np.concatenate(targets))


def _truth(
    workspace: Workspace, names: tuple[str, ...], *, exclusive: bool
) -> Iterator[tuple[Moments, Floats]]:
    """Yield the moments of each video with people's classes."""
    videos = VideosById(workspace.videos())
    there = set(workspace.shards(MOMENTS))
    for video_id in workspace.shards(CLASS_TRUTH):
        if video_id in there and video_id in videos:
            moments = moments_of(workspace.read(MOMENTS, video_id))
            spans = spans_of(workspace.read(CLASS_TRUTH, video_id), names)
            time_s = times_s(moments, videos[video_id])
            yield moments, span_targets(spans, time_s, len(names), exclusive=exclusive)


def _held_out(workspace: Workspace, number: int) -> Iterator[tuple[Moments, Floats]]:
    """Yield the labelled moments of each video that was held out."""
    path = dataset_dir(workspace, number) / "val.json"
    if not path.is_file():
        return
    data = read_class_json(path)
    for video in np.unique(data.moments.video):
        chosen = np.flatnonzero(data.moments.video == video)
        yield data.moments[chosen], data.target[chosen]
