"""YOLO folders: others read them, and what they cannot hold stands beside."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import supervision as sv
import yaml
from hypothesis import given
from hypothesis import strategies as st

from reelabel.data.dataset import Dataset, ImageEntry
from reelabel.errors import FormatError, UsageError
from reelabel.formats.coco import read_coco
from reelabel.formats.entries import Entry, to_boxes, to_entries
from reelabel.formats.yolo import read_yolo, write_yolo
from reelabel.formats.yolo_labels import read_yolo_labels

Pictures = Callable[[ImageEntry], Path]


def boxes_by_stem(dataset: Dataset) -> dict[str, list[Entry]]:
    """Return the boxes of each picture under its name without folder and suffix."""
    stems = [Path(image.file_name).stem for image in dataset.images]
    return dict(zip(stems, map(to_entries, dataset.boxes), strict=True))


def test_layout(tmp_path: Path, mixed: Dataset, always: Pictures):
    """Pictures and labels stand in their split's folders; background has an empty label file."""
    write_yolo(tmp_path / "y", mixed, always)
    files = sorted(p.relative_to(tmp_path / "y").as_posix() for p in (tmp_path / "y").rglob("*.*"))
    assert files == [
        "data.yaml",
        "ignore.json",
        "images/train/empty.png",
        "images/train/one.png",
        "images/val/two.png",
        "labels/train/empty.txt",
        "labels/train/one.txt",
        "labels/val/two.txt",
    ]
    assert (tmp_path / "y/labels/train/empty.txt").read_text() == ""
    assert len((tmp_path / "y/labels/train/one.txt").read_text().splitlines()) == 2
    content = yaml.safe_load((tmp_path / "y/data.yaml").read_text())
    assert content == {
        "train": "images/train",
        "val": "images/val",
        "nc": 2,
        "names": ["dog", "ball"],
    }


def test_all_states_come_back(tmp_path: Path, mixed: Dataset, always: Pictures):
    """Positives come from the labels, regions to ignore and negatives from the side file."""
    write_yolo(tmp_path / "y", mixed, always)
    back = read_yolo(tmp_path / "y")
    assert back.classes == mixed.classes
    assert [(i.file_name, i.split) for i in back.images] == [
        ("images/train/empty.png", "train"),
        ("images/train/one.png", "train"),
        ("images/val/two.png", "val"),
    ]
    assert boxes_by_stem(back) == boxes_by_stem(mixed)


@st.composite
def box_inside(draw: st.DrawFn) -> tuple[float, float, float, float]:
    """Draw a box in a picture of 8192 x 48 pixels."""
    x = sorted(draw(st.tuples(st.floats(0, 8192), st.floats(0, 8192))))
    y = sorted(draw(st.tuples(st.floats(0, 48), st.floats(0, 48))))
    return x[0], y[0], x[1] - x[0], y[1] - y[0]


@given(drawn=st.lists(box_inside(), max_size=5))
def test_boxes_come_back_within_a_thousandth_pixel(
    drawn: list[tuple[float, float, float, float]],
    picture: Path,
    tmp_path_factory: pytest.TempPathFactory,
):
    """Shares have digits enough for large pictures, and no box that has an area is lost."""
    folder = tmp_path_factory.mktemp("yolo")
    boxes = to_boxes([Entry.from_xywh(xywh, 0) for xywh in drawn])
    dataset = Dataset(("ball",), (ImageEntry("a.jpg", 8192, 48),), (boxes,))
    write_yolo(folder, dataset, lambda _: picture)
    found = read_yolo_labels(folder / "labels/train/a.txt", ["ball"], (8192, 48))
    wanted = to_entries(boxes, (8192, 48))
    assert len(found) == len(wanted)
    for a, b in zip(found, wanted, strict=True):
        assert a.xyxy == pytest.approx(b.xyxy, abs=1e-3)


def test_boxes_beyond_the_edge(tmp_path: Path, always: Pictures):
    """A box is clipped to its picture, and one with nothing inside is not written."""
    drawn = [(-50.0, 10.0, 60.0, 20.0), (-5.0, 10.0, 30.0, 20.0), (200.0, 10.0, 10.0, 10.0)]
    boxes = to_boxes([Entry.from_xywh(xywh, 0) for xywh in drawn])
    write_yolo(tmp_path / "y", Dataset(("ball",), (ImageEntry("a", 64, 48),), (boxes,)), always)
    found = [entry.xywh for entry in to_entries(read_yolo(tmp_path / "y").boxes[0])]
    assert found == [(0, 10, 10, 20), (0, 10, 25, 20)]


