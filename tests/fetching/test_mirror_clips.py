"""Mirrors first: clips out of archives before a site is asked, by the stage `fetch`."""

from __future__ import annotations

import gzip
import io
import tarfile
import types
from dataclasses import replace
from itertools import pairwise

import pytest

from reelabel.cli.flags import given_settings
from reelabel.config import checked
from reelabel.engine.stage import Cancelled
from reelabel.errors import ConfigError, FormatError, UnreadableVideo
from reelabel.labels.spans import fetched_spans
from reelabel.media.probe import probe
from reelabel.sources.fetching.fetch_all import fetch_all
from reelabel.sources.fetching.journal import Journal, read_history
from reelabel.sources.fetching.queue import Want
from reelabel.sources.mirrors.kinetics import member_name
from reelabel.sources.mirrors.settings import BASE_URL, MirrorSettings
from reelabel.sources.web.limits import day_of
from reelabel.sources.web.settings import FetchSettings
from reelabel.stages import fetch
from reelabel.tables import DOWNLOADS, WANTS
from reelabel.workspace import Workspace

SITE = "/site/"
SITE_BYTES = 900


def native(number):
    """Return an id as YouTube has them."""
    return f"video-{number:05d}"


def packed(clips, split="val"):
    """Return a tar.gz of clips by number."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for number, content in clips.items():
            info = tarfile.TarInfo(f"{split}/{member_name(native(number), 20, 30)}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def readable(path):
    """Take any file for a video, those of the site's size for a whole one."""
    duration_s = 60.0 if path.stat().st_size == SITE_BYTES else 10.0
    return types.SimpleNamespace(container="mov,mp4,m4a,3gp,3g2,mj2", duration_s=duration_s)


class Mirror:
    """A mirror of Kinetics-400 val on a server, and a site on the same."""

    def __init__(self, bench, server, noise):
        self.bench, self.server, self.noise = bench, server, noise
        self.settings = {"dataset": "400", "base_url": server.url("/kinetics")}

    def add(self, archives, name="400/val/k400_val_path.txt"):
        """Serve archives, and a list that names them as the public one does."""
        lines = [f"{BASE_URL}/400/val/part_{i}.tar.gz\n" for i in range(len(archives))]
        self.server.add(f"/kinetics/{name}", "".join(lines).encode())
        for i, archive in enumerate(archives):
            page = archive if callable(archive) or isinstance(archive, int) else None
            self.server.add(f"/kinetics/400/val/part_{i}.tar.gz", page or packed(archive))

    def want(self, *numbers, source="s", **more):
        """Make clips wanted, each with an address on the site."""
        rows = [
            {
                "url": self.server.add(f"{SITE}{number}", self.noise(SITE_BYTES, number)),
                "want_id": f"w{number}",
                "native_id": native(number),
                "start_s": 20.0,
                "end_s": 30.0,
                "split": "val",
            }
            | more
            for number in numbers
        ]
        self.bench.want(rows, source=source)

    def run(self, **settings):
        """Fetch, and return the notes."""
        return self.bench.run(mirror=self.settings, **settings).notes["all"]

    def asked(self):
        """Return the paths that were asked for since the last time."""
        paths = [path.removeprefix("/kinetics/400/") for path in self.server.paths()]
        self.server.requests.clear()
        return paths


@pytest.fixture
def mirror(bench, server, noise):
    """Return a mirror whose archives a test adds; files of the site are whole videos."""
    bench.tools = replace(bench.tools, probe=readable)
    return Mirror(bench, server, noise)


