"""Which outcome a message of an extractor or a site stands for: one table, tried from the top.

The words are those of yt-dlp and of the sites that it reads; a test holds a corpus of them. The
order matters: bot checks and rate limits often begin with "Video unavailable", and to take one of
them for that would give up a video for good.
"""

from __future__ import annotations

import re

from reelabel.sources.web.outcomes import OUTCOMES

_PLACE = r"(countr|region|location|area\b|territor)"

_TABLE: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "bot_check",
        (
            r"not a (ro)?bot\b",
            r"captcha",
            r"suspected as a bot",
            r"anti-?bot",
            r"client challenge",
            r"\bip (address )?is (likely being |currently )?(blocked|banned|unable)",
            r"request is (blocked|rejected) by server",
        ),
    ),
    (
        "rate_limit",
        (
            r"rate.?limit",
            r"too many (requests|attempts)",
            r"isn't available, try again later",
            r"http ?error (429|503)\b",
        ),
    ),
    (
        "geo",
        (
            rf"(not|n't) (made this video |currently )?(available|accessible)\b[^.]* {_PLACE}",
            rf"unavailable (in|at|from) (your|this) {_PLACE}",
            rf"blocked (it |this )?(in|from) (your|this) {_PLACE}",
            rf"due to your {_PLACE}",
            r"geo[- ]?(restrict|block)",
            r"http ?error 451\b",
        ),
    ),
    (
        "age",
        (
            r"confirm your age",
            r"\bage[- ]?(restrict|verif|gate|limit|check)",
            r"adult verification",
            r"inappropriate for some users",
            r"users older than",
            r"\bnsfw\b",
        ),
    ),
    (
        "tool",
        (
            r"javascript runtime",
            r"(challenge|signature) solving failed",
            r"solve js challenge",
            r"phantomjs",
            r"pycryptodome",
            r"impersonat",
            r"failed to load cookies",
            r"netscape format cookies",
            r"cookies are no longer valid",
            r"expired token",
            r"token (has |is )?(expired|invalid)",
            r"please install",
        ),
    ),
    (
        "not_yet",
        (
            r"premieres? (in|will)\b",
            r"will begin (in|at|shortly)\b",
            r"(has|have)(n't| not) (yet )?(started|begun)",
            r"not started yet",
            r"not (currently|yet) (live|available)",
            r"not available yet",
            r"\bis offline",
            r"still be (uploading|processing)",
            r"(is|being|we're) process(ing|ed)\b",
            r"\blive ?(event|stream)? has ended",
            r"not downloadable yet",
            r"available shortly",
        ),
    ),
    (
        "private",
        (
            r"\bprivate (video|playlist|subreddit|profile|account)",
            r"(is|are|was) (marked as )?private\b",
            r"members?[- ]only",
            r"join this channel",
            r"(for|channel) members",
            r"premium",
            r"subscri(be|ption)",
            r"requires? (payment|an account|login)",
            r"purchase",
            r"\bpaid\b",
            r"\bpaywall",
            r"password",
            r"\blog(ged)?[- ]?in\b",
            r"\bsign in\b",
            r"registered users",
            r"(account|authentication) is (needed|required)",
            r"not authorized",
            r"(do|does) not have access",
            r"supporters?[- ]only",
            r"\bis locked\b",
            r"http ?error 40[12]\b",
            # What yt-dlp adds wherever an extractor asks for an account.
            r"--cookies for the authentication",
            r"to provide account credentials",
        ),
    ),
    (
        "no_format",
        (
            r"\bdrm\b",
            r"requested format is not available",
            r"no (supported |video )?formats (are )?(found|available)",
            r"could not find (any |suitable )(video )?formats",
            r"\bsabr\b",
            r"not available on this (app|device)",
            r"playback on other websites",
            r"only images are available",
        ),
    ),
    ("address", (r"file:// urls are disabled", r"unsupported url scheme")),
    (
        "not_media",
        (
            r"unsupported url",
            r"no suitable extractor",
            r"(not a|invalid) (valid )?(video|media file|url)\b",
            r"no (supported )?(video|media)(/audio)?s?( content)? (could be )?(found|in|on|at)\b",
            r"(does not have|does not contain|there is no) (a |any )?video",
        ),
    ),
    (
        "server",
        (
            r"http ?error 5\d\d\b",
            r"temporarily unavailable",
            r"\b(server-side|internal server) error",
        ),
    ),
    (
        "removed",
        (
            r"\bunavailable\b",
            r"\bno longer\b",
            r"(isn't|aren't|not) available",
            r"(has|have|had|was|were|been) (removed|deleted|taken down|terminated|blocked)",
            r"\bterminated\b",
            r"account [^.]*(suspended|closed)",
            r"(does|do)(n't| not) exist",
            r"may not exist",
            r"\bnot found\b",
            r"\bexpired\b",
            r"\bcopyright",
            r"http ?error 4(04|10)\b",
        ),
    ),
    ("forbidden", (r"http ?error 403\b", r"\bforbidden\b")),
    (
        "network",
        (
            r"\btimed? ?out\b",
            r"connection [^.]*(aborted|reset|refused|broken)",
            r"remote end closed",
            r"getaddrinfo failed",
            r"name resolution",
            r"name or service not known",
            r"failed to (resolve|establish)",
            r"network (is unreachable|error)",
            r"no route to host",
            r"\bssl\b",
            r"certificate verify",
            r"bytes read",
            r"\bproxyerror\b",
            r"giving up after \d+ retries",
        ),
    ),
)
"""Outcome and patterns of it, for text in small letters with straight apostrophes."""

_COMPILED = tuple((name, re.compile("|".join(patterns))) for name, patterns in _TABLE)
_FAULT = "please report this issue"
"""In messages that an extractor did not expect itself, such as a page whose parts have moved."""
_STRAIGHT = str.maketrans({"\u2018": "'", "\u2019": "'", "\u02bc": "'", "\ufffd": "'"})
_PREFIX = re.compile(r"^(\x1b\[[\d;]*m)*ERROR:(\x1b\[[\d;]*m)*\s*")


def outcome_of_message(text: str) -> str:
    """Return the outcome that a message stands for, ``unknown`` if no pattern is in it.

    A message that the extractor did not expect never gives up a video for good: its words are not
    the site's.
    """
    plain = text.translate(_STRAIGHT).lower()
    unexpected = _FAULT in plain
    for name, pattern in _COMPILED:
        if pattern.search(plain) and not (unexpected and OUTCOMES[name].final):
            return name
    return "unknown"


def without_prefix(text: str) -> str:
    """Return a message without the word ERROR, and without its colour, in front.

    >>> without_prefix("ERROR: [youtube] x: Video unavailable")
    '[youtube] x: Video unavailable'
    """
    return _PREFIX.sub("", text).strip()