@pytest.mark.parametrize("split", ["train", "val"])
def test_supervision_reads_the_same_boxes(
    tmp_path: Path, mixed: Dataset, always: Pictures, split: str
):
    """A foreign reader finds every picture of a split, background too, with the same boxes."""
    write_yolo(tmp_path / "y", mixed, always)
    found = sv.DetectionDataset.from_yolo(
        str(tmp_path / "y/images" / split),
        str(tmp_path / "y/labels" / split),
        str(tmp_path / "y/data.yaml"),
    )
    assert found.classes == ["dog", "ball"]
    wanted = {
        Path(image.file_name).stem: boxes[boxes.has_state("positive")]
        for image, boxes in zip(mixed.images, mixed.boxes, strict=True)
        if image.split == split
    }
    assert {Path(path).stem for path in found.image_paths} == set(wanted)
    for path, _, seen in found:
        boxes = wanted[Path(path).stem]
        assert np.allclose(seen.xyxy, boxes.xyxy, atol=1e-4)
        names = [mixed.classes[i] for i in boxes.class_id]
        assert [found.classes[i] for i in seen.class_id] == names


def test_hostile_names_stay_inside(tmp_path: Path, always: Pictures):
    """Whatever pictures are called, an export writes into its own folder and loses none."""
    names = [
        "../../out.jpg",
        "/etc/x.jpg",
        "a/b.jpg",
        "c/b.jpg",
        "C:\\b.jpg",
        "..",
        "\n",
        "😀\0.jpg",
    ]
    images = tuple(ImageEntry(name, 64, 48) for name in names)
    boxes = tuple(to_boxes([Entry((i, 1, i + 2, 4), 0)]) for i in range(len(names)))
    write_yolo(tmp_path / "y", Dataset(("ball",), images, boxes), always)
    assert [path.name for path in tmp_path.iterdir()] == ["y"]
    back = read_yolo(tmp_path / "y")
    assert len(back.images) == len(names)
    assert sorted(round(boxes.xyxy[0, 0]) for boxes in back.boxes) == list(range(len(names)))


@pytest.mark.parametrize("name", ["no", "1", "ä: b", "- x", "a\nb", "", "null", "\ud800\0"])
def test_any_class_name_comes_back(tmp_path: Path, always: Pictures, name: str):
    """Names that YAML would take for something else are still read as they were written."""
    write_yolo(tmp_path / "y", Dataset((name,), (ImageEntry("a", 64, 48),)), always)
    assert read_yolo(tmp_path / "y").classes == (name,)


def test_pictures_of_unknown_size_are_measured(tmp_path: Path, always: Pictures):
    """Where an entry gives no size, the picture's own is taken."""
    dataset = Dataset(("a",), (ImageEntry("a"),), (to_boxes([Entry((32, 24, 64, 48), 0)]),))
    write_yolo(tmp_path / "y", dataset, always)
    text = (tmp_path / "y/labels/train/a.txt").read_text()
    assert [float(field) for field in text.split()] == [0, 0.75, 0.75, 0.5, 0.5]


def test_what_cannot_be_written_is_refused(tmp_path: Path, mixed: Dataset, always: Pictures):
    """A full folder, an unknown split and a picture of the wrong kind are errors."""
    (tmp_path / "x").touch()
    with pytest.raises(UsageError, match="empty"):
        write_yolo(tmp_path, mixed, always)
    odd = Dataset(("a",), (ImageEntry("a", split="../x"),))
    with pytest.raises(FormatError, match="split"):
        write_yolo(tmp_path / "y", odd, always)
    with pytest.raises(FormatError, match="gif"):
        write_yolo(tmp_path / "z", mixed, lambda _: Path("a.gif"))


