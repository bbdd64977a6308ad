"""A console that foreign names cannot steer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from rich.console import Console, ConsoleOptions
from rich.segment import Segment

from reelabel.terminal.text import plain


class PlainConsole(Console):
    """A console that writes control characters of the texts it is given as escapes.

    What is no terminal, such as a file or a pipe, gets no spaces at the end of lines. Colons around
    a word, as in ``cat:person:``, are no emoji.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(emoji=False, **options)

    def render(self, renderable: Any, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the parts of what is printed; only those of the console itself steer it."""
        parts = (
            part if part.control else part._replace(text=plain(part.text))
            for part in super().render(renderable, options)
        )
        yield from parts if self.is_terminal else _without_trailing_spaces(parts)


def _without_trailing_spaces(parts: Iterable[Segment]) -> Iterator[Segment]:
    """Yield the parts of lines without the spaces that stand before a line feed."""
    line: list[Segment] = []
    for part in parts:
        *ended, rest = ("",) if part.control else part.text.split("\n")
        for text in ended:
            yield from _stripped([*line, part._replace(text=text)])
            yield part._replace(text="\n")
            line = []
        if part.control or rest:
            line.append(part if part.control else part._replace(text=rest))
    yield from line


def _stripped(line: list[Segment]) -> list[Segment]:
    """Return a line's parts without spaces at its end."""
    for i in range(len(line) - 1, -1, -1):
        if not line[i].control:
            line[i] = line[i]._replace(text=line[i].text.rstrip(" "))
            if line[i].text:
                break
    return [part for part in line if part.control or part.text]
