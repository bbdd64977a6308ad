"""The data set of classes as training reads it.

This module does not import torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reelabel.data.boxes import Floats, Ints
from reelabel.data.class_dataset import ClassDataset
from reelabel.errors import MissingInput, UsageError
from reelabel.formats.class_json import read_class_json

_MAX_RATIO = 20.0  # a class that is rarer still would make single examples decide


@dataclass(frozen=True, eq=False)
class Examples:
    """What a student is trained or validated on: pictures, or windows of pictures.

    Attributes:
        classes: class names; the columns of `target`.
        exclusive: exactly one class is right; else each class is a question of its own.
        pictures: ``n`` tuples of picture files in order of time.
        target: ``(n, k)`` float32: 1 the class is right, 0 it is not, NaN unknown.
        weight: ``(n,)`` float32, mean 1.
        moment: ``(n,)`` int64, the moment of the data set that each is of.
        step_s: seconds between the pictures of a window; 0 for single frames.
        videos: ids of the videos that they are of, sorted.
    """

    classes: tuple[str, ...]
    exclusive: bool
    pictures: tuple[tuple[Path, ...], ...]
    target: Floats
    weight: Floats
    moment: Ints
    step_s: float = 0.0
    videos: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self.pictures)

    @property
    def longest(self) -> int:
        """Number of pictures in the longest window."""
        return max(map(len, self.pictures), default=1)

    def single(self) -> Examples:
        """Return each picture as an example of its own, with its share of the window's weight."""
        counts = np.array([len(window) for window in self.pictures])
        rows = np.repeat(np.arange(len(self)), np.array(counts, np.int64))
        return Examples(
            self.classes,
            self.exclusive,
            tuple((picture,) for window in self.pictures for picture in window),
            self.target[rows],
            _unit_mean((self.weight / counts)[rows]),
            self.moment[rows],
            videos=self.videos,
        )


def read_examples(dataset_dir: Path, split: str) -> Examples:
    """Read ``<split>.json``; a split that does not exist has no examples.

    Examples of weight 0, and those of which nothing is known, are left out.

    Raises:
        MissingInput: if ``train.json`` does not exist.
        FormatError: if the file is damaged.
    """
    path = dataset_dir / f"{split}.json"
    if path.is_file():
        data = read_class_json(path)
    elif split == "train":
        raise MissingInput(f"expected a data set in {dataset_dir}: run `split` first")
    else:
        data = ClassDataset.empty(())
    used = np.flatnonzero((data.weight > 0) & informative(data.target, data.exclusive))
    return Examples(
        data.classes,
        data.exclusive,
        tuple(tuple(dataset_dir / name for name in data.pictures[i]) for i in used),
        data.target[used],
        _unit_mean(data.weight[used]),
        used.astype(np.int64),
        data.step_s,
        tuple(sorted(set(data.moments.video[used].tolist()))),
    )


def informative(target: Floats, exclusive: bool) -> NDArray[np.bool_]:
    """Return which targets ``(n, k)`` are known: ``(n,)`` bool.

    Where classes are exclusive, at least one class must be possible and one impossible.
    """
    known = ~np.isnan(target)
    if not exclusive:
        return np.asarray(known.any(axis=1))
    right = target == 1
    return np.asarray(right.any(axis=1) | (known.any(axis=1) & ~(target == 0).all(axis=1)))


def require_classes(data: Examples) -> None:
    """Check that there is something to tell apart.

    Raises:
        UsageError: if fewer than two answers occur.
    """
    right, wrong = (data.target == 1).any(axis=0), (data.target == 0).any(axis=0)
    if right.sum() >= 2 if data.exclusive else (right & wrong).any():  # noqa: PLR2004 -- two
        return
    found = [name for name, has in zip(data.classes, right, strict=True) if has]
    way = "Add footage of other classes" if data.exclusive else "Tag videos as is_not or none"
    raise UsageError(
        f"expected labels of at least two answers to learn to tell apart, but the {len(data)} "
        f"examples in train.json show only: {', '.join(found) or 'none'}. {way}, or lower the "
        "thresholds of the stage before"
    )


def balanced(data: Examples) -> Floats:
    """Return weights ``(n,)``, mean 1, under which each class that occurs counts as much."""
    right = np.nan_to_num(data.target) == 1
    count = (right * data.weight[:, None]).sum(axis=0)
    each = np.where(count > 0, count.max(initial=0) / np.maximum(count, 1e-9), 0.0)
    each = np.minimum(each, _MAX_RATIO)
    factor = (right * each).sum(axis=1) / np.maximum(right.sum(axis=1), 1)
    without = np.average(each[count > 0]) if (count > 0).any() else 1.0
    return _unit_mean(data.weight * np.where(right.any(axis=1), factor, without))


def positive_weight(data: Examples) -> Floats:
    """Return per class ``(k,)`` how many examples are wrong for each that is right, 1/20 to 20."""
    right = ((data.target == 1) * data.weight[:, None]).sum(axis=0)
    wrong = ((data.target == 0) * data.weight[:, None]).sum(axis=0)
    ratio = np.where((right > 0) & (wrong > 0), wrong / np.maximum(right, 1e-9), 1.0)
    found: Floats = np.clip(ratio, 1 / _MAX_RATIO, _MAX_RATIO).astype(np.float32)
    return found


def _unit_mean(weight: Floats) -> Floats:
    mean = float(weight.mean()) if len(weight) else 1.0
    found: Floats = (weight / mean).astype(np.float32)
    return found
