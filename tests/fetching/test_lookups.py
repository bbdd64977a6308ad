"""Lookup files of YouTube-8M by HTTP: asked for politely, once, and kept."""

from __future__ import annotations

import pickle

import pytest

import reelabel as api
from reelabel.config import Project
from reelabel.engine.project import read_config
from reelabel.errors import FormatError, UsageError
from reelabel.sources.manifests.lookups import LARGEST_BYTES, Lookups
from reelabel.sources.manifests.lookups_by_http import asking
from reelabel.sources.manifests.settings import Manifest
from reelabel.sources.manifests.want_plan import plan
from reelabel.sources.web.settings import FetchSettings
from reelabel.stages import want
from reelabel.tables import WANTS

QUICK = {"allow": "127.0.0.1/32", "politeness": {"host_interval_s": 0, "backoff_s": 0.001}}
DENIED = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>"


def denied(handler):
    """Answer as Google's storage does for what is not there."""
    handler.head(403, Content_Length=len(DENIED))
    handler.send(DENIED)


@pytest.fixture
def lookups(server):
    """Serve three videos of one tag, one of which is not there; return the address."""
    server.add("/2/j/v/02_58j.js", b'p("02_58j",["aaaa","bbbb","aAaa"]);')
    for own_id, video in (("aaaa", "video-00001"), ("aAaa", "video-00002")):
        server.add(f"/2/j/i/{own_id[:2]}/{own_id}.js", f'i("{own_id}","{video}");'.encode())
    return server.url("/2")


def planned(root, place, **settings):
    """Return what is wanted of bedrooms."""
    manifest = Manifest(kind="youtube8m", lookups=place, classes={"Bedroom": "indoor"})
    reader = Lookups(root, FetchSettings(**QUICK | settings))
    return plan("it", manifest, Project(classes=("indoor",)), root, lookups=reader)


def test_ids_are_looked_up_by_http(lookups, server, tmp_path):
    """Those that are not there are rows that cannot be used."""
    found = planned(tmp_path, lookups)
    assert {w.entry.native_id for w in found.wants} == {"video-00001", "video-00002"}
    assert found.tally.unusable == 1
    url = f"{lookups}/j/i/bb/bbbb.js"
    assert found.tally.problems == [f"id bbbb: {url}: there is no such file"]
    assert server.robots_requests == 1


def test_a_second_run_asks_nothing(lookups, server, tmp_path):
    """Answers are kept, also that there is none; ids that differ in case alone are two files."""
    first = planned(tmp_path, lookups)
    server.requests.clear()
    server.pages.clear()
    second = planned(tmp_path, lookups)
    assert second.table().equals(first.table())
    assert server.requests == []
    files = sorted((tmp_path / "downloads/lookups").iterdir())
    assert len({path.name.casefold() for path in files}) == 4
    assert sum(path.stat().st_size == 0 for path in files) == 1


def test_what_a_store_of_objects_refuses_is_not_there(lookups, server, tmp_path):
    """They answer 403 AccessDenied where nothing is; any other 403 is a refusal."""
    server.add("/2/j/i/bb/bbbb.js", denied)
    assert planned(tmp_path, lookups).tally.unusable == 1
    server.add("/2/j/i/bb/bbbb.js", 403)
    with pytest.raises(UsageError, match=r"bbbb\.js: expected .* but got forbidden: 403"):
        planned(tmp_path / "other", lookups)


FAILURES = {
    "server": 500,
    "geo": 451,
    "too_large": lambda handler: handler.head(200, Content_Length=LARGEST_BYTES + 1),
    "address": lambda handler: handler.head(302, Location="http://127.0.0.2/"),
}


@pytest.mark.parametrize("outcome", FAILURES)
def test_other_failures_name_the_address(lookups, server, tmp_path, outcome):
    """And what is to be done; what was looked up before is kept."""
    server.add("/2/j/i/bb/bbbb.js", FAILURES[outcome])
    with pytest.raises(UsageError, match=rf"{lookups}/j/i/bb/bbbb\.js: .* but got {outcome}"):
        planned(tmp_path, lookups)
    server.pages["/2/j/i/bb/bbbb.js"] = b'i("bbbb","video-00003");'
    server.requests.clear()
    assert len(planned(tmp_path, lookups).wants) == 3
    assert "/2/j/v/02_58j.js" not in server.paths()


def test_a_fault_that_passes_is_asked_again(lookups, server, tmp_path):
    """As often as anything that is fetched."""

    def once(handler):
        body = b'i("bbbb","video-00003");'
        handler.head(500 if handler.count() == 1 else 200, Content_Length=len(body))
        handler.send(body)

    server.add("/2/j/i/bb/bbbb.js", once)
    assert len(planned(tmp_path, lookups).wants) == 3


