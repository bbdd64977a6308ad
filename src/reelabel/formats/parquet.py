"""One Parquet table of all boxes, with copies of the pictures.

    labels.parquet          one row for each box; a row without class for a picture without boxes
    images/<split>/<name>

The columns are `SCHEMA`. Nothing is lost: video, frame, time stamp and time base, track, state,
score and origin stand in their own columns. A table of other columns is read if it has
``category``, ``x1``, ``y1``, ``x2``, ``y2`` and names a picture (``file_name``) or the frame of a
``video``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from reelabel.data.dataset import Dataset, ImageEntry
from reelabel.data.states import POSITIVE, STATES, State
from reelabel.errors import FormatError, os_reason
from reelabel.file_kinds import special_kind
from reelabel.files import write_atomic
from reelabel.formats.checked import bad, number, score_of, text_of, whole_of, xyxy_of
from reelabel.formats.copied import copied_pictures
from reelabel.formats.entries import Entry, dataset_of
from reelabel.formats.listing import visible

TABLE_FILE = "labels.parquet"
LIMIT_BYTES = 4 * 2**30
"""Of the largest table that is read, unpacked."""
_CORNERS = ("x1", "y1", "x2", "y2")
_PICTURE = pa.schema([
    ("file_name", pa.string()),
    ("split", pa.string()),
    ("width", pa.int32()),
    ("height", pa.int32()),
    ("video", pa.string()),
    ("video_name", pa.string()),
    ("frame_index", pa.int64()),
    ("pts", pa.int64()),
    ("time_base_num", pa.int64()),
    ("time_base_den", pa.int64()),
    ("pts_time", pa.float64()),
    ("complete", pa.list_(pa.string())),
])
SCHEMA = pa.schema([
    *_PICTURE,
    ("category", pa.string()),
    *((name, pa.float64()) for name in _CORNERS),
    ("state", pa.string()),
    ("score", pa.float64()),
    ("origin", pa.string()),
    ("track_id", pa.int64()),
])
"""Sizes and corners in pixels of the picture, right and bottom exclusive; ``pts`` in ticks of
``time_base_num / time_base_den`` seconds; ``pts_time`` in seconds; ``complete`` are the classes
that the picture was searched for, null for all."""
_CLASSES = b"reelabel.classes"
"""Key of the table's metadata: class names as JSON, in order."""
_STATES: Mapping[object, State] = {each: each for each in STATES}


def write_parquet(folder: Path, dataset: Dataset, pictures: Callable[[ImageEntry], Path]) -> None:
    """Write the table and the pictures.

    Args:
        folder: an empty folder.
        dataset: what to write; pictures of no split go to train.
        pictures: where each picture's file is.

    Raises:
        FormatError: for a picture that is missing or of an unusual kind.
        WorkspaceError: if something cannot be written.
    """
    rows: list[dict[str, Any]] = []
    for one in copied_pictures(folder, dataset, pictures, "images/{split}"):
        width, height = one.size_wh
        shown = replace(one.image, file_name=one.name, split=one.split, width=width, height=height)
        place = _picture_row(shown, dataset.classes)
        rows += [place | _box_row(entry, dataset.classes) for entry in one.entries] or [place]
    schema = SCHEMA.with_metadata({_CLASSES: json.dumps(dataset.classes).encode()})
    table = pa.Table.from_pylist(rows, schema=schema)

    def write(path: Path) -> None:
        with pq.ParquetWriter(path, schema) as writer:
            writer.write(table)

    write_atomic(folder / TABLE_FILE, write)


def _picture_row(image: ImageEntry, classes: Sequence[str]) -> dict[str, Any]:
    keys = ("file_name", "split", "width", "height", "video", "frame_index", "pts", "pts_time")
    base, name = image.time_base, image.extra.get("video_name")
    complete = None if image.complete is None else [classes[i] for i in image.complete]
    return {key: getattr(image, key) for key in keys} | {
        "video_name": name if isinstance(name, str) else None,
        "time_base_num": base.numerator if base else None,
        "time_base_den": base.denominator if base else None,
        "complete": complete,
    }


def _box_row(entry: Entry, classes: Sequence[str]) -> dict[str, Any]:
    return dict(zip(_CORNERS, entry.xyxy, strict=True)) | {
        "category": classes[entry.class_id],
        "state": entry.state,
        "score": entry.score,
        "origin": entry.origin or None,
        "track_id": entry.track_id,
    }


