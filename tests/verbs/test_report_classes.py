"""The report of a workspace of classes: every section, levels apart, nothing misnamed."""

from __future__ import annotations

import base64
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest

from reelabel.errors import MissingInput
from reelabel.evaluation.classes.compare import ModelPredictions
from reelabel.evaluation.classes.compare import compare as compare_predictions
from reelabel.evaluation.classes.figures import ScoreSettings
from reelabel.evaluation.classes.leak_test import LeakTest
from reelabel.evaluation.classes.levels import Truth
from reelabel.evaluation.classes.tag_judgement import Judgement
from reelabel.evaluation.figures import Figure
from reelabel.tables import CLASS_LABELS, MOMENTS, STUDENT_PREDICTIONS, VIDEOS
from reelabel.verbs.compare import compare
from reelabel.verbs.report import report
from reelabel.views import class_label_sections, class_timelines
from reelabel.views.class_label_sections import doubtful
from reelabel.views.class_moments import scored_moments
from reelabel.views.class_score_rows import AGAINST, TITLES
from reelabel.workspace.class_results import ClassificationScores, TagQuality

NAMES = ("red", "green")
IMAGE = re.compile(r'src="data:image/(\w+)')
HOSTILE = "<script>&.mp4"


def section(text: str, title: str) -> str:
    """Return a section of a report by its heading, empty if it is not there."""
    found = re.search(rf"<h2>{re.escape(title)}</h2>(.*?)</section>", text, re.DOTALL)
    return found[1] if found else ""


def headings(html: str) -> list[str]:
    """Return the headings of all table columns."""
    return re.findall(r"<th(?: [^>]*)?>(.*?)</th>", html)


def plot_texts(html: str) -> str:
    """Return the source of all plots."""
    found = re.findall(r"data:image/svg\+xml;base64,([^\"]+)", html)
    return "\n".join(base64.b64decode(one).decode() for one in found)


def change_labels(workspace, name: str, rows=slice(None), **changes):
    """Change labels of one video."""
    video_id = next(v.video_id for v in workspace.videos() if v.name == name)
    table = workspace.read(CLASS_LABELS, video_id).to_pylist()
    for i, row in enumerate(table[rows]):
        row.update({k: v(i) if callable(v) else v for k, v in changes.items()})
    written = CLASS_LABELS.from_rows(table)
    workspace.write(CLASS_LABELS, video_id, written, fingerprint="x")


def change_scores(workspace, flip=()):
    """Let the student be wrong in some rows of the truth, and score it again."""
    for v in workspace.shards(STUDENT_PREDICTIONS):
        rows = workspace.read(STUDENT_PREDICTIONS, v).to_pylist()
        for i, row in enumerate(rows):
            if i // 2 in flip:
                row["probability"] = 1 - row["probability"]
        table = STUDENT_PREDICTIONS.from_rows(rows)
        workspace.write(STUDENT_PREDICTIONS, v, table, fingerprint="x")
    found = scored_moments(workspace, 0, NAMES, truth=True, exclusive=True)
    moments = found.predictions.moments
    truth = Truth(moments, found.target, moments.video)
    models = [ModelPredictions("student", found.predictions)]
    settings = ScoreSettings(NAMES, n_resamples=20)
    levels = [compare_predictions(models, truth, settings, whole_videos=w) for w in (False, True)]
    scores = ClassificationScores.load(workspace.round_dir(0))
    truth = {one.level: one for one in levels}
    replace(scores, truth=truth, truth_unseen={}).save(workspace.round_dir(0))


# -- what stands there -----------------------------------------------------------------------------


def test_every_section_is_there(classified):
    """Facts, decision, scores in detail, timelines, labels, how the data was divided, models."""
    text = report(classified).read_text()
    titles = re.findall(r"<h2>(.*?)</h2>", text)
    assert titles == [
        "Truth, trained videos too",
        "Truth, unseen videos",
        "Agreement with held-out labels (not accuracy)",
        "Confusion",
        "Per class",
        "Calibration",
        "Classes over time",
        "Labels",
        "Split without known leaks",
        "Where this comes from",
    ]
    for fact in ("videos with tags", "labels used", "labels ignored", "moments"):
        assert f"<dt>{fact}</dt>" in text
    assert "<b>stop</b>" in text or "<b>advance</b>" in text
    assert "<code>teacher</code>" in text
    assert "://" not in re.sub(r"base64,[^\"]+", "", text)


