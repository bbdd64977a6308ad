"""VOC folders: others read them, dangerous XML is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import supervision as sv
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from reelabel.data.dataset import Dataset, ImageEntry
from reelabel.data.states import STATES
from reelabel.errors import FormatError, UsageError
from reelabel.formats import voc
from reelabel.formats.entries import Entry, to_boxes, to_entries
from reelabel.formats.voc import read_voc, write_voc
from reelabel.formats.yolo_labels import read_yolo_labels

Rows = Callable[[Dataset], list[tuple[int, str, str, tuple[float, ...]]]]
Pictures = Callable[[ImageEntry], Path]
XML = """<annotation><size><width>64</width><height>48</height></size><object><name>dog</name>
<bndbox><xmin>2</xmin><ymin>3</ymin><xmax>4</xmax><ymax>6</ymax></bndbox></object></annotation>"""


def test_layout(tmp_path: Path, mixed: Dataset, always: Pictures):
    """Every picture has an annotation file, background too, and stands in its split's list."""
    write_voc(tmp_path / "v", mixed, always)
    files = sorted(p.relative_to(tmp_path / "v").as_posix() for p in (tmp_path / "v").rglob("*.*"))
    assert files == [
        "Annotations/empty.xml",
        "Annotations/one.xml",
        "Annotations/two.xml",
        "ImageSets/Main/test.txt",
        "ImageSets/Main/train.txt",
        "ImageSets/Main/val.txt",
        "JPEGImages/empty.png",
        "JPEGImages/one.png",
        "JPEGImages/two.png",
        "ignore.json",
        "labelmap.txt",
    ]
    lines = (tmp_path / "v/labelmap.txt").read_text().splitlines()
    assert lines == ["# label:color_rgb:parts:actions", "dog:::", "ball:::"]
    assert (tmp_path / "v/ImageSets/Main/train.txt").read_text() == "one\nempty\n"
    text = (tmp_path / "v/Annotations/one.xml").read_text()
    assert "<difficult>1</difficult>" in text
    corners = ("<xmin>11</xmin>", "<ymin>12</ymin>", "<xmax>15</xmax>", "<ymax>17</ymax>")
    assert all(corner in text for corner in corners)


def test_all_states_come_back(tmp_path: Path, mixed: Dataset, always: Pictures, rows: Rows):
    """Objects, difficult ones and, from the side file, negatives come back where they were."""
    write_voc(tmp_path / "v", mixed, always)
    back = read_voc(tmp_path / "v")
    assert back.classes == mixed.classes
    assert [(i.file_name, i.split, i.width, i.height) for i in back.images] == [
        ("JPEGImages/empty.png", "train", 64, 48),
        ("JPEGImages/one.png", "train", 64, 48),
        ("JPEGImages/two.png", "val", 64, 48),
    ]
    assert rows(back) == [(i + 1, name, state, xywh) for i, name, state, xywh in rows(mixed)]


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    """Draw a box inside a picture of 64 x 48 pixels, in thousandths of a pixel."""
    spans = [
        sorted(draw(st.lists(st.integers(0, side * 1000), min_size=2, max_size=2, unique=True)))
        for side in (64, 48)
    ]
    (x1, x2), (y1, y2) = spans
    corners = (x1 / 1000, y1 / 1000, x2 / 1000, y2 / 1000)
    return Entry(corners, draw(st.integers(0, 2)), state=draw(st.sampled_from(STATES)))


@given(drawn=st.lists(entries(), max_size=5))
def test_round_trip(drawn: list[Entry], picture: Path, tmp_path_factory: pytest.TempPathFactory):
    """Any box comes back as it was, thin ones and negatives too."""
    folder = tmp_path_factory.mktemp("voc")
    image = ImageEntry("a.jpg", 64, 48)
    dataset = Dataset(("dog", "<&>\"'", "ä b"), (image,), (to_boxes(drawn),))
    write_voc(folder, dataset, lambda _: picture)
    back = read_voc(folder)
    aside = [e for e in drawn if e.state == "negative" or min(e.xywh[2:]) < 1]
    assert back.classes == dataset.classes
    assert to_entries(back.boxes[0]) == [e for e in drawn if e not in aside] + aside


def test_supervision_reads_the_same_boxes(tmp_path: Path, mixed: Dataset, always: Pictures):
    """A foreign reader finds every picture, background too, and the same boxes."""
    write_voc(tmp_path / "v", mixed, always)
    found = sv.DetectionDataset.from_pascal_voc(
        str(tmp_path / "v/JPEGImages"), str(tmp_path / "v/Annotations")
    )
    wanted = {
        Path(image.file_name).stem: boxes[~boxes.has_state("negative")]
        for image, boxes in zip(mixed.images, mixed.boxes, strict=True)
    }
    assert {Path(path).stem for path in found.image_paths} == set(wanted)
    for path, _, seen in found:
        boxes = wanted[Path(path).stem]
        assert np.allclose(seen.xyxy, boxes.xyxy, atol=1e-5)
        names = [mixed.classes[i] for i in boxes.class_id]
        assert [found.classes[i] for i in seen.class_id] == names


