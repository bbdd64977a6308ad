"""The annotations of COCO files as columns, read without an object for each box.

It takes what `reelabel.formats.coco_text` writes and what has the same layout: one line, the keys
``images``, ``annotations``, ``categories`` in this order, and annotations without further keys. All
other files are left to a reader that goes through them entry by entry, and explains what is wrong.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.json as pj
from numpy.typing import NDArray

from reelabel.data.boxes import Boxes, Ints, read_only, xywh_to_xyxy
from reelabel.data.states import IGNORE, POSITIVE
from reelabel.formats.checked import FARTHEST
from reelabel.formats.entries import NO_TRACK
from reelabel.json_text import each_key_once
from reelabel.tables.columns import encoded_texts, texts_of

_HEAD, _MIDDLE, _END = b'{"images": ', b'], "annotations": [', b'], "categories": ['
_LAST = b"}\n"
_BETWEEN, _LINES = b"}, {", b"}\n{"
_BLOCK_BYTES = 2**23
_SIDES = 4
_LARGEST_ID = 2**63
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
    ("round", pa.int64()),
    ("rule", pa.string()),
])
_EXTRA = ("round", "rule")
"""Keys that data sets of rounds have beside those of `reelabel.formats.coco_rows.BOX_KEYS`."""
_PARSE = pj.ParseOptions(explicit_schema=_SCHEMA, unexpected_field_behavior="error")


class UnusualFile(Exception):  # noqa: N818 -- a signal between two readers, no error
    """A file has to be read entry by entry."""


@dataclass(frozen=True)
class Rows:
    """The content of a file as it stands.

    Attributes:
        raw: the lists ``images`` and ``categories``.
        annotations: a table of the columns of `_SCHEMA`.
    """

    raw: dict[str, Any]
    annotations: pa.Table


def read_rows(path: Path) -> Rows:
    """Return the content of a file.

    Raises:
        UnusualFile: if it has another layout, is damaged or cannot be read.
    """
    try:
        if not path.is_file():
            raise UnusualFile
        with path.open("rb") as file:
            head, rest = _head(file)
            images = _loaded(head)
            tables, tail = _tables(file, rest)
        categories = _loaded(tail)
    except (OSError, ValueError, RecursionError, pa.ArrowException) as exc:
        raise UnusualFile from exc
    table = pa.concat_tables([_SCHEMA.empty_table(), *tables])
    return Rows({"images": images, "categories": categories}, table)


def _loaded(text: bytes) -> Any:
    return json.loads(
        text.decode("utf-8"), parse_constant=lambda _: None, object_pairs_hook=each_key_once
    )


def _head(file: BinaryIO) -> tuple[bytes, bytes]:
    """Return the list of images, and what was read behind it."""
    text = file.read(_BLOCK_BYTES)
    if not text.startswith(_HEAD + b"["):
        raise UnusualFile
    while (at := text.find(_MIDDLE)) < 0:
        block = file.read(_BLOCK_BYTES)
        if not block:
            raise UnusualFile
        text += block
    # If all up to here is one list, this is its end: no text inside it looks like that.
    return text[len(_HEAD) : at + 1], text[at + len(_MIDDLE) :]


def _tables(file: BinaryIO, rest: bytes) -> tuple[list[pa.Table], bytes]:
    """Return the annotations block by block, and the list of categories."""
    tables = []
    while block := file.read(_BLOCK_BYTES):
        rest += block
        # The end of the annotations is searched in what is left.
        cut = rest.rfind(_BETWEEN, 0, max(0, len(rest) - _BLOCK_BYTES // 2))
        if cut >= 0:
            tables.append(_table(rest[: cut + 1]))
            rest = rest[cut + len(_BETWEEN) - 1 :]
    at = rest.rfind(_END)
    if at < 0 or not rest.endswith(_LAST):
        raise UnusualFile
    if at:
        tables.append(_table(rest[:at]))
    return tables, rest[at + len(_END) - 1 : -len(_LAST)]


def _table(text: bytes) -> pa.Table:
    """Return annotations that stand between commas."""
    # Inside a text, such a line break is an error of the parser.
    lines = pa.py_buffer(text.replace(_BETWEEN, _LINES))
    found = pj.read_json(pa.BufferReader(lines), parse_options=_PARSE)
    if found.num_rows != text.count(_BETWEEN) + 1:
        raise UnusualFile
    at = [text.find(b'"%s"' % name.encode()) for name in _EXTRA]
    missing = [found[name].null_count for name in _EXTRA]
    there = not any(missing) and at[0] < at[1]
    # A key with null is more than a missing key.
    if not there and (max(at) >= 0 or min(missing) < found.num_rows):
        raise UnusualFile
    return found


def boxes_of_rows(
    rows: Rows, ids: Sequence[object], category_ids: Mapping[object, int], sizes_wh: Ints | None
) -> list[Boxes]:
    """Return the boxes of each image.

    Args:
        rows: the content of a file.
        ids: of the images.
        category_ids: the position of the class of each category id.
        sizes_wh: ``(images, 2)`` by which boxes that may be of another layout are found, None: they
            are taken as they are.

    Raises:
        UnusualFile: if a value has to be explained.
    """
    table = rows.annotations
    image = _found(table, "image_id", {id_: i for i, id_ in enumerate(ids)})
    xywh = _xywh(table)
    if sizes_wh is not None and len(xywh):
        _check_layout(xywh, sizes_wh[image])
    columns: dict[str, NDArray[Any]] = {
        "xyxy": xywh_to_xyxy(xywh).astype(np.float32),
        "score": _score(table),
        "class_id": _found(table, "category_id", category_ids),
        "track_id": _track_id(table),
        "state": np.where(_crowd(table), IGNORE, POSITIVE),
        "origin": texts_of(pa.table({"origin": table["origin"].fill_null("")}), "origin"),
        **_extra(table),
    }
    return _divided(columns, image, len(ids))


def _divided(columns: dict[str, NDArray[Any]], image: Ints, count: int) -> list[Boxes]:
    """Return the boxes of each image; a field that is empty in it is left out."""
    if (image[1:] < image[:-1]).any():
        order = np.argsort(image, kind="stable")
        image = image[order]
        columns = {name: values[order] for name, values in columns.items()}
    columns = {name: read_only(values) for name, values in columns.items()}
    plain = {"track_id": NO_TRACK, "state": POSITIVE, "origin": ""}
    given = {
        name: np.bincount(image, columns[name] != none, count) > 0 for name, none in plain.items()
    }
    ends = np.cumsum(np.bincount(image, minlength=count)).tolist()
    boxes, empty = [], Boxes.empty()
    for at, (low, high) in enumerate(zip([0, *ends], ends, strict=False)):
        some = {
            name: values[low:high]
            for name, values in columns.items()
            if name not in given or given[name][at]
        }
        boxes.append(Boxes(**some) if high > low else empty)
    return boxes


def _found(table: pa.Table, name: str, position: Mapping[object, int]) -> Ints:
    """Return the positions of the ids of a column."""
    if not all(type(id_) is int and abs(id_) < _LARGEST_ID for id_ in position):
        raise UnusualFile
    known = np.array([*position], np.int64)
    given, order = _numbers(table, name), np.argsort(known)
    if not len(given):
        return given
    if not len(known):
        raise UnusualFile
    at = order[np.minimum(np.searchsorted(known[order], given), len(known) - 1)]
    if (known[at] != given).any():
        raise UnusualFile
    found: Ints = np.array([*position.values()], np.int64)[at]
    return found


def _numbers(table: pa.Table, name: str, none: int | None = None) -> Ints:
    """Return a column of whole numbers, `none` where there is none."""
    column = table[name]
    if column.null_count and none is None:
        raise UnusualFile
    values: Ints = (column if none is None else column.fill_null(none)).to_numpy()
    return values


def _xywh(table: pa.Table) -> NDArray[np.float64]:
    """Return the boxes as they stand, checked as `reelabel.formats.checked.xyxy_of` does."""
    column = table["bbox"].combine_chunks()
    if column.null_count or not (column.value_lengths().to_numpy() == _SIDES).all():
        raise UnusualFile
    values = column.flatten()
    flat: NDArray[np.float64] = values.to_numpy(zero_copy_only=False)
    xywh = flat.reshape(-1, _SIDES)
    corners = xywh_to_xyxy(xywh)
    small = (np.abs(corners) <= FARTHEST).all()
    if values.null_count or not small or not (corners[:, :2] <= corners[:, 2:]).all():
        raise UnusualFile
    return xywh


def _check_layout(xywh: NDArray[np.float64], sizes_wh: Ints) -> None:
    """Refuse what `reelabel.formats.layout.check_layout` has to judge."""
    left, top, right, bottom = xywh.T
    width, height = sizes_wh.T
    inside = (left < right) & (right <= width) & (top < bottom) & (bottom <= height)
    if inside.all() or ((xywh >= 0) & (xywh <= 1)).all():
        raise UnusualFile


def _score(table: pa.Table) -> NDArray[np.float32]:
    # NaN where there is none; `reelabel.formats.checked.load_json` takes NaN for none too.
    score: NDArray[np.float64] = table["score"].to_numpy()
    if not (((score >= 0) & (score <= 1)) | np.isnan(score)).all():
        raise UnusualFile
    return score.astype(np.float32)


def _crowd(table: pa.Table) -> NDArray[np.bool_]:
    crowd = _numbers(table, "iscrowd", 0)
    if not np.isin(crowd, (0, 1)).all():
        raise UnusualFile
    return np.equal(crowd, 1)


def _extra(table: pa.Table) -> dict[str, NDArray[np.object_]]:
    """Return further values of the boxes, equal ones as one dictionary."""
    missing = [table[name].null_count for name in _EXTRA]
    if min(missing) == len(table):
        return {}
    if any(missing):
        raise UnusualFile
    rules, rule = encoded_texts(table, "rule")
    rounds, number = np.unique(table["round"].to_numpy(), return_inverse=True)
    both = product(rounds.tolist(), rules)
    values = np.array([dict(zip(_EXTRA, pair, strict=True)) for pair in both], np.object_)
    return {"extra": values[number * len(rules) + rule]}


def _track_id(table: pa.Table) -> Ints:
    track_id = _numbers(table, "track_id", NO_TRACK)
    if table["track_id"].null_count < np.count_nonzero(track_id < 0):
        raise UnusualFile
    return track_id
