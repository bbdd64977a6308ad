"""What run and status print about classifiers: labels, scores by level, the decision."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

import reelabel as api
from reelabel.cli.class_printing import _figure
from reelabel.evaluation.classes.tag_judgement import Judgement
from reelabel.evaluation.figures import Figure
from reelabel.pipeline import CLASSIFY_FRAMES
from reelabel.verbs.run import label_counts
from reelabel.views.class_comparison import short_number
from reelabel.views.class_score_rows import class_warnings, score_tables
from reelabel.workspace.class_results import ClassificationScores, TagQuality
from reelabel.workspace.products import described


def test_run_prints_labels_scores_and_decision(classes_copy, reelabel):
    """A table for each level and kind, with samples; no table is wider than 80 columns."""
    code, said, err = reelabel("run", classes_copy.root, "--rounds", 1, "--quiet")
    assert (code, err) == (0, "")
    lines = [line.rstrip() for line in said.splitlines()]
    assert "tag classes that this workspace does not have: 'other', 'test'" in lines
    assert lines[lines.index("Labels of round 0") + 1] == "class  positive"
    for title in (
        "Truth, trained videos too: 54 frames in 9 groups",
        "Truth, trained videos too: 9 whole videos in 9 groups",
        "Agreement with held-out labels (not accuracy): 12 frames in 2 groups",
    ):
        at = lines.index(title)
        heads = lines[at + 1].split()
        assert heads[0] == "model"
        assert heads[1] == ("agreement" if title.startswith("Agreement") else "accuracy")
        assert re.match(r"teacher +\S+ \(\S+-\S+\)", lines[at + 2])
        assert lines[at + 3].startswith("student, round 0 ")
    decided = next(i for i, line in enumerate(lines) if line.startswith("Decision:"))
    assert max(map(len, lines[:decided])) <= 80
    assert lines[-1].endswith("report.html")


def test_status_lists_the_stages_of_the_task(classified, reelabel):
    """All done, in the order of the flow, and what was decided."""
    code, said, _ = reelabel("status", classified.root, "--json")
    assert code == 0
    found = json.loads(said)
    assert [one["stage"] for one in found] == list(CLASSIFY_FRAMES.flow)
    assert {state for one in found for state in one["units"]} == {"done"}
    code, said, _ = reelabel("status", classified.root)
    assert code == 0
    assert "round 0:" in said


def test_a_result_has_scores_of_classes(classes_copy):
    """`run` returns them with their type, and labels by class and state."""
    done = api.run(classes_copy, rounds=1)
    assert isinstance(done.scores, ClassificationScores)
    assert done.labels == label_counts(classes_copy, CLASSIFY_FRAMES, 0)
    assert set(done.labels) == {"red", "green"}
    assert sum(states["positive"] for states in done.labels.values()) == 54


def test_scores_that_stand_there_already_are_left_out(classified):
    """Where all annotated videos are unseen, truth and unseen truth are one table."""
    scores = ClassificationScores.load(classified.round_dir(0))
    kinds = [(table.kind, table.level) for table in score_tables({0: scores})]
    assert kinds == [
        (kind, level)
        for kind in ("truth", "truth_unseen", "agreement")
        for level in ("frame", "video")
    ]
    alike = replace(scores, truth_unseen=scores.truth)
    tables = list(score_tables({0: alike}))
    assert {table.kind for table in tables} == {"truth", "agreement"}
    assert tables[0].title == "Truth"


def test_truth_of_videos_that_were_trained_on_is_named_so(classified):
    """The title and the sentence of the report tell it from truth of unseen videos."""
    scores = ClassificationScores.load(classified.round_dir(0))
    for unseen in (scores.truth_unseen, {}):
        first = next(score_tables({0: replace(scores, truth_unseen=unseen)}))
        assert first.title == "Truth, trained videos too"
        assert "trained on" in first.about
        assert "never" not in first.about


def test_rounds_stand_below_each_other(classified):
    """The first teacher, then each round's student; another sample is named with it."""
    first = ClassificationScores.load(classified.round_dir(0))
    smaller = {level: replace(one, moments=3) for level, one in first.agreement.items()}
    second = replace(first, round=1, agreement=smaller)
    tables = {(t.kind, t.level): t for t in score_tables({0: first, 1: second})}
    names = [row.name for row in tables["truth", "video"].rows]
    assert names == ["teacher", "student, round 0", "student, round 1"]
    names = [row.name for row in tables["agreement", "video"].rows]
    assert names == [
        "teacher, 2 whole videos",
        "student, round 0, 2 whole videos",
        "student, round 1",
    ]
    assert [row.spec for row in tables["truth", "video"].rows] == ["", "round:0", "round:1"]


def test_warnings_name_what_readers_should_know(classes_copy, reelabel):
    """Tags that cannot be judged, videos like training videos, and those that were not scored."""
    assert class_warnings(classes_copy, 0) == []
    assert class_warnings(classes_copy, 5) == []
    judgements = (Judgement("", reason="probes are right on .6 of frames"), Judgement("dog"))
    path = TagQuality(judgements).save(classes_copy.round_dir(0))
    receipt = classes_copy.read_receipt("clean", 0)
    files = described(classes_copy.root, [path])
    classes_copy.write_receipt("clean", 0, replace(receipt, files=files))
    scores = ClassificationScores.load(classes_copy.round_dir(0))
    changed = replace(scores, left_out=("a.mp4", "b.mp4"), alike={"x.mp4": "y.mp4"})
    changed.save(classes_copy.round_dir(0))
    tags, alike, missing = class_warnings(classes_copy, 0)
    assert tags == "Tags cannot be judged: probes are right on .6 of frames"
    assert alike.startswith("x.mp4 looks like y.mp4")
    assert missing == "2 annotated videos could not be scored: a.mp4, b.mp4"
    assert tags in reelabel("run", classes_copy.root, "--rounds", 1, "--quiet")[1]
    assert f'role="alert">{tags}' in api.report(classes_copy).read_text()


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (0, "0"), (999, "999"), (1000, "1k"), (918_123, "918k"), (86_000_000, "86M")],
)
def test_numbers_are_short(value, text):
    """Three digits and a unit."""
    assert short_number(value) == text


@pytest.mark.parametrize(
    ("figure", "text"),
    [
        (Figure(None), "-"),
        (Figure(0.9123), ".912"),
        (Figure(1.0, 0.4, 1.0), "1.00 [dim](.40-1.0)[/]"),
        (Figure(0.0, 0.0, 0.025), ".000 [dim](.00-.03)[/]"),
    ],
)
def test_figures_have_fourteen_characters_at_most(figure, text):
    """So that four of them and a name fit into 80 columns."""
    assert _figure(figure) == text
    assert len(re.sub(r"\[.*?\]", "", text)) <= 14
