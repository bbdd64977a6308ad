"""A console that foreign names cannot steer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions
from rich.segment import Segment

from reelabel.terminal.text import plain


class PlainConsole(Console):
    """A console that writes control characters of the texts it is given as escapes."""

    def render(self, renderable: Any, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the parts of what is printed; only those of the console itself steer it."""
        for part in super().render(renderable, options):
            yield part if part.control else part._replace(text=plain(part.text))
