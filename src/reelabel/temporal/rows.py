"""Tables to tracked videos, and evidence to rows of the table `evidence`.

Boxes are clipped to the picture when they become rows; evidence about a box that is hardly visible
is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from reelabel.data.boxes import paired_iou, visible_parts
from reelabel.data.sequence import BoxSequence, Floats, Ints
from reelabel.data.states import GAP, SMOOTH, STATIC
from reelabel.errors import ModelError
from reelabel.tables import EVIDENCE, Row, xyxy_columns
from reelabel.tables.boxes import boxes_of, class_names
from reelabel.tables.columns import chosen_texts, repeated_text
from reelabel.temporal.evidence import Found, SmoothedTracks
from reelabel.temporal.flicker import Flicker
from reelabel.temporal.gap import ConfirmedBox, GapBox
from reelabel.temporal.link import Tracks
from reelabel.temporal.smooth import Smoothed
from reelabel.temporal.static import StaticRepeat
from reelabel.temporal.video import TrackedVideo

_ORDER = ("pts", "kind", "detection", "track_id")


def detected_boxes(detections: pa.Table, pts: Ints) -> BoxSequence:
    """Return detections with the processed frames counted from 0.

    Args:
        detections: rows of the table `detections` of one video.
        pts: ``(frames,)`` rising time stamps of all frames that the detector processed.

    Raises:
        ModelError: if a box or a score is invalid, or a box lies in no processed frame.
    """
    try:
        boxes = boxes_of(detections, class_names(detections))
    except ValueError as exc:
        raise ModelError(f"the detector returned invalid boxes: {exc}") from exc
    if np.isnan(boxes.score).any():
        raise ModelError("the detector returned invalid boxes: a score must be finite, but is NaN")
    frame = np.searchsorted(pts, boxes.frame)
    unknown = frame >= len(pts)
    unknown[~unknown] = pts[frame[~unknown]] != boxes.frame[~unknown]
    if unknown.any():
        raise ModelError(
            f"expected boxes only in processed frames, but {int(unknown.sum())} lie elsewhere, the "
            f"first at pts {int(boxes.frame[unknown][0])}: detect the video again"
        )
    return replace(boxes, frame=frame)


def tracked_video(detections: pa.Table, tracks: pa.Table, camera: pa.Table) -> TrackedVideo:
    """Return one video from its rows of the tables `detections`, `tracks` and `camera`.

    Raises:
        ModelError: if a box or a score is invalid, or a box lies in no processed frame.
    """
    pts, track_id = camera["pts"].to_numpy(), tracks["track_id"].to_numpy()
    started = np.zeros(int(track_id.max(initial=-1)) + 1, bool)
    started[track_id] = tracks["started"].to_numpy(zero_copy_only=False)
    shift_xy = np.stack([camera["shift_x"].to_numpy(), camera["shift_y"].to_numpy()], axis=1)
    return TrackedVideo(
        detected_boxes(detections, pts),
        Tracks(track_id, started),
        pts,
        tuple(shot_starts(camera["shot"].to_numpy())),
        shift_or_none(shift_xy),
    )


def shot_starts(shot: Ints) -> list[int]:
    """Return the frames with which a new shot begins, from each frame's shot, ``(frames,)``."""
    starts: list[int] = (np.flatnonzero(np.diff(shot)) + 1).tolist()
    return starts


def shift_or_none(shift_xy: Floats) -> Floats | None:
    """Return camera motion, ``(frames, 2)``, or None if the camera never moves."""
    return shift_xy if shift_xy.any() else None


@dataclass(frozen=True)
class Footage:
    """What rows of evidence name beside the boxes.

    Attributes:
        video_id: the video.
        size_wh: width and height of its pictures in pixels.
        names: class names by class id.
        frame_index: ``(frames,)`` position of each processed frame among the decoded frames.
    """

    video_id: str
    size_wh: tuple[int, int]
    names: Sequence[str]
    frame_index: Ints


def evidence_rows(found: Found, video: TrackedVideo, footage: Footage) -> pa.Table:
    """Return evidence about detections, and the boxes that were found in gaps, as a table."""
    writer = _Writer(video, footage)
    rows = [row for row in writer.rows(found) if row]
    rows.sort(key=lambda row: tuple(row[name] for name in _ORDER))
    return EVIDENCE.from_rows(rows)