def test_frames_and_videos_have_tables_of_their_own(classified):
    """Each with its sample, teacher beside student, every figure with its interval."""
    truth = section(report(classified).read_text(), "Truth, trained videos too")
    assert re.findall(r"<h3>(.*?)</h3>", truth) == [
        "54 frames in 9 groups",
        "9 whole videos in 9 groups",
    ]
    tables = truth.split("<h3>")[1:]
    for table in tables:
        assert headings(table) == ["Model", "accuracy", "macro recall", "macro F1", "ECE"]
        assert re.findall(r'<td class="left">(.*?)<', table) == ["teacher", "student, round 0"]
        assert table.count("<small>") == 8


def test_agreement_is_never_called_accuracy(classified):
    """What is measured on labels has a column of another name."""
    found = section(report(classified).read_text(), "Agreement with held-out labels (not accuracy)")
    assert "agreement" in headings(found)
    assert "accuracy" not in " ".join(headings(found))


def test_only_truth_is_called_truth(classes_copy):
    """Without truth predicted classes are compared with labels, which no section calls true."""
    folder = classes_copy.round_dir(0)
    replace(ClassificationScores.load(folder), truth={}, truth_unseen={}).save(folder)
    page = report(classes_copy).read_text()
    for title in ("Per class", "Confusion"):
        found = section(page, title)
        words = re.sub(r"(?is)<svg.*?</svg>|src=.*?>", "", found)
        assert not re.search(r"\btru(e|th)\b", words, re.IGNORECASE)
        assert "Held-out labels" in found or "held-out labels" in found


def test_confusions_are_shown_with_their_surest_examples(classes_copy):
    """The largest first, with probability, video and second; a picture each."""
    change_scores(classes_copy, flip=(0,))
    found = section(report(classes_copy).read_text(), "Confusion")
    assert IMAGE.findall(found)[:2] == ["svg", "svg"]
    titles = re.findall(r"<h3>(.*?)</h3>", found)
    assert titles == ["Truth: green, predicted: red", "Truth: red, predicted: green"]
    counts = re.findall(r"(\d+) of (\d+), the surest of each video first", found)
    assert sum(int(n) for _, n in counts) == 9
    assert IMAGE.findall(found)[2:] == ["jpeg"] * sum(int(n) for n, _ in counts)
    surest = [float(p) for p in re.findall(r"<b>red (\d\.\d+)</b>", found)]
    assert surest == sorted(surest, reverse=True)
    assert re.search(r"\w+\.mp4, 0\.00 s", found)


def test_a_student_without_mistakes_has_no_examples(classified):
    """The matrix stands alone."""
    found = section(report(classified).read_text(), "Confusion")
    assert "the surest" not in found
    assert IMAGE.findall(found) == ["svg", "svg"]


def test_ignored_labels_are_shown_with_their_reasons(classes_copy):
    """By class and rule, and the least likely moments of each class in pictures."""
    change_labels(
        classes_copy,
        "r0.mp4",
        state="ignore",
        rule="contradicts",
        reason="looks like <green>",
        suggested="green",
        probability=lambda i: 0.5 - i / 100,
    )
    change_labels(
        classes_copy, "r1.mp4", slice(0, 1), state="ignore", rule="stranger", probability=0.3
    )
    text = report(classes_copy).read_text()
    found = section(text, "Ignored labels")
    assert headings(found) == ["Class", "contradicts", "stranger"]
    assert re.findall(r">red</td>\s*<td>(\d+)</td>\s*<td>(\d+)</td>", found) == [("6", "1")]
    assert "looks like &lt;green&gt;" in found
    assert re.findall(r"<b>(.*?)</b>", found)[:2] == ["stranger, 0.30", "looks like green, 0.45"]
    assert "7 of 7, the least likely first" in found
    assert "<dt>labels ignored</dt><dd>7</dd>" in text


