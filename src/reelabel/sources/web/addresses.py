"""Which addresses are fetched from: http and https, and never a private network.

The name in an address decides nothing: what counts is the address that the socket is connected to
(`check_peer`), so that no spelling, redirect or rebinding name leads into a private network.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Sequence
from urllib.parse import urlsplit

from reelabel.sources.web.outcomes import FetchFailure

SCHEMES = frozenset({"http", "https"})
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_LONGEST = 8192
_PLAIN = re.compile(r"https?://([a-z0-9.-]+)(?::\d{1,5})?(?:[/?#]|$)", re.ASCII)
"""An address that needs no parser: most do not."""

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Networks = Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]


def networks_of(allow: Sequence[str]) -> Networks:
    """Return networks from CIDR notation, such as ``127.0.0.1/32``."""
    return [ipaddress.ip_network(network) for network in allow]


def host_of(url: str) -> str:
    """Return the host's name in lower case, empty if there is none.

    >>> host_of("http://A.example.:80/x"), host_of("file:///x"), host_of("http://[::1")
    ('a.example', '', '')
    """
    if plain := _PLAIN.match(url):
        return plain[1].rstrip(".")
    try:
        return (urlsplit(url).hostname or "").rstrip(".").lower()
    except ValueError:
        return ""


def check_url(url: str) -> str:
    """Return an address that may be asked for.

    Raises:
        FetchFailure: ``address`` for another scheme, no host, a wrong port, or control characters.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as exc:
        raise FetchFailure("address", f"{url[:200]!r}: {exc}") from exc
    if parts.scheme not in SCHEMES:
        raise FetchFailure("address", f"expected http or https, but got {url[:200]!r}")
    if not host_of(url) or len(url) > _LONGEST or any(c < "!" or c == "\x7f" for c in url):
        raise FetchFailure("address", f"expected an address with a host, but got {url[:200]!r}")
    return url


def check_peer(peer: str, allowed: Networks) -> None:
    """Refuse the address that a socket is connected to if it is in no public network.

    Args:
        peer: IPv4 or IPv6, maybe with a zone.
        allowed: networks that are accepted although they are not public.

    Raises:
        FetchFailure: ``address``.
    """
    address = _plain(ipaddress.ip_address(peer.partition("%")[0]))
    if any(address in network for network in allowed if network.version == address.version):
        return
    if not address.is_global or address.is_multicast or address.is_reserved:
        raise FetchFailure("address", f"{address} is in no public network: see fetch.allow")


def check_literal(host: str, allowed: Networks) -> None:
    """Refuse a host that is written as an address of no public network; names pass.

    So no time is spent on it; any other spelling is refused once it is connected.

    Raises:
        FetchFailure: ``address``.
    """
    try:
        ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return
    check_peer(host.strip("[]"), allowed)


def check_name(host: str, allowed: Networks) -> None:
    """Refuse a host whose name leads to private networks alone; one without address passes.

    Args:
        host: a name or an address.
        allowed: networks that are accepted although they are not public.

    Raises:
        FetchFailure: ``address``.
    """
    try:
        found = socket.getaddrinfo(host.strip("[]"), None, 0, socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return  # connecting explains it
    refused: list[FetchFailure] = []
    for *_, address in found:
        try:
            check_peer(str(address[0]), allowed)
        except FetchFailure as failure:
            refused.append(failure)
    if found and len(refused) == len(found):
        raise refused[0]


def _plain(address: IpAddress) -> IpAddress:
    """Return the IPv4 address that an IPv6 address stands for, else the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo[1] if address.teredo else None
    return address.ipv4_mapped or address.sixtofour or teredo or address
