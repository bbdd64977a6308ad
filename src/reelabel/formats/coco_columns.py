"""The annotations of COCO files as columns, read without an object for each box.

It takes what `reelabel.formats.coco_text` writes and what has the same layout: one line, the keys
``images``, ``annotations``, ``categories`` in this order, and annotations without further keys. All
other files are left to a reader that goes through them entry by entry, and explains what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.json as pj
from numpy.typing import NDArray

from reelabel.data.boxes import Boxes, Ints
from reelabel.data.dataset import ImageEntry
from reelabel.data.states import IGNORE, POSITIVE
from reelabel.formats.checked import FARTHEST
from reelabel.formats.entries import NO_TRACK

Load = Callable[[bytes], Any]
"""Returns the value of a JSON text; raises `ValueError` for others."""

_HEAD, _MIDDLE, _END = b'{"images": ', b'], "annotations": [', b'], "categories": ['
_BETWEEN = b"}, {"
_BLOCK_BYTES = 2**23
_SIDES = 4
_SCHEMA = pa.schema([
    ("id", pa.int64()),
    ("image_id", pa.int64()),
    ("category_id", pa.int64()),
    ("bbox", pa.list_(pa.float64())),
    ("area", pa.float64()),
    ("iscrowd", pa.int64()),
    ("score", pa.float64()),
    ("origin", pa.string()),
    ("track_id", pa.int64()),
])
_PARSE = pj.ParseOptions(explicit_schema=_SCHEMA, unexpected_field_behavior="error")


@dataclass(frozen=True)
class Annotations:
    """What a file holds beside its images, all values checked.

    Attributes:
        image: ``(n,)`` position of the image of each box, ascending.
        xyxy: ``(n, 4)`` float32 in pixels.
        score: ``(n,)`` float32, NaN for none.
        class_id: ``(n,)`` position of the class.
        track_id: ``(n,)``, `NO_TRACK` for none.
        crowd: ``(n,)`` whether it is a region to ignore.
        origin: ``(n,)`` strings, empty for none.
    """

    image: Ints
    xyxy: NDArray[np.float32]
    score: NDArray[np.float32]
    class_id: Ints
    track_id: Ints
    crowd: NDArray[np.bool_]
    origin: NDArray[np.object_]


class UnusualFile(Exception):  # noqa: N818 -- a signal between two readers, no error
    """A file has to be read entry by entry."""
