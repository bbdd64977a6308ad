"""Tags find their videos; what is ambiguous or contradictory is named and not used."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from reelabel.config import Project
from reelabel.data.tag_rows import TagRow
from reelabel.data.video import Video
from reelabel.data.video_names import VideoNames
from reelabel.errors import ConfigError
from reelabel.formats.tags import read_tags
from reelabel.labels.tagging import (
    ClassNames,
    TagProblems,
    VideosByTag,
    folder_tags,
    tie_tags,
    without_contradictions,
)
from reelabel.stages.classes.tag import check_project

NAMES = ClassNames(("indoor", "outdoor"), {"inside": "indoor"}, exclusive=True)


def video(path, video_id, duration_s=20.0):
    """Return a registered video."""
    path = Path(path)
    return Video(
        *(video_id, path, path.name, "footage", "", "", 1, "mp4", "h264", 64, 48, 0),
        *(Fraction(1, 10), 0, duration_s, 10.0, "ok", ""),
    )


VIDEOS = [
    video("/f/a/one.mp4", "1" * 16),
    video("/f/b/two_000010_000020.mp4", "2" * 16),
    video("/f/b/one.mp4", "3" * 16),
    video("/f/-dash.mp4", "4" * 16),
    video("/f/A title [x-Y_z].mkv", "5" * 16),
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
        ("x-Y_z", "5"),
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
    assert "'indor' (did you mean 'indoor'?" in text


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


def test_a_folder_named_none_denies_all_classes_as_a_row_does():
    """Unless a folder nearer to the video is a class; case makes no difference."""
    files = [(Path("/d/None/a.mp4"), VIDEOS[0]), (Path("/d/none/indoor/b.mp4"), VIDEOS[1])]
    problems = TagProblems()
    found = folder_tags(files, NAMES, problems)
    denied = {(tag["category"], tag["claim"], tag["origin"]) for tag in found[VIDEOS[0].video_id]}
    assert denied == {(name, "is_not", "folder") for name in NAMES.classes}
    assert [(tag["category"], tag["claim"]) for tag in found[VIDEOS[1].video_id]] == [
        ("indoor", "is")
    ]
    assert not list(problems.sentences())


def test_a_piece_of_a_video_has_the_tag_of_its_span_as_a_whole():
    """Of several pieces of a video the one that is cut there has the tag, from begin to end."""
    pieces = [video(f"/k/v_0000{10 * i}_0000{10 * i + 10}.mp4", f"{i}" * 16) for i in (1, 3)]
    by_tag = VideosByTag(pieces, VideoNames(pieces))
    spans = {"indoor": (30.0, 40.0), "outdoor": (10.0, 20.9)}
    rows = [TagRow("v", name, start_s=a, end_s=b) for name, (a, b) in spans.items()]
    problems = TagProblems()
    found = tie_tags(rows, by_tag, NAMES, problems)
    assert {
        video_id[0]: [(tag["category"], tag["start_s"], tag["end_s"]) for tag in tags]
        for video_id, tags in found.items()
    } == {"3": [("indoor", None, None)], "1": [("outdoor", None, None)]}
    assert not list(problems.sentences())
    for start_s, end_s in ((None, None), (1.0, 2.0)):
        problems = TagProblems()
        row = TagRow("v", "indoor", start_s=start_s, end_s=end_s)
        assert not tie_tags([row], by_tag, NAMES, problems)
        assert problems.ambiguous == {"v"}


def test_names_of_classes_may_be_written_as_those_of_folders():
    """Underscores, dashes and spaces are the same, and so are upper and lower case."""
    names = ClassNames(("shooting basketball", "a"), {"in-side": "a"}, exclusive=True)
    assert names.own("Shooting_Basketball") == names.own("shooting-basketball")
    assert names.own("Shooting_Basketball") == "shooting basketball"
    assert names.own("IN SIDE") == "a"
    assert names.own("shootingbasketball") is None


def test_kinetics(data_dir):
    """The manifest of a published data set is tied to files as downloaders name them."""
    found = read_tags(data_dir / "manifests" / "kinetics" / "kinetics-400_val.csv")
    assert not found.problems
    paths = ["0wR5jVB-WPk_000417_000427.mp4", "3caPS4FHFF8.webm", "A title [3yaoNwz99xM].mkv"]
    videos = [video(f"/k/{path}", f"{i}" * 16, 99.0) for i, path in enumerate(paths)]
    names, problems = ClassNames(("abseiling",), {}, exclusive=True), TagProblems()
    rows = tie_tags(found.rows, VideosByTag(videos, VideoNames(videos)), names, problems)
    spans = [[(t["start_s"], t["end_s"]) for t in rows[v.video_id]] for v in videos]
    assert spans == [[(None, None)], [(36.0, 46.0)], [(62.0, 72.0)]]


@pytest.mark.parametrize(
    ("classes", "mapping", "named"),
    [
        (["red", "Red"], {}, "'Red'"),
        (["ice hockey", "ice_hockey"], {}, "'ice_hockey'"),
        (["ice-hockey", "golf", "Ice  Hockey"], {}, "'Ice  Hockey'"),
        (["rock;roll", "jazz"], {}, "'rock;roll'"),
        (["rock|roll", "jazz"], {}, r"'rock\|roll'"),
        (["red", "blue"], {"red": "blue"}, "'red' means"),
        (["red", "blue"], {"RED": "blue"}, "'RED' means"),
        (["red", "blue"], {"rosso": "red", "Rosso": "blue"}, "'Rosso' means"),
    ],
)
def test_each_name_in_tags_means_one_class(classes, mapping, named):
    """Class names that tags cannot tell apart are refused before anything is read."""
    project = Project(classes=classes, class_map=mapping, tags="folders", task="classify-frames")
    with pytest.raises(ConfigError, match=named):
        check_project(project)


def test_other_spellings_of_one_class_are_no_conflict():
    """A class map may name the same class in several spellings, its own among them."""
    mapping = {"Red": "red", "RED": "red", "r": "red"}
    check_project(Project(classes=["red", "blue"], class_map=mapping, tags="folders"))


def test_an_exact_name_comes_first():
    """A name that a class has is that class, whatever others look like it."""
    names = ClassNames(("red", "Red", "blue"), {}, exclusive=True)
    assert [names.own(name) for name in ("red", "Red", "blue")] == ["red", "Red", "blue"]


@pytest.mark.parametrize(
    ("span", "what"),
    [
        ((20.0, 25.0), "the span begins at 20.000 s"),
        ((30.0, None), "the span begins at 30.000 s"),
        ((5.0, 20.6), "the span ends at 20.600 s"),
        ((None, 99.0), "the span ends at 99.000 s"),
        ((5.0, 20.5), ""),
        ((19.9, None), ""),
        ((None, None), ""),
    ],
)
def test_a_span_outside_its_video_is_named_and_no_tag(span, what):
    """Half a second is rounding; what lies further out tags nothing and is stated with the row."""
    rows, problems = tied(("two", "indoor", True, *span, "t.csv:2"))
    assert bool(rows) != bool(what)
    if what:
        assert problems.unusable == [f"t.csv:2: two_000010_000020.mp4 lasts 20.000 s, but {what}"]
