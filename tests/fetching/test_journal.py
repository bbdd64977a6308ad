"""The journal keeps what happened, through kills and damage."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from reelabel.sources.fetching.journal import NAME, Journal, Part, read_history


def test_the_last_line_of_a_video_counts(tmp_path):
    """Rows and parts come back; a final row ends its part."""
    with Journal(tmp_path) as journal:
        journal.part("a", Part(100, 300, '"x"'), day="2027-01-01", new_bytes=100)
        journal.row("b", {"state": "failed", "final": False}, day="2027-01-01", new_bytes=5)
        journal.part("b", Part(7))
        journal.row("a", {"state": "fetched", "final": True}, day="2027-01-02", new_bytes=200)
    history = read_history(tmp_path)
    assert history.rows["a"]["state"] == "fetched"
    assert history.parts == {"b": Part(7)}
    assert history.day_bytes == {"2027-01-01": 105, "2027-01-02": 200}


@given(cut=st.integers(0, 400), junk=st.binary(max_size=30))
def test_a_journal_that_was_cut_off_is_read_and_continued(tmp_path_factory, cut, junk):
    """Whole lines count; what is written after a broken line is not lost."""
    folder = tmp_path_factory.mktemp("j")
    with Journal(folder) as journal:
        for i in range(5):
            journal.row(f"w{i}", {"state": "gone", "final": True, "i": i})
    whole = (folder / NAME).read_bytes()
    (folder / NAME).write_bytes(whole[:cut] + junk.replace(b"\n", b""))
    kept = whole[:cut].count(b"\n")
    with Journal(folder) as journal:
        assert all(f"w{i}" in journal.history.rows for i in range(kept))
        journal.row("new", {"state": "gone", "final": True})
    assert "new" in read_history(folder).rows


def test_lines_of_another_kind_are_left_out(tmp_path):
    """A damaged line costs itself alone."""
    lines = ["[1]", '"x"', "{}", '{"want": "a", "row": 5}', '{"want": "b", "part": {"x": 1}}', "\0"]
    good = json.dumps({"want": "c", "row": {"state": "gone"}})
    (tmp_path / NAME).write_text("\n".join([*lines, good, ""]))
    assert read_history(tmp_path).rows == {"c": {"state": "gone"}}


def test_a_long_journal_is_written_anew(tmp_path):
    """It holds the same afterwards, in few lines."""
    with Journal(tmp_path) as journal:
        for i in range(10_100):
            journal.part("a", Part(i), day="2027-01-01", new_bytes=2)
        journal.row("b", {"state": "failed", "final": False})
    before = read_history(tmp_path)
    with Journal(tmp_path):
        pass
    assert (tmp_path / NAME).read_bytes().count(b"\n") == 3
    assert read_history(tmp_path) == before
