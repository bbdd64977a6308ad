"""Where commands print to."""

from __future__ import annotations

import sys

from rich.console import Console

OUT = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