def test_how_tags_were_judged_is_a_table(classes_copy):
    """With the estimated share of wrong tags, the interval of right frames; also undefined ones."""
    judged = Judgement(
        "",
        frames=1048,
        videos=8,
        frame_agreement=0.875,
        wrong_share=0.194,
        frame_accuracy=Figure(0.95, 0.85, 1.0),
        video_accuracy=1.0,
        can_be_judged=True,
    )
    TagQuality((judged,)).save(classes_copy.round_dir(0))
    found = section(report(classes_copy).read_text(), "Ignored labels")
    assert "Tags wrong (estimated)" in headings(found)
    for text in ("1,048", "0.194", "0.850 to 1.000", "yes", "all"):
        assert text in found
    assert "Ignored labels by rule" not in found


def test_no_video_fills_all_pictures():
    """Each gives its least likely label in turn; labels without a probability come last."""
    rows = [
        {"video_id": v, "pts": i, "probability": p}
        for v, some in {"a": [0.1, 0.2, 0.3], "b": [0.5], "c": [float("nan")]}.items()
        for i, p in enumerate(some)
    ]
    found = [(row["video_id"], row["pts"]) for row in doubtful(rows, 4)]
    assert found == [("a", 0), ("b", 0), ("c", 0), ("a", 1)]


def test_pictures_and_timelines_are_bounded(classes_copy, monkeypatch):
    """A large workspace has a report of the same size."""
    monkeypatch.setattr(class_label_sections, "DOUBTS", 2)
    monkeypatch.setattr(class_timelines, "MOST_TIMELINES", 3)
    change_labels(classes_copy, "r1.mp4", state="ignore", rule="stranger")
    text = report(classes_copy).read_text()
    assert len(IMAGE.findall(section(text, "Ignored labels"))) == 2
    assert "2 of 6" in section(text, "Ignored labels")
    assert len(IMAGE.findall(section(text, "Classes over time"))) == 3


def test_a_timeline_shows_what_is_known(classes_copy):
    """Curves of the student, tags, truth, and which labels are ignored by which rule."""
    change_labels(classes_copy, "r1.mp4", slice(0, 3), state="ignore", rule="stranger")
    found = section(report(classes_copy).read_text(), "Classes over time")
    assert "<b>r1.mp4</b>" in found
    first = plot_texts(found.split("</figure>")[0])
    for text in ("truth", "tags", "labels", "stranger", "red", "green", "seconds"):
        assert f">{text}</text>" in first
    assert "probabilities by the student" in found


def test_labels_of_one_moment_have_bands_of_their_own_and_denied_classes_are_shown(classes_copy):
    """Where several may be right: a class that a tag denies in doubt is listed as ``not`` it."""
    video_id = next(v.video_id for v in classes_copy.videos() if v.name == "r1.mp4")
    rows = classes_copy.read(CLASS_LABELS, video_id).to_pylist()
    doubt = {"category": "green", "claim": "is_not", "state": "ignore", "rule": "contradicts"}
    more = [row | doubt | {"label_id": f"x{i}"} for i, row in enumerate(rows)]
    table = CLASS_LABELS.from_rows([*rows, *more])
    classes_copy.write(CLASS_LABELS, video_id, table, fingerprint="x")
    text = report(classes_copy).read_text()
    found = section(text, "Classes over time")
    first = plot_texts(found.split("</figure>")[0])
    assert all(f">labels: {name}</text>" in first for name in ("red", "not green"))
    assert ">contradicts</text>" in first
    assert "Labelled not green" in section(text, "Ignored labels")
    assert f"<dt>labels ignored</dt><dd>{len(more)}</dd>" in text


def test_the_split_is_described(classes_copy):
    """Sides with their classes, groups, and by how much a random split would flatter."""
    text = report(classes_copy).read_text()
    found = section(text, "Split without known leaks")
    assert headings(found) == ["Side", "Videos", "Moments", "red", "green"]
    assert "9 videos in 9 groups that stay together; no two were found alike" in found
    assert "Leak test on 48 moments" in found
    leaks = LeakTest(random=0.993, by_group=0.81, moments=1234, groups=9)
    TagQuality(leak_test=leaks).save(classes_copy.round_dir(0))
    found = section(report(classes_copy).read_text(), "Split without known leaks")
    assert "99.3% if it may be of the same video, in 81.0%" in found
    (classes_copy.round_dir(0) / TagQuality.FILE).unlink()
    found = section(report(classes_copy).read_text(), "Split without known leaks")
    assert "9 videos in 9 groups" in found
    assert "Leak test" not in found


