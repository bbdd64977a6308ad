"""Which labels of a manifest are taken, and which class of the workspace each one is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import translate

from reelabel.errors import few, nearest
from reelabel.labels.tagging import ClassNames, plain_name

MOST_KEPT = 100_000
"""Labels whose classes are remembered; lists have some thousands."""


@dataclass
class LabelRules:
    """Decides on labels; what it found out about a label is remembered.

    Attributes:
        names: the classes of the workspace.
        mapping: label or pattern -> class; a name goes before patterns, these in their order.
        asked: labels or patterns to take; none: all that lead to classes.
        any_label: labels that lead nowhere are taken as they are, to find out which there are.
    """

    names: ClassNames
    mapping: Mapping[str, str] = field(default_factory=dict)
    asked: Sequence[str] = ()
    any_label: bool = False

    def __post_init__(self) -> None:
        """Compile the patterns."""
        self._known: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._used: set[str] = set()
        self._mapped = [(key, _Matcher(key), name) for key, name in self.mapping.items()]
        self._mapped.sort(key=lambda each: each[1].is_pattern)
        self._asked = [(key, _Matcher(key)) for key in self.asked]

    @property
    def takes_unlabelled(self) -> bool:
        """Return whether rows without any label are taken."""
        return not self.asked and not self.mapping

    def of(self, *spellings: str) -> tuple[str, ...]:
        """Return the class of a label, empty if it is not taken.

        Args:
            spellings: of one label, such as its name and its number; the first is for people.
        """
        found = self._known.get(spellings)
        if found is None:
            found = self._found(spellings)
            if len(self._known) < MOST_KEPT:
                self._known[spellings] = found
        return found

    def of_all(self, labels: Iterator[tuple[str, ...]]) -> tuple[str, ...]:
        """Return the classes of the labels of one row, each once, sorted."""
        return tuple(sorted({name for label in labels for name in self.of(*label)}))

    def unused(self) -> list[str]:
        """Return what was asked for and never met, with the nearest label that was."""
        met = [spellings[0] for spellings in self._known]
        missed = [key for key in (*self.mapping, *self.asked) if key not in self._used]
        return [f"'{key}'{nearest(key, met)}" for key in dict.fromkeys(missed)]

    def shown(self) -> str:
        """Return the first labels that were met, for messages."""
        return few(sorted(spellings[0] for spellings in self._known), 10)

    def _found(self, spellings: tuple[str, ...]) -> tuple[str, ...]:
        plain = [plain_name(text) for text in spellings]
        asked = [key for key, matcher in self._asked if matcher.matches(plain)]
        self._used.update(asked)
        if self.asked and not asked:
            return ()
        for key, matcher, name in self._mapped:
            if matcher.matches(plain):
                self._used.add(key)
                return (name,)
        if self.any_label:
            return (spellings[0],)
        own = next((own for text in spellings if (own := self.names.own(text))), None)
        return (own,) if own else (spellings[0],) if asked else ()


class _Matcher:
    """A label as it is written in settings: a name, or a pattern for any letters.

    Attributes:
        is_pattern: whether it has signs that stand for letters.
    """

    def __init__(self, text: str) -> None:
        self._plain = plain_name(text)
        self.is_pattern = bool(set(text) & set("*?["))
        # Inside brackets a dash has a meaning of its own.
        pattern = text.casefold() if "[" in text else self._plain
        self._pattern = re.compile(translate(pattern)) if self.is_pattern else None

    def matches(self, plain: Sequence[str]) -> bool:
        """Return whether any of these plain names is meant."""
        if self._plain in plain:
            return True
        return self._pattern is not None and any(map(self._pattern.match, plain))