def one(folder: Path, text: str) -> Path:
    """Write a folder with one annotation."""
    (folder / "Annotations").mkdir(parents=True)
    (folder / "Annotations" / "a.xml").write_text(text, encoding="utf-8")
    return folder


def test_corners_count_from_one_and_are_inclusive(tmp_path: Path, rows: Rows):
    """From xmin 2 to xmax 4 are the three columns from 1 to 3, counted from 0."""
    dataset = read_voc(one(tmp_path, XML))
    assert rows(dataset) == [(0, "dog", "positive", (1, 2, 3, 4))]
    assert dataset.images == (ImageEntry("JPEGImages/a.jpg", 64, 48),)


def test_folders_that_count_from_zero_are_recognised(tmp_path: Path, rows: Rows):
    """A box that begins at 0 tells that right and bottom are those of all boxes of the folder."""
    whole = XML.replace("<xmin>2", "<xmin>0").replace("<xmax>4", "<xmax>64")
    folder = one(tmp_path, whole)
    (folder / "Annotations" / "b.xml").write_text(XML)
    assert [xywh for *_, xywh in rows(read_voc(folder))] == [(0, 3, 64, 3), (2, 3, 2, 3)]


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE a [<!ENTITY b "c">]>' + XML,
        '<!doctype a SYSTEM "file:///etc/passwd">' + XML,
        XML.replace("<xmax>4", "<xmax>nan"),
        XML.replace("<xmax>4", "<xmax>inf"),
        XML.replace("<xmax>4", "<xmax>0"),
        XML.replace("<xmax>4</xmax>", ""),
        XML.replace("<width>64", "<width>-64"),
        XML.replace("<width>64", "<width>many"),
        XML.replace("<name>dog</name>", ""),
        XML.replace("annotation", "other"),
        XML[:-5],
        "",
    ],
)
def test_bad_xml_is_refused(tmp_path: Path, text: str):
    """Document types, entities and values that are no box are refused with the file's name."""
    with pytest.raises(FormatError, match=r"a\.xml: expected"):
        read_voc(one(tmp_path, text))


def test_large_files_and_entities_in_any_encoding_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """XML above the limit, or with a document type behind another encoding, is not parsed."""
    folder = one(tmp_path, XML)
    (folder / "Annotations/a.xml").write_bytes(("<!DOCTYPE a>" + XML).encode("utf-16"))
    with pytest.raises(FormatError, match="without DOCTYPE"):
        read_voc(folder)
    (folder / "Annotations/a.xml").write_text(XML)
    monkeypatch.setattr(voc, "XML_LIMIT", 50)
    with pytest.raises(FormatError, match="at most 50"):
        read_voc(folder)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("x.png", "JPEGImages/x.png"),
        ("../../etc/x.png", "JPEGImages/x.png"),
        ("C:\\data\\x.png", "JPEGImages/x.png"),
        ("..", "JPEGImages/a.jpg"),
    ],
)
def test_names_in_annotations_lose_their_folders(tmp_path: Path, given: str, name: str):
    """A file name that an annotation gives never leads out of the pictures' folder."""
    text = XML.replace("<size>", f"<filename>{given}</filename><size>")
    assert read_voc(one(tmp_path, text)).images[0].file_name == name


def test_splits_are_checked(tmp_path: Path):
    """A list that names no annotation, or a picture in two lists, is refused."""
    folder = one(tmp_path, XML)
    lists = folder / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("a\n\n")
    assert read_voc(folder).images[0].split == "train"
    (lists / "test.txt").write_text("a\n")
    with pytest.raises(FormatError, match="two"):
        read_voc(folder)
    (lists / "test.txt").write_text("b\n")
    with pytest.raises(FormatError, match="'b'"):
        read_voc(folder)


def test_what_cannot_be_written_is_refused(tmp_path: Path, mixed: Dataset, always: Pictures):
    """A full folder, an odd split and names that XML would change are errors."""
    (tmp_path / "x").touch()
    with pytest.raises(UsageError, match="empty"):
        write_voc(tmp_path, mixed, always)
    with pytest.raises(FormatError, match="splits"):
        write_voc(tmp_path / "v", Dataset(("a",), (ImageEntry("a", split="odd"),)), always)
    for name in ("a\0", "a\r\nb", "\ud800", " a", ""):
        with pytest.raises(FormatError, match="class name"):
            write_voc(tmp_path / "v", Dataset((name,), ()), always)
    with pytest.raises(FormatError, match="none"):
        read_voc(tmp_path)


