"""COCO files: what comes in is checked, what goes out others read."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools.coco import COCO

from reelabel.data.boxes import Boxes, xyxy_to_xywh
from reelabel.data.dataset import Dataset, ImageEntry
from reelabel.data.states import STATES
from reelabel.errors import FormatError, WorkspaceError
from reelabel.formats.coco import coco_chunks, read_coco, to_coco, truth_pictures, write_coco
from reelabel.formats.entries import Entry, to_boxes, to_entries

Rows = Callable[[Dataset], list[tuple[int, str, str, tuple[float, ...]]]]
CLASSES = ("dog", "sports ball", "sücht\n")
SIZE_WH = (8000, 6000)
# Thousandths of a pixel, as files hold.
NUMBER = st.integers(0, 6_000_000).map(lambda n: n / 1000)
SCORE = st.none() | st.floats(0, 1, width=32)
EXTRA = st.dictionaries(
    st.sampled_from(["weight", "note", "x"]), st.integers() | st.text() | st.booleans()
)
IMAGE = st.builds(
    ImageEntry,
    file_name=st.text(min_size=1),
    width=st.sampled_from([0, SIZE_WH[0]]),
    height=st.sampled_from([0, SIZE_WH[1]]),
    video=st.text(),
    frame_index=st.none() | st.integers(0, 2**70),
    pts=st.none() | st.integers(-(2**63), 2**63),
    pts_time=st.none() | st.floats(-1e4, 1e4),
    complete=st.none() | st.lists(st.integers(0, len(CLASSES) - 1)).map(tuple),
    split=st.sampled_from(["", "train", "val", "test"]),
    left_out=st.lists(st.text()).map(tuple),
    extra=EXTRA,
    time_base=st.none() | st.just(Fraction(1, 12800)),
)


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    """Draw a box inside its picture."""
    x, y = (sorted(draw(st.tuples(NUMBER, NUMBER).filter(lambda p: p[0] != p[1]))) for _ in "xy")
    return Entry(
        (x[0], y[0], x[1], y[1]),
        draw(st.integers(0, len(CLASSES) - 1)),
        draw(SCORE),
        draw(st.sampled_from(STATES)),
        draw(st.sampled_from(["", "person", "teacher"])),
        draw(EXTRA),
        draw(st.none() | st.integers(0, 2**62)),
    )


@st.composite
def datasets(draw: st.DrawFn) -> Dataset:
    """Draw a data set in whose images the negatives come last."""
    images = draw(st.lists(IMAGE, min_size=1, max_size=4))
    drawn = [draw(st.lists(entries(), max_size=5)) for _ in images]
    ordered = [sorted(some, key=lambda entry: entry.state == "negative") for some in drawn]
    return Dataset(CLASSES, tuple(images), tuple(map(to_boxes, ordered)))


def written(path: Path, content: Any) -> Path:
    """Write JSON, NaN and all."""
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def small(**changes: Any) -> dict[str, Any]:
    """Return a COCO file with one image and one box, changed."""
    image = {"id": 7, "file_name": "a.jpg", "width": 64, "height": 48}
    box = {"id": 1, "image_id": 7, "category_id": 37, "bbox": [1, 2, 3, 4]}
    return {
        "images": [image | changes.pop("image", {})],
        "annotations": [box | changes.pop("box", {})],
        "categories": [{"id": 37, "name": "ball"}, {"id": 3, "name": "dog"}],
    } | changes


@given(dataset=datasets())
def test_round_trip(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory):
    """Whatever is written is read back the same, all states, time stamps and extras included."""
    path = tmp_path_factory.mktemp("coco") / "deep" / "a.json"
    write_coco(path, dataset)
    assert read_coco(path, xyxy=False) == dataset


def test_ids_are_contiguous_and_negatives_hidden(mixed: Dataset):
    """Ids count from 1 in order, area is width x height, negatives are no annotations."""
    coco = to_coco(mixed)
    assert [row["id"] for row in coco["images"]] == [1, 2, 3]
    assert [row["id"] for row in coco["annotations"]] == [1, 2, 3, 4]
    assert coco["categories"] == [{"id": 1, "name": "dog"}, {"id": 2, "name": "ball"}]
    assert [row["iscrowd"] for row in coco["annotations"]] == [0, 0, 1, 0]
    assert coco["annotations"][2]["area"] == 12.5 * 9
    assert coco["annotations"][0]["bbox"] == [1.25, 2.5, 30.063, 20.125]
    assert coco["annotations"][2]["score"] == 0.4
    assert coco["images"][1]["hard_negatives"] == [
        {"bbox": [3, 4, 5, 6.5], "category": "dog", "score": 0.9, "origin": "tracker"}
    ]


def test_classes_come_in_the_order_of_ids(tmp_path: Path, rows: Rows):
    """Sparse ids are kept apart, and classes are ordered by them as other readers do."""
    dataset = read_coco(written(tmp_path / "a.json", small()))
    assert dataset.classes == ("dog", "ball")
    assert rows(dataset) == [(0, "ball", "positive", (1, 2, 3, 4))]


def test_two_ids_of_one_name_are_one_class(tmp_path: Path):
    """Exports that list a class twice are read as if they listed it once."""
    categories = [{"id": 0, "name": "ball"}, {"id": 37, "name": "ball"}]
    dataset = read_coco(written(tmp_path / "a.json", small(categories=categories)))
    assert dataset.classes == ("ball",)


@pytest.mark.parametrize("given", [[37, 3], ["ball", "dog"], ["ball", 3]])
def test_complete_categories_are_ids_or_names(tmp_path: Path, given: list[object]):
    """What an image is complete for may be said in ids, names or both."""
    content = small(image={"complete_categories": given})
    image = read_coco(written(tmp_path / "a.json", content)).images[0]
    assert image.complete == (1, 0)


@pytest.mark.parametrize(
    ("negative", "category"),
    [
        ({"bbox": [1, 2, 3, 4], "category": "dog", "score": 0.5}, "dog"),
        ({"bbox": [1, 2, 3, 4], "category_id": 37}, "ball"),
    ],
)
def test_hard_negatives_name_a_class_or_its_id(
    tmp_path: Path, negative: Any, category: str, rows: Rows
):
    """Boxes known to be background are read as negatives of the class they were taken for."""
    content = small(image={"hard_negatives": [negative]})
    found = rows(read_coco(written(tmp_path / "a.json", content)))
    assert found[-1] == (0, category, "negative", (1, 2, 3, 4))


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (small(box={"bbox": [1, 2, float("nan"), 4]}), "annotations[0] (id 1): 'bbox'"),
        (small(box={"bbox": [1, 2, -3, 4]}), "'bbox'"),
        (small(box={"bbox": [1, 2, 3]}), "'bbox'"),
        (small(box={"bbox": None}), "'bbox'"),
        (small(box={"bbox": [1, 2, 3, "4"]}), "'bbox'"),
        (small(box={"bbox": [1, 2, 3, 10**400]}), "'bbox'"),
        (small(box={"bbox": [1, 2, 3, 1e30]}), "'bbox'"),
        (small(image={"left_out": 3}), "'left_out'"),
        (small(image={"left_out": [3]}), "'left_out'"),
        (small(box={"bbox": [1, 2, 3, True]}), "'bbox'"),
        (small(box={"image_id": 8}), "'image_id'"),
        (small(box={"image_id": [7]}), "'image_id'"),
        (small(box={"category_id": 1}), "'category_id'"),
        (small(box={"category_id": None}), "'category_id'"),
        (small(box={"score": 1.5}), "'score'"),
        (small(box={"score": "high"}), "'score'"),
        (small(box={"iscrowd": 2}), "'iscrowd'"),
        (small(box={"iscrowd": {}}), "'iscrowd'"),
        (small(box={"origin": 3}), "'origin'"),
        (small(image={"file_name": 3}), "images[0] (id 7): 'file_name'"),
        (small(image={"file_name": ""}), "a 'file_name' or a 'video'"),
        (small(image={"width": -1}), "'width'"),
        (small(image={"height": 4.5}), "'height'"),
        (small(image={"frame_index": -1}), "'frame_index'"),
        (small(image={"pts": "now"}), "'pts'"),
        (small(image={"pts_time": []}), "'pts_time'"),
        (small(image={"complete_categories": [1]}), "'complete_categories'"),
        (small(image={"complete_categories": "ball"}), "'complete_categories'"),
        (small(image={"complete_categories": [{}]}), "'complete_categories'"),
        (small(image={"hard_negatives": 3}), "'hard_negatives'"),
        (small(image={"hard_negatives": [3]}), "hard_negatives[0]"),
        (small(image={"hard_negatives": [{"bbox": [1, 2, 3, 4]}]}), "hard_negatives[0]"),
        (small(image={"hard_negatives": [{"category": "dog"}]}), "hard_negatives[0]: 'bbox'"),
        (small(images=[{"id": 1, "file_name": "a"}] * 2), "images[1]"),
        (small(images=["a.jpg"]), "images[0]"),
        (small(annotations={}), "'annotations'"),
        (small(categories=[{"id": 1}]), "categories[0] (id 1): 'name'"),
        (small(categories=[{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]), "categories[1]"),
        (small(images=None), "'images'"),
        ([{"image_id": 1, "bbox": [1, 2, 3, 4]}], "result file"),
        ("text", "COCO"),
    ],
)
def test_bad_entries_are_named(tmp_path: Path, content: Any, place: str):
    """A wrong entry is refused with the file, the entry and what was expected."""
    path = written(tmp_path / "a.json", content)
    with pytest.raises(FormatError) as caught:
        read_coco(path)
    assert str(path) in str(caught.value)
    assert place in str(caught.value)
    assert "expected" in str(caught.value)


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"images": 1e999}'])
def test_damaged_files_are_refused(tmp_path: Path, raw: bytes):
    """A file that is no JSON, or does not exist, is a format error; it names no pictures."""
    path = tmp_path / "a.json"
    path.write_bytes(raw)
    for each in (path, tmp_path / "none.json"):
        with pytest.raises(FormatError, match="expected"):
            read_coco(each)
        assert truth_pictures(each) == []


FIELDS = [("image", name) for name in (*small()["images"][0], "pts", "hard_negatives")] + [
    ("box", name) for name in (*small()["annotations"][0], "iscrowd", "score", "origin")
]


@given(
    field=st.sampled_from(FIELDS),
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists
    ),
)
def test_any_value_anywhere_is_read_or_refused(
    field: tuple[str, str], value: object, tmp_path_factory: pytest.TempPathFactory
):
    """No value in any field raises anything but a format error that names the file."""
    entry, name = field
    path = written(tmp_path_factory.getbasetemp() / "fuzz.json", small(**{entry: {name: value}}))
    assert outcome(path) == "fine"


def outcome(path: Path) -> str:
    """Return ``fine`` if a file of one image is read, or refused by its name."""
    try:
        return "fine" if len(read_coco(path).images) == 1 else "lost"
    except FormatError as exc:
        return "fine" if str(path) in str(exc) else str(exc)


def corners(**changes: Any) -> dict[str, Any]:
    """Return an ancestor's file: corners, no ids of annotations."""
    boxes = [[30, 20, 60, 44], [2, 3, 20, 10]]
    rows = [{"image_id": 7, "category_id": 37, "bbox": box} | changes for box in boxes]
    return small(annotations=rows)


