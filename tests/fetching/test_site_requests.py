"""Requests of yt-dlp pass our client: its checks of addresses, its limits and its count of bytes.

A small extractor plays the part of one of yt-dlp's; 127.0.0.1 alone is allowed.
"""

from __future__ import annotations

import contextlib
import gzip
import os
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from reelabel.sources.fetching.fetch_tools import tools_for
from reelabel.sources.fetching.journal import read_history
from reelabel.sources.sites import finding
from reelabel.sources.sites.requests import SiteHosts, SiteRequests
from reelabel.sources.sites.settings import SiteOptions, SiteSettings
from reelabel.sources.web.client import Client
from reelabel.sources.web.clock import Stopped
from reelabel.sources.web.limits import Limits
from reelabel.sources.web.outcomes import FetchFailure
from reelabel.sources.web.settings import FetchSettings, Politeness

pytest.importorskip("yt_dlp", reason="needs the extra reelabel[fetch]")

from yt_dlp import YoutubeDL
from yt_dlp.extractor.common import InfoExtractor
from yt_dlp.extractor.openload import PhantomJSwrapper
from yt_dlp.networking import HEADRequest
from yt_dlp.networking.exceptions import HTTPError, TransportError
from yt_dlp.utils import ExtractorError, Popen

from reelabel.sources.sites import extraction


@pytest.fixture
def extract(monkeypatch):
    """Return a function that sets what the only extractor does with the address of a page."""
    steps = []

    class LocalIE(InfoExtractor):
        IE_NAME = "local"
        _VALID_URL = r"http://127\.0\.0\.1:\d+/watch/(?P<id>.+)"

        def _real_extract(self, url):
            found = steps[-1](self, url)
            return {"id": "1", "title": "t", "url": found or url, "ext": "mp4"}

    def add_local(self):
        self.add_info_extractor(LocalIE())

    monkeypatch.setattr(YoutubeDL, "add_default_info_extractors", add_local)
    return steps.append


class Bench:
    """Looks up pages of a server."""

    def __init__(self, server, clock):
        self.server, self.clock = server, clock
        self.settings = SiteSettings(request_delay_s=0)
        polite = Politeness(host_interval_s=0, contact="me@example.org")
        chosen = FetchSettings(allow=("127.0.0.1/32",), politeness=polite)
        self.client = Client(chosen, clock, Limits(polite, clock))
        self.hosts = SiteHosts(clock)
        self.requests = self.new()

    def new(self) -> SiteRequests:
        """Return the requests of a further look-up."""
        return SiteRequests(self.client, self.clock, self.hosts)

    def find(self):
        """Look up a page, as a look-up after those before."""
        self.requests = self.new()
        options = SiteOptions(settings=self.settings)
        try:
            return finding.find_file(self.server.url("/watch/1"), options, self.requests)
        finally:
            self.requests.close()

    def fails(self) -> FetchFailure:
        """Return how the look-up of a page fails."""
        with pytest.raises(FetchFailure) as caught:
            self.find()
        return caught.value


@pytest.fixture
def looks(server, fake_time) -> Bench:
    """Return what looks up pages of the server on 127.0.0.1, in a time that only sleeping moves."""
    server.now = fake_time.now
    return Bench(server, fake_time.clock)


def page(extractor, url, **options):
    """Ask for an address as extractors do."""
    return extractor._download_webpage(url, "1", **options)


def repeated(count, url):
    """Return an extractor's step that asks for an address again and again, whatever comes."""

    def step(extractor, _):
        for _ in range(count):
            page(extractor, url, fatal=False)
        raise ExtractorError("Video unavailable", expected=True)

    return step


def with_headers(status=200, body=b"", **headers):
    """Return a page with a status and headers."""

    def answer(handler):
        handler.head(status, Content_Length=len(body), **headers)
        handler.send(body)

    return answer


def test_the_client_is_the_only_handler(looks):
    """yt-dlp has one way to send a request, whatever others are installed."""
    made = extraction.Extractor(SiteOptions(), looks.requests, extraction.Warnings())
    assert list(made._request_director.handlers) == ["Client"]


