"""What may be named to be forgotten, and what is never touched."""

from __future__ import annotations

import shutil

import pytest
import yaml

import reelabel
import reelabel.stages.register as home
from reelabel.config_edit import set_key
from reelabel.data.boxes import Boxes
from reelabel.data.dataset import Dataset, ImageEntry
from reelabel.engine.project import read_config
from reelabel.errors import UsageError
from reelabel.formats.coco import write_coco
from reelabel.tables import DOWNLOADS, DUPLICATES, VIDEOS, WANTS
from reelabel.workspace import Workspace
from reelabel.workspace.forgotten import read_forgotten


@pytest.fixture
def workspace(tmp_path, disc_clips) -> Workspace:
    """Return a workspace with a clip of the user's, outside of it."""
    root = tmp_path / "w"
    root.mkdir()
    (tmp_path / "own").mkdir()
    shutil.copy(disc_clips[3], tmp_path / "own" / "mine.mp4")
    settings = {"classes": ["disc"], "videos": [str(tmp_path / "own")], "detector": "fake:"}
    (root / "reelabel.yaml").write_text(yaml.safe_dump(settings))
    return Workspace.open(root)


@pytest.fixture
def fetched(workspace, fetched_footage, disc_clips):
    """Return fetched files of two sources: spans of one video, a dead one, one without a span."""
    fetched = fetched_footage(workspace.root)
    for i, want in enumerate(["-dash-1", "other-1"]):
        fetched.add("k400", want, disc_clips[i], url="https://example.org/whole")
    fetched.add("k400", "dead", None)
    fetched.add("list", "third", disc_clips[2])
    fetched.write()
    reelabel.register(workspace, quiet=True)
    return fetched


def left(workspace):
    """Return the names of the files that are registered."""
    reelabel.register(workspace, quiet=True)
    return {video.name for video in workspace.videos()}


def row_of(workspace, table, source, want_id):
    """Return the row of a want."""
    rows = workspace.read(table, source).to_pylist()
    return next(row for row in rows if row["want_id"] == want_id)


ALL = {"mine.mp4", "-dash-1.mp4", "other-1.mp4", "third.mp4"}


@pytest.mark.parametrize(
    ("name", "gone"),
    [
        ("third.mp4", {"third.mp4"}),
        ("third", {"third.mp4"}),
        ("list/third", {"third.mp4"}),
        ("downloads/list/third.mp4", {"third.mp4"}),
        ("https://example.org/whole", {"-dash-1.mp4", "other-1.mp4"}),
        ("-dash-1", {"-dash-1.mp4"}),
    ],
)
@pytest.mark.usefixtures("fetched")
def test_a_video_is_named_in_any_way(workspace, name, gone):
    """By file, path, want or address; an address means every span of it."""
    done = reelabel.forget(workspace, name)
    assert set(done.videos.values()) == gone
    assert left(workspace) == ALL - gone
    assert len(done.files) == len(gone)
    assert not any((workspace.root / file).exists() for file in done.files)


@pytest.mark.usefixtures("fetched")
def test_an_id_names_a_video(workspace):
    """Also a second time, when the video is not there any more: nothing is to be done."""
    video_id = next(v.video_id for v in workspace.videos() if v.name == "third.mp4")
    assert list(reelabel.forget(workspace, video_id).videos) == [video_id]
    again = reelabel.forget(workspace, video_id)
    assert (again.already, again.removed) == ((video_id,), None)


@pytest.mark.usefixtures("fetched")
def test_of_a_want_stays_that_it_is_forgotten(workspace):
    """Its rows say so and nothing else; those of other wants stay as they are."""
    before = {t.name: row_of(workspace, t, "k400", "other-1") for t in (WANTS, DOWNLOADS)}
    reelabel.forget(workspace, ["-dash-1"])
    want, row = (row_of(workspace, t, "k400", "-dash-1") for t in (WANTS, DOWNLOADS))
    assert (want["chosen"], want["why_not"]) == (False, "forgotten")
    assert (row["state"], row["outcome"], row["final"]) == ("refused", "forgotten", True)
    for name in ("url", "title", "uploader", "labels", "file", "sha256", "message"):
        assert not want.get(name)
        assert not row.get(name)
    assert before == {t.name: row_of(workspace, t, "k400", "other-1") for t in (WANTS, DOWNLOADS)}
    assert read_forgotten(workspace.root).has_want("k400", "-dash-1")
    assert not read_forgotten(workspace.root).has_want("k400", "other-1")


