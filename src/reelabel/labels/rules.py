"""Box rules: what each detection is to the training, and why.

Each rule looks at all boxes of one video at once. The first rule that speaks about a box decides,
in the order of the table, except that `overlap` also drops boxes which are ignored already. A box
that no rule speaks about is positive.

| rule | speaks when | state |
|---|---|---|
| `class` | the class is not wanted | dropped |
| `score` | below the floor | dropped |
| `score` | between the floor and the class's threshold | ignore |
| `area` | smaller or larger than allowed | ignore |
| `aspect` | one side is more than `max_aspect` times the other | ignore |
| `border` | reaches the picture's edge: the object is cut off | ignore |
| `overlap` | a better box of the frame covers it | dropped |
| `max_per_frame` | more boxes of a frame than allowed, the best are kept | ignore |

*Ignore* is for a box under which something may well be: the training learns nothing there.
*Dropped* is for what says nothing: the wrong class, noise, or a second box around an object that
has one already; the place becomes background again, or belongs to the better box.
*Negative* is never a rule's word: only evidence from time or a person says that nothing is there.
`RuleSettings.states` changes the state that a rule leads to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reelabel.data.boxes import area, iou
from reelabel.errors import UsageError, nearest

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Strings = NDArray[np.str_]

STATES = ("positive", "ignore", "negative", "dropped")
RULES = ("class", "score", "area", "aspect", "border", "overlap", "max_per_frame")
_DEFAULT_STATES = {"class": "dropped", "overlap": "dropped"}


@dataclass(frozen=True)
class FrameBoxes:
    """All boxes of one video.

    Attributes:
        pts: ``(n,)`` int64, the frame that each box is in.
        xyxy: ``(n, 4)`` float32 in pixels, right and bottom exclusive.
        score: ``(n,)`` float32 in 0..1.
        class_name: ``(n,)`` strings.
        size_wh: width and height of the pictures in pixels.

    Raises:
        ValueError: if the shapes do not agree.
    """

    pts: Ints
    xyxy: Floats
    score: Floats
    class_name: Strings
    size_wh: tuple[int, int]

    def __post_init__(self) -> None:
        n = len(self.pts)
        columns = (("pts", ()), ("xyxy", (4,)), ("score", ()), ("class_name", ()))
        for name, rest in columns:
            shape = getattr(self, name).shape
            if shape != (n, *rest):
                raise ValueError(f"{name} must have shape {(n, *rest)}, but got {shape}")

    def __len__(self) -> int:
        return len(self.pts)


@dataclass(frozen=True)
class RuleSettings:
    """What the rules ask of a box. None switches a rule off.

    Attributes:
        score: threshold in 0..1 from which a box is positive.
        score_per_class: other thresholds for some classes.
        floor: score below which a box is dropped instead of ignored.
        classes: the wanted class names.
        min_area_px: least area in square pixels; max_area_px: largest.
        min_area_share: least area as a share 0..1 of the picture; max_area_share: largest.
        max_aspect: largest of width / height and height / width.
        border_px: distance in pixels from the picture's edge within which a box is cut off.
        overlap_iou: intersection over union above which the worse of two boxes goes.
        overlap_keeps: which box is the better one: "score" or "area", the larger.
        overlap_across_classes: compare boxes of different classes too.
        max_per_frame: most boxes of one class in one frame.
        states: rule name -> state, where it shall lead to another than the table above says.

    Raises:
        UsageError: if a value is outside its range or a name is unknown.
    """

    score: float = 0.5
    score_per_class: Mapping[str, float] = field(default_factory=dict)
    floor: float = 0.1
    classes: tuple[str, ...] | None = None
    min_area_px: float | None = None
    max_area_px: float | None = None
    min_area_share: float | None = None
    max_area_share: float | None = None
    max_aspect: float | None = None
    border_px: float | None = None
    overlap_iou: float | None = None
    overlap_keeps: str = "score"
    overlap_across_classes: bool = False
    max_per_frame: int | None = None
    states: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("score", "floor", "min_area_share", "max_area_share", "overlap_iou"):
            _in_range(name, getattr(self, name), high=1.0)
        for name in ("min_area_px", "max_area_px", "border_px", "max_per_frame"):
            _in_range(name, getattr(self, name))
        for name, threshold in self.score_per_class.items():
            _in_range(f"score_per_class[{name!r}]", threshold, high=1.0)
        _in_range("max_aspect", self.max_aspect, low=1.0)
        _known("overlap_keeps", self.overlap_keeps, ("score", "area"))
        for rule, state in self.states.items():
            _known("states", rule, RULES)
            _known(f"states[{rule!r}]", state, STATES)


@dataclass(frozen=True)
class Verdicts:
    """What the rules say of each box, in the order of the boxes.

    Attributes:
        state: ``(n,)`` one of `STATES`.
        rule: ``(n,)`` one of `RULES`; a positive box names "score", the rule that let it in.
        reason: ``(n,)`` for people, such as ``score 0.31 < 0.50``.
    """

    state: Strings
    rule: Strings
    reason: Strings


def apply_rules(
    boxes: FrameBoxes, settings: RuleSettings, trusted: Bools | None = None
) -> Verdicts:
    """Return a state, a rule and a reason for each box.

    Args:
        boxes: the boxes of one video.
        settings: the thresholds.
        trusted: ``(n,)`` boxes that need no score, because something else speaks for them.

    The result of a box does not depend on the order in which the boxes are given. Thresholds are
    compared in float32, as scores are stored: a stored 0.7 reaches a threshold of 0.7.
    """
    asked = _Hearing(boxes, settings, np.zeros(len(boxes), bool) if trusted is None else trusted)
    asked.by_class()
    asked.by_score()
    asked.by_area()
    asked.by_aspect()
    asked.by_border()
    asked.by_overlap()
    asked.by_count()
    return asked.verdicts()


class _Hearing:
    """The state of each box while rule after rule is asked."""

    def __init__(self, boxes: FrameBoxes, settings: RuleSettings, trusted: Bools) -> None:
        self.boxes = boxes
        self.settings = settings
        self.area = area(boxes.xyxy)
        self.threshold = np.where(trusted, 0, _thresholds(boxes.class_name, settings))
        self.state = np.full(len(boxes), "positive", "U8")
        self.rule = np.full(len(boxes), "score", "U16")
        self.reason = np.array(
            [f"score {s:.2f} >= {t:.2f}" for s, t in zip(boxes.score, self.threshold, strict=True)],
            dtype=object,
        )
        self.silent = np.ones(len(boxes), bool)

    def verdicts(self) -> Verdicts:
        return Verdicts(self.state, self.rule, self.reason.astype(str))

    def by_class(self) -> None:
        if self.settings.classes is None:
            return
        names = self.boxes.class_name
        self._say("class", ~np.isin(names, self.settings.classes), lambda i: f"{names[i]}: unasked")

    def by_score(self) -> None:
        score, floor = self.boxes.score, np.float32(self.settings.floor)
        noise = (score < floor) & (score < self.threshold)
        self._say("score", noise, lambda i: f"score {_below(score[i], floor)}", "dropped")
        doubtful = score < self.threshold
        self._say("score", doubtful, lambda i: f"score {_below(score[i], self.threshold[i])}")

    def by_area(self) -> None:
        w, h = self.boxes.size_wh
        share = self.area / np.float32(max(w * h, 1))
        for least, most, value, unit in (
            (self.settings.min_area_px, self.settings.max_area_px, self.area, "px"),
            (self.settings.min_area_share, self.settings.max_area_share, share, "of the picture"),
        ):
            if least is not None:
                self._say("area", value < least, _compares("area", value, "<", f"{least:g} {unit}"))
            if most is not None:
                self._say("area", value > most, _compares("area", value, ">", f"{most:g} {unit}"))

    def by_aspect(self) -> None:
        if self.settings.max_aspect is None:
            return
        sides = np.maximum(self.boxes.xyxy[:, 2:] - self.boxes.xyxy[:, :2], 1e-6)
        aspect = sides.max(axis=1) / sides.min(axis=1)
        most = self.settings.max_aspect
        self._say("aspect", aspect > most, _compares("aspect", aspect, ">", f"{most:g}"))

    def by_border(self) -> None:
        if self.settings.border_px is None:
            return
        xyxy, (w, h) = self.boxes.xyxy, self.boxes.size_wh
        gap = np.concatenate([xyxy[:, :2], np.array([w, h], np.float32) - xyxy[:, 2:]], axis=1)
        side = ("left", "top", "right", "bottom")
        nearest_side = gap.argmin(axis=1)
        self._say(
            "border",
            gap.min(axis=1) <= self.settings.border_px,
            lambda i: f"{gap[i].min():.0f} px from the {side[nearest_side[i]]} edge",
        )

    def by_overlap(self) -> None:
        if self.settings.overlap_iou is None:
            return
        goodness = self.area if self.settings.overlap_keeps == "area" else self.boxes.score
        alive = np.flatnonzero(self.state != "dropped")
        # A positive never yields to a box that another rule has already doubted.
        rank = _order(self.boxes, goodness, self.state != "positive")
        order = alive[np.argsort(rank[alive])]
        across = self.settings.overlap_across_classes
        for group in _groups(self.boxes, order, by_class=not across):
            self._prune(group)

    def _prune(self, group: Ints) -> None:
        """Drop from boxes of one frame, best first, those that a better one covers."""
        overlap = iou(self.boxes.xyxy[group], self.boxes.xyxy[group])
        most = self.settings.overlap_iou
        gone = np.zeros(len(group), bool)
        for i in range(len(group)):
            if gone[i]:
                continue
            covered = np.flatnonzero((overlap[i] > most) & ~gone)
            covered = covered[covered > i]
            gone[covered] = True
            for j in covered:
                reason = f"IoU {overlap[i, j]:.2f} > {most:.2f} with a better box"
                self._decide(group[j : j + 1], "overlap", [reason])

    def by_count(self) -> None:
        if self.settings.max_per_frame is None:
            return
        most = self.settings.max_per_frame
        rank = _order(self.boxes, self.boxes.score, self.state != "positive")
        alive = np.flatnonzero(self.state == "positive")
        for group in _groups(self.boxes, alive[np.argsort(rank[alive])], by_class=True):
            surplus = group[most:]
            reasons = [f"rank {most + 1 + k} > {most} in its frame" for k in range(len(surplus))]
            self._decide(surplus, "max_per_frame", reasons)

    def _say(self, rule: str, mask: Bools, reason: Any, state: str | None = None) -> None:
        """Let a rule speak about boxes on which none has spoken yet."""
        which = np.flatnonzero(mask & self.silent)
        self._decide(which, rule, [reason(i) for i in which], state)

    def _decide(self, which: Ints, rule: str, reasons: list[str], state: str | None = None) -> None:
        default = state or _DEFAULT_STATES.get(rule, "ignore")
        self.state[which] = default if state else self.settings.states.get(rule, default)
        self.rule[which] = rule
        self.reason[which] = reasons
        self.silent[which] = False


def _thresholds(class_name: Strings, settings: RuleSettings) -> Floats:
    threshold = np.full(len(class_name), settings.score, np.float32)
    for name, value in settings.score_per_class.items():
        threshold[class_name == name] = value
    return threshold


def _order(boxes: FrameBoxes, goodness: Floats, doubted: Bools) -> Ints:
    """Return each box's rank, best first; ties are settled by what the boxes are, not where."""
    x1, y1, x2, y2 = boxes.xyxy.T
    keys = (boxes.class_name, y2, x2, y1, x1, -area(boxes.xyxy), -boxes.score, -goodness, doubted)
    rank = np.empty(len(boxes), np.int64)
    rank[np.lexsort(keys)] = np.arange(len(boxes))
    return rank


