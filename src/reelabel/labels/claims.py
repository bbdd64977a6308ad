"""Claims about classes: of spans applied to moments, merged over rounds, and as targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from reelabel.data.boxes import Bools, Floats
from reelabel.data.claims import Claims, SpanClaims
from reelabel.data.classes import Moments
from reelabel.data.states import PERSON, POSITIVE, PREVIOUS
from reelabel.data.video import Video
from reelabel.tables.claims import spans_of, times_s


def claims_of_people(
    spans: SpanClaims, moments: Moments, time_s: NDArray[np.float64], *, round_number: int
) -> Claims:
    """Return what people claim of the moments of one video.

    Args:
        spans: ``(m,)`` claims of people about the video.
        moments: ``(n,)`` of the video.
        time_s: ``(n, 2)`` seconds of the first and the last frame of each moment.
        round_number: of the round.
    """
    at, which = np.nonzero(spans.covers(time_s[:, 0], time_s[:, 1]))
    n = len(at)
    return Claims(
        moments=moments[at],
        class_id=spans.class_id[which],
        right=spans.right[which],
        state=np.full(n, POSITIVE),
        probability=np.full(n, np.nan, np.float32),
        suggested=np.full(n, ""),
        origin=np.full(n, PERSON),
        rule=np.full(n, "imported"),
        reason=np.strings.add("given by a person: ", spans.source[which]),
        round=np.full(n, round_number, np.int64),
    )


def merge_claims(new: Claims, old: Claims, imported: Claims) -> Claims:
    """Return the claims of a round about one video.

    People's claims about a moment replace all others about it. Claims of the round before stay
    only for moments of which the new round claims nothing.

    Args:
        new: ``(n,)`` of this round.
        old: ``(m,)`` of the round before.
        imported: ``(k,)`` of people.
    """
    kept = new[~_about(new.moments, imported.moments)]
    # What people claimed comes anew each round: they may have taken it back.
    known = Moments.joined((new.moments, imported.moments))
    before = old[(old.origin != PERSON) & ~_about(old.moments, known)]
    before = replace(before, origin=np.full(len(before), PREVIOUS))
    return Claims.joined((imported, kept, before))


def _about(moments: Moments, others: Moments) -> Bools:
    """Return which moments ``(n,)`` are among others of the same video."""
    return others.rows_of(moments) >= 0


def targets(claims: Claims, moments: Moments, n_classes: int, *, exclusive: bool) -> Floats:
    """Return what a classifier is to answer: ``(n, k)`` float32, 1, 0, or NaN for unknown.

    Only positive claims count. Where classes are exclusive, a class that is right makes all others
    wrong, and a moment without a class that is right is unknown.

    Args:
        claims: ``(m,)`` of one video.
        moments: ``(n,)`` of the same video.
        n_classes: number of classes, k.
        exclusive: whether exactly one class is right.
    """
    used = claims[claims.state == POSITIVE]
    at = moments.rows_of(used.moments)
    found = np.full((len(moments), n_classes), np.nan, np.float32)
    some = at >= 0
    found[at[some], used.class_id[some]] = used.right[some]
    return one_hot(found) if exclusive else found


def span_targets(
    spans: SpanClaims, time_s: NDArray[np.float64], n_classes: int, *, exclusive: bool
) -> Floats:
    """Return the same for claims about spans of one video: ``(n, k)``; later rows win.

    Args:
        spans: ``(m,)`` claims about the video.
        time_s: ``(n, 2)`` seconds of the first and the last frame of each moment.
        n_classes: number of classes, k.
        exclusive: whether exactly one class is right.
    """
    found = np.full((len(time_s), n_classes), np.nan, np.float32)
    covered = spans.covers(time_s[:, 0], time_s[:, 1])
    for which in range(len(spans)):
        found[covered[:, which], spans.class_id[which]] = spans.right[which]
    return one_hot(found) if exclusive else found


def known_moments(
    rows: pa.Table, moments: Moments, video: Video, names: Sequence[str], *, exclusive: bool
) -> tuple[Moments, Floats]:
    """Return the moments of a video of which any class is known, with their targets ``(n, k)``.

    Args:
        rows: claims about spans of the video, as in `CLASS_TRUTH`.
        moments: of the video.
        video: the video.
        names: of the classes.
        exclusive: whether exactly one class is right.
    """
    target = span_targets(
        spans_of(rows, names), times_s(moments, video), len(names), exclusive=exclusive
    )
    known = np.flatnonzero(~np.isnan(target).all(axis=1))
    return moments[known], target[known]


def one_hot(target: Floats) -> Floats:
    """Return targets of exclusive classes ``(n, k)``: the class that is right makes others wrong.

    Rows in which no class is right, or several are, are unknown.
    """
    right = target == 1
    known = right.sum(axis=1) == 1
    found: Floats = np.where(known[:, None], right, np.nan).astype(np.float32)
    return found
