"""The stage `want`, the tags of fetched videos, and the commands that take a manifest."""

from __future__ import annotations

import shutil

import pytest
import yaml

import reelabel as api
from reelabel.data.video import Video
from reelabel.errors import ConfigError, FormatError, UsageError
from reelabel.labels.want_tags import Fetched, span_in_file
from reelabel.pipeline import CLASSIFY_FRAMES, DETECT
from reelabel.stages import want
from reelabel.tables import DOWNLOADS, TAGS, WANTS
from reelabel.workspace import Workspace

ROWS = "url,label,start,end\n" + "".join(
    f"http://127.0.0.2/{i}.mp4,{'red' if i % 2 else 'blue'},,\n" for i in range(40)
)


@pytest.fixture
def manifest(tmp_path):
    """Return a list of forty addresses of two classes."""
    path = tmp_path / "rows.csv"
    path.write_text(ROWS)
    return path


@pytest.fixture
def classes(tmp_path, manifest):
    """Return a workspace of classes that a manifest leads to."""
    return api.init(tmp_path / "w", manifest=("urls", manifest), task="classify-frames")


def wants(ws):
    """Return all rows of the table `wants`."""
    return [row for source in ws.shards(WANTS) for row in ws.read(WANTS, source).to_pylist()]


def test_without_a_manifest_nothing_is_done(tmp_path, disc_clips, capfd):
    """No shard, no receipt, no line of output."""
    ws = api.init(tmp_path / "w", classes=["disc"], videos=disc_clips[:1])
    before = sorted(ws.root.rglob("*"))
    result = api.want(ws, quiet=False)
    assert (result.done, result.kept, result.notes) == (0, 0, {})
    assert set(ws.root.rglob("*")) - set(before) <= {ws.root / ".lock"}
    assert capfd.readouterr() == ("", "")


def test_every_task_begins_with_it():
    """Boxes may have videos of several classes, exclusive classes may not."""
    assert DETECT.once[0] is want.STAGE
    assert CLASSIFY_FRAMES.once[0] is want.EXCLUSIVE_STAGE


def test_init_takes_classes_and_tags_from_the_manifest(classes):
    """The labels become classes, and what the manifest states becomes tags."""
    found = yaml.safe_load(classes.config_path.read_text())
    assert found["classes"] == ["blue", "red"]
    assert found["tags"] == "manifest"
    assert found["want"]["manifests"]["urls"]["kind"] == "urls"


def test_the_shard_of_wants_is_the_source(classes):
    """One shard for each manifest; a second run finds it done, a changed list is read again."""
    result = api.want(classes)
    assert classes.shards(WANTS) == ["urls"]
    assert len(wants(classes)) == 40
    assert (result.done, api.want(classes).done) == (1, 0)
    file = classes.root.parent / "rows.csv"
    file.write_text(ROWS + "http://127.0.0.2/new.mp4,red,,\n")
    assert api.want(classes).done == 1
    assert len(wants(classes)) == 41
    file.unlink()
    with pytest.raises(FormatError, match="expected the manifest 'urls', but there is no such"):
        api.want(classes)
    assert len(wants(classes)) == 41


def test_settings_of_a_manifest_are_checked_with_the_nearest_name(classes, manifest):
    """The file, the function and the flags refuse the same, in the same words."""
    with pytest.raises(ConfigError, match=r"unknown key 'manifests.urls.per_clas' .did you mean"):
        api.fetch(classes, ("urls", manifest), per_clas=3)
    with pytest.raises(ConfigError, match="kind"):
        api.fetch(classes, ("kinetic", manifest))
    with pytest.raises(UsageError, match="no such file"):
        api.fetch(classes, ("urls", "nowhere.csv"))
    with pytest.raises(UsageError, match="without one"):
        api.fetch(classes, per_class=3)
    with pytest.raises(ConfigError, match="1 to 100 letters"):
        api.fetch(classes, ("urls", manifest), name="a/b")


def test_a_dry_run_writes_nothing(classes, manifest):
    """The plan and its size come back, and no file changes."""
    before = {p: p.read_bytes() for p in classes.root.rglob("*") if p.is_file()}
    done = api.fetch(classes, ("urls", manifest), dry_run=True, per_class=3)
    assert done.plans["urls"].total().chosen == 6
    assert "6 videos, 0.4 hours" in repr(done)
    assert {p: p.read_bytes() for p in classes.root.rglob("*") if p.is_file()} == before


