"""Standard streams that are closed or cannot be written."""

from __future__ import annotations

import os
from typing import TextIO


def no_stream() -> TextIO:
    """Return a text stream whose content goes nowhere."""
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 -- for all the process