def test_the_mirror_is_read_before_a_site_is_asked(mirror, noise):
    """What archives hold is taken out of them; only the rest is asked of the site."""
    mirror.add([{1: noise(700, 1), 9: b"other"}, {3: noise(800, 3)}, {8: b"other"}])
    mirror.want(1, 2, 3)
    notes = mirror.run()
    assert notes["outcomes"] == {"fetched": 3}
    assert "left_out" not in notes
    parts = [f"val/part_{i}.tar.gz" for i in range(3)]
    assert mirror.asked() == ["val/k400_val_path.txt", *parts, "/site/2"]
    rows = mirror.bench.rows()
    assert {key: row["extractor"] for key, row in rows.items()} == {
        "w1": "mirror",
        "w2": "",
        "w3": "mirror",
    }
    assert mirror.bench.content("w1") == noise(700, 1)
    assert (rows["w1"]["span_start_s"], rows["w1"]["span_end_s"]) == (20.0, 30.0)
    assert (rows["w1"]["size_bytes"], rows["w1"]["attempts"]) == (700, 1)
    assert rows["w1"]["format"] == "kinetics-400/part_0.tar.gz"
    assert rows["w1"]["fetched_at"]
    home = mirror.bench.root / "downloads/s"
    assert sorted(p.name for p in home.iterdir()) == [
        "journal.jsonl",
        *("w1.mp4", "w2.mp4", "w3.mp4"),
    ]


def test_without_the_setting_no_mirror_is_asked(mirror, noise):
    """By default clips come from their sites."""
    mirror.add([{1: noise(700, 1)}])
    mirror.want(1)
    mirror.settings = {}
    mirror.run()
    assert mirror.asked() == ["/site/1"]


def test_only_spans_of_splits_that_mirrors_have_are_looked_for(mirror):
    """Whole videos, other ids and other splits go to their sites, and no list is asked for."""
    for i, more in enumerate([{"start_s": None}, {"native_id": "x"}, {"split": "holdout"}]):
        mirror.want(i, source=f"s{i}", **more)
    assert mirror.run()["outcomes"] == {"fetched": 3}
    assert sorted(mirror.asked()) == ["/site/0", "/site/1", "/site/2"]


def test_spare_clips_are_not_taken(mirror, noise):
    """Only what is chosen is looked for."""
    mirror.add([{1: noise(700, 1)}])
    mirror.want(1, chosen=False)
    mirror.run()
    assert mirror.asked() == []


def test_archives_that_were_read_are_not_read_again(mirror, noise):
    """While the same clips are wanted; other wants may be in any of them."""
    mirror.add([{1: noise(700, 1)}, {5: noise(600, 5)}])
    mirror.want(1, 2)
    mirror.server.add(f"{SITE}2", 403)
    mirror.run()
    assert "val/part_1.tar.gz" in mirror.asked()
    mirror.bench.time.at += 10_000
    mirror.run()
    assert set(mirror.asked()) == {"/site/2"}
    mirror.want(1, 2, 5)
    mirror.run()
    parts = ["val/part_0.tar.gz", "val/part_1.tar.gz"]
    assert [path for path in mirror.asked() if "part" in path] == parts
    assert mirror.bench.rows()["w5"]["extractor"] == "mirror"
    mirror.bench.time.at += 10_000
    mirror.run(force=True)
    assert [path for path in mirror.asked() if "part" in path] == parts


def test_a_deleted_clip_is_taken_out_of_its_archive_again(mirror, noise):
    """Of the archives that were read before only the one that held it is read again."""
    mirror.add([{1: noise(700, 1)}, {2: noise(600, 2)}])
    mirror.want(1, 2, 3)
    mirror.run()
    mirror.asked()
    (mirror.bench.root / "downloads/s/w2.mp4").unlink()
    mirror.run()
    assert mirror.asked() == ["val/k400_val_path.txt", "val/part_1.tar.gz"]
    assert mirror.bench.content("w2") == noise(600, 2)


