"""Which examples each step is trained on."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from reelabel.data.boxes import Ints
from reelabel.training.classes.settings import ClassTrainSettings
from reelabel.training.classes.training_set import Examples, require_classes
from reelabel.training.schedule import BatchItem, total_steps


class ClassSchedule:
    """The examples of every possible step: an endless queue of shuffled passes.

    With ``class_balance: sampling`` there is a queue for each class, and one for the examples of
    which no class is right; they take turns.

    Raises:
        UsageError: if there are not two classes to tell apart.
    """

    def __init__(self, data: Examples, settings: ClassTrainSettings) -> None:
        require_classes(data)
        self._queues = _queues(data, by_class=settings.class_balance == "sampling")
        self._seed, self._batch = settings.seed, settings.batch_size
        self.total = total_steps(len(data), 0.0, settings)
        self._order = lru_cache(maxsize=4 * len(self._queues))(self._shuffled)

    def batch(self, step: int) -> list[BatchItem]:
        """Return the items of a step."""
        first = step * self._batch
        return [BatchItem(self._example(first + slot), step, slot) for slot in range(self._batch)]

    def _example(self, position: int) -> int:
        place, queue = divmod(position, len(self._queues))
        turn, place = divmod(place, len(self._queues[queue]))
        return int(self._order(queue, turn)[place])

    def _shuffled(self, queue: int, turn: int) -> Ints:
        rng = np.random.default_rng((self._seed, queue, turn))
        found: Ints = rng.permutation(self._queues[queue])
        return found


def _queues(data: Examples, *, by_class: bool) -> list[Ints]:
    """Return the examples of each queue."""
    if not by_class:
        return [np.arange(len(data))]
    right = data.target == 1
    columns = [*right.T, ~right.any(axis=1)]
    return [np.flatnonzero(column) for column in columns if column.any()]
