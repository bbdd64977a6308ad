"""Tags find their videos; what is ambiguous or contradictory is named and not used."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from reelabel.data.tag_rows import TagRow
from reelabel.data.video import Video
from reelabel.data.video_names import VideoNames
from reelabel.labels.tagging import (
    ClassNames,
    TagProblems,
    VideosByTag,
    folder_tags,
    tie_tags,
    without_contradictions,
)

NAMES = ClassNames(("indoor", "outdoor"), {"inside": "indoor"}, exclusive=True)


def video(path, video_id):
    """Return a registered video."""
    path = Path(path)
    return Video(
        *(video_id, path, path.name, "footage", "", "", 1, "mp4", "h264", 64, 48, 0),
        *(Fraction(1, 10), 0, 1.0, 10.0, "ok", ""),
    )


VIDEOS = [
    video("/f/a/one.mp4", "1" * 16),
    video("/f/b/two_000010_000020.mp4", "2" * 16),
    video("/f/b/one.mp4", "3" * 16),
    video("/f/-dash.mp4", "4" * 16),
]
BY_TAG = VideosByTag(VIDEOS, VideoNames(VIDEOS))


def tied(*rows, names=NAMES):
    """Return what rows are tied to, and the problems."""
    problems = TagProblems()
    return tie_tags([TagRow(*row) for row in rows], BY_TAG, names, problems), problems


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a/one.mp4", "1"),
        ("/f/b/one.mp4", "3"),
        ("two", "2"),
        ("two_000010_000020", "2"),
        ("-dash", "4"),
        ("3" * 16, "3"),
    ],
)
def test_a_video_is_named_by_id_path_file_or_manifest_id(name, expected):
    """The end of a path, the id of a manifest without its span, or the video's own id."""
    rows, problems = tied((name, "indoor"))
    assert list(rows) == [expected * 16]
    assert not list(problems.sentences())


def test_ambiguous_and_unknown_names_are_named():
    """A file name that two videos share, a missing video, a missing class with the nearest."""
    rows, problems = tied(("one.mp4", "indoor"), ("nine.mp4", "indoor"), ("two", "indor"))
    assert not rows
    text = " / ".join(problems.sentences())
    assert "names that several videos share: one.mp4" in text
    assert "not in this workspace: nine.mp4" in text
    assert "'indor'; did you mean 'indoor'?" in text


def test_class_names_are_mapped_in_any_case():
    """A name of the class map, and another case."""
    rows, _ = tied(("two", "Inside"), ("-dash", "OUTDOOR"))
    assert [tag["category"] for tags in rows.values() for tag in tags] == ["indoor", "outdoor"]


def test_none_claims_that_no_class_is_right():
    """Each class gets a claim that it is not right."""
    rows, _ = tied(("two", "none"))
    claims = {(tag["category"], tag["claim"]) for tag in rows["2" * 16]}
    assert claims == {("indoor", "is_not"), ("outdoor", "is_not")}


@pytest.mark.parametrize(
    ("rows", "kept"),
    [
        ([("two", "indoor"), ("two", "outdoor")], False),
        ([("two", "indoor"), ("two", "indoor")], True),
        ([("two", "indoor", True, 0, 5), ("two", "outdoor", True, 5, 9)], True),
        ([("two", "indoor", True, 0, 5), ("two", "outdoor", True, 4, 9)], False),
        ([("two", "indoor", True), ("two", "outdoor", True, 4, 9)], False),
        ([("two", "indoor", True), ("two", "indoor", False)], False),
        ([("two", "indoor", True), ("two", "outdoor", False)], True),
    ],
)
def test_a_video_that_contradicts_itself_is_left_untagged(rows, kept):
    """Two exclusive classes at one instant, or a class that is right and is not."""
    found, problems = tied(*rows)
    names = {one.video_id: one.name for one in VIDEOS}
    found = without_contradictions(found, names, problems, exclusive=True)
    assert bool(found) == kept
    assert bool(problems.contradictory) != kept


def test_several_classes_may_be_right_where_they_are_not_exclusive():
    """Multi-label: two tags for the whole video stay."""
    found, problems = tied(("two", "indoor"), ("two", "outdoor"))
    assert without_contradictions(found, {}, problems, exclusive=False)


def test_folders_name_the_class_of_their_videos():
    """The nearest folder that is a class decides; a copy in another class contradicts."""
    files = [
        (Path("/d/indoor/x/a.mp4"), VIDEOS[0]),
        (Path("/d/outdoor/indoor/b.mp4"), VIDEOS[1]),
        (Path("/d/misc/c.mp4"), VIDEOS[2]),
        (Path("/d/indoor/e.mp4"), VIDEOS[3]),
        (Path("/d/outdoor/e_copy.mp4"), VIDEOS[3]),
    ]
    problems = TagProblems()
    names = {one.video_id: one.name for one in VIDEOS}
    found = without_contradictions(
        folder_tags(files, NAMES, problems), names, problems, exclusive=True
    )
    assert {v[0]: tags[0]["category"] for v, tags in found.items()} == {
        "1": "indoor",
        "2": "indoor",
    }
    assert problems.contradictory == {"-dash.mp4"}
    assert list(problems.unknown_classes) == ["misc"]
