"""What fetching uses from elsewhere: the files of sites, spans, a look at what came, time.

Here the parts meet, so that each can be replaced, in tests or by another package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from reelabel.media.probe import VideoInfo, probe
from reelabel.sources.web.clock import Clock


class SiteFile(Protocol):
    """What a page led to: `reelabel.sources.sites`."""

    @property
    def url(self) -> str:
        """Return the address of the file."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Return the headers that the site asks for."""
        ...

    @property
    def format_id(self) -> str:
        """Return the site's own name of the format."""
        ...

    @property
    def extractor(self) -> str:
        """Return what found the file."""
        ...

    @property
    def licence(self) -> str:
        """Return the licence that the site states, or an empty text."""
        ...

    @property
    def uploader(self) -> str:
        """Return who the site names, or an empty text."""
        ...

    @property
    def title(self) -> str:
        """Return the title, or an empty text."""
        ...

    @property
    def max_request_bytes(self) -> int | None:
        """Return the largest range that the site serves at full speed, None: any."""
        ...

    @property
    def available_at_s(self) -> float | None:
        """Return the time (seconds since 1970) before which it is not served, None: now."""
        ...


class CopiedSpan(Protocol):
    """Which span a file holds, in seconds of the whole video."""

    @property
    def start_s(self) -> float:
        """Return when its first frame is shown."""
        ...

    @property
    def end_s(self) -> float:
        """Return when its last frame is no longer shown."""
        ...


@dataclass(frozen=True)
class ByteRanges:
    """A file on a host: `read` returns the bytes from a start to before a stop."""

    read: Callable[[int, int], bytes]
    size_bytes: int


FindFile = Callable[[str], SiteFile]
"""Returns the file that a page leads to; raises `FetchFailure`."""
CopySpan = Callable[[ByteRanges, float, float | None, Path], CopiedSpan | None]
"""Writes the span between two seconds (None: the end) into a new file; None if the file's layout
makes fetching the whole cheaper. Raises `MediaError` for what is no video, and what `read` raises.
"""


@dataclass(frozen=True)
class Tools:
    """What fetching uses.

    Attributes:
        find_file: finds the file of a page; None: pages are not fetched.
        copy_span: copies a span out of a file on a host; None: whole videos are fetched.
        probe: reads what a video file is; raises `MediaError`.
        clock: time.
    """

    find_file: FindFile | None = None
    copy_span: CopySpan | None = None
    probe: Callable[[Path], VideoInfo] = probe
    clock: Clock = field(default_factory=Clock)
