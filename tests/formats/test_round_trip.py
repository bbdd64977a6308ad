"""Every format of boxes gives back what was written, as far as it can hold it."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reelabel.data.dataset import Dataset, ImageEntry
from reelabel.data.states import IGNORE, NEGATIVE, STATES
from reelabel.engine.task import found_at
from reelabel.formats.entries import Entry, dataset_of, to_entries
from reelabel.formats.registry import BOX_WRITERS, detect_format, read_boxes

SIZE_WH = (64, 48)
CLASSES = ("dog", "<&>\"'", "ä b")
BASE = Fraction(1, 600)
VIDEOS = ("00000000000000aa", "00000000000000bb")


@dataclass(frozen=True)
class Holds:
    """What a format holds of an object besides its box and class.

    `frames`: it is of whole videos, and names frames by their index. `thin`: it has a place for
    boxes narrower than a pixel. What it has no place for stands in the side file, which holds all.
    """

    score: bool = True
    origin: bool = True
    track: bool = True
    frames: bool = False
    thin: bool = True


HOLDS = {
    "coco": Holds(),
    "yolo": Holds(score=False, origin=False, track=False),
    "voc": Holds(score=False, origin=False, track=False, thin=False),
    "cvat": Holds(track=False),
    "cvat-video": Holds(frames=True),
    "mot": Holds(score=False, origin=False, frames=True),
    "label-studio": Holds(),
    "label-studio-video": Holds(frames=True),
    "fiftyone": Holds(),
    "parquet": Holds(),
}


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    """Draw a box inside a picture, in eighths of a pixel."""
    spans = [
        sorted(draw(st.lists(st.integers(0, side * 8), min_size=2, max_size=2, unique=True)))
        for side in SIZE_WH
    ]
    (x1, x2), (y1, y2) = spans
    score = draw(st.none() | st.integers(0, 1000))
    return Entry(
        (x1 / 8, y1 / 8, x2 / 8, y2 / 8),
        draw(st.integers(0, len(CLASSES) - 1)),
        None if score is None else score / 1000,
        draw(st.sampled_from(STATES)),
        draw(st.sampled_from(("", "teacher", "person"))),
    )


@st.composite
def datasets(draw: st.DrawFn) -> Dataset:
    """Draw frames of two videos, empty ones too; a track has one box a frame and one class."""
    numbers = draw(st.sets(st.tuples(st.sampled_from(VIDEOS), st.integers(0, 30)), min_size=1))
    images, boxes = [], []
    for video, index in sorted(numbers):
        drawn = draw(st.lists(entries(), max_size=4))
        # Tracks of one class: their number modulo the classes.
        tracked = [
            replace(e, track_id=e.class_id + len(CLASSES) * at if draw(st.booleans()) else None)
            for at, e in enumerate(drawn)
        ]
        boxes.append(tracked)
        images.append(
            ImageEntry(
                f"{video}_{index * 24}.jpg",
                *SIZE_WH,
                video=video,
                frame_index=index,
                pts=index * 24,
                split=draw(st.sampled_from(("train", "val", "test"))),
                time_base=BASE,
            )
        )
    return dataset_of(CLASSES, images, boxes)


Row = tuple[object, ...]


def stored(entry: Entry, classes: Iterable[str], holds: Holds) -> Row:
    """Return what a format is expected to hold of a box."""
    aside = entry.state == NEGATIVE or not (holds.thin or min(entry.xywh[2:]) >= 1)
    # VOC has its own mark for regions to ignore, COCO its own list; the others the side file.
    full = aside or (entry.state == IGNORE and holds.thin)
    score = entry.score if holds.score or full else None
    return (
        list(classes)[entry.class_id],
        entry.state,
        None if score is None else round(score, 5),
        entry.origin if holds.origin or full else "",
        -1 if entry.track_id is None or not (holds.track or full) else entry.track_id,
        *(round(8 * value) for value in entry.xyxy),
    )


def rows_of(dataset: Dataset, holds: Holds, *, by_frame: bool) -> dict[str, list[Row]]:
    """Return what is held of the boxes of each picture, by its name, in a fixed order."""
    found = {}
    for image, boxes in zip(dataset.images, dataset.boxes, strict=True):
        name = f"{image.video}/{image.frame_index}" if by_frame else Path(image.file_name).stem
        rows = [stored(entry, dataset.classes, holds) for entry in to_entries(boxes)]
        found[name] = sorted(rows, key=repr)
    return found


@pytest.mark.parametrize("name", sorted(BOX_WRITERS))
@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(dataset=datasets())
def test_every_format_gives_back_what_it_holds(
    name: str, dataset: Dataset, picture: Path, tmp_path_factory: pytest.TempPathFactory
):
    """Frames, background, boxes, classes, states and what the format holds come back."""
    folder = tmp_path_factory.mktemp("any") / "out"
    folder.mkdir()
    holds = HOLDS[name]
    found_at(BOX_WRITERS[name])(folder, dataset, lambda _: picture)
    assert detect_format(folder) in {name, name.removesuffix("-video")}
    # Drawn boxes may all be smaller than a pixel, as shares of the picture are.
    back = read_boxes(folder, name, **({"xyxy": False} if name == "coco" else {}))
    wanted = rows_of(dataset, holds, by_frame=holds.frames)
    assert rows_of(back, Holds(), by_frame=holds.frames) == wanted
    if holds.frames:
        assert all(image.time_base == BASE for image in back.images)
        assert {image.pts for image in back.images} == {image.pts for image in dataset.images}
    else:
        assert {i.split for i in back.images} == {i.split for i in dataset.images}
    shutil.rmtree(folder)


OF_PICTURES = sorted(name for name, holds in HOLDS.items() if not holds.frames)


@pytest.mark.parametrize("name", OF_PICTURES)
def test_labels_are_the_same_without_their_pictures(name, mixed, rows, tmp_path):
    """What stands in the side file too; where nothing states a size, boxes are shares of one."""
    picture = tmp_path / "any.jpg"
    cv2.imwrite(str(picture), np.zeros((48, 64, 3), np.uint8))
    (tmp_path / "out").mkdir()
    found_at(BOX_WRITERS[name])(tmp_path / "out", mixed, lambda _: picture)
    whole = read_boxes(tmp_path / "out", name)
    for copy in (tmp_path / "out").rglob("*.jpg"):
        copy.unlink()
    alone = read_boxes(tmp_path / "out", name)
    assert sorted(places(alone, rows)) == sorted(places(whole, rows))


def places(dataset: Dataset, rows) -> list[Row]:
    """Return name, class, state, left edge and width of each box, as a share of its picture."""
    found = []
    for at, category, state, (x, _, w, _) in rows(dataset):
        image = dataset.images[at]
        # Side files are in pixels of the picture that was written.
        width = 64 if max(x, w) <= 64 else image.width
        found.append((image.file_name, category, state, round(x / width, 4), round(w / width, 4)))
    return found
