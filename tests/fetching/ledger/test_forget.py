"""Forgetting: no frame, label or export of the workspace keeps a clip, and a run goes on."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from fractions import Fraction
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest

import reelabel
from reelabel.media.encode import VideoWriter
from reelabel.media.video import decode
from reelabel.sources.forgetting import removal
from reelabel.workspace import Workspace
from reelabel.workspace.forgotten import read_forgotten
from reelabel.workspace.results import SplitReport

PICTURES = {".jpg", ".jpeg", ".png"}
KEEP_IDS = {"forgotten.json", "model.json"}
"""Files that go on holding ids, which are hashes: the list, and what a model was trained on."""
SAME = 0.97
"""Correlation of two small grey pictures from which they count as the same scene."""

BOXES = {
    "train": {"student": "fake"},
    "evaluate": {"resamples": 10},
    "detect": {"frames": "all"},
    "engine": {"workers": 1},
}
CLASSES = {
    "sample": {"per_video": 4},
    "clean": {"contradicts": {"enabled": False}},
    "train": {"student": "fake"},
}
CLIPS = CLASSES | {"window": {"frames": 3, "step_s": 0.2}}
COLOURS = {"red": (150, 80, 80), "green": (80, 150, 80)}
TASKS = ("detect", "classify-frames", "classify-clips")
EXPORTS = {
    "detect": ("coco", "yolo", "voc", "detections-txt"),
    "classify-frames": ("image-folder", "class-csv", "fiftyone"),
    "classify-clips": ("image-folder", "class-csv", "fiftyone", "kinetics-csv"),
}


def film(path, colour, seed):
    """Write a film of one colour on a ground of its own, over which a bright disc moves."""
    rng = np.random.default_rng(seed)
    ground = rng.integers(-60, 60, (4, 6, 1)).repeat(12, axis=0).repeat(12, axis=1)
    y, x = np.mgrid[:48, :72]
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, time_base=Fraction(1, 10), rate=Fraction(10)) as writer:
        for t in range(12):
            picture = np.clip(np.array(colour) + ground + rng.integers(-4, 4, (48, 72, 1)), 0, 255)
            picture[(x - 8 - 4 * t) ** 2 + (y - 24) ** 2 < 20] = 250
            writer.write(picture.astype(np.uint8), t)
    return path


@pytest.fixture(scope="module")
def colour_clips(tmp_path_factory):
    """Return four clips of each of two colours, no two with the same ground."""
    home = tmp_path_factory.mktemp("colours")
    return {
        f"{name}{i}": film(home / f"{name}{i}.mp4", colour, 10 * number + i)
        for number, (name, colour) in enumerate(COLOURS.items())
        for i in range(4)
    }


def boxes(root, clips, fetched_footage):
    """Return a workspace of boxes: two clips of the user, two that were fetched, with truth."""
    own = root.parent / "own"
    own.mkdir(parents=True)
    for clip in clips[:2]:
        shutil.copy(clip, own)
    ws = reelabel.init(root, classes=["disc"], videos=[own], detector="fake:", settings=BOXES)
    fetched = fetched_footage(root)
    fetched.add("k400", "abcdefghijk", clips[2], url="https://example.org/watch?v=abcdefghijk")
    fetched.add("k400", "-zyxwvutsrq", clips[3])
    fetched.add("k400", "not-there-1", None)
    fetched.write()
    return ws


def classes(root, clips, fetched_footage, task):
    """Return a workspace of classes: the first clip of each class was fetched, with truth."""
    own = root.parent / "own"
    for name, clip in clips.items():
        if not name.endswith("0"):
            (own / name[:-1]).mkdir(parents=True, exist_ok=True)
            shutil.copy(clip, own / name[:-1])
    tags = root.parent / "tags.csv"
    rows = [f"{name}.mp4,{name[:-1]}" for name in clips]
    tags.write_text("\n".join(["video,class", *rows]))
    ws = reelabel.init(
        root,
        task=task,
        classes=["red", "green"],
        videos=[own],
        tags=tags,
        settings=CLIPS if task == "classify-clips" else CLASSES,
    )
    fetched = fetched_footage(root)
    for name, clip in clips.items():
        if name.endswith("0"):
            fetched.add("list", name, clip)
    fetched.write()
    return ws


@pytest.fixture(scope="module", params=TASKS)
def finished(request, tmp_path_factory, disc_clips, *, colour_clips, fetched_footage):
    """Return a finished workspace of each task with all that can be made of it."""
    root = tmp_path_factory.mktemp(request.param) / "w"
    if request.param == "detect":
        ws = boxes(root, disc_clips, fetched_footage)
        reelabel.run(ws, until="merge", quiet=True)
        out = reelabel.run(ws, until="split", quiet=True)
        coco = root.parent / "drawn.json"
        reelabel.export(ws, root.parent / "coco", format="coco")
        shutil.copy(root.parent / "coco" / "annotations" / "train.json", coco)
        reelabel.import_labels(ws, coco, what="truth")
        assert out.exit_code == 0
    else:
        ws = classes(root, colour_clips, fetched_footage, request.param)
    done = reelabel.run(ws, quiet=True)
    assert done.exit_code == 0
    assert reelabel.report(ws).is_file()
    assert reelabel.show(ws)
    for kind in EXPORTS[request.param]:
        reelabel.export(ws, root / "exports" / kind, format=kind)
    reelabel.export(ws, root.parent / "elsewhere")
    return ws


@pytest.fixture
def workspace(finished, tmp_path) -> Workspace:
    """Return a copy of a finished workspace that may be changed, at a path of its own."""
    shutil.copytree(finished.root.parent, tmp_path / "home")
    return Workspace.open(tmp_path / "home" / "w")


def clip_of(ws):
    """Return id and path of the first fetched video."""
    rows = {v.video_id: v for v in ws.videos() if "downloads" in v.path.parts}
    video_id = min(rows)
    return video_id, rows[video_id].path


def small(picture):
    """Return a picture as 24 x 16 grey values with mean 0 and length 1."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) if picture.ndim == 3 else picture
    values = cv2.resize(grey, (24, 16), interpolation=cv2.INTER_AREA).astype(np.float64).ravel()
    values -= values.mean()
    return values / max(np.linalg.norm(values), 1e-9)


