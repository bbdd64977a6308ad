"""How films of evidence run; loads nothing heavy: flags are made of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from reelabel.data.states import EVIDENCE_KINDS, SMOOTH
from reelabel.errors import UsageError, nearest


@dataclass(frozen=True)
class Film:
    """What a film of evidence shows, and how it runs.

    Attributes:
        kind: one of `EVIDENCE_KINDS`, or all: that is all but smooth, which has boxes everywhere.
        before_s, after_s: seconds of the video shown before and after each finding. The half that
            is nearer to it is slow.
        slow: how many times slower, 1 or more.
        pause_s: for how many seconds a finding's first frame stands still.
        hits: so many findings of each kind per video at most, the best to look at.

    Raises:
        UsageError: for an unknown kind or a number out of range.
    """

    kind: str = "all"
    before_s: float = 1.0
    after_s: float = 1.0
    slow: float = 4.0
    pause_s: float = 2.0
    hits: int = 24

    def __post_init__(self) -> None:
        """Refuse what makes no film."""
        known = (*EVIDENCE_KINDS, "all")
        if self.kind not in known:
            words = ", ".join(known)
            hint = nearest(self.kind, known)
            raise UsageError(f"kinds of evidence are {words}, but got '{self.kind}'{hint}")
        least = {"before_s": 0, "after_s": 0, "slow": 1, "pause_s": 0, "hits": 1}
        for name, low in least.items():
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= low):
                raise UsageError(f"{name} must be a number from {low} up, but is {value}")

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds to show."""
        return tuple(
            k for k in EVIDENCE_KINDS if k == self.kind or (self.kind == "all" and k != SMOOTH)
        )


def asked_film(film: Film, *, evidence: bool) -> Film | None:
    """Return how evidence is shown; None where labels are asked for.

    Args:
        film: as it was asked for.
        evidence: whether evidence is to be shown.

    Raises:
        UsageError: if something of the film was asked for, but not evidence.
    """
    if evidence:
        return film
    for one in fields(film):
        if getattr(film, one.name) != one.default:
            raise UsageError(f"{one.name} is for evidence: add --evidence, in Python evidence=True")
    return None
