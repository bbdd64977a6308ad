"""Objects that are drawn in other shapes than boxes: the box around them, or a picture without."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from reelabel.data.dataset import Dataset
from reelabel.formats.coco import read_coco, write_coco
from reelabel.formats.registry import detect_format, read_boxes
from reelabel.formats.run_lengths import box_of_counts, box_of_packed
from reelabel.formats.shapes import around_ellipse, around_turned

SIZE_WH = (200, 100)
Box = tuple[float, float, float, float]

CVAT = (
    '<?xml version="1.0"?><annotations><version>1.1</version><meta><task><id>1</id>'
    "<labels><label><name>ball</name></label><label><name>hand</name></label></labels>"
    "<original_size><width>200</width><height>100</height></original_size>"
    "<source>v.mp4</source></task></meta>{}</annotations>"
)


def read(path: Path, text: str) -> Dataset:
    """Write a file and read it in the format that it is recognised as."""
    path.write_text(text)
    return read_boxes(path, detect_format(path))


def cvat_image(path: Path, shape: str) -> Dataset:
    """Return what a CVAT image with one shape is read as."""
    body = f'<image id="0" name="a.jpg" width="200" height="100">{shape}</image>'
    return read(path / "a.xml", CVAT.format(body))


def cvat_track(path: Path, shape: str) -> Dataset:
    """Return what a CVAT track with one shape in frame 3 is read as."""
    tag, rest = shape[1:].split(" ", 1)
    label, rest = rest.split(" ", 1)
    body = f'<track id="0" {label}><{tag} frame="3" outside="0" keyframe="1" {rest}</track>'
    return read(path / "a.xml", CVAT.format(body))


def label_studio(path: Path, *rows: dict[str, object]) -> Dataset:
    """Return what a task of Label Studio with these rows is read as."""
    size = {"original_width": SIZE_WH[0], "original_height": SIZE_WH[1]}
    result = [{"id": "r", **size, **row} for row in rows]
    content = [{"data": {"image": "a.jpg"}, "annotations": [{"result": result}]}]
    return read(path / "a.json", json.dumps(content))


def coco(path: Path, **values: object) -> Dataset:
    """Return what a COCO file with one annotation is read as."""
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 200, "height": 100}],
        "categories": [{"id": 1, "name": "ball"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, **values}],
    }
    return read(path / "a.json", json.dumps(content))


def only_box(data: Dataset) -> tuple[str, Box]:
    """Return the class and corners of the only box of the only picture."""
    (boxes,) = data.boxes
    (corners,) = boxes.xyxy.tolist()
    assert data.images[0].without_box == ()
    return data.classes[boxes.class_id[0]], corners


def check_without_box(data: Dataset, name: str = "ball") -> None:
    """Check that the only picture has an object without a box, and so is no background."""
    assert data.box_count == 0
    (image,) = data.images
    assert [data.classes[each] for each in image.without_box] == [name]


ELLIPSE = '<ellipse label="ball" cx="100" cy="50" rx="40" ry="10" rotation="{}"/>'
SKELETON = (
    '<skeleton label="hand" z_order="0"><points label="ball" points="3,4" outside="0"/>'
    '<points label="ball" points="9,7" outside="0"/>'
    '<points label="ball" points="90,70" outside="{}"/></skeleton>'
)
CUBOID = (
    '<cuboid label="ball" xtl1="10" ytl1="20" xbl1="10" ybl1="60" xtr1="50" ytr1="22" xbr1="50" '
    'ybr1="62" xtl2="70" ytl2="15" xbl2="70" ybl2="55" xtr2="30" ytr2="18" xbr2="30" ybr2="58"/>'
)


@pytest.mark.parametrize("place", [cvat_image, cvat_track])
@pytest.mark.parametrize(
    ("shape", "name", "box"),
    [
        (ELLIPSE.format("0.00"), "ball", (60, 40, 140, 60)),
        (ELLIPSE.format("90.00"), "ball", (90, 10, 110, 90)),
        ('<polyline label="ball" points="1,2;50,60;40,70"/>', "ball", (1, 2, 50, 70)),
        ('<points label="ball" points="10,20;30,40"/>', "ball", (10, 20, 30, 40)),
        (CUBOID, "ball", (10, 15, 70, 62)),
        (SKELETON.format(1), "hand", (3, 4, 9, 7)),
        (SKELETON.format(0), "hand", (3, 4, 90, 70)),
    ],
)
def test_shapes_of_cvat_are_read_as_the_box_around_them(
    tmp_path: Path, place: Callable[[Path, str], Dataset], *, shape: str, name: str, box: Box
):
    """Of images and of tracks; an ellipse is turned about its centre; points outside are none."""
    assert only_box(place(tmp_path, shape)) == (name, pytest.approx(box))


@pytest.mark.parametrize("place", [cvat_image, cvat_track])
@pytest.mark.parametrize(
    "shape",
    [
        '<points label="ball" points="10,20"/>',
        '<polyline label="ball" points="1,2;50,2"/>',
        '<skeleton label="ball" z_order="0"><points label="hand" points="3,4"/></skeleton>',
        '<shape-of-tomorrow label="ball" points="1,2;3,4"/>',
    ],
)
def test_a_shape_of_cvat_without_a_box_is_no_background(
    tmp_path: Path, place: Callable[[Path, str], Dataset], shape: str
):
    """One point, a line along the picture, a skeleton of one point, a shape that is unknown."""
    check_without_box(place(tmp_path, shape))


def test_a_frame_keeps_what_has_a_box_beside_what_has_none(tmp_path: Path):
    """Two tracks in one frame: the box of one, and the class of the other."""
    tracks = (
        '<track id="0" label="hand"><points frame="3" outside="0" points="5,6"/></track>'
        '<track id="1" label="ball"><box frame="3" outside="0" xtl="1" ytl="2" xbr="3" ybr="4"/>'
        "</track>"
        '<track id="2" label="hand"><points frame="3" outside="1" points="5,6"/></track>'
    )
    data = read(tmp_path / "a.xml", CVAT.format(tracks))
    (image,), (boxes,) = data.images, data.boxes
    assert boxes.xyxy.tolist() == [[1, 2, 3, 4]]
    assert [data.classes[each] for each in image.without_box] == ["hand"]


# Percent of 200 x 100 pixels: 40 % is 80 pixels across and 40 down.
RECTANGLE = {"x": 40, "y": 25, "width": 20, "height": 50, "rotation": 0}
TRIANGLE = {"points": [[40, 25], [60, 25], [60, 75]]}
FLAT = {"x": 50, "y": 50, "radiusX": 20, "radiusY": 10, "rotation": 90}


def packed(alpha: np.ndarray) -> list[int]:
    """Return a mask as Label Studio packs it: RGBA values in runs of one, and literal ones."""
    values = np.zeros((*alpha.shape, 4), np.uint8)
    values[alpha] = 255
    values[..., :3] = 7  # colours do not count
    flat = values.ravel().tolist()
    bits = f"{len(flat):032b}{7:05b}" + "".join(f"{size - 1:04b}" for size in (3, 4, 8, 16))
    at = 0
    while at < len(flat):
        some = flat[at : at + 200]
        if len(set(some)) == 1:
            bits += f"1{2:02b}{len(some) - 1:08b}{some[0]:08b}"
        else:
            bits += f"0{2:02b}{len(some) - 1:08b}" + "".join(f"{each:08b}" for each in some)
        at += len(some)
    bits += "0" * (-len(bits) % 8)
    return [int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)]


def patch(box: tuple[int, int, int, int], size_wh: tuple[int, int] = SIZE_WH) -> np.ndarray:
    """Return a mask that fills a box."""
    alpha = np.zeros(size_wh[::-1], bool)
    alpha[box[1] : box[3], box[0] : box[2]] = True
    return alpha


@pytest.mark.parametrize(
    ("kind", "value", "box"),
    [
        ("rectangle", RECTANGLE, (80, 25, 120, 75)),
        # A quarter turn about the top left corner: down becomes left, right becomes down.
        ("rectangle", RECTANGLE | {"rotation": 90}, (30, 25, 80, 65)),
        ("polygon", TRIANGLE, (80, 25, 120, 75)),
        ("ellipse", FLAT | {"rotation": 0}, (60, 40, 140, 60)),
        ("ellipse", FLAT, (90, 10, 110, 90)),
        ("brush", {"format": "rle", "rle": packed(patch((80, 25, 120, 75)))}, (80, 25, 120, 75)),
    ],
)
def test_shapes_of_label_studio_are_read_as_the_box_around_them(
    tmp_path: Path, kind: str, value: dict[str, object], box: Box
):
    """As one row, as two rows with one id (shape and labels), and as the row of labels alone."""
    whole = {"type": f"{kind}labels", "value": value | {f"{kind}labels": ["ball"]}}
    assert only_box(label_studio(tmp_path, whole)) == ("ball", pytest.approx(box))
    shape = {"type": kind, "value": value}
    labels = {"type": "labels", "value": value | {"labels": ["ball"]}}
    for rows in ((shape, labels), (labels, shape), (labels,)):
        assert only_box(label_studio(tmp_path, *rows)) == ("ball", pytest.approx(box))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("keypoint", {"x": 50, "y": 50, "width": 1}),
        ("polygon", {"points": [[10, 10], [50, 10]]}),
        ("brush", {"format": "rle", "rle": [0, 0, 1]}),
        ("brush", {"format": "rle"}),
        ("bitmask", {"imageDataURL": "data:image/png;base64,"}),
    ],
)
def test_a_shape_of_label_studio_without_a_box_is_no_background(
    tmp_path: Path, kind: str, value: dict[str, object]
):
    """One point, a line, and masks that are damaged or of another kind."""
    name = {"type": f"{kind}labels", "value": value | {f"{kind}labels": ["ball"]}}
    check_without_box(label_studio(tmp_path, name))


def test_other_answers_of_label_studio_are_no_objects(tmp_path: Path):
    """Choices, texts and relations beside no region: the picture is background."""
    rows = (
        {"type": "choices", "value": {"choices": ["ball"]}},
        {"type": "textarea", "value": {"text": ["ball"]}},
        {"type": "labels", "value": {"start": 0, "end": 4, "text": "ball", "labels": ["ball"]}},
        {"type": "relation", "from_id": "r", "to_id": "s"},
    )
    data = label_studio(tmp_path, *rows)
    assert [image.without_box for image in data.images] == [()]
    assert data.box_count == 0


def test_a_track_of_label_studio_may_have_its_label_beside_it(tmp_path: Path):
    """Two rows with one id, of a video: the box in the frame, counted from 0, with the label."""
    sequence = [{"frame": 2, "enabled": True, **RECTANGLE}]
    data = label_studio(
        tmp_path,
        {"type": "videorectangle", "value": {"sequence": sequence}},
        {"type": "labels", "value": {"labels": ["ball"]}},
    )
    assert only_box(data) == ("ball", pytest.approx((80, 25, 120, 75)))
    assert data.images[0].frame_index == 1


RLE = coco_mask.encode(np.asfortranarray(patch((80, 25, 120, 75)), np.uint8))
KEYPOINTS = [0, 0, 0, 80, 25, 1, 120, 75, 2]


@pytest.mark.parametrize("bbox", [{}, {"bbox": None}, {"bbox": []}])
@pytest.mark.parametrize(
    "shape",
    [
        {"segmentation": [[80, 25, 100, 25, 100, 75], [110, 30, 120, 30, 120, 40]]},
        {"segmentation": {"size": [100, 200], "counts": RLE["counts"].decode()}},
        {"segmentation": [], "keypoints": KEYPOINTS},
    ],
)
def test_annotations_of_coco_without_bbox_are_read_by_their_shape(
    tmp_path: Path, shape: dict[str, object], bbox: dict[str, object]
):
    """Polygons, a mask, key points that are labelled: the box around all of it."""
    assert only_box(coco(tmp_path, **shape, **bbox)) == ("ball", pytest.approx((80, 25, 120, 75)))


@pytest.mark.parametrize(
    "shape",
    [
        {"keypoints": KEYPOINTS[:6]},
        {"segmentation": {"size": [100, 200], "counts": [5, 6]}},
        {"segmentation": {"size": [100, 200], "counts": "\x00"}},
    ],
)
def test_an_annotation_of_coco_without_a_box_is_no_background(
    tmp_path: Path, shape: dict[str, object]
):
    """One labelled key point, masks that are damaged; it stays so when it is written again."""
    data = coco(tmp_path, **shape)
    check_without_box(data)
    write_coco(tmp_path / "again.json", data)
    check_without_box(read_coco(tmp_path / "again.json"))


MASKS = st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(
    lambda wh: st.lists(st.booleans(), min_size=wh[0] * wh[1], max_size=wh[0] * wh[1]).map(
        lambda bits: np.array(bits, bool).reshape(wh[1], wh[0])
    )
)


@given(alpha=MASKS)
def test_boxes_of_masks_are_those_of_their_pixels(alpha: np.ndarray):
    """Packed by pycocotools, as plain counts, and as Label Studio packs them."""
    rows, columns = np.nonzero(alpha)
    size_wh, box = alpha.shape[::-1], None
    if len(rows):
        box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    encoded = coco_mask.encode(np.asfortranarray(alpha, np.uint8))
    flat = np.concatenate([[False], alpha.T.ravel(), [not alpha.T.ravel()[-1]]])
    plain = np.diff(np.flatnonzero(np.diff(flat)), prepend=0, append=0)[:-1].tolist()
    plain += [alpha.size - sum(plain)]
    assert box_of_counts(encoded["counts"].decode(), size_wh) == box
    assert box_of_counts(plain, size_wh) == box
    assert box_of_packed(packed(alpha), size_wh) == box


@given(text=st.text(max_size=9) | st.lists(st.integers(-300, 300) | st.none(), max_size=20))
def test_damaged_masks_have_no_box(text: object):
    """Whatever stands there: no error, and no box beyond the picture."""
    for box in (box_of_counts(text, (4, 3)), box_of_packed(text, (4, 3))):
        assert box is None or (0 <= box[0] < box[2] <= 4 and 0 <= box[1] < box[3] <= 3)


ANGLE = st.floats(-720, 720).map(math.radians)
SIDE = st.floats(0.5, 500)


@given(rx=SIDE, ry=SIDE, angle=ANGLE)
def test_the_box_around_an_ellipse_touches_it(rx: float, ry: float, angle: float):
    """Its corners are the farthest of many points of the outline, to their spacing."""
    turns = np.linspace(0, 2 * np.pi, 3601)
    x, y = rx * np.cos(turns), ry * np.sin(turns)
    across = 7 + x * math.cos(angle) - y * math.sin(angle)
    down = 9 + x * math.sin(angle) + y * math.cos(angle)
    found = around_ellipse((7, 9), (rx, ry), angle)
    outline = (across.min(), down.min(), across.max(), down.max())
    assert found == pytest.approx(outline, abs=1e-5 * max(rx, ry))


@given(w=SIDE, h=SIDE, angle=ANGLE)
def test_the_box_around_a_turned_box_is_as_wide_as_its_shadow(w: float, h: float, angle: float):
    """Width is w |cos| + h |sin| whatever it is turned about; about its middle, it stays there."""
    x1, y1, x2, y2 = around_turned((0, 0, w, h), angle, (w / 2, h / 2))
    cos, sin = abs(math.cos(angle)), abs(math.sin(angle))
    assert (x2 - x1, y2 - y1) == pytest.approx((w * cos + h * sin, w * sin + h * cos))
    assert ((x1 + x2) / 2, (y1 + y2) / 2) == pytest.approx((w / 2, h / 2), abs=1e-6)
    moved = around_turned((0, 0, w, h), angle, (0, 0))
    assert (moved[2] - moved[0], moved[3] - moved[1]) == pytest.approx((x2 - x1, y2 - y1))


@pytest.mark.parametrize("folder", ["", "1/", "1/2/"])
def test_uploads_of_label_studio_lose_their_mark(tmp_path: Path, folder: str):
    """With the project's folder or without it, the name is that which the file had before."""
    region = {"id": "r", "type": "rectanglelabels", "value": RECTANGLE | {"labels": ["ball"]}}
    data = {"image": f"/data/upload/{folder}1a2b3c4d-a.jpg"}
    content = [{"data": data, "annotations": [{"result": [region]}]}]
    found = read(tmp_path / "a.json", json.dumps(content))
    assert [image.file_name for image in found.images] == ["a.jpg"]


