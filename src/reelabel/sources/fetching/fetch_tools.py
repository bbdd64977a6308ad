"""What fetching uses from elsewhere: the files of sites, spans, a look at what came, time.

Here the parts meet, so that each can be replaced, in tests or by another package.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

from reelabel.media.brief import BriefInfo, probe_briefly
from reelabel.media.spans import copy_span
from reelabel.sources.sites.finding import find_file
from reelabel.sources.sites.settings import SiteFile, SiteOptions
from reelabel.sources.web.clock import Clock
from reelabel.sources.web.range_file import FetchWhole, RangeFile
from reelabel.sources.web.settings import FetchSettings

if TYPE_CHECKING:
    from reelabel.sources.sites.requests import SiteRequests


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


FindFile: TypeAlias = "Callable[[str, SiteRequests], SiteFile]"
"""Returns the file that a page leads to, found by these requests; raises `FetchFailure`."""
CopySpan = Callable[[ByteRanges, float, float | None, Path], CopiedSpan | None]
"""Writes the span between two seconds (None: the end) into a new file; None if the file's layout
makes fetching the whole cheaper. Raises `MediaError` for what is no video,
`UsageError` for a span that it does not hold, and what `read` raises.
"""


@dataclass(frozen=True)
class Tools:
    """What fetching uses.

    Attributes:
        find_file: finds the file of a page; None: pages are not fetched.
        copy_span: copies a span out of a file on a host; None: whole videos are fetched.
        probe: returns container and length of a video that can be decoded; raises `MediaError`.
        clock: time.
    """

    find_file: FindFile | None = None
    copy_span: CopySpan | None = None
    probe: Callable[[Path], BriefInfo] = probe_briefly
    clock: Clock = field(default_factory=Clock)


def tools_for(settings: FetchSettings, root: Path) -> Tools:
    """Return what a workspace fetches with.

    Args:
        settings: of fetching.
        root: the workspace's folder, which the path of a cookies file starts from.
    """
    sites = settings.sites
    if sites.cookies is not None:
        sites = sites.model_copy(update={"cookies": root / sites.cookies})

    options = SiteOptions(sites)
    copier = partial(copy_by_ranges, exact=settings.exact_spans)
    return Tools(
        find_file=lambda url, requests: find_file(url, options, requests), copy_span=copier
    )


def copy_by_ranges(
    ranges: ByteRanges, start_s: float, end_s: float | None, target: Path, *, exact: bool
) -> CopiedSpan | None:
    """Copy a span out of a file on a host; see `CopySpan`.

    Args:
        ranges: the file.
        start_s: first instant of the span.
        end_s: first instant that is no longer in it; None: then the whole is fetched.
        target: the file to write.
        exact: encode exactly the frames of the span; else copy from the key frame before.
    """
    if end_s is None:
        return None
    file = RangeFile(ranges.read, ranges.size_bytes)
    try:
        return copy_span(file, start_s, end_s, target, exact=exact, allow_short=True)
    except FetchWhole:
        return None
