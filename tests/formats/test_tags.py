"""Files of weak labels: what is read, and what becomes of rows that cannot be used."""

from __future__ import annotations

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelabel.data.tag_rows import TagRow
from reelabel.errors import FormatError
from reelabel.formats.spans_csv import NamedSpan, read_spans
from reelabel.formats.tags import read_tags, write_tags_csv

NAMES = st.text(
    st.characters(categories=("L", "N", "P", "Zs"), exclude_characters=";|"), min_size=1
).filter(lambda text: text == text.strip() and text.isprintable())
SECONDS = st.none() | st.floats(0, 1e6)


@st.composite
def rows(draw):
    """Return a row with a span that is not empty."""
    start_s, length_s = draw(SECONDS), draw(st.none() | st.floats(1e-3, 1e6))
    end_s = None if length_s is None else (start_s or 0.0) + length_s
    return TagRow(draw(NAMES), draw(NAMES), draw(st.booleans()), start_s, end_s)


def plain(found):
    """Return rows without their place in the file."""
    return [(r.video, r.category, r.right, r.start_s, r.end_s) for r in found]


@given(st.lists(rows(), min_size=1, max_size=5))
def test_what_is_written_is_read(tmp_path_factory, given):
    """Names, claims and spans survive, whatever characters the names have."""
    path = tmp_path_factory.mktemp("tags") / "tags.csv"
    write_tags_csv(path, given)
    assert plain(read_tags(path).rows) == plain(given)


@pytest.mark.parametrize(
    "text",
    [
        "video,class\na.mp4,indoor\n",
        "\ufeffVideo;Label\na.mp4;indoor\n",
        "filename\ttag\na.mp4\tindoor\n",
        'label,youtube_id,time_start,time_end,split\r\n"indoor",a.mp4,,,val\r\n',
    ],
)
def test_headers_are_known_by_their_meaning(tmp_path, text):
    """Commas, semicolons and tabs, a byte order mark, and the usual names of columns."""
    path = tmp_path / "tags.csv"
    path.write_bytes(text.encode())
    assert plain(read_tags(path).rows) == [("a.mp4", "indoor", True, None, None)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_text_of_spreadsheets_is_read(tmp_path, encoding):
    """UTF-8, UTF-16 with its mark, and Windows-1252 give the same names."""
    path = tmp_path / "tags.csv"
    path.write_bytes("video,class\ncafé.mp4,Straße\n".encode(encoding))
    assert plain(read_tags(path).rows) == [("café.mp4", "Straße", True, None, None)]


def test_times_may_be_those_of_a_clock(tmp_path):
    """Hours, minutes and seconds are seconds; what is neither is named."""
    path = tmp_path / "tags.csv"
    path.write_text("video,class,start,end\na,x,1:02,01:00:00.5\nb,x,1.5,2\nc,x,1:2:3:4,\n")
    found = read_tags(path)
    assert [(row.start_s, row.end_s) for row in found.rows] == [(62, 3600.5), (1.5, 2)]
    assert found.problems == [
        "tags.csv:4: expected seconds or HH:MM:SS as start, but got '1:2:3:4'"
    ]


def test_activitynet_has_several_spans_of_a_video(tmp_path):
    """Each annotation of a video is a claim; a video without any is named."""
    path = tmp_path / "tags.json"
    spans = [{"label": "x", "segment": [1, 2.5]}, {"label": "y"}]
    path.write_text(json.dumps({"database": {"a": {"annotations": spans}, "b": 3}}))
    found = read_tags(path)
    assert plain(found.rows) == [("a", "x", True, 1.0, 2.5), ("a", "y", True, None, None)]
    assert found.unusable == 1


def test_columns_may_be_named(tmp_path):
    """A column with an unusual name is found where the settings name it."""
    path = tmp_path / "tags.csv"
    path.write_text("file,scene\na.mp4,indoor\n")
    with pytest.raises(FormatError, match="column for the class"):
        read_tags(path)
    assert read_tags(path, {"class": "Scene"}).rows[0].category == "indoor"


def test_several_classes_in_one_cell_are_several_claims(tmp_path):
    """Semicolons and bars divide the classes of a cell."""
    path = tmp_path / "tags.csv"
    path.write_text("video,class\na.mp4,cat; dog|cat\n")
    assert [row.category for row in read_tags(path).rows] == ["cat", "dog"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([{"video": "a", "class": "x"}], [("a", "x", True, None, None)]),
        ({"a": "x"}, [("a", "x", True, None, None)]),
        ({"a": ["x", "y"]}, [("a", "x", True, None, None), ("a", "y", True, None, None)]),
        (
            {"a": {"annotations": {"label": "x", "segment": [1.0, 3]}, "subset": "val"}},
            [("a", "x", True, 1.0, 3.0)],
        ),
        ([{"id": "a", "tag": "x", "claim": "is not"}], [("a", "x", False, None, None)]),
    ],
)
def test_json_holds_lists_and_objects_by_video(tmp_path, value, expected):
    """A list of objects, classes by video, and the entries of Kinetics."""
    path = tmp_path / "tags.json"
    path.write_text(json.dumps(value))
    assert plain(read_tags(path).rows) == expected
    if isinstance(value, list):
        lines = tmp_path / "tags.jsonl"
        lines.write_text("\n".join(map(json.dumps, value)))
        assert plain(read_tags(lines).rows) == expected


