"""Merging the labels of a new round with those of the round before.

Frame by frame: where only one round has labels, they stand. Where both have, the policy decides.
Labels of a person or of ground truth (`PROTECTED`) always stand, and what covers one is left out.

| policy | where both rounds have labels in a frame |
|---|---|
| `new` | the new round's labels only |
| `old` | the old round's labels only |
| `higher_score` | of two labels of one object the higher score; labels without a match stay |
| `fuse` | two labels of one class and state are fused into one box; others as `higher_score` |
| `ignore` | labels that agree: the new one; labels that contradict each other, and positive labels without a match, become ignore regions |

Two labels are of one object if their overlap reaches `match_iou`; pairs are made one to one, the
largest overlap first.
"""  # noqa: E501 -- a table row

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from reelabel.data.box_groups import mean_boxes, pulls
from reelabel.data.boxes import Bools, Boxes, Floats, Ints, Strings, iou
from reelabel.data.sequence import BoxSequence
from reelabel.data.states import GROUND_TRUTH, IGNORE, PERSON, POSITIVE
from reelabel.errors import UsageError, nearest
from reelabel.tables.columns import Texts

POLICIES = ("new", "old", "higher_score", "fuse", "ignore")
PROTECTED = (PERSON, GROUND_TRUTH)
MERGED_BY = "merge:"
"""What the rule of a label begins with on which a policy decided; the policy follows."""


@dataclass(frozen=True)
class Labels:
    """Labels of one video.

    Attributes:
        boxes: ``(n,)`` boxes with time stamps as frames, with states and origins.
        round: ``(n,)`` int64, the round that made each.
        rule, reason: ``(n,)`` strings, what decided its state, as a word and as a sentence.

    Raises:
        ValueError: if the lengths do not agree, or states or origins are missing.
    """

    boxes: BoxSequence
    round: Ints
    rule: Texts
    reason: Texts

    def __post_init__(self) -> None:
        if self.boxes.boxes.state is None or self.boxes.boxes.origin is None:
            raise ValueError("labels need boxes with states and origins, but one of them is None")
        for name in ("round", "rule", "reason"):
            shape = getattr(self, name).shape
            if shape != (len(self.boxes),):
                raise ValueError(f"{name} must have shape {(len(self.boxes),)}, but got {shape}")

    @property
    def pts(self) -> Ints:
        """``(n,)`` int64, the time stamp of each label's frame."""
        return self.boxes.frame

    @property
    def state(self) -> Strings:
        """``(n,)`` states for training."""
        assert self.boxes.boxes.state is not None  # noqa: S101 -- checked when it was made
        return self.boxes.boxes.state

    @property
    def origin(self) -> Strings:
        """``(n,)`` origins."""
        assert self.boxes.boxes.origin is not None  # noqa: S101 -- checked when it was made
        return self.boxes.boxes.origin

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, which: Bools | Ints) -> Labels:
        columns = (self.round[which], self.rule[which], self.reason[which])
        return Labels(self.boxes[which], *columns)

    def changed(self, **columns: Any) -> Labels:
        """Return the labels with fields of `reelabel.data.boxes.Boxes` replaced."""
        boxes = replace(self.boxes.boxes, **columns)
        return replace(self, boxes=replace(self.boxes, boxes=boxes))

    @classmethod
    def empty(cls) -> Labels:
        """Return no labels."""
        none, words, texts = Boxes.empty(), np.zeros(0, np.str_), np.zeros(0, object)
        boxes = replace(none, state=words, origin=words)
        number = np.zeros(0, np.int64)
        return cls(BoxSequence(number, boxes), number, texts, texts)

    @classmethod
    def concatenated(cls, parts: Sequence[Labels]) -> Labels:
        """Return the labels of all parts, one part after the other."""
        parts = [part for part in parts if len(part)]
        if not parts:
            return cls.empty()
        return cls(
            BoxSequence.concatenated([part.boxes for part in parts]),
            *(
                np.concatenate([getattr(part, name) for part in parts])
                for name in ("round", "rule", "reason")
            ),
        )