def test_corners_are_read_when_asked_for(tmp_path: Path):
    """With xyxy=True boxes are left, top, right, bottom."""
    dataset = read_coco(written(tmp_path / "a.json", corners()), xyxy=True)
    assert dataset.boxes[0].xyxy.tolist() == [[30, 20, 60, 44], [2, 3, 20, 10]]


def test_corners_are_recognised(tmp_path: Path):
    """A file that can only hold corners is refused by naming the flag; xyxy=False reads it."""
    path = written(tmp_path / "a.json", corners())
    with pytest.raises(FormatError, match="xyxy=True"):
        read_coco(path)
    assert read_coco(path, xyxy=False).boxes[0].xyxy[0].tolist() == [30, 20, 64, 48]


def test_a_box_beyond_the_edge_is_no_sign_of_corners(tmp_path: Path):
    """Where annotations have ids as COCO's, one box that leaves its picture is clipped."""
    path = written(tmp_path / "a.json", corners(id=1))
    assert read_coco(path).boxes[0].xyxy[0].tolist() == [30, 20, 64, 48]


def test_shares_of_the_picture_are_recognised(tmp_path: Path):
    """A file whose boxes are all fractions in 0..1 is refused; xyxy=False reads it."""
    path = written(tmp_path / "a.json", small(box={"bbox": [0.1, 0.2, 0.25, 0.3]}))
    with pytest.raises(FormatError, match="shares"):
        read_coco(path)
    assert read_coco(path, xyxy=False).box_count == 1


