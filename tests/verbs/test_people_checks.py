"""A new workspace refuses files of truth, labels and tags that a run would refuse."""

from __future__ import annotations

import json

import pytest

import reelabel
from reelabel.errors import FormatError

BOX = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 30, 40]}


def coco(path, *, video, category="disc", **box):
    """Write a COCO file with one box in the first frame of a video."""
    image = {"id": 1, "file_name": "0.jpg", "width": 160, "height": 96}
    whole = {
        "images": [image | {"video": video, "frame_index": 0}],
        "annotations": [BOX | box],
        "categories": [{"id": 1, "name": category}],
    }
    path.write_text(json.dumps(whole))
    return path


def refused(tmp_path, clips, match, **arguments):
    """Check that a workspace is refused and nothing of it made."""
    with pytest.raises(FormatError, match=match):
        reelabel.init(tmp_path / "w", videos=clips, **arguments)
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"category": "Disc"}, r"expected boxes of disc, .*'Disc'.*class_map"),
        ({"category": "dog"}, "expected boxes of disc, but some are of 'dog'"),
        ({"bbox": [1, 2, float("nan"), 4]}, "'bbox'"),
        ({"video": "other.mp4"}, r"names other\.mp4.* --test-videos"),
    ],
)
def test_boxes_that_a_run_would_refuse(disc_clips, tmp_path, change, match):
    """Other classes, other videos and damage are named at once, through a flag or a setting."""
    file = coco(tmp_path / "boxes.json", **{"video": disc_clips[0].name} | change)
    for given in ({"truth": file}, {"settings": {"labels": str(file)}}):
        refused(tmp_path, disc_clips, match, classes="disc", detector="fake:", **given)


@pytest.mark.parametrize("change", [{}, {"video": "0123456789abcdef"}, {"category": "plate"}])
def test_boxes_that_a_run_would_take(disc_clips, tmp_path, change):
    """Videos by name or id, and classes that are mapped, are taken."""
    file = coco(tmp_path / "boxes.json", **{"video": f"any/{disc_clips[0].name}"} | change)
    mapped = {"class_map": {"plate": "disc"}}
    made = reelabel.init(
        tmp_path / "w",
        classes="disc",
        videos=disc_clips,
        detector="fake:",
        truth=file,
        settings=mapped,
    )
    assert made.config_path.is_file()


@pytest.mark.parametrize("key", ["tags", "truth"])
def test_classes_that_a_run_would_refuse(disc_clips, tmp_path, key):
    """A table whose classes are all others, or that is none, is named at once."""
    file = tmp_path / "rows.csv"
    arguments = {"task": "classify-frames", "classes": "indoor,outdoor", "tags": "folders"}
    arguments[key] = file
    file.write_text(f"video,class\n{disc_clips[0].name},insides\n")
    refused(tmp_path, disc_clips, "only insides", **arguments)
    file.write_text("[[[")
    refused(tmp_path, disc_clips, "rows.csv", **arguments)
    file.write_text(f"video,class\n{disc_clips[0].name},Indoor\n{disc_clips[0].name},other\n")
    assert reelabel.init(tmp_path / "w", videos=disc_clips, **arguments).config_path.is_file()