@pytest.mark.parametrize(
    "line",
    [
        "0 0.5 0.5 0.1",
        "0 0.5 0.5 0.1 -0.1",
        "0 0.5 0.5 0.1 nan",
        "0 50 50 10 10",
        "1 0.5 0.5 0.1 0.1",
        "-1 0.5 0.5 0.1 0.1",
        "² 0.5 0.5 0.1 0.1",
        "ball 0.5 0.5 0.1 0.1",
        "0 0.5 0.5 0.1 0.1 7.5",
        "0 0.1 0.1 0.2 0.2 0.3 0.3 0.4",
        "0",
        "0 a b c d",
    ],
)
def test_wrong_label_lines_are_named(tmp_path: Path, line: str):
    """A line that is no box is refused with file and number."""
    path = tmp_path / "a.txt"
    path.write_text(f"0 0.5 0.5 0.1 0.1\n\n{line}\n", encoding="utf-8")
    with pytest.raises(FormatError, match="line 3: expected"):
        read_yolo_labels(path, ["ball"], (64, 48))


def test_scores_and_polygons_are_understood(tmp_path: Path):
    """A sixth number is a score; of a polygon the bounding box is taken."""
    path = tmp_path / "a.txt"
    path.write_text("0.0 0.5 0.5 0.25 0.5 0.75\n0 0.25 0.5 0.75 0.5 0.5 1.0\n")
    scored, polygon = read_yolo_labels(path, ["ball"], (64, 48))
    assert (scored.xywh, scored.score) == ((24, 12, 16, 24), 0.75)
    assert (polygon.xywh, polygon.score) == ((16, 24, 32, 24), None)


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (["0 0.5 0.5 0.25 0.5 7"], [(None, 7)]),
        (["0 0.5 0.5 0.25 0.5 1", "0 0.5 0.5 0.25 0.5 12"], [(None, 1), (None, 12)]),
        (["0 0.5 0.5 0.25 0.5 0.75 1"], [(0.75, 1)]),
        (["0 0.5 0.5 0.25 0.5 0.75 3", "0 0.5 0.5 0.25 0.5 0.5"], [(0.75, 3), (0.5, None)]),
        (["0 0.5 0.5 0.25 0.5", "0 0.5 0.5 0.25 0.5 4"], [(None, None), (None, 4)]),
        (["0 0.5 0.5 0.25 0.5 1"], [(1.0, None)]),
    ],
)
def test_numbers_of_tracks_are_no_scores_and_no_corners(
    tmp_path: Path, lines: list[str], found: list[tuple[float | None, int | None]]
):
    """Whole numbers behind all boxes, or all scores, of a file are tracks; a lone 1 is a score."""
    path = tmp_path / "a.txt"
    path.write_text("\n".join(lines))
    read = read_yolo_labels(path, ["ball"], (64, 48))
    assert {entry.xywh for entry in read} == {(24, 12, 16, 24)}
    assert [(entry.score, entry.track_id) for entry in read] == found


def test_a_triangle_is_no_track(tmp_path: Path):
    """Its last corner is written with a point, in one line of the file at least."""
    path = tmp_path / "a.txt"
    path.write_text("0 0.25 0.25 0.75 0.25 0.5 0.75\n")
    (triangle,) = read_yolo_labels(path, ["ball"], (64, 48))
    assert triangle.xyxy == (16, 12, 48, 36)
    path.write_text("0 0.25 0.5 0.75 0.5 0.5 1\n0 0.25 0.5 0.75 0.5 0.5 0.75\n")
    assert [e.track_id for e in read_yolo_labels(path, ["ball"], (64, 48))] == [None, None]


def test_a_folder_without_any_label_file_is_refused(tmp_path: Path, picture: Path):
    """Labels in another place would make background of every picture."""
    folder = foreign(tmp_path / "f", picture, {"train": "train/images", "names": ["a", "b"]})
    (folder / "train/labels").rename(folder / "train/annotations")
    with pytest.raises(FormatError, match=r"at least one of 1 pictures.*train/labels/train\.txt"):
        read_yolo(folder)


def foreign(folder: Path, picture: Path, content: object) -> Path:
    """Write a small folder as another tool would: <split>/images and a list of names."""
    for split in ("train", "valid"):
        (folder / split / "images").mkdir(parents=True)
        (folder / split / "labels").mkdir()
        shutil.copy(picture, folder / split / "images" / f"{split}.png")
    (folder / "train/labels/train.txt").write_text("1 0.5 0.5 0.5 0.5")
    (folder / "list.txt").write_text("./train/images/train.png\n")
    (folder / "data.yaml").write_text(yaml.safe_dump(content))
    return folder