@dataclass(frozen=True)
class _Made:
    """One row of the result: the row it comes from and what merging changed."""

    row: int
    rule: str
    reason: str
    state: str | None = None
    xyxy: Floats | None = None
    score: float | None = None


def merge_labels(
    old: Labels,
    new: Labels,
    names: Sequence[str],
    *,
    policy: str = "new",
    match_iou: float = 0.5,
) -> Labels:
    """Return one set of labels out of two rounds, ordered by frame, then by place.

    Each label keeps its origin, its round and its reason; where merging decided, ``rule`` is
    ``merge:<policy>`` and the reason states what happened, followed by the reason before.

    Args:
        old: the labels of the round before.
        new: the labels of this round.
        names: class names by class id.
        policy: one of `POLICIES`.
        match_iou: overlap in 0..1 from which two labels are of one object.

    Raises:
        UsageError: if the policy is unknown.
    """
    if policy not in POLICIES:
        raise UsageError(
            f"a policy is one of {', '.join(POLICIES)}, but got {policy!r}"
            f"{nearest(policy, POLICIES)}"
        )
    rows = Labels.concatenated([old, new])
    is_new = np.arange(len(rows)) >= len(old)
    frames = np.unique(rows.pts)
    protected = np.isin(rows.origin, PROTECTED).any()
    if not protected and not len(old):
        return in_order(rows)
    if not protected and policy == "new":
        return in_order(_replaced(rows, is_new, new.pts))
    made: list[_Made] = []
    merger = _Merger(rows, names, policy, match_iou)
    for (ours, theirs), both in zip(
        _by_frame(rows.pts, is_new), np.isin(frames, new.pts), strict=True
    ):
        made += merger.frame(ours, theirs, both=bool(both))
    return in_order(_applied(rows, made))


def _replaced(rows: Labels, is_new: Bools, processed: Ints) -> Labels:
    """Return what the policy `new` leaves where no label is protected."""
    beside_old = np.isin(rows.pts, rows.pts[~is_new])
    missed = ~is_new & np.isin(rows.pts, processed, invert=True)
    why = np.select(
        [missed, is_new & beside_old],
        ["the new round has no label here", "replaces the round before"],
        "",
    ).astype(object)
    kept = is_new | missed
    decided = why != ""
    between = np.where(decided & (rows.reason != ""), "; ", "").astype(object)
    rule = np.where(decided, f"{MERGED_BY}new", rows.rule)
    return replace(rows, rule=rule, reason=why + between + rows.reason)[kept]


def in_order(labels: Labels) -> Labels:
    """Return labels by frame, place, class and state: an order that depends on nothing else."""
    x1, y1, x2, y2 = labels.boxes.xyxy.T
    keys = (labels.state, labels.boxes.class_id, y2, x2, y1, x1, labels.pts)
    return labels[np.lexsort(keys)]