def read_parquet(path: Path) -> Dataset:
    """Read a table, or that of a folder.

    Raises:
        FormatError: naming the row that is wrong, and what was expected.
    """
    file = _file(path)
    table = _table(file)
    classes = _classes(file, table)
    images: dict[object, ImageEntry] = {}
    entries: dict[object, list[Entry]] = {}
    for at, row in enumerate(_rows(table)):
        where = f"{file}: row {at}"
        image = _image(where, row, classes)
        key = image.file_name, image.video, image.frame_index, image.pts, image.pts_time
        if images.setdefault(key, image) != image:
            raise FormatError(f"{where}: expected {image} as in earlier rows, but they differ")
        own = entries.setdefault(key, [])
        if row.get("category") is not None:
            own.append(_entry(where, row, classes))
    return dataset_of(classes, list(images.values()), entries.values())


def _file(path: Path) -> Path:
    if not path.is_dir():
        return path
    named = path / TABLE_FILE
    found = [named] if named.is_file() else sorted(visible(path, "*.parquet"))
    if len(found) != 1:
        raise FormatError(f"{path}: expected one *.parquet file, but there are {len(found)}")
    return found[0]


def _table(path: Path) -> pa.Table:
    if kind := special_kind(path):  # a pipe would be waited for without end
        raise FormatError(f"{path}: expected a Parquet table, but it is {kind}: name a file")
    try:
        with pq.ParquetFile(path) as file:
            meta = file.metadata
            groups = (meta.row_group(i) for i in range(meta.num_row_groups))
            unpacked = sum(group.total_byte_size for group in groups)
            if unpacked > LIMIT_BYTES:
                raise FormatError(f"{path}: expected at most {LIMIT_BYTES} bytes, got {unpacked}")
            table = file.read()
    except (pa.ArrowException, OSError, ValueError) as exc:
        raise FormatError(
            f"{path}: expected a Parquet table, but {os_reason(exc)}; replace it"
        ) from exc
    missing = [name for name in ("category", *_CORNERS) if name not in table.column_names]
    if missing or not {"file_name", "video"} & set(table.column_names):
        raise FormatError(
            f"{path}: expected columns category, x1, y1, x2, y2 and file_name or video, but got "
            f"{', '.join(table.column_names[:20])}"
        )
    return table


def _classes(path: Path, table: pa.Table) -> tuple[str, ...]:
    """Return the class names: those of the metadata first, then others in order."""
    given = (table.schema.metadata or {}).get(_CLASSES, b"[]")
    try:
        names = json.loads(given)
        found = [*names, *table["category"].unique().to_pylist()]
    except (ValueError, TypeError, pa.ArrowException) as exc:
        raise FormatError(f"{path}: expected class names as text, but {exc}") from exc
    kept = [name for name in found if name is not None]
    if not all(isinstance(name, str) and name for name in kept):
        raise bad(f"{path}: 'category'", "class names", kept)
    return tuple(dict.fromkeys(kept))


def _rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    for batch in table.to_batches(max_chunksize=10_000):
        yield from batch.to_pylist()


def _image(where: str, row: Mapping[str, Any], classes: Sequence[str]) -> ImageEntry:
    name, video = text_of(where, row, "file_name"), text_of(where, row, "video")
    if not name and not video:
        raise bad(where, "a 'file_name' or a 'video'", sorted(row))
    called = text_of(where, row, "video_name")
    time_s = row.get("pts_time")
    return ImageEntry(
        name,
        whole_of(where, row, "width", 0) or 0,
        whole_of(where, row, "height", 0) or 0,
        video=video,
        frame_index=whole_of(where, row, "frame_index", 0),
        pts=whole_of(where, row, "pts"),
        pts_time=None if time_s is None else number(f"{where}: 'pts_time'", time_s, "seconds"),
        complete=_complete(where, row.get("complete"), classes),
        split=text_of(where, row, "split"),
        extra={"video_name": called} if called else {},
        time_base=_time_base(where, row),
    )


def _complete(where: str, given: object, classes: Sequence[str]) -> tuple[int, ...] | None:
    if given is None:
        return None
    if not isinstance(given, Iterable) or not all(each in classes for each in given):
        raise bad(f"{where}: 'complete'", f"class names among {list(classes)}", given)
    return tuple(classes.index(each) for each in given)


def _time_base(where: str, row: Mapping[str, Any]) -> Fraction | None:
    num, den = (whole_of(where, row, f"time_base_{key}", 1) for key in ("num", "den"))
    return Fraction(num, den) if num and den else None


def _entry(where: str, row: Mapping[str, Any], classes: Sequence[str]) -> Entry:
    state, score = row.get("state") or POSITIVE, row.get("score")
    if state not in _STATES:
        raise bad(f"{where}: 'state'", "positive, ignore or negative", state)
    # Tables that come from pandas have NaN where there is none.
    blank = isinstance(score, float) and math.isnan(score)
    return Entry(
        xyxy_of(f"{where}: {', '.join(_CORNERS)}", [row[key] for key in _CORNERS], corners=True),
        classes.index(row["category"]),
        None if blank else score_of(where, row),
        _STATES[state],
        text_of(where, row, "origin"),
        track_id=whole_of(where, row, "track_id", 0),
    )