def test_a_tag_that_is_not_there_is_an_error(server, tmp_path):
    """As in a folder."""
    with pytest.raises(FormatError, match=r"j/v/02_58j\.js: there is no such file"):
        planned(tmp_path, server.url("/none"))


def test_private_networks_are_refused(lookups, server, tmp_path):
    """Unless they are allowed under `fetch`."""
    with pytest.raises(UsageError, match=r"is in no public network: see fetch\.allow"):
        planned(tmp_path, lookups, allow=())
    assert server.requests == []


def test_robots_txt_is_obeyed(lookups, server, tmp_path):
    """As of any host."""
    server.robots = b"User-agent: *\nDisallow: /2/j/i\n"
    with pytest.raises(UsageError, match="opted_out"):
        planned(tmp_path, lookups)
    assert server.paths() == ["/2/j/v/02_58j.js"]


def test_a_host_gets_one_request_a_second(lookups, server, fake_time):
    """By default, as measured by the server; the contact is in the User-Agent."""
    server.now = fake_time.now
    settings = FetchSettings(allow="127.0.0.1/32", politeness={"contact": "me@example.org"})
    ask = asking(settings, 100, fake_time.clock)
    for own_id in ("aaaa", "aAaa", "bbbb"):
        ask(f"{lookups}/j/i/{own_id[:2]}/{own_id}.js")
    times = [request.at for request in server.requests]
    assert times[2] - times[1] >= 1 - 1e-6
    assert times[1] - times[0] >= 1 - 1e-6
    assert "me@example.org" in server.requests[0].headers["user-agent"]


def test_answers_are_bounded_as_they_come(server, fake_time):
    """Also without a declared length."""
    server.add("/x", lambda handler: (handler.head(200), handler.send(b"x" * 101),
                                      handler.hang_up()))  # fmt: skip
    ask = asking(FetchSettings(allow="127.0.0.1/32"), 100, fake_time.clock)
    with pytest.raises(UsageError, match="too_large: allowed are 100 bytes"):
        ask(server.url("/x"))


def test_it_goes_into_other_processes(lookups, tmp_path):
    """Without its connections."""
    reader = Lookups(tmp_path, FetchSettings(**QUICK))
    reader.at(lookups)("j/v/02_58j.js")
    copy = pickle.loads(pickle.dumps(reader))  # noqa: S301 -- its own bytes
    assert copy.at(lookups)("j/i/aa/aaaa.js") == b'i("aaaa","video-00001");'


# -- in a workspace ---------------------------------------------------------------------------


@pytest.fixture
def workspace(lookups, tmp_path):
    """Return a workspace with one tag of YouTube-8M, looked up by HTTP."""
    entry = {"kind": "youtube8m", "lookups": lookups, "classes": {"Bedroom": "indoor"}}
    settings = {"want": {"manifests": {"y": entry}}, "fetch": QUICK}
    return api.init(tmp_path / "w", classes=["indoor"], videos=[], settings=settings)


def test_the_stage_uses_the_settings_of_fetch(workspace, server):
    """Only with its networks allowed the stage may ask; a run again asks nothing."""
    assert api.want(workspace).done == 1
    assert len(workspace.read(WANTS, "y")) == 2
    server.requests.clear()
    assert api.want(workspace, force=True).done == 1
    assert server.requests == []
    text = workspace.config_path.read_text()
    workspace.config_path.write_text(text.replace("127.0.0.1/32", "10.0.0.0/8"))
    assert api.want(workspace).done == 0  # what decides how to ask decides no result
    for path in (workspace.root / "downloads/lookups").iterdir():
        path.unlink()
    failed = api.want(workspace, force=True).failed
    assert "is in no public network" in failed["y"]


def test_a_dry_run_asks_for_tags_alone_and_keeps_nothing(workspace, server):
    """Ids are not looked up before the run."""
    before = sorted(workspace.root.rglob("*"))
    api.fetch(workspace, dry_run=True)
    assert server.paths() == ["/2/j/v/02_58j.js"]
    assert sorted(workspace.root.rglob("*")) == before


def test_classes_of_a_new_workspace_come_from_tags(lookups, server, tmp_path):
    """By the settings of `fetch` that the workspace begins with."""
    entry = {"kind": "youtube8m", "lookups": lookups}
    (tmp_path / "tags.txt").write_text("Bedroom\tindoor\n")
    made = api.init(
        tmp_path / "w",
        manifest=("youtube8m", tmp_path / "tags.txt"),
        settings={"want": {"manifests": {"youtube8m": entry}}, "fetch": QUICK},
    )
    assert read_config(made).project.classes == ("indoor",)
    assert server.paths() == ["/2/j/v/02_58j.js"]


def test_no_manifest_has_the_name_of_their_folder():
    """It would share it."""
    with pytest.raises(ValueError, match="no manifest can be called 'lookups'"):
        want.WantSettings(manifests={"Lookups": {"kind": "urls", "file": "x"}})
