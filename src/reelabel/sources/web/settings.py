"""Settings of fetching: how politely, how long to wait, how much at most."""

from __future__ import annotations

import ipaddress
from typing import Annotated

from pydantic import Field, field_validator

from reelabel.config import MACHINE, Settings
from reelabel.sources.mirrors.settings import MirrorSettings
from reelabel.sources.sites.settings import SiteSettings


class Politeness(Settings):
    """How much is asked of hosts and of the network."""

    contact: Annotated[str, MACHINE] = Field("", pattern=r"^[\x20-\x7e]*$", max_length=200)
    """Address or mail address in the User-Agent, so that a host's owner can reach you."""
    host_interval_s: Annotated[float, MACHINE] = Field(1.0, ge=0)
    """Least time between two requests to a host; a longer Crawl-delay of its robots.txt counts."""
    host_connections: Annotated[int, MACHINE] = Field(1, ge=1, le=8)
    """Files fetched from a host at once."""
    max_bytes_per_s: Annotated[int | None, MACHINE] = Field(20_000_000, ge=1)
    """Bandwidth over all hosts; null: no limit."""
    max_bytes_per_day: Annotated[int | None, MACHINE] = Field(None, ge=1)
    """Bytes that are fetched on one day (UTC) at most; null: no limit."""
    backoff_s: Annotated[float, MACHINE] = Field(2.0, gt=0)
    """Pause before the first repetition; each further one is twice as long, with jitter."""
    longest_wait_s: Annotated[float, MACHINE] = Field(120.0, ge=0)
    """Longest pause that a run waits for; what has to wait longer is left for a later run."""
    retry_after_s: Annotated[float, MACHINE] = Field(900.0, ge=0)
    """Least time after which a later run tries again what did not succeed."""


class FetchSettings(Settings):
    """What is fetched, and how."""

    max_bytes: int = Field(4_000_000_000, ge=1)
    """Largest file; the limit holds for the declared size and for the bytes that come."""
    allow: tuple[str, ...] = ()
    """Private networks that may be fetched from, such as 192.168.1.0/24; by default none."""
    exact_spans: bool = False
    """Encode spans again, so that they begin and end at their frames; else packets are copied from
    the key frame before, and the row states the true span."""
    hosts: Annotated[int, MACHINE] = Field(8, ge=1, le=64)
    """Hosts that are fetched from at once."""
    connect_timeout_s: Annotated[float, MACHINE] = Field(15.0, gt=0)
    """Longest time until a connection is there."""
    stall_timeout_s: Annotated[float, MACHINE] = Field(30.0, gt=0)
    """Time without an answer, or with less than `min_bytes_per_s`, after which it is given up."""
    min_bytes_per_s: Annotated[int, MACHINE] = Field(100, ge=0)
    """Slowest transfer, over `stall_timeout_s`."""
    politeness: Politeness = Politeness()
    """How much is asked of hosts and of the network."""
    mirror: MirrorSettings = MirrorSettings()
    """Archives of Kinetics that are read before a site is asked."""
    sites: SiteSettings = SiteSettings()
    """How the files of video sites are found."""

    @field_validator("allow")
    @classmethod
    def networks(cls, allow: tuple[str, ...]) -> tuple[str, ...]:
        """Refuse what is no network."""
        for network in allow:
            ipaddress.ip_network(network)
        return allow
