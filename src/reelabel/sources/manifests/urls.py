"""Any list of addresses: text, CSV, JSON, JSON lines, Parquet.

Text has one address a line, which may be followed by labels. The others have columns; see
`reelabel.sources.manifests.reading.COLUMNS`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from reelabel.errors import FormatError
from reelabel.sources.manifests.entries import (
    LONGEST_ID,
    Entry,
    address,
    decoded,
    seconds,
    span,
    text_of,
    whole,
    youtube_id,
    youtube_id_in,
    youtube_page,
)
from reelabel.sources.manifests.reading import Classes, Reading, Values, read_columns
from reelabel.sources.manifests.settings import Manifest
from reelabel.sources.manifests.texts import open_text, suffix_of

_SEVERAL = re.compile(r"\s*[;|]\s*")


def read(reading: Reading) -> Iterator[Entry]:
    """Yield the entries of a list of addresses whose labels are taken.

    Raises:
        FormatError: if it has no column of addresses or ids, or is damaged as a whole.
    """
    make = partial(_entry, reading.manifest)
    if suffix_of(reading.path) in {".txt", ".lst", ".list", ""}:
        return _read_lines(reading)
    return read_columns(reading, make, ("url", "id"), divide)


def divide(cell: str) -> list[str]:
    """Return the labels of a cell, which ``;`` or ``|`` divides."""
    return [part for part in _SEVERAL.split(cell.strip()) if part]


def _read_lines(reading: Reading) -> Iterator[Entry]:
    with open_text(reading.path) as file:
        for number, line in enumerate(file, 1):
            url, _, labels = line.strip().partition("\t" if "\t" in line else " ")
            if not url or url.startswith("#"):
                continue
            reading.tally.rows += 1
            yield from reading.take(f"line {number}", partial(_of_line, reading, url, labels))


def _of_line(reading: Reading, url: str, labels: str) -> Entry | None:
    classes = reading.classes_of(divide(labels))
    return None if classes is None else _entry(reading.manifest, {"url": url}, classes)


def _entry(manifest: Manifest, values: Values, classes: Classes) -> Entry:
    native_id, url, page = _address(values.get("id"), values.get("url"))
    start_s, end_s = span(values.get("start"), values.get("end"))
    return Entry(
        native_id,
        url,
        page=page if manifest.page is None else manifest.page,
        labels=classes,
        start_s=start_s,
        end_s=end_s,
        split=text_of(values.get("split")),
        licence=text_of(values.get("licence")),
        uploader=text_of(values.get("uploader")),
        title=text_of(values.get("title")),
        duration_s=seconds("duration", values.get("duration")),
        height=whole("height", values.get("height")),
        size_bytes=whole("size", values.get("size")),
    )


def _address(given_id: object, given_url: object) -> tuple[str, str, bool]:
    """Return id, address, and whether the address is a page; one of the two may be missing."""
    native_id = _id(given_id)
    if given_url is None or given_url == "":
        native_id = youtube_id(native_id)
        return native_id, youtube_page(native_id), True
    url, page = address(given_url)
    return native_id or youtube_id_in(url) or url, url, page


def _id(given: object) -> str:
    """Return an id, empty if there is none.

    Raises:
        FormatError: if it is no text, or holds what no name can.
    """
    if given is None or given == "":
        return ""
    text = decoded(str(given)) if isinstance(given, str | int) else ""
    if not text.isprintable() or not text.strip() or len(text) > LONGEST_ID:
        raise FormatError(f"expected an id of printable characters, but got {str(given)[:40]!r}")
    return text