def test_boxes_outside_are_left_out_and_named(tmp_path: Path):
    """Boxes are clipped; of one outside, or without area, a sentence stays, also in a copy."""
    boxes = [[-5, -5, 10, 10], [70, 5, 9, 9], [5, 5, 0, 9], [60, 40, 99, 99]]
    annotations = [{"id": 1, "image_id": 7, "category_id": 37, "bbox": box} for box in boxes]
    dataset = read_coco(written(tmp_path / "a.json", small(annotations=annotations)))
    assert dataset.boxes[0].xyxy.tolist() == [[0, 0, 5, 5], [60, 40, 64, 48]]
    assert dataset.left_out == ["a.jpg, ball at 70, 5, 79, 14", "a.jpg, ball at 5, 5, 5, 14"]
    write_coco(tmp_path / "b.json", dataset)
    assert read_coco(tmp_path / "b.json") == dataset


def test_wrong_corners_are_refused(tmp_path: Path):
    """A right edge left of the left one is a format error."""
    with pytest.raises(FormatError, match="right"):
        read_coco(written(tmp_path / "a.json", corners(bbox=[9, 9, 3, 12])), xyxy=True)


def test_truth_pictures_stay_in_the_folder(tmp_path: Path):
    """Only pictures that exist, lie in the file's folder and are no video frames are returned."""
    folder = tmp_path / "truth"
    (folder / "deep").mkdir(parents=True)
    (tmp_path / "out.jpg").touch()
    (folder / "link.jpg").symlink_to(tmp_path / "out.jpg")
    for name in ("a.jpg", "deep/b.jpg", "frame.jpg"):
        (folder / name).touch()
    names = ["a.jpg", "deep/b.jpg", "a.jpg", "none.jpg", "../out.jpg", "deep/../../out.jpg"]
    names += [str(tmp_path / "out.jpg"), "link.jpg", "", ".", "a\0.jpg", "x" * 5000, "\ud800", 3]
    images = [{"file_name": name} for name in names] + [
        {"file_name": "frame.jpg", "video": "v.mp4"}
    ]
    path = written(folder / "a.json", {"images": [*images, 3]})
    assert truth_pictures(path) == [folder / "a.jpg", folder / "deep" / "b.jpg"]


