"""Folders as other tools lay them out: read whole, and what is left out is told."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import supervision as sv
import yaml
from PIL import Image

from reelabel.data.dataset import Dataset, ImageEntry
from reelabel.engine.task import found_at
from reelabel.errors import FormatError
from reelabel.formats.entries import Entry, to_boxes, to_entries
from reelabel.formats.registry import BOX_WRITERS, detect_format, read_boxes
from reelabel.formats.yolo_labels import read_yolo_labels

APPLE_DOUBLE = b"\0\x05\x16\x07\0\x02\0\0Mac OS X"
BOX = "0.5 0.5 0.25 0.5"
"""Of a picture of 64 x 48 pixels: 24, 12 to 40, 36."""
XYXY = (24, 12, 40, 36)

Put = Callable[..., Path]


@pytest.fixture
def put(tmp_path: Path, picture: Path) -> Put:
    """Return a function that writes files of a folder, text or (None) a picture of 64 x 48."""

    def written(**files: str | None) -> Path:
        for name, text in files.items():
            path = tmp_path / "f" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                shutil.copy(picture, path)
            else:
                path.write_text(text)
        return tmp_path / "f"

    return written


def read(folder: Path) -> tuple[str, Dataset]:
    """Return the format in which a folder is, and what it holds."""
    name = detect_format(folder)
    return name, read_boxes(folder, name)


def found(data: Dataset) -> list[tuple[str, str, list[tuple[float, ...]]]]:
    """Return name, split and boxes of each picture."""
    pairs = zip(data.images, data.boxes, strict=True)
    return [(i.file_name, i.split, [e.xyxy for e in to_entries(b)]) for i, b in pairs]


# -- hidden files ---------------------------------------------------------------------------------


@pytest.fixture
def tracked() -> Dataset:
    """Return a frame of a video with a box in a track."""
    image = ImageEntry("", 64, 48, "00000000000000aa", 3, 72, split="train")
    return Dataset(("ball",), (image,), (to_boxes([Entry((1.0, 2.0, 9.0, 9.0), 0, track_id=2)]),))


@pytest.fixture
def written(tmp_path: Path, mixed: Dataset, tracked: Dataset, always) -> Callable[[str], Path]:
    """Return a function that writes a small data set in a format and returns the folder."""

    def write(name: str) -> Path:
        of_videos = name in {"mot", "cvat-video", "label-studio-video"}
        (tmp_path / "out").mkdir()
        found_at(BOX_WRITERS[name])(tmp_path / "out", tracked if of_videos else mixed, always)
        return tmp_path / "out"

    return write


@pytest.mark.parametrize("name", sorted(BOX_WRITERS))
def test_hidden_files_are_no_part_of_any_format(tmp_path, written, name):
    """MacOS writes a file ``._x`` beside each x on foreign disks: nothing changes by them."""
    folder = written(name)
    before = detect_format(folder), found(read_boxes(folder, name))
    shutil.copytree(folder, tmp_path / "copy")
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        (path.parent / f"._{path.name}").write_bytes(APPLE_DOUBLE)
    shutil.move(tmp_path / "copy", folder / ".cache")
    assert (detect_format(folder), found(read_boxes(folder, name))) == before


# -- YOLO -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "size"), [(24, 3), (12, 2), (4, 3), (17, 3), (1, 2)])
def test_key_points_are_not_taken_for_a_polygon(put, count, size):
    """Where data.yaml states kpt_shape, the box is in fields 2 to 5; more fields are refused."""
    points = " ".join(" ".join(["0.9", "0.95", "2"][:size]) for _ in range(count))
    content = {"train": "images", "names": ["dog"], "kpt_shape": [count, size]}
    files = {"images/a.png": None, "labels/a.txt": f"0 {BOX} {points}\n"}
    folder = put(**files, **{"data.yaml": yaml.safe_dump(content)})
    assert found(read(folder)[1]) == [("images/a.png", "train", [XYXY])]
    for wrong in (f"0 {BOX}", f"0 {BOX} {points} 0.9 0.9 0.9"):
        (folder / "labels/a.txt").write_text(wrong)
        with pytest.raises(FormatError, match=rf"line 1.*kpt_shape.*\[{count}, {size}\]"):
            read(folder)


@pytest.mark.parametrize("given", [[], [4], [0, 3], [4, 4], "4,3", [4.0, 3], 4])
def test_a_wrong_kpt_shape_is_refused(put, given):
    """It is a number of key points, and 2 or 3 values for each."""
    content = {"train": "images", "names": ["dog"], "kpt_shape": given}
    folder = put(**{"images/a.png": None, "labels/a.txt": "", "data.yaml": yaml.safe_dump(content)})
    with pytest.raises(FormatError, match="'kpt_shape' as"):
        read(folder)


def test_key_points_without_their_shape_are_refused(tmp_path: Path):
    """A visibility of 2 is outside every picture: the line is no polygon."""
    path = tmp_path / "a.txt"
    path.write_text(f"0 {BOX} {' '.join(['0.9 0.9 2'] * 24)}\n")
    with pytest.raises(FormatError, match="kpt_shape"):
        read_yolo_labels(path, ["dog"], (64, 48))


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize(
    ("names", "home", "labels"),
    [
        ("classes.txt", "images/a.png", "labels/a.txt"),  # Label Studio, with a notes.json
        ("obj.names", "obj_train_data/a.png", "obj_train_data/a.txt"),  # Darknet and CVAT
        ("obj.names", "data/a.png", "data/a.txt"),  # FiftyOne
    ],
)
def test_a_list_of_classes_stands_for_the_yaml_file(put, names, home, labels, *, alone):
    """Wherever pictures and labels lie; where no picture was exported, its name is left."""
    files = {names: "dog\nball\n", "notes.json": "{}", "train.txt": f"data/{home}\n"}
    pictures = {} if alone else {home: None}
    form, data = read(put(**files, **pictures, **{labels: f"1 {BOX}\n"}))
    (image,) = data.images
    (entry,) = to_entries(data.boxes[0])
    assert (form, data.classes, entry.class_id) == ("yolo", ("dog", "ball"), 1)
    shares = [v / side for v, side in zip(entry.xyxy, image.size_wh * 2, strict=True)]
    assert shares == pytest.approx([v / side for v, side in zip(XYXY, (64, 48) * 2, strict=True)])
    assert Path(image.file_name).with_suffix("") == Path(home).with_suffix("")
    assert data.not_read == ()


def test_pictures_may_lie_beside_their_labels(put):
    """As labelImg leaves them, with the list of classes in the same folder."""
    folder = put(**{"classes.txt": "ball\n", "a.png": None, "a.txt": f"0 {BOX}\n", "b.png": None})
    _, data = read(folder)
    assert found(data) == [("a.png", "", [XYXY]), ("b.png", "", [])]
    assert data.not_read == ()


def test_labels_without_any_picture_are_read_beside_a_yaml_file_too(put):
    """Exports without pictures list those that they had; empty labels are background."""
    content = {"train": "train.txt", "names": {0: "ball"}}
    folder = put(**{
        "data.yaml": yaml.safe_dump(content),
        "train.txt": "data/images/train/a.png\n",
        "labels/train/a.txt": f"0 {BOX}\n",
        "labels/train/b.txt": "",
    })
    _, data = read(folder)
    assert [(i.file_name, i.split) for i in data.images] == [
        ("images/train/a.jpg", "train"),
        ("images/train/b.jpg", "train"),
    ]
    assert [len(boxes) for boxes in data.boxes] == [1, 0]


ROBOFLOW = "train: ../train/images\nval: ../valid/images\ntest: ../test/images\nnames: [ball]\n"


def test_a_split_that_is_not_there_is_left_out_and_told(put):
    """Exports list a test split without pictures; where no split is there, all is wrong."""
    folder = put(**{
        "data.yaml": ROBOFLOW,
        "train/images/a.png": None,
        "train/labels/a.txt": f"0 {BOX}\n",
        "valid/images/b.png": None,
    })
    _, data = read(folder)
    assert found(data) == [
        ("train/images/a.png", "train", [XYXY]),
        ("valid/images/b.png", "val", []),
    ]
    (sentence,) = data.not_read
    assert "'test'" in sentence
    assert "../test/images" in sentence
    (folder / "train").rename(folder / "other")
    (folder / "valid").rename(folder / "more")
    with pytest.raises(FormatError, match="'train' to name a folder"):
        read(folder)


def test_label_files_without_a_picture_are_told(put):
    """They hold labels that nothing shows; texts that hold none are not meant."""
    folder = put(**{
        "data.yaml": "train: images/train\nnames: [ball]\n",
        "images/train/a.png": None,
        "images/train/c.heic": "no reader finds this kind of picture",
        "labels/train/a.txt": f"0 {BOX}\n",
        "labels/train/sub/b.txt": f"0 {BOX}\n",
        "labels/train/c.txt": f"0 {BOX}\n",
        "labels/train/classes.txt": "ball\n",
        "labels/train/empty.txt": "",
        "labels/val/d.txt": f"0 {BOX}\n",
    })
    _, data = read(folder)
    assert found(data) == [("images/train/a.png", "train", [XYXY])]
    names = "labels/train/c.txt, labels/train/sub/b.txt"
    assert data.not_read == (f"2 label files without a picture left out: {names}",)


def test_what_was_not_read_stays_known(mixed: Dataset):
    """However a data set is changed, the sentences of its reader stay, each once."""
    told = Dataset(mixed.classes, mixed.images, mixed.boxes, ("a", "b"))
    parts = [told.subset([0]), told.in_classes(["dog"]), told.clipped()]
    assert [part.not_read for part in parts] == [("a", "b")] * 3
    assert Dataset.joined([*parts, mixed]).not_read == ("a", "b")


@pytest.mark.parametrize(
    ("home", "split"),
    [
        ("images", ""),
        ("images/train", "train"),
        ("images/valid", "val"),
        ("test/images", "test"),
        ("validation/images", "val"),
        ("images/cam1", ""),
    ],
)
def test_a_description_without_paths_means_the_usual_folders(put, home, split):
    """Pictures in images, labels in labels beside; folders that are called so are splits."""
    labels = home.replace("images", "labels")
    files = {f"{home}/a.png": None, f"{labels}/a.txt": f"0 {BOX}\n"}
    folder = put(**files, **{"data.yaml": "nc: 1\nnames: [ball]\n"})
    assert found(read(folder)[1]) == [(f"{home}/a.png", split, [XYXY])]
    shutil.copy(folder / home / "a.png", folder / "other.png")
    shutil.rmtree(folder / home)
    with pytest.raises(FormatError, match="or pictures in"):
        read(folder)
    (folder / "other.png").unlink()
    shutil.rmtree(folder / labels)
    with pytest.raises(FormatError, match="expected pictures or label files in"):
        read(folder)


@pytest.fixture
def supervised(tmp_path: Path) -> sv.DetectionDataset:
    """Return a data set of supervision: one picture with a box, one without."""
    paths = [str(tmp_path / f"{name}.png") for name in "ab"]
    for path in paths:
        Image.fromarray(np.full((48, 64, 3), 90, np.uint8)).save(path)
    boxes = sv.Detections(np.array([XYXY], float), class_id=np.array([0]))
    drawn = dict(zip(paths, (boxes, sv.Detections.empty()), strict=True))
    return sv.DetectionDataset(["ball"], paths, drawn)


def test_folders_of_supervision_are_read(tmp_path, supervised):
    """Whichever way it writes, the same box in the same picture."""
    yolo, voc = tmp_path / "y", tmp_path / "v"
    supervised.as_yolo(str(yolo / "images"), str(yolo / "labels"), str(yolo / "data.yaml"))
    supervised.as_pascal_voc(str(voc), str(voc))
    assert found(read(yolo)[1]) == [("images/a.png", "", [XYXY]), ("images/b.png", "", [])]
    assert found(read(voc)[1]) == [("a.png", "", [XYXY]), ("b.png", "", [])]


def test_avif_pictures_are_found(put):
    """A picture of that kind is one like others."""
    folder = put(**{
        "data.yaml": "train: images\nnames: [ball]\n",
        "images/x.png": None,
        "labels/a.txt": f"0 {BOX}\n",
    })
    Image.open(folder / "images/x.png").save(folder / "images/a.avif")
    assert found(read(folder)[1])[0] == ("images/a.avif", "train", [XYXY])


# -- VOC ------------------------------------------------------------------------------------------


def xml(name: str = "a.png") -> str:
    """Return an annotation with the box, corners from 1 and inclusive."""
    return (
        f"<annotation><filename>{name}</filename><size><width>64</width><height>48</height></size>"
        "<object><name>ball</name><bndbox><xmin>25</xmin><ymin>13</ymin><xmax>40</xmax>"
        "<ymax>36</ymax></bndbox></object></annotation>"
    )


def test_annotations_in_folders_are_read(put):
    """Names are relative to the folder of annotations, in the lists and for the pictures."""
    folder = put(**{
        "Annotations/a.xml": xml(),
        "Annotations/cam2/b.xml": xml("cam2/b.png"),
        "Annotations/cam2/gone.xml": xml("other.jpg"),
        "JPEGImages/a.png": None,
        "JPEGImages/cam2/b.png": None,
        "JPEGImages/cam2/empty.png": None,
        "ImageSets/Main/train.txt": "cam2/b\ncam2/empty\n",
        "ImageSets/Main/trainval.txt": "a\ncam2/b\ncam2/empty\n",
    })
    name, data = read(folder)
    assert (name, found(data)) == (
        "voc",
        [
            ("JPEGImages/a.png", "", [XYXY]),
            ("JPEGImages/cam2/b.png", "train", [XYXY]),
            ("JPEGImages/cam2/other.jpg", "", [XYXY]),
            ("JPEGImages/cam2/empty.png", "train", []),
        ],
    )
    (folder / "Annotations/a.xml").unlink()
    (folder / "ImageSets/Main/trainval.txt").unlink()
    assert len(read(folder)[1].images) == 3
    assert found(read(folder / "Annotations")[1]) == found(read(folder)[1])


def test_the_list_of_no_split_names_background_too(put):
    """Datumaro lists pictures of no split as default."""
    folder = put(**{
        "Annotations/a.xml": xml(),
        "JPEGImages/a.png": None,
        "JPEGImages/b.png": None,
        "ImageSets/Main/default.txt": "a\nb\n",
    })
    assert found(read(folder)[1]) == [
        ("JPEGImages/a.png", "", [XYXY]),
        ("JPEGImages/b.png", "", []),
    ]


def test_annotations_beside_the_pictures_are_read(put):
    """LabelImg's folder, and Roboflow's of splits: told from CVAT by the root of the XML."""
    folder = put(**{"a.xml": xml(), "a.png": None, "other.png": None})
    assert detect_format(folder) == "voc"
    assert found(read_boxes(folder, "voc")) == [("a.png", "", [XYXY])]
    for split in ("train", "valid", "test"):
        put(**{f"{split}/{split}.xml": xml(f"{split}.png"), f"{split}/{split}.png": None})
    (folder / "a.xml").unlink()
    assert detect_format(folder) == "voc"
    assert found(read_boxes(folder, "voc")) == [
        ("test/test.png", "test", [XYXY]),
        ("train/train.png", "train", [XYXY]),
        ("valid/valid.png", "val", [XYXY]),
    ]


@pytest.mark.parametrize(
    ("file", "home"), [("_annotations.coco.json", ""), ("labels.json", "data/")]
)
def test_coco_files_in_the_folders_of_splits_are_read(put, file, home):
    """Roboflow's and FiftyOne's folders: pictures of one name are told apart by their split."""
    content = {
        "images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 48}],
        "categories": [{"id": 1, "name": "ball"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [24, 12, 16, 24]}],
    }
    for split in ("train", "valid"):
        folder = put(**{f"{split}/{file}": json.dumps(content), f"{split}/{home}a.png": None})
    assert detect_format(folder) == "coco"
    assert found(read_boxes(folder, "coco")) == [
        (f"train/{home}a.png", "train", [XYXY]),
        (f"valid/{home}a.png", "val", [XYXY]),
    ]


def test_a_single_annotation_names_its_folder(put):
    """One file of many is no data set: the message names what is."""
    with pytest.raises(FormatError, match="name its folder"):
        detect_format(put(**{"a.xml": xml()}) / "a.xml")


# -- names of classes -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["person:adult", "a: b", "#hash", ":"])
def test_names_that_the_class_list_of_voc_cannot_hold_are_refused(tmp_path, always, name):
    """Its fields are separated by colons, and # begins a comment."""
    data = Dataset(("ball", name), ())
    with pytest.raises(FormatError, match="rename it"):
        found_at(BOX_WRITERS["voc"])(tmp_path / "v", data, always)
    assert not (tmp_path / "v").exists()


@pytest.mark.parametrize("name", ["a\x85b", "a\u2028b", "no", "null", "#hash", "a: b", "\ufeffa"])
def test_supervision_reads_any_class_name_from_yolo(tmp_path, mixed, always, name):
    """YAML's own words and signs that are not printed come back as they were."""
    data = Dataset((name, "ball"), mixed.images, mixed.boxes)
    found_at(BOX_WRITERS["yolo"])(tmp_path / "y", data, always)
    content = yaml.safe_load((tmp_path / "y/data.yaml").read_text(encoding="utf-8"))
    assert content["names"] == [name, "ball"]
    home = [str(tmp_path / "y" / each) for each in ("images/train", "labels/train", "data.yaml")]
    assert sv.DetectionDataset.from_yolo(*home).classes == [name, "ball"]