def test_a_damaged_archive_costs_its_rest(mirror, noise):
    """Clips before the damage and those of other archives are taken; it is not read again."""
    archive = gzip.compress(gzip.decompress(packed({1: noise(700, 1), 2: noise(700, 2)}))[:2000])
    mirror.add([lambda handler: (handler.head(200, Content_Length=len(archive)),
                                 handler.send(archive)), {3: noise(800, 3)}])  # fmt: skip
    mirror.want(1, 2, 3)
    mirror.server.add(f"{SITE}2", 403)
    notes = mirror.run()
    rows = mirror.bench.rows()
    assert [rows[f"w{i}"]["extractor"] for i in (1, 2, 3)] == ["mirror", "", "mirror"]
    (sentence,) = notes["left_out"]
    assert "part_0.tar.gz: truncated" in sentence
    mirror.asked()
    mirror.bench.time.at += 10_000
    mirror.run()
    assert set(mirror.asked()) == {"/site/2"}


def test_an_archive_that_breaks_off_is_continued(mirror, noise, ranged):
    """The rest of the same version is asked for; nothing comes twice."""
    archive = packed({1: noise(300_000, 1), 2: noise(300_000, 2)})
    page = ranged(archive, ETag='"v"')
    page.stop_at = 200_000
    mirror.add([page])
    mirror.want(1, 2)
    assert "left_out" not in mirror.run()
    assert mirror.bench.content("w2") == noise(300_000, 2)
    path = "/kinetics/400/val/part_0.tar.gz"
    assert mirror.server.sent[path] <= len(archive)
    asked = [request for request in mirror.server.requests if request.path == path]
    assert [request.headers.get("if-range") for request in asked] == [None, '"v"']


def test_an_archive_that_broke_off_is_read_again_later(mirror, noise, ranged):
    """Without a version that can be asked for nothing is continued, and the archive not closed."""
    page = ranged(packed({1: noise(300_000, 1), 2: noise(300_000, 2)}))
    page.stop_at = 200_000
    mirror.add([page])
    mirror.want(1, 2)
    mirror.server.add(f"{SITE}1", 403)
    mirror.server.add(f"{SITE}2", 403)
    assert "part_0.tar.gz: truncated" in mirror.run()["left_out"][0]
    mirror.bench.time.at += 10_000
    mirror.run()
    assert mirror.bench.outcomes() == {"w1": "fetched", "w2": "fetched"}


def test_damaged_clips_come_from_the_site(mirror, noise):
    """What cannot be read as video leaves no file, is named, and not looked for again."""

    def probed(path):
        if path.read_bytes() == b"damaged":
            raise UnreadableVideo("no video")
        return readable(path)

    mirror.bench.tools = replace(mirror.bench.tools, probe=probed)
    mirror.add([{1: b"damaged"}])
    mirror.want(1)
    notes = mirror.run()
    assert notes["left_out"] == [
        "1 clip of the mirror cannot be used: video-00001_000020_000030.mp4: no video"
    ]
    assert mirror.bench.content("w1") == noise(SITE_BYTES, 1)
    assert "/site/1" in mirror.asked()


def test_clips_that_lack_half_of_their_span_are_refused(mirror, noise):
    """As of any fetched span, at least half of it must be there."""

    def short(path):
        info = readable(path)
        info.duration_s = 60.0 if info.duration_s == 60.0 else 3.0
        return info

    mirror.bench.tools = replace(mirror.bench.tools, probe=short)
    mirror.add([{1: noise(700, 1)}])
    mirror.want(1)
    assert "3.0 s of 10.0 s are there" in mirror.run()["left_out"][0]


def test_real_clips_have_their_true_span(mirror, data_dir):
    """The row's span is as long as the file, and begins where the manifest states."""
    mirror.bench.tools = replace(mirror.bench.tools, probe=probe)
    path = data_dir / "videos" / "awkward" / "dup_of_train_day_lowbitrate.mp4"
    mirror.add([{1: path.read_bytes()}])
    mirror.want(1)
    mirror.run()
    row = mirror.bench.rows()["w1"]
    assert row["span_end_s"] - row["span_start_s"] == pytest.approx(probe(path).duration_s)
    wants = mirror.bench.workspace.read(WANTS, "s").to_pylist()
    downloads = mirror.bench.workspace.read(DOWNLOADS, "s").to_pylist()
    assert fetched_spans(wants, downloads) == {"downloads/s/w1.mp4": [(0.0, 10.0)]}