def test_values_json_cannot_hold_are_refused(tmp_path: Path):
    """An extra that is no JSON value is a format error, and the old file stays."""
    path = written(tmp_path / "a.json", small())
    before = path.read_bytes()
    for value in (float("nan"), object()):
        images = (ImageEntry("a.jpg", extra={"x": value}),)
        with pytest.raises(FormatError, match="JSON"):
            write_coco(path, Dataset(("ball",), images))
    assert path.read_bytes() == before


def test_a_place_that_cannot_be_written_is_explained(tmp_path: Path, mixed: Dataset):
    """What the file system refuses is told with the place, and nothing is left behind."""
    (tmp_path / "file").touch()
    with pytest.raises(WorkspaceError, match="file"):
        write_coco(tmp_path / "file" / "a.json", mixed)
    (tmp_path / "taken").mkdir()
    with pytest.raises(WorkspaceError, match="taken"):
        write_coco(tmp_path / "taken", mixed)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "taken"]


def test_pycocotools_reads_the_same_boxes(
    tmp_path: Path, mixed: Dataset, capsys: pytest.CaptureFixture[str], *, rows: Rows
):
    """The reference reader finds every picture, background too, and the same boxes."""
    path = tmp_path / "a.json"
    write_coco(path, mixed)
    coco = COCO(str(path))
    capsys.readouterr()
    assert coco.getImgIds() == [1, 2, 3]
    assert coco.getAnnIds(imgIds=[3]) == []
    names = {row["id"]: row["name"] for row in coco.loadCats(coco.getCatIds())}
    found = [
        (row["image_id"] - 1, names[row["category_id"]], tuple(row["bbox"]))
        for row in coco.loadAnns(coco.getAnnIds())
    ]
    assert found == [(i, name, xywh) for i, name, state, xywh in rows(mixed) if state != "negative"]


