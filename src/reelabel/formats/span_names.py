"""Names of columns and keys that state a span, or a frame, in a way that is not read.

Times in milliseconds or frames, or under another name, would be left out without a word, and the
class of a few seconds be claimed of the whole video.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from reelabel.errors import FormatError, few
from reelabel.formats.table_text import column_name

_FIRST = frozenset({"begin", "beginning", "from", "onset", "start"})
_LAST = frozenset({"end", "finish", "offset", "stop", "to", "until"})
_ONE_FRAME = tuple(map(frozenset, ({"frame"}, *({"frame", w} for w in ("index", "number", "no")))))
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")


def check_span_names(
    where: str, names: Iterable[object], columns: Mapping[str, tuple[str, ...]]
) -> None:
    """Refuse names of which one begins and another ends a span, if one of them is not read.

    Args:
        where: the file, and the place in it, for messages.
        names: of all columns or keys, as they stand.
        columns: what a column means -> the names by which it is read. With
            ``pts`` among them, a column that names a frame is refused too.

    Raises:
        FormatError: naming them, and what to do.
    """
    read = {column_name(name): meaning for meaning, known in columns.items() for name in known}
    given = {str(name): read.get(column_name(str(name))) for name in names}
    if unread := [*_of_spans(given), *_of_frames(given, columns)]:
        raise FormatError(
            f"{where}: expected times as seconds in columns such as start and end, but got "
            f"{few(unread)}: write seconds, name what holds seconds under 'columns' (start: NAME, "
            "end: NAME), or remove them if each class is right for the whole video"
        )


def _of_spans(given: Mapping[str, str | None]) -> list[str]:
    """Return the names that begin or end a span and are not read, where both are there."""
    first, last = (
        [name for name, meaning in given.items() if meaning == key or _has(name, meaning, words)]
        for key, words in (("start", _FIRST), ("end", _LAST))
    )
    if not first or not last:
        return []
    sides = ((first, "start"), (last, "end"))
    unread = [side for side, key in sides if not any(given[name] == key for name in side)]
    return [name for side in unread for name in side]


def _has(name: str, meaning: str | None, words: frozenset[str]) -> bool:
    return meaning is None and bool(_words(name) & words)


def _of_frames(given: Mapping[str, str | None], columns: Mapping[str, object]) -> list[str]:
    """Return the names of single frames, unless time stamps or seconds state the moment too."""
    if "pts" not in columns or {"pts", "start"} & set(given.values()):
        return []
    return [
        name for name, meaning in given.items() if meaning is None and _words(name) in _ONE_FRAME
    ]


def _words(name: str) -> frozenset[str]:
    return frozenset(word.lower() for word in _WORD.findall(name))
