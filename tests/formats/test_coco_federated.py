"""COCO files whose pictures were searched for some classes alone, as those of LVIS."""

from __future__ import annotations

import json

import pytest

from reelabel.errors import FormatError
from reelabel.formats.coco import read_coco, write_coco

CATEGORIES = [
    {"id": 3 * i, "name": name} for i, name in enumerate(("ball", "bat", "cap", "dog"), 1)
]
SIZE = {"width": 200, "height": 100}


def _file(path, spaces=False, **lists):
    pictures = [
        {"id": 1, "file_name": "a.jpg", **SIZE, **lists},
        {"id": 2, "file_name": "b.jpg", **SIZE},
    ]
    shown = [
        {
            "id": i,
            "image_id": i,
            "category_id": 6,
            "bbox": [10, 20, 30, 40],
            "area": 1200,
            "iscrowd": 0,
        }
        for i in (1, 2)
    ]
    content = {"images": pictures, "annotations": shown, "categories": CATEGORIES}
    path.write_text(json.dumps(content, separators=(", ", ": ") if spaces else (",", ":")))
    return path


@pytest.mark.parametrize("spaces", [False, True])
def test_a_class_that_was_not_looked_for_is_not_absent(tmp_path, spaces):
    """Complete are the classes with boxes and those stated as absent, without those in part."""
    both = {"neg_category_ids": [9], "not_exhaustive_category_ids": [6]}
    data = read_coco(_file(tmp_path / "a.json", spaces, **both))
    assert [image.complete for image in data.images] == [(2,), None]
    data = read_coco(_file(tmp_path / "b.json", spaces, neg_category_ids=[12, 3]))
    assert [image.complete for image in data.images] == [(0, 1, 3), None]
    write_coco(tmp_path / "c.json", data)
    assert "neg_category_ids" not in (tmp_path / "c.json").read_text()
    again = read_coco(tmp_path / "c.json")
    assert [image.complete for image in again.images] == [(0, 1, 3), None]


@pytest.mark.parametrize("given", [[5], 3, ["x"], [None]])
def test_lists_of_other_things_are_refused(tmp_path, given):
    """A category that the file does not have is named with its picture."""
    with pytest.raises(FormatError, match=r"a\.jpg.*neg_category_ids"):
        read_coco(_file(tmp_path / "a.json", neg_category_ids=given))