def test_hostile_names_stay_inside(tmp_path: Path, always: Pictures):
    """Whatever pictures are called, an export writes into its own folder and loses none."""
    names = ["../../out.jpg", "/etc/x.jpg", "a/b.jpg", "c/b.jpg", "..", "<&>.jpg", "a b.jpg"]
    images = tuple(ImageEntry(name, 64, 48, split="train") for name in names)
    write_voc(tmp_path / "v", Dataset(("a",), images), always)
    assert [path.name for path in tmp_path.iterdir()] == ["v"]
    assert [image.split for image in read_voc(tmp_path / "v").images] == ["train"] * len(names)


def test_real_annotations_agree_with_yolo(data_dir: Path):
    """VOC's own files are read whole, and agree with the YOLO labels beside them."""
    folder = data_dir / "annotated/voc2012_subset"
    dataset = read_voc(folder, annotations="voc_xml", pictures="images")
    names = (folder / "yolo/obj.names").read_text().split()
    assert len(dataset.images) == 40
    assert all((folder / image.file_name).is_file() for image in dataset.images)
    for image, boxes in zip(dataset.images, dataset.boxes, strict=True):
        path = folder / "yolo" / f"{Path(image.file_name).stem}.txt"
        found, own = read_yolo_labels(path, names, image.size_wh), to_entries(boxes)
        classes = sorted(dataset.classes[entry.class_id] for entry in own)
        assert sorted(names[entry.class_id] for entry in found) == classes
        pairs = zip(sorted(b.xywh for b in found), sorted(b.xywh for b in own), strict=True)
        # The labels beside take VOC's corners for edges: up to a pixel off.
        assert all(a == pytest.approx(b, abs=1.1) for a, b in pairs)


UNKNOWN = "<source><database>Unknown</database></source>"


def test_tools_that_write_edges_are_recognised(tmp_path: Path, rows: Rows):
    """LabelImg, CVAT and Datumaro name an unknown source: from 2 to 4 are two columns."""
    folder = one(tmp_path / "a", XML.replace("<size>", f"{UNKNOWN}<size>"))
    assert rows(read_voc(folder)) == [(0, "dog", "positive", (2, 3, 2, 3))]
    ours = (
        "<attributes><attribute><name>first_pixel</name><value>1</value></attribute></attributes>"
    )
    text = XML.replace("<size>", f"{UNKNOWN}<size>").replace("<bndbox>", f"{ours}<bndbox>")
    assert rows(read_voc(one(tmp_path / "b", text))) == [(0, "dog", "positive", (1, 2, 3, 4))]


def test_background_without_annotation_is_found_by_its_list(tmp_path: Path, picture: Path):
    """Datumaro writes no file for a picture without objects; the lists name it."""
    folder = one(tmp_path, XML)
    for name in ("empty", "other"):
        (folder / "JPEGImages").mkdir(exist_ok=True)
        (folder / "JPEGImages" / f"{name}.png").write_bytes(picture.read_bytes())
    (folder / "ImageSets/Main").mkdir(parents=True)
    (folder / "ImageSets/Main/val.txt").write_text("empty\na\n")
    data = read_voc(folder)
    pairs = zip(data.images, data.boxes, strict=True)
    found = [(image.file_name, image.split, len(b)) for image, b in pairs]
    assert found == [("JPEGImages/a.jpg", "val", 1), ("JPEGImages/empty.png", "val", 0)]
    (folder / "ImageSets/Main/val.txt").write_text("gone\n")
    with pytest.raises(FormatError, match="no 'gone'"):
        read_voc(folder)


def test_polygons_of_labelme_are_on_edges_and_deleted_ones_are_gone(tmp_path: Path):
    """Datumaro reads the same boxes from them: 20 to 57 is 37 wide, not 38, and starts at 20."""
    shapes = [
        ("a", ((20, 26), (57, 26), (57, 55), (20, 55)), 0),
        ("b", ((0, 0), (5, 0), (5, 5)), 1),
    ]
    objects = "".join(
        f"<object><name>{name}</name><deleted>{gone}</deleted><polygon>"
        + "".join(f"<pt><x>{x}</x><y>{y}</y></pt>" for x, y in points)
        + "</polygon></object>"
        for name, points, gone in shapes
    )
    size = "<imagesize><nrows>100</nrows><ncols>200</ncols></imagesize>"
    text = f"<annotation><filename>a.jpg</filename>{size}{objects}</annotation>"
    (tmp_path / "a.xml").write_text(text)
    Image.new("RGB", (200, 100)).save(tmp_path / "a.jpg")
    data = read_voc(tmp_path)
    assert [(data.classes[e.class_id], e.xywh) for e in to_entries(data.boxes[0])] == [
        ("a", (20, 26, 37, 29))
    ]
