"""A key of a settings file is changed in its text, and nothing else is."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from reelabel.config_edit import one_line, set_key, with_key
from reelabel.errors import ConfigError
from reelabel.yaml_text import yaml_values

KEYS = ("task", "classes", "videos", "detector", "truth", "split")
VALUES = [
    "motion",
    "motion  # the first teacher: # twice",
    "'it''s: # no comment'  # a comment",
    '"a \\"b\\" # c"',
    "",
    "  # only a comment",
    "~",
    "1_000",
    "[a, 'b, c']  # two",
    "[a,  # first\n  b,\n  ]  # all",
    "{floor: 0.05}",
    "\n  - a  # first\n\n  # between\n  - b: 1\n    c: 2",
    "\n- a\n- b",
    "\n  # before\n  inner:\n    deep: [1]\n  other: 2",
    "|\n  one\n\n  two: x",
    "|+\n  kept\n\n",
    ">-\n  folded\n  text",
    '"two\n  lines"  # quoted',
    "plain\n  goes on",
    "!!str 3",
    "&{key} value",
]
BETWEEN = ["", "\n", "# a comment: with a colon\n", "\n  # indented\n\n"]
NEW = st.one_of(
    st.sampled_from(["onnx:a.onnx", "detections-txt", "yes", "12", "", "a: b", "# x", "...", "é"]),
    st.text(max_size=12).filter(lambda text: text.isprintable() or "\n" in text),
    st.integers(),
    st.booleans(),
    st.none(),
    st.lists(st.sampled_from(["a b", "c,d", "[e]"]), max_size=3),
    st.dictionaries(st.sampled_from("abc"), st.floats(0, 1), max_size=2),
)


@st.composite
def files(draw):
    """Draw a settings file: the text before each entry, the entry, and how lines end."""
    keys = draw(st.lists(st.sampled_from(KEYS), unique=True, min_size=1))
    parts = [draw(st.sampled_from(["", "# head\n", "---\n"]))]
    entries = {}
    for key in keys:
        written = draw(st.sampled_from([key, f"'{key}'", f'"{key}"', f"{key} "]))
        value = draw(st.sampled_from(VALUES)).replace("{key}", key)
        space = "" if value[:1] == "\n" else " "
        entries[key] = len(parts)
        # An indented comment behind a block of text would be a part of it.
        between = BETWEEN[: 3 if value[:1] in "|>" else 4]
        parts += [f"{written}:{space}{value}\n", draw(st.sampled_from(between))]
    parts.append(draw(st.sampled_from(["", "# Defaults:\n#\n# engine:\n#   workers: 0\n"])))
    stop = draw(st.sampled_from(["\n", "\r\n"]))
    mark = draw(st.sampled_from(["", "\ufeff"]))
    return mark, [part.replace("\n", stop) for part in parts], entries


@given(file=files(), key=st.sampled_from(KEYS), value=NEW)
def test_one_key_changes_and_all_other_lines_stay(file, key, value):
    """The values are those of before with the key replaced; every other line is as it was."""
    mark, parts, entries = file
    text = mark + "".join(parts)
    before = yaml_values("".join(parts), "test")
    after = with_key(text, key, value)
    assert yaml_values(after.removeprefix(mark), "test") == before | {key: value}
    if key in entries:
        at = entries[key]
        head, tail = mark + "".join(parts[:at]), "".join(parts[at + 1 :])
        assert after.startswith(head)
        assert after.endswith(tail)
        changed = after[len(head) : len(after) - len(tail)].splitlines()
        assert all(line[:1] in ("", "#") for line in changed[1:])
        assert len(changed) == len(parts[at].splitlines())
    else:
        old, new = (some.removeprefix(mark).splitlines() for some in (text, after))
        assert any(new[:at] + new[at + 1 :] == old for at in range(len(new)))


def test_a_new_key_comes_behind_the_others():
    """It stands before the commented defaults, and blank lines stay where they are."""
    text = "classes: [a]\nvideos:\n- x\n\n# Everything below is a default.\n# seed: 0\n"
    assert with_key(text, "truth", "imports/truth.json") == text.replace(
        "- x\n", "- x\ntruth: imports/truth.json\n"
    )


def test_what_was_there_stays_as_a_comment():
    """A value in one line follows its successor; lines of a longer one become comments."""
    text = "detector: motion  # quick\nvideos:\n  - a  # first\n  - b\nseed: 1\n"
    text = with_key(text, "detector", "detections-txt")
    assert with_key(text, "videos", ["c"]) == (
        "detector: detections-txt  # was motion  # quick\n"
        "videos: [c]  # was\n#   - a  # first\n#   - b\n"
        "seed: 1\n"
    )


def test_an_equal_value_changes_nothing():
    """Not even its notation; but a number is no text, and 1 is not true."""
    text = "seed: 0x10  # hexadecimal\nlabels: 'a'\n"
    assert with_key(text, "seed", 16) == text
    assert with_key(text, "labels", "a") == text
    assert with_key("seed: 1", "seed", True) == "seed: true  # was 1"  # noqa: FBT003 -- a value


@pytest.mark.parametrize("text", ["{classes: [a], seed: 3}", "{seed: 3,\n classes: [a]}\n", "{}"])
def test_a_file_in_braces_is_changed_too(text):
    """Entries of a mapping in braces cannot be followed by a comment; they are replaced."""
    for key in ("seed", "truth"):
        assert yaml_values(with_key(text, key, "x"), "") == yaml.safe_load(text) | {key: "x"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: &a 3\nlabels: *a\n", "write  seed: x  into it"),
        ("classes: [\n", "expected YAML"),
        ("- a\n", "expected keys"),
        ("seed: 1\nseed: 2\n", "stands there twice"),
    ],
)
def test_what_cannot_be_changed_is_refused(text, message):
    """A file that would lose something is left to its owner."""
    with pytest.raises(ConfigError, match=message):
        with_key(text, "seed", "x")


def test_the_file_is_written_only_if_it_changes(tmp_path):
    """Line ends and the byte order mark stay as they are on the disk."""
    path = tmp_path / "reelabel.yaml"
    path.write_bytes(b"\xef\xbb\xbfclasses: [a]\r\nseed: 1\r\n")
    set_key(path, "seed", 2)
    assert path.read_bytes() == b"\xef\xbb\xbfclasses: [a]\r\nseed: 2  # was 1\r\n"
    stamp = path.stat().st_mtime_ns
    set_key(path, "seed", 2)
    assert path.stat().st_mtime_ns == stamp


@given(value=NEW)
def test_any_value_stands_in_one_line(value):
    """What is written is read back as the same value."""
    line = one_line(value)
    assert len(line.splitlines()) <= 1
    assert yaml.safe_load(line) == value
