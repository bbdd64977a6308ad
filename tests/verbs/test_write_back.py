"""Mined frames and a round's data set, written behind what a COCO file holds already."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from pycocotools.coco import COCO

import reelabel as api
from reelabel.data.states import POSITIVE
from reelabel.engine.run import Options
from reelabel.errors import FormatError, UsageError
from reelabel.formats.coco import read_coco
from reelabel.formats.detections_txt import write_detections
from reelabel.formats.entries import to_entries
from reelabel.pipeline import read_config, run
from reelabel.verbs.init import init
from reelabel.workspace.results import Decision

from .conftest import copied

FRAMES = 11
SURE = [150, 60, 45, 45, 0.99]
LONE = [60, 60, 45, 45, 0.9]
OLD = {
    "info": {"year": 2014},
    "images": [{"id": 5, "file_name": "a.jpg", "width": 9, "height": 9, "own": [1]}],
    "annotations": [
        {"id": 8, "image_id": 5, "category_id": 18, "bbox": [1, 1, 2, 2], "area": 1.5, "own": {}}
    ],
    "categories": [{"id": 18, "name": "dog"}],
}


@pytest.fixture
def text(tmp_path):
    """Return detections: a lone box in frame 6, sure ones beside it and over the edge."""
    blocks = [np.zeros((0, 5)) for _ in range(FRAMES)]
    blocks[5] = np.array([
        SURE,
        LONE,
        [300, 5, 40, 40, 0.85],
        [400, 5, 9, 9, 0.85],
        [9, 9, 9, 9, 0.1],
    ])
    write_detections(tmp_path / "d.txt", blocks)
    return tmp_path / "d.txt"


@pytest.fixture
def old(tmp_path):
    """Return a COCO file that people made elsewhere."""
    (tmp_path / "old.json").write_text(json.dumps(OLD))
    return tmp_path / "old.json"


@pytest.fixture
def mine(text, tmp_path, reelabel):
    """Return a function that mines a video through the command line."""

    def call(video, *flags):
        out = ("--alpha", 2, "--out", tmp_path / "m.txt", "--quiet")
        return reelabel("flicker", video, text, *out, *flags)

    return call


def test_kept_boxes_are_annotations_and_hard_negatives_are_not(video, old, tmp_path, mine):
    """The file's own entries stay; the frame comes behind, boxes cut at its edge, areas real."""
    new = tmp_path / "new.json"
    flags = ("--coco-in", old, "--coco-out", new)
    code, out, _ = mine(video, *flags)
    assert code == 0
    assert f"{new}: 1 picture added, with 2 boxes and 1 hard negative" in out
    made = json.loads(new.read_text())
    assert json.loads(old.read_text()) == OLD
    assert {key: made[key][:1] for key in ("images", "annotations", "categories")} == {
        key: OLD[key] for key in ("images", "annotations", "categories")
    }
    (image,) = made["images"][1:]
    assert (image["id"], image["file_name"]) == (6, "still/frame6.jpg")
    assert (image["width"], image["height"], image["video"]) == (320, 180, "still.mp4")
    assert image["frame_index"] == 5
    (negative,) = image["hard_negatives"]
    assert (negative["bbox"], negative["category"], negative["score"]) == (LONE[:4], "dog", 0.9)
    told = [(a["id"], a["image_id"], a["bbox"], a["area"]) for a in made["annotations"][1:]]
    assert told == [(9, 6, SURE[:4], 2025), (10, 6, [300, 5, 20, 40], 800)]
    assert [a["score"] for a in made["annotations"][1:]] == [0.99, 0.85]
    assert sorted(COCO(str(new)).getAnnIds(catIds=[18])) == [8, 9, 10]


def test_mining_twice_adds_once_and_two_videos_keep_apart(video, old, tmp_path, mine):
    """In place too: what is there is left alone; another video has a folder of its own."""
    flags = ("--coco-in", old, "--coco-out", old)
    assert mine(video, *flags)[0] == 0
    once = old.read_text()
    code, out, _ = mine(video, *flags)
    assert (code, "1 picture in the file already" in out) == (0, True)
    assert old.read_text() == once
    other = shutil.copy(video, tmp_path / "other.mp4")
    assert mine(other, *flags)[0] == 0
    assert [i["file_name"] for i in json.loads(old.read_text())["images"]] == [
        "a.jpg",
        "still/frame6.jpg",
        "other/frame6.jpg",
    ]
    code, _, err = mine(other, *flags, "--image-prefix", "still/")
    assert (code, "another folder" in err) == (5, True)


def test_a_file_can_begin_empty(video, text, tmp_path):
    """Without a file to begin with, the class must be named."""
    new = tmp_path / "new.json"
    with pytest.raises(UsageError, match="--class"):
        api.flicker(video, text, alpha=2, coco_out=new)
    found = api.flicker(video, text, alpha=2, coco_out=new, category="cat")
    assert (found.added.images, found.added.new_classes) == (1, ("cat",))
    made = read_coco(new)
    assert made.classes == ("cat",)
    assert [entry.state for entry in to_entries(made.boxes[0])] == ["positive"] * 2 + ["negative"]