def voc(path: Path, shape: str) -> Dataset:
    """Return what a VOC folder with one object is read as; its file counts pixels from 0."""
    (path / "Annotations").mkdir()
    (path / "Annotations" / "a.xml").write_text(
        "<annotation><filename>a.jpg</filename><source><database>Unknown</database></source>"
        "<size><width>200</width><height>100</height></size>"
        f"<object><name>ball</name>{shape}</object></annotation>"
    )
    return read_boxes(path, "voc")


@pytest.mark.parametrize(
    ("shape", "box"),
    [
        (
            "<polygon><x1>10</x1><y1>20</y1><x2>50</x2><y2>30</y2><x3>40</x3><y3>60</y3></polygon>",
            (10, 20, 50, 60),
        ),
        (
            "<polygon><pt><x>10</x><y>20</y></pt><pt><x>50</x><y>60</y></pt></polygon>",
            (10, 20, 50, 60),
        ),
        (
            "<robndbox><cx>100</cx><cy>50</cy><w>40</w><h>20</h><angle>1.5708</angle></robndbox>",
            (90, 30, 110, 70),
        ),
    ],
)
def test_shapes_in_xml_files_of_voc_are_read_as_the_box_around_them(
    tmp_path: Path, shape: str, box: Box
):
    """Polygons of Roboflow and LabelMe, turned boxes of roLabelImg."""
    assert only_box(voc(tmp_path, shape)) == ("ball", pytest.approx(box, abs=1e-4))


@pytest.mark.parametrize(
    "shape", ["", "<point><x>3</x><y>4</y></point>", "<polygon><x1>3</x1><y1>4</y1></polygon>"]
)
def test_an_object_of_voc_without_a_box_is_no_background(tmp_path: Path, shape: str):
    """Its class is kept, and the picture is not taken for one without objects."""
    check_without_box(voc(tmp_path, shape))
