"""The report: one file, everything escaped, nothing fetched, nothing misnamed."""

from __future__ import annotations

import base64
import re
from dataclasses import fields, replace
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

from reelabel.errors import UsageError, WorkspaceError
from reelabel.evaluation.figures import Figure, Finding
from reelabel.views.html import (
    Ablation,
    AblationRow,
    CountRow,
    Decision,
    DuplicateGroup,
    KindRow,
    ModelUsed,
    ReportData,
    ScoreRow,
    ScoreTable,
    StateRow,
    jpeg_uri,
    render_report,
    write_report,
)
from reelabel.views.plots import label_counts, rounds_comparison
from reelabel.views.sections import DataTable, Gallery, Plots, Section, Shown

HOSTILE = "<script src=//evil>\"'&{{ 7*7 }}</script>\u202e\x00.mp4"
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Checked(HTMLParser):
    """Takes note of tags, attributes and text, and refuses tags that do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open, self.tags, self.attributes, self.words = [], [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        """Note the tag and its attributes."""
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        """Close the innermost tag, which must be this one."""
        assert self.open.pop() == tag

    def handle_data(self, data):
        """Note the text, style sheets left out."""
        if self.open[-1:] != ["style"]:
            self.words.append(data)

    @property
    def text(self) -> str:
        """All text, spaces made one."""
        return re.sub(r"\s+", " ", " ".join(self.words))


def picture() -> Shown:
    """Return a small picture with hostile words below it."""
    return Shown(jpeg_uri(np.full((12, 16, 3), 90, np.uint8)), HOSTILE, HOSTILE)


def test_rules_whose_names_explain_nothing_have_a_legend():
    """Below the table of rules stands what merging decided; other rules need no words."""
    plain = ReportData("r", states=[StateRow("positive", "score", 3)])
    merged = ReportData("r", states=[StateRow("positive", "merge:new", 3)])
    assert "merge.policy" not in Checked(render_report(plain)).text
    legend = "the policy new (merge.policy) decided between them"
    assert legend in Checked(render_report(merged)).text


def test_every_table_can_be_scrolled_and_reached_by_keys():
    """Each table lies in a part that scrolls, shows so at its edge, and takes the focus."""
    section = Section("s", [DataTable(["a"], [["1"]])])
    states = [StateRow("positive", "score", 3)]
    data = ReportData("r", states=states, sections=[section], settings={"a": "1"})
    page = render_report(data)
    parts = page.count('<div class="wide" tabindex="0"><table>')
    assert page.count("<table>") == parts == 3
    assert ".wide { overflow-x: auto;" in page
    assert "background-attachment: local, local, scroll, scroll" in page


def variant(name: str, *gain: float) -> AblationRow:
    """Return a variant with a gain and its bounds, or none."""
    scores = {"ap": Figure(0.5, 0.4, 0.6), "ap50": Figure(0.7)}
    quality = {"precision": Figure(0.9), "recall": Figure(None)}
    return AblationRow(name, scores, Figure(*gain) if gain else None, quality, {"positives": 1234})


def section() -> Section:
    """Return a section with one part of every kind, all texts hostile."""
    table = DataTable([HOSTILE, HOSTILE], [[HOSTILE, Figure(0.5, 0.4, 0.6)]], HOSTILE, best=[0])
    plots = [Plots([picture()]), Plots([picture()], wide=True)]
    gallery = Gallery(HOSTILE, [picture()], HOSTILE)
    return Section(HOSTILE, [HOSTILE, table, *plots, gallery], HOSTILE)


def everything() -> ReportData:
    """Return a report in which every part is there and every text is hostile."""
    scores = {"ap": Figure(0.5123, 0.4, 0.6), "ap50": Figure(None), "f1": Figure(0.7)}
    row = ScoreRow(HOSTILE, scores, best=True)
    return ReportData(
        title=HOSTILE,
        subtitle=HOSTILE,
        facts=((HOSTILE, HOSTILE),),
        warnings=("single-video mode: validation shares the video with training", HOSTILE),
        decision=Decision(
            HOSTILE,
            HOSTILE,
            HOSTILE,
            [Finding(HOSTILE, "start", 0.5, None, Figure(0.1, -0.1, 0.2), HOSTILE)],
        ),
        scores=(ScoreTable("truth", [row], HOSTILE), ScoreTable("agreement", [row], HOSTILE)),
        ablation=Ablation(
            "truth", [variant("plain"), variant(HOSTILE, 0.1, 0.05, 0.2)], HOSTILE, picture()
        ),
        counts=(CountRow(HOSTILE, 1200, 900),),
        states=(StateRow(HOSTILE, HOSTILE, 3), StateRow("positive", "supported", 1)),
        figures=(Shown(label_counts({HOSTILE: {"small": 3}}), HOSTILE),),
        evidence=(KindRow(HOSTILE, HOSTILE, 1200, 3400),),
        findings=(Gallery(HOSTILE, [picture()], HOSTILE),),
        galleries=(Gallery(HOSTILE, [picture()], HOSTILE),),
        duplicates=(DuplicateGroup(HOSTILE, [HOSTILE] * 20, picture()),),
        duplicates_about=HOSTILE,
        sections=(section(),),
        closing=(section(),),
        models=(ModelUsed(HOSTILE, HOSTILE, "ab" * 32),),
        settings={HOSTILE: HOSTILE},
        versions={HOSTILE: HOSTILE},
    )


def test_hostile_names_stay_text():
    """Names from outside appear as text: they open no tag, run nothing and end no attribute."""
    page = Checked(render_report(everything()))
    assert "script" not in page.tags
    assert page.text.count("<script src=//evil>") > 15
    assert "{{ 7*7 }}" in page.text
    assert not [name for _, name, _ in page.attributes if name.startswith("on") or name == "href"]


def test_a_section_shows_its_parts_in_order():
    """Sentences, tables with intervals and a mark for the best, plots and pictures."""
    parts = ["before", DataTable(["Model", "F1"], [["a", Figure(0.5, 0.4, 0.6)], ["b", "x"]])]
    data = ReportData("r", sections=[Section("Scores", [*parts, "after"], "about")])
    page = Checked(render_report(data))
    assert "Scores about before Model F1 a 0.500 0.400 to 0.600 b x after" in page.text
    with pytest.raises(UsageError, match="expected 2 cells"):
        DataTable(["a", "b"], [["only one"]])


def test_a_decision_shows_what_it_rests_on():
    """Each comparison has its difference, interval and sample."""
    found = [Finding("AP", "start", 0.5, 0.6, Figure(-0.1, -0.2, 0.0), "9 frames")]
    page = Checked(render_report(ReportData("r", decision=Decision("stop", "worse", "", found))))
    assert "AP, against the untrained start 0.500 0.600" in page.text
    assert re.search(r"0\.100 .0\.200 to .?0\.000 9 frames", page.text)


def test_nothing_is_fetched():
    """The file refers to nothing outside itself, in attributes, styles and pictures."""
    text = render_report(everything())
    page = Checked(text)
    sources = [v for _, name, v in page.attributes if name in {"src", "srcset", "href", "data"}]
    assert len(sources) == 5 + 2 * 3
    assert all(v.startswith("data:image/") for v in sources)
    assert "http://" not in text
    assert "https://" not in text
    assert "url(" not in text
    assert "@import" not in text
    assert ("meta", "http-equiv", "Content-Security-Policy") in page.attributes


def test_banners_are_loud():
    """Every warning is a banner of its own, before everything else but the title."""
    text = render_report(everything())
    page = Checked(text)
    assert page.attributes.count(("div", "role", "alert")) == 2
    assert "single-video mode: validation shares the video with training" in page.text
    assert text.index('role="alert"') < text.index("<dl") < text.index("<table")


def test_agreement_is_never_called_ap():
    """The table against pseudo-labels has its own title and headings, and truth has the others."""
    row = ScoreRow("student", {"ap": Figure(0.5), "ap50": Figure(0.7), "precision": Figure(0.9)})
    agreement = Checked(render_report(ReportData("r", scores=[ScoreTable("agreement", [row])])))
    truth = Checked(render_report(ReportData("r", scores=[ScoreTable("truth", [row])])))
    assert "Agreement (against pseudo-labels, not accuracy)" in agreement.text
    assert not re.search(r"\bAP|Truth", agreement.text)
    assert re.search(r"Truth .* AP AP50 P ", truth.text)
    assert "Agreement" not in truth.text
    with pytest.raises(UsageError, match="against truth or agreement"):
        ScoreTable("both", [row])


def test_scores_carry_their_intervals():
    """A score is shown with its interval; one that is not defined is a dash."""
    page = Checked(render_report(everything()))
    assert "0.512 0.400 to 0.600" in page.text
    assert "0.700" in page.text
    assert "nan" not in page.text.lower()
    assert "None" not in page.text


@pytest.mark.parametrize(
    ("variants", "said"),
    [
        ([], ""),
        ([("gap", 0.02, 0.01, 0.03)], "The interval of gap does not cover 0."),
        (
            [("gap", 0.02, -0.01, 0.05), ("static", 0.0, 0.0, 0.0)],
            "The intervals of gap and static cover 0, so that may be chance.",
        ),
        (
            [("a", 0.1, 0.05, 0.2), ("b", -0.1, -0.2, -0.01), ("c", 0.0, -0.1, 0.1), ("d", 0.3)],
            (
                "The interval of c covers 0, so that may be chance; the intervals of a and b do "
                "not cover 0; there is no interval for d."
            ),
        ),
    ],
)
def test_an_ablation_says_what_may_be_chance(variants, said):
    """One sentence names the variants whose difference covers 0, those beyond it, and the rest."""
    rows = [variant("plain"), *(variant(*v) for v in variants)]
    ablation = Ablation("truth", rows)
    assert ablation.summary == said
    page = Checked(render_report(ReportData("r", ablation=ablation)))
    assert said in page.text
    assert "1,234" in page.text


def test_gains_have_a_sign_and_agreement_its_name():
    """A difference shows its direction and bounds; against labels nothing is called AP."""
    rows = [variant("plain"), variant("gap", 0.021, -0.004, 0.05)]
    page = Checked(render_report(ReportData("r", ablation=Ablation("agreement", rows))))
    assert "+0.021 -0.004 to +0.050" in page.text
    assert "Agreement (against pseudo-labels, not accuracy)" in page.text
    assert not re.search(r"\bAP", page.text)


@pytest.mark.parametrize("missing", [f.name for f in fields(ReportData) if f.name != "title"])
def test_missing_parts_are_left_out(missing):
    """Without one of its parts a report is shorter, and still whole."""
    full = everything()
    empty = getattr(ReportData("x"), missing)
    less = render_report(replace(full, **{missing: empty}))
    Checked(less)
    assert len(less) < len(render_report(full))


def test_an_empty_report_has_no_empty_boxes():
    """A report of nothing is its title alone."""
    page = Checked(render_report(ReportData("nothing yet")))
    assert page.text.split() == ["nothing", "yet", "nothing", "yet"]
    assert "section" not in page.tags


@pytest.mark.parametrize(
    "uri", ["http://x/y.png", "y.png", "data:text/html,<b>", "javascript:1", ""]
)
def test_pictures_must_be_in_the_file(uri):
    """A picture that would have to be fetched, or is none, is refused."""
    with pytest.raises(UsageError, match="data: URI"):
        Shown(uri)


def test_reports_are_written_whole(tmp_path):
    """The file is there under its name in UTF-8, and nothing else."""
    path = write_report(tmp_path / "deep" / "report.html", ReportData("Bälle \ud800"))
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]
    assert "Bälle ?" in path.read_text(encoding="utf-8")
    assert write_report(path, everything()).read_bytes() == render_report(everything()).encode()


def test_a_report_that_cannot_be_written_is_our_error(tmp_path):
    """Where a folder stands in the way the error says which file, and nothing is left behind."""
    (tmp_path / "report.html").mkdir()
    with pytest.raises(WorkspaceError, match=r"report\.html: "):
        write_report(tmp_path / "report.html", ReportData("x"))
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


def test_jpeg_uris_hold_the_picture():
    """A JPEG data URI decodes to the picture."""
    rgb = np.dstack([np.full((24, 32), v, np.uint8) for v in (200, 100, 30)])
    head, _, content = jpeg_uri(rgb).partition(",")
    assert head == "data:image/jpeg;base64"
    back = cv2.imdecode(np.frombuffer(base64.b64decode(content), np.uint8), cv2.IMREAD_COLOR_RGB)
    assert np.abs(back.astype(int) - rgb).max() < 6


def test_reports_are_the_same_every_time():
    """The same data give the same bytes, plots included."""
    assert render_report(everything()) == render_report(everything())
    one = rounds_comparison([("teacher", 0.4, 0.3, 0.5)])
    assert one == rounds_comparison([("teacher", 0.4, 0.3, 0.5)])
