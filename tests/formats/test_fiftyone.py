"""Folders as FiftyOne writes them: class lists, pictures in folders, and COCO by the same name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from reelabel.formats.class_import import read_people_classes
from reelabel.formats.coco import truth_pictures
from reelabel.formats.registry import detect_format, read_boxes


def put(folder: Path, content: object, picture: Path, *names: str) -> Path:
    """Write labels.json, and pictures of 64 x 48 pixels in ``data``; return the folder."""
    for name in names:
        (folder / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(picture, folder / "data" / name)
    (folder / "labels.json").write_text(json.dumps(content))
    return folder


def box(label: object) -> dict[str, object]:
    """Return a box on the middle quarter of a picture: 16,12 - 48,36."""
    return {"label": label, "bounding_box": [0.25, 0.25, 0.5, 0.5]}


@pytest.mark.parametrize("classes", [{"classes": None}, {}, {"classes": []}])
def test_labels_without_a_class_list_are_names(tmp_path: Path, picture: Path, classes):
    """FiftyOne leaves it null for data sets without class lists; names come in their order."""
    content = classes | {"labels": {"a": [box("dog"), box("ball")], "b": [box("dog")], "c": []}}
    folder = put(tmp_path, content, picture, "a.png", "b.png", "c.png")
    assert detect_format(folder) == "fiftyone"
    data = read_boxes(folder, "fiftyone")
    assert data.classes == ("dog", "ball")
    assert [boxes.class_id.tolist() for boxes in data.boxes] == [[0, 1], [0], []]
    assert data.boxes[0].xyxy.tolist() == [[16, 12, 48, 36]] * 2


@pytest.mark.parametrize("keys", [["s/a", "t/a"], ["s/a.png", "t/a.png"], ["s\\a", "t\\a"]])
def test_keys_with_folders_find_their_pictures(tmp_path: Path, picture: Path, keys: list[str]):
    """With suffix or without: ``s/a`` is data/s/a.png, and not the picture of that name in t."""
    content = {"classes": ["ball"], "labels": {key: [box(0)] for key in keys}}
    data = read_boxes(put(tmp_path, content, picture, "s/a.png", "t/a.png"), "fiftyone")
    assert [image.file_name for image in data.images] == ["data/s/a.png", "data/t/a.png"]


@pytest.mark.parametrize("keys", [["s/a", "t/a", "s/b"], ["s\\a.png", "t\\a.png", "s\\b.png"]])
def test_keys_of_classes_find_their_pictures_too(tmp_path: Path, picture: Path, keys: list[str]):
    """With folders where two pictures have one name, which no tag could tell apart."""
    content = {"classes": ["in", "out"], "labels": dict(zip(keys, (0, 1, 1), strict=True))}
    folder = put(tmp_path, content, picture, "s/a.png", "t/a.png", "s/b.png")
    rows = read_people_classes(folder).rows
    found = [(row.video, row.category) for row in rows]
    assert found == [("s/a.png", "in"), ("t/a.png", "out"), ("b.png", "out")]


@pytest.mark.parametrize("name", ["", "labels.json"])
def test_coco_by_the_name_of_labels_json_is_coco(tmp_path: Path, picture: Path, name: str):
    """As a `COCODetectionDataset` is written: the content decides, pictures lie in ``data``."""
    content = {
        "images": [{"id": 1, "file_name": "s/a.png", "width": 64, "height": 48}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 0, "bbox": [16, 12, 32, 24]}],
        "categories": [{"id": 0, "name": "ball", "supercategory": None}],
    }
    folder = put(tmp_path, content, picture, "s/a.png")
    assert detect_format(folder / name) == "coco"
    data = read_boxes(folder / name, "coco")
    assert [image.file_name for image in data.images] == ["data/s/a.png"]
    assert data.boxes[0].xyxy.tolist() == [[16, 12, 48, 36]]
    assert truth_pictures(folder / "labels.json") == [folder / "data/s/a.png"]
