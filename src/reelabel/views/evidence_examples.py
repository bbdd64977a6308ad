"""Evidence as findings: rows that are one observation, such as all boxes of one gap."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reelabel.config import Config
from reelabel.data.states import FLICKER, GAP, SMOOTH, STATIC, UNSUPPORTED
from reelabel.media.draw import Colour
from reelabel.tables import DETECTIONS, Row
from reelabel.workspace import Workspace

KINDS = {
    FLICKER: "a sure box that nothing supports before or after, although its place was found"
    " again there",
    UNSUPPORTED: "a sure box without support, which the pictures can neither support nor refute",
    GAP: "boxes of a track that the teacher missed or was unsure of, held from both ends",
    STATIC: "a weak, blinking box at one place of a picture that never changes",
    SMOOTH: "where a track's boxes are when smoothed, each with its standard deviation",
}
"""Kind of evidence -> what was seen."""

FIRST = {
    FLICKER: "surest",
    UNSUPPORTED: "surest",
    GAP: "least sure",
    STATIC: "most frequent",
    SMOOTH: "least sure",
}
"""Kind of evidence -> which findings come first."""

COLOURS: dict[str, Colour] = {
    FLICKER: (240, 70, 60),
    UNSUPPORTED: (255, 165, 0),
    GAP: (60, 200, 90),
    STATIC: (215, 90, 230),
    SMOOTH: (70, 170, 255),
}
"""Colour in which each kind is drawn."""


@dataclass(frozen=True)
class Finding:
    """One observation.

    Attributes:
        kind: as in `KINDS`.
        rows: its rows of the table `evidence`, by time. Of a smoothed track only the least sure.
        shown: the row that is shown: of a gap the least confident, of a static repeat the most.
        rank: sorts findings of a kind, see `FIRST`.
    """

    kind: str
    rows: tuple[Row, ...]
    shown: Row
    rank: float

    @property
    def at(self) -> tuple[int, ...]:
        """Time stamps of its boxes."""
        return tuple(row["pts"] for row in self.rows)

    @property
    def many(self) -> str:
        """How many boxes a gap has, in words; other reasons state that themselves."""
        more = self.kind == GAP and len(self.rows) > 1
        return f", {len(self.rows)} boxes" if more else ""

    @property
    def frames(self) -> tuple[int, ...]:
        """Time stamps of the frames that it rests on, sorted."""
        return tuple(sorted(self.shown["frames"]))


def findings(evidence: pa.Table, kind: str) -> list[Finding]:
    """Return the findings of one kind in one video's evidence, best to look at first.

    Args:
        evidence: the shard of one video.
        kind: as in `KINDS`.
    """
    rows = evidence.filter(pc.equal(evidence["kind"], kind))
    if kind == SMOOTH:
        rows = _least_sure(rows)
    groups: dict[Any, list[Row]] = {}
    for row in rows.to_pylist():
        groups.setdefault(_same(row), []).append(row)
    found = [_finding(kind, sorted(group, key=lambda r: r["pts"])) for group in groups.values()]
    return sorted(found, key=lambda one: (one.rank, one.at))


def spread(found: dict[str, list[Finding]], most: int) -> Iterator[tuple[str, Finding]]:
    """Yield up to `most` findings over all videos: each one's best first, then each one's next.

    Args:
        found: video id -> its findings, best first.
        most: how many.
    """
    turns = [(turn, one.rank, v, one) for v, some in found.items() for turn, one in enumerate(some)]
    for _, _, video_id, one in sorted(turns, key=lambda t: t[:3])[:most]:
        yield video_id, one


def supporting_detections(
    workspace: Workspace, number: int, video_id: str, *, min_score: float, but: Collection[int] = ()
) -> pa.Table:
    """Return the detections of a video that may support others: all but the weakest.

    Args:
        workspace: the workspace.
        number: of the round.
        video_id: the video.
        min_score: the least score of a supporting detection, 0..1.
        but: rows of the table `detections` to leave out.
    """
    if video_id not in workspace.shards(DETECTIONS, number):
        return DETECTIONS.empty()
    rows = workspace.read(DETECTIONS, video_id, number)
    others = np.isin(np.arange(len(rows)), list(but), invert=True)
    strong = rows["score"].to_numpy() >= min_score
    return rows.filter(pa.array(others & strong))


def support_score(config: Config) -> float:
    """Return the least score of a detection that may support others, 0..1."""
    settings: Any = config.stages["mine"]
    return float(settings.flicker.support_score)


def _same(row: Row) -> Any:
    """Return what rows of one finding share."""
    if row["kind"] in (GAP, SMOOTH):
        return row["track_id"], *row["frames"]
    if row["kind"] == STATIC:
        return row["category"], row["reason"], *row["frames"]
    return row["detection"]


def _finding(kind: str, rows: list[Row]) -> Finding:
    if kind == GAP:
        shown = min(rows, key=_confidence)
        return Finding(kind, tuple(rows), shown, _confidence(shown))
    if kind == SMOOTH:
        return Finding(kind, tuple(rows), rows[0], -rows[0]["sigma"])
    shown = max(rows, key=lambda r: r["score"])
    rank = -float(len(rows)) if kind == STATIC else -shown["score"]
    return Finding(kind, tuple(rows), shown, rank)


def _confidence(row: Row) -> float:
    """Return the confidence of a box in a gap: similarity of the pictures, else its score."""
    return float(row["score"] if row["similarity"] is None else row["similarity"])


def _least_sure(rows: pa.Table) -> pa.Table:
    """Return of each smoothed track the row with the largest standard deviation."""
    track, sigma = rows["track_id"].to_numpy(), rows["sigma"].to_numpy()
    order = np.lexsort((rows["pts"].to_numpy(), -sigma, track))
    _, first = np.unique(track[order], return_index=True)
    return rows.take(pa.array(order[first]))
