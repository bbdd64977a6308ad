"""Classes between tables and memory: class names become ids here, and names again here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from reelabel.data.boxes import Floats, Ints, Strings
from reelabel.data.claims import Claims, SpanClaims
from reelabel.data.classes import Moments, Predictions
from reelabel.data.video import Video
from reelabel.tables.base import Row, Table
from reelabel.tables.classes import PREDICTIONS

IS, IS_NOT = "is", "is_not"


def claimed(row: Row) -> str:
    """Return what a row claims as text: the name of its class, after ``not`` if it is denied."""
    return str(row["category"] if row["claim"] == IS else f"not {row['category']}")


def moments_of(table: pa.Table) -> Moments:
    """Return the moments ``(rows,)`` of a table, in the order of its rows."""
    return Moments(
        _strings(table, "video_id"), table["pts"].to_numpy(), table["until_pts"].to_numpy()
    )


def times_s(moments: Moments, video: Video) -> NDArray[np.float64]:
    """Return the seconds ``(n, 2)`` of the first and the last frame of a video's moments."""
    ticks = np.stack((moments.pts, moments.until_pts), axis=1) - video.start_pts
    return ticks.astype(np.float64) * np.float64(video.time_base)


def spans_of(table: pa.Table, names: Sequence[str]) -> SpanClaims:
    """Return one video's rows of tags, or of classes that people gave.

    Rows of classes that are not among `names` are left out.
    """
    ids = _ids(table, names)
    known = ids >= 0
    start_s = table["start_s"].to_numpy(zero_copy_only=False).astype(np.float64)
    end_s = table["end_s"].to_numpy(zero_copy_only=False).astype(np.float64)
    return SpanClaims(
        ids[known],
        (_strings(table, "claim") == IS)[known],
        np.where(np.isnan(start_s), -np.inf, start_s)[known],
        np.where(np.isnan(end_s), np.inf, end_s)[known],
        _strings(table, "source")[known],
    )


def claims_of(table: pa.Table, names: Sequence[str], round_number: int | None = None) -> Claims:
    """Return one video's rows of candidates or labels; classes no longer known are left out.

    Args:
        table: the rows.
        names: class names by class id.
        round_number: the round of all rows; None if the table has a column for it.
    """
    ids = _ids(table, names)
    rounds = table["round"].to_numpy() if round_number is None else round_number
    found = Claims(
        moments=moments_of(table),
        class_id=ids,
        right=_strings(table, "claim") == IS,
        state=_strings(table, "state"),
        probability=table["probability"].to_numpy().astype(np.float32),
        suggested=_strings(table, "suggested"),
        origin=_strings(table, "origin"),
        rule=_strings(table, "rule"),
        reason=_strings(table, "reason"),
        round=np.full(len(table), rounds).astype(np.int64),
    )
    return found[ids >= 0]


def claim_table(claims: Claims, names: Sequence[str], table: Table) -> pa.Table:
    """Return claims as the rows of candidates or of labels."""
    columns: dict[str, Any] = {
        "video_id": claims.moments.video.tolist(),
        "pts": claims.moments.pts,
        "until_pts": claims.moments.until_pts,
        "category": [names[i] for i in claims.class_id.tolist()],
        "claim": np.where(claims.right, IS, IS_NOT).tolist(),
        "probability": claims.probability,
        "round": claims.round,
    }
    texts = ("state", "suggested", "origin", "rule", "reason")
    columns |= {name: getattr(claims, name).tolist() for name in texts}
    return table.build({name: columns[name] for name in table.schema.names})


def prediction_table(predictions: Predictions, names: Sequence[str]) -> pa.Table:
    """Return class probabilities as rows of the table `predictions`, one per moment and class."""
    moments, k = predictions.moments, len(names)
    return PREDICTIONS.build({
        "video_id": np.repeat(moments.video, k).tolist(),
        "pts": np.repeat(moments.pts, k),
        "until_pts": np.repeat(moments.until_pts, k),
        "category": [*names] * len(moments),
        "probability": predictions.probability.reshape(-1),
    })


def predictions_of(table: pa.Table, names: Sequence[str]) -> Predictions:
    """Return what `prediction_table` wrote; a class without rows has probability 0."""
    moments = moments_of(table)
    _, first, row = np.unique(
        np.stack((moments.pts, moments.until_pts), axis=1),
        axis=0,
        return_index=True,
        return_inverse=True,
    )
    found: Floats = np.zeros((len(first), len(names)), np.float32)
    ids = _ids(table, names)
    known = ids >= 0
    found[row.reshape(-1)[known], ids[known]] = table["probability"].to_numpy()[known]
    return Predictions(moments[first], found)


def _ids(table: pa.Table, names: Sequence[str]) -> Ints:
    """Return the class id of each row ``(n,)``, -1 for a class that is not among the names."""
    position = {name: i for i, name in enumerate(names)}
    return np.array([position.get(name, -1) for name in table["category"].to_pylist()], np.int64)


def _strings(table: pa.Table, name: str) -> Strings:
    return np.array(table[name].to_pylist(), dtype=np.str_)
