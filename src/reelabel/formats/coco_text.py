"""The JSON of COCO files, written column by column: the same text as `json.dumps` of each row.

Pictures whose boxes have numbers that are no decimals of `DIGITS`, or tiny areas, are written row
by row.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from reelabel.data.boxes import Bools, Boxes, Ints
from reelabel.data.dataset import DIGITS, Dataset, fitted
from reelabel.data.states import IGNORE, POSITIVE
from reelabel.formats.coco_rows import BOX_KEYS, REGIONS, coco_rows, image_row, unknown
from reelabel.formats.entries import NO_TRACK

_BOXES = 50_000
"""Boxes whose text is made at once."""
_UNIT = 10**DIGITS
_LEAST = 1e-3
"""From here to 1 Arrow writes numbers as Python does."""
_LARGEST = 10**4
"""Sides of so many pixels have areas that are decimals of 2 `DIGITS` in double precision."""


@cache
def _fractions() -> tuple[pa.Array, pa.Array]:
    """Return the texts of all fractions with `DIGITS`, and without the zeros at their ends."""
    # Not at import: PyArrow loads pandas for its first array, where that is installed.
    padded = [f"{i:0{DIGITS}d}" for i in range(_UNIT)]
    return pa.array(padded), pa.array([text.rstrip("0") or "0" for text in padded])


def coco_texts(dataset: Dataset, *, crowds: bool) -> Iterator[tuple[list[str], str]]:
    """Yield the rows of some pictures, and those of their boxes, with commas between.

    Args:
        dataset: the pictures and boxes.
        crowds: as in `reelabel.formats.coco.to_coco`.

    Raises:
        TypeError, ValueError, RecursionError: if an `extra` holds what JSON cannot.
    """
    position, number = 0, 0
    for part in _parts(dataset):
        columns, above = _Columns.of(part), (position, number)
        if columns is None:
            images, boxes, count = _by_rows(part, above, crowds=crowds)
        else:
            images, boxes, count = _by_columns(part, columns, above, crowds=crowds)
        yield images, boxes
        position, number = position + len(part.images), number + count


def _parts(dataset: Dataset) -> Iterator[Dataset]:
    """Yield the data set in parts of about `_BOXES` boxes."""
    ends = np.cumsum([len(boxes) + 1 for boxes in dataset.boxes])
    cuts = (np.flatnonzero(np.diff(ends // _BOXES)) + 1).tolist()
    for low, high in zip([0, *cuts], [*cuts, len(ends)], strict=True):
        images, boxes = dataset.images[low:high], dataset.boxes[low:high]
        if images:
            yield replace(dataset, images=images, boxes=boxes)


def _by_rows(part: Dataset, above: tuple[int, int], *, crowds: bool) -> tuple[list[str], str, int]:
    """Return what `_by_columns` does, of any boxes."""
    rows = list(coco_rows(part, crowds=crowds, above=above))
    boxes = [box for _, some in rows for box in some]
    images = [json.dumps(image, allow_nan=False) for image, _ in rows]
    return images, json.dumps(boxes, allow_nan=False)[1:-1], len(boxes)


@dataclass(frozen=True)
class _Columns:
    """The boxes of some pictures that have an area, as columns.

    Attributes:
        image: ``(n,)`` position of the picture.
        class_id: ``(n,)`` position of the class.
        state: ``(n,)`` strings of `reelabel.data.states.STATES`.
        xyxy: ``(n, 4)`` corners in whole units of 1 / `_UNIT` pixel.
        further: ``(n,)`` text of the values behind the box, each with a comma before.
    """

    image: Ints
    class_id: Ints
    state: NDArray[Any]
    xyxy: Ints
    further: pa.Array

    @classmethod
    def of(cls, part: Dataset) -> Self | None:
        """Return the columns, None if text of them would not be that of the rows."""
        boxes = part.boxes
        image = np.repeat(np.arange(len(boxes)), [len(some) for some in boxes])
        sizes_wh = np.array([one.size_wh for one in part.images], np.float64)[image]
        corners, kept = fitted(np.concatenate([some.xyxy for some in boxes]), sizes_wh)
        units = _units(corners[kept])
        if units is None:
            return None
        class_id = np.concatenate([some.class_id for some in boxes])
        state = _strings(boxes, "state", POSITIVE)
        further = _further(boxes).filter(pa.array(kept))
        return cls(image[kept], class_id[kept], state[kept], units, further)

    def __getitem__(self, which: Bools) -> _Columns:
        further = self.further.filter(pa.array(which))
        xyxy, state = self.xyxy[which], self.state[which]
        return _Columns(self.image[which], self.class_id[which], state, xyxy, further)

    def annotations(self, above: tuple[int, int]) -> pa.Array:
        """Return the rows of the boxes, ``above`` being the highest ids of a picture and a box."""
        width, height = (self.xyxy[:, 2:] - self.xyxy[:, :2]).T
        return pc.binary_join_element_wise(
            '{"id": ',
            _whole(np.arange(len(self.image)) + above[1] + 1),
            ', "image_id": ',
            _whole(self.image + above[0] + 1),
            ', "category_id": ',
            _whole(self.class_id + 1),
            ', "bbox": ',
            self.bbox(),
            ', "area": ',
            _decimal(width * height, 2),
            ', "iscrowd": ',
            _whole((self.state == IGNORE).astype(np.int64)),
            self.further,
            "}",
            "",
        )

    def regions(self, classes: Sequence[str]) -> pa.Array:
        """Return the boxes as they stand in the rows of their pictures."""
        names = pa.array([json.dumps(name) for name in classes], pa.string()).take(
            pa.array(self.class_id)
        )
        bbox, end = self.bbox(), (self.further, "}", "")
        return pc.binary_join_element_wise('{"bbox": ', bbox, ', "category": ', names, *end)

    def bbox(self) -> pa.Array:
        """Return left, top, width, height of each box as a list."""
        left, top, right, bottom = self.xyxy.T
        x, y, w, h = (_decimal(each, 1) for each in (left, top, right - left, bottom - top))
        return pc.binary_join_element_wise("[", x, ", ", y, ", ", w, ", ", h, "]", "")


def _by_columns(
    part: Dataset, columns: _Columns, above: tuple[int, int], *, crowds: bool
) -> tuple[list[str], str, int]:
    """Return the rows of the pictures, those of the boxes, and how many boxes these are."""
    keys = {state: key for key, state in REGIONS.items() if not (crowds and state == IGNORE)}
    aside = np.isin(columns.state, list(keys))
    images = [
        json.dumps(image_row(id_, image), allow_nan=False)
        for id_, image in enumerate(part.images, start=above[0] + 1)
    ]
    if aside.any():
        _add_regions(images, columns[aside], part.classes, keys)
        columns = columns[~aside]
    rows = columns.annotations(above)
    joined = pc.binary_join(
        pa.ListArray.from_arrays(pa.array([0, len(rows)], pa.int32()), rows), ", "
    )
    return images, joined[0].as_py(), len(rows)


def _add_regions(
    images: list[str], regions: _Columns, classes: Sequence[str], keys: Mapping[Any, str]
) -> None:
    """Put regions at the end of the rows of their pictures, in the order in which they come."""
    found: dict[int, dict[str, list[str]]] = {}
    rows = regions.regions(classes).to_pylist()
    for image, state, text in zip(
        regions.image.tolist(), regions.state.tolist(), rows, strict=True
    ):
        found.setdefault(image, {}).setdefault(keys[state], []).append(text)
    for image, lists in found.items():
        added = "".join(f', "{key}": [{", ".join(some)}]' for key, some in lists.items())
        images[image] = f"{images[image][:-1]}{added}}}"


def _units(corners: NDArray[np.float64]) -> Ints | None:
    """Return corners in whole units, None if they or sizes made of them are no such decimals."""
    if not (np.abs(corners) < _LARGEST).all() or np.signbit(corners).any():
        return None
    units: Ints = np.rint(corners * _UNIT).astype(np.int64)
    sides = units[:, 2:] - units[:, :2]
    # Python writes numbers below 0.0001 with an exponent.
    tiny = sides[:, 0] * sides[:, 1] < 10 ** (2 * DIGITS - 4)
    return None if tiny.any() or (units / _UNIT != corners).any() else units


def _whole(values: Ints) -> pa.Array:
    return pa.array(values).cast(pa.string())


def _decimal(units: Ints, groups: int) -> pa.Array:
    """Return units of 1 / `_UNIT` ** groups as Python writes such numbers."""
    before, last = np.divmod(units, _UNIT)
    padded, stripped = _fractions()
    digits = stripped.take(pa.array(last))
    if groups == 1:
        return pc.binary_join_element_wise(_whole(before), digits, ".")
    before, first = np.divmod(before, _UNIT)
    fraction = pc.if_else(
        pa.array(last == 0),
        stripped.take(pa.array(first)),
        pc.binary_join_element_wise(padded.take(pa.array(first)), digits, ""),
    )
    return pc.binary_join_element_wise(_whole(before), fraction, ".")


def _further(boxes: Sequence[Boxes]) -> pa.Array:
    """Return score, origin and track of each box as text, as far as it has them."""
    score = np.concatenate([some.score for some in boxes])
    # The shortest text that means this number, as in `reelabel.formats.entries.scores_of`.
    written = pa.array(score).cast(pa.string())
    other = (score < _LEAST) | (score >= 1)
    if other.any():  # of these Arrow writes the same digits in another way than Python
        again = [repr(float(text)) for text in written.filter(pa.array(other)).to_pylist()]
        written = pc.replace_with_mask(written, pa.array(other), pa.array(again, pa.string()))
    texts = pc.binary_join_element_wise(', "score": ', written, "")
    scores = pc.if_else(pa.array(np.isnan(score)), "", texts)
    names, at = np.unique(_strings(boxes, "origin", ""), return_inverse=True)
    known = [f', "origin": {json.dumps(name)}' if name else "" for name in names.tolist()]
    origins = pa.array(known, pa.string()).take(pa.array(at))
    none = np.int64(NO_TRACK)
    track_id = np.concatenate([
        np.full(len(some), none) if some.track_id is None else some.track_id for some in boxes
    ])
    texts = pc.binary_join_element_wise(', "track_id": ', _whole(track_id), "")
    tracks = pc.if_else(pa.array(track_id < 0), "", texts)
    return pc.binary_join_element_wise(scores, origins, tracks, _extra(boxes), "")


def _extra(boxes: Sequence[Boxes]) -> pa.Array:
    """Return the other values of each box; one dictionary is often that of many boxes."""
    every = [
        each
        for some in boxes
        for each in ([None] * len(some) if some.extra is None else some.extra.tolist())
    ]
    ids = [*map(id, every)]
    known = dict(zip(ids, every, strict=True))
    texts = {key: _text_behind(unknown(each or {}, BOX_KEYS)) for key, each in known.items()}
    return pa.array([*map(texts.__getitem__, ids)], pa.string())


def _text_behind(values: Mapping[str, Any]) -> str:
    """Return values as they stand behind others in an object."""
    return f", {json.dumps(values, allow_nan=False)[1:-1]}" if values else ""


def _strings(boxes: Sequence[Boxes], name: str, default: str) -> NDArray[Any]:
    """Return one field of strings of all boxes."""
    return np.concatenate([
        np.full(len(some), default) if getattr(some, name) is None else getattr(some, name)
        for some in boxes
    ])
