"""Boxes around masks that files hold as run lengths: those of COCO and of Label Studio.

COCO counts along columns, zeros first, as numbers or packed into text as pycocotools does (5 bits
to a character, differences to the count before the last). They are counted here, as hotcoco takes a
text that breaks off for a smaller mask. Label Studio packs the RGBA values of all pixels by
https://github.com/thi-ng/umbrella, package rle-pack.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from reelabel.formats.entries import Four

_MOST_VALUES = 2**28
"""Four for each pixel; a damaged file may claim more than fits in memory."""
_CHANNELS = 4
_SIZE_BITS, _WORD_BITS, _LENGTH_BITS = 32, 5, 4


def box_of_counts(counts: object, size_wh: tuple[int, int]) -> Four | None:
    """Return the box around a COCO mask; None if it is empty or damaged.

    Args:
        counts: lengths of runs, or the text that they are packed into.
        size_wh: of the picture.
    """
    width, height = size_wh
    try:
        runs = list(_unpacked(counts)) if isinstance(counts, str) else _whole(counts)
    except (TypeError, ValueError, IndexError):
        return None
    if min(runs, default=-1) < 0 or sum(runs) != width * height:
        return None
    ends = np.cumsum([0, *runs]).tolist()
    filled = [pair for pair in list(pairwise(ends))[1::2] if pair[1] > pair[0]]
    if not filled:
        return None
    columns = [(start // height, (end - 1) // height) for start, end in filled]
    # A run over the end of a column fills its foot and the head of the next one.
    rows = [
        (start % height, (end - 1) % height) if left == right else (0, height - 1)
        for (start, end), (left, right) in zip(filled, columns, strict=True)
    ]
    left, right = columns[0][0], columns[-1][1]
    top, bottom = min(low for low, _ in rows), max(high for _, high in rows)
    return left, top, right + 1, bottom + 1


def _whole(counts: object) -> list[int]:
    if not isinstance(counts, list) or any(type(each) is not int for each in counts):
        raise TypeError
    return counts


def _unpacked(text: str) -> Iterator[int]:
    """Yield the counts of a packed text."""
    found, at = list[int](), 0
    while at < len(text):
        value = shift = 0
        more = True
        while more:
            bits = ord(text[at]) - 48
            value |= (bits & 0x1F) << shift
            more, shift, at = bool(bits & 0x20), shift + 5, at + 1
            if not more and bits & 0x10:
                value -= 1 << shift
        found.append(value + (found[-2] if len(found) > 2 else 0))  # noqa: PLR2004 -- as packed
        yield found[-1]


def box_of_packed(packed: object, size_wh: tuple[int, int]) -> Four | None:
    """Return the box around what a mask of Label Studio does not leave clear.

    Args:
        packed: the bytes, as a list of numbers.
        size_wh: of the picture.

    Returns:
        The box, None if the mask is empty, damaged or of another size.
    """
    width, height = size_wh
    try:
        values = _rgba(packed, width * height * _CHANNELS)
    except (TypeError, ValueError):
        return None
    alpha = values.reshape(height, width, _CHANNELS)[:, :, 3] > 0
    x, y = np.flatnonzero(alpha.any(axis=0)), np.flatnonzero(alpha.any(axis=1))
    return (int(x[0]), int(y[0]), int(x[-1]) + 1, int(y[-1]) + 1) if len(x) else None


def _rgba(packed: object, count: int) -> NDArray[np.uint8]:
    """Return the values of all pixels, one after the other.

    Raises:
        ValueError, TypeError: if they are not packed so, or are not as many.
    """
    if not isinstance(packed, Sequence) or count > _MOST_VALUES:
        raise TypeError
    bits = _Bits(np.unpackbits(np.frombuffer(bytes(packed), np.uint8)))
    if bits.number(_SIZE_BITS) != count:
        raise ValueError
    word = bits.number(_WORD_BITS) + 1
    lengths = [bits.number(_LENGTH_BITS) + 1 for _ in range(4)]
    values, at = np.zeros(count, np.uint8), 0
    while at < count:
        repeated = bits.number(1)
        length = bits.number(lengths[bits.number(2)]) + 1
        values[at : at + length] = bits.words(1 if repeated else length, word)
        at += length
    return values


class _Bits:
    """Reads numbers from bits, the highest first."""

    def __init__(self, bits: NDArray[np.uint8]) -> None:
        self._bits, self._at = bits, 0

    def number(self, width: int) -> int:
        """Return the next number of so many bits."""
        return int(self.words(1, width)[0])

    def words(self, count: int, width: int) -> NDArray[np.int64]:
        """Return the next numbers of so many bits each.

        Raises:
            ValueError: if there are no more.
        """
        some = self._bits[self._at : self._at + count * width]
        self._at += count * width
        found: NDArray[np.int64] = some.reshape(count, width) @ (1 << np.arange(width)[::-1])
        return found
