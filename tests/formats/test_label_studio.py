"""What Label Studio needs in order to show an export, and what its exports look like."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from reelabel.data.dataset import Dataset, ImageEntry
from reelabel.engine.task import found_at
from reelabel.errors import FormatError
from reelabel.formats.entries import Entry, dataset_of, to_entries
from reelabel.formats.registry import BOX_WRITERS, detect_format, read_boxes
from reelabel.formats.video_files import VIDEO_FPS, VIDEO_PLACE

SIZE_WH = (64, 48)
BOX = (16.0, 12.0, 48.0, 36.0)
PLACE = "cam 1/a'b #1 100%41?.mp4"
CLASSES = ("dog", '<"ball">')


def frame(index: int, **extra: object) -> ImageEntry:
    """Return a frame of a video with 10 frames a second."""
    image = ImageEntry("", *SIZE_WH, video="00000000000000aa", frame_index=index, pts=60 * index)
    return replace(image, time_base=Fraction(1, 600), extra=extra)


@pytest.fixture
def pictures() -> Dataset:
    """Return two pictures, one of them background, with odd names."""
    images = [ImageEntry("a #1.png", *SIZE_WH, split="train"), ImageEntry("b.png", *SIZE_WH)]
    return dataset_of(CLASSES, images, [[Entry(BOX, 1, 0.5, track_id=7)], []])


@pytest.fixture
def frames() -> Dataset:
    """Return three frames of a video, the first two with a box of one track."""
    known = {VIDEO_PLACE: PLACE, VIDEO_FPS: 12.5}
    images = [frame(0, **known), frame(4, **known), frame(6, **known)]
    tracked = [Entry(BOX, 0, track_id=7)]
    return dataset_of(CLASSES, images, [tracked, tracked, []])


@pytest.fixture
def write(tmp_path: Path, always):
    """Return a function that exports a data set and returns the tasks and the interface."""

    def written(name: str, dataset: Dataset) -> tuple[list[Any], ET.Element]:
        folder = tmp_path / "out"
        folder.mkdir()
        found_at(BOX_WRITERS[name])(folder, dataset, always)
        config = ET.fromstring((folder / "label_config.xml").read_text())  # noqa: S314 -- our own
        return json.loads((folder / "tasks.json").read_text()), config

    return written


def place_of(address: str) -> str:
    """Return the place that the server takes from an address."""
    split = urlsplit(address)
    assert (split.scheme, split.netloc, split.path) == ("", "", "/data/local-files/")
    (place,) = parse_qs(split.query, strict_parsing=True)["d"]
    return place


def test_addresses_of_pictures_lead_to_their_copies(write, pictures, tmp_path):
    """Below the folder of the export as document root, whatever signs the names have."""
    tasks, _ = write("label-studio", pictures)
    places = [place_of(task["data"]["image"]) for task in tasks]
    assert len(set(places)) == 2
    assert all((tmp_path / "out" / place).is_file() for place in places)


def test_addresses_of_videos_lead_to_them(write, frames):
    """By their place below the document root, whatever signs it has."""
    (task,), _ = write("label-studio-video", frames)
    assert place_of(task["data"]["video"]) == PLACE


@pytest.mark.parametrize(
    ("name", "given"), [("label-studio", "pictures"), ("label-studio-video", "frames")]
)
def test_the_interface_fits_the_tasks(write, name, given, request):
    """Each region names two of its controls, each value a key of the task, each label a class."""
    tasks, config = write(name, request.getfixturevalue(given))
    controls = {one.get("name"): one for one in config if one.get("name")}
    labels = [one.get("value") for one in config.iter("Label")]
    assert labels == list(CLASSES)
    results = [row for task in tasks for row in task["annotations"][0]["result"]]
    assert results
    for row in results:
        assert controls[row["from_name"]].get("toName") == row["to_name"]
        assert controls[row["to_name"]].get("value") == f"${row['to_name']}"
    wanted = {v[1:] for one in config for v in one.attrib.values() if v.startswith("$")}
    assert all(wanted <= set(task["data"]) for task in tasks)


def test_boxes_of_videos_have_their_time(write, frames):
    """The number of the frame, from 1, divided by the task's rate: the server interpolates it."""
    (task,), _ = write("label-studio-video", frames)
    assert task["data"]["fps"] == 12.5
    (track,) = (row["value"]["sequence"] for row in task["annotations"][0]["result"])
    assert [(one["frame"], one["time"]) for one in track] == [(1, 0.08), (5, 0.4)]


