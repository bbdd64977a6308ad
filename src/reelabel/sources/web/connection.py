"""Connections of urllib3 that refuse private networks before a byte is sent."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from reelabel.sources.web.addresses import Networks, check_name, check_peer
from reelabel.sources.web.outcomes import FetchFailure

RECEIVE_BUFFER = 256 << 10
"""Bytes that the system holds for us: what is in it when the process is killed comes twice."""
_OPTIONS = [
    *HTTPConnection.default_socket_options,
    (socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER),
]
_KEPT_OPEN = 64

if TYPE_CHECKING:
    _Base = HTTPConnection
else:
    _Base = object


class _Checked(_Base):
    """A connection that looks at whom it is connected to."""

    allowed: Networks = ()

    def _new_conn(self) -> socket.socket:
        """Return a connected socket; nothing has been sent yet, not even for TLS.

        Raises:
            FetchFailure: ``address`` if it leads into a private network.
        """
        check_name(self._dns_host, self.allowed)
        sock = super()._new_conn()
        try:
            check_peer(sock.getpeername()[0], self.allowed)
        except (FetchFailure, OSError):
            sock.close()
            raise
        return sock


def open_pools(allowed: Networks, *, connections: int) -> urllib3.PoolManager:
    """Return pools of connections, of which each host gets that many at most."""
    http = type("_Http", (_Checked, HTTPConnection), {"allowed": allowed})
    https = type("_Https", (_Checked, HTTPSConnection), {"allowed": allowed})
    pools = urllib3.PoolManager(
        num_pools=_KEPT_OPEN, maxsize=connections, block=True, socket_options=_OPTIONS
    )
    pools.pool_classes_by_scheme = {
        "http": type("_HttpPool", (HTTPConnectionPool,), {"ConnectionCls": http}),
        "https": type("_HttpsPool", (HTTPSConnectionPool,), {"ConnectionCls": https}),
    }
    return pools