BAD = [
    "b.mp4",
    ",indoor",
    "b.mp4,",
    "b\x00.mp4,indoor",
    f"{'b' * 10_000},indoor",
    "b.mp4,\x1b[31mindoor",
    '"b.mp4,indoor',
]


@pytest.mark.parametrize("line", BAD)
def test_a_bad_row_does_not_stop_the_others(tmp_path, line):
    """It is named with its line; the rows before and behind it are read."""
    path = tmp_path / "tags.csv"
    path.write_text(f"video,class\na.mp4,indoor\n{line}\nc.mp4,outdoor\n")
    found = read_tags(path)
    assert [row.video for row in found.rows] == ["a.mp4", "c.mp4"]
    assert found.unusable == 1
    assert found.problems[0].startswith("tags.csv:3: expected")
    assert "\x1b" not in found.problems[0]


@pytest.mark.parametrize("span", ["-1,2", "3,2", "x,2", "1,nan", "2,2"])
def test_a_wrong_span_is_named(tmp_path, span):
    """Seconds are numbers from 0 on, and the end lies behind the start."""
    path = tmp_path / "tags.csv"
    path.write_text(f"video,class,start,end\na,x,,\nb,y,{span}\n")
    found = read_tags(path)
    assert [row.video for row in found.rows] == ["a"]
    assert found.unusable == 1


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"", "an empty file"),
        ("t.csv", b"video,class\n", "got none"),
        ("t.csv", b"a.mp4,indoor\n", "expected a header"),
        ("t.csv", b"video,class\na.mp4,caf\x81\n", "line 2 holds the byte 0x81"),
        ("t.json", b"{", "expected JSON"),
        ("t.json", b"3", "a list or an object"),
        ("t.json", b"[" * 100_000, "expected JSON"),
        ("t.jsonl", b"{\n", "got none: t.jsonl:1: expected an object"),
    ],
)
def test_a_file_of_nothing_usable_is_an_error(tmp_path, name, content, message):
    """It names the file and what was expected."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(FormatError, match=message):
        read_tags(path)


def test_columns_of_classes_need_no_further_one(tmp_path):
    """1 is right, 0 is not, and a row of empty cells claims nothing and is no fault."""
    path = tmp_path / "labels.csv"
    path.write_text("video,class:a,class:b\nx.mp4,1,0\ny.mp4,,1\nz.mp4,,\n")
    found = read_tags(path)
    claims = [(row.video, row.category, row.right) for row in found.rows]
    assert claims == [("x.mp4", "a", True), ("x.mp4", "b", False), ("y.mp4", "b", True)]
    assert found.problems == []


def test_rows_with_a_time_stamp_are_about_that_moment(tmp_path):
    """Seconds beside it do not count, and a column for each class holds what is right."""
    path = tmp_path / "labels.csv"
    header = "video,pts,until_pts,time_start,time_end,class,class:A b,class:c"
    path.write_text(f"{header}\nv,-5,,1,1,A b,1,0\nv,7,9,,,,,1\nv,9,7,,,c,,\nv,x,,,,c,,\n")
    found = read_tags(path)
    rows = [(r.category, r.right, r.start_s, r.pts, r.until_pts) for r in found.rows]
    assert rows == [
        ("A b", True, None, -5, -5),
        ("c", False, None, -5, -5),
        ("c", True, None, 7, 9),
    ]
    assert [text.split(":")[1] for text in found.problems] == ["4", "5"]


NO_TEXT = {
    "xlsx": (b"PK\x03\x04\x14\0\x06\0", "a spreadsheet .*save it as CSV in UTF-8"),
    "xls": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", r"a spreadsheet \(\.xls\)"),
    "parquet": (b"PAR1\x15\x04\x15", "a Parquet file: .*read_parquet"),
    "gzip": (gzip.compress(b"video,class\na,x\n"), "packed with gzip: unpack it"),
    "utf-16": ("video,class\na,x\n".encode("utf-16-le"), "UTF-16 without a byte order mark"),
    "utf-16-be": ("video,class\na,x\n".encode("utf-16-be"), "UTF-16 without a byte order mark"),
}


@pytest.mark.parametrize("suffix", [".csv", ".json", ".xlsx", ".gz", ""])
@pytest.mark.parametrize("kind", NO_TEXT)
@pytest.mark.parametrize("reader", [read_tags, read_spans])
def test_files_that_are_no_text_are_named_for_what_they_are(tmp_path, reader, kind, suffix):
    """The message has the kind of the file and the way out, whatever its name is."""
    content, message = NO_TEXT[kind]
    path = tmp_path / f"t{suffix}"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=message):
        reader(path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_one_table_of_spans_may_be_written_in_many_ways(tmp_path, encoding, delimiter, end):
    """Tables of spans are read as those of tags are, whatever program saved them."""
    rows = [("name", "start_s", "end_s"), ("café.mp4", "1.5", "2"), ("b.mp4", "", "")]
    path = tmp_path / "spans.csv"
    path.write_bytes(end.join(map(delimiter.join, rows)).encode(encoding))
    assert read_spans(path) == [NamedSpan("café.mp4", 1.5, 2), NamedSpan("b.mp4", 0, None)]


@pytest.mark.parametrize("mark", "\u2028\u2029\x85\x0b\x0c\x1c")
@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_only_a_line_feed_ends_a_line(tmp_path, suffix, mark):
    """Other marks that Unicode takes for ends of lines stand inside the row that holds them."""
    path = tmp_path / f"t{suffix}"
    rows = [{"video": f"a{mark}b.mp4", "class": "x"}, {"video": "c.mp4", "class": "y"}]
    written = [json.dumps(row, ensure_ascii=mark < " ") for row in rows]
    table = ["video,class", *(",".join(row.values()) for row in rows)]
    path.write_text("\n".join(written if suffix == ".jsonl" else table), encoding="utf-8")
    found = read_tags(path)
    assert [row.video for row in found.rows] == ["c.mp4"]
    assert found.unusable == 1
    assert f"{path.name}:{1 if suffix == '.jsonl' else 2}: " in found.problems[0]
    assert "a video of" in found.problems[0]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.json", '{"a.mp4": "x", "b.mp4": "x", "a.mp4": "y"}'),
        ("t.json", '[{"video": "b", "class": "x"}, {"video": "a", "class": "x", "class": "y"}]'),
        ("t.jsonl", '{"video": "a", "class": "x", "class": "y"}'),
        ("t.json", '{"database": {"a": {"annotations": []}, "a": {"annotations": []}}}'),
    ],
)
def test_a_key_that_stands_twice_is_named(tmp_path, name, content):
    """One of its values would be lost without a word."""
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(FormatError, match=r"the key '(class|a\.mp4|a)' stands twice"):
        read_tags(path)


@pytest.mark.parametrize("segment", [[3], [], [1, 2, 3], "1-2", 5, {"start": 1}, [2, 1], ["x", 2]])
@pytest.mark.parametrize("several", [True, False])
def test_a_segment_that_is_no_span_makes_no_tag_of_the_whole_video(tmp_path, segment, several):
    """It is named and left out, in ActivityNet's layout and in that of Kinetics."""
    bad, good = {"label": "x", "segment": segment}, {"label": "x", "segment": [0, 1]}
    value = {"a": {"annotations": bad}, "b": {"annotations": good}}
    if several:
        value = {"database": {"a": {"annotations": [bad]}, "b": {"annotations": [good]}}}
    path = tmp_path / "t.json"
    path.write_text(json.dumps(value))
    found = read_tags(path)
    assert plain(found.rows) == [("b", "x", True, 0.0, 1.0)]
    assert found.unusable == 1
    assert "'a'" in found.problems[0]


