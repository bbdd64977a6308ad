"""What tests of fetching share: servers on loopback addresses that misbehave, and a fake clock.

Only 127.0.0.1 is allowed; 127.0.0.2 and its neighbours stand for private networks.
"""

from __future__ import annotations

import contextlib
import random
import re
import socket
import threading
import time
import types
from collections import Counter
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from reelabel.config import Project
from reelabel.engine.plan import bind
from reelabel.engine.run import Options, run_stage
from reelabel.sources.fetching.fetch_tools import Tools
from reelabel.sources.web.clock import Clock
from reelabel.sources.web.settings import FetchSettings
from reelabel.stages import fetch
from reelabel.tables import DOWNLOADS, WANTS
from reelabel.workspace import Workspace

SEND_BUFFER = 64 << 10


class FakeTime:
    """A clock that only sleeping moves; its random numbers are seeded."""

    def __init__(self, start: float = 1_800_000_000.0):
        self.at = self.began = start
        self._lock = threading.Lock()
        rng = random.Random(7)
        self.clock = Clock(self.now, self.now, self.pause, rng.random)

    def now(self) -> float:
        """Return the time."""
        return self.at

    def pause(self, seconds: float) -> None:
        """Pass time at once."""
        with self._lock:
            self.at += seconds
        time.sleep(0)

    @property
    def slept(self) -> float:
        """Return the seconds that were slept."""
        return self.at - self.began


@pytest.fixture
def fake_time() -> FakeTime:
    """Return a clock that only sleeping moves."""
    return FakeTime()


@dataclass
class Request:
    """One request that a server received."""

    path: str
    at: float
    headers: dict
    host: str
    method: str = "GET"
    body: bytes = b""


@dataclass
class Server:
    """A server in a thread.

    Attributes:
        pages: path -> bytes, a status, or a function of the handler.
        requests: all that came, but those for robots.txt.
        sent: bytes of bodies, by path.
        most_open: most connections with a request at once.
        now: the clock that requests are noted with.
    """

    address: str = "127.0.0.1"
    pages: dict = field(default_factory=dict)
    robots: object = 404
    requests: list = field(default_factory=list)
    robots_requests: int = 0
    sent: Counter = field(default_factory=Counter)
    busy: Counter = field(default_factory=Counter)
    most_open: Counter = field(default_factory=Counter)
    now: object = time.monotonic
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self):
        self._http = _Http((self.address, 0), _handler_of(self))
        self._http.daemon_threads = True
        self.port = self._http.server_address[1]
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._http.shutdown()
        self._http.server_close()

    def url(self, path: str = "/", host: str = "") -> str:
        """Return an address on this server."""
        return f"http://{host or self.address}:{self.port}{path}"

    def add(self, path: str, page: object) -> str:
        """Serve something at a path and return its address."""
        self.pages[path] = page
        return self.url(path)

    def paths(self) -> list[str]:
        """Return the paths that were asked for."""
        return [request.path for request in self.requests]


class _Http(ThreadingHTTPServer):
    request_queue_size = 64

    def get_request(self):
        connection, address = super().get_request()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection, address

    def handle_error(self, request, client_address):
        """Clients that hang up are part of the game."""


def _handler_of(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            host = self.headers.get("Host", "").partition(":")[0]
            robots = self.path == "/robots.txt"
            with server.lock:
                if robots:
                    server.robots_requests += 1
                else:
                    headers = {k.lower(): v for k, v in self.headers.items()}
                    asked = Request(self.path, server.now(), headers, host, self.command, body)
                    server.requests.append(asked)
                server.busy[host] += 1
                server.most_open[host] = max(server.most_open[host], server.busy[host])
            try:
                answer(self, server.robots if robots else server.pages.get(self.path, 404))
            except OSError:
                self.close_connection = True
            finally:
                with server.lock:
                    server.busy[host] -= 1

        do_POST = do_HEAD = do_GET  # noqa: N815 -- names that the base class asks for

        def send(self, data: bytes) -> None:
            """Send a piece of a body, and count it."""
            self.wfile.write(data)
            with server.lock:
                server.sent[self.path] += len(data)

        def head(self, status: int, **headers: object) -> None:
            """Send status and headers."""
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), str(value))
            self.end_headers()

        def hang_up(self) -> None:
            """Close the connection."""
            self.close_connection = True

        def count(self) -> int:
            """Return how often this path was asked for so far, this time included."""
            with server.lock:
                return sum(request.path == self.path for request in server.requests)

        def log_message(self, *_):
            """Nothing is printed."""

    return Handler


def answer(handler, page) -> None:
    """Answer a request with bytes, a status, a page with headers, or by a function."""
    if callable(page):
        page(handler)
    elif isinstance(page, int):
        handler.head(page, Content_Length=0)
    else:
        handler.head(200, Content_Length=len(page))
        handler.send(page)


