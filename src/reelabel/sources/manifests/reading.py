"""What every reader is given, and the rows of lists with named columns: CSV, JSON, Parquet."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from reelabel.errors import FormatError, few, nearest, os_reason, shown
from reelabel.file_kinds import special_kind
from reelabel.formats.span_names import check_span_names
from reelabel.formats.table_text import column_name, header_line
from reelabel.json_text import strict_decoder
from reelabel.sources.manifests.entries import Entry, Tally, decoded
from reelabel.sources.manifests.json_stream import Damaged, json_entries
from reelabel.sources.manifests.label_rules import MOST_KEPT, LabelRules
from reelabel.sources.manifests.settings import Manifest, Meaning
from reelabel.sources.manifests.texts import CsvRows, open_text, suffix_of

Lookup = Callable[[str], bytes]
"""Returns the content of a file of YouTube-8M by its address or path below the lookups."""
Values = dict[str, Any]
"""What a column is about -> its value in one row."""
Classes = tuple[str, ...]

MOST_LAYOUTS = 1_000
"""Layouts of objects that are remembered."""
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "video_id", "videoid", "youtube_id", "clip_id"),
    "url": ("url", "contenturl", "video_url", "videoloc", "link", "href", "address"),
    "label": ("label", "labels", "class", "classes", "category", "tag", "tags"),
    "start": ("start", "start_s", "time_start", "start_time"),
    "end": ("end", "end_s", "time_end", "end_time"),
    "duration": ("duration", "duration_s", "length"),
    "height": ("height",),
    "split": ("split", "subset", "partition"),
    "licence": ("licence", "license", "is_cc"),
    "uploader": ("uploader", "channel", "author"),
    "title": ("title", "name"),
    "size": ("size", "size_bytes", "bytes", "filesize"),
}
"""What a column is about -> the names that it may have, in any case."""


ONE_COLUMN: tuple[Meaning, ...] = ("label", "start", "end", "duration")
"""What one column must state: of several the first would be taken without a word."""


@dataclass
class Reading:
    """One pass over a manifest.

    Attributes:
        manifest: its settings.
        path: its file; an empty path if it has none.
        root: what relative paths of the settings start from.
        rules: which labels are taken.
        tally: receives what cannot be used.
        lookup: reads lookup files of YouTube-8M.
    """

    manifest: Manifest
    path: Path
    root: Path
    rules: LabelRules
    tally: Tally = field(default_factory=Tally)
    lookup: Lookup = lambda _: b""
    _known: dict[str, Classes | None] = field(default_factory=dict)

    def take(self, where: str, make: Callable[[], Entry | None]) -> Iterator[Entry]:
        """Yield the entry of a row; count it if it cannot be used or, None, has other labels."""
        try:
            entry = make()
        except FormatError as exc:
            self.tally.refuse(where, exc)
            return
        if entry is None:
            self.tally.other_labels += 1
        else:
            yield entry

    def classes_of(self, labels: Any) -> Classes | None:
        """Return the classes of the labels of one row; None if it is not taken.

        Raises:
            FormatError: if they are neither text nor several texts.
        """
        if isinstance(labels, str) and labels in self._known:
            return self._known[labels]
        found = self._classes_of(labels)
        if isinstance(labels, str) and len(self._known) < MOST_KEPT:
            self._known[labels] = found
        return found

    def _classes_of(self, labels: Any) -> Classes | None:
        several = labels if isinstance(labels, list) else [labels]
        if not all(isinstance(label, str | int) for label in several):
            raise FormatError(f"expected a label or several, but got {str(labels)[:60]!r}")
        names = [text for label in several if (text := decoded(str(label)).strip())]
        if not names and self.rules.takes_unlabelled:
            return ()
        return self.rules.of_all((name,) for name in names) or None


Make = Callable[[Values, Classes], Entry]
"""Makes an entry of the values of a row and its classes."""


def read_columns(
    reading: Reading, make: Make, needs: Sequence[Meaning], divide: Callable[[str], Any]
) -> Iterator[Entry]:
    """Yield the entries of a list with named columns.

    Args:
        reading: the pass.
        make: makes an entry.
        needs: columns of which there must be one.
        divide: a cell of labels -> a label, or several.
    """
    readers = {".json": _json_rows, ".jsonl": _json_lines, ".ndjson": _json_lines}
    if suffix_of(reading.path) == ".parquet":
        rows = _parquet_rows(reading, needs)
    elif (reader := readers.get(suffix_of(reading.path))) is not None:
        rows = reader(reading)
    else:
        yield from _csv_entries(reading, make, needs, divide)
        return
    layouts = Layouts(names_of(reading.manifest))

    def entry(row: Any) -> Entry | None:
        layout = layouts.of(row)
        classes = reading.classes_of(layout.label(row))
        return None if classes is None else make(layout.values(row), classes)

    for where, row in rows:
        reading.tally.rows += 1
        yield from reading.take(where, partial(entry, row))


def names_of(manifest: Manifest) -> dict[str, tuple[str, ...]]:
    """Return the names that each column may have in this manifest."""
    names: dict[str, tuple[str, ...]] = dict(COLUMNS)
    names.update({meaning: (column_name(name),) for meaning, name in manifest.columns.items()})
    return names


@dataclass(frozen=True)
class Layout:
    """Which keys of an object are known.

    Attributes:
        keys: what each is about -> the key.
        others: what `ONE_COLUMN` names -> further keys of the same meaning.
    """

    keys: Mapping[str, str]
    others: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def check(self, row: Mapping[str, Any]) -> None:
        """Refuse an object with several values of one meaning.

        Raises:
            FormatError: naming their keys.
        """
        for meaning, others in self.others.items():
            key = self.keys[meaning]
            if any(row[other] not in (None, row[key]) for other in others):
                raise FormatError(
                    f"expected one {meaning}, but got the keys {few([key, *others])}: name one "
                    "under 'columns'"
                )

    def label(self, row: Mapping[str, Any]) -> Any:
        """Return the label or labels, none as an empty list."""
        found = row[self.keys["label"]] if "label" in self.keys else None
        return [] if found is None else found

    def values(self, row: Mapping[str, Any]) -> Values:
        """Return the known values by what they are about."""
        found = {meaning: row[key] for meaning, key in self.keys.items()}
        if self.keys.get("licence", "").casefold() == "is_cc":
            found["licence"] = licence_of_mark(found["licence"])
        return found


class Layouts:
    """The layouts of the objects of a list; most lists have one."""

    def __init__(self, names: Mapping[str, tuple[str, ...]]) -> None:
        self._names, self._known = names, dict[tuple[str, ...], Layout]()

    def of(self, row: Any) -> Layout:
        """Return the layout of an object.

        Raises:
            FormatError: if it is none.
        """
        if not isinstance(row, dict):
            why = row.why if isinstance(row, Damaged) else f"{str(row)[:60]!r} is no object"
            raise FormatError(why)
        shape = tuple(row)
        if shape not in self._known:
            check_span_names("keys", shape, self._names)
            if len(self._known) > MOST_LAYOUTS:
                self._known.clear()
            keys = {column_name(str(key)): key for key in reversed(shape)}
            found = {m: next((n for n in ns if n in keys), "") for m, ns in self._names.items()}
            others = {
                m: [keys[n] for n in self._names[m] if n in keys and n != found[m]]
                for m in ONE_COLUMN
            }
            layout = Layout(
                {m: keys[n] for m, n in found.items() if n}, {m: o for m, o in others.items() if o}
            )
            self._known[shape] = layout
        self._known[shape].check(row)
        return self._known[shape]


def licence_of_mark(mark: Any) -> str:
    """Return the licence that Kinetics' column ``is_cc`` states."""
    return "Creative Commons" if str(mark).strip().casefold() in {"1", "true"} else ""