class _Writer:
    """Makes the rows of one video."""

    def __init__(self, video: TrackedVideo, footage: Footage) -> None:
        self.video, self.footage = video, footage
        self.xyxy, self.visible = visible_parts(video.boxes.xyxy, footage.size_wh)

    def rows(self, found: Found) -> Iterator[Row]:
        """Yield the rows of all evidence; an empty one stands for a box that is not visible."""
        yield from (self._flicker(each) for each in found.flickers)
        yield from (row for each in found.repeats for row in self._static(each))
        yield from (self._gap(each) for each in found.gaps)
        yield from (self._confirmed(each) for each in found.confirmed)

    def _detection(self, row: int, **values: Any) -> Row:
        """Return the row about a detection."""
        if not self.visible[row]:
            return {}
        boxes = self.video.boxes
        return {
            **self._place(int(boxes.frame[row]), self.xyxy[row]),
            "category": self.footage.names[boxes.class_id[row]],
            "score": float(boxes.score[row]),
            "detection": row,
            "track_id": int(self.video.tracks.track_id[row]),
            **values,
        }

    def _place(self, frame: int, xyxy: Any) -> Row:
        x1, y1, x2, y2 = xyxy.tolist()
        return {
            "video_id": self.footage.video_id,
            "pts": int(self.video.pts[frame]),
            "frame_index": int(self.footage.frame_index[frame]),
            "x1": x1,
            "y1": y1,
            "x2": x2,
            "y2": y2,
        }

    def _flicker(self, found: Flicker) -> Row:
        taken = [value for value in found.similarity if not np.isnan(value)]
        count = f"no box supports it in {len(found.frames)} frames around"
        return self._detection(
            found.row,
            kind=found.kind,
            similarity=float(np.median(taken)) if taken else None,
            frames=self.video.pts[list(found.frames)].tolist(),
            reason=f"{count}; its place was found again in {found.found_again}",
        )

    def _static(self, found: StaticRepeat) -> Iterator[Row]:
        count = f"{len(found.rows)} boxes at one place, in {found.fill:.0%} of the frames"
        least = min(found.similarity)
        score = f"median score {found.score:.2f}; the picture there stays {least:.2f}"
        frames = self.video.pts[list(found.frames)].tolist()
        for row in found.rows:
            yield self._detection(
                row, kind=STATIC, similarity=least, frames=frames, reason=f"{count}, {score}"
            )

    def _gap(self, box: GapBox) -> Row:
        (xyxy,), (visible,) = visible_parts(box.xyxy[None], self.footage.size_wh)
        if not visible:
            return {}
        a, b = box.similarity
        boxes = self.video.boxes
        return {
            **self._place(box.frame, xyxy),
            "category": self.footage.names[boxes.class_id[box.rows[0]]],
            "score": box.score,
            "kind": GAP,
            "detection": -1,
            "track_id": box.track_id,
            "similarity": min(a, b),
            "frames": self.video.pts[boxes.frame[list(box.rows)]].tolist(),
            "between": list(box.rows),
            "reason": f"found from before ({a:.2f}) and behind ({b:.2f}), IoU {box.agreement:.2f}",
        }

    def _confirmed(self, box: ConfirmedBox) -> Row:
        ends = list(box.rows)
        a, b = self.video.boxes.score[ends].tolist()
        why = f"weak, but confident before ({a:.2f}) and behind ({b:.2f}) on the same track"
        if box.agreement is not None:
            why = f"weak, but optical flow leads to it from before ({a:.2f}) and behind ({b:.2f})"
            why += f", IoU {box.agreement:.2f}"
        return self._detection(
            box.row,
            kind=GAP,
            similarity=None,
            frames=self.video.pts[self.video.boxes.frame[ends]].tolist(),
            between=ends,
            reason=why,
        )


def smoothed_rows(tracks: SmoothedTracks, video: TrackedVideo, footage: Footage) -> pa.Table:
    """Return smoothed boxes as evidence; those that are hardly visible are left out."""
    xyxy, visible = visible_parts(tracks.smoothed.xyxy, footage.size_wh)
    columns = _smoothed_columns(tracks, video, footage) | xyxy_columns(xyxy)
    rows = EVIDENCE.build(columns)
    return rows if visible.all() else rows.filter(pa.array(visible))


def _smoothed_columns(
    tracks: SmoothedTracks, video: TrackedVideo, footage: Footage
) -> dict[str, object]:
    count, smoothed = len(tracks.frame), tracks.smoothed
    starts = np.arange(0, 2 * count + 1, 2, dtype=np.int32)
    return {
        "video_id": repeated_text(footage.video_id, count),
        "pts": video.pts[tracks.frame],
        "frame_index": footage.frame_index[tracks.frame],
        "category": chosen_texts(footage.names, tracks.class_id),
        "score": tracks.score,
        "kind": repeated_text(SMOOTH, count),
        "detection": smoothed.row,
        "track_id": smoothed.track_id,
        "similarity": _overlap(smoothed, video),
        "sigma": smoothed.sigma_cxcywh[:, :2].max(axis=1),
        "frames": pa.ListArray.from_arrays(starts, video.pts[tracks.ends].ravel()),
        "between": pa.nulls(count, EVIDENCE.schema.field("between").type),
        "reason": chosen_texts(
            ("filled by smoothing", "smoothed"), smoothed.observed.astype(np.int64)
        ),
    }


def _overlap(smoothed: Smoothed, video: TrackedVideo) -> pa.Array:
    """Return the overlap of smoothed boxes with their detections, null where there is none."""
    found = paired_iou(video.boxes.xyxy[smoothed.row], smoothed.xyxy.astype(np.float32))
    # Zeros below the nulls, as a filter leaves them: the digest of a table depends on its bytes.
    found = np.where(smoothed.observed, found, np.float32(0))
    return pa.array(found, pa.float32(), mask=~smoothed.observed)
