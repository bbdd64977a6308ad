"""Runs a classifier on the written pictures of moments."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np

from reelabel.data.boxes import Floats
from reelabel.errors import ModelError
from reelabel.media.pictures import read_rgb
from reelabel.models.base import Classifier, Classify, Image, Window
from reelabel.models.frame_errors import in_frame

_READERS = 2
"""Threads that read pictures while the model computes."""


class ClassifierPool:
    """A classifier with its open copies, which serve video after video.

    Args:
        classifier: a classifier.
    """

    def __init__(self, classifier: Classifier) -> None:
        self.classifier = classifier
        self._idle: SimpleQueue[Classify] = SimpleQueue()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without the open copies."""
        return ClassifierPool, (self.classifier,)

    def classify(self, windows: Sequence[Window]) -> Floats:
        """Return probabilities ``(n, classes)``; a thread without a copy opens one.

        Raises:
            ModelError: if the model returns something else than finite probabilities.
        """
        try:
            classify = self._idle.get_nowait()
        except Empty:
            classify = self.classifier.open()
        try:
            return self._checked(classify(windows), len(windows))
        finally:
            self._idle.put(classify)

    def _checked(self, probability: Floats, n: int) -> Floats:
        expected = (n, len(self.classifier.classes))
        found = np.asarray(probability, np.float32)
        if found.shape != expected or not np.isfinite(found).all():
            raise ModelError(
                f"{self.classifier.name}: expected finite probabilities of shape {expected}, but "
                f"got {_described(found)}: train it again, or choose another model"
            )
        return found.clip(0.0, 1.0)


def _described(found: Floats) -> str:
    return f"the shape {found.shape}" if np.isfinite(found).all() else "NaN or infinite values"


def classify_pictures(
    pool: ClassifierPool,
    windows: Iterable[Sequence[Path]],
    on_done: Callable[[int], None] = lambda _: None,
) -> Floats:
    """Return the probabilities ``(n, classes)`` of moments whose pictures are files.

    Pictures are read ahead of the model; memory does not grow with the number of moments.

    Args:
        pool: the classifier.
        windows: picture files of each moment, in order of time.
        on_done: is called with the number of moments that are done.

    Raises:
        DecodeError: if a picture is missing or damaged.
        ModelError: if the model returns no probabilities.
    """
    parts: list[Floats] = [np.zeros((0, len(pool.classifier.classes)), np.float32)]
    done = 0
    with ThreadPoolExecutor(_READERS) as readers:
        for batch in _read_ahead(readers, iter(windows), pool.classifier.batch_size):
            with in_frame(partial("moment {}".format, done)):
                parts.append(pool.classify(batch))
            done += len(batch)
            on_done(done)
    return np.concatenate(parts)


def _read_ahead(
    readers: ThreadPoolExecutor, windows: Iterator[Sequence[Path]], size: int
) -> Iterator[list[Window]]:
    """Yield batches of read windows; the next batch is read meanwhile."""
    reading = [readers.submit(_read, paths) for paths in islice(windows, size)]
    while reading:
        following = [readers.submit(_read, paths) for paths in islice(windows, size)]
        yield [one.result() for one in reading]
        reading = following


def classify_ahead(pool: ClassifierPool, windows: Iterable[Window]) -> Iterator[Floats]:
    """Yield the probabilities ``(classes,)`` of each window, in order.

    The next windows are taken, and so decoded, while the model computes.

    Args:
        pool: the classifier.
        windows: pictures of each moment; iterated over in one other thread.

    Raises:
        ModelError: if the model returns no probabilities.
    """
    source = iter(windows)

    def take() -> list[Window]:
        return list(islice(source, max(1, pool.classifier.batch_size)))

    with ThreadPoolExecutor(1) as decoder:
        taking = decoder.submit(take)
        while batch := taking.result():
            taking = decoder.submit(take)
            yield from pool.classify(batch)


def _read(paths: Sequence[Path]) -> list[Image]:
    """Return the pictures of a window; one that repeats is read once."""
    known = {path: read_rgb(path) for path in dict.fromkeys(paths)}
    return [known[path] for path in paths]
