"""Runs yt-dlp (Unlicense) as a finder of addresses: it reads pages, never the video itself.

Imported when a page is looked up, as it takes half a second. What it may do is bounded here: no
plug-ins, no settings of the user's own yt-dlp, no faked country, no lists of videos, no extractor
that guesses on any page, no code from the network beyond the site's own player.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from yt_dlp import YoutubeDL
from yt_dlp.cookies import CookieLoadError
from yt_dlp.globals import all_plugins_loaded
from yt_dlp.networking.exceptions import HTTPError, TransportError
from yt_dlp.utils import GeoRestrictedError, UnsupportedError, UserNotLive

from reelabel.files import read_text
from reelabel.sources.sites.formats import choose_format
from reelabel.sources.sites.handler import ClientRH
from reelabel.sources.sites.messages import outcome_of_message, without_prefix
from reelabel.sources.sites.programs import only_runtimes
from reelabel.sources.sites.requests import SiteRequests
from reelabel.sources.sites.settings import SiteOptions
from reelabel.sources.web.outcomes import FetchFailure

__all__ = ["Extractor", "Warnings", "failure_of", "only_runtimes"]

Info = dict[str, Any]

_COOKIES_LIMIT_BYTES = 10_000_000
_BY_TYPE = (
    (GeoRestrictedError, "geo"),
    (UserNotLive, "not_yet"),
    (UnsupportedError, "not_media"),
    (CookieLoadError, "tool"),
)
_LIVE = frozenset({"is_live", "is_upcoming", "post_live"})
_EXPLAINED = frozenset({"no_format", "unknown"})
"""Outcomes whose reason may be a warning that came before."""
_EXPLAINING = frozenset({"bot_check", "rate_limit", "tool"})
_PLUGINS = threading.Lock()


class Warnings:
    """Collects what yt-dlp would print; the reason of a failure is often a warning before it."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def debug(self, message: str) -> None:
        """Leave out what it does."""

    def warning(self, message: str) -> None:
        """Keep a warning."""
        self.texts.append(without_prefix(message))

    def error(self, message: str) -> None:
        """Leave out an error: it is raised as well."""


class Extractor(YoutubeDL):  # type: ignore[misc] # yt-dlp carries no types
    """yt-dlp that looks at one video: the client sends each request, and lists are refused."""

    def __init__(self, options: SiteOptions, requests: SiteRequests, warnings: Warnings) -> None:
        self._options, self._requests = options, requests
        with _without_plugins():
            super().__init__(_params(options, requests.agent, warnings))

    def build_request_director(self, handlers: object, preferences: object = None) -> Any:
        """Return what sends requests: the client alone, none of the handlers of yt-dlp."""
        del handlers, preferences
        interval_s = self._options.settings.request_delay_s
        handler = partial(ClientRH, requests=self._requests, interval_s=interval_s)
        return super().build_request_director([handler])

    def save_cookies(self) -> None:
        """Leave the cookies that were read as they are."""

    def process_ie_result(
        self, ie_result: Info, download: bool = True, extra_info: Info | None = None
    ) -> Info:
        """Refuse what is no single finished video before its formats are looked at."""
        _check_kind(ie_result, self._options.max_duration_s)
        found: Info = super().process_ie_result(ie_result, download, extra_info)
        return found


def _check_kind(info: Info, max_duration_s: float | None) -> None:
    """Raise `FetchFailure` for a list of videos, one that is not over yet, one that is too long."""
    kind = info.get("_type") or "video"
    if kind in {"playlist", "multi_video", "compat_list"}:
        raise FetchFailure("not_media", "expected a page of one video, but it lists several")
    if info.get("is_live") or info.get("live_status") in _LIVE:
        raise FetchFailure("not_yet", f"live status: {info.get('live_status') or 'is_live'}")
    duration_s = info.get("duration")
    if max_duration_s is not None and duration_s is not None and duration_s > max_duration_s:
        raise FetchFailure("too_long", f"lasts {duration_s:g} s, the limit is {max_duration_s:g} s")


