"""The report of a workspace: temporal evidence in pictures, the ablation, and figures that fit."""

from __future__ import annotations

import base64
import re
import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelabel.errors import ShardError
from reelabel.evaluation.figures import Comparison, Figure, Measures, ModelScores
from reelabel.pipeline import read_config
from reelabel.tables import EVIDENCE, LABELS, VIDEOS
from reelabel.verbs.report import _duplicates_sentence, report
from reelabel.verbs.report_content import fingerprint_of_content
from reelabel.views import report_evidence
from reelabel.views.evidence_examples import COLOURS, findings
from reelabel.views.report_evidence import evidence_section, strip, window
from reelabel.workspace import Workspace
from reelabel.workspace.results import Ablation, Decision, LabelCounts, Scores, Variant

STEP = 24
SECTION = re.compile(r"<h2>Temporal evidence</h2>(.*?)</section>", re.DOTALL)
JPEG = re.compile(r"data:image/jpeg;base64,([^\"]+)")
ABLATED = Ablation(
    round=0,
    seeds=(1, 2),
    on="truth",
    variants=tuple(
        Variant(
            name=name,
            trained_as=name,
            ap=Figure(ap, ap - 0.1, ap + 0.1),
            ap50=Figure(ap + 0.2),
            ap75=Figure(None),
            precision=0.9,
            recall=None,
            gain_ap=gain and Figure(gain, gain - 0.02, gain + 0.02),
            ap_by_seed=(ap, ap),
            labels=LabelCounts(positives=10, negatives=2, ignored=3),
        )
        for name, ap, gain in (("plain", 0.4, None), ("+gap", 0.45, 0.05), ("+static", 0.41, 0.01))
    ),
)


def picture(uri: str) -> np.ndarray:
    """Return the pixels of a JPEG."""
    data = np.frombuffer(base64.b64decode(uri), np.uint8)
    return cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)


def video_id(workspace) -> str:
    """Return the id of the first clip."""
    return min(workspace.videos(), key=lambda row: row.name).video_id


# -- temporal evidence ---------------------------------------------------------------------------


def test_without_evidence_there_is_no_section(labelled):
    """A report says nothing about time where time was not asked."""
    text = report(labelled).read_text()
    assert "Temporal evidence" not in text
    assert "What the evidence is worth" not in text
    assert "labels per frame" in text


def test_the_section_counts_and_shows_every_kind(timed):
    """Each kind has its counts, its gallery, and the reason of each finding below its picture."""
    section = SECTION.search(report(timed).read_text())[1]
    rows = re.findall(r"<tr><td>(\w+)</td>.*?<td>(\d+)</td><td>(\d+)</td>", section)
    assert rows == [
        ("flicker", "1", "1"),
        ("unsupported", "1", "1"),
        ("gap", "1", "2"),
        ("static", "1", "3"),
        ("smooth", "1", "2"),
    ]
    assert re.findall(r"<h3>(\w+)</h3>", section) == list(COLOURS)
    assert len(JPEG.findall(section)) == 5
    assert "because of frame 3" in section
    assert "disc 0.90, clip0.mp4, 0.12 s" in section
    assert "0.52 s, 2 boxes" in section


def test_a_picture_shows_the_box_and_its_surroundings(hear):
    """The finding's box has its kind's colour above; below it lie six moments of the same place."""
    workspace = hear((0, "flicker", 9, {"detection": 9}))
    says = evidence_section(workspace, 0)
    shown = picture(JPEG.search(says.galleries[0].pictures[0].uri)[1])
    assert shown.shape == (186 + 55, 330, 3)
    red = np.abs(shown.astype(int) - COLOURS["flicker"]).sum(axis=2) < 120
    assert red[:186].sum() > 100
    assert not red[190:].any()


def test_no_more_than_so_many_findings(hear):
    """Of many findings the surest are shown, spread over the videos, the same in every report."""
    rows = [
        (clip, "flicker", t, {"detection": t, "score": 0.5 + t / 100 + clip / 10})
        for clip, many in ((0, 9), (1, 3))
        for t in range(many)
    ]
    workspace = hear(*rows)
    says = evidence_section(workspace, 0, per_kind=4)
    titles = [shown.title.split(",")[:2] for shown in says.galleries[0].pictures]
    assert titles == [
        ["disc 0.62", " clip1.mp4"],
        ["disc 0.58", " clip0.mp4"],
        ["disc 0.61", " clip1.mp4"],
        ["disc 0.57", " clip0.mp4"],
    ]
    assert says.galleries[0].about == "4 of 12, each video's surest first"
    assert evidence_section(workspace, 0, per_kind=4) == says