def _csv_entries(
    reading: Reading, make: Make, needs: Sequence[Meaning], divide: Callable[[str], Any]
) -> Iterator[Entry]:
    tally = reading.tally
    with open_text(reading.path) as file:
        header, skipped, delimiter = header_line(file)
        try:
            cells = next(csv.reader([header], delimiter=delimiter, skipinitialspace=True), [])
        except csv.Error as exc:
            raise FormatError(f"{reading.path}: expected a header, but {exc}") from exc
        at = _positions(reading, cells, needs)
        rows = CsvRows(file, tally, delimiter)
        rows.line, rows.width = skipped + 1, len(cells)
        marked = [cell.strip().casefold() for cell in cells] if "licence" in at else []
        is_mark = bool(marked) and marked[at["licence"]] == "is_cc"
        for row, classes in _taken(reading, rows, at, divide):
            values = {meaning: row[place] for meaning, place in at.items()}
            if is_mark:
                values["licence"] = licence_of_mark(values["licence"])
            yield from reading.take(rows.where, partial(make, values, classes))


def _taken(
    reading: Reading, rows: CsvRows, at: Mapping[str, int], divide: Callable[[str], Any]
) -> Iterator[tuple[list[str], Classes]]:
    """Yield the rows whose labels are taken, with their classes; as fast as rows can be read."""
    tally, width, place = reading.tally, max(at.values()) + 1, at.get("label")
    known: dict[str, Classes | None] = {}
    if place is None:
        known[""] = reading.classes_of([])
    number = others = 0
    try:
        for number, cells in enumerate(rows, 1):  # noqa: B007 -- used at the end
            if len(cells) < width:
                why = f"expected {width} columns or more, but got {len(cells)}"
                tally.refuse(rows.where, why)
                continue
            label = "" if place is None else cells[place]
            if label not in known:
                known = known if len(known) < MOST_KEPT else {}
                known[label] = _classes(reading, rows, divide(label))
            if (classes := known[label]) is None:
                others += 1
            else:
                yield cells, classes
    finally:
        tally.rows += number
        tally.other_labels += others


