"""Folders as FiftyOne writes them: class lists, pictures in folders, and COCO by the same name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from reelabel.errors import FormatError
from reelabel.formats.class_import import read_people_classes
from reelabel.formats.coco import truth_pictures
from reelabel.formats.entries import to_entries
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


def test_pictures_that_nobody_labelled_are_told(tmp_path: Path, picture: Path):
    """Null is no background: the picture is left out, and named."""
    content = {"classes": ["ball"], "labels": {"a": None, "b": []}}
    data = read_boxes(put(tmp_path, content, picture, "a.png", "b.png"), "fiftyone")
    assert [image.file_name for image in data.images] == ["data/b.png"]
    (sentence,) = data.not_read
    assert sentence.startswith("1 picture that nobody labelled")
    assert sentence.endswith(": a")


def test_labels_without_any_picture_keep_their_names(tmp_path: Path):
    """An export of labels alone: boxes are shares of a picture that its name leads to."""
    content = {"classes": ["ball"], "labels": {"00000000000000aa_5": [box(0)]}}
    (tmp_path / "labels.json").write_text(json.dumps(content))
    data = read_boxes(tmp_path, detect_format(tmp_path))
    (image,), (boxes,) = data.images, data.boxes
    assert image.file_name == "data/00000000000000aa_5.jpg"
    assert (boxes.xyxy / ([*image.size_wh] * 2)).tolist() == [[0.25, 0.25, 0.75, 0.75]]


# -- FiftyOneDataset ------------------------------------------------------------------------------

Sample = dict[str, object]


def sample(path: str, *tags: str, **fields: object) -> Sample:
    """Return a sample as FiftyOne writes it."""
    known = {"_id": {"$oid": "6b09fff5680383c1d4f12b14"}, "_media_type": "image"}
    return known | {"filepath": path, "tags": list(tags)} | fields


def detections(*labels: str, **attributes: object) -> Sample:
    """Return a field of boxes."""
    rows = [{"_cls": "Detection", "tags": [], **box(label), **attributes} for label in labels]
    return {"_cls": "Detections", "detections": rows}


def native(folder: Path, *samples: Sample, **metadata: object) -> Path:
    """Write a data set in FiftyOne's own format, without pictures; return the folder."""
    (folder / "samples.json").write_text(json.dumps({"samples": samples}))
    (folder / "metadata.json").write_text(json.dumps({"media_type": "image"} | metadata))
    return folder


@pytest.mark.parametrize("name", ["", "samples.json"])
def test_a_data_set_in_its_own_format_is_read(tmp_path: Path, picture: Path, name: str):
    """Boxes, background, scores, tracks and origins; tags that are splits; null is left out."""
    put(tmp_path, {}, picture, "s/a.png", "b.png", "c.png")
    (tmp_path / "labels.json").unlink()
    native(
        tmp_path,
        sample(
            "data/s/a.png", "seen", "validation", truth=detections("ball", index=3, confidence=0.5)
        ),
        sample("data/b.png", truth=detections()),
        sample("data/c.png", "test", truth=None),
        default_classes=["dog", "ball"],
    )
    assert detect_format(tmp_path / name) == "fiftyone"
    data = read_boxes(tmp_path / name, "fiftyone")
    assert [(i.file_name, i.split) for i in data.images] == [
        ("data/s/a.png", "val"),
        ("data/b.png", ""),
    ]
    assert data.classes == ("dog", "ball")
    (entry,) = to_entries(data.boxes[0])
    assert (entry.xyxy, entry.class_id) == ((16, 12, 48, 36), 1)
    assert (entry.score, entry.track_id) == (0.5, 3)
    assert len(data.boxes[1]) == 0
    assert len(data.not_read) == 1


def test_ground_truth_counts_before_other_fields(tmp_path: Path):
    """Boxes of a model beside it are none of its labels."""
    fields = {"ground_truth": detections("ball"), "predictions": detections("dog")}
    data = read_boxes(native(tmp_path, sample("/x/a.jpg", **fields)), "fiftyone")
    assert data.used_classes == ("ball",)
    assert [image.file_name for image in data.images] == ["/x/a.jpg"]


@pytest.mark.parametrize(
    ("fields", "came"),
    [
        ({"one": detections("ball"), "two": detections("ball")}, "there are one, two"),
        ({"one": {"_cls": "Classification", "label": "ball"}}, "there is none"),
    ],
)
def test_an_open_choice_of_fields_is_refused(tmp_path: Path, fields: Sample, came: str):
    """The message names the fields, and how to export one."""
    folder = native(tmp_path, sample("data/a.jpg", **fields))
    with pytest.raises(FormatError, match=rf"samples\.json.*{came}.*select_fields"):
        read_boxes(folder, "fiftyone")


def test_classes_in_its_own_format_are_read(tmp_path: Path):
    """One class of a picture; of several, those that it has not are wrong."""
    one = {"_cls": "Classification", "label": "in"}
    folder = native(tmp_path, sample("data/a.jpg", scene=one), sample("data/b.jpg", scene=None))
    assert [(r.video, r.category) for r in read_people_classes(folder).rows] == [("a.jpg", "in")]
    several = {"_cls": "Classifications", "classifications": [{"label": "in"}]}
    native(tmp_path, sample("data/a.jpg", scene=several), classes={"scene": ["in", "out"]})
    rows = read_people_classes(folder / "samples.json").rows
    assert [(r.category, r.right) for r in rows] == [("in", True), ("out", False)]
