"""Arguments of commands, checked before any work: numbers, switches, texts, lists.

Each name means the same in all commands, so its range stands here once.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from reelabel.errors import UsageError, nearest, shown


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
    "unsure": Range(1, whole=True),
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
CHOICES = {"what": ("labels", "truth", "detections"), "level": ("frame", "clip", "video")}
"""The words that an argument takes."""
TEXTS = frozenset({"format", "until", "kind", "against", "category", "task"})
"""The arguments that are one text."""
MAPPINGS = frozenset({"settings", "train"})
"""The arguments that are settings by their names."""
REQUIRED = frozenset({"rounds", "seeds", "pictures"})
"""The arguments that None does not stand for."""


def check_arguments(**given: Any) -> None:
    """Refuse what is of another type than its argument, and numbers out of their range.

    Args:
        given: name, one of the lists above -> value; None where none was given.

    Raises:
        UsageError: naming the first one.
    """
    for name, value in given.items():
        if value is None and name not in REQUIRED:
            continue
        if name in NUMBERS:
            fits, what = NUMBERS[name].holds(value), f"as {NUMBERS[name]}"
        elif name in CHOICES:
            fits = isinstance(value, str) and value in CHOICES[name]
            what = f"as one of {', '.join(CHOICES[name])}"
        elif name in TEXTS:
            fits, what = isinstance(value, str), "as a text"
        elif name in MAPPINGS:
            fits, what = isinstance(value, Mapping), "as a mapping from names to values"
        elif name in SWITCHES:
            fits, what = isinstance(value, bool), "of True or False"
        else:
            raise AssertionError(f"{name} has no range")
        if not fits:
            hint = nearest(str(value), CHOICES.get(name, ())) if isinstance(value, str) else ""
            raise UsageError(f"expected {name} {what}, but got {shown(value)}{hint}")


def listed(name: str, given: object) -> list[Any]:
    """Return the entries of an argument as a list: one alone may be given as it is, None is none.

    Raises:
        UsageError: if it is neither a path nor a text nor several of them.
    """
    if given is None:
        return []
    if isinstance(given, str | os.PathLike):
        return [given]
    if not isinstance(given, Iterable) or isinstance(given, bytes | Mapping):
        raise UsageError(f"expected {name} as one entry or a list of them, but got {shown(given)}")
    return list(given)


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