@pytest.mark.parametrize("host", ["127.0.0.2", "0x7f000002", "2130706434", "[::ffff:127.0.0.2]"])
def test_private_addresses_are_not_asked(looks, extract, serve, host):
    """However it is spelled, an address in a private network ends the look-up, and gets nothing."""
    private = serve("127.0.0.2")
    extract(lambda ie, _: page(ie, f"http://{host}:{private.port}/secret", fatal=False))
    assert looks.fails().outcome.name == "address"
    assert private.requests == []
    assert private.robots_requests == 0


def test_redirects_to_private_addresses_are_not_followed(looks, extract, serve):
    """Nor is one reached by a redirect, on the first hop or a later one."""
    private = serve("127.0.0.2")
    for path, target in (("/a", private.url("/secret")), ("/b", "/a")):
        looks.server.add(path, with_headers(302, Location=target))
    for path in ("/a", "/b"):
        extract(lambda ie, _, p=path: page(ie, looks.server.url(p), fatal=False))
        assert looks.fails().outcome.name == "address"
    assert private.requests == []
    assert looks.server.paths() == ["/a", "/b", "/a"]


def test_nothing_is_sent_after_a_refusal(looks, extract):
    """An extractor that catches every error gets no further, and does not change the outcome."""

    def stubborn(extractor, url):
        for address in ("http://127.0.0.2:9/", "file:///etc/passwd", url, url):
            with contextlib.suppress(Exception):
                page(extractor, address)
        raise ExtractorError("Video unavailable", expected=True)

    extract(stubborn)
    assert looks.fails().outcome.name == "address"
    assert looks.server.requests == []


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/a", "ws://127.0.0.1/a"])
def test_other_schemes_are_refused(looks, extract, url):
    """A page cannot lead to files, or to protocols that the client does not have."""
    extract(lambda ie, _: page(ie, url))
    assert looks.fails().outcome.name == "address"


def test_five_redirects_are_followed(looks, extract):
    """As for files: a sixth is refused."""
    for i in range(6):
        looks.server.add(f"/{i}", with_headers(302, Location=f"/{i + 1}"))
    looks.server.add("/6", b"found")
    seen = []
    extract(lambda ie, _: seen.append(page(ie, looks.server.url("/1"))))
    looks.find()
    assert seen == ["found"]
    extract(lambda ie, _: page(ie, looks.server.url("/0")))
    assert "more than 5 redirects" in looks.fails().message


@pytest.mark.parametrize("status", [429, 503])
def test_a_host_that_limits_requests_is_left_alone(looks, extract, status):
    """After the answer the look-up asks it nothing more, and the next not before its time."""
    url = looks.server.add("/api", with_headers(status, Retry_After=30))
    extract(repeated(3, url))
    first = looks.fails()
    assert (first.outcome.name, first.http_status, first.retry_after_s) == (
        "rate_limit",
        status,
        30,
    )
    looks.clock.sleep(10)
    assert looks.fails().retry_after_s == pytest.approx(20)
    assert len(looks.server.requests) == 1
    looks.clock.sleep(20)
    looks.fails()
    first, second = (request.at for request in looks.server.requests)
    assert second - first >= 30


def test_a_limit_without_a_time_holds_for_the_look_up(looks, extract):
    """Without Retry-After the host is asked nothing more for this page; another host may be."""
    url = looks.server.add("/api", 429)
    other = looks.server.url("/other", "localhost")

    def step(extractor, _):
        page(extractor, other, fatal=False)
        page(extractor, url, fatal=False)
        page(extractor, other, fatal=False)
        page(extractor, url)

    extract(step)
    assert looks.fails().outcome.name == "rate_limit"
    assert looks.server.paths() == ["/other", "/api", "/other"]


def test_a_limit_is_no_reason_to_give_a_video_up(looks, extract):
    """What an extractor makes of it does not count: the video is not marked as removed."""
    extract(repeated(1, looks.server.add("/api", 429)))
    assert looks.fails().outcome.name == "rate_limit"


def test_a_flood_of_refusals_ends(looks, extract):
    """After five 403 in a row nothing more is asked of a host, in later look-ups either."""
    extract(repeated(20, looks.server.add("/api", 403)))
    assert looks.fails().outcome.name == "forbidden"
    assert len(looks.server.requests) == 5
    assert looks.fails().outcome.name == "forbidden"
    assert len(looks.server.requests) == 5


