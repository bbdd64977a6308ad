"""One self-contained HTML file on the results of a round.

Everything that comes from outside (names of files, classes, reasons) is escaped. Pictures are
written into the file, nothing is fetched, and nothing runs: a content security policy holds that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from numpy.typing import NDArray

from reelabel.errors import UsageError
from reelabel.evaluation.figures import Figure, Finding, Measure
from reelabel.files import write_bytes
from reelabel.media.pictures import encode_jpeg
from reelabel.views.label_rules import rules_legend
from reelabel.views.plot_style import data_uri
from reelabel.views.score_rows import HEADINGS, MEANINGS, Kind
from reelabel.views.sections import Gallery, Section, Shown

Image = NDArray[np.uint8]
"""``(height, width, 3)`` uint8 RGB."""

TITLES = {"truth": "Truth", "agreement": "Agreement (against pseudo-labels, not accuracy)"}
"""The only two things that a table of scores may be about."""


@dataclass(frozen=True)
class ScoreRow:
    """The scores of one model; measures may be missing."""

    name: str
    scores: Mapping[Measure, Figure]
    best: bool = False


@dataclass(frozen=True)
class ScoreTable:
    """Scores of several models on the same frames.

    Attributes:
        kind: what was compared with. It decides title and headings, so that agreement is never
            taken for accuracy.
        about: on which frames, such as "96 frames of 2 videos that were never trained on".
        part: what stands behind the title of a table that is about a part, such as "unseen videos".
    """

    kind: Kind
    rows: Sequence[ScoreRow]
    about: str = ""
    part: str = ""

    def __post_init__(self) -> None:
        """Refuse a table that is neither."""
        if self.kind not in TITLES:
            raise UsageError(f"scores are against truth or agreement, but not {self.kind!r}")

    @property
    def title(self) -> str:
        """The title, which states what the scores mean."""
        return f"{TITLES[self.kind]}: {self.part}" if self.part else TITLES[self.kind]

    @property
    def meanings(self) -> str:
        """What headings stand for, empty where they are words alone."""
        used = {measure for measure, _ in self.columns}
        return MEANINGS[self.kind] if "precision" in used or self.kind == "agreement" else ""

    @property
    def columns(self) -> list[tuple[Measure, str]]:
        """Measure and heading of each column that any row fills."""
        used = {measure for row in self.rows for measure in row.scores}
        return [(m, heading) for m, heading in HEADINGS[self.kind].items() if m in used]


@dataclass(frozen=True)
class AblationRow:
    """A student trained with some of the evidence, scored on the same frames as the others.

    Attributes:
        name: of the variant.
        scores: of the student, as in `ScoreRow`.
        gain: difference to the first variant, -1..1, with its interval; None for the first.
        quality: "precision" and "recall" of the labels that it was trained on, where known.
        labels: state -> how many those were.
    """

    name: str
    scores: Mapping[Measure, Figure]
    gain: Figure | None
    quality: Mapping[str, Figure]
    labels: Mapping[str, int]


@dataclass(frozen=True)
class Ablation:
    """What each kind of evidence is worth.

    Attributes:
        kind: what was compared with, as in `ScoreTable`.
        rows: the variants; the first is what the others are compared with.
        about: how it was done.
        figure: the gains.
    """

    kind: Kind
    rows: Sequence[AblationRow]
    about: str = ""
    figure: Shown | None = None

    @property
    def table(self) -> ScoreTable:
        """The scores alone."""
        return ScoreTable(self.kind, [ScoreRow(row.name, row.scores) for row in self.rows])

    @property
    def quality(self) -> list[str]:
        """The measures of label quality that any row has."""
        return list(dict.fromkeys(name for row in self.rows for name in row.quality))

    @property
    def states(self) -> list[str]:
        """The states of labels that any row counts."""
        return list(dict.fromkeys(state for row in self.rows for state in row.labels))

    @property
    def summary(self) -> str:
        """Which differences may be chance, in a sentence."""
        gains = [(row.name, row.gain) for row in self.rows if row.gain is not None]
        known = [(n, g.low, g.high) for n, g in gains if g.low is not None and g.high is not None]
        open_ = [name for name, low, high in known if low <= 0 <= high]
        clear = [name for name, low, high in known if not low <= 0 <= high]
        without = [name for name, _ in gains if name not in {*open_, *clear}]
        parts = [
            _clause("covers", "cover", open_, "0, so that may be chance") if open_ else "",
            _clause("does not cover", "do not cover", clear, "0") if clear else "",
            f"there is no interval for {_listed(without)}" if without else "",
        ]
        text = "; ".join(part for part in parts if part)
        return f"{text[:1].upper()}{text[1:]}." if text else ""


@dataclass(frozen=True)
class KindRow:
    """How often each kind of temporal evidence was found.

    Attributes:
        kind: of evidence.
        meaning: what was seen.
        findings: how many observations; a gap is one, however long.
        boxes: how many boxes they concern.
    """

    kind: str
    meaning: str
    findings: int
    boxes: int


@dataclass(frozen=True)
class CountRow:
    """Positive labels of a class in the first round, None if it is the last, and there."""

    category: str
    before: int | None
    after: int


@dataclass(frozen=True)
class StateRow:
    """How many labels have a state because of a rule."""

    state: str
    rule: str
    count: int


@dataclass(frozen=True)
class Decision:
    """What the loop decided and why.

    Attributes:
        action: "advance" or "stop".
        reason: in a sentence.
        best: the best model so far.
        findings: the comparisons that it rests on.
    """

    action: str
    reason: str
    best: str = ""
    findings: Sequence[Finding] = ()


@dataclass(frozen=True)
class DuplicateGroup:
    """A frame that was kept, and those for which it stands."""

    kept: str
    dropped: Sequence[str]
    picture: Shown | None = None


@dataclass(frozen=True)
class ModelUsed:
    """A model that had a part in the round."""

    role: str
    name: str
    sha256: str = ""


@dataclass(frozen=True)
class ReportData:
    """Everything that a report may show; what is empty is left out.

    Attributes:
        facts: short figures for the head, such as ("videos", "6").
        warnings: shown loudly at the top.
        sections: parts of the task's own, behind the scores.
        closing: the same, at the end before the models and settings.
        evidence, findings: temporal evidence: how often, and in pictures.
        settings: what was set, as "sample.every" -> "2".
        versions: of programs, as "numpy" -> "2.4.6".
    """

    title: str
    subtitle: str = ""
    facts: Sequence[tuple[str, str]] = ()
    warnings: Sequence[str] = ()
    decision: Decision | None = None
    scores: Sequence[ScoreTable] = ()
    sections: Sequence[Section] = ()
    ablation: Ablation | None = None
    counts: Sequence[CountRow] = ()
    states: Sequence[StateRow] = ()
    figures: Sequence[Shown] = ()
    evidence: Sequence[KindRow] = ()
    findings: Sequence[Gallery] = ()
    galleries: Sequence[Gallery] = ()
    duplicates: Sequence[DuplicateGroup] = ()
    duplicates_about: str = ""
    closing: Sequence[Section] = ()
    models: Sequence[ModelUsed] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)


def render_report(data: ReportData) -> str:
    """Return the report as HTML text."""
    environment = Environment(
        loader=PackageLoader("reelabel.views"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"figure": _figure, "signed": _signed, "legend": rules_legend}
    return environment.get_template("report.html").render(data=data)


def write_report(path: Path | str, data: ReportData) -> Path:
    """Write the report under its name, whole or not at all, and return the path.

    Raises:
        WorkspaceError: if it cannot be written.
    """
    path = Path(path)
    write_bytes(path, render_report(data).encode("utf-8", "replace"))
    return path


def jpeg_uri(rgb: Image, quality: int = 82) -> str:
    """Return a picture as a JPEG data URI.

    Args:
        rgb: ``(height, width, 3)`` uint8.
        quality: 1 (small) to 100 (good).
    """
    return data_uri(encode_jpeg(rgb, quality), "image/jpeg")


def _clause(one: str, many: str, names: Sequence[str], rest: str) -> str:
    """Return a clause on the intervals of some variants."""
    verb, noun = (one, "interval") if len(names) == 1 else (many, "intervals")
    return f"the {noun} of {_listed(names)} {verb} {rest}"


def _listed(names: Sequence[str]) -> str:
    """Return names as a list in a sentence.

    >>> _listed(["a", "b", "c"])
    'a, b and c'
    """
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)


def _signed(value: float | None) -> str:
    """Return a difference as text, with its sign."""
    if value is None or np.isnan(value):
        return _figure(None)
    return f"{value:+z.3f}"


def _figure(value: float | None) -> str:
    """Return a score as text; a dash where there is none."""
    return "–" if value is None or np.isnan(value) else f"{value:.3f}"  # noqa: RUF001 -- a dash