@pytest.mark.train
def test_torchvision_reads_the_same_boxes(tmp_path: Path, mixed: Dataset, picture: Path):
    """Torchvision's data set gives each picture its boxes, and background ones none."""
    datasets = pytest.importorskip("torchvision.datasets")
    for image in mixed.images:
        target = tmp_path / image.file_name
        target.parent.mkdir(exist_ok=True)
        target.symlink_to(picture)
    write_coco(tmp_path / "a.json", mixed)
    found = [rows for _, rows in datasets.CocoDetection(str(tmp_path), str(tmp_path / "a.json"))]
    wanted = [
        [entry.xywh for entry in to_entries(boxes) if entry.state != "negative"]
        for boxes in mixed.boxes
    ]
    assert [[tuple(row["bbox"]) for row in rows] for rows in found] == wanted


REAL = [
    ("annotated/hand_boxes/instances.json", (151, 238, 0)),
    ("annotated/volleyball_ball/instances.json", (426, 426, 0)),
    ("annotated/coco_val/instances.json", (96, 843, 96)),
    ("annotated/bmx_trees_mask/instances.json", (80, 80, 0)),
    ("manifests/coco_eval/instances_val2014_100.json", (100, 839, 0)),
]


@pytest.mark.parametrize(("name", "counts"), REAL)
def test_real_files_survive(
    data_dir: Path, tmp_path: Path, name: str, counts: tuple[int, int, int]
):
    """Published files are read whole, to a thousandth of a pixel, and survive a round trip."""
    path = data_dir / name
    dataset = read_coco(path)
    assert (len(dataset.images), dataset.box_count, len(truth_pictures(path))) == counts
    raw = json.loads(path.read_text(encoding="utf-8"))
    for image, boxes in zip(raw["images"], dataset.boxes, strict=True):
        wanted = [row for row in raw["annotations"] if row["image_id"] == image["id"]]
        assert boxes.has_state("ignore").tolist() == [row["iscrowd"] == 1 for row in wanted]
        xywh = np.array([row["bbox"] for row in wanted]).reshape(-1, 4)
        assert np.allclose(xyxy_to_xywh(boxes.xyxy), xywh, rtol=0, atol=1e-3)
    write_coco(tmp_path / "a.json", dataset)
    back = read_coco(tmp_path / "a.json")
    assert list(map(to_entries, back.boxes)) == list(map(to_entries, dataset.boxes))
    assert (back.classes, back.images) == (dataset.classes, dataset.images)


