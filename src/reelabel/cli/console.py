"""Where commands print tables to."""

from __future__ import annotations

import os
import sys

from reelabel.terminal.console import PlainConsole

_WIDE = 120
"""Columns of what is no terminal, such as a file, where ``COLUMNS`` gives none."""


def _width() -> int | None:
    """Return how many columns are used, None for those of the terminal or of ``COLUMNS``."""
    return None if sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit() else _WIDE


OUT = PlainConsole(highlight=False, width=_width())
