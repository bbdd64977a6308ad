"""Which frames without positive labels are background, and which are unlabelled.

That nothing was found in a frame does not show that nothing is there: the teacher may have missed
the object. A frame is background only if all of this holds; otherwise it is unlabelled.

| reason | a frame is unlabelled if |
|---|---|
| `not processed` | the teacher did not process it |
| `detection` | a detection of it that is no hard negative reaches `max_score` |
| `track` | a track has positive labels before and after it |
| `near` | a positive label of its shot lies within `near_s`, or two around it within `gap_s` of each other |
"""  # noqa: E501 -- a table row

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import pyarrow as pa
from pydantic import Field

from reelabel.config import Settings
from reelabel.data.boxes import Boxes
from reelabel.data.sequence import Bools, BoxSequence, Floats, Ints, covered, rows_by_track
from reelabel.data.states import IGNORE, NEGATIVE, PERSON, POSITIVE
from reelabel.tables.boxes import boxes_of, class_names
from reelabel.tables.columns import Texts

NOT_PROCESSED: Final = "not processed"
DETECTION: Final = "detection"
ON_TRACK: Final = "track"
NEAR: Final = "near"
NO_EVIDENCE: Final = "no detector"
"""Where drawn boxes take the place of a detector nothing shows that a frame is background."""
REASONS = (NOT_PROCESSED, DETECTION, ON_TRACK, NEAR)
"""Why a frame is unlabelled; of several reasons the first counts."""
_SAME_IOU = 0.5  # from this overlap on a detection and a label are of one object
_TICK_S = 1e-6  # times are sums of rounded numbers


class BackgroundSettings(Settings):
    """When a frame without positive labels is background. Else it is unlabelled and left out."""

    by_evidence: bool = False
    """Take a frame as background only on evidence, for teachers that miss objects for long. Off:
    every frame without positive labels."""
    max_score: float = Field(0.2, ge=0, le=1)
    """A background frame has no detection that reaches this score, hard negatives aside."""
    around_ignored: bool = False
    """Take a frame with an ignored region as background around that, whatever else is known: what
    is doubtful in it is out of the loss already."""
    near_s: float = Field(0.25, ge=0)
    """A background frame has no positive label of its shot within so many seconds."""
    gap_s: float = Field(1.0, ge=0)
    """Nor two labels around it at most so many seconds apart: a miss is more likely then."""


@dataclass(frozen=True)
class TeacherPass:
    """What the teacher's pass over one video left.

    Attributes:
        pts: ``(n,)`` rising time stamps of the frames that it processed.
        shot: ``(n,)`` the shot of each.
        detections: ``(m,)`` all that it found, down to a low score, with time stamps as frames.
        track_id: ``(m,)`` the track of each, -1 for none.
        time_base: seconds per tick of a time stamp.
    """

    pts: Ints
    shot: Ints
    detections: BoxSequence
    track_id: Ints
    time_base: float

    @classmethod
    def of(
        cls,
        seen: pa.Table,
        detections: pa.Table,
        *,
        camera: pa.Table,
        tracks: pa.Table,
        time_base: float,
    ) -> Self:
        """Return one video's rows of the tables `seen` and `detections`.

        Args:
            seen: the frames that were processed.
            detections: what was found in them.
            camera: the shots of these frames; without rows all are one shot.
            tracks: of the detections, in the same order; without rows there are none.
            time_base: seconds per tick of a time stamp.
        """
        pts = np.sort(seen["pts"].to_numpy())
        shot, track_id = np.zeros(len(pts), np.int64), np.full(len(detections), -1)
        if len(camera) and len(pts):
            at = np.searchsorted(camera["pts"].to_numpy(), pts, side="right") - 1
            shot = camera["shot"].to_numpy().astype(np.int64)[np.maximum(at, 0)]
        if len(tracks):
            track_id = tracks["track_id"].to_numpy().astype(np.int64)
        return cls(pts, shot, boxes_of(detections, class_names(detections)), track_id, time_base)

    def shot_of(self, pts: Ints) -> Ints:
        """Return the shot of time stamps, also between processed frames: ``(k,)`` -> ``(k,)``."""
        if not len(self.pts):
            return np.zeros(len(pts), np.int64)
        at = np.searchsorted(self.pts, pts, side="right") - 1
        found: Ints = self.shot[np.maximum(at, 0)]
        return found


