"""Box rules: the state of each detection for training, and why.

Each rule tests all boxes of one video at once. The first rule that applies to a box decides, in the
order of the table, except that `overlap` also drops boxes which are ignored already. A box to which
no rule applies is positive.

| rule | applies when | state |
|---|---|---|
| `outside` | the visible part is too small to be a label | dropped |
| `score` | below the floor | dropped |
| `score` | between the floor and the class's threshold | ignore |
| `area` | smaller or larger than allowed | ignore |
| `aspect` | one side is more than `max_aspect` times the other | ignore |
| `border` | reaches the picture's edge: the object is truncated | ignore |
| `overlap` | a better box of the frame covers it | dropped |
| `nested` | lies almost wholly inside a better box of its class, or holds one | ignore |
| `max_per_frame` | more boxes of a frame than allowed, the best are kept | ignore |

*Ignore* is for a box under which an object may well be: it contributes no loss.
*Dropped* is for what is no evidence of an object: noise, or a second box around an object that has
one already; the place becomes background again, or belongs to the better box.
*Negative* is never decided by a rule: it takes temporal evidence or a person.
`RuleSettings.states` changes the state that a rule leads to, `outside` excepted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from reelabel.config import Settings
from reelabel.data.box_pairs import pairs_within
from reelabel.data.boxes import (
    Bools,
    Floats,
    Ints,
    area,
    paired_containment,
    paired_iou,
    visible_parts,
)
from reelabel.data.sequence import BoxSequence
from reelabel.data.states import (
    DECISIONS,
    DROPPED,
    FLICKER,
    GAP,
    IGNORE,
    NEGATIVE,
    POSITIVE,
    STATIC,
    UNSUPPORTED,
    Decision,
)
from reelabel.errors import nearest
from reelabel.tables.columns import Texts, equal_texts

RULES = ("score", "area", "aspect", "border", "overlap", "nested", "max_per_frame")
"""The rules whose state can be changed."""
_OUTSIDE = "outside"
_LARGE = 1_000_000_000  # above any hundredths of a score or threshold
_AT_ONCE = 100_000  # boxes whose reasons are made at once
_DEFAULT_STATES = {_OUTSIDE: DROPPED, "overlap": DROPPED}
EVIDENCE_STATES = {GAP: POSITIVE, UNSUPPORTED: IGNORE, FLICKER: NEGATIVE, STATIC: NEGATIVE}
"""The state that temporal evidence about a detection leads to; of several kinds the last counts."""


class RuleSettings(Settings):
    """The rules that decide about boxes."""

    score: float = Field(0.5, ge=0, le=1)
    """Positive from this score on."""
    score_per_class: dict[str, Annotated[float, Field(ge=0, le=1)]] = Field(default_factory=dict)
    """The same for single classes, such as ball=0.4."""
    floor: float = Field(0.05, ge=0, le=1)
    """Between this and the threshold a box is ignored; below it is background."""
    min_area_px: float | None = Field(None, ge=0)
    """Smallest area in square pixels of the video; smaller ones are ignored."""
    max_area_px: float | None = Field(None, gt=0)
    """Largest area in square pixels of the video; larger ones are ignored."""
    min_area_share: float | None = Field(None, ge=0, le=1)
    """Smallest area as a share of the picture, 0 to 1."""
    max_area_share: float | None = Field(None, gt=0, le=1)
    """Largest area as a share of the picture, 0 to 1."""
    max_aspect: float | None = Field(None, ge=1)
    """Longer side over shorter side, at most."""
    border_px: float | None = Field(None, ge=0)
    """Ignore boxes that come this near to the picture's edge, in pixels."""
    overlap_iou: float | None = Field(0.8, gt=0, le=1)
    """Of boxes of one class that overlap more than this, only the better one stays."""
    overlap_keeps: Literal["score", "area"] = "score"
    """Which of them is better: the one with the higher score, or the larger one."""
    overlap_across_classes: bool = False
    """Compare boxes of different classes too."""
    nested_share: float | None = Field(0.95, gt=0, le=1)
    """Of two positives of one class, where so much of the smaller one lies inside the larger one,
    the less trusted is ignored, unless a track confirms it. None: no such rule."""
    nested_min_size: float = Field(0.4, ge=0, le=1)
    """Smaller boxes than this share of the larger one's area are objects of their own, such as a
    person far behind another."""
    max_per_frame: int | None = Field(None, ge=1)
    """Boxes per frame and class, at most; the others are ignored."""
    states: dict[str, Decision] = Field(default_factory=dict)
    """The state that a rule leads to instead, such as border=dropped or area=negative; also for
    temporal evidence: unsupported, flicker, static and gap."""

    @field_validator("states", mode="before")
    @classmethod
    def known(cls, states: Any) -> Any:
        """Refuse unknown rules, kinds of evidence and states, with the nearest name."""
        for rule, state in states.items() if isinstance(states, dict) else ():
            for word, known in ((rule, (*RULES, *EVIDENCE_STATES)), (state, DECISIONS)):
                if word not in known:
                    raise ValueError(
                        f"has {', '.join(known)}, but got '{word}'{nearest(str(word), known)}"
                    )
        return states


