"""Merging the labels of a new round with those of the round before.

Frame by frame: where only one side speaks, its rows stand. Where both speak, the policy decides.
Rows of a person or of ground truth (`PROTECTED`) always stand, and whatever lies over one yields.

| policy | where both rounds speak of a frame |
|---|---|
| `new` | the new round's rows only |
| `old` | the old round's rows only |
| `higher_score` | of two rows over one object the higher score; rows that stand alone stay |
| `fuse` | two rows of one class and state are fused into one box; others as `higher_score` |
| `ignore` | rows that agree: the new one; rows that contradict each other, and positive rows that the other side does not know, become ignore regions |

Two rows are over one object if their overlap reaches `match_iou`; pairs are made one to one, the
largest overlap first.
"""  # noqa: E501 -- a table row

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from reelabel.data.boxes import iou
from reelabel.errors import UsageError, nearest
from reelabel.labels.fusion import fuse_boxes

Ints = NDArray[np.int64]
Strings = NDArray[np.str_]

POLICIES = ("new", "old", "higher_score", "fuse", "ignore")
PROTECTED = ("person", "truth")


@dataclass(frozen=True)
class LabelRows:
    """Labels of one video, one row for each box.

    Attributes:
        pts: ``(n,)`` int64; xyxy: ``(n, 4)`` float32; score: ``(n,)`` float32.
        class_name, state, origin: ``(n,)`` strings; origin is "model", "tracker", "person",
            "truth" or whatever else made the row.
        round: ``(n,)`` int64, the round that made it.
        rule, reason: ``(n,)`` strings, why it is what it is.

    Raises:
        ValueError: if the shapes do not agree.
    """

    pts: Ints
    xyxy: NDArray[np.float32]
    score: NDArray[np.float32]
    class_name: Strings
    state: Strings
    origin: Strings
    round: Ints
    rule: Strings
    reason: Strings

    def __post_init__(self) -> None:
        for column in fields(self):
            shape = getattr(self, column.name).shape
            wanted = (len(self.pts), 4) if column.name == "xyxy" else (len(self.pts),)
            if shape != wanted:
                raise ValueError(f"{column.name} must have shape {wanted}, but got {shape}")

    def __len__(self) -> int:
        return len(self.pts)

    def __getitem__(self, which: NDArray[np.bool_] | Ints) -> LabelRows:
        return LabelRows(*(getattr(self, column.name)[which] for column in fields(self)))

    @classmethod
    def joined(cls, parts: list[LabelRows]) -> LabelRows:
        """Return the rows of all parts, one after the other."""
        names = [column.name for column in fields(cls)]
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


@dataclass(frozen=True)
class _Made:
    """One row of the result: the row it comes from and what merging changed."""

    row: int
    rule: str
    reason: str
    state: str | None = None
    xyxy: NDArray[np.float32] | None = None
    score: float | None = None


def merge_labels(
    old: LabelRows,
    new: LabelRows,
    *,
    policy: str = "new",
    match_iou: float = 0.5,
    new_frames: Ints | None = None,
) -> LabelRows:
    """Return one set of labels out of two rounds, ordered by frame, then by place.

    Each row keeps its origin, its round and its reason; where merging decided, ``rule`` is
    ``merge:<policy>`` and the reason says what happened and keeps what was said before.

    Args:
        old: the labels of the round before.
        new: the labels of this round.
        policy: one of `POLICIES`.
        match_iou: overlap in 0..1 from which two rows are over one object.
        new_frames: pts of frames of which the new round speaks even where it has no row (it
            looked and found nothing). None: it speaks where it has rows.

    Raises:
        UsageError: if the policy is unknown.
    """
    if policy not in POLICIES:
        raise UsageError(
            f"a policy is one of {', '.join(POLICIES)}, but got {policy!r}"
            f"{nearest(policy, POLICIES)}"
        )
    rows = LabelRows.joined([old, new])
    is_new = np.arange(len(rows)) >= len(old)
    frames = np.unique(rows.pts)
    speaks = np.isin(frames, new.pts if new_frames is None else np.union1d(new.pts, new_frames))
    made: list[_Made] = []
    merger = _Merger(rows, policy, match_iou)
    for (ours, theirs), both in zip(_by_frame(rows.pts, is_new), speaks, strict=True):
        made += merger.frame(ours, theirs, both=bool(both))
    return _sorted(_applied(rows, made))


