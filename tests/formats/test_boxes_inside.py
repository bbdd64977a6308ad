"""Whatever is written or read lies in its picture and has an area, in the digits of the file."""

from __future__ import annotations

import json
import math
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reelabel.data.boxes import Boxes
from reelabel.data.dataset import Dataset, ImageEntry
from reelabel.data.states import STATES
from reelabel.engine.task import found_at
from reelabel.formats.coco import read_coco
from reelabel.formats.coco_folder import write_coco_folder
from reelabel.formats.coco_into import CocoFile
from reelabel.formats.registry import BOX_WRITERS, read_boxes
from reelabel.formats.voc import read_voc, write_voc
from reelabel.formats.yolo import read_yolo, write_yolo

Corners = tuple[float, float, float, float]
Written = Callable[[Path], Iterator[Corners]]
SLACK = 1e-9
"""For sums of decimals in binary: less than the last digit of any format."""

OF_VIDEO = {"video": "00000000000000aa", "frame_index": 0, "pts": 0, "time_base": Fraction(1, 25)}
NUMBER = st.floats(-1e4, 1e4, width=32) | st.integers(-50, 700).map(float)


@st.composite
def datasets(draw: st.DrawFn) -> Dataset:
    """Draw boxes anywhere, of any size from nothing up, in one picture."""
    size_wh = draw(st.tuples(st.integers(1, 640), st.integers(1, 640)))
    corners = draw(st.lists(st.tuples(NUMBER, NUMBER, NUMBER, NUMBER), max_size=6))
    xyxy = np.array(corners, np.float32).reshape(-1, 4)
    xyxy = np.concatenate([xyxy[:, :2], np.maximum(xyxy[:, :2], xyxy[:, 2:])], axis=1)
    states = [draw(st.sampled_from(STATES)) for _ in corners]
    boxes = Boxes(
        xyxy,
        np.full(len(xyxy), np.nan, np.float32),
        np.zeros(len(xyxy), np.int64),
        state=np.array(states, np.str_),
    )
    image = ImageEntry("a.png", *size_wh, split="train", **OF_VIDEO)
    return Dataset(("ball",), (image,), (boxes,))


def coco_file(path: Path) -> Iterator[Corners]:
    """Yield the boxes of a COCO file as it stands."""
    raw = json.loads(path.read_text())
    image = raw["images"][0]
    aside = (row for key in ("hard_negatives", "ignore_regions") for row in image.get(key, ()))
    for row in (*raw["annotations"], *aside):
        x, y, w, h = row["bbox"]
        yield x, y, x + w, y + h


def side_file(folder: Path) -> Iterator[Corners]:
    """Yield the boxes of a side file as it stands."""
    for row in json.loads((folder / "ignore.json").read_text())["boxes"]:
        x, y, w, h = row["bbox"]
        yield x, y, x + w, y + h


def coco_written(folder: Path) -> Iterator[Corners]:
    """Yield the boxes of a COCO folder."""
    return coco_file(folder / "annotations/instances_train.json")


def read_split(folder: Path) -> Dataset:
    """Read the training pictures of a COCO folder, whatever their boxes look like."""
    return read_coco(folder / "annotations/instances_train.json", xyxy=False)


def yolo_written(folder: Path) -> Iterator[Corners]:
    """Yield the boxes of a YOLO folder, in pixels."""
    width, height = sizes(folder / "images/train/a.png")
    for line in (folder / "labels/train/a.txt").read_text().splitlines():
        cx, cy, w, h = map(float, line.split()[1:])
        assert all(0 <= share <= 1 for share in (cx, cy, w, h))
        left, right = (cx - w / 2) * width, (cx + w / 2) * width
        yield left, (cy - h / 2) * height, right, (cy + h / 2) * height
    yield from side_file(folder)


