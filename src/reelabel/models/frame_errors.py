"""Errors of models with the frame that they were given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from reelabel.errors import ModelError


@contextmanager
def in_frame(name: Callable[[], str]) -> Iterator[None]:
    """Add the frame that a model was given, the first one of a batch, to an error of the model.

    Args:
        name: returns what messages call the frame; asked for when there is an error.

    Raises:
        ModelError: with the frame at its end.
    """
    try:
        yield
    except ModelError as exc:
        raise ModelError(f"{exc}; in {name()}") from exc
