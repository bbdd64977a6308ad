"""Damaged and hostile label files of every format end in an error that names file and place."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reelabel.data.dataset import Dataset, ImageEntry
from reelabel.engine.task import found_at
from reelabel.errors import FormatError
from reelabel.formats.entries import Entry, to_boxes
from reelabel.formats.registry import BOX_WRITERS, detect_format, read_boxes

VIDEO = "00000000000000aa"


def written(folder: Path, name: str, picture: Path) -> Path:
    """Write a small data set of two frames in a format and return its folder."""
    images = tuple(
        ImageEntry(f"{VIDEO}_{i}.jpg", 64, 48, VIDEO, i, i, split="train") for i in range(2)
    )
    boxes = [
        Entry((3.0, 4.0, 13.0, 24.0), 0, 0.5, track_id=2),
        Entry((1.0, 2.0, 9.0, 9.0), 0, state="ignore"),
    ]
    folder.mkdir()
    data = Dataset(("ball",), images, (to_boxes(boxes), to_boxes([])))
    found_at(BOX_WRITERS[name])(folder, data, lambda _: picture)
    return folder


def label_files(folder: Path) -> list[Path]:
    """Return the text and table files of a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in files if path.suffix not in {".png", ".jpg"})


CHANGES = st.lists(
    st.tuples(
        st.floats(0, 1), st.sampled_from([b"", b"9", b"-", b"<", b'"', b"\x00", b"\xff", b"{"])
    ),
    min_size=1,
    max_size=4,
)


@pytest.mark.parametrize("name", sorted(BOX_WRITERS))
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(which=st.integers(0, 9), changes=CHANGES, cut=st.none() | st.floats(0, 1))
def test_any_damage_is_read_or_refused(
    name: str,
    which: int,
    changes: list[tuple[float, bytes]],
    *,
    cut: float | None,
    picture: Path,
    tmp_path_factory: pytest.TempPathFactory,
):
    """Whatever bytes change, a reader returns boxes or a `FormatError`, and nothing else."""
    folder = written(tmp_path_factory.mktemp("any") / "out", name, picture)
    files = label_files(folder)
    path = files[which % len(files)]
    raw = bytearray(path.read_bytes())
    for place, value in changes:
        at = int(place * len(raw))
        raw[at : at + 1] = value
    path.write_bytes(bytes(raw if cut is None else raw[: int(cut * len(raw))]))
    try:
        found, message = read_boxes(folder, name), "expected"
    except FormatError as exc:
        found, message = Dataset((), ()), str(exc)
    assert isinstance(found, Dataset)
    assert "expected" in message


BOMB = '<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]>'


@pytest.mark.parametrize("name", ["voc", "cvat", "cvat-video"])
def test_entities_are_refused(tmp_path: Path, picture: Path, name: str):
    """XML that could grow without bound is not parsed."""
    folder = written(tmp_path / "out", name, picture)
    for path in folder.rglob("*.xml"):
        path.write_text(BOMB + path.read_text())
    with pytest.raises(FormatError, match="without DOCTYPE and ENTITY"):
        read_boxes(folder, name)


def text_file(name: str) -> Callable[[Path, str], Path]:
    """Return a function that writes a text under a name."""

    def write(folder: Path, text: str) -> Path:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write


CVAT = (
    "<annotations><meta><task><labels><label><name>ball</name></label></labels></task></meta>"
    "{}</annotations>"
)
BOX = '<box frame="3" xtl="1" ytl="2" xbr="5" ybr="6" outside="0"/>'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotations/>", r"expected <meta>"),
        (CVAT.format('<track id="7" label="cat">' + BOX + "</track>"), r"track 7.*a label"),
        (
            CVAT.format(f'<track id="7" label="ball">{BOX.replace("5", "0")}</track>'),
            "frame 3: .*xtl",
        ),
        (CVAT.format(f'<track id="7" label="ball">{BOX.replace("3", "x", 1)}</track>'), "'frame'"),
        (CVAT.format(f'<track id="7" label="ball">{BOX.replace("5", "inf")}</track>'), "frame 3"),
        (CVAT.format('<image id="0" width="9" height="9"/>'), "image 0: expected a 'name'"),
        (CVAT.format('<image name="a.png" width="many"/>'), r"image a\.png: .*<width>"),
        (
            CVAT.format('<image name="a.png"><polygon label="ball" points="1,2;3"/></image>'),
            r"image a\.png: expected 'points'",
        ),
    ],
)
def test_bad_places_of_cvat_are_named(tmp_path: Path, text: str, message: str):
    """The message names the file, the track or image, and the frame."""
    path = text_file("a.xml")(tmp_path, text)
    with pytest.raises(FormatError, match=rf"a\.xml.*{message}"):
        read_boxes(path, detect_format(path))


