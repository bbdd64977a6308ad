"""What is asked of sites, and what a site answers: the address of one file and facts about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import Field, field_validator, model_validator

from reelabel.config import MACHINE, Settings
from reelabel.errors import nearest

Runtime = Literal["deno", "node", "bun", "quickjs"]


class SiteSettings(Settings):
    """How the files of video sites are found, and with which pauses."""

    max_height: int = Field(720, ge=1)
    """Highest picture height that is fetched where a site offers several, in pixels."""
    delay_s: Annotated[tuple[float, float], MACHINE] = (10.0, 20.0)
    """Least and most seconds between two videos of one site; each pause is drawn at random."""
    request_delay_s: Annotated[float, MACHINE] = Field(0.75, ge=0)
    """Seconds between the requests that finding one file takes."""
    cookies: Path | None = None
    """File with your own cookies (Netscape format); it is read, never written. Default: none."""
    js_runtimes: Annotated[tuple[str, ...], MACHINE] = ("deno",)
    """JavaScript runtimes that may be used, as NAME or NAME:PATH: deno, node, bun, quickjs."""

    @field_validator("js_runtimes")
    @classmethod
    def _known_runtimes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        known = get_args(Runtime)
        for entry in value:
            name = entry.partition(":")[0]
            if name not in known:
                raise ValueError(
                    f"expected one of {', '.join(known)}, maybe with :PATH, but got {entry!r}"
                    f"{nearest(name, known)}"
                )
        return value

    @model_validator(mode="after")
    def _ordered_delay(self) -> SiteSettings:
        least, most = self.delay_s
        if not 0 <= least <= most:
            raise ValueError(
                f"delay_s: expected two numbers, the smaller one first, but got {least}, {most}"
            )
        return self


@dataclass(frozen=True)
class SiteOptions:
    """What one look-up may do.

    Attributes:
        settings: the user's.
        max_duration_s: longer videos end as ``too_long`` before any byte of them; None: any.
        cache_folder: where parts of a site's player are cached, so that they are not fetched for
            each video; None: nowhere.
    """

    settings: SiteSettings = field(default_factory=SiteSettings)
    max_duration_s: float | None = None
    cache_folder: Path | None = None


@dataclass(frozen=True)
class SiteFile:
    """One file of a site, to be fetched soon: such addresses are valid for hours at most.

    Attributes:
        url: of the file, http or https.
        headers: to be sent with every request for it. They may hold cookies, so they are for the
            host of `url` alone and must not follow a redirect to another.
        format_id: the site's own name of the format.
        extractor: the part of yt-dlp that found it, such as ``youtube``.
        protocol: ``http`` or ``https``.
        size_bytes: as the site states it, None if it does not.
        duration_s: the same.
        licence: as the site states it, empty if it does not.
        uploader: the same.
        title: the same.
        height: of the picture in pixels, None if it is not stated.
        max_request_bytes: largest range that the site serves at full speed, None: any.
        available_at_s: Unix time before which the site does not serve it, None: at once.
    """

    url: str
    headers: Mapping[str, str] = field(repr=False)
    format_id: str
    extractor: str
    protocol: str
    size_bytes: int | None = None
    duration_s: float | None = None
    licence: str = ""
    uploader: str = ""
    title: str = ""
    height: int | None = None
    max_request_bytes: int | None = None
    available_at_s: float | None = None