@dataclass(frozen=True)
class Decisions:
    """What was decided about each box, in the order of the boxes.

    Attributes:
        state: ``(n,)`` one of `reelabel.data.states.DECISIONS`.
        rule: ``(n,)`` what decided; a positive box names "score", the rule that accepted it.
        reason: ``(n,)`` for people, such as ``score 0.31 < 0.50``.
    """

    state: Texts
    rule: Texts
    reason: Texts

    def copies(self) -> tuple[Texts, Texts, Texts]:
        """Return copies of the three, to be changed."""
        return self.state.copy(), self.rule.copy(), self.reason.copy()


@dataclass(frozen=True)
class RuleInput:
    """What rules decide about.

    Attributes:
        boxes: ``(n,)`` boxes of one video; a number for each frame.
        names: class names by class id.
        size_wh: width and height of the pictures in pixels.
    """

    boxes: BoxSequence
    names: Sequence[str]
    size_wh: tuple[int, int]


def apply_rules(
    boxes: RuleInput, settings: RuleSettings, trusted: Bools | None = None
) -> Decisions:
    """Return a state, a rule and a reason for each box.

    Args:
        boxes: ``(n,)`` boxes of one video.
        settings: the thresholds.
        trusted: ``(n,)`` boxes that need no score, because temporal evidence confirms them.

    The result of a box does not depend on the order in which the boxes are given. Thresholds are
    compared in float32, as scores are stored: a stored 0.7 reaches a threshold of 0.7.
    """
    trusted = np.zeros(len(boxes.boxes), bool) if trusted is None else trusted
    state = _RuleState(boxes, settings, trusted)
    state.by_visibility()
    state.by_score()
    state.by_area()
    state.by_aspect()
    state.by_border()
    state.by_overlap()
    state.by_nesting(spared=trusted)
    state.by_count()
    return state.decisions()


