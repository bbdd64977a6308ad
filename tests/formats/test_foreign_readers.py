"""Other programs read what is written: Datumaro, on which CVAT rests, supervision, pycocotools."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import supervision as sv
from pycocotools.coco import COCO

from reelabel.data.dataset import Dataset, ImageEntry
from reelabel.engine.task import found_at
from reelabel.formats.entries import Entry, to_boxes, to_entries
from reelabel.formats.registry import BOX_WRITERS, detect_format, read_boxes

Pictures = Callable[[ImageEntry], Path]

DATUMARO = """
import json, sys
import datumaro as dm
path, out, name = sys.argv[1:4]
options = json.loads(sys.argv[4])
found = dm.Environment().detect_dataset(path)
data = dm.Dataset.import_from(path, name, **options)
labels = data.categories()[dm.AnnotationType.label]
rows = []
for item in data:
    for each in item.annotations:
        if each.type == dm.AnnotationType.bbox and not each.attributes.get("outside"):
            box = [round(v, 3) for v in each.get_bbox()]
            track = each.attributes.get("track_id")
            rows.append([item.id, item.subset, labels[each.label].name, box, track])
if out:
    data.export(out, sys.argv[5], save_media=True)
print(json.dumps({"found": found, "items": len(data), "rows": rows}))
"""


@pytest.fixture(scope="session")
def foreign_python() -> Callable[..., str]:
    """Return a function that runs a text with arguments where Datumaro is; else skip."""
    python = sys.executable
    if importlib.util.find_spec("datumaro") is None:
        python = os.environ.get("FOREIGN_PYTHON", "")
    if not python:
        pytest.skip("no Datumaro: set FOREIGN_PYTHON to a Python that has it")

    def ran(text: str, *arguments: Path | str) -> str:
        done = subprocess.run(
            [python, "-W", "ignore", "-c", text, *arguments],
            capture_output=True,
            text=True,
            check=False,
            env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    return ran


@pytest.fixture(scope="session")
def datumaro(foreign_python: Callable[..., str]) -> Callable[..., dict[str, Any]]:
    """Return a function that reads a folder with Datumaro, and may export it again; else skip."""

    def read(path: Path, name: str, out: Path | str = "", as_: str = "", **options: str) -> Any:
        stdout = foreign_python(DATUMARO, path, out, name, json.dumps(options), as_)
        return json.loads(stdout.strip().splitlines()[-1])

    return read


VIDEO = "00000000000000aa"


@pytest.fixture
def ball() -> Dataset:
    """Return frames of a video: a ball of 7 x 14 pixels that moves, an empty one, and regions."""
    images = [
        ImageEntry(f"{VIDEO}_{24 * i}.jpg", 64, 48, VIDEO, i, 24 * i, split="train")
        for i in range(4)
    ]
    images[3] = replace(images[3], split="val")
    box = Entry.from_xywh
    boxes = [
        [
            box((10.0, 20.0, 7.0, 14.0), 1, track_id=5),
            box((40.0, 1.0, 12.0, 9.0), 0, state="ignore"),
        ],
        [box((12.0, 20.0, 7.0, 14.0), 1, track_id=5, score=0.5), box((0.0, 0.0, 64.0, 48.0), 0)],
        [],
        [box((14.0, 20.0, 7.0, 14.0), 1, track_id=5)],
    ]
    return Dataset(("dog", "ball"), tuple(images), tuple(map(to_boxes, boxes)))


BALL = [("ball", [10, 20, 7, 14]), ("ball", [12, 20, 7, 14]), ("ball", [14, 20, 7, 14])]
IGNORED = [40, 1, 12, 9]
"""The region to ignore, which VOC marks as difficult and Datumaro lists with that mark."""
ALL = sorted([*BALL, ("dog", [0, 0, 64, 48])])


@pytest.fixture
def write(ball: Dataset, always: Pictures, tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that writes these frames in a format and returns the folder."""

    def written(name: str) -> Path:
        folder = tmp_path / "out"
        folder.mkdir()
        found_at(BOX_WRITERS[name])(folder, ball, always)
        return folder

    return written


def objects(data: Dataset) -> list[tuple[str, list[float]]]:
    """Return class, left, top, width and height of the objects that were read, sorted."""
    return sorted(
        (data.classes[entry.class_id], list(entry.xywh))
        for boxes in data.boxes
        for entry in to_entries(boxes)
        if entry.state == "positive"
    )


def seen(read: dict[str, Any]) -> list[tuple[str, list[float]]]:
    """Return the same of what Datumaro read."""
    return sorted((name, box) for _, _, name, box, _ in read["rows"] if box != IGNORED)


@pytest.mark.parametrize(
    ("name", "theirs", "options", "pictures"),
    [
        ("coco", "coco", {}, 4),
        ("voc", "voc_detection", {"coordinate_mode": "voc-one-based"}, 4),
        ("cvat", "cvat", {}, 4),
        ("cvat-video", "cvat", {}, 5),
        ("mot", "mot_seq", {}, 4),
        ("yolo", "yolo", {}, 4),
    ],
)
def test_datumaro_reads_every_object_where_it_is(
    datumaro, write, name, theirs, *, options, pictures
):
    """Objects alone, pixel for pixel, and background pictures."""
    folder = write(name)
    read = datumaro(folder, theirs, **options)
    assert read["items"] == pictures
    assert seen(read) == ALL
    if name in {"mot", "cvat-video"}:
        assert {row[4] for row in read["rows"] if row[2] == "ball"} == {5}