@pytest.mark.usefixtures("fetched")
def test_a_want_without_a_file_is_not_fetched_again(workspace):
    """A dead or waiting want can be forgotten too."""
    done = reelabel.forget(workspace, ["dead"])
    assert (done.wants, done.videos) == ((("k400", "dead"),), {})
    assert read_forgotten(workspace.root).has_want("k400", "dead")
    assert left(workspace) == ALL


@pytest.mark.usefixtures("fetched")
def test_a_whole_source_is_forgotten(workspace):
    """Its folder goes, and nothing of it is ever fetched again."""
    done = reelabel.forget(workspace, source=["k400"])
    assert done.sources == ("k400",)
    assert left(workspace) == {"mine.mp4", "third.mp4"}
    assert not (workspace.root / "downloads" / "k400").exists()
    assert read_forgotten(workspace.root).has_want("k400", "one that comes later")
    assert reelabel.forget(workspace, source=["k400"]).already == ("k400",)


def test_equal_content_goes_under_all_its_names(workspace, fetched, disc_clips):
    """Two wants of the same content are one video: both files are deleted."""
    fetched.add("list", "twin", disc_clips[2])
    fetched.write()
    reelabel.register(workspace, quiet=True)
    done = reelabel.forget(workspace, ["third"])
    assert done.wants == (("list", "third"), ("list", "twin"))
    assert len(done.files) == 2
    assert left(workspace) == ALL - {"third.mp4"}


@pytest.mark.usefixtures("fetched")
def test_own_footage_is_left_out_and_never_deleted(workspace, tmp_path, monkeypatch):
    """The file stays with its bytes; it is listed as left out, and not hashed each time."""
    own = tmp_path / "own" / "mine.mp4"
    before = own.read_bytes()
    done = reelabel.forget(workspace, ["mine.mp4"])
    assert (done.own, done.files) == ((str(own),), ())
    assert own.read_bytes() == before
    notes = reelabel.register(workspace, quiet=True).notes["all"]
    assert notes["left_out"]["forgotten"] == [str(own)]
    assert left(workspace) == ALL - {"mine.mp4"}
    hashed, real = [], home.content_id
    monkeypatch.setattr(home, "content_id", lambda path: (hashed.append(path.name), real(path))[1])
    shutil.copy(workspace.root / "downloads/list/third.mp4", tmp_path / "own" / "copy.mp4")
    reelabel.register(workspace, quiet=True)
    assert hashed == ["copy.mp4"]


@pytest.mark.usefixtures("fetched")
def test_a_copy_of_forgotten_footage_is_left_out_too(workspace, tmp_path):
    """Content counts, not the name: under another name it does not come back."""
    raw = (workspace.root / "downloads/list/third.mp4").read_bytes()
    reelabel.forget(workspace, ["third"])
    (tmp_path / "own" / "innocent.mp4").write_bytes(raw)
    assert left(workspace) == ALL - {"third.mp4"}


def test_a_name_of_several_is_refused(workspace, fetched, make_disc_clip, tmp_path):
    """Two wants of one name need their source, and two files of one name their folder."""
    clip = make_disc_clip(tmp_path / "another.mp4", seed=7)
    fetched.add("second", "third", clip)
    fetched.write()
    with pytest.raises(UsageError, match="list/third, second/third"):
        reelabel.forget(workspace, ["third"])
    reelabel.register(workspace, quiet=True)
    with pytest.raises(UsageError, match=r"name of one video.*third\.mp4"):
        reelabel.forget(workspace, ["third.mp4"])
    assert len(reelabel.forget(workspace, ["second/third"]).videos) == 1
    assert left(workspace) == ALL


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"videos": ["thirt.mp4"]}, "did you mean 'third.mp4'"),
        ({"videos": []}, "name them"),
        ({"source": "k40"}, r"a source of this workspace \(k400, list\)"),
    ],
)
@pytest.mark.usefixtures("fetched")
def test_what_means_nothing_is_refused(workspace, arguments, message):
    """Nothing is changed, and the error names what there is."""
    with pytest.raises(UsageError, match=message):
        reelabel.forget(workspace, **arguments)
    assert left(workspace) == ALL


@pytest.mark.usefixtures("fetched")
def test_links_are_not_followed(workspace, tmp_path):
    """What a link leads to, outside the workspace, is never touched."""
    video_id = next(v.video_id for v in workspace.videos() if v.name == "third.mp4")
    outside = tmp_path / "outside"
    (outside / video_id).mkdir(parents=True)
    (outside / video_id / "0.jpg").write_bytes(b"mine")
    (outside / ".reelabel-export").write_text("x")
    (workspace.root / "frames").mkdir(exist_ok=True)
    (workspace.root / "frames" / video_id).symlink_to(outside / video_id)
    (workspace.root / "exports").symlink_to(outside)
    (workspace.root / "linked").symlink_to(outside)
    reelabel.forget(workspace, ["third"])
    assert (outside / video_id / "0.jpg").read_bytes() == b"mine"
    assert not (workspace.root / "frames" / video_id).is_symlink()