def test_the_rate_of_unknown_videos_is_that_between_their_frames(write, frames):
    """From the time stamps of the first and the last labelled frame."""
    bare = replace(frames, images=tuple(replace(one, extra={}) for one in frames.images))
    (task,), _ = write("label-studio-video", bare)
    assert task["data"]["fps"] == 10


def test_an_annotation_of_a_person_is_not_passed_over(write, pictures, tmp_path):
    """An export is no ground truth: beside another annotation of its task neither is taken."""
    (first, second), _ = write("label-studio", pictures)
    first["annotations"].append({"id": 9, "ground_truth": False, "result": []})
    path = tmp_path / "back.json"
    path.write_text(json.dumps([first, second]))
    with pytest.raises(FormatError, match="expected one annotation, but got 2"):
        read_boxes(path, "label-studio")
    first["annotations"][1]["ground_truth"] = True
    path.write_text(json.dumps([first, second]))
    assert read_boxes(path, "label-studio").box_count == 0


# -- JSON-MIN -------------------------------------------------------------------------------------

SIZE = {"original_width": 64, "original_height": 48}
PERCENT = {"x": 25, "y": 25, "width": 50, "height": 50, "rotation": 0}


def row(number: int, **values: object) -> dict[str, object]:
    """Return a row of JSON-MIN."""
    return {"id": number, "annotator": 1, "annotation_id": number, "lead_time": None} | values


def small(path: Path, *rows: object) -> Path:
    """Write a file of JSON-MIN and return it."""
    (path / "min.json").write_text(json.dumps(rows))
    return path / "min.json"


@pytest.mark.parametrize("kind", ["rectanglelabels", "labels"])
def test_pictures_of_json_min_are_read(tmp_path: Path, kind: str):
    """With the labels in the shape or in a control of their own; without a list: background."""
    address = "/data/local-files/?d=images/train/a%20b.jpg"
    value = PERCENT | SIZE | {kind: ["ball"]}
    bare = {"shape": [PERCENT | SIZE]} if kind == "labels" else {}
    rows = row(1, image=address, label=[value], **bare), row(2, image="c.jpg", width=8, height=8)
    path = small(tmp_path, *rows)
    assert detect_format(path) == "label-studio"
    data = read_boxes(path, "label-studio")
    assert [(i.file_name, i.size_wh) for i in data.images] == [
        ("a b.jpg", SIZE_WH),
        ("c.jpg", (8, 8)),
    ]
    assert [[e.xyxy for e in to_entries(boxes)] for boxes in data.boxes] == [[BOX], []]
    assert data.classes == ("ball",)


def test_tracks_of_json_min_are_read(tmp_path: Path):
    """Frames count from 1, as in JSON."""
    sequence = [{"frame": 5, "enabled": True} | PERCENT]
    data = {"video": "a.mp4", "width": 64, "height": 48}
    path = small(tmp_path, row(1, **data, box=[{"sequence": sequence, "labels": ["ball"]}]))
    found = read_boxes(path, detect_format(path))
    assert [(i.video, i.frame_index) for i in found.images] == [("a.mp4", 4)]
    assert found.boxes[0].xyxy.tolist() == [list(BOX)]


def test_two_rows_of_one_task_are_refused(tmp_path: Path):
    """They are two people's work, and JSON-MIN has no mark of the one that counts."""
    path = small(tmp_path, row(1, image="a.jpg"), row(1, image="a.jpg") | {"annotation_id": 2})
    with pytest.raises(FormatError, match=r"task\[0\].*got 2.*export as JSON"):
        read_boxes(path, "label-studio")
