"""Brings doubts about the claims of sampled frames to the moments that a classifier judges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reelabel.data.boxes import Floats, Ints, Strings
from reelabel.data.classes import Moments
from reelabel.labels.moment_means import frames_in, moment_means
from reelabel.labels.tags.doubt import Doubts

_MOST_FRAMES = 0.5
"""A moment is doubted where this share of its frames is, or more."""


@dataclass(frozen=True, eq=False)
class MomentDoubts:
    """What is doubted of the moments of one video; see `reelabel.labels.class_rules`.

    Attributes:
        rule: ``(n, k)`` strings, empty where nothing is doubted.
        reason: ``(n, k)`` strings.
        suggested: ``(n, k)`` strings.
        out_of_fold: ``(n, k)`` float32, NaN where nothing was predicted.
    """

    rule: Strings
    reason: Strings
    suggested: Strings
    out_of_fold: Floats


@dataclass(frozen=True, eq=False)
class FrameDoubts:
    """The same of the sampled frames of all videos, one row for each frame.

    Attributes:
        rule: ``(n, k)`` objects, strings.
        reason: ``(n, k)`` objects, strings.
        suggested: ``(n, k)`` objects, strings.
        out_of_fold: ``(n, k)``.
    """

    rule: NDArray[np.object_]
    reason: NDArray[np.object_]
    suggested: NDArray[np.object_]
    out_of_fold: NDArray[np.floating[Any]]

    @classmethod
    def of(cls, found: Doubts, classes: Sequence[str]) -> FrameDoubts:
        """Return the doubts of frames as tables of all claims."""
        shape = found.probability.shape
        ids = {name: i for i, name in enumerate(classes)}
        at = (found.row, np.array([ids[name] for name in found.category.tolist()], np.int64))
        tables = []
        for values in (found.rule, found.reason, found.suggested):
            table = np.full(shape, "", object)
            table[at] = values.astype(object)
            tables.append(table)
        rule, reason, suggested = tables
        return cls(rule, reason, suggested, found.probability)

    def of_moments(self, moments: Moments, pts: Ints, rows: slice) -> MomentDoubts:
        """Return what is doubted of the moments ``(n,)`` of one video.

        Args:
            moments: of the video.
            pts: ``(m,)`` time stamps of its frames, ascending.
            rows: where these frames stand here.
        """
        first, last = frames_in(moments, pts)
        rule, reason, suggested = (t[rows] for t in (self.rule, self.reason, self.suggested))
        shape = (len(moments), rule.shape[1])
        tables = [np.full(shape, "", object) for _ in range(3)]
        doubted = rule != ""
        for i, j in np.argwhere(moment_means(moments, pts, doubted.astype(float)) >= _MOST_FRAMES):
            frame = first[i] + int(doubted[first[i] : last[i], j].argmax())
            for table, values in zip(tables, (rule, reason, suggested), strict=True):
                table[i, j] = values[frame, j]
        of_rule, of_reason, of_class = (table.astype(np.str_) for table in tables)
        means = moment_means(moments, pts, self.out_of_fold[rows])
        return MomentDoubts(of_rule, of_reason, of_class, means)
