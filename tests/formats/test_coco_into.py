"""Adding to a COCO file: what stood in it stays, what comes is complete, twice is once."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools.coco import COCO

from reelabel.data.dataset import Dataset, ImageEntry
from reelabel.data.states import STATES
from reelabel.errors import FormatError
from reelabel.formats.coco import read_coco
from reelabel.formats.coco_into import CocoFile
from reelabel.formats.entries import Entry, to_boxes

Rows = Callable[[Dataset], list[tuple[int, str, str, tuple[float, ...]]]]
OLD: dict[str, Any] = {
    "info": {"year": 2014, "note": "sücht"},
    "images": [
        {"id": 40, "file_name": "a.jpg", "width": 64, "height": 48, "licence": 3},
        {
            "id": 7,
            "file_name": "b.jpg",
            "width": 64,
            "height": 48,
            "hard_negatives": [{"bbox": [1, 2, 3, 4], "category": "dog"}],
        },
    ],
    "annotations": [
        {
            "id": 900,
            "image_id": 40,
            "category_id": 18,
            "bbox": [1, 2, 3.5, 4],
            "area": 9.25,
            "iscrowd": 0,
            "segmentation": [[1, 2, 3, 4, 5, 6]],
            "keypoints": [0, 0, 0],
        },
    ],
    "categories": [{"id": 18, "name": "dog", "supercategory": "animal"}],
}
FRAME = ImageEntry("v/frame3.jpg", 64, 48, video="v.mp4", frame_index=2, pts=512)
BOX = Entry.from_xywh
NEW = Dataset(
    ("dog", "ball"),
    (FRAME, ImageEntry("v/frame9.jpg", 64, 48, video="v.mp4", frame_index=8, pts=2048)),
    (
        to_boxes([
            BOX((1.5, 2, 10, 20), 1, score=0.9, origin="teacher"),
            BOX((3, 4, 5, 6), 0, score=0.85, state="negative", origin="teacher"),
        ]),
        to_boxes([
            BOX((7, 8, 9, 10), 0, state="ignore"),
            BOX((11, 12, 13, 14), 0, score=0.99, state="negative"),
        ]),
    ),
)


def written(path: Path, raw: dict[str, Any]) -> Path:
    """Write a COCO file."""
    path.write_text(json.dumps(raw))
    return path


def added(path: Path, dataset: Dataset, out: Path) -> dict[str, Any]:
    """Return the content of a file after a data set was added to it."""
    file = CocoFile.read(path)
    file.add(dataset)
    file.write(out)
    content: dict[str, Any] = json.loads(out.read_text())
    return content


def test_everything_new_comes_behind_what_was_there(tmp_path: Path):
    """Old entries keep place, id and unknown keys; new ids lie above all; areas are real."""
    new = added(written(tmp_path / "a.json", OLD), NEW, tmp_path / "b.json")
    assert new["info"] == OLD["info"]
    assert new["categories"] == [*OLD["categories"], {"id": 19, "name": "ball"}]
    assert new["images"][:2] == OLD["images"]
    assert [(i["id"], i["file_name"]) for i in new["images"][2:]] == [
        (41, "v/frame3.jpg"),
        (42, "v/frame9.jpg"),
    ]
    assert new["annotations"][:1] == OLD["annotations"]
    keys = ("id", "image_id", "category_id", "bbox", "area", "iscrowd")
    assert [tuple(a[k] for k in keys) for a in new["annotations"][1:]] == [
        (901, 41, 19, [1.5, 2, 10, 20], 200, 0),
    ]
    (ignored,) = new["images"][3]["ignore_regions"]
    assert (ignored["bbox"], ignored["category"]) == ([7, 8, 9, 10], "dog")


def test_hard_negatives_are_no_annotations(tmp_path: Path, rows: Rows):
    """They stand in their image, and are read back as negatives with class and score."""
    new = added(written(tmp_path / "a.json", OLD), NEW, tmp_path / "b.json")
    assert new["images"][2]["hard_negatives"] == [
        {"bbox": [3, 4, 5, 6], "category": "dog", "score": 0.85, "origin": "teacher"}
    ]
    read = read_coco(tmp_path / "b.json")
    assert [row for row in rows(read) if row[2] == "negative"] == [
        (1, "dog", "negative", (1, 2, 3, 4)),
        (2, "dog", "negative", (3, 4, 5, 6)),
        (3, "dog", "negative", (11, 12, 13, 14)),
    ]


def test_twice_is_once(tmp_path: Path):
    """What was added before is known again; the file stays as it is, and so does the answer."""
    once = added(written(tmp_path / "a.json", OLD), NEW, tmp_path / "b.json")
    file = CocoFile.read(tmp_path / "b.json")
    said = file.add(NEW)
    assert (said.images, said.annotations, said.hard_negatives, said.known) == (0, 0, 0, 2)
    assert said.new_classes == ()
    assert file.raw == once
    assert "in the file already" in " ".join(said.sentences())


def test_what_is_said_of_it():
    """The counts are those of what was added, and a new category is named."""
    said = CocoFile(copy.deepcopy(OLD)).add(NEW)
    assert (said.images, said.annotations, said.hard_negatives, said.known) == (2, 1, 2, 0)
    first, second = said.sentences()
    assert "2 pictures added, with 1 box and 2 hard negatives, 1 region to ignore" in first
    assert "ball" in second


def test_pictures_say_which_classes_they_were_searched_for(tmp_path: Path):
    """Only where the file has others, or the data set says so itself."""
    path = written(tmp_path / "a.json", OLD)
    ball = Dataset(("ball",), (FRAME, ImageEntry("c.jpg", complete=())))
    assert [i.get("complete_categories") for i in added(path, ball, tmp_path / "b")["images"]] == [
        None,
        None,
        [19],
        [],
    ]
    dog = Dataset(("dog", "ball"), (FRAME, ImageEntry("c.jpg", complete=(0,))))
    assert [i.get("complete_categories") for i in added(path, dog, tmp_path / "b")["images"]] == [
        None,
        None,
        None,
        [18],
    ]


def test_a_name_that_means_another_frame_is_refused():
    """Two videos whose pictures have one name would become one; nothing is added."""
    file = CocoFile.empty()
    file.add(NEW)
    before = copy.deepcopy(file.raw)
    other = ImageEntry("v/frame3.jpg", 64, 48, video="w.mp4", frame_index=2, pts=512)
    with pytest.raises(FormatError, match=r"frame3.*w\.mp4.*v\.mp4.*another folder"):
        file.add(Dataset(("dog",), (other,)))
    assert file.raw == before
    bare = {"id": 1, "file_name": "v/frame3.jpg", "width": 64, "height": 48}
    said = CocoFile({"images": [bare], "categories": []}).add(Dataset(("dog",), (other,)))
    assert said.known == 1


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ([], "'images'"),
        ({"images": {}}, "'images'"),
        ({"images": [1]}, r"images\[0\].*object"),
        ({"images": [{"file_name": "a"}]}, r"images\[0\].*'id'"),
        ({"images": [{"id": 1, "file_name": []}]}, "'file_name'.*text"),
        ({"images": [], "annotations": [{"image_id": 3}]}, r"annotations\[0\].*'id'"),
        ({"images": [], "categories": [{"id": 3}]}, r"categories\[0\].*'name'.*class name"),
    ],
)
def test_files_that_cannot_be_added_to_are_refused(tmp_path: Path, raw: Any, said: str):
    """The error names the file and the entry, and what was expected of it."""
    path = tmp_path / "a.json"
    path.write_text(json.dumps(raw))
    with pytest.raises(FormatError, match=rf"a\.json.*{said}"):
        CocoFile.read(path)
    path.write_text("{")
    with pytest.raises(FormatError, match="expected JSON"):
        CocoFile.read(path)


def test_other_tools_load_the_result(tmp_path: Path):
    """The tool pycocotools indexes old and new entries, and sees objects alone."""
    added(written(tmp_path / "a.json", OLD), NEW, tmp_path / "b.json")
    coco = COCO(str(tmp_path / "b.json"))
    assert sorted(coco.getAnnIds()) == [900, 901]
    assert coco.getAnnIds(imgIds=[41]) == [901]
    assert coco.getAnnIds(areaRng=[150, 250]) == [901]
    assert [c["name"] for c in coco.loadCats(coco.getCatIds())] == ["dog", "ball"]


ID = st.integers(-5, 10**6) | st.text(max_size=3)
UNKNOWN = st.dictionaries(st.sampled_from(["x", "score", "tags"]), st.integers() | st.text())
NAMES = ("dog", "sports ball", "sücht\n")
PLACE, SIDE = st.integers(0, 4000).map(float), st.integers(1, 4000).map(float)


@st.composite
def old_files(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a COCO file with sparse ids of both kinds and keys that we do not know."""
    names = draw(st.lists(st.sampled_from(NAMES), unique=True))
    categories = draw(st.lists(ID, min_size=len(names), max_size=len(names), unique=True))
    images = draw(st.lists(ID, max_size=3, unique=True))
    raw: dict[str, Any] = draw(st.dictionaries(st.sampled_from(["info", "z"]), UNKNOWN))
    raw["images"] = [draw(UNKNOWN) | {"id": i, "file_name": f"old{i!r}"} for i in images]
    if categories:
        raw["categories"] = [
            draw(UNKNOWN) | {"id": i, "name": n} for i, n in zip(categories, names, strict=True)
        ]
    if categories and images:
        image, category = st.sampled_from(images), st.sampled_from(categories)
        raw["annotations"] = [
            draw(UNKNOWN)
            | {
                "id": i,
                "image_id": draw(image),
                "category_id": draw(category),
                "bbox": [0, 0, 1, 1],
            }
            for i in draw(st.lists(ID, max_size=3, unique=True))
        ]
    return raw