def _params(options: SiteOptions, agent: str, warnings: Warnings) -> Info:
    """Return yt-dlp's options; what is not here keeps its default."""
    settings = options.settings
    cache = options.cache_folder
    return {
        "quiet": True,
        "noprogress": True,
        "color": "never",
        "logger": warnings,
        "simulate": True,
        "skip_download": True,
        "allowed_extractors": ["default", "-generic"],
        "noplaylist": True,
        "extract_flat": "in_playlist",
        "geo_bypass": False,
        "check_formats": False,
        "extractor_retries": 0,
        # Those of the environment are not used, nor handed to programs.
        "proxy": "",
        # Its own default is that of a browser.
        "http_headers": {"User-Agent": agent},
        "cachedir": str(cache) if cache is not None else False,
        "cookiefile": _cookies(options),
        "js_runtimes": dict(map(_runtime, settings.js_runtimes)),
        # Formats in parts are not taken, so their lists need not be fetched.
        "extractor_args": {"youtube": {"skip": ["hls", "dash", "translated_subs"]}},
        "format": _format_selector(settings.max_height),
    }


def _cookies(options: SiteOptions) -> io.StringIO | None:
    """Return the user's cookies as a stream: yt-dlp writes into whatever it reads them from."""
    path = options.settings.cookies
    return None if path is None else io.StringIO(read_text(path, _COOKIES_LIMIT_BYTES))


def _runtime(entry: str) -> tuple[str, dict[str, str]]:
    name, _, path = entry.partition(":")
    return name, {"path": path} if path else {}


def _format_selector(max_height: int) -> Callable[[Info], Iterator[Info]]:
    """Return what yt-dlp calls with all formats of a video; it yields the one to fetch, or none."""

    def select(context: Info) -> Iterator[Info]:
        chosen = choose_format(context["formats"], max_height)
        if chosen is not None:
            yield dict(chosen)

    return select


@contextmanager
def _without_plugins() -> Iterator[None]:
    """Keep yt-dlp from looking for plug-ins in the user's folders and on the import path."""
    with _PLUGINS:
        before = all_plugins_loaded.value
        all_plugins_loaded.value = True
        try:
            yield
        finally:
            all_plugins_loaded.value = before


def failure_of(
    error: BaseException, warnings: list[str], limited: FetchFailure | None = None
) -> FetchFailure:
    """Return what an exception of yt-dlp means for the row of the video.

    Args:
        error: what was raised.
        warnings: what was printed before, in order.
        limited: how a host limited requests before; then the words of the extractor mean nothing.
    """
    chain = list(_causes(error))
    own = next((e for e in chain if isinstance(e, FetchFailure)), None) or limited
    if own is not None:
        return own
    text = without_prefix(str(error)) or type(error).__name__
    name = _outcome(chain, text)
    reason = _reason(warnings) if name in _EXPLAINED else ""
    if reason:
        name, text = outcome_of_message(reason), f"{text} | {reason}"
    answer = next((e for e in chain if isinstance(e, HTTPError)), None)
    if answer is None:
        return FetchFailure(name, text)
    return FetchFailure(name, text, http_status=answer.status, retry_after_s=_retry_after_s(answer))


def _outcome(chain: list[BaseException], text: str) -> str:
    """Return the outcome by the kind of error where that decides, else by its words."""
    for kind, name in _BY_TYPE:
        if any(isinstance(e, kind) for e in chain):
            return name
    by_words = outcome_of_message(text)
    if by_words == "unknown" and any(isinstance(e, TransportError) for e in chain):
        return "network"
    return by_words


def _reason(warnings: list[str]) -> str:
    """Return the first warning that explains why nothing was found, or an empty string."""
    return next((w for w in warnings if outcome_of_message(w) in _EXPLAINING), "")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and what caused it; yt-dlp keeps the cause in three places."""
    pending, seen = [error], set[int]()
    while pending:
        current = pending.pop(0)
        if not isinstance(current, BaseException) or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        inner = getattr(current, "exc_info", None) or (None, None)
        pending += [inner[1], getattr(current, "cause", None), current.__cause__]


def _retry_after_s(answer: HTTPError) -> float | None:
    """Return the pause in seconds that an answer asks for, None if it gives none as a number."""
    headers: Mapping[str, str] = answer.response.headers
    value = (headers.get("Retry-After") or "").strip()
    return float(value) if value.isascii() and value.isdigit() else None