def test_a_comparison_on_the_workspace_is_a_section(classes_copy):
    """Scores, sentences on differences, size and speed of the models compared last."""
    compare({"mine": classes_copy, "<other>": "fake:"}, on=classes_copy)
    found = section(report(classes_copy).read_text(), "Models compared")
    assert "&lt;other&gt;" in found
    assert "frames/s" in headings(found)
    assert "than mine" in found or "not told apart from mine" in found


def test_scores_that_are_not_calibrated_say_nothing_of_a_temperature(classes_copy):
    """The temperature is stated where there is one."""
    scores = ClassificationScores.load(classes_copy.round_dir(0))
    replace(scores, temperature=1.75).save(classes_copy.round_dir(0))
    assert "temperature 1.75" in report(classes_copy).read_text()
    replace(scores, temperature=None).save(classes_copy.round_dir(0))
    assert "temperature" not in section(report(classes_copy).read_text(), "Calibration")


def test_names_stay_text(classes_copy):
    """A video whose name is HTML opens no tag."""
    for video in classes_copy.videos():
        rows = classes_copy.read(VIDEOS, video.video_id)
        at = rows.column_names.index("name")
        rows = rows.set_column(at, "name", [[HOSTILE]])
        classes_copy.write(VIDEOS, video.video_id, rows, fingerprint="x")
    text = report(classes_copy).read_text()
    assert "<script" not in text
    assert "&lt;script&gt;&amp;.mp4" in text


def test_pictures_that_are_gone_are_left_out(classes_copy):
    """Without its files a report has counts, not an error."""
    change_labels(classes_copy, "r1.mp4", state="ignore", rule="stranger")
    shutil.rmtree(classes_copy.root / "frames")
    found = section(report(classes_copy).read_text(), "Ignored labels")
    assert IMAGE.findall(found) == []
    assert headings(found) == ["Class", "stranger"]


def test_a_round_without_scores_has_a_report(classes_copy):
    """Labels, timelines by the teacher and settings are there before a student is."""
    (classes_copy.round_dir(0) / "scores.json").unlink()
    shutil.rmtree(classes_copy.round_dir(0) / STUDENT_PREDICTIONS.name)
    text = report(classes_copy).read_text()
    assert not section(text, "Truth")
    assert "probabilities by the teacher" in section(text, "Classes over time")


def test_without_labels_there_is_no_report(classes_copy):
    """The error says what to run."""
    shutil.rmtree(classes_copy.root / "rounds")
    with pytest.raises(MissingInput, match="reelabel run"):
        report(classes_copy)


def test_what_was_scored_is_found_again(classified):
    """Truth and held-out labels are those of the scores, with the student's probabilities."""
    scores = ClassificationScores.load(classified.round_dir(0))
    for kind, truth in ((scores.truth, True), (scores.agreement, False)):
        found = scored_moments(classified, 0, NAMES, truth=truth, exclusive=True)
        compared = kind["frame"]
        assert len(found.predictions) == compared.moments
        right = found.predictions.probability.argmax(axis=1) == found.target.argmax(axis=1)
        student = compared.models[-1].scores
        assert student.overall["top1"].value == pytest.approx(np.mean(right))
        assert {len(classified.read(MOMENTS, v)) for v in set(found.predictions.moments.video)}


def test_a_term_that_is_all_of_the_loss_is_drawn_once(classes_copy):
    """Two curves in one place would hide each other; terms of a sum have curves of their own."""
    path = classes_copy.round_dir(0) / "model" / "curve.csv"
    for other, names in (("0.5", {"loss"}), ("0.2", {"loss", "loss_class"})):
        path.write_text(f"step,loss,loss_class,lr\n10,0.7,0.7,0.1\n20,0.5,{other},0.1\n")
        shown = set(re.findall(r">(loss\w*)<", plot_texts(report(classes_copy).read_text())))
        assert shown == names


def test_captions_name_what_models_are_scored_against():
    """Each kind of score reads as a thing behind the word "against"; agreement is no such thing."""
    assert AGAINST.keys() == TITLES.keys()
    assert {kind: words.split(",")[0] for kind, words in AGAINST.items()} == {
        "truth": "truth",
        "truth_unseen": "truth",
        "agreement": "held-out labels (agreement",
    }
