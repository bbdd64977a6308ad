"""What `predict` returns of a classifier: one entry per source, and its way into files."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Literal, overload

from reelabel.errors import MissingExtra, UsageError, counted, few
from reelabel.files import write_chunks, write_text
from reelabel.json_text import json_chunks
from reelabel.labels.segments import UNKNOWN
from reelabel.tables import Row
from reelabel.verbs.predict_files import check_suffix
from reelabel.verbs.predict_sources import failed
from reelabel.verbs.source_prediction import SEGMENT_COLUMNS, SourcePrediction

if TYPE_CHECKING:
    import pandas as pd

What = Literal["moments", "segments", "videos"]

MOST_TIMELINES = 12
"""So many sources are shown in a notebook."""


@dataclass(frozen=True, eq=False)
class ClassPrediction(Sequence[SourcePrediction]):
    """What a classifier gives for some sources; its length is their number.

    Attributes:
        model: the model's name.
        fingerprint: what identifies it.
        classes: the class names of the columns.
        exclusive: whether exactly one class is right.
        temperature: what its probabilities are calibrated with, None if they are as it gives them.
        min_score: below it a class does not count.
        sources: one entry per file, array or clip.
        failures: name of each file that could not be used -> why.
    """

    model: str
    fingerprint: str
    classes: tuple[str, ...]
    exclusive: bool
    temperature: float | None
    min_score: float
    sources: tuple[SourcePrediction, ...]
    failures: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.sources)

    @overload
    def __getitem__(self, at: int) -> SourcePrediction: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[SourcePrediction, ...]: ...
    def __getitem__(self, at: int | slice) -> SourcePrediction | tuple[SourcePrediction, ...]:
        return self.sources[at]

    def __repr__(self) -> str:
        counts = Counter(name for one in self for name in one.categories or (UNKNOWN,))
        some = few(f"{name} {n}" for name, n in counts.most_common())
        return f"ClassPrediction({counted(len(self), 'source')}: {some or 'none'}; by {self.model})"

    def __str__(self) -> str:
        some = few(f"{Path(one.source.name).name}: {one.summary}" for one in self)
        return f"{some or 'nothing'}, by {self.model}{failed(self.failures)}"

    def _repr_html_(self) -> str:
        """Return what notebooks show: the first sources, each below its name."""
        parts = [
            f"<p>{escape(Path(one.source.name).name)}: {escape(one.summary)}</p>{one._repr_html_()}"
            for one in self[:MOST_TIMELINES]
        ]
        more = len(self) - MOST_TIMELINES
        return "".join(parts) + (f"<p>and {more} more</p>" if more > 0 else "")

    def rows(self, what: What) -> list[Row]:
        """Return one row per frame or window, per segment, or per source, as `save` writes them.

        Raises:
            UsageError: if it is none of these.
        """
        if what == "moments":
            return [row for one in self for row in one.moment_rows()]
        if what == "segments":
            return [row for one in self for row in one.segment_rows()]
        if what == "videos":
            return [one.video_row() for one in self]
        raise UsageError(f"expected moments, segments or videos, but got {what!r}")

    def to_pandas(self, what: What = "moments") -> pd.DataFrame:
        """Return a data frame with one row per frame or window, per segment, or per source.

        Probabilities are in one column per class, named ``p(CLASS)``.

        Raises:
            UsageError: if `what` is none of these.
            MissingExtra: if pandas is not installed.
        """
        try:
            import pandas as pd  # noqa: PLC0415 -- optional, and slow to load
        except ModuleNotFoundError as exc:
            raise MissingExtra("to_pandas()", package="pandas") from exc
        return pd.DataFrame([_flat(row) for row in self.rows(what)])

    def to_json(self) -> Row:
        """Return what `save` writes as JSON: the model, and rows of three kinds."""
        return {
            key: list(value) if key == "moments" else value
            for key, value in self._streamed().items()
        }

    @property
    def _head(self) -> Row:
        return {
            "model": self.model,
            "fingerprint": self.fingerprint,
            "classes": list(self.classes),
            "exclusive": self.exclusive,
            "temperature": self.temperature,
            "min_score": self.min_score,
            "failures": dict(self.failures),
        }

    def _streamed(self) -> Row:
        """Return what `to_json` returns, with iterators in place of the long lists."""
        moments = (row for one in self for row in one.moment_rows())
        few_rows = {"videos": self.rows("videos"), "segments": self.rows("segments")}
        return {**self._head, **few_rows, "moments": moments}

    def save(self, path: Path | str) -> None:
        """Write it: all as JSON, or the segments as CSV, which is read as tags too.

        Raises:
            UsageError: if the suffix is neither ``.json`` nor ``.csv``.
            WorkspaceError: if it cannot be written.
        """
        path = Path(path)
        if check_suffix(path) == ".json":
            write_chunks(path, json_chunks(self._streamed()))
            return
        text = io.StringIO()
        writer = csv.DictWriter(text, SEGMENT_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows("segments"))
        write_text(path, text.getvalue())


def _flat(row: Row) -> Row:
    """Return a row with one column per class in place of its probabilities."""
    flat = {key: value for key, value in row.items() if key != "probabilities"}
    return flat | {f"p({name})": p for name, p in row.get("probabilities", {}).items()}