def test_replacements_of_damaged_clips_are_read_first(mirror, noise):
    """Of Kinetics-400 train, before the archives of the list."""
    mirror.add([{1: b"damaged"}], name="400/train/k400_train_path.txt")
    path = "/kinetics/400/replacement_for_corrupted_k400.tgz"
    mirror.server.add(path, packed({1: noise(700, 1)}))
    mirror.want(1, split="train")
    mirror.run()
    assert mirror.bench.content("w1") == noise(700, 1)
    assert mirror.asked() == ["train/k400_train_path.txt", "replacement_for_corrupted_k400.tgz"]


def test_archives_of_other_classes_are_not_read(mirror, noise):
    """Those that are named after classes are chosen by the manifest's own label."""
    names = ["pull%20ups", "yoga", "salsa dancing"]
    lines = "".join(f"{BASE_URL}/600/val/{name}.tar.gz\n" for name in names)
    mirror.server.add("/kinetics/600/val/k600_val_path.txt", lines.encode())
    mirror.server.add("/kinetics/600/val/pull%20ups.tar.gz", packed({1: noise(700, 1)}))
    mirror.want(1, native_label="pull ups", labels=["a"])
    mirror.settings |= {"dataset": "600"}
    mirror.run()
    assert mirror.asked() == [
        "/kinetics/600/val/k600_val_path.txt",
        "/kinetics/600/val/pull%20ups.tar.gz",
    ]


# -- limits and politeness --------------------------------------------------------------------


@pytest.mark.parametrize("page", [404, 403, b"<?xml version='1.0'?><Error/>", b""])
def test_an_address_without_a_mirror_is_an_error(mirror, page):
    """It names the address and the setting, and no site is asked."""
    mirror.server.add("/kinetics/400/val/k400_val_path.txt", page)
    mirror.want(1)
    with pytest.raises(FormatError, match=r"k400_val_path\.txt: expected.*(fetch.mirror|address)"):
        mirror.run()
    assert mirror.asked() == ["val/k400_val_path.txt"]


def test_a_mirror_that_is_down_is_left_alone(mirror, noise):
    """After as many repetitions as of any request; the clips are asked of their sites."""
    mirror.server.add("/kinetics/400/val/k400_val_path.txt", 500)
    mirror.want(1)
    mirror.server.add(f"{SITE}1", 403)
    assert "the mirror is left alone: server: 500" in mirror.run()["left_out"][0]
    assert mirror.asked().count("val/k400_val_path.txt") == 5
    mirror.add([{1: noise(700, 1)}])
    mirror.bench.time.at += 10_000
    mirror.run()
    assert mirror.bench.outcomes() == {"w1": "fetched"}


def test_a_mirror_that_asks_for_fewer_requests_is_left_alone(mirror):
    """After the third such answer, also by a run that follows soon."""
    mirror.add([{8: b"x"}, 429, 429])
    mirror.want(1)
    mirror.run()
    assert mirror.asked().count("val/part_1.tar.gz") == 3
    mirror.want(1, 2)
    notes = mirror.run()
    assert notes["left_out"][0].startswith("the mirror is left alone until 20")
    assert not [path for path in mirror.asked() if "part" in path]


def test_robots_txt_of_the_mirror_is_obeyed(mirror, noise):
    """As of any host."""
    mirror.server.robots = b"User-agent: *\nDisallow: /kinetics\n"
    mirror.add([{1: noise(700, 1)}])
    mirror.want(1)
    with pytest.raises(FormatError, match=r"opted_out: robots\.txt"):
        mirror.run()
    assert mirror.asked() == []


def test_the_mirror_must_be_in_a_public_network(mirror, noise):
    """Unless its network is allowed."""
    mirror.add([{1: noise(700, 1)}])
    mirror.want(1)
    with pytest.raises(FormatError, match="is in no public network"):
        mirror.run(allow=())
    assert mirror.asked() == []


