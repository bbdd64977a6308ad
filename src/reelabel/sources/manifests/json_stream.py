"""The entries of a large JSON file one after another: of its list, or of its object by key.

An entry that is damaged or nested too deep costs that entry.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO, Any

from reelabel.errors import FormatError, shown
from reelabel.json_text import strict_decoder

LONGEST_ENTRY = 2**24
"""Characters of one entry; what is longer ends the reading."""
_CHUNK = 2**18
_BLANK = re.compile(r"[ \t\r\n]*")
_MARKS = re.compile(r'["\\{}\[\],]')


class Damaged:
    """Stands for an entry that cannot be read.

    Attributes:
        why: what is wrong with it.
    """

    def __init__(self, why: object) -> None:
        self.why = f"expected JSON, but {str(why)[:200]}"


def json_entries(file: IO[str]) -> Iterator[tuple[str, Any]]:
    """Yield each entry with its key, or with its number from 0 in a list.

    A damaged one comes as `Damaged`. NaN and Infinity, which JSON has not, become None.

    Args:
        file: opened by `reelabel.sources.manifests.texts.open_text`.

    Raises:
        FormatError: if it is neither a list nor an object, or an entry does not end.
    """
    stream = _Stream(file)
    opening = stream.next_mark()
    if opening not in {"[", "{"}:
        raise FormatError(f"expected a list or an object in JSON, but got {opening or 'nothing'!r}")
    number, keyed = 0, opening == "{"
    while (mark := stream.next_mark(take=False)) not in {"]", "}", ""}:
        if mark == ",":
            stream.next_mark()
            continue
        yield stream.member() if keyed else (str(number), stream.value())
        number += 1


class _Stream:
    """A text of JSON of which a part is in memory.

    Attributes:
        text: that part.
        at: position in it of what comes next.
    """

    def __init__(self, file: IO[str]) -> None:
        self._file, self.text, self.at = file, "", 0
        self._decode = strict_decoder().raw_decode

    def next_mark(self, *, take: bool = True) -> str:
        """Return the next character that is not blank, empty at the end of the file."""
        while True:
            blank = _BLANK.match(self.text, self.at)
            self.at = blank.end() if blank else self.at
            if self.at < len(self.text):
                self.at += take
                return self.text[self.at - take]
            if not self._more():
                return ""

    def member(self) -> tuple[str, Any]:
        """Return the next key of an object and its value."""
        key = self.value()
        if not isinstance(key, str) or self.next_mark(take=False) != ":":
            self.at = self._end()
            return "", Damaged(key.why if isinstance(key, Damaged) else f"{shown(key)} is no key")
        self.next_mark()
        self.next_mark(take=False)
        return key, self.value()

    def value(self) -> Any:
        """Return the value that begins here."""
        self._make_room()
        try:
            found, self.at = self._decode(self.text, self.at)
        except (ValueError, RecursionError):
            # Damaged, or it goes on behind the part in memory.
            return self._whole_value()
        return found

    def _whole_value(self) -> Any:
        """Return the value that begins here after reading up to its end."""
        end = self._end()
        try:
            found, self.at = self._decode(self.text, self.at)
        except (ValueError, RecursionError) as exc:
            self.at = end
            return Damaged(exc)
        return found

    def _end(self) -> int:
        """Return the position behind the value that begins here, found by its brackets alone."""
        depth, quoted, look = 0, False, self.at
        while True:
            mark = _MARKS.search(self.text, look)
            if mark is None or (quoted and mark[0] == "\\" and mark.end() == len(self.text)):
                look = (mark.start() if mark else len(self.text)) - self.at
                if not self._more():
                    return len(self.text)
                continue
            look = mark.end()
            if quoted:
                quoted = mark[0] != '"'
                look += mark[0] == "\\"
            elif depth == 0 and mark[0] in ",]}":
                return mark.start()
            else:
                quoted = mark[0] == '"'
                depth += (mark[0] in "{[") - (mark[0] in "]}")

    def _make_room(self) -> None:
        if len(self.text) - self.at < _CHUNK // 4:
            self._more()

    def _more(self) -> bool:
        """Read the next part behind what is left; return whether there was any."""
        chunk = self._file.read(_CHUNK)
        self.text, self.at = self.text[self.at :] + chunk, 0
        if len(self.text) > LONGEST_ENTRY:
            raise FormatError(f"expected entries of up to {LONGEST_ENTRY} characters")
        return bool(chunk)