def voc_written(folder: Path) -> Iterator[Corners]:
    """Yield the boxes of a VOC folder, counted from 0."""
    root = ET.parse(folder / "Annotations/a.xml")  # noqa: S314 -- written here
    for box in root.iter("bndbox"):
        x1, y1, x2, y2 = (float(box.findtext(k, "")) for k in ("xmin", "ymin", "xmax", "ymax"))
        assert 1 <= x1 <= x2
        assert 1 <= y1 <= y2
        yield x1 - 1, y1 - 1, x2, y2
    yield from side_file(folder)


def sizes(path: Path) -> tuple[int, int]:
    """Return the size of a picture file."""
    height, width = cv2.imread(str(path)).shape[:2]
    return width, height


def check(corners: Iterator[Corners], size_wh: tuple[int, int]) -> int:
    """Check each box and return how many there are."""
    count = 0
    for x1, y1, x2, y2 in corners:
        assert all(map(math.isfinite, (x1, y1, x2, y2)))
        assert x2 > x1 >= -SLACK
        assert y2 > y1 >= -SLACK
        assert x2 <= size_wh[0] + SLACK
        assert y2 <= size_wh[1] + SLACK
        count += 1
    return count


@pytest.mark.parametrize(
    ("write", "written", "read"),
    [
        (write_coco_folder, coco_written, read_split),
        (write_yolo, yolo_written, read_yolo),
        (write_voc, voc_written, read_voc),
    ],
)
@settings(max_examples=40)
@given(dataset=datasets())
def test_every_writer_keeps_boxes_inside(
    write: Callable[..., None],
    written: Written,
    *,
    read: Callable[[Path], Dataset],
    dataset: Dataset,
    tmp_path_factory: pytest.TempPathFactory,
):
    """What other programs see is finite, inside and of positive size; no box inside is lost."""
    home = tmp_path_factory.mktemp("any")
    size_wh = dataset.images[0].size_wh
    cv2.imwrite(str(home / "a.png"), np.zeros((size_wh[1], size_wh[0], 3), np.uint8))
    write(home / "out", dataset, lambda _: home / "a.png")
    kept = dataset.clipped()
    assert check(written(home / "out"), size_wh) == kept.box_count
    assert len(kept.left_out) == dataset.box_count - kept.box_count
    back = read(home / "out")
    assert check(map(tuple, back.boxes[0].xyxy.tolist()), size_wh) == kept.box_count


@pytest.mark.parametrize("name", sorted(BOX_WRITERS))
@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(dataset=datasets())
def test_every_format_reads_back_boxes_inside(
    name: str, dataset: Dataset, tmp_path_factory: pytest.TempPathFactory
):
    """What a format gives back is inside and of positive size, and all that was; see above."""
    home = tmp_path_factory.mktemp("any")
    (home / "out").mkdir()
    size_wh = dataset.images[0].size_wh
    cv2.imwrite(str(home / "a.png"), np.zeros((size_wh[1], size_wh[0], 3), np.uint8))
    found_at(BOX_WRITERS[name])(home / "out", dataset, lambda _: home / "a.png")
    back = read_boxes(home / "out", name)
    assert check(map(tuple, back.boxes[0].xyxy.tolist()), size_wh) == dataset.clipped().box_count


@given(dataset=datasets())
def test_boxes_added_to_a_file_lie_inside(
    dataset: Dataset, tmp_path_factory: pytest.TempPathFactory
):
    """The same of pictures that are written behind those of another COCO file."""
    path = tmp_path_factory.mktemp("into") / "a.json"
    file = CocoFile.empty()
    added = file.add(dataset)
    file.write(path)
    count = check(coco_file(path), dataset.images[0].size_wh)
    written = added.annotations + added.ignore_regions + added.hard_negatives
    assert written == count == dataset.clipped().box_count


@given(dataset=datasets())
def test_clipped_boxes_lie_inside(dataset: Dataset):
    """Clipping twice changes nothing more; it is what every stage of the data set does."""
    kept = dataset.clipped()
    check(map(tuple, kept.boxes[0].xyxy.tolist()), dataset.images[0].size_wh)
    assert kept.clipped() == kept
