"""The client brings right bytes or an outcome, whatever the server does."""

from __future__ import annotations

import errno
import gzip
import hashlib
import os
import socket
import time
from email.utils import formatdate

import pytest

from reelabel.sources.fetching.journal import Part
from reelabel.sources.web.client import Client, Source
from reelabel.sources.web.clock import Clock, Stopped
from reelabel.sources.web.limits import Limits
from reelabel.sources.web.outcomes import FetchFailure
from reelabel.sources.web.part_file import PartFile
from reelabel.sources.web.ranges import Ranges
from reelabel.sources.web.settings import FetchSettings, Politeness

FAST = Politeness(host_interval_s=0, max_bytes_per_s=None)
ALLOW = ("127.0.0.1/32",)
OLD = formatdate(1_700_000_000, usegmt=True)


class Bench:
    """A client, and a partial file that outlives attempts."""

    def __init__(self, folder, **changes):
        self.path = folder / "x.part"
        self.part, self.noted = Part(), 0
        polite = changes.pop("politeness", FAST)
        self.settings = FetchSettings(
            **{"allow": ALLOW, "politeness": polite, "stall_timeout_s": 5} | changes
        )
        self.clock = Clock()
        self.limits = Limits(self.settings.politeness, self.clock)
        self.client = Client(self.settings, self.clock, self.limits)

    def note(self, part, count):
        """Keep what is known of the partial file."""
        self.part = part
        self.noted += count

    def fetch(self, url, **kwargs):
        """Return the bytes that come."""
        with PartFile(self.path, self.part, self.note) as file:
            self.came = self.client.fetch(Source(url, **kwargs), file)
            self.sha256 = file.sha256
        return self.path.read_bytes()

    def outcome(self, url, **kwargs):
        """Return the outcome of an attempt that fails."""
        with pytest.raises(FetchFailure) as failure:
            self.fetch(url, **kwargs)
        return failure.value.outcome.name


@pytest.fixture
def bench(tmp_path):
    """Return a client that may fetch from 127.0.0.1 alone, without any pauses."""
    bench = Bench(tmp_path)
    yield bench
    bench.client.close()


def test_a_file_comes_whole(bench, server, noise):
    """Bytes, hash and counts are those of the file; nothing encoded is asked for."""
    content = noise(700_000)
    assert bench.fetch(server.add("/a", content)) == content
    assert bench.sha256 == hashlib.sha256(content).hexdigest()
    assert bench.noted == bench.limits.fetched_bytes == len(content)
    assert bench.came.http_status == 200
    assert server.requests[0].headers["accept-encoding"] == "identity"
    assert server.requests[0].headers["user-agent"].startswith("reelabel/")


def test_the_contact_stands_in_the_user_agent(tmp_path, server, noise):
    """A host's owner can reach the user."""
    bench = Bench(tmp_path, politeness=FAST.model_copy(update={"contact": "me@a.example"}))
    bench.fetch(server.add("/a", noise(100)))
    assert "(me@a.example)" in server.requests[0].headers["user-agent"]


def test_one_connection_serves_many_files(bench, server, noise):
    """A connection is used again as long as the answers were read."""
    peers = set()

    def page(handler):
        peers.add(handler.client_address)
        handler.head(200, Content_Length=5000)
        handler.send(noise(5000))

    for i in range(4):
        bench.part = Part()
        bench.fetch(server.add(f"/{i}", page))
    assert len(peers) == 1


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (404, "removed"),
        (410, "removed"),
        (401, "private"),
        (403, "forbidden"),
        (451, "geo"),
        (429, "rate_limit"),
        (503, "rate_limit"),
        (500, "server"),
        (502, "server"),
        (418, "unknown"),
        (204, "not_media"),
    ],
)
def test_a_status_is_an_outcome(bench, server, status, name):
    """Each status ends in its outcome of the closed list, and is kept."""
    with pytest.raises(FetchFailure) as failure:
        bench.fetch(server.add("/a", status))
    assert (failure.value.outcome.name, failure.value.http_status) == (name, status)