def test_fetch_keeps_the_manifest_in_the_settings(classes, manifest):
    """A second call changes the same entry, another file gets another name; comments stay."""
    classes.config_path.write_text("# mine\n" + classes.config_path.read_text())
    done = api.fetch(classes, ("urls", manifest), per_class=3)
    assert {name: one.chosen for name, one in done.classes.items()} == {"blue": 3, "red": 3}
    other = manifest.with_name("more.csv")
    other.write_text(ROWS)
    api.fetch(classes, ("urls", other), max_videos=4)
    text = classes.config_path.read_text()
    found = yaml.safe_load(text)["want"]["manifests"]
    assert text.startswith("# mine\n")
    assert set(found) == {"urls", "urls-2"}
    assert found["urls"]["per_class"] == 3
    assert classes.shards(WANTS) == ["urls", "urls-2"]


def test_the_commands_take_a_manifest(tmp_path, manifest, reelabel):
    """`init --from`, `fetch --dry-run` and `fetch --from` with flags, by class and next step."""
    root = tmp_path / "c"
    code, out, err = reelabel(
        "init", root, "--from", "urls", manifest, "--task", "classify-frames",
        "--set", "want.manifests.urls.per_class=4",
    )  # fmt: skip
    assert (code, err) == (0, "")
    code, out, _ = reelabel("fetch", root, "--dry-run")
    assert code == 0
    assert "urls: 40 rows" in out
    assert not (root / "tables").exists()
    code, out, _ = reelabel(
        "fetch", root, "--from", "urls", manifest, "--per-class", "2", "--label", "red,blue", "-q"
    )
    assert code == 1  # their address is of a private network
    assert f"reelabel run {root}" in " ".join(out.split())
    assert sum(row["chosen"] for row in wants(Workspace.open(root))) == 4
    code, _, err = reelabel("init", tmp_path / "d", "--task", "detect")
    assert code == 2
    assert "--from" in err


def put_downloads(ws, files):
    """Write what a fetch leaves: a file and a row for each want; name -> (file, span)."""
    rows = []
    for row in wants(ws):
        if row["want_id"] in files:
            file, start_s, end_s = files[row["want_id"]]
            rows.append({
                "source": "urls", "want_id": row["want_id"], "state": "fetched",
                "outcome": "fetched", "final": True, "file": file,
                "span_start_s": start_s, "span_end_s": end_s,
            })  # fmt: skip
    ws.write(DOWNLOADS, "urls", DOWNLOADS.from_rows(rows), fingerprint="x")


def test_what_the_manifest_states_becomes_tags(tmp_path, make_colour_clip):
    """Each fetched file gets its class; equal files are one video that has both tags' spans."""
    lines = ["id,url,label,start,end", "whole,https://a.example/1,red,,"]
    lines += ["span,https://a.example/2,blue,100,101", "far,https://a.example/3,red,10,11"]
    lines += ["gone,https://a.example/4,red,,"]
    (tmp_path / "m.csv").write_text("\n".join(lines))
    ws = api.init(tmp_path / "w", manifest=("urls", tmp_path / "m.csv"), task="classify-frames")
    folder = ws.root / "footage"
    for name, colour in {"a": "red", "b": "blue", "c": "green"}.items():
        make_colour_clip(folder / f"{name}.mp4", [(colour, 2)])
    shutil.copy(folder / "a.mp4", folder / "copy.mp4")
    text = ws.config_path.read_text().replace("videos: []", "videos: [footage]")
    ws.config_path.write_text(text)
    api.want(ws)
    put_downloads(ws, {
        "whole": ("footage/copy.mp4", None, None),
        "span_000100_000101": ("footage/b.mp4", 100.0, 101.02),
        "far_000010_000011": ("footage/c.mp4", 9.5, 11.5),
    })  # fmt: skip
    api.register(ws)
    api.tag(ws)
    names = {video.video_id: video.name for video in ws.videos()}
    tags = {
        names[row["video_id"]]: (row["category"], row["start_s"], row["end_s"], row["origin"])
        for video_id in ws.shards(TAGS)
        for row in ws.read(TAGS, video_id).to_pylist()
    }
    assert tags == {
        "a.mp4": ("red", None, None, "manifest"),
        "b.mp4": ("blue", None, None, "manifest"),
        "c.mp4": ("red", 0.5, 1.5, "manifest"),
    }


@pytest.mark.parametrize(
    ("span", "file", "expected"),
    [
        ((None, None), (None, None), (None, None)),
        ((417.0, 427.0), (None, None), (417.0, 427.0)),
        ((417.0, 427.0), (417.0, 427.0), (None, None)),
        ((417.0, 427.0), (415.0, 427.0), (2.0, None)),
        ((417.0, 427.0), (415.0, 430.0), (2.0, 12.0)),
        ((417.0, None), (None, None), (417.0, None)),
        ((417.0, None), (417.0, None), (None, None)),
    ],
)
def test_spans_are_in_the_time_of_the_file(span, file, expected, make_video):
    """A file that is the span alone is tagged as a whole."""
    video: Video = make_video()
    assert span_in_file(*span, Fetched(video, *file)) == expected
