"""Names from elsewhere never leave the folder, and names that go out are safe and unique."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelabel.data.dataset import ImageEntry
from reelabel.errors import FormatError, ModelError, ShardError, UsageError, shown
from reelabel.file_kinds import special_kind
from reelabel.files import (
    LONGEST_NAME,
    copy_file,
    has_file,
    new_folder,
    read_text,
    safe_join,
    safe_stem,
    write_chunks,
)
from reelabel.formats.pictures import picture_size_wh, picture_suffix, unique_stems
from reelabel.json_text import json_chunks
from reelabel.models.weights import resolve

HOSTILE = [
    "/etc/passwd",
    "..",
    "../x",
    "a/../../x",
    "a\\..\\..\\x",
    "\\\\server\\x",
    "C:\\x",
    "c:x",
    "",
    ".",
    "./",
    "a\0b",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_that_leave_the_folder_are_refused(tmp_path: Path, name: str):
    """Absolute names, names that climb, empty ones and those with NUL are format errors."""
    with pytest.raises(FormatError, match="inside"):
        safe_join(tmp_path, name)


def test_links_that_leave_the_folder_are_refused(tmp_path: Path):
    """A link is followed before a name is trusted."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "out").symlink_to(tmp_path)
    (tmp_path / "in" / "loop").symlink_to(tmp_path / "in" / "loop")
    with pytest.raises(FormatError, match="inside"):
        safe_join(tmp_path / "in", "out/x")
    assert safe_join(tmp_path / "in", "a/b.jpg") == tmp_path / "in" / "a" / "b.jpg"


@given(name=st.text() | st.lists(st.sampled_from(["..", ".", "a", "", "/", "\\"])).map("/".join))
def test_what_is_joined_lies_inside(name: str, tmp_path_factory: pytest.TempPathFactory):
    """Any name is either refused or lies below the folder."""
    folder = tmp_path_factory.getbasetemp()
    try:
        path = safe_join(folder, name)
    except FormatError:
        return
    assert path.resolve().is_relative_to(folder.resolve())
    assert path.resolve() != folder.resolve()


IMAGES = st.builds(
    ImageEntry,
    file_name=st.text() | st.sampled_from(["a/x.jpg", "b/x.jpg", "X.png", "../x.jpg", "con.jpg"]),
    video=st.text(),
    frame_index=st.none() | st.integers(0, 9),
)


@given(images=st.lists(IMAGES))
def test_stems_are_safe_and_unique(images: list[ImageEntry]):
    """Whatever images are called, names differ even without case and hold no separator."""
    stems = unique_stems(images)
    assert len({stem.casefold() for stem in stems}) == len(images)
    for stem in stems:
        assert stem[0] not in ".-"
        assert not set(stem) & set('/\\:*?"<>|\0\n ')
        assert len(stem.encode()) < 250
    assert unique_stems(images) == stems


def test_stems_keep_what_they_can():
    """A name alone of its kind is kept; others get their folder's name, then a number."""
    names = ["a/one.jpg", "a/x.jpg", "b/x.jpg", "b/x.png"]
    images = [ImageEntry(name) for name in names]
    frames = [
        ImageEntry("", video="v/clip.mp4", frame_index=7),
        ImageEntry("", video="v/clip.mp4", pts=512),
    ]
    assert unique_stems(images + frames) == [
        "one",
        "a_x",
        "b_x",
        "b_x_2",
        "clip_000007",
        "clip_000512",
    ]


def test_long_names_keep_their_end():
    """Of a long name the end is kept, where the frame's number stands."""
    assert safe_stem("x" * 500 + "_000123").endswith("x_000123")
    assert len(safe_stem("x" * 500)) == LONGEST_NAME


def test_pictures_are_placed_and_measured(tmp_path: Path, picture: Path):
    """A placed picture is the same file, and its size is found."""
    copy_file(picture, tmp_path / "deep" / "a.png")
    assert (tmp_path / "deep" / "a.png").read_bytes() == picture.read_bytes()
    assert picture_size_wh(picture) == (64, 48)
    assert picture_suffix(Path("A.JPG")) == ".jpg"