def test_a_challenge_is_a_bot_check(bench, server):
    """A page that asks for a check is told from a refusal."""
    page = server.add("/a", lambda h: h.head(403, Content_Length=0, cf_mitigated="challenge"))
    assert bench.outcome(page) == "bot_check"


@pytest.mark.parametrize(
    ("value", "seconds"), [("7", 7), ("9" * 40, 86_400), ("-1", None), ("x", None), (OLD, 0)]
)
def test_retry_after_is_kept_within_reason(bench, server, value, seconds):
    """Seconds and dates count; an absurd one is a day, a senseless one none."""
    page = server.add("/a", lambda h: h.head(429, Content_Length=0, Retry_After=value))
    with pytest.raises(FetchFailure) as failure:
        bench.fetch(page)
    assert failure.value.retry_after_s == seconds


def test_a_date_in_retry_after_counts_from_now(bench, server):
    """A date becomes the seconds until then."""
    date = formatdate(time.time() + 100, usegmt=True)
    page = server.add("/a", lambda h: h.head(503, Content_Length=0, Retry_After=date))
    with pytest.raises(FetchFailure) as failure:
        bench.fetch(page)
    assert 90 < failure.value.retry_after_s <= 100


# -- addresses -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.2",
        "127.1.2.3",
        "0x7f000002",
        "2130706434",
        "0177.0.0.2",
        "127.2",
        "[::ffff:7f00:2]",
        "[::ffff:127.0.0.2]",
    ],
)
def test_private_addresses_are_refused_in_every_spelling(bench, serve, host):
    """No request arrives, whatever way the address is written."""
    other = serve("127.1.2.3" if host == "127.1.2.3" else "127.0.0.2")
    other.add("/a", b"secret")
    assert bench.outcome(f"http://{host}:{other.port}/a") == "address"
    assert other.requests == []
    assert other.robots_requests == 0


def test_a_name_that_rebinds_is_refused(bench, serve, monkeypatch):
    """What a name led to a moment ago does not matter: the connected socket is looked at."""
    other = serve("127.0.0.2")
    other.add("/a", b"secret")
    answers = iter(["127.0.0.1", "127.0.0.2"])

    def resolve(host, port, *_, **__):
        address = next(answers, "127.0.0.2")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert bench.outcome(f"http://rebinds.test:{other.port}/a") == "address"
    assert other.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://a.example/x",
        "http:///x",
        "//a.example/x",
        "http://[::1",
        "",
        "http://a.example:99999/",
        "http://a b/",
        "http://a.example/\r\nX: y",
        "gopher://x",
        "x\0y",
    ],
)
def test_other_schemes_and_broken_addresses_are_refused(bench, url):
    """Nothing but http and https with a host is asked for."""
    assert bench.outcome(url) == "address"


def test_a_redirect_to_a_private_network_is_refused(bench, server, serve):
    """Each hop is checked as the first address is."""
    other = serve("127.0.0.2")
    target = other.add("/a", b"secret")
    page = server.add("/a", lambda h: h.head(302, Content_Length=0, Location=target))
    assert bench.outcome(page) == "address"
    assert other.requests == []
    page = server.add("/b", lambda h: h.head(302, Content_Length=0, Location="file:///etc/passwd"))
    assert bench.outcome(page) == "address"


@pytest.fixture
def hops(server, noise):
    """Return a function that serves a file behind that many redirects."""

    def serve(hops):
        for i in range(8):
            server.add(f"/{i}", lambda handler: hop(handler, hops))
        return server.url("/0")

    def hop(handler, hops):
        at = int(handler.path[1:])
        if at >= hops:
            handler.head(200, Content_Length=1000)
            handler.send(noise(1000))
        else:
            handler.head(302, Content_Length=0, Location=f"/{(at + 1) % 8}")

    return serve


def test_five_redirects_are_followed(bench, hops, noise):
    """The address in the end is known."""
    assert bench.fetch(hops(5)) == noise(1000)
    assert bench.came.url.endswith("/5")


@pytest.mark.parametrize("count", [6, 10_000])
def test_a_sixth_redirect_is_refused(bench, server, hops, count):
    """And with it every loop."""
    assert bench.outcome(hops(count)) == "address"
    assert len(server.requests) == 6