@pytest.mark.parametrize(
    "line",
    [
        *("1,1,2,3,4", "0,1,2,3,4,5,1", "1.5,1,2,3,4,5,1", "1,1,2,3,-4,5,1", "1,1,2,nan,4,5,1"),
        *("1,a,2,3,4,5,1", "1,1,2,3,4,5,1,99,1", "1,1,2,3,1e12,5,1", "1_0,1,2,3,4,5,1"),
    ],
)
def test_bad_lines_of_mot_are_named(tmp_path: Path, line: str):
    """The message names the file and the line."""
    path = text_file("seq/gt/gt.txt")(tmp_path, f"1,1,2,3,4,5,1,1,1\n{line}\n")
    with pytest.raises(FormatError, match=r"gt\.txt: line 2: expected"):
        read_boxes(path, detect_format(path))


def test_scores_of_mot_detections_are_scores(tmp_path: Path):
    """In det.txt the seventh value is a score in 0..1, and -1 is none."""
    path = text_file("seq/det/det.txt")(tmp_path, "2,-1,2,3,4,5,0.5,-1,-1,-1\n3,-1,2,3,4,5,-1\n")
    data = read_boxes(tmp_path, detect_format(tmp_path))
    assert [image.frame_index for image in data.images] == [1, 2]
    first, second = (float(boxes.score[0]) for boxes in data.boxes)
    assert first == 0.5
    assert math.isnan(second)
    assert all(boxes.track_id is None for boxes in data.boxes)
    path.write_text("1,1,2,3,4,5,7.5,-1,-1,-1\n")
    with pytest.raises(FormatError, match=r"line 1: expected a score in 0\.\.1"):
        read_boxes(path, "mot")


def task(value: object, **other: object) -> list[object]:
    """Return a task of Label Studio with one region."""
    region = {"id": "x", "type": "rectanglelabels", "value": value}
    base = {
        "data": {"image": "/data/upload/1/0123abcd-a.png"},
        "annotations": [{"result": [region]}],
    }
    return [base | other]


GOOD = {"x": 1, "y": 2, "width": 3, "height": 4, "rectanglelabels": ["ball"]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (task(GOOD | {"width": -1}), r"result\[0\].*percent"),
        (task(GOOD | {"x": "1"}), r"result\[0\].*'x'"),
        (task(GOOD | {"rectanglelabels": []}), "the label"),
        (task(None), "'value'"),
        (task(GOOD, data=3), r"task\[0\].*'data'"),
        (
            task(GOOD, annotations=[{"result": []}, {"result": []}]),
            "expected one annotation, but got 2",
        ),
        (task(GOOD, annotations=[]), "none of 1 has any"),
    ],
)
def test_bad_tasks_of_label_studio_are_named(tmp_path: Path, content: object, message: str):
    """The message names the file, the task and the region."""
    path = text_file("a.json")(tmp_path, json.dumps(content))
    with pytest.raises(FormatError, match=rf"a\.json.*{message}"):
        read_boxes(path, detect_format(path))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"x2": -5.0}, r"row 1: x1, y1, x2, y2"),
        ({"state": "odd"}, r"row 1: 'state'"),
        ({"score": 7.0}, r"row 1: 'score'"),
        ({"frame_index": -1}, r"row 1: 'frame_index'"),
        ({"file_name": None}, r"row 1: expected a 'file_name' or a 'video'"),
    ],
)
def test_bad_rows_of_parquet_are_named(tmp_path: Path, row: dict[str, object], message: str):
    """The message names the file and the row, counted from 0."""
    corners = {"x1": 1.0, "y1": 2.0, "x2": 5.0, "y2": 6.0}
    good = {"file_name": "a.png", "category": "ball", "state": "positive", "score": 0.5}
    rows = [good | corners | {"frame_index": 1}, good | corners | {"frame_index": 1} | row]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    with pytest.raises(FormatError, match=rf"a\.parquet: {message}"):
        read_boxes(tmp_path, detect_format(tmp_path))


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ({"label": 3, "bounding_box": [0, 0, 1, 1]}, "'label'"),
        ({"label": 0, "bounding_box": [0, 0, 50, 60]}, "as shares"),
        ({"label": 0, "bounding_box": [0, 0, -0.1, 1]}, "as shares"),
        ({"label": 0, "bounding_box": [0, 0, 1, 1], "confidence": 2}, "'confidence'"),
        (7, "an object"),
    ],
)
def test_bad_boxes_of_fiftyone_are_named(tmp_path: Path, picture: Path, box, message):
    """The message names the file, the picture and the box."""
    folder = written(tmp_path / "out", "fiftyone", picture)
    path = folder / "train/labels.json"
    content = json.loads(path.read_text())
    content["labels"][f"{VIDEO}_0"] = [box]
    path.write_text(json.dumps(content))
    with pytest.raises(FormatError, match=rf"labels\.json: '{VIDEO}_0': box 0.*{message}"):
        read_boxes(folder, detect_format(folder))