def test_pictures_have_a_budget_that_kinds_share(timed, monkeypatch):
    """Where pictures would grow too large together, the last of each kind are left out first."""
    full = evidence_section(timed, 0)
    sizes = [len(gallery.pictures[0].uri) for gallery in full.galleries]
    monkeypatch.setattr(report_evidence, "MOST_CHARACTERS", sum(sizes[:3]))
    less = evidence_section(timed, 0)
    assert [len(gallery.pictures) for gallery in less.galleries] == [1, 1, 1, 0, 0]
    assert less.kinds == full.kinds
    assert less.galleries[4].about.startswith("0 of 1")


def test_a_video_is_decoded_once(timed, monkeypatch):
    """All pictures of a video come from one pass over it."""
    asked, usual = [], report_evidence.frames

    def noted(path, pts, **how):
        asked.append(path)
        return usual(path, pts, **how)

    monkeypatch.setattr(report_evidence, "frames", noted)
    evidence_section(timed, 0)
    assert len(asked) == 1


def test_footage_that_is_gone_is_a_warning(timed):
    """Without the video the counts stay, and the report says loudly what is missing."""
    rows = timed.read(VIDEOS, video_id(timed))
    at = rows.column_names.index("path")
    timed.write(
        VIDEOS, video_id(timed), rows.set_column(at, "path", [["/gone.mp4"]]), fingerprint="x"
    )
    text = report(timed).read_text()
    assert 'role="alert">No pictures of temporal evidence: /gone.mp4' in text
    section = SECTION.search(text)[1]
    assert "flicker" in section
    assert not JPEG.findall(section)


@given(
    box=st.tuples(*[st.floats(-50, 700)] * 4),
    size_wh=st.tuples(st.integers(2, 640), st.integers(2, 480)),
    shape_wh=st.sampled_from([(330, 186), (55, 55)]),
)
def test_a_window_lies_in_the_picture(box, size_wh, shape_wh):
    """It is never empty, never reaches out, and holds the box's middle where that is inside."""
    x1, y1, x2, y2 = box
    box = (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))
    left, top, right, bottom = window(box, size_wh, shape_wh)
    assert 0 <= left < right <= size_wh[0]
    assert 0 <= top < bottom <= size_wh[1]
    middle = (box[0] + box[2]) / 2
    if 0 <= middle <= size_wh[0]:
        assert left - 1 <= middle <= right + 1


