"""Claims about classes: of moments, and of whole videos or spans of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reelabel.data.boxes import Bools, Floats, Ints, Strings
from reelabel.data.classes import Moments


@dataclass(frozen=True, eq=False)
class Claims:
    """Claims about classes of moments, one row each.

    Attributes:
        moments: ``(n,)`` what each claim is about.
        class_id: ``(n,)`` int64, an index into class names that travel beside.
        right: ``(n,)`` bool: the class is claimed to be right, else not to be.
        state: ``(n,)`` strings: positive claims are trained on, ignored ones are not.
        probability: ``(n,)`` float32 in 0..1 that the claim is right, by a model that was not
            trained on it; NaN if there is none.
        suggested: ``(n,)`` strings, the class that fits better; empty if there is none.
        origin: ``(n,)`` strings, where the claim comes from.
        rule: ``(n,)`` strings, what decided the state.
        reason: ``(n,)`` strings, the same in words, with values.
        round: ``(n,)`` int64, the round that made it.
    """

    moments: Moments
    class_id: Ints
    right: Bools
    state: Strings
    probability: Floats
    suggested: Strings
    origin: Strings
    rule: Strings
    reason: Strings
    round: Ints

    def __len__(self) -> int:
        """Return the number of claims."""
        return len(self.class_id)

    def __getitem__(self, at: Any) -> Claims:
        """Return the claims of a mask ``(n,)``, of positions or of a slice."""
        return Claims(*(getattr(self, field.name)[at] for field in fields(self)))

    @classmethod
    def joined(cls, parts: Sequence[Claims]) -> Claims:
        """Return the claims of several parts, at least one, in order."""
        columns = {
            field.name: np.concatenate([getattr(part, field.name) for part in parts])
            for field in fields(cls)
            if field.name != "moments"
        }
        return cls(moments=Moments.joined(part.moments for part in parts), **columns)


@dataclass(frozen=True, eq=False)
class SpanClaims:
    """Claims about classes of one whole video or of spans of it, one row each.

    Attributes:
        class_id: ``(m,)`` int64, an index into class names that travel beside.
        right: ``(m,)`` bool: the class is claimed to be right, else not to be.
        start_s: ``(m,)`` float64, first second from the first frame; -inf: the whole video.
        end_s: ``(m,)`` float64, first second after it; inf: the whole video.
        source: ``(m,)`` strings, the folder or file and its line.
    """

    class_id: Ints
    right: Bools
    start_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
    source: Strings

    def __len__(self) -> int:
        """Return the number of claims."""
        return len(self.class_id)

    def covers(self, first_s: NDArray[np.float64], last_s: NDArray[np.float64]) -> Bools:
        """Return which claims are about which moments: ``(n, m)``, by the middle of each moment.

        Args:
            first_s: ``(n,)`` seconds of the first frame of each moment.
            last_s: ``(n,)`` seconds of its last frame.
        """
        middle_s = ((first_s + last_s) / 2)[:, None]
        result: Bools = (middle_s >= self.start_s) & (middle_s < self.end_s)
        return result