def _groups(boxes: FrameBoxes, order: Ints, *, by_class: bool) -> Iterator[Ints]:
    """Yield the boxes of each frame (and class) that has more than one, in the given order."""
    names = boxes.class_name[order]
    ids = np.unique(names, return_inverse=True)[1] if by_class else np.zeros(len(order), np.int64)
    by_frame = np.lexsort((ids, boxes.pts[order]))
    pts, ids, ordered = boxes.pts[order][by_frame], ids[by_frame], order[by_frame]
    cuts = np.flatnonzero((np.diff(pts) != 0) | (np.diff(ids) != 0)) + 1
    for group in np.split(ordered, cuts):
        if len(group) > 1:
            yield group


def _below(value: Any, least: Any) -> str:
    """Return ``0.31 < 0.50`` with as many digits as it takes to see the difference."""
    for digits in (2, 3, 4, 6):
        if f"{value:.{digits}f}" != f"{least:.{digits}f}":
            break
    return f"{value:.{digits}f} < {least:.{digits}f}"


def _compares(what: str, value: NDArray[Any], sign: str, bound: str) -> Any:
    return lambda i: f"{what} {value[i]:.4g} {sign} {bound}"


def _in_range(name: str, value: float | None, low: float = 0.0, high: float = np.inf) -> None:
    if value is not None and not low <= value <= high:
        raise UsageError(f"{name} must be in {low:g}..{high:g}, but got {value}")


def _known(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise UsageError(
            f"{name} knows {', '.join(known)}, but got {value!r}{nearest(value, known)}"
        )
