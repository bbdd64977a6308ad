"""Validation while training: agreement of a student with the labels of the validation split.

Those labels are pseudo-labels, so the result is called agreement. Where classes are exclusive it is
the figure that is elsewhere called accuracy, else mean average precision.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from reelabel.data.boxes import Floats, Ints
from reelabel.models.students.classes.inference import probabilities, stacked
from reelabel.models.students.classes.networks.base import ClassNetwork
from reelabel.training.classes.batches import ClassBatch, Inputs
from reelabel.training.classes.features import FeatureStore, stacked_features
from reelabel.training.job import Map, as_is

Item = tuple[Ints, ClassBatch]
"""The numbers of some examples ``(b,)``, and the examples."""

_MAX_MOMENTS = 500  # enough to see a trend, few enough to validate often


class ClassValidator(Dataset[Item]):
    """Up to 500 moments of the validation split, and the agreement of a student with their labels.

    Args:
        inputs: the examples of the validation split.
        store: their features, if the backbone is frozen.
        batch_size: examples per batch.
        seed: picks the moments.
    """

    def __init__(
        self, inputs: Inputs, store: FeatureStore | None, *, batch_size: int, seed: int
    ) -> None:
        self._inputs, self._store = inputs, store
        numbers = _picked(inputs.data.moment, seed)
        self._batches = [numbers[i : i + batch_size] for i in range(0, len(numbers), batch_size)]
        self._found: dict[int, Floats] = {}

    @property
    def has_labels(self) -> bool:
        """Whether there is anything to agree with."""
        return bool((self._inputs.data.target == 1).any())

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, position: int) -> Item:
        numbers, data = self._batches[position], self._inputs.data
        if self._store is not None:
            inputs, lengths = stacked_features([self._store.features(int(i)) for i in numbers])
        else:
            inputs, lengths = stacked([self._inputs.plain(int(i)) for i in numbers])
        target, weight = torch.from_numpy(data.target[numbers]), data.weight[numbers]
        return numbers, ClassBatch(inputs, lengths, target, torch.from_numpy(weight))

    def loader(self) -> DataLoader[Item]:
        """Return the loader that yields one batch after the other."""
        return DataLoader(self, batch_size=None, collate_fn=as_is)

    def add(self, student: ClassNetwork, batch: Item, device: torch.device, each: Map) -> None:
        """Classify a batch and keep the result for `agreement`."""
        del each
        numbers, examples = batch
        examples = examples.to(device)
        with torch.autocast(device.type, enabled=False), torch.inference_mode():
            outputs = outputs_of(student, examples, features=self._store is not None)
            found = probabilities(outputs, self._inputs.data.exclusive).cpu().numpy()
        self._found.update(zip(numbers.tolist(), found, strict=True))

    def agreement(self) -> float:
        """Return the agreement, 0..1, and forget the results."""
        data, numbers = self._inputs.data, np.array(list(self._found))
        probability = np.stack(list(self._found.values()))
        self._found = {}
        _, first, group = np.unique(data.moment[numbers], return_index=True, return_inverse=True)
        mean = np.zeros((len(first), probability.shape[1]), np.float32)
        np.add.at(mean, group, probability)
        mean /= np.bincount(group)[:, None].astype(np.float32)
        measure = accuracy if data.exclusive else mean_average_precision
        return measure(mean, data.target[numbers][first])


def outputs_of(student: ClassNetwork, batch: ClassBatch, *, features: bool) -> torch.Tensor:
    """Return the outputs ``(b, k)`` for a batch of features or of pictures."""
    if features:
        return student.classify(batch.inputs, batch.lengths)
    outputs: torch.Tensor = student(batch.inputs, batch.lengths)
    return outputs


def accuracy(probability: Floats, target: Floats) -> float:
    """Return the share of rows whose likeliest class is right, of those where that is known.

    Args:
        probability: ``(n, k)``.
        target: ``(n, k)``: 1 right, 0 wrong, NaN unknown.
    """
    known = (target == 1).any(axis=1)
    best = probability[known].argmax(axis=1)
    right = target[known][np.arange(len(best)), best] == 1
    return float(right.mean()) if len(right) else 0.0


def mean_average_precision(probability: Floats, target: Floats) -> float:
    """Return the mean over classes of the average precision on rows where the class is known.

    Args:
        probability: ``(n, k)``.
        target: ``(n, k)``: 1 right, 0 wrong, NaN unknown. Classes without a right row do not count.
    """
    from sklearn.metrics import average_precision_score  # noqa: PLC0415 -- slow to load

    found = []
    for column, truth in zip(probability.T, target.T, strict=True):
        known = ~np.isnan(truth)
        if (truth[known] == 1).any():
            found.append(average_precision_score(truth[known] == 1, column[known]))
    return float(np.mean(found)) if found else 0.0


def _picked(moment: Ints, seed: int) -> Ints:
    """Return the examples of at most 500 moments, at random but always the same."""
    moments = np.unique(moment)
    if len(moments) > _MAX_MOMENTS:
        rng = np.random.default_rng((seed, 3))
        moments = rng.choice(moments, _MAX_MOMENTS, replace=False)
    return np.flatnonzero(np.isin(moment, moments))