class _RuleState:
    """The state of each box while rule after rule is applied."""

    def __init__(self, boxes: RuleInput, settings: RuleSettings, trusted: Bools) -> None:
        self.boxes, self.size_wh = boxes.boxes, boxes.size_wh
        self.settings = settings
        self.xyxy, self.visible = visible_parts(self.boxes.xyxy, self.size_wh)
        self.area = area(self.xyxy)
        thresholds = np.array([
            settings.score_per_class.get(n, settings.score) for n in boxes.names
        ])
        per_box = thresholds.astype(np.float32)[self.boxes.class_id]
        self.threshold: Floats = np.where(trusted, np.float32(0), per_box)
        self.state = equal_texts(POSITIVE, len(self.boxes))
        self.rule = equal_texts("score", len(self.boxes))
        self.reason = _accepted(self.boxes.score, self.threshold)
        self.undecided = np.ones(len(self.boxes), bool)

    def decisions(self) -> Decisions:
        return Decisions(self.state, self.rule, self.reason)

    def by_visibility(self) -> None:
        sides = self.xyxy[:, 2:] - self.xyxy[:, :2]
        self._apply(
            _OUTSIDE,
            ~self.visible,
            lambda i: f"only {sides[i, 0]:.3g} x {sides[i, 1]:.3g} px lie in the picture",
        )

    def by_score(self) -> None:
        score, floor = self.boxes.score, np.float32(self.settings.floor)
        noise = (score < floor) & (score < self.threshold)
        self._apply("score", noise, lambda i: f"score {_below(score[i], floor)}", DROPPED)
        low = score < self.threshold
        self._apply("score", low, lambda i: f"score {_below(score[i], self.threshold[i])}")

    def by_area(self) -> None:
        w, h = self.size_wh
        share = self.area / np.float32(max(w * h, 1))
        for least, most, value, unit in (
            (self.settings.min_area_px, self.settings.max_area_px, self.area, "px"),
            (self.settings.min_area_share, self.settings.max_area_share, share, "of the picture"),
        ):
            if least is not None:
                below = _compares("area", value, "<", f"{least:g} {unit}")
                self._apply("area", value < least, below)
            if most is not None:
                above = _compares("area", value, ">", f"{most:g} {unit}")
                self._apply("area", value > most, above)

    def by_aspect(self) -> None:
        if self.settings.max_aspect is None:
            return
        sides = np.maximum(self.xyxy[:, 2:] - self.xyxy[:, :2], 1e-6)
        aspect = sides.max(axis=1) / sides.min(axis=1)
        most = self.settings.max_aspect
        self._apply("aspect", aspect > most, _compares("aspect", aspect, ">", f"{most:g}"))

    def by_border(self) -> None:
        if self.settings.border_px is None:
            return
        xyxy, (w, h) = self.xyxy, self.size_wh
        gap = np.concatenate([xyxy[:, :2], np.array([w, h], np.float32) - xyxy[:, 2:]], axis=1)
        side = ("left", "top", "right", "bottom")
        nearest_side = gap.argmin(axis=1)
        self._apply(
            "border",
            gap.min(axis=1) <= self.settings.border_px,
            lambda i: f"{gap[i].min():.0f} px from the {side[nearest_side[i]]} edge",
        )

    def by_overlap(self) -> None:
        if self.settings.overlap_iou is None:
            return
        goodness = self.area if self.settings.overlap_keeps == "area" else self.boxes.score
        alive = np.flatnonzero(self.state != DROPPED)
        # A positive is never dropped for a box that another rule ignores.
        rank = self._rank(goodness)
        order = alive[np.argsort(rank[alive])]
        across = self.settings.overlap_across_classes
        groups = list(self._groups(order, by_class=not across))
        if groups:
            self._suppress(groups, self.settings.overlap_iou)

    def _suppress(self, groups: Sequence[Ints], most: float) -> None:
        """Drop from the boxes of each group, best first, those that a better one covers."""
        gone = np.zeros(len(self.boxes), bool)
        for better, worse, overlap in _covering(self.xyxy, groups, most):
            if not gone[better] and not gone[worse]:
                gone[worse] = True
                reason = f"IoU {overlap:.2f} > {most:.2f} with a better box"
                self._decide(np.array([worse]), "overlap", [reason])

    def by_nesting(self, *, spared: Bools) -> None:
        """Ignore the less trusted of two positives of one class that lie in one another.

        Args:
            spared: ``(n,)`` boxes that a track confirms as objects of their own.
        """
        if self.settings.nested_share is None:
            return
        rank = self._rank(self.boxes.score)
        alive = np.flatnonzero(self.state == POSITIVE)
        groups = list(self._groups(alive[np.argsort(rank[alive])], by_class=True))
        gone = np.zeros(len(self.boxes), bool)
        for better, worse, share in self._nested(groups, self.settings.nested_share):
            if not gone[better] and not gone[worse] and not spared[worse]:
                gone[worse] = True
                how = "lies inside" if self.area[worse] <= self.area[better] else "holds"
                reason = f"{how} a better box of its class: {share:.0%} of the smaller one"
                self._decide(np.array([worse]), "nested", [reason])

    def _nested(
        self, groups: Sequence[Ints], least: float
    ) -> Iterator[tuple[int, int, np.float32]]:
        """Yield pairs of one group that lie in one another: the better, the worse, the share."""
        least_size = self.settings.nested_min_size
        for better, worse in pairs_within(groups):
            a, b = self.area[better], self.area[worse]
            alike = np.minimum(a, b) / np.maximum(np.maximum(a, b), 1e-9) >= least_size
            share = paired_containment(self.xyxy[better], self.xyxy[worse])
            for at in np.flatnonzero((share >= least) & alike).tolist():
                yield int(better[at]), int(worse[at]), share[at]

    def by_count(self) -> None:
        if self.settings.max_per_frame is None:
            return
        most = self.settings.max_per_frame
        rank = self._rank(self.boxes.score)
        alive = np.flatnonzero(self.state == POSITIVE)
        for group in self._groups(alive[np.argsort(rank[alive])], by_class=True):
            surplus = group[most:]
            reasons = [f"rank {most + 1 + k} > {most} in its frame" for k in range(len(surplus))]
            self._decide(surplus, "max_per_frame", reasons)

    def _rank(self, goodness: Floats) -> Ints:
        """Return each box's rank, best first; ties depend on the boxes, not on their order."""
        order = self._by_score
        for key in (-goodness, self.state != POSITIVE):
            order = order[np.argsort(key[order], kind="stable")]
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        return rank

    @cached_property
    def _by_score(self) -> Ints:
        """Return the boxes in the order of their scores, then of what is their own."""
        x1, y1, x2, y2 = self.xyxy.T
        keys = (self.boxes.class_id, y2, x2, y1, x1, -self.area, -self.boxes.score)
        order: Ints = np.argsort(keys[-1], kind="stable")
        # Few scores are equal: only their boxes are sorted by all keys. NaN counts as equal to NaN.
        score = keys[-1][order]
        same = np.concatenate([[False], ~(score[1:] > score[:-1]), [False]])
        tied = np.flatnonzero(same[:-1] | same[1:])
        order[tied] = order[tied][np.lexsort([key[order[tied]] for key in keys])]
        return order

    def _groups(self, order: Ints, *, by_class: bool) -> Iterator[Ints]:
        """Yield the boxes of each frame (and class) that has more than one, in the given order."""
        ids = self.boxes.class_id[order] if by_class else np.zeros(len(order), np.int64)
        frame = self.boxes.frame[order]
        by_frame = np.lexsort((ids, frame))
        frame, ids, ordered = frame[by_frame], ids[by_frame], order[by_frame]
        ends = np.flatnonzero((np.diff(frame) != 0) | (np.diff(ids) != 0)) + 1
        for group in np.split(ordered, ends):
            if len(group) > 1:
                yield group

    def _apply(self, rule: str, mask: Bools, reason: Any, state: str | None = None) -> None:
        """Apply a rule to boxes about which none has decided yet."""
        which = np.flatnonzero(mask & self.undecided)
        self._decide(which, rule, [reason(i) for i in which], state)

    def _decide(self, which: Ints, rule: str, reasons: list[str], state: str | None = None) -> None:
        default = state or _DEFAULT_STATES.get(rule, IGNORE)
        self.state[which] = default if state else self.settings.states.get(rule, default)
        self.rule[which] = rule
        self.reason[which] = reasons
        self.undecided[which] = False