def test_what_is_wrong_is_said_before_mining(video, tmp_path, mine):
    """Flags without a file to write, no class, no COCO file: nothing is mined or made."""
    (tmp_path / "two.json").write_text(
        json.dumps(OLD | {"categories": [{"id": 1, "name": "dog"}, {"id": 2, "name": "cat"}]})
    )
    (tmp_path / "list.json").write_text("[]")
    new = ("--coco-out", tmp_path / "new.json", "--frames", tmp_path / "frames", "--coco-in")
    for flags, exit_code, said in (
        (("--class", "dog"), 2, "--coco-out"),
        (("--coco-in", "x.json"), 2, "--coco-out"),
        ((*new, tmp_path / "two.json"), 2, "dog, cat"),
        ((*new, tmp_path / "list.json"), 5, "'images'"),
        ((*new, tmp_path / "none.json"), 5, "none.json"),
    ):
        code, _, err = mine(video, *flags)
        assert (code, said in err) == (exit_code, True), err
    assert not {"m.txt", "new.json", "frames"} & {p.name for p in tmp_path.iterdir()}


# -- a round's data set --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def labelled(disc_clips, tmp_path_factory):
    """Return a workspace with a data set of one class."""
    folder = tmp_path_factory.mktemp("labelled")
    (folder / "footage").mkdir()
    for each in disc_clips:
        shutil.copy(each, folder / "footage")
    workspace = init(
        folder / "w",
        classes=["disc"],
        videos=[folder / "footage"],
        detector="fake:",
        settings={"sample": {"every": 4}, "engine": {"workers": 1}},
    )
    run(workspace, read_config(workspace), Options(quiet=True), until="split")
    return workspace


def test_a_data_set_is_written_behind_a_file(labelled, old, tmp_path, reelabel):
    """Only what is trained on joins it; pictures lie beside, and the file itself stays."""
    code, out, err = reelabel("export", labelled.root, tmp_path / "out", "--into", old)
    assert (code, err) == (0, "")
    assert "new categories: disc" in out
    assert json.loads(old.read_text()) == OLD
    made = json.loads((tmp_path / "out/annotations/instances_train.json").read_text())
    assert made["images"][:1] == OLD["images"]
    assert made["annotations"][:1] == OLD["annotations"]
    assert made["info"] == OLD["info"]
    plain = api.export(labelled, tmp_path / "plain") / "annotations"
    alone = {name: read_coco(plain / f"instances_{name}.json") for name in ("train", "val")}
    assert [i["file_name"] for i in made["images"][1:]] == [
        i.file_name for i in alone["train"].images
    ]
    objects = sum(int(boxes.has_state(POSITIVE).sum()) for boxes in alone["train"].boxes)
    assert len(made["annotations"]) - 1 == objects > 0
    for image in made["images"][1:]:
        assert (tmp_path / "out/images/train" / image["file_name"]).is_file()
        assert image["complete_categories"] == [19]
    val = (tmp_path / "out/annotations/instances_val.json").read_text()
    assert val == (plain / "instances_val.json").read_text()
    assert len(COCO(str(tmp_path / "out/annotations/instances_train.json")).getImgIds()) == len(
        made["images"]
    )


def test_exporting_behind_what_was_exported_adds_nothing(labelled, old, tmp_path):
    """The pictures are known again by their names."""
    told = []
    first = api.export(labelled, tmp_path / "a", into=old) / "annotations/instances_train.json"
    again = api.export(labelled, tmp_path / "b", into=first, on_message=told.append)
    assert (again / "annotations/instances_train.json").read_text() == first.read_text()
    assert told[0].startswith("round 0: ")
    assert told[1].startswith("0 pictures added")


def test_an_export_states_what_it_holds_and_where_the_best_model_is(labelled, tmp_path):
    """The round and its counts, as read back; another round is named if its student is best."""
    told, labelled = [], copied(labelled, tmp_path)
    home = api.export(labelled, tmp_path / "a", on_message=told.append) / "annotations"
    sides = {side: read_coco(home / f"instances_{side}.json") for side in ("train", "val")}
    counts = ", ".join(f"{side} {len(data.images)}" for side, data in sides.items())
    boxes = sum(int(b.has_state(POSITIVE).sum()) for data in sides.values() for b in data.boxes)
    images = sum(len(data.images) for data in sides.values())
    assert told == [f"round 0: {images} pictures, {boxes} boxes ({counts})"]
    shutil.copytree(labelled.round_dir(0), labelled.round_dir(1))
    for number, action in enumerate(["advance", "stop"]):
        decision = Decision(number, action, "round:0", "round:0", "for this test")
        decision.save(labelled.round_dir(number))
    api.export(labelled, tmp_path / "b", on_message=told.append)
    assert told[1].startswith("round 1: ")
    assert told[2].startswith("the best model is the student of round 0: --round 0 exports")
    api.export(labelled, tmp_path / "c", round=1, on_message=told.append)
    assert len(told) == 4, "who names a round is not told of another"


def test_only_coco_is_written_behind_a_file(labelled, old, tmp_path):
    """Other formats and damaged files are refused before anything is made."""
    with pytest.raises(UsageError, match=r"only coco.*'yolo'"):
        api.export(labelled, tmp_path / "out", format="yolo", into=old)
    old.write_text("{}")
    with pytest.raises(FormatError, match="'images'"):
        api.export(labelled, tmp_path / "out", into=old)
    assert not (tmp_path / "out").exists()
