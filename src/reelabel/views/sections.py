"""The parts that a section of a report is made of: tables, plots, pictures and sentences."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from reelabel.errors import UsageError
from reelabel.evaluation.figures import Figure

Kind = Literal["table", "plots", "gallery"]
Cell = str | Figure
"""Words, or a figure with its interval."""


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

    kind: ClassVar[Kind] = "gallery"
    title: str
    pictures: Sequence[Shown]
    about: str = ""


@dataclass(frozen=True)
class DataTable:
    """A table of words and figures.

    Attributes:
        head: headings of the columns.
        rows: cells, as many as columns.
        title: what stands above it.
        words: the columns that hold words, which begin at the left.
        best: the rows that are marked.
    """

    kind: ClassVar[Kind] = "table"
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    title: str = ""
    words: Collection[int] = (0,)
    best: Collection[int] = ()

    def __post_init__(self) -> None:
        """Refuse rows of another length."""
        if any(len(row) != len(self.head) for row in self.rows):
            raise UsageError(f"expected {len(self.head)} cells in every row of '{self.title}'")


@dataclass(frozen=True)
class Plots:
    """Plots side by side, or below each other over the whole width."""

    kind: ClassVar[Kind] = "plots"
    pictures: Sequence[Shown]
    wide: bool = False


@dataclass(frozen=True)
class Section:
    """A part of a report with a heading of its own.

    Attributes:
        title: the heading.
        parts: what it holds; a text is a paragraph.
        about: one line below the heading.
    """

    title: str
    parts: Sequence[DataTable | Plots | Gallery | str]
    about: str = ""