def test_a_mirror_gets_one_request_a_second(mirror, noise):
    """Its archives are asked for one after the other."""
    mirror.server.now = mirror.bench.time.now
    mirror.add([{8: noise(700, i)} for i in range(4)])
    mirror.want(1)
    mirror.run()
    times = [request.at for request in mirror.server.requests]
    assert len(times) == 6
    assert min(later - earlier for earlier, later in pairwise(times)) >= 1 - 1e-6
    assert max(mirror.server.most_open.values()) == 1


def test_bytes_of_archives_count_for_the_day(mirror, noise):
    """All that came, not only the clips; the quota ends reading, and a later run goes on."""
    archive = packed({8: noise(200_000, 8)})
    mirror.add([{8: noise(200_000, 8)}, {1: noise(700, 1)}])
    mirror.want(1)
    limited = {"max_bytes_per_day": len(archive)}
    notes = mirror.run(politeness=limited)
    assert "quota" in notes["full"]
    today = day_of(mirror.bench.time.now())
    assert read_history(mirror.bench.root / "downloads/s").day_bytes[today] >= len(archive)
    assert not [path for path in mirror.asked() if path == "val/part_1.tar.gz"]
    mirror.bench.time.at += 86_400
    mirror.run(politeness=limited | {"max_bytes_per_day": 10**7})
    assert mirror.bench.rows()["w1"]["extractor"] == "mirror"


def wanted(number, server):
    """Return a wanted clip without a workspace."""
    row = dict.fromkeys(Want.__slots__, "") | {"page": False, "chosen": True, "rank": number}
    row |= {"source": "s", "want_id": f"w{number}", "native_id": native(number), "split": "val"}
    return Want.of(row | {"url": server.url(f"{SITE}{number}"), "start_s": 20.0, "end_s": 30.0})


def test_a_run_that_is_stopped_goes_on_where_it_stopped(mirror, noise, tmp_path):
    """What the tick raises ends reading; clips and archives of before are not read again."""
    mirror.add([{1: noise(700, 1)}, {8: noise(500_000, 8), 2: noise(600, 2)}])

    def stopping(share, words):
        if words.startswith("archive 2 of 2 of the mirror, 1 clip"):
            raise Cancelled

    polite = {"host_interval_s": 0}
    settings = FetchSettings(allow="127.0.0.1/32", mirror=mirror.settings, politeness=polite)
    wants = [wanted(number, mirror.server) for number in (1, 2)]
    home, tools = tmp_path / "downloads", mirror.bench.tools
    with pytest.raises(Cancelled):
        fetch_all(wants, settings, home, tools=tools, tick=stopping)
    assert sorted(path.name for path in (home / "s").iterdir()) == ["journal.jsonl", "w1.mp4"]
    mirror.asked()
    done = fetch_all(wants, settings, home, tools=tools, tick=lambda *_: None)
    assert done.notes["outcomes"] == {"fetched": 2}
    assert mirror.asked() == ["val/k400_val_path.txt", "val/part_1.tar.gz"]
    assert (home / "s" / "w2.mp4").read_bytes() == noise(600, 2)


def test_a_kill_before_a_clip_has_its_name_costs_nothing(mirror, noise):
    """Its row is in the journal: the file gets its name, and nothing is asked for."""
    mirror.add([{1: noise(700, 1)}])
    mirror.want(1)
    mirror.run()
    home = mirror.bench.root / "downloads/s"
    (home / "w1.mp4").rename(home / "w1.part")
    mirror.asked()
    mirror.run(force=True)
    assert mirror.asked() == []
    assert mirror.bench.content("w1") == noise(700, 1)


# -- warnings, settings, journal --------------------------------------------------------------


def test_versions_that_share_videos_are_named(mirror, noise):
    """Validation clips of the mirror's version beside training clips of another one."""
    mirror.add([{1: noise(700, 1)}])
    mirror.want(1)
    mirror.want(2, source="k700", split="train")
    mirror.server.add("/kinetics/400/train/k400_train_path.txt", 500)
    (warning,) = [s for s in mirror.run()["left_out"] if "share videos" in s]
    assert warning.startswith("Kinetics-400 val and Kinetics-700 train share videos")


