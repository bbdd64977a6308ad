"""Which pictures each step is trained on."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from reelabel.data.boxes import Ints
from reelabel.training.boxes.settings import BoxTrainSettings
from reelabel.training.boxes.training_set import TrainingPicture, TrainingSet, require_labels
from reelabel.training.schedule import BatchItem, total_steps


class BatchSchedule:
    """The pictures of every possible step.

    Labelled and background pictures are two endless queues of shuffled passes; the share decides
    which queue is next. No background picture is seen more often than a labelled one, except those
    with hard negatives or drawn by a person, which are in their queue several times.

    Raises:
        UsageError: if no picture has a positive label.
    """

    def __init__(self, data: TrainingSet, settings: BoxTrainSettings) -> None:
        require_labels(data)
        self._queues = tuple(
            _repeated(data, queue, settings) for queue in (data.labelled, data.background)
        )
        self._seed, self._batch = settings.seed, settings.batch_size
        share = min(settings.background_share, len(data.background) / len(data.labelled))
        self._background = share / (1 + share)
        self.total = total_steps(len(data.labelled), self._background, settings)
        self._order = lru_cache(maxsize=4)(self._shuffled)

    def batch(self, step: int) -> list[BatchItem]:
        """Return the items of a step."""
        first = step * self._batch
        return [BatchItem(self._picture(first + slot), step, slot) for slot in range(self._batch)]

    def _picture(self, position: int) -> int:
        before = int(position * self._background)
        if int((position + 1) * self._background) > before:
            return self._nth(1, before)
        return self._nth(0, position - before)

    def _nth(self, queue: int, position: int) -> int:
        pictures = self._queues[queue]
        turn, place = divmod(position, len(pictures))
        return pictures[int(self._order(queue, turn)[place])]

    def _shuffled(self, queue: int, turn: int) -> Ints:
        return np.random.default_rng((self._seed, queue, turn)).permutation(
            len(self._queues[queue])
        )


def _repeated(
    data: TrainingSet, queue: Sequence[int], settings: BoxTrainSettings
) -> tuple[int, ...]:
    """Return the pictures of a queue, those with hard negatives or drawn boxes several times."""

    def times(picture: TrainingPicture) -> int:
        negative = settings.negative_repeat if len(picture.negative) else 1
        return max(negative, settings.drawn_repeat if picture.is_drawn else 1)

    return tuple(i for i in queue for _ in range(times(data.pictures[i])))