def with_ranges(content: bytes, *, piece: int = 16 << 10, pause_s: float = 0.0, **headers):
    """Return a page that serves ranges as RFC 9110 has it, with these headers.

    `stop_at` of the page cuts the connection once that many bytes were sent, once.
    """

    def page(handler):
        start, stop = _asked_range(handler, len(content), headers)
        partial = stop is not None
        stop = len(content) if stop is None else stop
        if start >= len(content):
            handler.head(416, Content_Length=0, Content_Range=f"bytes */{len(content)}")
            return
        more = {"Content_Range": f"bytes {start}-{stop - 1}/{len(content)}"} if partial else {}
        handler.head(206 if partial else 200, Content_Length=stop - start, **more, **headers)
        left = page.stop_at
        for at in range(start, stop, piece):
            data = content[at : min(at + piece, stop)]
            if left is not None and at - start + len(data) > left:
                page.stop_at = None
                handler.send(data[: max(0, left - (at - start))])
                handler.hang_up()
                return
            handler.send(data)
            if pause_s:
                time.sleep(pause_s)

    page.stop_at = None
    return page


def _asked_range(handler, size, headers):
    asked = re.fullmatch(r"bytes=(\d+)-(\d*)", handler.headers.get("Range", ""))
    condition = handler.headers.get("If-Range")
    known = (headers.get("ETag"), headers.get("Last_Modified"))
    if not asked or (condition and condition not in known):
        return 0, None
    return int(asked[1]), min(int(asked[2] or size - 1) + 1, size)


@pytest.fixture
def serve():
    """Return a function that starts a server, which is stopped after the test."""
    with contextlib.ExitStack() as stack:
        yield lambda address="127.0.0.1", **values: stack.enter_context(Server(address, **values))


@pytest.fixture
def server(serve) -> Server:
    """Return a server on 127.0.0.1."""
    return serve()


@pytest.fixture
def ranged():
    """Return the function that makes a page with ranges."""
    return with_ranges


@pytest.fixture
def noise():
    """Return a function that makes bytes which no compression or sniffing takes for anything."""

    def make(count: int, seed: int = 0) -> bytes:
        return b"\0\0\0\x20ftypisom" + random.Random(seed).randbytes(count - 12)

    return make


PATIENT = {"host_interval_s": 1.0, "max_bytes_per_s": None, "longest_wait_s": 100.0}


class FetchBench:
    """A workspace whose wants are given as rows, fetched by the stage through the engine."""

    def __init__(self, root, fake_time, probe):
        self.root, self.time = root, fake_time
        root.mkdir()
        (root / "reelabel.yaml").write_text("classes: [a, b]\n")
        self.workspace = Workspace(root)
        self.tools = Tools(clock=fake_time.clock, probe=probe)
        self.polite = dict(PATIENT)

    def want(self, urls, source="s", **more):
        """Make these addresses the wanted videos of a source; dicts are rows."""
        given = [row if isinstance(row, dict) else {"url": row} for row in urls]
        rows = [
            _WANT | {"source": source, "want_id": f"w{i}", "rank": i} | more | row
            for i, row in enumerate(given)
        ]
        self.workspace.write(WANTS, source, WANTS.from_rows(rows), fingerprint=str(rows))

    def run(self, *, force=False, **settings):
        """Run the stage and return its result."""
        polite = self.polite | settings.pop("politeness", {})
        values = {"allow": ("127.0.0.1/32",), "stall_timeout_s": 5, "politeness": polite}
        stage = replace(fetch.STAGE, resource=lambda context: fetch.ready(context, self.tools))
        chosen = FetchSettings(**values | settings)
        project = Project(classes=("a", "b"))
        bound = bind(stage, self.workspace, project, chosen, round_number=0)
        return run_stage(bound, Options(quiet=True, force=force))

    def rows(self, source="s"):
        """Return the rows of a source by want id."""
        rows = self.workspace.read(DOWNLOADS, source).to_pylist()
        return {row["want_id"]: row for row in rows}

    def outcomes(self, source="s"):
        """Return the outcome of each want."""
        return {want_id: row["outcome"] for want_id, row in self.rows(source).items()}

    def content(self, want_id="w0", source="s"):
        """Return the bytes of a fetched file."""
        return (self.root / self.rows(source)[want_id]["file"]).read_bytes()


_WANT = {
    "native_id": "",
    "native_label": "",
    "page": False,
    "labels": ["a"],
    "split": "",
    "licence": "",
    "uploader": "",
    "title": "",
    "chosen": True,
    "why_not": "",
}


def readable(path):
    """Take any file for a video of ten seconds; `probe` of tests that need no video."""
    del path
    return types.SimpleNamespace(container="mov,mp4,m4a,3gp,3g2,mj2", duration_s=10.0)


@pytest.fixture
def bench(tmp_path, fake_time) -> FetchBench:
    """Return a workspace to fetch into, in which sleeping takes no time."""
    return FetchBench(tmp_path / "w", fake_time, readable)
