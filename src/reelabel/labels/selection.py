"""Which frames of a video go into the data set.

Frames that sampling rejected stay out. So do those for which a near-duplicate stands, unless
temporal evidence found hard examples in them. Frames with hard examples that were never sampled are
added, and so is every frame in which a person drew. Of frames without positive labels only those
are taken that are background (`reelabel.labels.background`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reelabel.data.states import GAP, NEGATIVE, PERSON, POSITIVE, TEACHER
from reelabel.tables import Row

LabelsByPts = Mapping[int, Sequence[Row]]
"""Time stamp -> rows of the table `labels`."""


def by_pts(labels: Iterable[Row]) -> dict[int, list[Row]]:
    """Return the labels of each frame, in their order."""
    found: dict[int, list[Row]] = {}
    for label in labels:
        found.setdefault(label["pts"], []).append(label)
    return found


def telling_rows(labels: pa.Table) -> pa.Table:
    """Return the rows of the table `labels` that matter to which frames are chosen."""
    origin, state = labels["origin"], labels["state"]
    negative = pc.and_(pc.equal(state, NEGATIVE), pc.equal(origin, TEACHER))
    found = pc.and_(pc.equal(state, POSITIVE), pc.equal(labels["rule"], GAP))
    return labels.filter(pc.or_(pc.or_(negative, found), pc.equal(origin, PERSON)))


def annotated_pts(frames: Iterable[Row], classes: Collection[str]) -> set[int]:
    """Return the time stamps of the frames in which a person annotated all classes.

    Args:
        frames: rows of the table `imported_frames`.
        classes: the class names of the workspace.
    """
    return {
        frame["pts"]
        for frame in frames
        if frame["complete"] is None or set(classes) <= set(frame["complete"])
    }


def sampled_frames(
    frames: Iterable[Row],
    labels: LabelsByPts,
    dropped: Collection[int],
    annotated: Collection[int] = (),
    *,
    hard_frames: bool,
) -> list[Row]:
    """Return the sampled frames that go into the data set.

    Args:
        frames: rows of the table `frames`.
        labels: the labels of each frame.
        dropped: time stamps of frames for which a near-duplicate stands.
        annotated: time stamps of frames that a person annotated completely.
        hard_frames: whether hard examples bring a dropped frame back.
    """
    gone = set(dropped) - set(annotated)
    return [
        frame
        for frame in frames
        if frame["kept"] and _belongs(frame["pts"], labels, gone, hard_frames=hard_frames)
    ]


def _belongs(pts: int, labels: LabelsByPts, dropped: Collection[int], *, hard_frames: bool) -> bool:
    rows = labels.get(pts, ())
    hard = hard_frames and any(map(is_hard, rows))
    return hard or any(map(is_drawn, rows)) or pts not in dropped


def unsampled_pts(
    frames: Sequence[Row],
    labels: LabelsByPts,
    annotated: Collection[int] = (),
    *,
    hard_frames_max: int,
) -> list[int]:
    """Return the time stamps of frames to add: drawn in by a person, or never sampled and hard.

    Args:
        frames: rows of the table `frames`, also those that were rejected.
        labels: the labels of each frame.
        annotated: time stamps of frames that a person annotated completely, with boxes or without.
        hard_frames_max: so many frames with hard examples at most; more are thinned evenly.
    """
    known = {frame["pts"] for frame in frames}
    kept = {frame["pts"] for frame in frames if frame["kept"]}
    drawn = {p for p, rows in labels.items() if any(map(is_drawn, rows))} | set(annotated)
    drawn -= kept
    new = {p: rows for p, rows in labels.items() if p not in known | drawn}
    hard = sorted(p for p, rows in new.items() if any(map(is_hard, rows)))
    if len(hard) > hard_frames_max:
        hard = [hard[i] for i in np.linspace(0, len(hard) - 1, hard_frames_max).astype(int)]
    return sorted({*drawn, *hard})


def is_drawn(label: Row) -> bool:
    """Return whether a person made this label: it is trained on, whatever was sampled."""
    return bool(label["origin"] == PERSON)


def is_hard(label: Row) -> bool:
    """Return whether temporal evidence made this label, in this round or an earlier one."""
    negative = label["state"] == NEGATIVE and label["origin"] == TEACHER
    return bool(negative or (label["state"] == POSITIVE and label["rule"] == GAP))
