"""The closed list of outcomes of a wanted video, and what follows from each.

Every attempt ends in exactly one of them. What no rule recognises is ``unknown``, with the
server's or library's own words kept in the table `downloads`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["waiting", "fetched", "gone", "refused", "failed"]
Reach = Literal["video", "host", "all"]


@dataclass(frozen=True)
class Outcome:
    """One way in which an attempt can end.

    Attributes:
        name: as in the table `downloads`.
        state: of the row after the attempt that nothing follows in this run.
        meaning: for users: what happened, and what to do where something can be done.
        final: whether a later run leaves the row alone.
        stops: what it stops: only this ``video``, its ``host``, or ``all`` fetching.
        retries: how often the same run tries again.
    """

    name: str
    state: State
    meaning: str
    final: bool
    stops: Reach = "video"
    retries: int = 0


_LIST = (
    Outcome("fetched", "fetched", "the file is there, and what was expected", final=True),
    Outcome(
        "waiting", "waiting", "not tried yet, or its host was stopped before its turn", final=False
    ),
    Outcome("removed", "gone", "the video does not exist any more", final=True),
    Outcome("private", "gone", "the video is private, for members, or paid", final=True),
    Outcome(
        "age", "refused", "the site asks for an age check: a cookies file may help", final=True
    ),
    Outcome("geo", "refused", "the video is not available in this country", final=True),
    Outcome(
        "bot_check",
        "waiting",
        "the site asks for a check; run again later",
        final=False,
        stops="host",
    ),
    Outcome(
        "rate_limit", "waiting", "the host limits requests; run again later", final=False, retries=2
    ),
    Outcome("forbidden", "refused", "the host refuses the file; run again later", final=False),
    Outcome("server", "failed", "the host has a fault; run again later", final=False, retries=4),
    Outcome(
        "network", "failed", "no connection, or it broke off; run again", final=False, retries=4
    ),
    Outcome("truncated", "failed", "the file came incomplete; run again", final=False, retries=4),
    Outcome("changed", "failed", "the file changed while it was fetched", final=False, retries=1),
    Outcome("not_media", "refused", "the address leads to something else than a video", final=True),
    Outcome(
        "bad_media", "refused", "the file cannot be read as a video, or lacks the span", final=True
    ),
    Outcome(
        "too_large", "refused", "the file is larger than the limit `fetch.max_bytes`", final=True
    ),
    Outcome(
        "too_long",
        "refused",
        "the video is longer than the limit `max_duration_s` of its manifest",
        final=True,
    ),
    Outcome(
        "no_format", "failed", "the site offers no file that can be fetched today", final=False
    ),
    Outcome("not_yet", "waiting", "a live stream or a premiere; run again later", final=False),
    Outcome("opted_out", "refused", "robots.txt or a header of the host forbids it", final=True),
    Outcome("forgotten", "refused", "it was forgotten: `reelabel forget`", final=True),
    Outcome("address", "refused", "the address is of a kind that is never fetched", final=True),
    Outcome(
        "disk",
        "waiting",
        "the disk or the quota is full; free some space",
        final=False,
        stops="all",
    ),
    Outcome(
        "tool",
        "waiting",
        "the extractor lacks something; see the message",
        final=False,
        stops="host",
    ),
    Outcome("unknown", "failed", "not recognised; see the message", final=False, retries=1),
)

OUTCOMES = {outcome.name: outcome for outcome in _LIST}
"""Every outcome by name."""


class FetchFailure(Exception):  # noqa: N818 -- an outcome of one row, not an error of the program
    """Raised where an attempt ends without a file; becomes a row, never a traceback.

    Attributes:
        outcome: one of `OUTCOMES`.
        message: the server's or library's own words.
        http_status: of the last answer, None if there was none.
        retry_after_s: what the host asked for, None if it did not.
    """

    def __init__(
        self,
        outcome: str,
        message: str = "",
        *,
        http_status: int | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(f"{outcome}: {message}" if message else outcome)
        self.outcome = OUTCOMES[outcome]
        self.message = message[:500]
        self.http_status = http_status
        self.retry_after_s = retry_after_s