def needs_evidence(boxes: Boxes) -> bool:
    """Return whether a frame with these labels is background only on evidence.

    Positive labels and hard negatives are evidence themselves, and so is what a person drew.
    """
    drawn = boxes.origin is not None and bool((boxes.origin == PERSON).any())
    known = boxes.has_state(POSITIVE) | boxes.has_state(NEGATIVE)
    return not (drawn or known.any())


def unlabelled_reasons(
    pts: Ints, labels: BoxSequence, teacher: TeacherPass, settings: BackgroundSettings
) -> Texts:
    """Return why frames without positive labels are unlabelled.

    Args:
        pts: ``(k,)`` time stamps of the frames.
        labels: all labels of the video, with states and time stamps as frames.
        teacher: what its pass over the video left.
        settings: what counts as evidence.

    Returns:
        ``(k,)`` one of `REASONS` for each frame, empty for background.
    """
    state = labels.boxes.state
    if state is None:
        raise ValueError("labels need states, but have none")
    positive, negative = labels[state == POSITIVE], labels[state == NEGATIVE]
    found = {
        NEAR: _near(pts, positive.frame, teacher, settings),
        ON_TRACK: _on_track(pts, positive, teacher),
        DETECTION: np.isin(pts, _with_detection(negative, teacher, settings.max_score)),
        NOT_PROCESSED: ~np.isin(pts, teacher.pts),
    }
    reasons: Texts = np.full(len(pts), "", object)
    for reason in reversed(REASONS):
        reasons[found[reason]] = reason
    if settings.around_ignored:
        reasons[np.isin(pts, labels.frame[state == IGNORE]) & ~found[NOT_PROCESSED]] = ""
    return reasons


def _with_detection(negative: BoxSequence, teacher: TeacherPass, least: float) -> Ints:
    """Return the time stamps of detections that may be objects."""
    strong = teacher.detections[teacher.detections.score >= np.float32(least)]
    return strong.frame[~covered(strong, negative, _SAME_IOU)]


def _on_track(pts: Ints, positive: BoxSequence, teacher: TeacherPass) -> Bools:
    """Return which frames lie between the first and the last positive label of a track."""
    tracked = covered(teacher.detections, positive, _SAME_IOU) & (teacher.track_id >= 0)
    frame = teacher.detections.frame[tracked]
    rows = rows_by_track(teacher.track_id[tracked], frame)
    spans = np.array([(frame[some[0]], frame[some[-1]]) for some in rows], np.int64)
    first, last = np.sort(spans.reshape(-1, 2), axis=0).T
    begun = np.searchsorted(first, pts, side="left")
    ended = np.searchsorted(last, pts, side="right")
    on_track: Bools = begun > ended
    return on_track


def _near(pts: Ints, positive: Ints, teacher: TeacherPass, settings: BackgroundSettings) -> Bools:
    """Return which frames have a positive label near in time, or one soon on either side."""
    labelled = np.unique(positive)
    before = _seconds_to(pts, labelled, np.searchsorted(labelled, pts, side="right") - 1, teacher)
    after = _seconds_to(pts, labelled, np.searchsorted(labelled, pts, side="left"), teacher)
    near = np.minimum(before, after) <= settings.near_s + _TICK_S
    return near | (before + after <= settings.gap_s + _TICK_S)


def _seconds_to(pts: Ints, labelled: Ints, at: Ints, teacher: TeacherPass) -> Floats:
    """Return the seconds to the labelled frame at each position, infinite in another shot."""
    seconds = np.full(len(pts), np.inf)
    there = (at >= 0) & (at < len(labelled))
    other = labelled[at[there]]
    apart = np.abs(other - pts[there]) * teacher.time_base
    same = teacher.shot_of(other) == teacher.shot_of(pts[there])
    seconds[there] = np.where(same, apart, np.inf)
    return seconds
