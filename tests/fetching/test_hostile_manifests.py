"""Manifests from strangers: a row that cannot be used costs that row, and names stay safe."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelabel.config import Project
from reelabel.errors import FormatError
from reelabel.sources.manifests.entries import Tally, address
from reelabel.sources.manifests.json_stream import Damaged, json_entries
from reelabel.sources.manifests.names import want_name
from reelabel.sources.manifests.settings import Manifest
from reelabel.sources.manifests.texts import CsvRows, open_text
from reelabel.sources.manifests.want_plan import plan

GOOD = "0wR5jVB-WPk"
PROJECT = Project(classes=("a",))


def made(tmp_path, content, suffix="csv", kind="urls", **more):
    """Return the plan of a manifest with this content."""
    path = tmp_path / f"m.{suffix}"
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return plan("it", Manifest(kind=kind, file=str(path), **more), PROJECT, tmp_path)


def ids(found):
    """Return the ids of a plan, sorted."""
    return sorted(want.entry.native_id for want in found.wants)


BAD_IDS = {
    "slash": "../../etc/pas",
    "dots": "...........",
    "shell": "$(rm -rf x)",
    "nul": "abc\0efghijk",
    "long": "x" * 10_000,
    "error": "AccessDenie",
    "short": "abc",
    "newline": '"abc\ndefghij"',
    "not UTF-8": "\udcffbcdefghijk",
}


@pytest.mark.parametrize("name", BAD_IDS)
def test_what_is_no_id_of_youtube_is_refused_and_the_next_row_goes_on(tmp_path, name):
    """Each bad id is one row that is named with its line, and the good one is taken."""
    row = f"{BAD_IDS[name]},0,10".encode("utf-8", "surrogateescape")
    content = b"youtube_id,time_start,time_end\n" + row + f"\n{GOOD},0,10\n".encode()
    found = made(tmp_path, content, kind="kinetics")
    assert ids(found) == [GOOD]
    assert found.tally.unusable == 1
    assert re.match(r"line [23]: ", found.tally.problems[0])


def test_ids_that_begin_with_a_dash_or_differ_in_case_are_good_ones(tmp_path):
    """Four ids of which some file systems would make one are four wants with four names."""
    native = ["-bCdEfGhIjK", "-BcDeFgHiJk", "_bCdEfGhIjK", "bCdEfGhIjK-"]
    found = made(tmp_path, "youtube_id\n" + "\n".join(native), kind="kinetics")
    assert ids(found) == sorted(native)
    assert len({want.want_id.casefold() for want in found.wants}) == 4


@given(st.text(min_size=1, max_size=200), st.text(min_size=1, max_size=200))
def test_names_of_wants_are_safe_and_apart(one, other):
    """A name is a plain file name on every system, and two ids have two names in any case."""
    names = [want_name(one), want_name(other), want_name(one, 1.0, 2.5)]
    for name in names:
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,109}", name)
        assert not re.fullmatch(r"(?i:con|prn|aux|nul|com\d|lpt\d)", name)
    assert len({name.casefold() for name in names}) == (3 if one != other else 2)


def test_names_of_wants_are_short():
    """An id of 10,000 characters becomes a name that file systems take."""
    assert len(want_name("x" * 10_000, 12_345.678, 12_346.789)) <= 110


BAD_ADDRESSES = [
    "file:///etc/passwd",
    "ftp://a.example/x.mp4",
    "javascript:alert(1)",
    "data:video/mp4;base64,AAAA",
    "//a.example/x.mp4",
    "https:///x.mp4",
    "http://[::1/x",
    "http://a.example:99999/x",
    "https://user:secret@a.example/x.mp4",
    "https://a.example/a b.mp4",
    "https://a.example\\@b.example/",
    "https://ä.example/x.mp4",
    "https://a.example/" + "x" * 10_000,
    "-o/tmp/x",
    "",
    7,
    None,
]


@pytest.mark.parametrize("url", BAD_ADDRESSES, ids=lambda url: str(url)[:30])
def test_other_addresses_than_those_of_the_web_are_refused(url):
    """No scheme but http and https, no hidden password, nothing that parsers read in two ways."""
    with pytest.raises(FormatError, match="expected an address"):
        address(url)


def test_a_quote_that_is_not_closed_costs_its_row(tmp_path):
    """Rows behind a broken quote are read, also where a later quote would close it."""
    rows = [f'https://a.example/{i}.mp4,"title {i}"' for i in range(5_000)]
    rows[10] = 'https://a.example/10.mp4,"never closed'
    rows[20] = 'https://a.example/20.mp4,"said "so" here"'
    rows[4_990] = 'https://a.example/4990.mp4,"open to the end'
    found = made(tmp_path, "url,title\n" + "\n".join(rows))
    kept = set(range(5_000)) - {10, 20, 4_990}
    assert ids(found) == sorted(f"https://a.example/{i}.mp4" for i in kept)
    assert found.tally.problems[0].startswith("line 12: expected CSV")
    assert (found.tally.rows, found.tally.unusable) == (5_000, 3)


def test_a_cell_may_hold_line_breaks(tmp_path):
    """Quoted line breaks are part of a title, and lines are still counted right."""
    text = 'url,title,start,end\nhttps://a.example/1,"two\nlines",,\nhttps://a.example/2,,9,3\n'
    found = made(tmp_path, text)
    assert [want.entry.title for want in found.wants] == ["two lines"]
    assert found.tally.problems == ["line 4: expected an end after the start 9, but got 3"]


@pytest.mark.parametrize("row", ["x" * 3_000_000, "a," * 1_000_000, '"' + "x" * 3_000_000])
def test_a_row_without_end_costs_itself(tmp_path, row):
    """A line of megabytes, a million columns or an endless cell are one damaged row."""
    found = made(tmp_path, f"youtube_id,x\n{row}\n{GOOD},1\n", kind="kinetics")
    assert ids(found) == [GOOD]
    assert found.tally.unusable == 1


def test_a_header_of_a_million_columns_is_read(tmp_path):
    """The columns that are known are found among them."""
    head = ",".join(["youtube_id", *(f"c{i % 7}" for i in range(100_000))])
    found = made(tmp_path, f"{head}\n{GOOD}{',' * 100_000}\n", kind="kinetics")
    assert ids(found) == [GOOD]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_text_is_read_in_the_encodings_of_spreadsheets(tmp_path, encoding):
    """A title with accents and a label are the same in each."""
    content = "url,title,label\nhttps://a.example/1,café,a\n".encode(encoding)
    found = made(tmp_path, content)
    assert [(w.entry.title, w.entry.labels) for w in found.wants] == [("café", ("a",))]


def test_json_that_is_nested_too_deep_costs_its_entry(tmp_path):
    """10,000 levels are one damaged entry, in JSON and in JSON lines."""
    deep = "[" * 10_000 + "]" * 10_000
    good = '{"url": "https://a.example/1"}'
    for suffix, text in {
        "json": f'[{good}, {{"url": {deep}}}, {deep}, {{"url": "https://a.example/2"}}]',
        "jsonl": f'{good}\n{{"url": {deep}}}\n{deep}\n{{"url": "https://a.example/2"}}\n',
    }.items():
        found = made(tmp_path, text, suffix)
        assert ids(found) == ["https://a.example/1", "https://a.example/2"]
        assert found.tally.unusable == 2


@pytest.mark.parametrize(
    "broken",
    ["{url: 1}", '{"url": "https://a.example/x" "y"}', "nonsense", '{"url": 1e}', "1" * 5_000],
)
def test_json_that_is_broken_costs_its_entry(tmp_path, broken):
    """What stands before and behind a broken entry is taken."""
    text = f'[{{"url": "https://a.example/1"}}, {broken}, {{"url": "https://a.example/2"}}]'
    found = made(tmp_path, text, "json")
    assert ids(found) == ["https://a.example/1", "https://a.example/2"]
    assert found.tally.unusable >= 1


@pytest.mark.parametrize("text", ["", "7", '"text"', "null"])
def test_json_of_another_form_is_an_error_that_names_the_file(tmp_path, text):
    """A manifest is a list or an object."""
    with pytest.raises(FormatError, match=r"m\.json: expected a list or an object"):
        made(tmp_path, text, "json")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.lists(JSON), st.sampled_from([None, 1]))
def test_the_stream_reads_what_json_reads(tmp_path_factory, values, indent):
    """Lists and objects give the entries that the whole parser gives."""
    path = tmp_path_factory.getbasetemp() / "any.json"
    for whole in (values, {f"k{i}\n": value for i, value in enumerate(values)}):
        path.write_text(json.dumps(whole, indent=indent, ensure_ascii=False), encoding="utf-8")
        with open_text(path, lines=False) as file:
            found = list(json_entries(file))
        assert not any(isinstance(value, Damaged) for _, value in found)
        expected = whole if isinstance(whole, dict) else dict(enumerate(whole))
        assert [value for _, value in found] == list(expected.values())
        assert [key for key, _ in found] == [str(key) for key in expected]


def test_entries_are_whole_across_the_parts_that_are_read(tmp_path):
    """Texts full of brackets and quotes survive the borders of what is in memory."""
    values = [{"n": i, "text": '"}]\\' * (i % 97)} for i in range(5_000)]
    (tmp_path / "a.json").write_text(json.dumps(values))
    with open_text(tmp_path / "a.json", lines=False) as file:
        assert [value for _, value in json_entries(file)] == values


@given(st.lists(st.lists(st.text(st.characters(codec="utf-8")), min_size=2, max_size=2)))
def test_rows_of_csv_are_what_was_written(tmp_path_factory, rows):
    """What the csv module writes comes back, with no damage counted."""
    import csv  # noqa: PLC0415 -- the oracle

    path = tmp_path_factory.getbasetemp() / "any.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows(rows)
    tally = Tally()
    with open_text(path) as file:
        found = CsvRows(file, tally, ",")
        found.width = 2
        assert list(found) == rows
    assert tally.unusable == 0


def test_one_video_may_be_wanted_twice_with_other_spans(tmp_path):
    """The span is part of a want; the same span twice is one want with both classes."""
    rows = [f"{GOOD},0,10,a", f"{GOOD},5,15,a", f"{GOOD},0,10,b", f"{GOOD},0,10,a"]
    found = made(
        tmp_path,
        "youtube_id,time_start,time_end,label\n" + "\n".join(rows),
        kind="kinetics",
        label=("*",),
    )
    got = {(w.entry.start_s, w.entry.labels) for w in found.wants}
    assert got == {(0.0, ("a", "b")), (5.0, ("a",))}
    assert len({w.want_id for w in found.wants}) == 2


@pytest.mark.parametrize("span", ["9,3", "-1,3", "nan,3", "inf,", "1e9,", "x,3", "3,3"])
def test_spans_that_are_none_are_refused(tmp_path, span):
    """Reversed, empty, negative, endless and unreadable spans are rows that cannot be used."""
    text = f"youtube_id,time_start,time_end\n{'a' * 11},{span}\n{GOOD},0,1\n"
    found = made(tmp_path, text, kind="kinetics")
    assert (ids(found), found.tally.unusable) == ([GOOD], 1)


def test_a_manifest_without_any_usable_row_is_an_error_that_says_why(tmp_path):
    """The message holds the number of rows, the first reasons and the labels that there are."""
    with pytest.raises(
        FormatError, match=r"none of 2 rows.*line 2: .*with other labels, such as a, b"
    ):
        made(tmp_path, "youtube_id,label\nx,a\n" + f"{GOOD},b\n", kind="kinetics")
    with pytest.raises(FormatError, match=r"labels that are not in the manifest: 'bb' \(did you"):
        made(tmp_path, f"youtube_id,label\n{GOOD},b\n", kind="kinetics", label=("bb",))


def test_a_cut_off_gzip_file_is_an_error(tmp_path):
    """Choosing from a part of a list would be another choice."""
    import gzip  # noqa: PLC0415 -- here alone

    whole = gzip.compress("\n".join(f"https://a.example/{i}" for i in range(99)).encode())
    (tmp_path / "a.txt.gz").write_bytes(whole[:-20])
    with pytest.raises(FormatError, match="expected a whole gzip file"):
        plan("it", Manifest(kind="urls", file="a.txt.gz"), PROJECT, tmp_path)


@pytest.mark.parametrize("suffix", ["jsonl", "json"])
def test_an_entry_that_holds_a_key_twice_costs_itself(tmp_path, suffix):
    """It is named with the key, as one of its values would be lost; the next is read."""
    rows = ['{"id": "a", "url": "https://x.org/a.mp4", "url": "https://x.org/b.mp4"}']
    rows.append('{"id": "b", "url": "https://x.org/c.mp4"}')
    text = "\n".join(rows) if suffix == "jsonl" else f"[{','.join(rows)}]"
    found = made(tmp_path, text, suffix)
    assert [want.entry.url for want in found.wants] == ["https://x.org/c.mp4"]
    assert "the key 'url' stands twice" in found.tally.problems[0]


def test_a_column_that_stands_twice_is_refused(tmp_path):
    """One of the two would be taken without a word."""
    with pytest.raises(FormatError, match="expected one column 'label', but got several"):
        made(tmp_path, "url,label,Label\nhttps://x.org/a.mp4,a,b\n")


@pytest.mark.parametrize("segment", [[3], "1-2", [1, 2, 3]])
def test_a_segment_that_is_no_span_costs_its_entry(tmp_path, segment):
    """Its label is not taken for one of the whole video."""
    bad = {"annotations": {"label": "a", "segment": segment}}
    good = {"annotations": {"label": "a", "segment": [1, 2]}}
    text = json.dumps({"0wR5jVB-WPq": bad, GOOD: good})
    found = made(tmp_path, text, "json", kind="kinetics")
    assert ids(found) == [GOOD]
    assert "the segment is" in found.tally.problems[0]


@pytest.mark.parametrize("url", ["http://[x", "ftp://example.org/a.mp4", "https://"])
def test_a_refused_address_is_in_the_message(url):
    """People find the row by what stands in it."""
    with pytest.raises(FormatError, match=re.escape(url)):
        address(url)