class _Merger:
    """Merges the rows of one frame after the other."""

    def __init__(self, rows: LabelRows, policy: str, match_iou: float) -> None:
        self.rows = rows
        self.policy = policy
        self.match_iou = match_iou

    def frame(self, old: Ints, new: Ints, *, both: bool) -> Iterator[_Made]:
        """Yield what stands of the rows of one frame; ``both``: the new round speaks of it."""
        held, old, new = self._protected(old, new)
        yield from (self._kept(i, "stands") for i in held)
        if not both:
            yield from (self._kept(i, "the new round is silent here") for i in old)
        elif not len(old):
            yield from (self._kept(i, None) for i in new)
        elif self.policy == "new":
            yield from (self._kept(i, "replaces the round before") for i in new)
        elif self.policy == "old":
            yield from (self._kept(i, "is not replaced") for i in old)
        else:
            yield from self._pairwise(old, new)

    def _pairwise(self, old: Ints, new: Ints) -> Iterator[_Made]:
        pairs = self._pairs(old, new)
        for i, j, overlap in pairs:
            yield from self._pair(i, j, overlap)
        matched = {k for i, j, _ in pairs for k in (i, j)}
        for k in (int(k) for k in (*old, *new) if int(k) not in matched):
            if self.policy == "ignore" and self.rows.state[k] == "positive":
                yield self._ignored(k, "the other round has nothing here")
            else:
                yield self._kept(k, "the other round has nothing here")

    def _pair(self, i: int, j: int, overlap: float) -> Iterator[_Made]:
        """Decide between an old row i and a new row j over one object."""
        rows, said = self.rows, f"IoU {overlap:.2f}"
        agree = rows.class_name[i] == rows.class_name[j] and rows.state[i] == rows.state[j]
        if self.policy == "ignore" and not agree:
            for k, other in ((i, j), (j, i)):
                against = f"{rows.state[other]} {rows.class_name[other]}"
                yield self._ignored(k, f"against {against} of round {rows.round[other]}, {said}")
        elif self.policy == "ignore":
            yield self._kept(j, f"agrees with round {rows.round[i]}, {said}")
        elif self.policy == "fuse" and agree:
            yield self._fused(i, j, said)
        else:
            best, other = (i, j) if rows.score[i] > rows.score[j] else (j, i)
            scores = f"score {rows.score[best]:.2f} against {rows.score[other]:.2f}"
            yield self._kept(best, f"{scores} of round {rows.round[other]}, {said}")

    def _protected(self, old: Ints, new: Ints) -> tuple[list[int], Ints, Ints]:
        """Return the protected rows, each once, and the others that do not lie over one."""
        both = np.concatenate([new, old])
        held: list[int] = []
        for i in both[np.isin(self.rows.origin[both], PROTECTED)]:
            if not any(self._same(int(i), k) for k in held):
                held.append(int(i))
        return held, self._free(old, held), self._free(new, held)

    def _free(self, which: Ints, held: list[int]) -> Ints:
        which = which[~np.isin(self.rows.origin[which], PROTECTED)]
        if not held or not len(which):
            return which
        overlap = iou(self.rows.xyxy[which], self.rows.xyxy[held])
        free: Ints = which[overlap.max(axis=1) < self.match_iou]
        return free

    def _same(self, i: int, k: int) -> bool:
        rows = self.rows
        named = rows.class_name[i] == rows.class_name[k] and rows.state[i] == rows.state[k]
        return bool(named and (rows.xyxy[i] == rows.xyxy[k]).all())

    def _pairs(self, old: Ints, new: Ints) -> list[tuple[int, int, float]]:
        overlap = iou(self.rows.xyxy[old], self.rows.xyxy[new])
        taken_old, taken_new = np.zeros(len(old), bool), np.zeros(len(new), bool)
        pairs = []
        for flat in np.argsort(-overlap, axis=None, kind="stable"):
            i, j = divmod(int(flat), overlap.shape[1])
            if overlap[i, j] < self.match_iou:
                break
            if not taken_old[i] and not taken_new[j]:
                taken_old[i] = taken_new[j] = True
                pairs.append((int(old[i]), int(new[j]), float(overlap[i, j])))
        return pairs

    def _fused(self, i: int, j: int, said: str) -> _Made:
        rows = self.rows
        fused = fuse_boxes(rows.xyxy[[i, j]], rows.score[[i, j]], n_sources=2, iou_threshold=-1)
        reason = f"fused with round {rows.round[i]}, {said}"
        return replace(self._kept(j, reason), xyxy=fused.xyxy[0], score=float(fused.score[0]))

    def _ignored(self, i: int, why: str) -> _Made:
        return replace(self._kept(i, why), state="ignore")

    def _kept(self, i: int, why: str | None) -> _Made:
        before = str(self.rows.reason[i])
        if why is None:
            return _Made(int(i), str(self.rows.rule[i]), before)
        return _Made(int(i), f"merge:{self.policy}", f"{why}; {before}" if before else why)


def _by_frame(pts: Ints, is_new: NDArray[np.bool_]) -> Iterator[tuple[Ints, Ints]]:
    """Yield the old and the new rows of each frame, frames in order."""
    order = np.argsort(pts, kind="stable")
    for group in np.split(order, np.flatnonzero(np.diff(pts[order])) + 1):
        if len(group):
            yield group[~is_new[group]], group[is_new[group]]


def _applied(rows: LabelRows, made: list[_Made]) -> LabelRows:
    kept = rows[np.array([m.row for m in made], np.int64)]
    xyxy, score = kept.xyxy.copy(), kept.score.copy()
    for at, m in enumerate(made):
        if m.xyxy is not None and m.score is not None:
            xyxy[at], score[at] = m.xyxy, m.score
    state = [m.state or str(s) for m, s in zip(made, kept.state, strict=True)]
    return replace(
        kept,
        xyxy=xyxy,
        score=score,
        state=np.array(state, dtype="U8"),
        rule=np.array([m.rule for m in made], dtype=str),
        reason=np.array([m.reason for m in made], dtype=str),
    )


def _sorted(rows: LabelRows) -> LabelRows:
    x1, y1, x2, y2 = rows.xyxy.T
    return rows[np.lexsort((rows.state, rows.class_name, y2, x2, y1, x1, rows.pts))]
