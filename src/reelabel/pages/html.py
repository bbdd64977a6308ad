"""One self-contained HTML file that tells what a round brought.

Everything that comes from outside (names of files, classes, reasons) is escaped. Pictures are
written into the file, nothing is fetched, and nothing runs: a content security policy holds that.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from numpy.typing import NDArray

from reelabel.errors import UsageError, WorkspaceError
from reelabel.media.pictures import encode_jpeg
from reelabel.pages.plots import data_uri

Image = NDArray[np.uint8]
"""``(height, width, 3)`` uint8 RGB."""

Measure = Literal["ap", "ap50", "ap75", "ar", "p", "r", "f1"]

TITLES = {"truth": "Truth", "agreement": "Agreement (against pseudo-labels, not accuracy)"}
"""The only two things that a table of scores may be about."""

HEADINGS: dict[str, dict[Measure, str]] = {
    "truth": {
        "ap": "AP",
        "ap50": "AP50",
        "ap75": "AP75",
        "ar": "AR",
        "p": "P",
        "r": "R",
        "f1": "F1",
    },
    "agreement": {
        "ap": "Agreement",
        "ap50": "at IoU .50",
        "ap75": "at IoU .75",
        "ar": "labels found",
        "p": "boxes that are labels",
        "r": "labels kept",
        "f1": "F1 with labels",
    },
}
"""Measure -> column heading; scores against pseudo-labels are never called AP."""


@dataclass(frozen=True)
class Score:
    """A figure in 0..1 with its interval; None where it is not defined or not known."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class ScoreRow:
    """The scores of one model; measures may be missing."""

    name: str
    scores: Mapping[Measure, Score]
    best: bool = False


@dataclass(frozen=True)
class ScoreTable:
    """Scores of several models on the same frames.

    Attributes:
        kind: what was compared with. It decides title and headings, so that agreement is never
            taken for accuracy.
        about: on which frames, such as "96 frames of 2 videos that were never trained on".
    """

    kind: Literal["truth", "agreement"]
    rows: Sequence[ScoreRow]
    about: str = ""

    def __post_init__(self) -> None:
        """Refuse a table that is neither."""
        if self.kind not in TITLES:
            raise UsageError(f"scores are against truth or agreement, but not {self.kind!r}")

    @property
    def title(self) -> str:
        """The title that says what the scores mean."""
        return TITLES[self.kind]

    @property
    def columns(self) -> list[tuple[Measure, str]]:
        """Measure and heading of each column that any row fills."""
        used = {measure for row in self.rows for measure in row.scores}
        return [(m, heading) for m, heading in HEADINGS[self.kind].items() if m in used]


@dataclass(frozen=True)
class CountRow:
    """How many labels a class had before cleaning and merging, and after."""

    category: str
    before: int
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
    """

    action: str
    reason: str
    best: str = ""


@dataclass(frozen=True)
class Shown:
    """A picture with what stands below it.

    Attributes:
        uri: the picture as a ``data:image/...`` URI.
    """

    uri: str
    caption: str = ""
    title: str = ""

    def __post_init__(self) -> None:
        """Refuse pictures that would have to be fetched."""
        if not self.uri.startswith("data:image/"):
            raise UsageError(
                f"a report holds its pictures itself: expected a data: URI, got {self.uri[:60]!r}"
            )


@dataclass(frozen=True)
class Gallery:
    """Pictures that belong together."""

    title: str
    pictures: Sequence[Shown]
    about: str = ""


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
        settings: what was set, as "sample.every" -> "2".
        versions: of programs, as "numpy" -> "2.4.6".
    """

    title: str
    subtitle: str = ""
    facts: Sequence[tuple[str, str]] = ()
    warnings: Sequence[str] = ()
    decision: Decision | None = None
    scores: Sequence[ScoreTable] = ()
    counts: Sequence[CountRow] = ()
    states: Sequence[StateRow] = ()
    figures: Sequence[Shown] = ()
    galleries: Sequence[Gallery] = ()
    duplicates: Sequence[DuplicateGroup] = ()
    models: Sequence[ModelUsed] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)


def render_report(data: ReportData) -> str:
    """Return the report as HTML text."""
    environment = Environment(
        loader=PackageLoader("reelabel.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["figure"] = _figure
    return environment.get_template("report.html").render(data=data)


def write_report(path: Path | str, data: ReportData) -> Path:
    """Write the report under its name, whole or not at all, and return the path.

    Raises:
        WorkspaceError: if it cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    text = render_report(data).encode("utf-8", "replace")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(text)
        temporary.replace(path)
    except OSError as exc:
        raise WorkspaceError(
            f"{path}: the report cannot be written: {exc.strerror or exc}; is the disk full?"
        ) from exc
    finally:
        temporary.unlink(missing_ok=True)
    return path


def jpeg_uri(rgb: Image, quality: int = 82) -> str:
    """Return a picture as a JPEG data URI.

    Args:
        rgb: ``(height, width, 3)`` uint8.
        quality: 1 (small) to 100 (good).
    """
    return data_uri(encode_jpeg(rgb, quality), "image/jpeg")


def _figure(value: float | None) -> str:
    """Return a score as text; a dash where there is none."""
    return "–" if value is None or np.isnan(value) else f"{value:.3f}"  # noqa: RUF001 -- a dash
