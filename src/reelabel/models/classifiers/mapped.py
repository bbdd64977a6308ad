"""A class-mapping wrapper of a classifier: classes joined, renamed or left out.

A workspace's "cat" is five classes of ImageNet, and most pictures show none of the workspace's
classes at all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import translate
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from reelabel.config import Settings
from reelabel.errors import ModelError, first_of, nearest
from reelabel.models.base import Classifier, Classify, Window
from reelabel.models.spec import fingerprint
from reelabel.short_names import spelled_as

Rest = Literal["left", "share"]


class RestOptions(Settings):
    """Options of every classifier that is asked for other classes than its own."""

    rest: Rest = "left"
    """What happens to the probability of classes that nobody asked for, where exactly one class is
    right: left, it is missing in the sum, so that a picture of none of the classes gets low
    probabilities; share, it is shared out in proportion."""


@dataclass(frozen=True)
class MappedClassifier:
    """A classifier restricted to the wanted classes; see `wanted_classes`.

    Attributes:
        inner: the classifier that does the work.
        classes: the wanted names.
        sources: for each class of `inner`, an index into `classes`, or -1 to leave it out.
        rest: see `RestOptions`.
    """

    inner: Classifier
    classes: tuple[str, ...]
    sources: tuple[int, ...]
    rest: Rest

    @property
    def name(self) -> str:
        """How the classifier was asked for."""
        return self.inner.name

    @property
    def fingerprint(self) -> str:
        """Changes with the classifier, the names or what they stand for."""
        parts = (self.inner.fingerprint, self.classes, self.sources, self.rest)
        return fingerprint("mapped-classifier", *parts)

    @property
    def exclusive(self) -> bool:
        """Whether the probabilities of a moment sum to 1."""
        return self.inner.exclusive and (self.rest == "share" or -1 not in self.sources)

    @property
    def frames(self) -> int:
        """Pictures per window."""
        return self.inner.frames

    @property
    def step_s(self) -> float:
        """Seconds between the pictures of a window."""
        return self.inner.step_s

    @property
    def fit_wh(self) -> tuple[int, int] | None:
        """The size that pictures may be reduced to."""
        return self.inner.fit_wh

    @property
    def batch_size(self) -> int:
        """How many windows are best given at once."""
        return self.inner.batch_size

    def open(self) -> Classify:
        """Open the classifier and return its function with the classes exchanged."""
        inner = self.inner.open()

        def classify(windows: Sequence[Window]) -> NDArray[np.float32]:
            rows = inner(windows)
            if not self.inner.exclusive:
                return self._highest(rows)
            found = self._summed(rows)
            return shared_out(found) if self.rest == "share" else found

        return classify

    def _columns(self, wanted: int) -> list[int]:
        return [i for i, source in enumerate(self.sources) if source == wanted]

    def _highest(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the highest of the classes that are joined: they may be right together."""
        found = [rows[:, self._columns(i)].max(axis=1) for i in range(len(self.classes))]
        return np.stack(found, axis=1)

    def _summed(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the sums of the classes that are joined: at most one of them is right."""
        found = [rows[:, self._columns(i)].sum(axis=1) for i in range(len(self.classes))]
        sums: NDArray[np.float32] = np.clip(np.stack(found, axis=1), 0, 1)
        return sums


def shared_out(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return probabilities ``(n, k)`` whose rows sum to 1; rows of zeros become even."""
    total = rows.sum(axis=1, keepdims=True)
    even = np.full_like(rows, 1 / rows.shape[1])
    return np.where(total > 0, rows / np.where(total > 0, total, 1), even)


def leaves_a_rest(classifier: Classifier) -> bool:
    """Return whether one class at most is right, and probabilities sum to less where none is."""
    return isinstance(classifier, MappedClassifier) and classifier.inner.exclusive


def wanted_classes(
    classifier: Classifier,
    wanted: Sequence[str],
    mapping: Mapping[str, str] | None = None,
    *,
    rest: Rest = "left",
) -> Classifier:
    """Return a classifier whose classes are the wanted ones, in the order given.

    A wanted name stands for the model's class of that name and for every class that the mapping
    leads to it. Names that look alike are the same (`reelabel.short_names.spelled_as`). Where
    exactly one class is right their probabilities are added, else the highest counts.

    Args:
        classifier: the model.
        wanted: names that labels shall have.
        mapping: the model's name -> wanted name, several to one allowed; ``*``, ``?`` and ``[ab]``
            stand for any letters, such as ``{"*terrier": "dog"}``. Names that the model does not
            know are passed over where it knows the wanted name itself, so that one mapping serves
            the teacher and the students alike.
        rest: see `RestOptions`.

    Raises:
        ModelError: for a name that the model does not know, with the nearest that it does, or if
            two patterns lead one class to different names.
    """
    names = spelled_as(classifier.classes, [*(mapping or {}), *wanted])
    found = _sources(classifier, names, wanted, mapping or {})
    positions = {name: i for i, name in enumerate(wanted)}
    sources = tuple(positions.get(found.get(name, ""), -1) for name in names)
    if tuple(wanted) == classifier.classes and sources == tuple(range(len(sources))):
        return classifier
    # `Classifier` declares variables, which read-only ones satisfy in all but the type checker.
    return cast("Classifier", MappedClassifier(classifier, tuple(wanted), sources, rest))


def _sources(
    classifier: Classifier, names: Sequence[str], wanted: Sequence[str], mapping: Mapping[str, str]
) -> dict[str, str]:
    """Return the wanted name that each class of the model leads to; `names`: its classes."""
    found: dict[str, str] = {}
    exact = {source: name for source, name in mapping.items() if source in names}
    for source, name in mapping.items():
        matching = _matching(source, names)
        if not matching and name in wanted and name not in names:
            raise _unknown(classifier, source)
        for each in matching:
            if found.setdefault(each, name) != name and each not in exact:
                raise ModelError(
                    f"the class '{each}' of {classifier.name} is mapped to '{found[each]}' and to "
                    f"'{name}': map it by its own name"
                )
    found |= exact
    found |= {name: name for name in wanted if name in names and name not in exact}
    for name in wanted:
        if name not in found.values():
            raise _unknown(classifier, name)
    return found


def _matching(source: str, classes: Sequence[str]) -> list[str]:
    """Return the classes that a name or pattern means."""
    if source in classes or not set(source) & set("*?["):
        return [name for name in classes if name == source]
    pattern = re.compile(translate(source))
    return [name for name in classes if pattern.match(name)]


def _unknown(classifier: Classifier, name: str) -> ModelError:
    return ModelError(
        f"{classifier.name} has no class '{name}'{nearest(name, classifier.classes)}: "
        f"name one of its classes, or map some of them to '{name}'; it has "
        f"{first_of(classifier.classes)}"
    )