def _accepted(score: Floats, threshold: Floats) -> Texts:
    """Return ``score 0.83 >= 0.50`` of each box; most equal texts are one object."""
    found: Texts = np.empty(len(score), object)
    for part in (slice(low, low + _AT_ONCE) for low in range(0, len(score), _AT_ONCE)):
        # Hundredths of a float32 are exact enough in double precision to be rounded as text is.
        both = np.stack([score[part], threshold[part]]).astype(np.float64)
        hundredths = np.rint(both * 100).astype(np.int64)
        pairs, position = np.unique(hundredths[0] * _LARGE + hundredths[1], return_inverse=True)
        each = (divmod(pair, _LARGE) for pair in pairs.tolist())
        texts = np.array([f"score {s / 100:.2f} >= {t / 100:.2f}" for s, t in each], object)
        found[part] = texts[position.reshape(-1)]
    return found


def _covering(
    xyxy: Floats, groups: Sequence[Ints], most: float
) -> Iterator[tuple[int, int, np.float32]]:
    """Yield pairs of one group that overlap by more than `most`: the better box, the worse, IoU."""
    for better, worse in pairs_within(groups):
        overlap = paired_iou(xyxy[better], xyxy[worse])
        for at in np.flatnonzero(overlap > most).tolist():
            yield int(better[at]), int(worse[at]), overlap[at]


def _below(value: Any, least: Any) -> str:
    """Return ``0.31 < 0.50`` with as many digits as it takes to see the difference."""
    for digits in (2, 3, 4, 6):
        if f"{value:.{digits}f}" != f"{least:.{digits}f}":
            break
    return f"{value:.{digits}f} < {least:.{digits}f}"


def _compares(what: str, value: NDArray[Any], sign: str, bound: str) -> Any:
    return lambda i: f"{what} {value[i]:.4g} {sign} {bound}"