def test_refusals_count_in_a_row(looks, extract):
    """Another answer in between begins the count anew."""
    answers = [403, 403, 403, 403, 200] * 3
    url = looks.server.add("/api", lambda h: h.head(answers[h.count() - 1], Content_Length=0))
    extract(repeated(len(answers), url))
    assert looks.fails().outcome.name == "removed"
    assert len(looks.server.requests) == len(answers)


def test_a_check_for_bots_ends_the_look_up(looks, extract):
    """A challenge is not answered, and the host gets no further request."""
    url = looks.server.add("/api", with_headers(403, CF_Mitigated="challenge"))
    extract(repeated(3, url))
    assert looks.fails().outcome.name == "bot_check"
    assert looks.fails().outcome.name == "bot_check"
    assert len(looks.server.requests) == 1


def test_the_page_is_held_against_robots(looks, extract):
    """A page that robots.txt forbids is not asked for; what the player asks for is not held."""
    api = looks.server.add("/api", b"x")
    looks.server.robots = b"User-agent: *\nDisallow: /api"
    extract(lambda ie, _: page(ie, api) and None)
    looks.find()
    assert looks.server.paths() == ["/api"]
    looks.client.close()
    other = Bench(looks.server, looks.clock)
    looks.server.robots = b"User-agent: *\nDisallow: /watch"
    assert other.fails().outcome.name == "opted_out"
    assert looks.server.paths() == ["/api"]


def test_requests_pause(looks, extract):
    """Between two requests of a look-up lies the pause of the settings, whatever the hosts."""
    looks.settings = SiteSettings(request_delay_s=0.75)
    urls = [looks.server.url("/a"), looks.server.url("/b", "localhost"), looks.server.url("/c")]
    extract(lambda ie, _: [page(ie, url, fatal=False) for url in urls] and None)
    looks.find()
    times = [request.at for request in looks.server.requests]
    assert all(after - before >= 0.75 for before, after in pairwise(times))


def test_one_connection_although_answers_are_not_read(looks, extract):
    """An answer that an extractor leaves unread does not hold the connection of its host."""
    big = looks.server.add("/big", lambda h: (h.head(200, Content_Length=9 << 20), h.send(b"x")))
    extract(lambda ie, _: [ie._request_webpage(big, "1") for _ in range(3)] and None)
    looks.find()
    assert looks.server.paths() == ["/big"] * 3
    assert looks.requests.fetched_bytes < 1 << 20


def test_an_answer_is_read_before_the_next_request(looks, extract):
    """One that was left is closed by it: reading it is a failure of the network, no final one."""
    url = looks.server.add("/api", b"x" * 100_000)

    def step(extractor, _):
        first = extractor._request_webpage(url, "1")
        page(extractor, url)
        return first.read()

    extract(step)
    assert looks.fails().outcome.name == "network"
    assert looks.fails().outcome.retries > 0


def test_cookies_come_and_go(looks, extract):
    """A cookie of an answer or of a redirect is sent to its host alone, as by yt-dlp itself."""
    server = looks.server
    server.add("/set", with_headers(302, Set_Cookie="a=1; Path=/", Location="/page"))
    server.add("/page", b"x")
    urls = [server.url("/set"), server.url("/page", "localhost"), server.url("/page")]
    extract(lambda ie, _: [page(ie, url) for url in urls] and None)
    found = looks.find()
    sent = [request.headers.get("cookie") for request in server.requests]
    assert sent == [None, "a=1", None, "a=1"]
    assert found.headers["Cookie"] == "a=1"


def test_headers_that_are_sent(looks, extract):
    """The User-Agent is ours; an extractor's own headers go along."""
    url = looks.server.add("/api", b"x")
    extract(lambda ie, _: page(ie, url, headers={"X-Key": "k"}) and None)
    looks.find()
    headers = looks.server.requests[0].headers
    assert headers["user-agent"].startswith("reelabel/")
    assert "(me@example.org)" in headers["user-agent"]
    assert (headers["x-key"], headers["accept-encoding"]) == ("k", "gzip, deflate")