def test_credentials_stay_with_their_host(bench, server, noise):
    """A redirect to another host takes no cookie along, and no site sets our own headers."""
    other = server.url("/b", host="localhost")
    server.add("/a", lambda h: h.head(302, Content_Length=0, Location=other))
    server.add("/b", noise(100))
    asked = {
        "Cookie": "s=1",
        "Referer": "http://a.example/",
        "User-Agent": "x",
        "Range": "bytes=5-",
    }
    bench.fetch(server.url("/a"), headers=asked)
    first, second = (request.headers for request in server.requests)
    assert first["cookie"] == "s=1"
    assert "cookie" not in second
    assert first["referer"] == "http://a.example/"
    assert "referer" not in second
    assert "range" not in first
    assert first["user-agent"].startswith("reelabel")


# -- what is no video, too long, too slow ----------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"<!DOCTYPE html><html>no such video</html>" + b" " * 600,
        b'{"error": "gone"}',
        b"PK\x03\x04" + bytes(1000),
        b"\x1f\x8b" + bytes(1000),
        b"#EXTM3U\n#EXT-X",
        b"",
        b"\xef\xbb\xbf\n <html>",
        b"<?xml version='1.0'?><Error/>",
    ],
)
def test_what_is_no_video_by_content_is_refused(bench, server, content):
    """Neither name nor Content-Type decide."""

    def page(handler):
        handler.head(200, Content_Length=len(content), Content_Type="video/mp4")
        handler.send(content)

    assert bench.outcome(server.add("/a.mp4", page)) == "not_media"


def test_no_bomb_is_unpacked(bench, server):
    """An encoding that was not accepted is refused before its body is read."""
    bomb = gzip.compress(bytes(30_000_000))

    def page(handler):
        handler.head(200, Content_Length=len(bomb), Content_Encoding="gzip")
        handler.send(bomb)

    assert bench.outcome(server.add("/a", page)) == "not_media"
    assert bench.limits.fetched_bytes == 0


def test_a_declared_length_over_the_limit_is_not_read(tmp_path, server):
    """No byte of the body is fetched."""
    bench = Bench(tmp_path, max_bytes=1000)
    page = server.add("/a", lambda h: (h.head(200, Content_Length=1001), h.hang_up()))
    assert bench.outcome(page) == "too_large"
    assert bench.limits.fetched_bytes == 0


def test_an_endless_stream_ends_at_the_limit(tmp_path, server, noise):
    """What has no declared length is counted."""
    bench = Bench(tmp_path, max_bytes=2_000_000)

    def page(handler):
        handler.head(200)
        while True:
            handler.send(noise(100_000))

    assert bench.outcome(server.add("/a", page)) == "too_large"
    assert bench.limits.fetched_bytes <= 2_100_000


@pytest.mark.parametrize("sends", [0, 1])
def test_a_stalled_transfer_is_given_up(tmp_path, server, noise, sends):
    """With no byte for the time limit the connection is closed."""
    bench = Bench(tmp_path, stall_timeout_s=0.2)

    def page(handler):
        handler.head(200, Content_Length=100_000)
        handler.send(noise(50_000 * sends or 12))
        time.sleep(1.5)

    assert bench.outcome(server.add("/a", page)) == "network"


def test_a_trickle_is_given_up(tmp_path, server):
    """Bytes that come too slowly do not hold a connection for ever."""
    bench = Bench(tmp_path, stall_timeout_s=0.4, min_bytes_per_s=1000)

    def page(handler):
        handler.head(200, Content_Length=100_000)
        for _ in range(100):
            handler.send(b"\0")
            time.sleep(0.05)

    assert bench.outcome(server.add("/a", page)) == "network"


def test_a_slow_transfer_comes_whole(tmp_path, server, noise):
    """Slow is no fault."""
    bench = Bench(tmp_path, stall_timeout_s=2)
    content = noise(100_000)

    def page(handler):
        handler.head(200, Content_Length=len(content))
        for at in range(0, len(content), 20_000):
            handler.send(content[at : at + 20_000])
            time.sleep(0.03)

    assert bench.fetch(server.add("/a", page)) == content