def test_what_is_no_picture_is_refused(tmp_path: Path):
    """Missing and damaged pictures, and kinds that readers do not find, are format errors."""
    (tmp_path / "bad.jpg").write_bytes(b"nothing")
    (tmp_path / "empty.jpg").touch()
    for name in ("bad.jpg", "empty.jpg", "none.jpg"):
        with pytest.raises(FormatError, match=name):
            picture_size_wh(tmp_path / name)
    with pytest.raises(FormatError, match="none"):
        copy_file(tmp_path / "none.jpg", tmp_path / "b.jpg")
    with pytest.raises(FormatError, match="gif"):
        picture_suffix(Path("a.gif"))


def test_exports_never_mix(tmp_path: Path):
    """A folder that holds files is refused, an empty one taken."""
    new_folder(tmp_path / "a" / "b")
    new_folder(tmp_path / "a" / "b")
    with pytest.raises(UsageError, match="empty"):
        new_folder(tmp_path / "a")


def test_large_and_foreign_text_is_refused(tmp_path: Path):
    """A byte order mark is taken off; text above the limit or not in UTF-8 is refused."""
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfabc")
    assert read_text(path, 6) == "abc"
    with pytest.raises(FormatError, match="at most 5"):
        read_text(path, 5)
    path.write_bytes(b"\xff")
    with pytest.raises(FormatError, match="UTF-8"):
        read_text(path)


def test_a_file_in_parts_is_whole_or_as_it_was(tmp_path: Path):
    """A part that fails leaves the old content and no temporary file."""
    path = tmp_path / "new" / "weights"
    write_chunks(path, iter([b"a", b"", b"bc"]))
    assert path.read_bytes() == b"abc"

    def broken():
        yield b"x"
        raise FormatError("it broke off")

    with pytest.raises(FormatError, match="broke off"):
        write_chunks(path, broken())
    assert path.read_bytes() == b"abc"
    assert list(path.parent.iterdir()) == [path]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), st.lists(JSON, max_size=4) | JSON, min_size=1, max_size=5))
def test_json_in_parts_is_the_json_of_the_whole(value):
    """Lists as iterators and values as functions give the bytes that the value itself gives."""
    expected = json.dumps(value, indent=2, sort_keys=True) + "\n"
    lazy = {k: iter(v) if isinstance(v, list) else (lambda v=v: v) for k, v in value.items()}
    assert b"".join(json_chunks(value)).decode() == expected
    assert b"".join(json_chunks(lazy)).decode() == expected


def test_what_is_no_file_is_named_as_what_it_is(tmp_path: Path):
    """Folders, pipes, devices and links that lead nowhere, before anything waits for them."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    targets = {"circle": "circle", "zero": "/dev/zero", "nothing": "none", "good": "file"}
    for name, target in targets.items():
        (tmp_path / name).symlink_to(target)
    kinds = {path.name: special_kind(path) for path in tmp_path.iterdir()}
    assert kinds | {"none": special_kind(tmp_path / "none")} == {
        "pipe": "a pipe or device",
        "zero": "a pipe or device",
        "folder": "a folder",
        "circle": "a link that leads in a circle",
        "nothing": "a link to nothing",
        "file": "",
        "good": "",
        "none": "",
    }
    for name in ("pipe", "zero", "folder", "circle", "nothing"):
        with pytest.raises(FormatError, match=kinds[name]):
            read_text(tmp_path / name)
        with pytest.raises(ShardError, match=kinds[name]):
            has_file(tmp_path / name)
        with pytest.raises(ModelError, match=kinds[name]):
            resolve(str(tmp_path / name))


values = st.recursive(
    st.integers() | st.text() | st.floats() | st.none() | st.binary(),
    lambda parts: st.lists(parts) | st.dictionaries(st.text(), parts) | st.tuples(parts),
)


@given(value=values | st.integers(min_value=10**5000, max_value=10**5001))
def test_foreign_values_are_shown_in_a_line(value: object):
    """Whatever they are, in at most as many characters as asked for."""
    text = shown(value, 60)
    assert 0 < len(text) <= 60
    assert "\n" not in text