def test_bodies_of_requests_and_redirects(looks, extract):
    """A POST becomes a GET after 302, and stays a POST after 307; a HEAD has no body."""
    server = looks.server
    server.add("/302", with_headers(302, Location="/end"))
    server.add("/307", with_headers(307, Location="/end"))
    server.add("/end", with_headers())

    def step(extractor, _):
        for path in ("/302", "/307"):
            page(extractor, server.url(path), data=b"k=v")
        extractor._request_webpage(HEADRequest(server.url("/end")), "1")

    extract(step)
    looks.find()
    asked = [(request.path, request.method, request.body) for request in server.requests]
    assert asked == [
        ("/302", "POST", b"k=v"),
        ("/end", "GET", b""),
        ("/307", "POST", b"k=v"),
        ("/end", "POST", b"k=v"),
        ("/end", "HEAD", b""),
    ]


def test_errors_are_those_of_yt_dlp(looks, extract):
    """A status is an HTTPError whose body can be read, a broken connection a TransportError."""
    server, seen = looks.server, []
    server.add("/gone", with_headers(404, b'{"reason": 1}', X_Word="w"))
    server.add("/cut", lambda h: (h.head(200, Content_Length=100), h.send(b"x"), h.hang_up()))

    def step(extractor, _):
        with pytest.raises(HTTPError) as caught:
            extractor._downloader.urlopen(server.url("/gone"))
        answer = caught.value.response
        seen.extend([answer.status, answer.reason, answer.get_header("X-Word"), answer.read()])
        with pytest.raises(TransportError):
            extractor._downloader.urlopen(server.url("/cut")).read()
        seen.append(page(extractor, server.url("/gone"), expected_status=404))

    extract(step)
    looks.find()
    assert seen == [404, "Not Found", "w", b'{"reason": 1}', '{"reason": 1}']


def test_what_breaks_off_is_tried_again_later(looks, extract):
    """A short body ends as truncated, a refused connection as network: none gives a video up."""
    cut = looks.server.add("/cut", lambda h: (h.head(200, Content_Length=100), h.hang_up()))
    extract(lambda ie, _: page(ie, cut))
    assert looks.fails().outcome.name == "truncated"
    extract(lambda ie, _: page(ie, "http://127.0.0.1:9/"))
    assert looks.fails().outcome.name == "network"


def test_packed_answers_are_unpacked_up_to_a_limit(looks, extract, monkeypatch):
    """Packed text is read; an answer that grows beyond the limit ends the look-up."""
    monkeypatch.setattr("reelabel.sources.sites.requests.MOST_BYTES", 1 << 20)
    server, seen = looks.server, []
    server.add("/small", with_headers(body=gzip.compress(b"word" * 99), Content_Encoding="gzip"))
    server.add("/bomb", with_headers(body=gzip.compress(bytes(9 << 20)), Content_Encoding="gzip"))
    extract(lambda ie, _: seen.append(page(ie, server.url("/small"))))
    looks.find()
    assert seen == ["word" * 99]
    assert looks.requests.fetched_bytes == server.sent["/small"]
    extract(lambda ie, _: page(ie, server.url("/bomb")))
    assert looks.fails().outcome.name == "not_media"


