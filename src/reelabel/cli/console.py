"""Where commands print tables to."""

from __future__ import annotations

import sys

from reelabel.terminal.console import PlainConsole

OUT = PlainConsole(highlight=False, width=None if sys.stdout.isatty() else 120)
