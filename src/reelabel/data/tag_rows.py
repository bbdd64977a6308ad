"""Weak labels of videos as files state them: names, not yet tied to anything."""

from __future__ import annotations

from dataclasses import dataclass

NONE = "none"
"""The class that claims that none of the others is right."""
SEPARATORS = frozenset(";|")
"""What stands between several classes in one cell of a table, and so in the name of none."""


@dataclass(frozen=True)
class TagRow:
    """One claim about a video.

    Attributes:
        video: as the file names it.
        category: the class, as the file names it; `NONE` for none of all.
        right: whether the class is claimed to be right, or not to be.
        start_s: first second from the first frame; None for the whole video.
        end_s: first second after the span; None for the whole video.
        source: the file and its line or entry, for messages.
        pts: of a claim about one moment, time stamp of its first frame; then there are no seconds.
        until_pts: time stamp of its last frame.
    """

    video: str
    category: str
    right: bool = True
    start_s: float | None = None
    end_s: float | None = None
    source: str = ""
    pts: int | None = None
    until_pts: int | None = None