@pytest.mark.parametrize(
    "paths",
    [
        {"train": "../train/images"},
        {"train": "train/images", "path": "/home/someone/data"},
        {"train": "/home/someone/train/images"},
        {"train": "list.txt"},
        {"train": ["train/images", "list.txt"], "path": "."},
    ],
)
@pytest.mark.parametrize(
    "names", [["dog", "ball"], {0: "dog", 1: "ball"}, {"1": "ball", "0": "dog"}]
)
def test_exports_of_other_tools_are_read(
    tmp_path: Path, picture: Path, paths: dict[str, object], names: object
):
    """Paths of another machine or one level too high are found again inside the folder."""
    content = {"val": "valid/images", "names": names} | paths
    dataset = read_yolo(foreign(tmp_path / "f", picture, content))
    assert [(i.file_name, i.split, i.width) for i in dataset.images] == [
        ("train/images/train.png", "train", 64),
        ("valid/images/valid.png", "val", 64),
    ]
    assert [to_entries(boxes) for boxes in dataset.boxes] == [[Entry((16, 12, 48, 36), 1)], []]


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        {"names": ["a"]},
        {"train": "train/images"},
        {"train": "train/images", "names": {1: "a"}},
        {"train": "train/images", "names": "a"},
        {"train": "/etc", "names": ["a"]},
        {"train": "../../etc", "names": ["a"]},
        {"train": "list.txt", "names": ["a"]},
    ],
)
def test_bad_yaml_is_refused(tmp_path: Path, picture: Path, content: object):
    """Names, splits or paths that are wrong or leave the folder are format errors."""
    folder = foreign(tmp_path / "f", picture, content)
    (folder / "train").rename(folder / "other")
    (folder / "list.txt").write_text("../f/train/images/train.png\n")
    with pytest.raises(FormatError, match="expected"):
        read_yolo(folder)


@pytest.mark.parametrize("text", ["a: [", "!!python/object/apply:os.system [ls]", "\x00"])
def test_yaml_runs_nothing(tmp_path: Path, text: str):
    """What is no plain YAML is refused and never carried out."""
    (tmp_path / "data.yaml").write_text(text)
    with pytest.raises(FormatError, match="YAML"):
        read_yolo(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        ('"ignore"', '"odd"'),
        ('"images/train/one.png"', '"../x.png"'),
        ('"category": "ball"', '"category": "cat"'),
        ("12.5", "-12.5"),
        ('"classes"', '"x"'),
        ('"boxes"', '"boxes": 3, "x"'),
        ("0.4", '"0.4"'),
    ],
)
def test_a_damaged_side_file_is_refused(
    tmp_path: Path, mixed: Dataset, always: Pictures, change: tuple[str, str]
):
    """The side file is checked entry by entry."""
    write_yolo(tmp_path / "y", mixed, always)
    path = tmp_path / "y/ignore.json"
    text = path.read_text()
    assert change[0] in text
    path.write_text(text.replace(*change))
    with pytest.raises(FormatError, match=r"ignore\.json"):
        read_yolo(tmp_path / "y")


def test_real_labels_agree_with_coco(data_dir: Path):
    """YOLO labels and the COCO file of one data set give the same boxes."""
    folder = data_dir / "annotated/volleyball_ball"
    coco = read_coco(folder / "instances.json")
    checked = 0
    for image, boxes in zip(coco.images, coco.boxes, strict=True):
        path = folder / "labels_yolo/clip_two" / f"{image.extra['source_frame']:04d}.txt"
        if Path(image.video).stem == "clip_two" and path.is_file():
            (found,) = read_yolo_labels(path, ["ball"], image.size_wh)
            assert found.xyxy == pytest.approx(boxes.xyxy[0], abs=0.01)
            checked += 1
    assert checked == 60


def test_a_description_of_any_name_is_found(tmp_path: Path, mixed: Dataset, always: Pictures):
    """The only YAML file of a folder is it; it may be named itself, and names may be a mapping."""
    write_yolo(tmp_path / "y", mixed, always)
    content = yaml.safe_load((tmp_path / "y/data.yaml").read_text())
    (tmp_path / "y/data.yaml").unlink()
    content["names"] = dict(enumerate(content["names"]))
    (tmp_path / "y/balls.yaml").write_text(yaml.safe_dump(content))
    for path in (tmp_path / "y", tmp_path / "y/balls.yaml"):
        assert boxes_by_stem(read_yolo(path)) == boxes_by_stem(mixed)
    (tmp_path / "y/other.yml").write_text("x: 1")
    with pytest.raises(FormatError, match=r"data\.yaml"):
        read_yolo(tmp_path / "y")