def test_one_version_gives_no_warning(mirror, noise):
    """Its own splits are disjoint; sources of other kinds are of no version."""
    mirror.add([{1: noise(700, 1)}])
    mirror.want(1)
    mirror.want(2, source="k400", split="train", start_s=None)
    mirror.want(3, source="tracks-600", split="train")
    mirror.settings = {}
    assert "left_out" not in mirror.run()


@pytest.mark.parametrize(
    ("given", "dataset"),
    [("400", "400"), (400, "400"), (7002020, "700_2020"), ("k700", "700_2020"), ("", "")],
)
def test_versions_are_taken_in_any_spelling(given, dataset):
    """Also as the numbers that YAML reads in 400 and 700_2020."""
    assert MirrorSettings(dataset=given).dataset == dataset


def test_wrong_mirrors_are_refused():
    """A version that is none, with those that are; an address that is none."""
    with pytest.raises(ConfigError, match="expected one of kinetics-400, kinetics-600"):
        checked(MirrorSettings, {"dataset": 500}, "fetch.mirror")
    with pytest.raises(ConfigError, match="base_url"):
        checked(MirrorSettings, {"base_url": "/data/kinetics"}, "fetch.mirror")


def test_the_command_has_flags_of_the_mirror():
    """They become the nested setting of the stage."""
    given = {"mirror_dataset": "600", "mirror_base_url": "http://nas.example/k"}
    settings = given_settings(fetch.STAGE.settings, given)
    assert settings == {"mirror": {"dataset": "600", "base_url": "http://nas.example/k"}}


def test_the_journal_keeps_archives_when_it_is_written_anew(tmp_path):
    """What was read, for which clips, and the bytes of each day."""
    with Journal(tmp_path) as journal:
        journal.archive("http://a/x.tar.gz", "old")
        journal.archive("http://a/x.tar.gz", "key")
        for _ in range(10_001):
            journal.day("2026-01-01", 2)
    with Journal(tmp_path) as journal:
        assert journal.history.archives == {"http://a/x.tar.gz": "key"}
    assert len((tmp_path / "journal.jsonl").read_text().splitlines()) == 2
    assert read_history(tmp_path).archives == {"http://a/x.tar.gz": "key"}
    assert read_history(tmp_path).day_bytes == {"2026-01-01": 20_002}


def test_the_command_takes_clips_of_a_list_out_of_a_mirror(mirror, data_dir, reelabel, tmp_path):
    """From a list of Kinetics to a file with its label, without a request to its site."""
    clip = data_dir / "videos" / "awkward" / "dup_of_train_day_lowbitrate.mp4"
    mirror.add([{1: clip.read_bytes()}])
    listed = tmp_path / "k.csv"
    listed.write_text(
        f"label,youtube_id,time_start,time_end,split\nsalsa dancing,{native(1)},20,30,validate\n"
    )
    root = tmp_path / "c"
    task = ("--task", "classify-clips", "--classes", "dancing,other")
    mapped = 'want.manifests.kinetics.classes={"salsa*": dancing}'
    code, _, err = reelabel("init", root, "--from", "kinetics", listed, *task, "--set", mapped)
    assert (code, err) == (0, "")
    mirrored = ("--mirror-dataset", "400", "--mirror-base-url", mirror.settings["base_url"])
    code, out, err = reelabel("fetch", root, *mirrored, "--allow", "127.0.0.1/32", "-q")
    assert (code, err) == (0, "")
    assert "fetched" in out
    ws = Workspace.open(root)
    (want,), (row,) = (ws.read(t, "kinetics").to_pylist() for t in (WANTS, DOWNLOADS))
    assert (want["labels"], want["native_label"]) == (["dancing"], "salsa dancing")
    assert (row["outcome"], row["extractor"]) == ("fetched", "mirror")
    assert (root / row["file"]).read_bytes() == clip.read_bytes()
