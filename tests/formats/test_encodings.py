"""Label files in the encodings that other programs write."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from reelabel.data.dataset import Dataset
from reelabel.errors import FormatError
from reelabel.formats.registry import BOX_WRITERS, detect_format, read_boxes
from reelabel.formats.xml_files import xml_root

TEXTS = {".json", ".xml", ".txt", ".yaml", ".ini"}


@pytest.mark.parametrize("name", ["coco", "fiftyone", "label-studio", "voc", "cvat", "yolo"])
def test_label_files_in_utf_16_are_those_in_utf_8(
    tmp_path: Path, mixed: Dataset, always, name: str
):
    """PowerShell and Notepad save UTF-16 with its mark: every format reads the same from it."""
    module, _, function = BOX_WRITERS[name].partition(":")
    folder = tmp_path / "x"
    getattr(import_module(module), function)(folder, mixed, always)
    before = read_boxes(folder, name)
    for path in folder.rglob("*"):
        if path.suffix in TEXTS:
            path.write_bytes(path.read_text(encoding="utf-8").encode("utf-16"))
    assert detect_format(folder) == name
    after = read_boxes(folder, name)
    assert (after.classes, after.images) == (before.classes, before.images)
    assert [b.xyxy.tolist() for b in after.boxes] == [b.xyxy.tolist() for b in before.boxes]


@pytest.mark.parametrize(
    ("stated", "encoding"),
    [
        ("ISO-8859-1", "latin-1"),
        ("windows-1252", "cp1252"),
        ("UTF-16", "utf-16"),
        ("utf-16", "utf-8"),
        ("US-ASCII", "utf-8"),
        ("UTF-8", "utf-8-sig"),
    ],
)
def test_xml_is_read_by_the_encoding_that_it_states(tmp_path: Path, stated: str, encoding: str):
    """The first line counts, unless the bytes are plainly in another encoding."""
    path = tmp_path / "a.xml"
    text = f'\n<?xml version="1.0" encoding="{stated}"?>\n<annotation>Bälle</annotation>'
    path.write_bytes(text.encode(encoding))
    assert xml_root(path, "annotation", 1000).text == "Bälle"


def test_chinese_names_are_read_in_gbk(tmp_path: Path):
    """The encoding of many label files from China."""
    path = tmp_path / "a.xml"
    path.write_bytes(
        '<?xml version="1.0" encoding="gbk"?><annotation>球</annotation>'.encode("gbk")
    )
    assert xml_root(path, "annotation", 1000).text == "球"


@pytest.mark.parametrize(
    "content",
    [
        b'<?xml version="1.0" encoding="klingon"?><annotation/>',
        b'<?xml version="1.0" encoding="cp037"?><annotation/>',
        '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a><annotation/>'.encode("utf-16"),
        b'<?xml version="1.0" encoding="utf-7"?>+ADwAIQ-DOCTYPE a+AD4APA-annotation/>',
    ],
)
def test_no_encoding_hides_what_is_refused(tmp_path: Path, content: bytes):
    """Unknown encodings, and document types in any, are errors that name the file."""
    path = tmp_path / "a.xml"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=r"a\.xml: expected"):
        xml_root(path, "annotation", 1000)
