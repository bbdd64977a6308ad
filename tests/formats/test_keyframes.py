"""Videos and tasks whose labels are spread over several tracks, controls and pictures."""

from __future__ import annotations

import json

import numpy as np
import pytest

from reelabel.errors import FormatError
from reelabel.formats.cvat import read_cvat
from reelabel.formats.entries import to_entries
from reelabel.formats.label_studio_tasks import read_label_studio

SIZE_WH = (200, 100)
TRACKS = [
    ("a", [(0, 10, True), (8, 90, True)]),
    ("b", [(0, 10, True), (2, 10, True), (6, 10, False), (10, 50, True), (12, 10, True)]),
]
"""Class, and its key frames: index, left edge, whether the object goes on behind it."""
EXPECTED = {
    0: {"a": 10, "b": 10},
    2: {"a": 30, "b": 10},
    6: {"a": 70, "b": 10},
    8: {"a": 90},
    10: {"a": 90, "b": 50},
    12: {"a": 90, "b": 10},
}
"""By hand: a moves 10 pixels a frame from 0 to 8 and then stays; b is away behind 6 until 10."""


def _cvat(path):
    tracks = []
    for number, (label, keys) in enumerate(TRACKS):
        boxes = []
        for index, left, goes_on in keys:
            boxes.append((index, left, 0))
            boxes += [] if goes_on else [(index + 1, left, 1)]
        rows = "".join(
            f'<box frame="{i}" outside="{out}" keyframe="1" xtl="{x}" ytl="20" xbr="{x + 20}" '
            'ybr="60"/>'
            for i, x, out in boxes
        )
        tracks.append(f'<track id="{number}" label="{label}">{rows}</track>')
    labels = "".join(f"<label><name>{name}</name></label>" for name, _ in TRACKS)
    meta = f"<task><labels>{labels}</labels><source>v.mp4</source></task>"
    path = path / "a.xml"
    text = f"<annotations><meta>{meta}</meta>{''.join(tracks)}</annotations>"
    path.write_text(text)
    return read_cvat(path)


def _label_studio(path):
    regions = [
        {
            "id": label,
            "type": "videorectangle",
            "original_width": SIZE_WH[0],
            "original_height": SIZE_WH[1],
            "value": {
                "labels": [label],
                "sequence": [
                    {"frame": i + 1, "enabled": on, "x": x / 2, "y": 20, "width": 10, "height": 40}
                    for i, x, on in keys
                ],
            },
        }
        for label, keys in TRACKS
    ]
    task = {"data": {"video": "v.mp4"}, "annotations": [{"result": regions}]}
    path = path / "tasks.json"
    path.write_text(json.dumps([task]))
    return read_label_studio(path)


@pytest.mark.parametrize("read", [_cvat, _label_studio])
def test_a_listed_frame_has_every_object_that_is_in_it(tmp_path, read):
    """A key frame of one track holds the other tracks where they are between their own."""
    data = read(tmp_path)
    found = {
        image.frame_index: {data.classes[e.class_id]: e.xyxy for e in to_entries(boxes)}
        for image, boxes in zip(data.images, data.boxes, strict=True)
    }
    assert {k: set(v) for k, v in found.items()} == {k: set(v) for k, v in EXPECTED.items()}
    for index, lefts in EXPECTED.items():
        for name, left in lefts.items():
            assert np.allclose(found[index][name], (left, 20, left + 20, 60))
    filled = {
        (image.frame_index, data.classes[e.class_id])
        for image, boxes in zip(data.images, data.boxes, strict=True)
        for e in to_entries(boxes)
        if e.extra.get("interpolated")
    }
    assert filled == {(2, "a"), (6, "a"), (10, "a"), (12, "a")}


def _region(label="x", **row):
    value = {"x": 10, "y": 20, "width": 30, "height": 40, "rectanglelabels": [label]}
    size = {"original_width": SIZE_WH[0], "original_height": SIZE_WH[1]}
    return {"type": "rectanglelabels", "value": value, **size, **row}


def _read(path, data, *regions):
    (path / "t.json").write_text(json.dumps([{"data": data, "annotations": [{"result": regions}]}]))
    found = read_label_studio(path / "t.json")
    return {
        image.file_name: [found.classes[e.class_id] for e in to_entries(boxes)]
        for image, boxes in zip(found.images, found.boxes, strict=True)
    }


def test_regions_belong_to_the_picture_that_they_name(tmp_path):
    """Of several pictures in a task, a control named as a key, or a position, tells which."""
    two = {"left": "l.jpg", "right": "r.jpg"}
    one, other = _region("a", to_name="left"), _region("b", to_name="right")
    assert _read(tmp_path, two, one, other) == {"l.jpg": ["a"], "r.jpg": ["b"]}
    assert _read(tmp_path, two, other) == {"r.jpg": ["b"]}
    several = {"images": ["0.jpg", "1.jpg", "2.jpg"]}
    regions = _region("a", item_index=2), _region("b", item_index=0)
    assert _read(tmp_path, several, *regions) == {"0.jpg": ["b"], "1.jpg": [], "2.jpg": ["a"]}
    same = _region("a", to_name="p"), _region("b", to_name="q")
    assert _read(tmp_path, {"image": "l.jpg"}, *same) == {"l.jpg": ["a", "b"]}


@pytest.mark.parametrize(
    ("data", "regions", "message"),
    [
        ({"l": "l.jpg", "r": "r.jpg"}, ({"to_name": "p"}, {"to_name": "q"}), "controls p, q"),
        ({"images": ["0.jpg"]}, ({"item_index": 1},), "the position 1"),
        ({"image": "l.jpg"}, ({"image_rotation": 90},), "turn it back"),
    ],
)
def test_regions_whose_picture_is_not_known_are_refused(tmp_path, data, regions, message):
    """Unknown controls, positions beyond the list, and pictures turned in the editor are named."""
    with pytest.raises(FormatError, match=message):
        _read(tmp_path, data, *(_region(**row) for row in regions))
