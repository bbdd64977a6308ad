"""YOLO folders as other tools write them: what they predict, name and list."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from reelabel.errors import FormatError
from reelabel.formats.yolo import read_yolo
from reelabel.formats.yolo_labels import read_yolo_labels

SHAPES = {
    "box": ("0 0.5 0.5 0.25 0.5", None),
    "oriented": ("0 0.375 0.25 0.625 0.25 0.625 0.75 0.375 0.75", None),
    "polygon": ("0 0.375 0.25 0.5 0.25 0.625 0.5 0.625 0.75 0.375 0.75", None),
    "key points": ("0 0.5 0.5 0.25 0.5 0.5 0.5 2 0.4 0.4 2", (2, 3)),
    "points": ("0 0.5 0.5 0.25 0.5 0.5 0.5 0.4 0.4", (2, 2)),
}
ENDINGS = [
    (["", ""], [(None, None)] * 2),
    ([" 0.875", " 0.5"], [(0.875, None), (0.5, None)]),
    ([" 3", " 12"], [(None, 3), (None, 12)]),
    ([" 0.875 1", " 0.5 12"], [(0.875, 1), (0.5, 12)]),
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("endings", "found"), ENDINGS)
def test_every_shape_may_have_a_score_and_a_track(tmp_path, shape, endings, found):
    """What Ultralytics puts behind a shape is no coordinate of it: the box stays the same."""
    line, kpt_shape = SHAPES[shape]
    path = tmp_path / "a.txt"
    path.write_text("".join(f"{line}{ending}\n" for ending in endings))
    read = read_yolo_labels(path, ["ball"], (64, 48), kpt_shape=kpt_shape)
    assert {entry.xywh for entry in read} == {(24, 12, 16, 24)}
    assert [(entry.score, entry.track_id) for entry in read] == found


def test_a_polygon_that_lost_a_number_is_no_scored_one(tmp_path):
    """Where another line has no score, an odd number of coordinates is refused."""
    path = tmp_path / "a.txt"
    lost = SHAPES["polygon"][0].rpartition(" ")[0]
    path.write_text(f"{SHAPES['polygon'][0]}\n{lost}\n")
    with pytest.raises(FormatError, match="line 2: expected"):
        read_yolo_labels(path, ["ball"], (64, 48))


@pytest.mark.parametrize("text", ["1", "1.0", "1.000000", "1.000000000000000000e+00", "10e-1"])
def test_class_numbers_may_be_written_as_fractions(tmp_path, text):
    """Whatever numpy makes of a whole number is that number."""
    path = tmp_path / "a.txt"
    path.write_text(f"{text} 0.5 0.5 0.25 0.5\n")
    assert [e.class_id for e in read_yolo_labels(path, ["a", "b"], (64, 48))] == [1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of two pictures with a label each, and no description."""
    for split in ("train", "val"):
        for kind in ("images", "labels"):
            (tmp_path / kind / split).mkdir(parents=True)
        picture = tmp_path / f"images/{split}/{split}.jpg"
        cv2.imwrite(str(picture), np.zeros((48, 64, 3), np.uint8))
        (tmp_path / f"labels/{split}/{split}.txt").write_text("1 0.5 0.5 0.25 0.5\n")
    return tmp_path


@pytest.mark.parametrize("style", ["[{0}, {1}]", "{{0: {0}, 1: {1}}}"])
@pytest.mark.parametrize("names", [("yes", "no"), ("on", "off"), ("1.10", "1e3"), ("~", "007")])
def test_class_names_are_the_text_that_stands_there(folder, style, names):
    """A name that YAML takes for a truth value, number or null is the name as it is written."""
    text = style.format(*names)
    (folder / "data.yaml").write_text(f"train: images/train\nval: images/val\nnames: {text}\n")
    found = read_yolo(folder)
    assert found.classes == names
    assert {int(each) for boxes in found.boxes for each in boxes.class_id} == {1}


PREFIXES = ["", "./", "../", "data/", "/home/other/data/", "C:\\other\\data\\", "../../x/data/"]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("described", ["data.yaml", "obj.names"])
def test_lists_of_pictures_may_be_of_another_place(folder, prefix, described):
    """The end of a path leads to the picture and its split, whatever stands before it."""
    for split in ("train", "val"):
        name = f"{prefix}images/{split}/{split}.jpg"
        name = name.replace("/", "\\") if "\\" in prefix else name
        (folder / f"{split}.txt").write_text(f"{name}\r\n")
    yaml = "train: train.txt\nval: val.txt\nnames: [a, b]\n"
    (folder / described).write_text(yaml if described == "data.yaml" else "a\nb\n")
    found = read_yolo(folder)
    assert {(image.file_name, image.split) for image in found.images} == {
        (f"images/{split}/{split}.jpg", split) for split in ("train", "val")
    }
    assert found.not_read == ()


def test_lists_of_darknet_give_the_split_of_pictures_that_lie_anywhere(tmp_path):
    """Pictures beside their labels have the split of the list that names them, others none."""
    (tmp_path / "obj.names").write_text("a\n")
    for name in ("one", "two", "three"):
        cv2.imwrite(str(tmp_path / f"{name}.jpg"), np.zeros((48, 64, 3), np.uint8))
        (tmp_path / f"{name}.txt").write_text("0 0.5 0.5 0.25 0.5\n")
    (tmp_path / "train.txt").write_text("data/one.jpg\n")
    (tmp_path / "valid.txt").write_text("data/two.jpg\n")
    splits = {image.file_name: image.split for image in read_yolo(tmp_path).images}
    assert splits == {"one.jpg": "train", "two.jpg": "val", "three.jpg": ""}


def test_a_list_names_pictures_that_are_there(folder):
    """A picture that is nowhere in the folder is named with its list."""
    (folder / "train.txt").write_text("/data/images/train/gone.jpg\n")
    (folder / "data.yaml").write_text("train: train.txt\nnames: [a, b]\n")
    with pytest.raises(FormatError, match=r"train.txt: .*gone.jpg"):
        read_yolo(folder)