@pytest.mark.parametrize("cell", ["red;", ";red", "red|", "red; ;", "red;;red"])
def test_a_separator_without_a_class_stands_for_nothing(tmp_path, cell):
    """A cell that ends with a separator has the classes that it names."""
    path = tmp_path / "t.csv"
    path.write_text(f"video,class\na.mp4,{cell}\n")
    assert plain(read_tags(path).rows) == [("a.mp4", "red", True, None, None)]


@pytest.mark.parametrize("header", ["label,class", "class,class", "Class,tags", "class,label"])
def test_two_columns_for_one_thing_are_refused(tmp_path, header):
    """One would be taken without a word; naming one of two names decides it."""
    path = tmp_path / "t.csv"
    path.write_text(f"video,{header}\na.mp4,x,y\n")
    with pytest.raises(FormatError, match="expected one column for the class"):
        read_tags(path)
    if "label" in header:
        rows = read_tags(path, {"class": "label"}).rows
        assert [row.category for row in rows] == ["x" if header.startswith("label") else "y"]


def test_keys_of_one_meaning_may_not_differ(tmp_path):
    """An object whose label and class differ is named; equal ones are one."""
    path = tmp_path / "t.jsonl"
    path.write_text(
        '{"id": "a", "class": "x", "label": "y"}\n{"id": "b", "class": "x", "label": "x"}\n'
    )
    found = read_tags(path)
    assert [row.video for row in found.rows] == ["b"]
    assert "expected one class" in found.problems[0]