def _classes(reading: Reading, rows: CsvRows, labels: Any) -> Classes | None:
    try:
        return reading.classes_of(labels)
    except FormatError as exc:
        reading.tally.refuse(rows.where, exc)
        return None


def _positions(reading: Reading, cells: Sequence[str], needs: Sequence[Meaning]) -> dict[str, int]:
    """Return the position of each known column.

    Raises:
        FormatError: if none of those is there that are needed, or one stands there twice.
    """
    place: dict[str, int] = {}
    for i, cell in enumerate(cells):
        place.setdefault(column_name(cell), i)
    names = names_of(reading.manifest)
    found = {m: next((n for n in known if n in place), "") for m, known in names.items()}
    if not any(found[meaning] for meaning in needs):
        known = [name for meaning in needs for name in names[meaning]]
        hint = next((h for name in list(place)[:100] if (h := nearest(name[:60], known))), "")
        got = few(name[:40] for name in list(place)[:6]) or "an empty file"
        raise FormatError(
            f"{reading.path}: expected a header with one of the columns {', '.join(known)}, but "
            f"got {got}{hint}; name yours under 'columns'"
        )
    check_span_names(str(reading.path), cells, names)
    heads = [column_name(cell) for cell in cells]
    if doubled := [name for name in found.values() if name and heads.count(name) > 1]:
        raise FormatError(
            f"{reading.path}: expected one column '{doubled[0]}', but got several: remove all but "
            "one"
        )
    for meaning in ONE_COLUMN:
        if len(given := [name for name in names[meaning] if name in place]) > 1:
            raise FormatError(
                f"{reading.path}: expected one column for the {meaning}, but got {few(given)}: "
                f"name one under 'columns' ({meaning}: NAME)"
            )
    missing = [found_as for m in reading.manifest.columns if not (found_as := found[m])]
    if missing:
        asked = ", ".join(reading.manifest.columns.values())
        raise FormatError(f"{reading.path}: expected the columns {asked}, but got {few(cells)}")
    return {meaning: place[name] for meaning, name in found.items() if name}


def _json_lines(reading: Reading) -> Iterator[tuple[str, Any]]:
    with open_text(reading.path) as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield f"line {number}", _json(line)


_DECODER = strict_decoder()


def _json(line: str) -> Any:
    try:
        return _DECODER.decode(line)
    except (ValueError, RecursionError) as exc:
        return Damaged(exc)


def _json_rows(reading: Reading) -> Iterator[tuple[str, Any]]:
    """Yield the entries of a list, or of an object by id, as Kinetics has them."""
    with open_text(reading.path, lines=False) as file:
        for key, value in named_entries(reading, file):
            entry = value
            if isinstance(value, dict) and "id" not in value and not key.isdecimal():
                entry = _of_id(key, value)
            yield f"entry {key[:80]!r}" if not key.isdecimal() else f"entry {key}", entry


def _of_id(key: str, value: Mapping[str, Any]) -> Any:
    """Return an entry of an object by id, or what stands for one whose segment is no span."""
    entry = flattened(value)
    return entry if isinstance(entry, Damaged) else {"id": key, **entry}


def named_entries(reading: Reading, file: Any) -> Iterator[tuple[str, Any]]:
    """Yield the entries of a JSON file; see `json_entries`, whose errors get the file's name."""
    try:
        yield from json_entries(file)
    except FormatError as exc:
        raise FormatError(f"{reading.path}: {exc}") from exc


def flattened(value: Mapping[str, Any]) -> Mapping[str, Any] | Damaged:
    """Return an entry of Kinetics' JSON with the label and span of its annotation beside it.

    A segment that is no span is damage: the label is not one of the whole video.
    """
    inner = value.get("annotations")
    if not isinstance(inner, dict):
        return value
    span = inner.get("segment")
    if span is not None and not (isinstance(span, list) and len(span) == 2):  # noqa: PLR2004 -- start and end
        return Damaged(f"the segment is {shown(span, 60)} and not [start, end]")
    start, end = span or (None, None)
    return {**value, "label": inner.get("label"), "start": start, "end": end}


def _parquet_rows(reading: Reading, needs: Sequence[Meaning]) -> Iterator[tuple[str, Any]]:
    import pyarrow as pa  # noqa: PLC0415 -- slow to load
    import pyarrow.parquet as pq  # noqa: PLC0415 -- the same

    if kind := special_kind(reading.path):  # a pipe would be waited for without end
        raise FormatError(f"{reading.path}: expected a Parquet file, but it is {kind}: name a file")
    try:
        with pq.ParquetFile(reading.path) as file:
            at = _positions(reading, file.schema_arrow.names, needs)
            columns = [file.schema_arrow.names[place] for place in at.values()]
            batches = file.iter_batches(batch_size=8192, columns=columns)
            rows = (row for batch in batches for row in batch.to_pylist())
            yield from ((f"row {number}", row) for number, row in enumerate(rows))
    except (OSError, pa.ArrowException) as exc:
        raise FormatError(
            f"{reading.path}: expected a whole Parquet file, but {os_reason(exc)}"
        ) from exc
