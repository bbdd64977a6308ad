"""Sports-1M: videos of YouTube, each with some of 487 labels, which are numbers from 0.

Two layouts: lines of ``URL label,label`` (Karpathy et al., "Large-scale video classification with
convolutional neural networks", 2014), and a JSON list of objects with ``id``, ``duration`` in
seconds, ``height`` in pixels and ``label487``. The names of the labels are the lines of labels.txt.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from reelabel.errors import FormatError
from reelabel.sources.manifests.entries import (
    Entry,
    seconds,
    text_of,
    whole,
    youtube_id,
    youtube_id_in,
    youtube_page,
)
from reelabel.sources.manifests.json_stream import Damaged
from reelabel.sources.manifests.reading import Classes, Reading, named_entries
from reelabel.sources.manifests.texts import open_text, suffix_of

LABELS = "labels.txt"
"""The names of the labels, looked for beside the list."""
_NUMBERED = re.compile(r"(\d+),(.+)")
_PART = re.compile(r"(?:^|[_-])(train|test)(?=[_.-]|$)")


def read(reading: Reading) -> Iterator[Entry]:
    """Yield the entries of a list of Sports-1M whose labels are taken.

    Raises:
        FormatError: if it or its labels are damaged as a whole.
    """
    labels = _Labels(reading)
    if suffix_of(reading.path) == ".json":
        yield from _read_json(reading, labels)
    else:
        yield from _read_lines(reading, labels)


class _Labels:
    """The classes of labels by their numbers."""

    def __init__(self, reading: Reading) -> None:
        self._rules, self._names = reading.rules, _label_names(reading)
        self._known: dict[Any, Classes] = {}

    def of(self, numbers: Sequence[Any]) -> Classes:
        """Return the classes of a row's labels; empty if it is not taken.

        Raises:
            FormatError: if one is no label.
        """
        if len(numbers) == 1:
            return self._of(numbers[0])
        return tuple(sorted({name for number in numbers for name in self._of(number)}))

    def _of(self, number: Any) -> Classes:
        found = self._known.get(number) if isinstance(number, str | int) else None
        if found is None:
            index = whole("label", number)
            if index is None or (self._names and index not in self._names):
                raise FormatError(f"expected the number of a label, but got {str(number)[:40]!r}")
            # The name first: it is what people read.
            spellings = dict.fromkeys([self._names.get(index, str(index)), str(index)])
            found = self._known[number] = self._rules.of(*spellings)
        return found


def _label_names(reading: Reading) -> dict[int, str]:
    """Return the names of labels by number, none if they are not there."""
    named = reading.manifest.label_file
    path = reading.root / named if named else reading.path.with_name(LABELS)
    if not named and not path.is_file():
        return {}
    found: dict[int, str] = {}
    with open_text(path) as file:
        for number, line in enumerate(text.strip() for text in file):
            # Also ``54,tennis``, as lists of a few of the labels have it.
            pair = _NUMBERED.fullmatch(line)
            if line:
                found[int(pair[1]) if pair else number] = pair[2] if pair else line
    return found


def _read_lines(reading: Reading, labels: _Labels) -> Iterator[Entry]:
    split = _split_of(reading.path)
    with open_text(reading.path) as file:
        for number, line in enumerate(file, 1):
            url, _, numbers = line.strip().partition(" ")
            if url:
                reading.tally.rows += 1
                make = partial(_of_url, url, numbers, labels, split=split)
                yield from reading.take(f"line {number}", make)


def _of_url(url: str, numbers: str, labels: _Labels, *, split: str) -> Entry | None:
    classes = labels.of(numbers.strip().split(","))
    if not classes:
        return None
    native_id = youtube_id(youtube_id_in(url) or url)
    return Entry(native_id, youtube_page(native_id), page=True, labels=classes, split=split)


def _read_json(reading: Reading, labels: _Labels) -> Iterator[Entry]:
    split = _split_of(reading.path)
    with open_text(reading.path, lines=False) as file:
        for number, row in named_entries(reading, file):
            reading.tally.rows += 1
            yield from reading.take(f"entry {number}", partial(_of_object, row, labels, split))


def _numbers(row: Any) -> list[Any]:
    if isinstance(row, Damaged):
        raise FormatError(row.why)
    numbers = row.get("label487") if isinstance(row, dict) else None
    if not isinstance(numbers, list):
        raise FormatError(f"expected an object with 'label487', but got {str(row)[:60]!r}")
    return numbers


def _of_object(row: Any, labels: _Labels, split: str) -> Entry | None:
    classes = labels.of(_numbers(row))
    if not classes:
        return None
    native_id = youtube_id(row.get("id"))
    return Entry(
        native_id,
        youtube_page(native_id),
        page=True,
        labels=classes,
        split=text_of(row.get("split")) or split,
        title=text_of(row.get("title")),
        duration_s=seconds("duration", row.get("duration")),
        height=whole("height", row.get("height")),
    )


def _split_of(path: Path) -> str:
    """Return the side that a file's name states, such as train_partition.txt."""
    found = _PART.search(path.name.lower())
    return found[1] if found else ""
