"""Tables of labels with times, through every door: files of tags, manifests, spans."""

from __future__ import annotations

import csv
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reelabel.config import Project
from reelabel.errors import FormatError
from reelabel.formats.spans_csv import read_spans
from reelabel.formats.tags import read_tags
from reelabel.sources.manifests.settings import Manifest
from reelabel.sources.manifests.want_plan import plan

PROJECT = Project(classes=("x", "other"))
ROW = {"video_id": "0wR5jVB-WPk", "label": "x"}
IN_SECONDS = [("start", "end"), ("time_start", "time_end"), ("start_s", "end_s")]
UNREAD = [
    ("start_ms", "end_ms"),
    ("start_frame", "end_frame"),
    ("start", "end_frame"),
    ("tStart", "tEnd"),
    ("begin", "stop"),
    ("Onset (s)", "Offset (s)"),
]


def _csv(path, rows):
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0].keys())
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(text.getvalue())


WRITERS = {
    ".csv": _csv,
    ".json": lambda path, rows: path.write_text(json.dumps(rows)),
    ".jsonl": lambda path, rows: path.write_text("\n".join(map(json.dumps, rows))),
    ".parquet": lambda path, rows: pq.write_table(pa.Table.from_pylist(rows), path),
}


def _spans_of_tags(path, columns):
    return [(row.start_s, row.end_s) for row in read_tags(path, columns).rows]


def _spans_of_manifest(path, columns):
    manifest = Manifest(kind="urls", file=str(path), label=("*",), columns=columns)
    found = plan("it", manifest, PROJECT, path.parent)
    if not found.wants:
        raise FormatError(str(found.tally.problems))
    return [(want.entry.start_s, want.entry.end_s) for want in found.wants]


DOORS = [
    *((_spans_of_tags, suffix) for suffix in (".csv", ".json", ".jsonl")),
    *((_spans_of_manifest, suffix) for suffix in WRITERS),
]


@pytest.mark.parametrize(("read", "suffix"), DOORS)
def test_a_span_that_is_not_read_is_never_the_whole_video(tmp_path, read, suffix):
    """Names of a start and an end lead to the seconds, or to an error with the names in it."""
    path = tmp_path / f"t{suffix}"
    for names in IN_SECONDS:
        WRITERS[suffix](path, [ROW | dict(zip(names, (10, 20), strict=True))])
        assert read(path, {}) == [(10, 20)]
    for names in UNREAD:
        WRITERS[suffix](path, [ROW | dict(zip(names, (10, 20), strict=True))])
        with pytest.raises(FormatError, match="as seconds") as caught:
            read(path, {})
        assert names[1] in str(caught.value)
        assert read(path, {"start": names[0], "end": names[1]}) == [(10, 20)]
    for other in ({"weekend": 1}, {"start_page": 3}, {"duration": 20}):
        WRITERS[suffix](path, [ROW | other])
        assert read(path, {}) == [(None, None)]


@pytest.mark.parametrize("name", ["frame", "frame_index", "frameNumber"])
def test_a_class_of_a_frame_is_no_class_of_its_video(tmp_path, name):
    """A column that names a frame is refused in tags, unless a time stamp states the moment."""
    path = tmp_path / "t.csv"
    _csv(path, [ROW | {name: 7}])
    with pytest.raises(FormatError, match=name):
        read_tags(path)
    _csv(path, [ROW | {name: 7, "pts": 700}])
    assert read_tags(path).rows[0].pts == 700


def test_segments_are_spans_wherever_they_stand(tmp_path):
    """A ``segment`` beside the label is read as one inside ``annotations`` is."""
    path = tmp_path / "t.json"
    for content in (
        [{"video": "a", "label": "x", "segment": [1, 2.5]}],
        {"a": {"label": "x", "segment": [1, 2.5]}},
        {"a": {"annotations": {"label": "x", "segment": [1, 2.5]}}},
        {"database": {"a": {"annotations": [{"label": "x", "segment": [1, 2.5]}]}}},
    ):
        path.write_text(json.dumps(content))
        assert _spans_of_tags(path, {}) == [(1, 2.5)]
    path.write_text(json.dumps([{"video": "a", "label": "x", "segment": [1]}]))
    with pytest.raises(FormatError, match="segment"):
        read_tags(path)


DIALECTS = [
    '{0}, {1}, {2}, {3}\n"a", "x, y", 1, 2\n',
    'sep=;\r\n{0};{1};{2};{3}\r\na;"x, y";1;2\r\n',
    '"sep=;"\n{0};{1};{2};{3}\na;x, y;1;2\n',
    "\n \n{0}\t{1}\t{2}\t{3}\na\tx, y\t1\t2\n",
    "sep=|\n{0}|{1}|{2}|{3}\na|x, y|1|2\n",
]


@pytest.mark.parametrize("text", DIALECTS)
def test_what_spreadsheets_write_is_read_alike_at_every_door(tmp_path, text):
    """Spaces before quotes, the line ``sep=;`` and empty lines at the start change no cell."""
    path = tmp_path / "t.csv"
    path.write_bytes(text.format("id", "label", "start", "end").encode())
    tag = read_tags(path).rows[0]
    assert (tag.video, tag.category, tag.start_s, tag.end_s) == ("a", "x, y", 1, 2)
    path.write_bytes(text.format("name", "note", "start_s", "end_s").encode())
    assert [(s.name, s.start_s, s.end_s) for s in read_spans(path)] == [("a", 1, 2)]
    manifest_text = text.format("id", "label", "start", "end").replace('"a"', ROW["video_id"])
    manifest_text = manifest_text.replace("\na", f"\n{ROW['video_id']}")
    path.write_bytes(manifest_text.encode())
    found = plan("it", Manifest(kind="urls", file=str(path), label=("*",)), PROJECT, tmp_path)
    entry = found.wants[0].entry
    assert (entry.native_id, entry.labels, entry.start_s) == (ROW["video_id"], ("x, y",), 1)


def test_true_and_false_are_no_classes(tmp_path):
    """A class is text or a number; both truth values are named as wrong, not read as words."""
    path = tmp_path / "t.json"
    path.write_text(json.dumps([{"video": v, "label": v == "a"} for v in "ab"] + [ROW]))
    found = read_tags(path)
    assert [row.category for row in found.rows] == ["x"]
    assert found.unusable == 2