def test_a_connection_that_is_refused_is_a_network_failure(bench):
    """So is a name that cannot be found."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert bench.outcome(f"http://127.0.0.1:{port}/a") == "network"


# -- resuming --------------------------------------------------------------------------------------


@pytest.fixture
def renew(server, ranged, noise):
    """Return a function that puts another file in the place of the one before."""

    def put(size, **headers):
        content = noise(size, 2)
        server.add("/a", ranged(content, **headers))
        return content

    return put


@pytest.fixture
def broken(bench, server, ranged, noise):
    """Return a function that serves a file whose transfer breaks off once, and the file."""

    def begin(size=900_000, stop_at=500_000, **headers):
        content = noise(size)
        page = ranged(content, **(headers or {"ETag": '"v1"'}))
        page.stop_at = stop_at
        assert bench.outcome(server.add("/a", page)) == "truncated"
        return content

    return begin


VALIDATORS = [{"ETag": '"v1"'}, {"Last_Modified": OLD}, {"ETag": 'W/"v1"', "Last_Modified": OLD}]


@pytest.mark.parametrize("headers", VALIDATORS)
def test_a_broken_transfer_is_continued(bench, server, broken, headers):
    """Only what is missing is fetched, under the condition that the file is the same."""
    content = broken(1_500_000, 900_000, **headers)
    assert bench.fetch(server.url("/a")) == content
    assert bench.sha256 == hashlib.sha256(content).hexdigest()
    assert server.sent["/a"] == len(content)
    assert server.requests[1].headers["range"] == "bytes=900000-"
    condition = server.requests[1].headers["if-range"]
    assert condition == (OLD if "Last_Modified" in headers else '"v1"')


@pytest.mark.parametrize("headers", [{"Server": "x"}, {"ETag": 'W/"v1"'}])
def test_without_a_strong_validator_nothing_is_continued(bench, server, broken, headers):
    """A weak ETag says nothing about bytes and is never sent in If-Range."""
    content = broken(**headers)
    assert bench.fetch(server.url("/a")) == content
    assert all("if-range" not in r.headers and "range" not in r.headers for r in server.requests)


def test_a_changed_file_of_the_same_length_starts_anew(bench, server, renew, broken):
    """No file is half old and half new."""
    broken()
    new = renew(900_000, ETag='"v2"')
    assert bench.fetch(server.url("/a")) == new
    assert bench.sha256 == hashlib.sha256(new).hexdigest()


def test_a_changed_file_is_found_where_if_range_is_ignored(bench, server, broken, noise):
    """A part of another version, by its ETag, is not appended."""
    broken()
    new = noise(900_000, 2)

    def careless(handler):
        start = int((handler.headers.get("Range") or "bytes=0-")[6:-1])
        part = {"Content_Range": f"bytes {start}-{len(new) - 1}/{len(new)}"} if start else {}
        handler.head(206 if start else 200, Content_Length=len(new) - start, ETag='"v2"', **part)
        handler.send(new[start:])

    assert bench.fetch(server.add("/a", careless)) == new


def test_a_file_that_keeps_changing_is_given_up(bench, server, ranged, noise):
    """It starts anew once, not for ever."""
    names = []
    for i in range(4):
        page = ranged(noise(900_000, i), ETag=f'"v{i}"')
        page.stop_at = 300_000
        names.append(bench.outcome(server.add("/a", page)))
    assert names[:2] == ["truncated", "truncated"]
    assert "changed" in names[2:]


def test_a_range_that_is_ignored_brings_the_whole(bench, server, broken):
    """A host without ranges sends everything again, which is used."""
    content = broken()

    def whole(handler):
        handler.head(200, Content_Length=len(content), ETag='"v1"')
        handler.send(content)

    assert bench.fetch(server.add("/a", whole)) == content
    assert bench.part.changes == 0


@pytest.mark.parametrize("wrong", ["bytes 0-399999/900000", "bytes x", "", "bytes 500000-9/7"])
def test_a_wrong_content_range_is_not_believed(bench, server, broken, wrong):
    """Then the whole file is asked for."""
    content = broken()

    def careless(handler):
        if "Range" in handler.headers:
            handler.head(206, Content_Length=400_000, ETag='"v1"', Content_Range=wrong)
            handler.send(content[:400_000])
        else:
            handler.head(200, Content_Length=len(content), ETag='"v1"')
            handler.send(content)

    assert bench.fetch(server.add("/a", careless)) == content


def test_a_file_that_became_shorter_starts_anew(bench, server, renew, broken):
    """416 means that there is nothing behind what we have: it is another file."""
    broken()
    short = renew(300_000, ETag='"v1"')
    assert bench.fetch(server.url("/a")) == short


def test_a_host_that_sends_small_parts_is_asked_again(bench, server, broken):
    """Some hosts answer a range with less than was asked for."""
    content = broken(stop_at=300_000)

    def parts(handler):
        start = int(handler.headers["Range"][6:-1])
        stop = min(start + 100_000, len(content))
        place = f"bytes {start}-{stop - 1}/{len(content)}"
        handler.head(206, Content_Length=stop - start, ETag='"v1"', Content_Range=place)
        handler.send(content[start:stop])

    assert bench.fetch(server.add("/a", parts)) == content


def test_pieces_are_asked_for_where_a_site_is_slow_without(bench, server, ranged, noise):
    """Each request is for no more than the site serves at full speed."""
    content = noise(700_000)
    url = server.add("/a", ranged(content, ETag='"v1"'))
    assert bench.fetch(url, piece_bytes=300_000) == content
    asked = [request.headers["range"] for request in server.requests]
    assert asked == ["bytes=0-299999", "bytes=300000-599999", "bytes=600000-899999"]


def test_a_file_that_is_whole_is_not_asked_for(bench, server, noise):
    """A kill between the last byte and the name costs nothing."""
    content = noise(300_000)
    url = server.add("/a", content)
    bench.fetch(url)
    assert bench.fetch(url) == content
    assert len(server.requests) == 1


def test_a_wrong_length_is_never_a_success(bench, server, noise):
    """A body that is shorter than declared stays truncated, however often it is tried."""

    def page(handler):
        handler.head(200, Content_Length=2000)
        handler.send(noise(1000))
        handler.hang_up()

    url = server.add("/a", page)
    assert [bench.outcome(url) for _ in range(3)] == ["truncated"] * 3


def test_a_chunked_body_that_breaks_off_is_truncated(bench, server, noise):
    """The end of a chunked body is not the end of the connection."""

    def page(handler):
        handler.head(200, Transfer_Encoding="chunked")
        handler.send(b"186a0\r\n" + noise(100_000) + b"\r\n")
        if handler.count() > 1:
            handler.send(b"0\r\n\r\n")
        handler.hang_up()

    url = server.add("/a", page)
    assert bench.outcome(url) == "truncated"
    assert bench.fetch(url) == noise(100_000)


def test_what_is_not_noted_is_fetched_again(bench, server, broken):
    """Bytes behind the last sync may be anything after a power failure."""
    content = broken(stop_at=600_000)
    with bench.path.open("ab") as file:
        file.write(b"rubbish")
    assert bench.fetch(server.url("/a")) == content


def test_a_link_in_place_of_the_file_is_not_followed(bench, server, noise, tmp_path):
    """Nothing outside the folder is written."""
    outside = tmp_path / "outside"
    outside.write_bytes(b"mine")
    bench.path.symlink_to(outside)
    assert bench.outcome(server.add("/a", noise(100))) == "disk"
    assert outside.read_bytes() == b"mine"


def test_a_full_disk_is_an_outcome(bench, server, noise, monkeypatch):
    """It stops all, and nothing is called gone."""

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fdatasync", full)
    assert bench.outcome(server.add("/a", noise(100_000))) == "disk"


# -- what hosts ask for ----------------------------------------------------------------------------


def test_robots_txt_is_asked_for_once_and_obeyed(bench, server, noise):
    """Rules for all agents and for ours count."""
    server.robots = b"User-agent: *\nDisallow: /private/\n\nUser-agent: other\nDisallow: /\n"
    server.add("/private/a", noise(100))
    assert bench.outcome(server.url("/private/a")) == "opted_out"
    assert bench.fetch(server.add("/b", noise(100))) == noise(100)
    assert server.paths() == ["/b"]
    assert server.robots_requests == 1


def test_rules_for_us_alone_are_obeyed(bench, server, noise):
    """A host may forbid our agent."""
    server.robots = b"User-agent: reelabel\nDisallow: /\n"
    assert bench.outcome(server.add("/a", noise(100))) == "opted_out"


@pytest.mark.parametrize(("status", "name"), [(500, "server"), (429, "rate_limit")])
def test_a_host_whose_rules_cannot_be_had_is_asked_for_nothing(bench, server, status, name):
    """RFC 9309: a faulty host allows nothing for now."""
    server.robots = status
    assert bench.outcome(server.add("/a", 200)) == name
    assert server.requests == []


@pytest.mark.parametrize("status", [404, 403, 401])
def test_a_host_without_rules_allows_all(bench, server, noise, status):
    """RFC 9309: stores answer 403 for a file that is not there."""
    server.robots = status
    assert bench.fetch(server.add("/a", noise(100))) == noise(100)


def test_robots_txt_without_end_is_cut_off(bench, server, noise):
    """No host keeps us busy with its rules."""

    def endless(handler):
        handler.head(200)
        while True:
            handler.send(b"# " + b"x" * 50_000 + b"\n")

    server.robots = endless
    assert bench.fetch(server.add("/a", noise(100))) == noise(100)


@pytest.mark.parametrize("value", ["noai", "all, NOINDEX", "reelabel: noml", "noimageai"])
def test_headers_that_forbid_use_are_obeyed(bench, server, noise, value):
    """The body is not read."""

    def page(handler):
        handler.head(200, Content_Length=1000, X_Robots_Tag=value)
        handler.send(noise(1000))

    assert bench.outcome(server.add("/a", page)) == "opted_out"
    assert bench.limits.fetched_bytes == 0


@pytest.mark.parametrize("value", ["otherbot: noindex", "max-snippet: 20", "nofollow"])
def test_other_headers_forbid_nothing(bench, server, noise, value):
    """Directives for others, and about other things."""

    def page(handler):
        handler.head(200, Content_Length=1000, X_Robots_Tag=value)
        handler.send(noise(1000))

    assert bench.fetch(server.add("/a", page)) == noise(1000)


def test_a_stop_is_noticed_between_pieces(bench, server, ranged, noise):
    """What came so far is kept and noted."""
    content = noise(2_000_000)
    url = server.add("/a", ranged(content, ETag='"v1"', pause_s=0.001))
    real = bench.limits.spend

    def spend(count):
        if bench.limits.fetched_bytes > 700_000:
            bench.clock.stop.set()
        real(count)

    bench.limits.spend = spend
    with pytest.raises(Stopped):
        bench.fetch(url)
    bench.clock.stop.clear()
    bench.limits.spend = real
    assert bench.fetch(url) == content
    assert bench.noted == len(content)


# -- parts -----------------------------------------------------------------------------------------


def test_parts_of_a_file_are_read(bench, server, ranged, noise):
    """Size and bytes are right, and the first block is fetched once."""
    content = noise(1_000_000)
    url = server.add("/a", ranged(content, ETag='"v1"'))
    ranges = Ranges.open(bench.client, url, {}, bench.clock)
    assert ranges.size_bytes == len(content)
    for start, stop in [(0, 10), (200_000, 400_000), (990_000, 2_000_000), (5, 5)]:
        assert ranges.read(start, stop) == content[start:stop]
    assert len(server.requests) == 3


def test_a_host_without_ranges_has_none(bench, server, noise):
    """Then the whole file has to be fetched."""
    assert Ranges.open(bench.client, server.add("/a", noise(1000)), {}, bench.clock) is None


def test_parts_of_two_versions_are_not_mixed(bench, server, ranged, noise):
    """A change between two parts is noticed."""
    url = server.add("/a", ranged(noise(900_000), ETag='"v1"'))
    ranges = Ranges.open(bench.client, url, {}, bench.clock)
    server.add("/a", ranged(noise(900_000, 2), ETag='"v2"'))
    with pytest.raises(FetchFailure, match="changed"):
        ranges.read(500_000, 600_000)