def files_of(ws):
    """Return every file below a workspace."""
    return [path for path in sorted(ws.root.rglob("*")) if path.is_file()]


def pictures_of(ws, video_id):
    """Return the hashes of the pictures of a video that lie in folders of its own."""
    return {
        hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files_of(ws)
        if path.suffix in PICTURES and video_id in path.parts
    }


def keeps(ws, *, video_id, path, hashes):
    """Return every file that keeps something of a clip, with what it keeps."""
    found = []
    names = re.compile(rf"{video_id}|{re.escape(path.name)}|\b{re.escape(path.stem)}\b")
    for file in files_of(ws):
        raw = file.read_bytes()
        below = file.relative_to(ws.root).as_posix()
        if names.search(below):
            found.append((below, "called by it"))
        if hashlib.sha256(raw).hexdigest() in hashes:
            found.append((below, "the same bytes"))
        if file.suffix == ".parquet":
            table = pq.read_table(file)
            text = json.dumps(table.to_pylist(), default=str)
            text += (table.schema.metadata or {}).get(b"reelabel", b"").decode()
            if names.search(text) and file.parent.name not in ("wants", "downloads"):
                found.append((below, "a row or note"))
        elif file.name in KEEP_IDS or file.suffix in PICTURES | {".mp4"}:
            continue
        elif names.search(raw.decode("utf-8", "replace")):
            found.append((below, "a text"))
    return found


def looks(ws, path):
    """Return the pictures and films of a workspace that show a frame of a clip."""
    frames = np.stack([small(frame.rgb()) for frame in decode(path)])
    found = []
    for file in files_of(ws):
        if file.suffix in PICTURES:
            shown = [cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB)]
        elif file.suffix == ".mp4" and file != path:
            shown = [frame.rgb() for frame in decode(file)]
        else:
            continue
        if max(float((frames @ small(one)).max()) for one in shown) > SAME:
            found.append(file.relative_to(ws.root).as_posix())
    return found


def test_nothing_in_the_workspace_keeps_a_forgotten_clip(workspace, tmp_path):
    """By name, by hash, by row and by eye: before there is much of it, behind it nothing."""
    video_id, path = clip_of(workspace)
    clip = Path(shutil.copy(path, tmp_path / "clip.mp4"))
    hashes = pictures_of(workspace, video_id) | {hashlib.sha256(path.read_bytes()).hexdigest()}
    about = {"video_id": video_id, "path": path, "hashes": hashes}
    before = keeps(workspace, **about)
    assert {what for _, what in before} == {
        "called by it",
        "the same bytes",
        "a row or note",
        "a text",
    }
    assert len(looks(workspace, clip)) > 3
    others = {v.video_id for v in workspace.videos()} - {video_id}
    done = reelabel.forget(workspace, [path.name])
    assert done.removed.files > 10
    assert keeps(workspace, **about) == []
    assert looks(workspace, clip) == []
    assert {v.video_id for v in workspace.videos()} == others
    assert not path.exists()


