"""Servers that misbehave: every row ends in its outcome, and no budget is exceeded.

Each page stands for one way to misbehave; the outcome beside it is that of its row.
"""

from __future__ import annotations

import time
from email.utils import formatdate
from functools import partial
from itertools import pairwise

from reelabel.sources.web.outcomes import OUTCOMES
from reelabel.stages import fetch
from reelabel.tables import DOWNLOADS

LIMIT = 1_000_000


def after(handler, *, content, status, **headers):
    """Answer the first request with a status, and those after it properly."""
    if handler.count() == 1:
        handler.head(status, Content_Length=0, **headers)
    else:
        body(handler, content=content)


def body(handler, *, content, declared=None, pause_s=0.0, **headers):
    """Send a body of another length than is declared, or slowly."""
    handler.head(200, Content_Length=declared or len(content), **headers)
    for at in range(0, len(content), 1000) if pause_s else [0]:
        handler.send(content[at : at + 1000] if pause_s else content)
        time.sleep(pause_s)


def short(handler, *, content):
    """Close the connection before the end."""
    body(handler, content=content, declared=9000)
    handler.hang_up()


def stalled(handler, *, content):
    """Send nothing more before the end."""
    body(handler, content=content, declared=9000)
    time.sleep(1)


def endless(handler, *, content):
    """Send for ever."""
    handler.head(200)
    while True:
        handler.send(content)


def hops(handler, *, last, content):
    """Redirect to a further address, as often as that."""
    path, _, hop = handler.path.partition("?")
    if int(hop or 0) == last:
        body(handler, content=content)
        return
    handler.head(302, Content_Length=0, Location=f"{path}?{int(hop or 0) + 1}")


def resumed(handler, *, begun, content, headers):
    """Break off once; for the rest, send another file of the same length, or its part."""
    if handler.count() == 1:
        begun(handler)
        return
    wrong = "Content_Range" in headers and handler.count() == 2
    handler.head(206 if wrong else 200, Content_Length=len(content), **headers)
    handler.send(content)


def changing(handler, *, noise):
    """Break off every time, and send parts of another version each time."""
    count = handler.count()
    size = 900_000
    start = int(handler.headers.get("Range", "bytes=0-")[6:-1])
    more = {"Content_Range": f"bytes {start}-{size - 1}/{size}"} if start else {}
    handler.head(206 if start else 200, Content_Length=size - start, ETag=f'"{count}"', **more)
    handler.send(noise(300_000, count))
    handler.hang_up()


def misbehaving(server, ranged, noise):
    """Return pages that misbehave, each with the outcome of its row."""
    good = noise(5000)
    other = noise(600_000, 1)

    def cut_off(**headers):
        page = ranged(noise(600_000), **headers)
        page.stop_at = 300_000
        return page

    def again(**headers):
        begun = cut_off(ETag='"v"')
        return partial(resumed, begun=begun, content=other, headers=headers)

    soon = formatdate(server.now() + 20, usegmt=True)
    pages = {
        "429": (partial(after, content=good, status=429), "fetched"),
        "429-seconds": (partial(after, content=good, status=429, Retry_After=7), "fetched"),
        "429-date": (partial(after, content=good, status=503, Retry_After=soon), "fetched"),
        "429-absurd": (
            partial(after, content=good, status=429, Retry_After="9" * 20),
            "rate_limit",
        ),
        "500-200": (partial(after, content=good, status=500), "fetched"),
        "slow": (partial(body, content=good, pause_s=0.02), "fetched"),
        "stalled": (partial(stalled, content=good), "network"),
        "truncated": (partial(short, content=good), "truncated"),
        "wrong-length": (partial(body, content=good, declared=4000), "fetched"),
        "too-long": (partial(body, content=b"", declared=10**10), "too_large"),
        "endless": (partial(endless, content=good), "too_large"),
        "bomb": (partial(body, content=b"12345", Content_Encoding="gzip"), "not_media"),
        "loop": (lambda h: h.head(302, Content_Length=0, Location=h.path), "address"),
        "five-hops": (partial(hops, last=5, content=good), "fetched"),
        "six-hops": (partial(hops, last=6, content=good), "address"),
        "private": (lambda h: h.head(302, Location="http://127.0.0.2/"), "address"),
        "html": (b"<html><body>Sorry</body></html>", "not_media"),
        "continued": (cut_off(ETag='"v"'), "fetched"),
        "weak": (cut_off(ETag='W/"v"'), "fetched"),
        "no-range": (cut_off(), "fetched"),
        "range-ignored": (again(), "fetched"),
        "wrong-range": (again(Content_Range="bytes 7-9/600000"), "fetched"),
        "changed": (again(ETag='"new"'), "fetched"),
        "changing": (partial(changing, noise=noise), "changed"),
        "noai": (partial(body, content=good, X_Robots_Tag="noai"), "opted_out"),
        "good": (good, "fetched"),
    }
    statuses = {404: "removed", 403: "forbidden", 410: "removed", 451: "geo", 500: "server"}
    pages |= {str(status): (status, name) for status, name in statuses.items()}
    for name in ("five-hops", "six-hops"):
        for hop in range(1, 7):
            server.add(f"/{name}?{hop}", pages[name][0])
    return pages


def test_every_row_ends_in_its_outcome(bench, server, ranged, noise):
    """Thirty ways to misbehave, each on a host of its own: nothing raises, nothing is lost."""
    server.now = bench.time.now
    pages = misbehaving(server, ranged, noise)
    for name, (page, expected) in pages.items():
        bench.want([server.add(f"/{name}", page)], source=f"s-{name}")
        bench.run(max_bytes=LIMIT, stall_timeout_s=0.3)
        bench.workspace.remove(fetch.WANTS, f"s-{name}")
        found = {}
        for source in bench.workspace.shards(DOWNLOADS):
            found |= bench.outcomes(source)
        assert found == {"w0": expected}, name
        for path in (bench.root / "downloads").iterdir():  # the next page meets a host at rest
            for file in path.iterdir():
                file.unlink()


def test_all_together_within_the_budget(bench, server, ranged, noise):
    """The same in one run on one host: bytes are right, and the host's own clock is satisfied."""
    server.now = bench.time.now
    pages = misbehaving(server, ranged, noise)
    harsh = {"403", "429-seconds", "429-date", "429-absurd"}  # together they would stop the host
    calm = {name: page for name, page in pages.items() if name not in harsh}
    bench.want([{"url": server.add(f"/{n}", p), "want_id": n} for n, (p, _) in calm.items()])
    bench.run(max_bytes=LIMIT, stall_timeout_s=0.3)
    assert bench.outcomes() == {name: outcome for name, (_, outcome) in calm.items()}
    for want_id, row in bench.rows().items():
        assert row["final"] == OUTCOMES[row["outcome"]].final
        assert bool(row["next_try_at"]) == (not row["final"]), want_id
        assert bool(row["file"]) == (row["outcome"] == "fetched")
    contents = {name: noise(5000) for name in ("429", "500-200", "slow", "five-hops", "good")}
    contents |= {name: noise(600_000) for name in ("continued", "weak", "no-range")}
    contents |= {name: noise(600_000, 1) for name in ("range-ignored", "wrong-range", "changed")}
    contents["wrong-length"] = noise(5000)[:4000]
    assert all(bench.content(name) == content for name, content in contents.items())
    times = [request.at for request in server.requests]
    assert len(times) > len(calm)
    assert all(later - earlier >= 1 for earlier, later in pairwise(times))
