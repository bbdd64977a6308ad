"""Arguments of commands, checked before any work: numbers, switches, texts.

Each name means the same in all commands, so its range stands here once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from reelabel.errors import UsageError, shown


@dataclass(frozen=True)
class Range:
    """The numbers that an argument takes, ends included."""

    low: float
    high: float = math.inf
    whole: bool = False
    unit: str = ""

    def __str__(self) -> str:
        kind = "whole number" if self.whole else "number"
        ends = f"{self.low:g} up" if self.high == math.inf else f"{self.low:g} to {self.high:g}"
        return f"a {kind}{self.unit} from {ends}"

    def holds(self, value: object) -> bool:
        """Return whether a value is one of these numbers; True and False are none."""
        if isinstance(value, bool) or not isinstance(value, Integral if self.whole else Real):
            return False
        try:
            return math.isfinite(value) and self.low <= float(value) <= self.high
        except OverflowError:  # a whole number beyond all floats
            return False


_SECONDS = Range(0, unit=" of seconds")
_SHARE = Range(0, 1)
_COUNT = Range(0, whole=True)

NUMBERS = {
    "start_s": _SECONDS,
    "end_s": _SECONDS,
    "duration_s": _SECONDS,
    "step_s": _SECONDS,
    "smooth_s": _SECONDS,
    "min_length_s": _SECONDS,
    "before_s": _SECONDS,
    "after_s": _SECONDS,
    "pause_s": _SECONDS,
    "min_score": _SHARE,
    "valid_score": _SHARE,
    "iou_thr": _SHARE,
    "valid_sim_score": Range(-1, 1),
    "beta": Range(0),
    "slow": Range(1),
    "alpha": _COUNT,
    "pictures": _COUNT,
    "round": _COUNT,
    "hits": Range(1, whole=True),
    "workers": Range(0, 1024, whole=True),
    "rounds": Range(1, whole=True),
    "seeds": Range(1, whole=True),
    "seed": Range(0, 2**31 - 1, whole=True),
}
"""The range of each numeric argument by its name."""
SWITCHES = frozenset({
    "quiet",
    "keep",
    "evidence",
    "any_header",
    "multi_label",
    "overwrite",
    "half",
    "exact",
    "processes",
    "fail_fast",
    "force",
    "verify",
    "dry_run",
    "models",
    "xyxy",
})
"""The arguments that are true or false."""


def check_arguments(**given: Any) -> None:
    """Refuse numbers out of their range, and switches that are neither true nor false.

    Args:
        given: name, one of `NUMBERS` or `SWITCHES` -> value; None where none was given.

    Raises:
        UsageError: naming the first one.
    """
    for name, value in given.items():
        if name not in SWITCHES | NUMBERS.keys():
            raise AssertionError(f"{name} has no range")
        if value is None:
            continue
        if name in SWITCHES and not isinstance(value, bool):
            raise UsageError(f"expected {name} of True or False, but got {shown(value)}")
        if name in NUMBERS and not NUMBERS[name].holds(value):
            raise UsageError(f"expected {name} as {NUMBERS[name]}, but got {shown(value)}")


def check_names(name: str, value: object) -> None:
    """Refuse what is neither a text nor a sequence of texts.

    Raises:
        UsageError: naming the argument and the value.
    """
    several = isinstance(value, list | tuple | set | frozenset)
    parts = list(value) if several else [value]  # type: ignore[call-overload] # is iterable then
    if wrong := [one for one in parts if not isinstance(one, str)]:
        raise UsageError(
            f"expected {name} as texts, but got {shown(wrong[0])} ({type(wrong[0]).__name__})"
        )