def test_hand_boxes_name_frames_and_complete_classes(data_dir: Path):
    """Frames of videos keep index, time and the classes that are fully annotated."""
    dataset = read_coco(data_dir / "annotated/hand_boxes/instances.json")
    image = dataset.images[1]
    assert image.video == "videos/sports/soccer_juggle.mp4"
    assert (image.frame_index, image.pts_time, image.pts) == (20, 0.8333, None)
    assert [dataset.classes[i] for i in image.complete] == ["person", "sports ball"]


def test_result_files_are_told_apart(data_dir: Path):
    """A list of results is refused with the word for what it is."""
    with pytest.raises(FormatError, match="result file"):
        read_coco(data_dir / "manifests/coco_eval/instances_val2014_fakebbox100_results.json")


def test_a_bare_box_is_a_hard_negative_of_the_only_class(tmp_path: Path, rows: Rows):
    """Without a class, a hard negative is of the only one there is; of several it is refused."""
    content = small(image={"hard_negatives": [[1, 2, 3, 4]]})
    with pytest.raises(FormatError, match="'category'"):
        read_coco(written(tmp_path / "a.json", content))
    content["categories"] = [{"id": 37, "name": "ball"}]
    found = rows(read_coco(written(tmp_path / "a.json", content)))
    assert found[-1] == (0, "ball", "negative", (1, 2, 3, 4))


def test_ids_that_a_table_program_made_floats_are_whole(tmp_path: Path):
    """Ids such as 7.0 mean 7, also where one list has 7 and another 7.0; 7.5 is none."""
    raw = small(image={"id": 7.0}, box={"image_id": 7, "category_id": 37.0})
    assert len(read_coco(written(tmp_path / "a.json", raw)).boxes[0]) == 1
    with pytest.raises(FormatError, match=r"'id': expected a whole number or text, but got 7\.5"):
        read_coco(written(tmp_path / "a.json", small(image={"id": 7.5})))


def test_regions_to_ignore_may_stand_in_their_image(tmp_path: Path):
    """Beside objects they are no annotations, and come back in the same state."""
    entries = [Entry((1, 2, 3, 4), 0), Entry((5, 6, 9, 9), 0, 0.5, "ignore", track_id=3)]
    image = ImageEntry("a.jpg", 64, 48, pts=5, time_base=Fraction(1, 600))
    data = Dataset(("ball",), (image,), (to_boxes(entries),))
    aside = to_coco(data, crowds=False)
    assert [row["iscrowd"] for row in aside["annotations"]] == [0]
    assert [row["iscrowd"] for row in to_coco(data)["annotations"]] == [0, 1]
    for crowds in (True, False):
        write_coco(tmp_path / "a.json", data, crowds=crowds)
        assert read_coco(tmp_path / "a.json") == data


@pytest.mark.parametrize("given", ["600", "1/0", "-1/600", 7, "1/600.5"])
def test_a_wrong_time_base_is_refused(tmp_path: Path, given: object):
    """It is seconds per tick as a fraction of two whole numbers."""
    with pytest.raises(FormatError, match="'time_base': expected seconds per tick"):
        read_coco(written(tmp_path / "a.json", small(image={"time_base": given})))


@pytest.mark.parametrize("size", [{}, {"width": 640, "height": 480}, {"width": 0, "height": 0}])
def test_shares_of_the_picture_are_refused(tmp_path: Path, size: dict[str, int]):
    """Boxes in 0..1 are no pixels, whether the size of the picture is known or not."""
    raw = small(image=size, box={"bbox": [0.1, 0.2, 0.25, 0.3]})
    with pytest.raises(FormatError, match="as shares of the picture"):
        read_coco(written(tmp_path / "a.json", raw))