def test_leftovers_of_a_download_go_too(workspace, fetched):
    """Parts and notes beside the file are removed, and the journal's lines about it."""
    folder = workspace.root / "downloads" / "list"
    (folder / "third.mp4.part").write_bytes(b"x")
    (folder / "thirdly.mp4").write_bytes(b"y")
    lines = ['{"want_id": "third", "title": "t"}\n', '{"want_id": "thirdly"}\n', '{"want_id": "thi']
    (folder / "journal.jsonl").write_text("".join(lines))
    reelabel.forget(workspace, ["third"])
    assert {path.name for path in folder.iterdir()} == {"thirdly.mp4", "journal.jsonl"}
    assert (folder / "journal.jsonl").read_text() == "".join(lines[1:])


@pytest.mark.usefixtures("fetched")
def test_the_command_asks(workspace, reelabel, monkeypatch):
    """It prints what it will do; without a yes it does nothing, and `--yes` does not ask."""
    code, out, _ = reelabel("forget", workspace.root, "--dry-run", "--", "-dash-1")
    assert code == 0
    assert "-dash-1.mp4" in out
    assert (workspace.root / "downloads/k400/-dash-1.mp4").exists()
    monkeypatch.setattr("click.confirm", lambda *_: False)
    code, out, _ = reelabel("forget", workspace.root, "third")
    assert "nothing was changed" in out
    code, out, _ = reelabel("forget", workspace.root, "third", "--yes")
    assert code == 0
    assert "1 video with all frames" in out
    assert "reelabel run" in out
    assert not (workspace.root / "downloads/list/third.mp4").exists()
    assert VIDEOS.name in {path.name for path in (workspace.root / "tables").iterdir()}


@pytest.mark.usefixtures("fetched")
def test_imported_truth_of_forgotten_videos_alone_is_removed(workspace):
    """A file that holds nothing any more is no setting any more: the next run goes on."""
    video_id = next(v.video_id for v in workspace.videos() if v.name == "third.mp4")
    image = ImageEntry("", video=video_id, pts=0, width=160, height=96)
    path = workspace.root / "imports" / "truth.json"
    write_coco(path, Dataset(("disc",), (image,), (Boxes.empty(),)))
    set_key(workspace.config_path, "truth", "imports/truth.json")
    reelabel.forget(workspace, ["third"])
    assert not path.exists()
    assert read_config(workspace).project.truth is None


@pytest.mark.usefixtures("fetched")
def test_what_killed_writes_left_goes_too(workspace):
    """Half-written files and exports may hold pictures of the video."""
    picture = workspace.root / "frames" / "x" / "1.jpg"
    video_id = next(v.video_id for v in workspace.videos() if v.name == "third.mp4")
    own = workspace.root / "frames" / video_id / "0.jpg"
    export = workspace.root / ".out.12.abcdef01.tmp" / "images" / "a.jpg"
    for path in (picture, own, export):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"a picture")
    scratch = workspace.root / "tables" / "videos" / ".v.parquet.12.abcdef01.tmp"
    scratch.write_bytes(b"PAR1\0rows")
    reelabel.forget(workspace, ["third"])
    assert not any(path.exists() for path in (picture, own, export, scratch))


@pytest.mark.usefixtures("fetched")
def test_rows_of_other_videos_lose_what_is_about_it(workspace):
    """A duplicate of its frame goes, a note loses its name; the rest stays and is stale."""
    ids = {v.name: v.video_id for v in workspace.videos()}
    mine, third = ids["mine.mp4"], ids["third.mp4"]
    same = {"video_id": mine, "similarity": 1.0, "rule": "hash", "kept_pts": 0}
    kept = [third, mine]
    rows = [same | {"pts": i, "kept_video_id": video_id} for i, video_id in enumerate(kept)]
    notes = {"like": "third.mp4, frame 3", "count": 2}
    table = DUPLICATES.from_rows(rows)
    workspace.write(DUPLICATES, mine, table, fingerprint="f", notes=notes)
    reelabel.forget(workspace, ["third"])
    assert workspace.read(DUPLICATES, mine).to_pylist() == rows[1:]
    receipt = workspace.receipt(DUPLICATES, mine)
    assert receipt.notes == {"like": "forgotten, frame 3", "count": 2}
    assert receipt.fingerprint != "f"
