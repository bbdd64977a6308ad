"""Text for terminals and logs: foreign names without the characters that steer a terminal."""

from __future__ import annotations

import re

_STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters but for tab and line feed, and marks that turn the direction of writing."""


def plain(text: str) -> str:
    r"""Return a text in which characters that steer a terminal are written as escapes.

    Bytes of file names that are no UTF-8 are written as escapes too, so that the text can be
    encoded everywhere.

    >>> plain("a\x1b[2Jb"), plain("bad\udcff.mp4")
    ('a\\x1b[2Jb', 'bad\\udcff.mp4')
    """
    shown = _STEERING.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
    return shown.encode("utf-8", "backslashreplace").decode()


def is_text(name: str) -> bool:
    r"""Return whether a name can be written as UTF-8: that of a file may hold other bytes.

    >>> is_text("né.mp4"), is_text("bad\udcff.mp4")
    (True, False)
    """
    return name.encode("utf-8", "replace").decode() == name