def test_track_ids_are_read_where_other_tools_write_them(tmp_path: Path):
    """CVAT writes the track among the attributes of an annotation."""
    raw = small(box={"attributes": {"track_id": 4, "occluded": False}})
    (boxes,) = read_coco(written(tmp_path / "a.json", raw)).boxes
    assert boxes.track_id.tolist() == [4]


@given(dataset=datasets(), crowds=st.booleans())
def test_text_is_that_of_the_rows(dataset, crowds):
    """Columns give the text of `json.dumps` of every row, byte for byte."""
    text = json.dumps(to_coco(dataset, crowds=crowds), allow_nan=False)
    assert "".join(coco_chunks(dataset, crowds=crowds)) == f"{text}\n"


@pytest.mark.parametrize("score", [0.0001, 0.00012, 0.00005, 1e-7, 0.1, 1.0])
def test_small_scores_are_written_as_json_writes_them(score):
    """Also where numpy begins to write exponents and Python does not yet."""
    box = Boxes(np.float32([[0, 0, 9, 9]]), np.float32([score]), np.int64([0]))
    dataset = Dataset(("a",), (ImageEntry("a.png", 9, 9),), (box,))
    assert "".join(coco_chunks(dataset)) == json.dumps(to_coco(dataset)) + "\n"


@given(dataset=datasets(), rules=st.booleans(), crowds=st.booleans())
def test_columns_are_read_as_entries_are(tmp_path_factory, dataset, rules, crowds):
    """Files of the usual layout and indented ones, which are read row by row, give the same."""
    rows = to_coco(dataset, crowds=crowds)
    for box in rows["annotations"]:
        box.update({"round": box["id"] % 2, "rule": "score"} if rules else {})
        box.pop("weight", None)
    usual, indented = (tmp_path_factory.mktemp("coco") / f"{name}.json" for name in "ab")
    usual.write_text(json.dumps(rows) + "\n", encoding="utf-8")
    indented.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    assert read_coco(usual, xyxy=False) == read_coco(indented, xyxy=False)


@pytest.mark.parametrize(
    "annotations",
    [
        '{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}{"id": 2}',
        '{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]},',
        '{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 2}',
        '{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, -3, 4]}',
        '{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, NaN, 4]}',
        '{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3]}',
        '{"id": 1, "image_id": 1, "category_id": 9, "bbox": [1, 2, 3, 4]}',
        '{"id": 1, "image_id": 9, "category_id": 1, "bbox": [1, 2, 3, 4]}',
        '{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "track_id": -1}',
        '{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "iscrowd": 2}',
    ],
)
def test_wrong_annotations_of_the_usual_layout_are_refused(tmp_path, annotations):
    """What columns cannot hold is refused as in any other file."""
    images = '{"images": [{"id": 1, "file_name": "a.jpg", "width": 9, "height": 9}]'
    categories = '"categories": [{"id": 1, "name": "dog"}]}'
    path = tmp_path / "a.json"
    path.write_text(f'{images}, "annotations": [{annotations}], {categories}\n', encoding="utf-8")
    with pytest.raises(FormatError):
        read_coco(path)


def test_text_that_looks_like_the_layout_stays_text(tmp_path):
    """Names and origins may hold what stands between annotations."""
    odd = '}, {"id": 3}], "annotations": [], "categories": ['
    dataset = Dataset(
        (odd,),
        (ImageEntry(odd, 99, 99),),
        (to_boxes([Entry((1.0, 2.0, 3.0, 4.0), 0, origin=odd)] * 2),),
    )
    write_coco(tmp_path / "a.json", dataset)
    assert read_coco(tmp_path / "a.json", xyxy=False) == dataset


@pytest.mark.parametrize("side", [float("nan"), float("inf"), None])
def test_a_side_that_is_no_number_is_named(tmp_path: Path, side: float | None):
    """The message has the words that the file may hold."""
    path = written(tmp_path / "a.json", small(box={"bbox": [1, 2, side, 4]}))
    with pytest.raises(FormatError, match="but got null, NaN or Infinity"):
        read_coco(path)
