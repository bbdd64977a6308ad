"""What names a video in files that were made of it, and those files without it.

A text names a video by its id, its path, or a file name that no other video has. Values of JSON,
rows of CSV and lines of text that are about it go; in any other sentence its name is replaced.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Self

INSTEAD = "forgotten"
"""Stands in place of a name in sentences about other things."""
ABOUT = frozenset([
    *(
        "video",
        "video_id",
        "kept_video_id",
        "other_video_id",
        "youtube_id",
        "name",
        "path",
        "picture",
        "pictures",
    ),
    *("file", "file_name", "image", "first", "second"),
])
"""Keys and columns that state what an entry is about."""
_ID = re.compile(r"(?<![0-9A-Za-z])[0-9a-f]{16}(?![0-9A-Za-z])")


@dataclass(frozen=True)
class Traces:
    """By what the traces of videos are recognised.

    Attributes:
        video_ids: of the videos.
        names: paths, file names and addresses that name them and no other video.
        stems: how the names of their drawn films and pictures begin.
        sha256: of their files and pictures, hexadecimal.
        sizes: of these files, in bytes: no other file needs to be hashed.
        wants: source -> the wants that they were fetched for.
        sources: sources of which nothing is kept.
    """

    video_ids: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    stems: tuple[str, ...] = ()
    sha256: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()
    wants: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sources: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return them as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Return what `to_json` returned."""
        lists = {name: tuple(some) for name, some in value.items() if name != "wants"}
        return cls(**lists, wants={s: tuple(some) for s, some in value["wants"].items()})

    @cached_property
    def ids(self) -> frozenset[str]:
        """The ids of the videos, to look up."""
        return frozenset(self.video_ids)

    @cached_property
    def hashes(self) -> frozenset[str]:
        """The hashes, to look up."""
        return frozenset(self.sha256)

    @cached_property
    def _pattern(self) -> re.Pattern[str] | None:
        longest_first = sorted(set(self.names) - {""}, key=len, reverse=True)
        if not longest_first:
            return None
        some = "|".join(map(re.escape, longest_first))
        return re.compile(rf"(?<![0-9A-Za-z])(?:{some})(?![0-9A-Za-z])")

    def has_id(self, text: str) -> bool:
        """Return whether a text, such as a file name, holds the id of one of the videos."""
        return any(found in self.ids for found in _ID.findall(text))

    def named_in(self, text: str) -> bool:
        """Return whether a text names one of the videos."""
        by_name = self._pattern is not None and self._pattern.search(text) is not None
        return by_name or self.has_id(text)

    def without_names(self, text: str) -> str:
        """Return a text with `INSTEAD` in place of the names."""
        plain = self._pattern.sub(INSTEAD, text) if self._pattern is not None else text
        return _ID.sub(lambda m: INSTEAD if m[0] in self.ids else m[0], plain)

    def without(self, value: Any) -> Any:
        """Return JSON values without what is about the videos.

        Keys that name one go, and so do entries of lists that are about one. Of a COCO file the
        boxes of a picture go with it.
        """
        if isinstance(value, str):
            return self.without_names(value)
        if isinstance(value, list):
            return [self.without(one) for one in value if not self.is_about(one)]
        if isinstance(value, dict):
            kept = self._without_boxes(value) if "annotations" in value else value
            return {k: self.without(v) for k, v in kept.items() if not self.named_in(str(k))}
        return value

    def _without_boxes(self, coco: dict[str, Any]) -> dict[str, Any]:
        images = [one for one in coco.get("images") or () if isinstance(one, dict)]
        gone = {str(image.get("id")) for image in images if self.is_about(image)}
        boxes = [b for b in coco["annotations"] or () if str(b.get("image_id")) not in gone]
        return coco | {"annotations": boxes}

    def is_about(self, value: Any) -> bool:
        """Return whether an entry of a list is about one of the videos."""
        if isinstance(value, str):
            return self.named_in(value)
        if isinstance(value, dict):
            return any(self._states(v) for key, v in value.items() if key in ABOUT)
        return isinstance(value, list) and any(
            self.named_in(one) for one in value if isinstance(one, str)
        )

    def _states(self, value: Any) -> bool:
        some = value if isinstance(value, list) else [value]
        return any(isinstance(one, str) and self.named_in(one) for one in some)

    def without_rows(self, text: str) -> str:
        """Return CSV with a heading, without rows that are about one of the videos."""
        ending = "\r\n" if "\r\n" in text else "\n"
        rows = list(csv.reader(io.StringIO(text, newline="")))
        about = [i for i, name in enumerate(rows[0]) if name.strip().lower() in ABOUT]
        kept = [row for row in rows if not self._row_is_about(row, about)]
        out = io.StringIO()
        writer = csv.writer(out, lineterminator=ending)
        writer.writerows([self.without_names(cell) for cell in row] for row in kept)
        return out.getvalue()

    def _row_is_about(self, row: Sequence[str], about: Sequence[int]) -> bool:
        cells = [row[i] for i in about if i < len(row)] if about else row
        return any(self.named_in(cell) for cell in cells)

    def without_lines(self, text: str) -> str:
        """Return a text without the lines that name one of the videos."""
        return "".join(line for line in _lines(text) if not self.named_in(line))

    def without_json_lines(self, text: str, wants: Iterable[str] = ()) -> str:
        """Return JSON lines without those that are about one of the videos.

        Args:
            text: the lines; one that is no JSON goes if it names a video.
            wants: names of wants: lines that state one as `want_id` go.
        """
        names = frozenset(wants)
        kept = (self._kept_line(line, names) for line in _lines(text))
        return "".join(line for line in kept if line)

    def _kept_line(self, line: str, wants: frozenset[str]) -> str:
        try:
            value = json.loads(line)
        except ValueError:
            return "" if self.named_in(line) else line
        if self.is_about(value) or (isinstance(value, dict) and value.get("want_id") in wants):
            return ""
        if not self.named_in(line):
            return line
        return json.dumps(self.without(value), ensure_ascii=False) + "\n"


def _lines(text: str) -> Iterator[str]:
    """Return the lines with their ends; other marks than a line feed may stand inside one."""
    return iter(io.StringIO(text, newline="\n"))