@pytest.mark.parametrize("name", ["coco", "voc"])
def test_datumaro_detects_the_folder(datumaro, write, name):
    """Without being told, it recognises the layout."""
    read = datumaro(write(name), name)
    assert any(each.startswith(name) for each in read["found"])


@pytest.mark.parametrize("name", ["coco", "voc", "cvat"])
def test_boxes_come_back_from_datumaro_to_the_pixel(datumaro, write, tmp_path, name):
    """Written here, read and written by Datumaro, read here: the same boxes."""
    folder = write(name)
    datumaro(folder, name, tmp_path / "again", name)
    back = read_boxes(tmp_path / "again", detect_format(tmp_path / "again"))
    assert objects(back) == ALL


def test_voc_of_other_tools_comes_back_to_the_pixel(datumaro, write, tmp_path):
    """Datumaro, CVAT and labelImg write edges: a ball of 7 x 14 stays one of 7 x 14."""
    folder = write("coco")
    datumaro(folder, "coco", tmp_path / "again", "voc_detection")
    assert objects(read_boxes(tmp_path / "again", "voc")) == ALL


def test_supervision_reads_objects_alone_from_coco(write):
    """Regions to ignore are no annotations, so a reader without such a state sees none."""
    folder = write("coco")
    found = sv.DetectionDataset.from_coco(
        str(folder / "images/train"), str(folder / "annotations/instances_train.json")
    )
    assert sorted(len(each.xyxy) for _, _, each in found) == [0, 1, 2]


def test_pycocotools_finds_areas_and_flags(write):
    """Every annotation has its area, and none is a crowd."""
    folder = write("coco")
    coco = COCO(str(folder / "annotations/instances_train.json"))
    rows = coco.loadAnns(coco.getAnnIds())
    assert sorted(row["area"] for row in rows) == [98, 98, 64 * 48]
    assert {row["iscrowd"] for row in rows} == {0}
    assert {row["track_id"] for row in rows if row["area"] == 98} == {5}


NAMES = (
    "a#b",
    "a,b",
    "no",
    "null",
    "1",
    "- x",
    "<&>\"'",
    "ä 😀",
    "a;b",
    "%x",
    "[x]",
    "a=b",
    "a\\b",
)
FURTHER = ("#hash", "a:b", "a: b")
"""Names that all but VOC can hold, which refuses them."""


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("coco", "coco"),
        ("voc", "voc_detection"),
        ("cvat", "cvat"),
        ("cvat-video", "cvat"),
        ("mot", "mot_seq"),
        ("yolo", "yolo"),
    ],
)
def test_datumaro_reads_every_class_name(datumaro, always, tmp_path, name, *, theirs):
    """Names with signs that formats use themselves come back from what was written."""
    classes = NAMES if name == "voc" else NAMES + FURTHER
    boxes = [Entry((2.0 * i, 1.0, 2.0 * i + 9, 20.0), i, track_id=i) for i in range(len(classes))]
    image = ImageEntry(f"{VIDEO}_0.jpg", 64, 48, VIDEO, 0, 0, split="train")
    data = Dataset(classes, (image,), (to_boxes(boxes),))
    (tmp_path / "out").mkdir()
    found_at(BOX_WRITERS[name])(tmp_path / "out", data, always)
    assert sorted(row[2] for row in datumaro(tmp_path / "out", theirs)["rows"]) == sorted(classes)


SUBFOLDERS = """
import sys
import datumaro as dm, numpy as np
from datumaro.components.annotation import Bbox
from datumaro.components.media import Image
out, subset, name = sys.argv[1:4]
def item(id, n):
    boxes = [Bbox(10, 20, 7, 14, label=0, id=i, group=i) for i in range(n)]
    media = Image.from_numpy(np.zeros((48, 64, 3), np.uint8))
    return dm.DatasetItem(id, subset=subset, media=media, annotations=boxes)
items = [item("a", 1), item("cam2/b", 2), item("cam2/c", 0)]
dm.Dataset.from_iterable(items, categories=["ball"]).export(out, name, save_media=True)
"""


@pytest.mark.parametrize("subset", ["train", "default"])
def test_pictures_that_datumaro_puts_in_folders_are_all_read(foreign_python, tmp_path, subset):
    """Names with folders, background too, in VOC."""
    folder = tmp_path / "v"
    foreign_python(SUBFOLDERS, folder, subset, "voc_detection")
    data = read_boxes(folder, detect_format(folder))
    counts = {
        image.file_name: len(boxes) for image, boxes in zip(data.images, data.boxes, strict=True)
    }
    assert counts == {"JPEGImages/a.jpg": 1, "JPEGImages/cam2/b.jpg": 2, "JPEGImages/cam2/c.jpg": 0}
    assert {image.split for image in data.images} == {"train" if subset == "train" else ""}
    assert objects(data) == [("ball", [10, 20, 7, 14])] * 3
