"""One key of a `reelabel.yaml` set in its text: comments, layout and all other lines stay.

The place of a value comes from the YAML parser (https://yaml.org/spec/1.1/), and every edited text
is parsed again: it holds the values of before with that key replaced, or nothing is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from reelabel.errors import ConfigError, os_reason
from reelabel.files import write_text
from reelabel.yaml_text import plain_values, yaml_values

_BREAKS = "\r\n\x85\u2028\u2029"
"""What ends a line in YAML 1.1."""
Event = Any
"""An event of the parser; its marks are optional by type alone."""
_BOM = "\ufeff"


def set_key(path: Path, key: str, value: Any) -> None:
    """Set a key at the top of a `reelabel.yaml`; see `with_key`.

    Raises:
        ConfigError: if the file is no YAML, or the key cannot be set without changing others.
        WorkspaceError: if it cannot be written.
    """
    try:
        before = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{path}: expected YAML, but {os_reason(exc)}") from exc
    after = with_key(before, key, value, where=str(path))
    if after != before:
        write_text(path, after)


def with_key(text: str, key: str, value: Any, *, where: str = "reelabel.yaml") -> str:
    """Return YAML with a key at its top set; what it held before stays as a comment.

    A new key comes behind the others, before comments that end the file.

    Args:
        text: a block of keys and values.
        key: the key.
        value: anything that YAML holds; it is written in one line.
        where: the file, for messages.

    Raises:
        ConfigError: if the text is no YAML, or the key cannot be set without changing others.
    """
    mark, text = (_BOM, text[1:]) if text.startswith(_BOM) else ("", text)
    before, line = yaml_values(text, where), one_line(value)
    if key in before and one_line(before[key]) == line:
        return mark + text
    expected = before | {key: plain_values(line, where)}
    for edited in _edits(text, key, line):
        if _holds(edited, expected):
            return mark + edited
    raise ConfigError(
        f"{where}: expected a layout in which '{key}' can be set without changing other keys, but "
        f"found none: write  {one_line(key)}: {line}  into it"
    )


def one_line(value: Any) -> str:
    """Return a value as YAML that stands in one line.

    >>> one_line({"videos": ["a b", "c: d"], "seed": 3})
    "{videos: [a b, 'c: d'], seed: 3}"
    """
    text = _dumped(value, yaml.SafeDumper)
    return _dumped(value, _QuotingDumper) if any(c in text for c in _BREAKS) else text


def _dumped(value: Any, dumper: type[yaml.SafeDumper]) -> str:
    text: str = yaml.dump(
        value,
        Dumper=dumper,
        default_flow_style=True,
        sort_keys=False,
        allow_unicode=True,
        width=float("inf"),
    )
    return text.rstrip("\n").removesuffix("...").rstrip("\n")


class _QuotingDumper(yaml.SafeDumper):
    """Writes texts in double quotes, in which a line break is an escape."""


_QuotingDumper.add_representer(
    str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')
)


def _holds(text: str, expected: Mapping[str, Any]) -> bool:
    try:
        found = yaml_values(text, "")
    except ConfigError:
        return False
    # Compared as text: 1 equals True, and NaN does not equal itself.
    return found.keys() == expected.keys() and all(
        one_line(value) == one_line(expected[key]) for key, value in found.items()
    )


@dataclass(frozen=True)
class _Place:
    """Where an entry of the root mapping lies in the text, as offsets.

    Attributes:
        key_end: behind the key.
        end: behind the last character of the value.
    """

    key_end: int
    end: int


def _edits(text: str, key: str, line: str) -> Iterator[str]:
    """Yield texts in which the key is set, the best layout first."""
    root, places = _root(text)
    if key in places:
        yield _replaced(text, places[key], line)
        yield text[: places[key].key_end] + f": {line}" + text[places[key].end :]
    elif root.flow_style:
        opened = root.end_mark.index
        yield f"{text[:opened]}{one_line(key)}: {line}{', ' if places else ''}{text[opened:]}"
    else:
        entry = " " * root.start_mark.column + f"{one_line(key)}: {line}"
        stop = "\r\n" if "\r\n" in text else "\n"
        last = _line_end(text, max(place.end for place in places.values()))
        yield f"{text[:last]}{stop}{entry}{text[last:]}"
        first = _line_start(text, root.start_mark.index)
        yield f"{text[:first]}{entry}{stop}{text[first:]}"


def _replaced(text: str, place: _Place, line: str) -> str:
    """Return the text with a value replaced in its line; the old lines become comments."""
    found = re.compile(r"\s*:").match(text, place.key_end)
    colon = found.end() if found else place.key_end
    first_end, last_end = _line_end(text, colon), _line_end(text, place.end)
    old = text[colon:first_end].strip()
    comment = old if old.startswith("#") else f"# was {old}" if old else ""
    further = text[first_end:last_end]
    if further:
        comment = f"# was {old}".rstrip()
        further = re.sub(rf"(\r\n|[{_BREAKS}])", r"\1# ", further)
    return f"{text[:colon]} {line}{'  ' if comment else ''}{comment}{further}{text[last_end:]}"


def _line_end(text: str, at: int) -> int:
    """Return where the line ends that an offset lies in."""
    return next((i for i in range(at, len(text)) if text[i] in _BREAKS), len(text))


def _line_start(text: str, at: int) -> int:
    """Return where the line begins that an offset lies in."""
    return max(text.rfind(stop, 0, at) for stop in _BREAKS) + 1


def _root(text: str) -> tuple[Event, dict[str, _Place]]:
    """Return the event that opens the root mapping, and the place of each entry by its key."""
    events: Iterator[Event] = yaml.parse(text, yaml.SafeLoader)
    root = next(event for event in events if isinstance(event, yaml.MappingStartEvent))
    places: dict[str, _Place] = {}
    for event in events:
        if isinstance(event, yaml.MappingEndEvent):
            break
        key_end = _end_of(text, event, events)
        end = _end_of(text, next(events), events)
        places[getattr(event, "value", "")] = _Place(key_end, end)
    return root, places


def _end_of(text: str, event: Event, events: Iterator[Event]) -> int:
    """Return where a node ends, and take its events; a block ends with its last scalar."""
    end, depth = int(event.end_mark.index), 0
    while True:
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        # The end of a block is marked where the next token is, behind any comments.
        if not isinstance(event, yaml.CollectionEndEvent) or _has_bracket(event):
            end = max(end, int(event.end_mark.index))
        if depth == 0:
            # The mark of a block scalar lies behind the empty lines that follow it.
            return len(text[:end].rstrip())
        event = next(events)


def _has_bracket(event: Event) -> bool:
    return bool(event.start_mark.index < event.end_mark.index)