@st.composite
def new_frames(draw: st.DrawFn) -> Dataset:
    """Draw a data set of frames with names of their own, and boxes in all states."""
    names = draw(st.lists(st.text(min_size=1, max_size=3), min_size=1, max_size=3, unique=True))
    classes = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    images = tuple(
        ImageEntry(f"new{n}", 8000, 8000, video="v", frame_index=i) for i, n in enumerate(names)
    )
    box = st.builds(
        BOX,
        st.tuples(PLACE, PLACE, SIDE, SIDE),
        st.integers(0, len(classes) - 1),
        score=st.none() | st.floats(0, 1),
        state=st.sampled_from(STATES),
    )
    boxes = tuple(to_boxes(draw(st.lists(box, max_size=3))) for _ in images)
    return Dataset(tuple(classes), images, boxes)


@given(old=old_files(), new=new_frames())
def test_any_file_keeps_what_it_held_and_gets_what_is_new(
    old: dict[str, Any], new: Dataset, rows: Rows
):
    """Whatever the ids and keys are: old entries are a prefix, ids are unique, boxes come whole."""
    file = CocoFile(copy.deepcopy(old))
    file.add(new)
    for key, value in file.raw.items():
        there = old.get(key, [])
        assert value == there or value[: len(there)] == there
        if key in ("images", "annotations", "categories"):
            ids = [row["id"] for row in value]
            assert len(set(ids)) == len(ids)
            assert all(isinstance(i, int) and i > 0 for i in ids[len(there) :])
    names = {row["id"]: row["name"] for row in file.raw["categories"]}
    images = {row["id"]: row["file_name"] for row in file.raw["images"]}
    expected = [(new.images[i].file_name, name, state, xywh) for i, name, state, xywh in rows(new)]
    shown = [
        (
            images[a["image_id"]],
            names[a["category_id"]],
            "ignore" if a["iscrowd"] else "positive",
            tuple(a["bbox"]),
        )
        for a in file.raw["annotations"][len(old.get("annotations", [])) :]
    ]
    assert shown == [row for row in expected if row[2] == "positive"]
    for key, state in (("hard_negatives", "negative"), ("ignore_regions", "ignore")):
        aside = sorted(
            (row["file_name"], n["category"], state, tuple(n["bbox"]))
            for row in file.raw["images"]
            for n in row.get(key, ())
        )
        assert aside == sorted(row for row in expected if row[2] == state)
    once = copy.deepcopy(file.raw)
    assert file.add(new).known == len(new.images)
    assert file.raw == once
