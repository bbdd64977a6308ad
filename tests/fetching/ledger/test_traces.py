"""What is about a video goes from texts of every kind, and everything else stays."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelabel.sources.forgetting.traces import INSTEAD, Traces

ID, OTHER = "0123456789abcdef", "fedcba9876543210"
TRACES = Traces(video_ids=(ID,), names=("clip.mp4", "downloads/a/clip.mp4"))

texts = st.text("ab01 ._-/", max_size=20)
named = st.sampled_from([ID, "clip.mp4", f"{ID}_12.jpg", "downloads/a/clip.mp4", "in clip.mp4: x"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts | named,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts | named, inner, max_size=4),
    max_leaves=20,
)
clean_values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts | st.just(OTHER),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


@given(values)
def test_no_json_value_names_a_video_any_more(value):
    """Whatever the shape, neither id nor name is left."""
    assert not TRACES.named_in(json.dumps(TRACES.without(value)))


@given(clean_values)
def test_json_about_other_things_stays(value):
    """A value that names no video comes back equal."""
    assert TRACES.without(value) == value


@given(st.lists(st.lists(texts | named, min_size=2, max_size=3), min_size=1))
def test_no_row_names_a_video_any_more(rows):
    """Rows about the video go, its name in other cells is replaced, other rows stay."""
    text = io.StringIO()
    csv.writer(text).writerows([["video", "note"], *rows])
    after = list(csv.reader(io.StringIO(TRACES.without_rows(text.getvalue()), newline="")))
    assert not TRACES.named_in(json.dumps(after))
    assert len(after) == 1 + sum(not TRACES.named_in(row[0]) for row in rows)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ID, True),
        (f"{ID}_-12.jpg", True),
        (f"x/{ID}/0.jpg", True),
        (f"a{ID}", False),
        (f"{ID}0", False),
        (OTHER, False),
        ("clip.mp4", True),
        ("my clip.mp4, frame 3", True),
        ("eclip.mp4", False),
        ("clip.mp4x", False),
    ],
)
def test_a_name_is_a_whole_word(text, expected):
    """A longer id, or a file name that ends alike, is another video's."""
    assert TRACES.named_in(text) is expected


def test_boxes_go_with_their_picture():
    """Of a COCO file the annotations of a removed picture go too, and all others stay."""
    coco = {
        "images": [{"id": 1, "file_name": f"{ID}_0.jpg"}, {"id": 2, "file_name": f"{OTHER}_0.jpg"}],
        "annotations": [{"id": 5, "image_id": 1}, {"id": 6, "image_id": 2}],
        "categories": [{"id": 1, "name": "disc"}],
    }
    after = TRACES.without(coco)
    assert [image["id"] for image in after["images"]] == [2]
    assert [box["id"] for box in after["annotations"]] == [6]
    assert after["categories"] == coco["categories"]


def test_a_group_named_by_the_video_keeps_its_members():
    """What only mentions it stays, with another word in its place."""
    moments = [{"video": OTHER, "group": ID}, {"video": ID, "group": ID}]
    assert TRACES.without(moments) == [{"video": OTHER, "group": INSTEAD}]


def test_lines_and_json_lines():
    """A line goes if it is about the video or its want; what is no JSON goes by name alone."""
    lines = [{"video": ID}, {"want_id": "w1"}, {"want_id": "w2"}, {"why": "like clip.mp4"}]
    text = "".join(json.dumps(line) + "\n" for line in lines) + "clip.mp4 torn {\n" + "torn {"
    after = TRACES.without_json_lines(text, ["w1"])
    assert after == '{"want_id": "w2"}\n{"why": "like forgotten"}\ntorn {'
    assert TRACES.without_lines("a\nclip.mp4 1\nb") == "a\nb"


def test_traces_survive_their_file():
    """What is written down for a removal that may be interrupted is read back equal."""
    traces = Traces((ID,), ("n",), ("s",), ("h",), (3,), {"a": ("w",)}, ("b",))
    assert Traces.from_json(json.loads(json.dumps(traces.to_json()))) == traces


@pytest.mark.parametrize("mark", "\u2028\x85\x0c")
def test_a_line_goes_as_a_whole(mark):
    """Marks inside a line that are no line feed do not keep a part of it."""
    kept, gone = f"other{mark}thing\r\n", f"of clip.mp4{mark}and more\n"
    assert TRACES.without_lines(kept + gone) == kept
    line = json.dumps({"file": "clip.mp4", "note": f"a{mark}b"}, ensure_ascii=False) + "\n"
    other = json.dumps({"file": "x.mp4", "note": f"a{mark}b"}, ensure_ascii=False) + "\n"
    assert TRACES.without_json_lines(other + line) in {
        other,
        other + TRACES.without_json_lines(line),
    }