class _Merger:
    """Merges the labels of one frame after the other."""

    def __init__(self, rows: Labels, names: Sequence[str], policy: str, match_iou: float) -> None:
        self.rows = rows
        self.xyxy, self.score = rows.boxes.xyxy, rows.boxes.score
        self.class_id = rows.boxes.class_id
        self.names = names
        self.policy = policy
        self.match_iou = match_iou

    def frame(self, old: Ints, new: Ints, *, both: bool) -> Iterator[_Made]:
        """Yield what remains of the labels of one frame; ``both``: the new round processed it."""
        protected, old, new = self._protected(old, new)
        yield from (self._kept(i, "stands") for i in protected)
        if not both:
            yield from (self._kept(i, "the new round has no label here") for i in old)
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
            if self.policy == "ignore" and self.rows.state[k] == POSITIVE:
                yield self._ignored(k, "the other round has no label here")
            else:
                yield self._kept(k, "the other round has no label here")

    def _pair(self, i: int, j: int, overlap: float) -> Iterator[_Made]:
        """Decide between an old label i and a new label j of one object."""
        rows, how = self.rows, f"IoU {overlap:.2f}"
        agree = self.class_id[i] == self.class_id[j] and rows.state[i] == rows.state[j]
        if self.policy == "ignore" and not agree:
            for k, other in ((i, j), (j, i)):
                against = f"{rows.state[other]} {self.names[self.class_id[other]]}"
                yield self._ignored(k, f"against {against} of round {rows.round[other]}, {how}")
        elif self.policy == "ignore":
            yield self._kept(j, f"agrees with round {rows.round[i]}, {how}")
        elif self.policy == "fuse" and agree:
            yield self._fused(i, j, how)
        else:
            best, other = (i, j) if self.score[i] > self.score[j] else (j, i)
            scores = f"score {self.score[best]:.2f} against {self.score[other]:.2f}"
            yield self._kept(best, f"{scores} of round {rows.round[other]}, {how}")

    def _protected(self, old: Ints, new: Ints) -> tuple[list[int], Ints, Ints]:
        """Return the protected labels, each once, and the others that do not cover one."""
        both = np.concatenate([new, old])
        protected: list[int] = []
        for i in both[np.isin(self.rows.origin[both], PROTECTED)]:
            if not any(self._same(int(i), k) for k in protected):
                protected.append(int(i))
        return protected, self._free(old, protected), self._free(new, protected)

    def _free(self, which: Ints, protected: list[int]) -> Ints:
        which = which[~np.isin(self.rows.origin[which], PROTECTED)]
        if not protected or not len(which):
            return which
        overlap = iou(self.xyxy[which], self.xyxy[protected])
        free: Ints = which[overlap.max(axis=1) < self.match_iou]
        return free

    def _same(self, i: int, k: int) -> bool:
        state = self.rows.state
        alike = self.class_id[i] == self.class_id[k] and state[i] == state[k]
        return bool(alike and (self.xyxy[i] == self.xyxy[k]).all())

    def _pairs(self, old: Ints, new: Ints) -> list[tuple[int, int, float]]:
        overlap = iou(self.xyxy[old], self.xyxy[new])
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

    def _fused(self, i: int, j: int, how: str) -> _Made:
        pair = [i, j]
        score = self.score[pair]
        mean = mean_boxes(self.xyxy[pair], pulls(score), np.zeros(2, np.int64))[0]
        reason = f"fused with round {self.rows.round[i]}, {how}"
        return replace(self._kept(j, reason), xyxy=mean, score=float(score.mean()))

    def _ignored(self, i: int, why: str) -> _Made:
        return replace(self._kept(i, why), state=IGNORE)

    def _kept(self, i: int, why: str | None) -> _Made:
        before = str(self.rows.reason[i])
        if why is None:
            return _Made(int(i), str(self.rows.rule[i]), before)
        return _Made(int(i), f"{MERGED_BY}{self.policy}", f"{why}; {before}" if before else why)


def _by_frame(pts: Ints, is_new: Bools) -> Iterator[tuple[Ints, Ints]]:
    """Yield the old and the new labels of each frame, frames in order."""
    order = np.argsort(pts, kind="stable")
    for group in np.split(order, np.flatnonzero(np.diff(pts[order])) + 1):
        if len(group):
            yield group[~is_new[group]], group[is_new[group]]


def _applied(rows: Labels, made: list[_Made]) -> Labels:
    kept = rows[np.array([m.row for m in made], np.int64)]
    xyxy, score = kept.boxes.xyxy.copy(), kept.boxes.score.copy()
    for at, m in enumerate(made):
        if m.xyxy is not None and m.score is not None:
            xyxy[at], score[at] = m.xyxy, m.score
    state = [m.state or str(s) for m, s in zip(made, kept.state, strict=True)]
    return replace(
        kept.changed(xyxy=xyxy, score=score, state=np.array(state, dtype=str)),
        rule=np.array([m.rule for m in made], object),
        reason=np.array([m.reason for m in made], object),
    )
