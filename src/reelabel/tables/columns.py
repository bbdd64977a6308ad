"""Text columns in memory and back, without a Python object for every row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Texts = NDArray[np.object_]
"""Strings of any length; equal ones of one column are one object."""


def texts_of(table: pa.Table, name: str) -> Texts:
    """Return a text column as ``(rows,)`` objects: long texts take no room in every row."""
    values, position = encoded_texts(table, name)
    found: Texts = np.array([*values, None], object)[position]
    return found


def equal_texts(value: str, count: int) -> Texts:
    """Return ``(count,)`` times one object; `numpy.full` would make a string for every row."""
    found: Texts = np.empty(count, object)
    found.fill(value)
    return found


def strings_of(table: pa.Table, name: str) -> NDArray[np.str_]:
    """Return a column of short texts as ``(rows,)`` strings of fixed width."""
    values, position = encoded_texts(table, name)
    found: NDArray[np.str_] = np.array([*values, ""], np.str_)[position]
    return found


def encoded_texts(table: pa.Table, name: str) -> tuple[list[str], NDArray[np.int64]]:
    """Return the distinct values of a column, and the position of each row's value."""
    column = table[name].combine_chunks().dictionary_encode(null_encoding="encode")
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    return column.dictionary.to_pylist(), column.indices.to_numpy().astype(np.int64)


def chosen_texts(values: Sequence[str], position: NDArray[np.int64]) -> pa.Array:
    """Return a text column from the positions ``(n,)`` of its values."""
    return pa.array(values, pa.string()).take(pa.array(position))


def repeated_text(value: str, count: int) -> pa.Array:
    """Return a text column in which every row is the same."""
    return pa.repeat(pa.scalar(value, pa.string()), count)