def test_proxies_of_the_environment_are_not_used(looks, extract, serve, monkeypatch):
    """A proxy would connect to addresses that nobody checks."""
    proxy = serve()
    for name in ("http_proxy", "all_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, proxy.url())
    url = looks.server.add("/api", b"x")
    extract(lambda ie, _: page(ie, url) and None)
    looks.find()
    assert proxy.requests == []
    assert looks.server.paths() == ["/api"]


def test_a_stop_is_noticed(looks, extract, fake_time):
    """A stop ends the look-up, although the extractor catches it."""
    looks.clock.stop.set()
    extract(repeated(2, looks.server.url("/api")))
    with pytest.raises(Stopped):
        looks.find()
    assert looks.server.requests == []


def program(folder, name) -> Path:
    """Write a program that leaves a file beside itself."""
    path = folder / name
    path.write_text(f"#!/bin/sh\necho 1.0 | tee {path}.ran\n", encoding="ascii")
    path.chmod(0o755)
    return path


def test_no_program_is_started(looks, extract, tmp_path, monkeypatch):
    """PhantomJS, ffmpeg and others are as if they were not installed; outside they are there."""
    made = [program(tmp_path, name) for name in ("phantomjs", "ffmpeg", "sh-none")]
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    def step(extractor, _):
        for command in (["ffmpeg", "-version"], "sh-none"):
            with pytest.raises(PermissionError):
                Popen.run(command, shell=isinstance(command, str))
        return PhantomJSwrapper(extractor)

    extract(step)
    assert looks.fails().outcome.name == "tool"
    assert not any(Path(f"{path}.ran").exists() for path in made)
    assert Popen.run(["ffmpeg"], stdout=-1, text=True)[0] == "1.0\n"


def test_the_runtimes_of_the_settings_are_started(looks, extract, tmp_path, monkeypatch):
    """A JavaScript runtime is found by its name or its path; one that is not named is not run."""
    named, unnamed = program(tmp_path, "deno"), program(tmp_path, "node")
    placed = program(tmp_path, "my-bun")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    looks.settings = SiteSettings(js_runtimes=("deno", f"bun:{placed}"))

    def step(extractor, _):
        for command in ("deno", str(placed)):
            Popen.run([command], stdout=-1)
        with pytest.raises(PermissionError):
            Popen.run(["node"])

    extract(step)
    looks.find()
    ran = [Path(f"{path}.ran").exists() for path in (named, placed, unnamed)]
    assert ran == [True, True, False]


# -- the whole stage -------------------------------------------------------------------------


@pytest.fixture
def sites(bench, server):
    """Return a workspace whose pages are looked up by yt-dlp, and a function that runs it."""
    server.now = bench.time.now
    settings = FetchSettings(sites=SiteSettings(delay_s=(10, 10)))
    found = tools_for(settings, bench.root).find_file
    bench.tools = replace(bench.tools, find_file=found)

    def run(count=1, **settings):
        bench.want([{"url": server.url(f"/watch/{i}"), "page": True} for i in range(count)])
        return bench.run(**settings)

    return run


def test_the_stage_waits_as_long_as_the_player_of_a_site_asks_for(bench, server, sites, extract):
    """429 with Retry-After on a further request of a look-up pauses the site, by its own clock."""
    answers = [with_headers(429, Retry_After=60), b"x", b"x"]
    server.add("/api", lambda h: _answer(h, answers[h.count() - 1]))
    server.add("/file", b"\0\0\0\x20ftypisom" + bytes(3000))

    def step(extractor, _):
        page(extractor, server.url("/api", "localhost"))
        return server.url("/file")

    extract(step)
    sites(2)
    assert bench.outcomes() == {"w0": "fetched", "w1": "fetched"}
    times = [request.at for request in server.requests if request.path == "/api"]
    assert times[1] - times[0] >= 60
    assert times[2] - times[1] >= 10


def _answer(handler, content):
    if callable(content):
        content(handler)
    else:
        handler.head(200, Content_Length=len(content))
        handler.send(content)


def test_the_stage_stops_a_site_that_refuses(bench, server, sites, extract):
    """Five pages in a row with 403, and the site is asked nothing more, in the next run either."""
    extract(page)
    for i in range(9):
        server.add(f"/watch/{i}", 403)
    result = sites(9)
    assert len(server.requests) == 5
    assert list(bench.outcomes().values()).count("waiting") == 4
    assert "127.0.0.1" in str(result.notes)
    sites(9, force=False)
    assert len(server.requests) == 5


def test_the_stage_counts_the_bytes_of_pages(bench, server, sites, extract):
    """Pages count for the quota of the day, in this run and in those after it."""
    body = os.urandom(30_000)
    extract(lambda ie, _: page(ie, server.add("/api", body)) and None)
    sites()
    days = read_history(bench.root / "downloads" / "s").day_bytes
    assert sum(days.values()) == server.sent["/api"] == len(body)
    before = len(server.requests)
    bench.want([{"url": server.url("/watch/new"), "page": True, "want_id": "new"}])
    bench.run(politeness={"max_bytes_per_day": 20_000})
    assert bench.outcomes()["new"] == "disk"
    assert len(server.requests) == before


def test_the_stage_keeps_the_interval_of_a_host(bench, server, sites, extract):
    """Requests of a look-up count like others: one a second, measured by the server."""
    urls = [server.add(f"/{i}", b"x") for i in range(5)]
    extract(lambda ie, _: [page(ie, url) for url in urls] and server.url("/watch/none"))
    sites(2)
    times = [request.at for request in server.requests]
    assert len(times) >= 12
    assert all(after - before >= 1 for before, after in pairwise(times))
