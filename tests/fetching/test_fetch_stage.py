"""The stage `fetch`: every wanted video ends in its outcome, politely, once."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
import types
from dataclasses import replace
from itertools import pairwise

import pytest

from reelabel.engine.stage import Cancelled
from reelabel.errors import UnreadableVideo
from reelabel.media.probe import probe
from reelabel.sources.fetching import fetch_all
from reelabel.sources.fetching.fetch_tools import tools_for
from reelabel.sources.fetching.journal import read_history
from reelabel.sources.sites.settings import SiteFile
from reelabel.sources.web.outcomes import OUTCOMES, FetchFailure
from reelabel.sources.web.settings import FetchSettings
from reelabel.stages import fetch
from reelabel.tables import DOWNLOADS
from reelabel.workspace.forgotten import Forgotten, write_forgotten


def test_real_clips_come_with_their_hash_and_suffix(bench, server, data_dir):
    """Names are stable, whatever the address is called; the rows state where the files lie."""
    bench.tools = replace(bench.tools, probe=probe)
    clips = sorted((data_dir / "videos" / "gestures").glob("*.mkv"))[:2]
    clips += sorted((data_dir / "videos" / "trains").glob("*.mp4"))[:1]
    bench.want([server.add(f"/{i}?x=.exe", clip.read_bytes()) for i, clip in enumerate(clips)])
    assert bench.run().notes["all"]["outcomes"] == {"fetched": 3}
    rows = bench.rows()
    names = ["downloads/s/w0.mkv", "downloads/s/w1.mkv", "downloads/s/w2.mp4"]
    assert [row["file"] for row in rows.values()] == names
    for want_id, clip in zip(rows, clips, strict=True):
        assert bench.content(want_id) == clip.read_bytes()
        assert rows[want_id]["size_bytes"] == rows[want_id]["fetched_bytes"] == clip.stat().st_size


def test_without_manifests_nothing_is_done(bench, capsys):
    """No unit, no receipt, no folder, no line."""
    result = bench.run()
    assert (result.done, result.kept) == (0, 0)
    assert not (bench.root / "downloads").exists()
    assert bench.workspace.read_receipt("fetch", None) is None


def test_wants_that_are_taken_back_leave_no_rows(bench, server, noise):
    """The files stay: nothing that was fetched is ever removed by a change of the manifest."""
    bench.want([server.add("/a", noise(1000))])
    bench.run()
    bench.workspace.remove(fetch.WANTS, "s")
    assert bench.run().done == 1
    assert bench.workspace.shards(DOWNLOADS) == []
    assert (bench.root / "downloads/s/w0.mp4").is_file()


# -- politeness ------------------------------------------------------------------------------------


def test_the_budget_of_a_host_is_never_exceeded(bench, server, noise):
    """Measured by the server: one connection, one request a second, for several sources at once."""
    server.now = bench.time.now
    for source in ("s", "t", "u"):
        urls = [server.add(f"/{source}{i}", noise(3000)) for i in range(6)]
        bench.want(urls, source=source)
    assert bench.run(hosts=8).notes["all"]["outcomes"] == {"fetched": 18}
    times = [request.at for request in server.requests]
    assert min(b - a for a, b in pairwise(times)) >= 1.0 - 1e-6
    assert max(server.most_open.values()) == 1
    assert server.robots_requests == 1


def test_hosts_are_fetched_from_side_by_side(bench, serve, noise, monkeypatch):
    """Each has its own budget; a slow host does not hold up the others."""
    server = serve(now=bench.time.now)
    urls = []
    for i in range(5):
        server.add(f"/{i}", noise(2000))
        urls += [server.url(f"/{i}"), server.url(f"/{i}", host="localhost")]
    bench.want(urls)
    assert bench.run().notes["all"]["outcomes"] == {"fetched": 10}
    assert bench.time.slept < 9
    for host in ("127.0.0.1", "localhost"):
        times = [request.at for request in server.requests if request.host == host]
        assert min(b - a for a, b in pairwise(times)) >= 1.0 - 1e-6


def test_a_crawl_delay_is_kept(bench, server, noise):
    """The pause that robots.txt asks for replaces a shorter one."""
    server.now = bench.time.now
    server.robots = b"User-agent: *\nCrawl-delay: 7\n"
    bench.want([server.add(f"/{i}", noise(2000)) for i in range(4)])
    bench.run()
    times = [request.at for request in server.requests]
    assert min(b - a for a, b in pairwise(times)) >= 7 - 1e-6


def test_rate_limits_after_five_files_call_nothing_gone(bench, server, noise):
    """The third such answer in a row stops the host; a later run goes on where it stopped."""
    open_at = [0.0]

    def page(handler):
        served = sum(server.sent.values()) // 2000
        if served >= 5 and bench.time.now() < open_at[0]:
            handler.head(429, Content_Length=0, Retry_After=10)
        else:
            handler.head(200, Content_Length=2000)
            handler.send(noise(2000))

    open_at[0] = bench.time.now() + 1000
    bench.want([server.add(f"/{i}", page) for i in range(20)])
    result = bench.run()
    found = bench.rows().values()
    assert [row["state"] for row in found].count("fetched") == 5
    assert {row["state"] for row in found} == {"fetched", "waiting"}
    assert all(row["next_try_at"] for row in found if row["state"] == "waiting")
    assert len(server.requests) == 5 + 3
    assert result.notes["all"]["hosts"]
    assert result.notes["all"]["failed"] == []
    # Not before its time, and then all of it.
    assert bench.run().done == 0
    bench.time.pause(2000)
    assert bench.run().notes["all"]["outcomes"] == {"fetched": 20}


def test_retry_after_is_kept(bench, server, noise):
    """The host is left alone for as long as it asks for, also for its other files."""
    server.now = bench.time.now

    def page(handler):
        if len(server.requests) == 2:
            handler.head(429, Content_Length=0, Retry_After=50)
        else:
            handler.head(200, Content_Length=2000)
            handler.send(noise(2000))

    bench.want([server.add(f"/{i}", page) for i in range(4)])
    assert bench.run().notes["all"]["outcomes"] == {"fetched": 4}
    times = [request.at for request in server.requests]
    assert times[2] - times[1] >= 50
    assert len(times) == 5


def test_waiting_grows_with_each_failure(bench, server):
    """Repetitions are spaced by a doubled backoff with jitter."""
    server.now = bench.time.now
    bench.want([server.add("/a", 500)])
    bench.run(politeness={"host_interval_s": 0})
    times = [request.at for request in server.requests]
    gaps = [b - a for a, b in pairwise(times)]
    assert len(gaps) == OUTCOMES["server"].retries
    for i, gap in enumerate(gaps):
        assert 0.5 * 2 * 2**i <= gap <= 1.5 * 2 * 2**i + 0.6


def test_five_refusals_in_a_row_stop_a_host(bench, server, noise):
    """The rest is left for later; single refusals do no harm."""
    pages = [noise(2000), 403, noise(2000), *[403] * 5, noise(2000)]
    bench.want([server.add(f"/{i}", page) for i, page in enumerate(pages)])
    bench.run()
    outcomes = list(bench.outcomes().values())
    assert outcomes == ["fetched", "forbidden", "fetched", *["forbidden"] * 5, "waiting"]
    assert "5 files in a row" in bench.rows()["w8"]["message"]


def test_a_bot_check_stops_its_host_alone(bench, server, noise):
    """Other hosts go on."""
    server.add("/0", lambda h: h.head(403, Content_Length=0, cf_mitigated="challenge"))
    server.add("/1", noise(2000))
    bench.want([server.url("/0"), server.url("/1"), server.url("/1", host="localhost")])
    bench.run()
    assert list(bench.outcomes().values()) == ["bot_check", "waiting", "fetched"]


def test_a_host_that_is_down_is_left_alone_soon(bench, server, noise):
    """Hundreds of its videos do not cost hundreds of attempts; nothing of it is called gone."""
    bench.want([*[server.add(f"/{i}", 500) for i in range(50)], server.url("/a", host="localhost")])
    server.add("/a", noise(2000))
    bench.run()
    assert len(server.requests) == 20 + 1
    states = [row["state"] for row in bench.rows().values()]
    assert set(states) == {"failed", "waiting", "fetched"}


def test_the_quota_of_a_day_holds_over_runs(bench, server, noise):
    """What an earlier run fetched counts; the next day goes on, and continues what was begun."""
    bench.want([server.add(f"/{i}", noise(100_000)) for i in range(5)])
    day = {"max_bytes_per_day": 250_000}
    for expected in (1, 0, 0):
        assert bench.run(politeness=day).done == expected
        bench.time.pause(1000)
    outcomes = sorted(bench.outcomes().values())
    assert outcomes == ["disk", "fetched", "fetched", "waiting", "waiting"]
    assert 250_000 <= sum(server.sent.values()) <= 350_000
    bench.time.pause(86_400)
    bench.run(politeness=day)
    bench.time.pause(86_400)
    bench.run(politeness=day)
    assert set(bench.outcomes().values()) == {"fetched"}


# -- later runs ------------------------------------------------------------------------------------


def test_a_second_run_tries_only_what_may_succeed(bench, server, noise):
    """Final outcomes are left alone; the others wait for their time."""
    bench.want([server.add("/0", noise(2000)), server.add("/1", 404), server.add("/2", 500)])
    bench.run()
    asked = len(server.requests)
    assert bench.run().done == 0
    bench.time.pause(3600)
    server.add("/2", noise(3000))
    assert bench.run().notes["all"]["outcomes"] == {"fetched": 2, "removed": 1}
    assert server.paths()[asked:] == ["/2"]
    bench.time.pause(10**6)
    assert bench.run().done == 0


def test_what_was_given_up_is_tried_again_on_demand(bench, server, noise):
    """`--force` asks for all that is not there; what is there stays."""
    bench.want([server.add("/0", noise(2000)), server.add("/1", 404)])
    bench.run()
    server.add("/1", noise(3000))
    bench.run(force=True)
    assert list(bench.outcomes().values()) == ["fetched", "fetched"]
    assert server.paths().count("/0") == 1


def test_another_limit_opens_what_it_closed(bench, server, noise):
    """An outcome that rests on a setting is final under that setting alone."""
    bench.want([server.add("/0", noise(20_000))])
    bench.run(max_bytes=10_000)
    assert bench.outcomes() == {"w0": "too_large"}
    bench.run(max_bytes=30_000)
    assert bench.outcomes() == {"w0": "fetched"}


def test_a_file_that_was_deleted_is_fetched_again(bench, server, noise):
    """When the stage runs the next time; a forgotten one is not."""
    bench.want([server.add("/0", noise(2000)), server.add("/1", noise(2000))])
    bench.run()
    for name in ("w0.mp4", "w1.mp4"):
        (bench.root / "downloads/s" / name).unlink()
    write_forgotten(bench.root, Forgotten(wants={"s": frozenset({"w1"})}))
    assert bench.run().done == 1
    assert bench.outcomes() == {"w0": "fetched", "w1": "forgotten"}
    assert (bench.root / "downloads/s/w0.mp4").is_file()
    assert server.paths() == ["/0", "/1", "/0"]


def test_a_stop_keeps_what_came(bench, server, noise, monkeypatch):
    """The next run goes on; nothing is fetched twice."""
    bench.want([server.add(f"/{i}", noise(2000)) for i in range(6)])
    real = fetch_all.Fetching._show

    def show(self, words):
        real(self, words)
        if self._settled == 3:
            raise Cancelled

    monkeypatch.setattr(fetch_all.Fetching, "_show", show)
    with pytest.raises(Cancelled):
        bench.run()
    monkeypatch.undo()
    bench.run()
    assert bench.run().done == 0
    assert set(bench.outcomes().values()) == {"fetched"}
    assert sum(server.sent.values()) == 12_000


def test_a_kill_before_the_name_costs_nothing(bench, server, noise):
    """The journal states that the file is whole; the next run gives it its name."""
    bench.want([server.add("/0", noise(2000)), server.add("/1", 500)])
    bench.run()
    folder = bench.root / "downloads/s"
    (folder / "w0.mp4").rename(folder / "w0.part")
    bench.time.pause(3600)
    bench.run()
    assert bench.content() == noise(2000)
    assert server.paths().count("/0") == 1


def test_rows_of_a_run_that_died_count(bench, server, noise):
    """The journal holds what the table does not hold yet."""
    bench.want([server.add("/0", noise(2000)), server.add("/1", 404)])
    bench.run()
    bench.workspace.remove(DOWNLOADS, "s")
    bench.run()
    assert bench.outcomes() == {"w0": "fetched", "w1": "removed"}
    assert len(server.requests) == 2
    assert set(read_history(bench.root / "downloads/s").rows) == {"w0", "w1"}


# -- dead videos -----------------------------------------------------------------------------------


def test_dead_links_leave_the_classes_balanced(bench, server, noise):
    """With 30 % dead in one class each class still has its number, of the lowest ranks."""
    rows = []
    for i in range(60):
        label = "ab"[i % 2]
        dead = label == "a" and i % 20 in {2, 8, 14}
        url = server.add(f"/{i}", 404 if dead else noise(1000))
        rows.append({"url": url, "labels": [label], "chosen": i < 40})
    bench.want(rows)
    bench.run(politeness={"host_interval_s": 0})
    found = bench.rows()
    fetched = [int(want_id[1:]) for want_id, row in found.items() if row["state"] == "fetched"]
    assert sum(i % 2 == 0 for i in fetched) == sum(i % 2 for i in fetched) == 20
    replaced = [row for row in found.values() if row["state"] == "replaced"]
    assert {row["outcome"] for row in replaced} == {"removed"}
    assert bench.run().notes["all"]["failed"] == []
    before = dict(bench.outcomes())
    bench.run(force=True, politeness={"host_interval_s": 0})
    assert bench.outcomes() == before


def test_a_dead_video_without_replacement_stays_gone(bench, server):
    """It is listed as failed."""
    bench.want([server.add("/0", 404)])
    result = bench.run()
    assert bench.rows()["w0"]["state"] == "gone"
    assert result.notes["all"]["failed"] == ["s/w0: removed"]


def test_replacements_may_be_dead_too(bench, server, noise):
    """The chain goes on until one lives, and the next run finds the same."""
    pages = [404, 410, 404, noise(1000), noise(1000)]
    urls = [server.add(f"/{i}", page) for i, page in enumerate(pages)]
    bench.want([{"url": url, "chosen": i == 0} for i, url in enumerate(urls)])
    bench.run()
    states = [row["state"] for row in bench.rows().values()]
    assert states == ["replaced", "replaced", "replaced", "fetched"]
    bench.workspace.remove(DOWNLOADS, "s")
    bench.run()
    assert [row["state"] for row in bench.rows().values()] == states


def test_two_spans_of_a_dead_video_ask_once(bench, server):
    """An address that is gone is gone for all that want it."""
    url = server.add("/0", 404)
    bench.want([{"url": url, "start_s": i * 10.0, "end_s": i * 10.0 + 5} for i in range(5)])
    bench.run()
    assert set(bench.outcomes().values()) == {"removed"}
    assert len(server.requests) == 1


def test_a_file_that_is_no_video_leaves_nothing_behind(bench, server, noise):
    """Its bytes are not kept."""

    def refuse(path):
        raise UnreadableVideo(f"{path}: no video")

    bench.tools = replace(bench.tools, probe=refuse)
    bench.want([server.add("/0", noise(2000))])
    bench.run()
    assert bench.outcomes() == {"w0": "bad_media"}
    assert [p.name for p in (bench.root / "downloads/s").iterdir()] == ["journal.jsonl"]


@pytest.mark.parametrize("want_id", ["../../x", "/etc/x", "a" * 10_000, "x\0y", "-rf", "é\ud800"])
def test_no_id_leads_out_of_the_folder(bench, server, noise, want_id):
    """Whatever a manifest calls its videos, files lie in the folder of their source."""
    if "\ud800" in want_id:
        want_id = want_id.replace("\ud800", "\ufffd")  # a table holds no lone surrogate
    bench.want([{"url": server.add("/0", noise(2000)), "want_id": want_id}])
    bench.run()
    path = (bench.root / bench.rows()[want_id]["file"]).resolve()
    assert path.parent == (bench.root / "downloads/s").resolve()
    assert path.read_bytes() == noise(2000)
    assert {p.name for p in bench.root.iterdir()} <= {"downloads", "tables", "reelabel.yaml"}


def test_a_missing_library_is_named():
    """Without urllib3 the stage can be listed, and the error states what to install."""
    code = "import sys; sys.modules['urllib3'] = None\n"
    code += "from reelabel.stages.fetch import _fetch_all\n_fetch_all()"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install 'reelabel[fetch]'" in ran.stderr


# -- pages and spans -------------------------------------------------------------------------------


def site_file(url, **changes):
    """Return what a page led to."""
    words = {"licence": "CC-BY", "uploader": "someone", "title": "A title"}
    values = {"headers": {}, "format_id": "18", "extractor": "site", "protocol": "http"}
    return SiteFile(url, **values | words | changes)


def test_a_page_is_resolved_and_its_file_fetched(bench, server, noise):
    """What the site states stands in the row; its videos are fetched with long pauses."""
    server.now = bench.time.now
    files = {f"http://site.test/{i}": server.add(f"/{i}", noise(2000, i)) for i in range(3)}
    asked = []

    def find(url, _):
        asked.append(bench.time.now())
        return site_file(files[url], headers={"Referer": "http://site.test/"})

    bench.tools = replace(bench.tools, find_file=find)
    bench.want([{"url": url, "page": True} for url in files], licence="?", title="?")
    bench.run()
    row = bench.rows()["w1"]
    assert (row["outcome"], row["extractor"], row["format"]) == ("fetched", "site", "18")
    assert (row["licence"], row["uploader"], row["title"]) == ("CC-BY", "someone", "A title")
    assert all(10 <= b - a <= 25 for a, b in pairwise(asked))
    assert server.requests[0].headers["referer"] == "http://site.test/"


def test_the_next_file_comes_while_one_is_looked_at(bench, server, noise):
    """A look at a file does not keep its host waiting; one connection is open all the same."""
    second_asked, asked, looked = threading.Event(), [], []

    def page(handler):
        second_asked.set()
        content = noise(2000, 1)
        handler.head(200, Content_Length=len(content))
        handler.send(content)

    def look(path):
        asked.append(second_asked.wait(20))
        looked.append(path.name)
        return types.SimpleNamespace(container="mp4", duration_s=10.0)

    bench.tools = replace(bench.tools, probe=look)
    bench.want([server.add("/0", noise(2000)), server.add("/1", page)])
    bench.run(politeness={"host_interval_s": 0})  # the bench's time stands still meanwhile
    assert bench.outcomes() == {"w0": "fetched", "w1": "fetched"}
    assert all(asked)
    assert sorted(looked) == ["w0.part", "w1.part"]
    assert set(server.most_open.values()) == {1}


def test_what_a_page_says_is_an_outcome(bench, server):
    """A failure of the extractor is one row; without an extractor the site waits."""

    def find(url, _):
        raise FetchFailure("age", f"{url}: confirm your age")

    bench.want([{"url": "http://site.test/0", "page": True}])
    bench.run()
    assert bench.rows()["w0"]["outcome"] == "tool"
    bench.tools = replace(bench.tools, find_file=find)
    bench.run(force=True)
    assert bench.rows()["w0"]["outcome"] == "age"
    assert "confirm your age" in bench.rows()["w0"]["message"]


def test_cookies_open_what_an_age_check_closed(bench, server, noise):
    """The outcome is final as long as the cookies are the same."""
    answers = iter([FetchFailure("age", "confirm your age"), None])

    def find(url, _):
        if failure := next(answers):
            raise failure
        return site_file(server.add("/0", noise(2000)))

    bench.tools = replace(bench.tools, find_file=find)
    bench.want([{"url": "http://site.test/0", "page": True}])
    bench.run()
    assert bench.outcomes() == {"w0": "age"}
    bench.run(sites={"cookies": "cookies.txt"})
    assert bench.outcomes() == {"w0": "fetched"}


def test_a_file_that_is_not_served_yet_is_waited_for(bench, server, noise):
    """Seconds are waited for, hours are not."""
    url = server.add("/0", noise(2000))
    in_s = {"http://site.test/soon": 20, "http://site.test/late": 7200}

    def find(page, _):
        return site_file(url, available_at_s=bench.time.began + in_s[page])

    bench.tools = replace(bench.tools, find_file=find)
    bench.want([{"url": page, "page": True} for page in in_s])
    bench.run()
    assert list(bench.outcomes().values()) == ["fetched", "not_yet"]


def copied(ranges, start_s, end_s, target):
    """Stand for a copier of spans: a second is a hundred bytes."""
    target.write_bytes(ranges.read(int(start_s * 100), int(end_s * 100)))
    return types.SimpleNamespace(start_s=start_s - 0.5, end_s=end_s)


def test_a_span_is_read_by_ranges(bench, server, ranged, noise):
    """Only a part of the file is fetched; the row states the true span."""
    content = noise(1_000_000)
    bench.tools = replace(bench.tools, copy_span=copied)
    url = server.add("/0", ranged(content, ETag='"v"'))
    bench.want([{"url": url, "start_s": 5000.0, "end_s": 5010.0}])
    bench.run()
    row = bench.rows()["w0"]
    assert bench.content() == content[500_000:501_000]
    assert (row["span_start_s"], row["span_end_s"]) == (4999.5, 5010.0)
    assert row["size_bytes"] == 1000
    assert {p.name for p in (bench.root / "downloads/s").iterdir()} == {"journal.jsonl", "w0.mp4"}
    assert row["fetched_bytes"] == sum(server.sent.values()) < 300_000
    assert row["sha256"] == hashlib.sha256(content[500_000:501_000]).hexdigest()


def test_a_span_that_a_kill_left_half_written_is_removed(bench, server, noise):
    """By its name, which no file of a video has."""
    folder = bench.root / "downloads/s"
    folder.mkdir(parents=True)
    (folder / ".w9.span.mp4").write_bytes(b"half")
    bench.want([{"url": server.add("/0", noise(2000)), "want_id": "..x.span.mp4"}])
    bench.run()
    bench.run(force=True)
    assert len(list(folder.iterdir())) == 2
    assert len(server.requests) == 1


def test_a_real_span_is_copied_over_ranges(bench, server, ranged, data_dir):
    """It can be decoded, and begins where the row states."""
    clip = data_dir / "videos" / "scenes" / "sintel_cuts.mp4"
    whole = probe(clip)
    tools = tools_for(FetchSettings(), bench.root)
    bench.tools = replace(tools, clock=bench.time.clock)
    url = server.add("/0", ranged(clip.read_bytes(), ETag='"v"'))
    middle_s = whole.duration_s / 2
    bench.want([{"url": url, "start_s": middle_s, "end_s": middle_s + 1.0}])
    bench.run()
    row = bench.rows()["w0"]
    assert row["outcome"] == "fetched", row
    assert row["span_start_s"] <= middle_s < middle_s + 1.0 <= row["span_end_s"] + 0.05
    length_s = probe(bench.root / row["file"]).duration_s
    assert abs(length_s - (row["span_end_s"] - row["span_start_s"])) < 0.1


@pytest.mark.parametrize("layout", ["no ranges", "whole is cheaper", "no copier"])
def test_without_ranges_the_whole_is_fetched(bench, server, ranged, layout):
    """The row states no span then."""
    content = bytes(50_000)
    page = content if layout == "no ranges" else ranged(content, ETag='"v"')
    copier = {"whole is cheaper": lambda *_: None, "no copier": None}.get(layout, copied)
    bench.tools = replace(bench.tools, copy_span=copier)
    bench.want([{"url": server.add("/0", page), "start_s": 1.0, "end_s": 5.0}])
    bench.run()
    row = bench.rows()["w0"]
    assert bench.content() == content
    assert (row["span_start_s"], row["span_end_s"]) == (None, None)


def test_a_video_that_lacks_half_of_the_span_is_refused(bench, server, noise):
    """The fake probe states ten seconds."""
    url = server.add("/0", noise(2000))
    spans = [(2.0, 9.0), (8.0, 12.0), (9.0, 19.0), (30.0, 40.0)]
    bench.want([{"url": url, "start_s": a, "end_s": b} for a, b in spans])
    bench.run()
    assert list(bench.outcomes().values()) == ["fetched", "fetched", "bad_media", "bad_media"]


def test_a_file_that_changes_under_a_span_is_an_outcome(bench, server, ranged, noise):
    """It is tried once more, and then left for later."""
    versions = iter(range(100))

    def page(handler):
        ranged(noise(1_000_000), ETag=f'"{next(versions)}"')(handler)

    bench.tools = replace(bench.tools, copy_span=copied)
    url = server.add("/0", page)
    bench.want([{"url": url, "start_s": 5000.0, "end_s": 5010.0}])
    bench.run()
    assert bench.outcomes() == {"w0": "changed"}