def contents(ws):
    """Return the hash of every file below a workspace, but for its lock and times of forgetting."""
    return {
        path.relative_to(ws.root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files_of(ws)
        if path.name not in {".lock", "forgotten.json"} and path.name[0] != "_"
    }


def model_files(ws):
    """Return the hash of every file of every model."""
    return {name: value for name, value in contents(ws).items() if "/model/" in name}


def test_a_dry_run_and_a_no_change_nothing(workspace):
    """Both return what would be done, and leave every byte as it is."""
    video_id, path = clip_of(workspace)
    before = contents(workspace)
    plans = [
        reelabel.forget(workspace, [video_id], dry_run=True),
        reelabel.forget(workspace, [video_id], confirm=lambda _: False),
    ]
    for plan in plans:
        assert plan.removed is None
        assert plan.files == (str(path),)
        assert list(plan.videos.items()) == [(video_id, path.name)]
    assert contents(workspace) == before


def test_models_are_named_and_not_changed(workspace):
    """Every round whose student was trained on the clip is named; its model keeps its bytes."""
    video_id, _ = clip_of(workspace)
    trained = tuple(
        n
        for n in workspace.rounds()
        if video_id in SplitReport.load(workspace.round_dir(n)).trained
    )
    before = model_files(workspace)
    done = reelabel.forget(workspace, [video_id])
    assert done.trained == trained
    assert model_files(workspace) == before
    assert read_forgotten(workspace.root).videos[video_id].rounds == trained


def test_models_are_removed_when_asked(workspace):
    """The rounds that were trained on it go with all that rests on them."""
    ids = {v.video_id for v in workspace.videos()}
    trained = next(iter(SplitReport.load(workspace.round_dir(0)).trained & ids))
    done = reelabel.forget(workspace, [trained], models=True)
    assert done.trained[0] == 0
    assert workspace.rounds() == []
    assert not (workspace.root / "failures" / "round-0").exists()


def test_a_run_goes_on_without_it_and_it_does_not_come_back(workspace):
    """The next run finishes without the clip, also when its file is put back."""
    video_id, path = clip_of(workspace)
    raw = path.read_bytes()
    reelabel.forget(workspace, [video_id])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(raw)
    done = reelabel.run(workspace, quiet=True)
    assert done.exit_code == 0
    assert done.labels
    path.unlink()
    about = {"video_id": video_id, "path": path, "hashes": set()}
    # The user's own file of tags still names it; `tag` notes that there is no such video.
    assert {name for name, _ in keeps(workspace, **about)} <= {"tables/receipts/tag.json"}
    assert not any(result.done for result in reelabel.run(workspace, quiet=True).stages)


def test_exports_elsewhere_are_named(workspace):
    """A folder outside the workspace stays as it is; the user is told of it."""
    elsewhere = workspace.root.parent / "elsewhere2"
    reelabel.export(workspace, elsewhere)
    reelabel.export(workspace, workspace.root / "inside")
    before = sorted(p.name for p in elsewhere.rglob("*"))
    done = reelabel.forget(workspace, [clip_of(workspace)[0]])
    assert str(elsewhere) in done.exports
    assert str(workspace.root / "inside") not in done.exports
    assert sorted(p.name for p in elsewhere.rglob("*")) == before


def test_an_export_inside_loses_the_clip_alone(workspace):
    """The pictures of other videos stay in it."""
    video_id, _ = clip_of(workspace)
    folder = reelabel.export(workspace, workspace.root / "mine" / "out")
    pictures = {p for p in folder.rglob("*") if p.suffix in PICTURES}
    own = {p for p in pictures if video_id in p.name or video_id in p.parent.name}
    assert own
    assert own != pictures
    reelabel.forget(workspace, [video_id])
    assert {p for p in folder.rglob("*") if p.suffix in PICTURES} == pictures - own


class Killed(BaseException):
    """Ends a call as a signal would."""


@pytest.mark.parametrize("how", ["forget", "run"])
def test_a_removal_that_was_killed_is_finished(workspace, tmp_path, monkeypatch, *, how):
    """Killed before any of its writes, the same command or a run brings it to the same end."""
    video_id, path = clip_of(workspace)
    twin = Workspace.open(shutil.copytree(workspace.root, tmp_path / "twin"))
    whole = []
    for name in ("remove_path", "write_text"):
        real = getattr(removal, name)
        monkeypatch.setattr(removal, name, lambda *a, real=real: (whole.append(1), real(*a))[1])
    reelabel.forget(twin, [path.name])
    monkeypatch.undo()
    for last in sorted({0, 1, len(whole) // 2, len(whole) - 1}) if how == "forget" else [1]:
        each = Workspace.open(shutil.copytree(workspace.root, tmp_path / f"at{last}"))
        left = [last]

        def killed(*arguments, real, left=left):
            if not left[0]:
                raise Killed
            left[0] -= 1
            return real(*arguments)

        for name in ("remove_path", "write_text"):
            real = getattr(removal, name)
            monkeypatch.setattr(removal, name, partial(killed, real=real))
        with pytest.raises(Killed):
            reelabel.forget(each, [path.name])
        monkeypatch.undo()
        if how == "forget":
            reelabel.forget(each, [path.name])
            assert contents(each) == contents(twin)
        else:
            reelabel.run(each, until="register", quiet=True)
        copied = each.root / path.relative_to(workspace.root)
        assert not copied.exists()
        assert keeps(each, video_id=video_id, path=copied, hashes=set()) == []
        assert list(each.root.glob("_forgetting*")) == []
        assert video_id in read_forgotten(each.root).videos
        shutil.rmtree(each.root)