def test_a_strip_has_moments_before_and_after(timed):
    """Three before and three after: those that it rests on, of gaps also the frames beside it."""
    stamps = np.arange(0, 20 * STEP, STEP)
    evidence = timed.read(EVIDENCE, video_id(timed), 0)
    flicker = strip(findings(evidence, "flicker")[0], stamps)
    assert [pts // STEP for pts in flicker] == [0, 1, 2, 4, 5, 6]
    gap = strip(findings(evidence, "gap")[0], stamps)
    assert [pts // STEP for pts in gap] == [8, 10, 12, 14, 16, 17]
    static = strip(findings(evidence, "static")[0], stamps)
    assert [pts // STEP for pts in static] == [0, 10]


# -- what the evidence is worth -------------------------------------------------------------------


def test_an_ablation_is_shown(timed):
    """Its variants, their gains and a figure stand in the report, with what may be chance."""
    ABLATED.save(timed.round_dir(0))
    text = report(timed).read_text()
    assert "What the evidence is worth: Truth" in text
    assert "each variant trained with seeds 1, 2" in text
    assert "+0.050" in text
    assert (
        "The interval of +static covers 0, so that may be chance; "
        "the interval of +gap does not cover 0."
    ) in text
    assert "Gain in AP" in text


def test_an_ablation_on_agreement_is_not_called_ap(timed):
    """Against labels the gain is one in agreement."""
    replace(ABLATED, on="agreement").save(timed.round_dir(0))
    text = report(timed).read_text()
    assert "Gain in agreement" in text
    assert "Gain in AP" not in text


@pytest.mark.parametrize("damage", ["{", "[]", '{"version": 9}', '{"version": 1, "on": 1}'])
def test_a_damaged_ablation_is_named(timed, damage):
    """The error names the file and what to do with it."""
    (timed.round_dir(0) / Ablation.FILE).write_text(damage)
    with pytest.raises(ShardError, match=rf"{Ablation.FILE}.*delete it"):
        report(timed)


# -- figures --------------------------------------------------------------------------------------


def test_rounds_and_curves_are_drawn_where_they_tell_something(timed):
    """Precision and recall need truth; labels per round need a second round."""
    text = report(timed).read_text()
    assert "Precision and recall" not in text
    assert "Labels per round" not in text
    for id_ in timed.shards(LABELS, 0):
        timed.write(LABELS, id_, timed.read(LABELS, id_, 0), fingerprint="x", round_number=1)
    Decision(0, "advance", "fake:", "fake:", "").save(timed.round_dir(0))
    some = Figure(0.5, 0.4, 0.6)
    measures = Measures(some, some, some, some, some, some, some)
    known = ModelScores(measures, precision50=tuple(1 - i / 200 for i in range(101)))
    unknown = replace(known, precision50=(None,) * 101)
    compared = Comparison(3, 9, {"teacher": known, "start": known, "student": unknown})
    Scores(0, 0.5, truth=compared).save(timed.round_dir(0))
    text = report(timed).read_text()
    assert text.count("Precision and recall") == 2  # the alternative text and the caption
    assert "Labels per round" in text
    legend = re.search(r'src="data:image/svg\+xml;base64,([^"]+)" alt="Precision', text)[1]
    drawn = base64.b64decode(legend).decode()
    assert "teacher" in drawn
    assert "untrained start" in drawn
    assert "student" not in drawn  # its curve is not known


def test_a_round_without_any_label_has_a_report(labelled, tmp_path):
    """Where the teacher saw nothing, the report says so in figures of 0, not in an error."""
    shutil.copytree(labelled.root, tmp_path / "w")
    workspace = type(labelled)(tmp_path / "w")
    for id_ in workspace.shards(LABELS, 0):
        workspace.write(LABELS, id_, LABELS.empty(), fingerprint="x")
    text = report(workspace).read_text()
    assert "<dt>frames labelled</dt><dd>0</dd>" in text
    assert "0.00, max 0" in text


# -- what is read and written --------------------------------------------------------------------


def test_a_report_of_the_same_content_is_not_written_again(timed):
    """Nothing that it shows changed: the file stays; one row more or an altered file: a new one."""
    path = report(timed)
    text, before = path.read_text(), path.stat()
    assert report(timed) == path
    assert path.stat().st_ino == before.st_ino
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    first = video_id(timed)
    rows = timed.read(LABELS, first)
    timed.write(LABELS, first, rows.slice(1), fingerprint="x")
    report(timed)
    assert path.stat().st_ino != before.st_ino
    assert path.read_text() != text
    timed.write(LABELS, first, rows, fingerprint="x")
    report(timed)
    assert path.read_text() == text
    path.write_text(text[:-1])
    report(timed)
    assert path.read_text() == text


@pytest.mark.parametrize("name", ["scores.json", "decision.json", "ablation.json"])
def test_a_new_result_is_a_new_report(timed, name):
    """What the rounds' results hold is part of what a report shows."""
    config = read_config(timed)
    before = fingerprint_of_content(timed, config)
    (timed.round_dir(0) / name).write_text("{}")
    assert fingerprint_of_content(timed, config) != before


def test_a_folder_in_the_place_of_a_result_is_named(timed):
    """The error has its path and what to do."""
    (timed.round_dir(0) / "scores.json").mkdir()
    with pytest.raises(ShardError, match=r"scores\.json: .*folder"):
        report(timed)


def test_near_duplicates_that_are_not_listed_are_counted():
    """The sentence above the groups counts all of them, also those that the page leaves out."""
    groups = [(f"a.mp4 at {n} s", ["b.mp4 at 0.00 s"] * 2) for n in range(13)]
    few, all_of_them = (_duplicates_sentence(some) for some in (groups[:8], groups))
    assert few == "8 frames stand for 16 others that look the same."
    assert all_of_them.startswith("13 frames stand for 26 others that look the same; the 8 that")


def test_each_table_is_read_once(timed, monkeypatch):
    """No shard is read twice for one report."""
    asked, usual = [], Workspace.read

    def noted(workspace, table, video_id, round_number=0):
        asked.append((table.name, video_id, round_number))
        return usual(workspace, table, video_id, round_number)

    monkeypatch.setattr(Workspace, "read", noted)
    report(timed)
    assert {name for name, *_ in asked} >= {"frames", "labels", "evidence", "detections"}
    assert len(asked) == len(set(asked))