FRAME = "00000000000000aa_72.jpg"
WINDOW = "00000000000000aa_72-96_00003.jpg"


@pytest.mark.parametrize(
    ("cell", "video", "moment"),
    [
        (FRAME, "00000000000000aa", (72, 72)),
        (f"out/train/{FRAME}", "00000000000000aa", (72, 72)),
        (f"/data/local-files/?d=train/day/{FRAME}", "00000000000000aa", (72, 72)),
        (f"/data/upload/4/1a2b3c4d-{WINDOW}", "00000000000000aa", (72, 96)),
        ("/data/local-files/?d=foot/a%20b.mp4", "a b.mp4", (None, None)),
        ("a%20b #1?.mp4", "a%20b #1?.mp4", (None, None)),
        ("00000000000000aa_72.mp4", "00000000000000aa_72.mp4", (None, None)),
    ],
)
def test_names_of_exported_pictures_are_moments(tmp_path, cell, video, moment):
    """In tables of other tools, wherever the picture lies; a video of such a name is a video."""
    path = tmp_path / "a.csv"
    path.write_text(f'filepath,ground_truth.label\n"{cell}",day\n')
    (row,) = read_tags(path).rows
    assert (row.video, row.category, (row.pts, row.until_pts)) == (video, "day", moment)


def test_choices_of_label_studio_are_tags(tmp_path):
    """In its JSON, JSON-MIN and CSV, of one class and of several."""
    result = [{"type": "choices", "value": {"choices": ["day", "wet"]}}, {"type": "textarea"}]
    task = {"id": 1, "data": {"image": FRAME}, "annotations": [{"result": result}]}
    small = {"id": 1, "image": FRAME, "choice": {"choices": ["day", "wet"]}, "annotation_id": 2}
    texts = {
        "a.json": json.dumps([task]),
        "b.json": json.dumps([small]),
        "c.csv": f'id,image,choice\n1,{FRAME},"{{""choices"":[""day"",""wet""]}}"\n',
        "d.csv": f"id,image,choice\n1,{FRAME},day;wet\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        rows = read_tags(tmp_path / name).rows
        assert [(r.category, r.pts) for r in rows] == [("day", 72), ("wet", 72)], name


def test_a_task_without_a_choice_is_named(tmp_path):
    """And one with two people's answers; the others go on."""
    answer = {"result": [{"type": "choices", "value": {"choices": ["day"]}}]}
    answers = [[answer], [], [answer, answer]]
    tasks = [{"data": {"image": FRAME}, "annotations": given} for given in answers]
    (tmp_path / "a.json").write_text(json.dumps(tasks))
    found = read_tags(tmp_path / "a.json")
    assert (len(found.rows), found.unusable) == (1, 2)
    assert ["a.json[1]" in found.problems[0], "a.json[2]" in found.problems[1]] == [True, True]
