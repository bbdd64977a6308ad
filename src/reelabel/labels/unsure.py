"""What a person should look at first: frames, or moments, whose answer would change most labels.

Every label in doubt has a weight, and a frame the sum of its doubts:

| what is in doubt | weight |
|---|---|
| a box that is ignored because of its score | square of the score's share of the threshold |
| a box that is ignored for another reason, or a hard negative | 1/2 |
| a positive label | 1/2 at its threshold, falling to 0 at a score of 1 |
| a frame without labels that is no background on evidence (`reelabel.labels.background`) | 1 |
| a claim about a class | how unlikely a model that did not learn it takes it for |
| the same where no model was asked | 1/2 if it is ignored, else 0 |

Frames are chosen one after the other, the heaviest first. What is chosen lowers the weight of
frames near it in time, and of all others of its video, which ask much the same.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reelabel.data.boxes import Boxes, Strings
from reelabel.data.claims import Claims
from reelabel.data.states import IGNORE, NEGATIVE
from reelabel.errors import counted
from reelabel.tables.columns import Texts

APART_S = 0.5
"""Nearer than this to a chosen frame of its video, in seconds, a frame counts less."""
DOUBTFUL, LEFT_OUT, HARD, WEAK = "doubtful box", "ignored box", "hard negative", "weak label"
"""What may be in doubt about a box, for people; the last is a positive label."""
MISSED = "may miss an object"
_PLURAL = {DOUBTFUL: "doubtful boxes", LEFT_OUT: "ignored boxes"}
_SCORE = "score"  # the rule that ignores a box between floor and threshold
_PLAIN = 0.5  # weight of a doubt that no score grades
_MISSED = 1.0
_LEAST = 0.05  # less is no doubt

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Unsure:
    """A frame, or a window of frames, that a person should look at.

    Attributes:
        video_id: its video.
        pts: time stamp of its first frame.
        time_s: the same in seconds from the start of the video.
        weight: how many labels are in doubt, above 0.
        reason: what is in doubt, for people.
    """

    video_id: str
    pts: int
    time_s: float
    weight: float
    reason: str


def look_first(unsure: Iterable[Unsure], most: int) -> list[Unsure]:
    """Return what a person should look at, what matters most first.

    Args:
        unsure: all that is in doubt.
        most: so many at most.
    """
    chosen: list[Unsure] = []
    times: dict[str, list[float]] = defaultdict(list)
    # Weights only ever fall, so what is still the heaviest after it was weighed again is taken.
    waiting = [(-one.weight, one.video_id, one.pts, one) for one in unsure if one.weight > 0]
    heapq.heapify(waiting)
    while waiting and len(chosen) < most:
        before, video_id, pts, one = waiting[0]
        now = -one.weight * _share_left(one.time_s, times[video_id])
        if now > before:
            heapq.heapreplace(waiting, (now, video_id, pts, one))
        elif now == 0:
            break
        else:
            heapq.heappop(waiting)
            times[video_id].append(one.time_s)
            chosen.append(one)
    return chosen


def _share_left(time_s: float, chosen_s: Sequence[float]) -> float:
    """Return what is left of a weight beside the chosen frames of its video, 0..1."""
    nearest_s = min((abs(time_s - other) for other in chosen_s), default=APART_S)
    return min(nearest_s / APART_S, 1.0) / (1 + len(chosen_s))


def box_doubts(boxes: Boxes, rule: Texts, least: Doubles) -> tuple[Doubles, Strings]:
    """Return how much each label is in doubt, and as what.

    Args:
        boxes: ``(n,)`` labels with states; a score that is NaN is a person's.
        rule: ``(n,)`` what decided the state of each.
        least: ``(n,)`` the scores from which each would be positive, 0..1.

    Returns:
        ``(n,)`` weights in 0..1; and ``(n,)`` one of the kinds above.
    """
    assert boxes.state is not None  # noqa: S101 -- labels have states
    score = np.nan_to_num(boxes.score.astype(np.float64), nan=1.0)
    share = np.clip(score / np.maximum(least, 1e-9), 0, 1)
    over = np.clip((score - least) / np.maximum(1 - least, 1e-9), 0, 1)
    kinds = [
        (boxes.state == IGNORE) & (rule == _SCORE),
        boxes.state == IGNORE,
        boxes.state == NEGATIVE,
    ]
    weight = np.select(kinds, [share**2, _PLAIN, _PLAIN], _PLAIN * (1 - over))
    return weight, np.select(kinds, [DOUBTFUL, LEFT_OUT, HARD], WEAK)


def frame_doubt(weight: Doubles, kind: Strings, *, missed: bool) -> tuple[float, str]:
    """Return how much is in doubt in one frame, and what, for people.

    Args:
        weight: ``(n,)`` of its labels.
        kind: ``(n,)`` of its labels.
        missed: whether it may miss an object.
    """
    counts = Counter(kind[weight >= _LEAST].tolist())
    found = [MISSED] if missed else []
    found += [counted(n, one, _PLURAL.get(one, "")) for one, n in counts.most_common()]
    return float(weight[weight >= _LEAST].sum()) + _MISSED * missed, ", ".join(found)


def claim_doubts(claims: Claims) -> Doubles:
    """Return how much each claim about a class is in doubt: ``(n,)`` in 0..1."""
    unknown = np.where(claims.state == IGNORE, _PLAIN, 0.0)
    doubts = 1 - claims.probability.astype(np.float64)
    return np.where(np.isnan(doubts), unknown, doubts)
