"""What becomes of the tags and predictions of a video's moments: positive, or ignored."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from reelabel.data.boxes import Bools, Floats, Ints, Strings
from reelabel.data.claims import Claims, SpanClaims
from reelabel.data.classes import Moments
from reelabel.data.states import IGNORE, POSITIVE, TEACHER

TAG: str = "tag"
"""Origin and rule of a claim that a tag makes of a moment."""
IMPLIED = "implied"
"""Rule of the claim that a class which no tag of a video names is not right in it."""
SCORE = "score"
"""Rule of what a teacher predicts below the threshold."""


@dataclass(frozen=True, eq=False)
class VideoMoments:
    """The moments of one video, and what is known of them.

    Attributes:
        moments: ``(n,)``.
        time_s: ``(n, 2)`` float64, seconds of the first and the last frame of each.
        tags: ``(m,)`` claims about the video or spans of it.
        doubted: ``(n, k)`` strings, the rule by which the claim about a class is doubted; empty if
            it is not.
        reason: ``(n, k)`` strings, the same in words.
        suggested: ``(n, k)`` strings, the class that fits better; empty if there is none.
        out_of_fold: ``(n, k)`` float32, class probabilities by a model that was not trained on the
            video; NaN if there are none.
        predicted: ``(n, k)`` float32, class probabilities by the round's teacher, None without one.
    """

    moments: Moments
    time_s: NDArray[np.float64]
    tags: SpanClaims
    doubted: Strings
    reason: Strings
    suggested: Strings
    out_of_fold: Floats
    predicted: Floats | None


def candidates(video: VideoMoments, *, exclusive: bool, score: float) -> Claims:
    """Return what the rules decide about each claim of one video: ``(c,)`` claims.

    A tag is a claim about each moment that it covers; it is ignored where the moment is doubted.
    Where several classes may be right, a tagged moment has none of the classes that its tags do not
    name. A moment that no tag covers is labelled by the teacher, if it is sure enough.

    Args:
        video: its moments.
        exclusive: whether exactly one class is right.
        score: probability from which the teacher's class is a label, 0..1.
    """
    covered = video.tags.covers(video.time_s[:, 0], video.time_s[:, 1])
    tagged = np.asarray(covered.any(axis=1))
    parts = [_of_tags(video, covered)]
    if not exclusive:
        parts.append(_implied(video, covered, tagged))
    if video.predicted is not None:
        parts.append(_of_teacher(video, ~tagged, exclusive=exclusive, score=score))
    found = Claims.joined(parts)
    order = np.lexsort((found.class_id, found.moments.until_pts, found.moments.pts))
    return replace(found, round=np.zeros(len(found), np.int64))[order]


def _of_tags(video: VideoMoments, covered: Bools) -> Claims:
    at, which = np.nonzero(covered)
    class_id, right = video.tags.class_id[which], video.tags.right[which]
    rows = _Rows(video, at, class_id, right)
    return rows.claims(TAG, np.full(len(at), TAG), video.tags.source[which])


def _implied(video: VideoMoments, covered: Bools, tagged: Bools) -> Claims:
    """Return the claims that classes which no tag names are not right."""
    n, k = video.out_of_fold.shape
    named = np.zeros((n, k), bool)
    at, which = np.nonzero(covered)
    named[at, video.tags.class_id[which]] = True
    at, class_id = np.nonzero(~named & tagged[:, None])
    rows = _Rows(video, at, class_id, np.zeros(len(at), bool))
    return rows.claims(TAG, np.full(len(at), IMPLIED), np.full(len(at), "no tag names the class"))


def _of_teacher(video: VideoMoments, untagged: Bools, *, exclusive: bool, score: float) -> Claims:
    """Return what the teacher claims of moments without a tag."""
    predicted = np.asarray(video.predicted)
    if exclusive:
        at = np.flatnonzero(untagged)
        class_id = predicted[at].argmax(axis=1).astype(np.int64)
        right = np.ones(len(at), bool)
    else:
        sure = untagged[:, None] & ((predicted >= score) | (predicted <= 1 - score))
        at, class_id = np.nonzero(sure)
        right = predicted[at, class_id] >= score
    probability = np.where(right, predicted[at, class_id], 1 - predicted[at, class_id])
    enough = probability >= score
    reason = [
        f"probability {p:.2f}{'' if p >= score else f', below {score:g}'}"
        for p in probability.tolist()
    ]
    rows = _Rows(video, at, class_id, right)
    return rows.claims(TEACHER, np.where(enough, TEACHER, SCORE), np.array(reason, np.str_))


@dataclass(frozen=True, eq=False)
class _Rows:
    """Claims in the making: which moment, which class, right or not."""

    video: VideoMoments
    at: Ints
    class_id: Ints
    right: Bools

    def claims(self, origin: str, rule: Strings, reason: Strings) -> Claims:
        """Return the claims; those about doubted moments are ignored, and so is rule `SCORE`."""
        video, n = self.video, len(self.at)
        at = (self.at, self.class_id)
        doubted = video.doubted[at]
        ignored = (doubted != "") | (rule == SCORE)
        probability = video.out_of_fold[at]
        return Claims(
            moments=video.moments[self.at],
            class_id=self.class_id,
            right=self.right,
            state=np.where(ignored, IGNORE, POSITIVE),
            probability=np.where(self.right, probability, 1 - probability).astype(np.float32),
            suggested=video.suggested[at],
            origin=np.full(n, origin),
            rule=np.where(doubted != "", doubted, rule),
            reason=np.where(doubted != "", video.reason[at], reason),
            round=np.zeros(n, np.int64),
        )
