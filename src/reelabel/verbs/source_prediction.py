"""The classes that a model gives for one file, array or clip: one answer, and classes over time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reelabel.data.boxes import Ints
from reelabel.data.classes import Predictions
from reelabel.errors import UsageError, counted
from reelabel.labels.segments import (
    UNKNOWN,
    Segment,
    SegmentSettings,
    mean_over_time,
    moment_edges,
    segments,
)
from reelabel.media.draw import Bar, Colour, colour_of, draw_bars
from reelabel.media.pictures import read_rgb
from reelabel.models.base import Image
from reelabel.tables import Row
from reelabel.verbs.prediction import Source

SEGMENT_COLUMNS = ("video", "class", "start_s", "end_s", "probability")
"""Keys of the rows of segments."""
Doubles = NDArray[np.float64]

GREY: Colour = (150, 150, 150)
"""The colour of what is unknown."""
MOST_BARS = 3
"""So many classes are drawn on a frame."""


@dataclass(frozen=True, eq=False)
class SourcePrediction:
    """The class probabilities of one file, array or clip.

    Attributes:
        source: what was judged.
        classes: names of the columns.
        exclusive: whether exactly one class is right.
        predictions: of its n frames or windows; arrays are named by their positions.
        index: ``(n,)`` int64, position of the first frame of each among the decoded frames.
        time_s: ``(n, 2)`` seconds of the first and the last frame of each.
        span_s: first second that was judged, and the first one behind; None for what has no time,
            such as a picture.
        rule: from which probability on a class counts, and how segments are made.
        picture: ``(height, width, 3)`` uint8 RGB of a single array, else None.
    """

    source: Source
    classes: tuple[str, ...]
    exclusive: bool
    predictions: Predictions
    index: Ints
    time_s: Doubles
    span_s: tuple[float, float] | None
    rule: SegmentSettings
    picture: Image | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.predictions)

    def __repr__(self) -> str:
        name, n = Path(self.source.name).name, len(self)
        return f"SourcePrediction({name}: {self.summary}, {counted(n, 'moment')})"

    @property
    def summary(self) -> str:
        """Its classes with their probabilities, in a few words."""
        names = self.categories or (UNKNOWN,)
        return ", ".join(f"{name} {self._probability_of(name):.2f}" for name in names)

    @cached_property
    def probabilities(self) -> dict[str, float]:
        """Class name -> its mean probability over the time of the source."""
        rows = self.predictions.probability
        if self.span_s is None:
            mean: Any = rows.astype(np.float64).mean(axis=0)
        else:
            mean = mean_over_time(rows, self._centre_s, self.span_s)
        return dict(zip(self.classes, mean.tolist(), strict=True))

    @property
    def categories(self) -> tuple[str, ...]:
        """The classes that reach the threshold, the most probable first; one if exclusive."""
        found = sorted(self.probabilities.items(), key=lambda item: -item[1])
        names = tuple(name for name, value in found if value >= self.rule.threshold)
        return names[:1] if self.exclusive else names

    @property
    def category(self) -> str:
        """The most probable class, ``unknown`` if none reaches the threshold."""
        return next(iter(self.categories), UNKNOWN)

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        """Stretches of time with one class, in order; none for what has no time.

        Where several classes may be right, those of each class, which may overlap.
        """
        if self.span_s is None:
            return ()
        rows = self.predictions.probability
        if self.exclusive:
            return tuple(self._segments(rows, self.classes, self.span_s))
        # A class that is called "unknown" is one all the same.
        found = [
            replace(segment, category=name)
            for i, name in enumerate(self.classes)
            for segment in self._segments(rows[:, i : i + 1], ("",), self.span_s)
            if segment.category != UNKNOWN
        ]
        return tuple(sorted(found, key=lambda one: (one.start_s, one.end_s)))

    def _segments(
        self, rows: NDArray[np.float32], names: tuple[str, ...], span_s: tuple[float, float]
    ) -> list[Segment]:
        return segments(rows.clip(0, 1), self._centre_s, names, span_s=span_s, settings=self.rule)

    @property
    def _centre_s(self) -> Doubles:
        """The middle of each moment, inside the span: ``(n,)``."""
        start_s, end_s = self.span_s or (-np.inf, np.inf)
        centre: Doubles = self.time_s.mean(axis=1).clip(start_s, end_s)
        return centre

    def _probability_of(self, name: str) -> float:
        """Return the mean probability of a class; of the most probable one for ``unknown``."""
        return self.probabilities.get(name, max(self.probabilities.values(), default=0.0))

    def drawn(self) -> Image:
        """Return a picture, or the array that was given, with its classes drawn on it.

        Raises:
            UsageError: for a video, whose frames `predict` draws with `render`.
        """
        if self.picture is not None:
            return self.on(self.picture)
        if self.span_s is not None or not self.source.is_file:
            raise UsageError(f"{self.source.name} is no single picture: use render= of predict")
        return self.on(read_rgb(self.source.name))

    def on(self, picture: Image, time_s: float | None = None) -> Image:
        """Return a picture ``(height, width, 3)`` with the classes drawn on it.

        Args:
            picture: a frame of the source; it is not changed.
            time_s: its second; None: the mean of the whole source.
        """
        timed = time_s is not None and self.span_s is not None
        row = self._row_at(time_s or 0.0) if timed else tuple(self.probabilities.values())
        names = self._names_at(time_s or 0.0) if timed else (self.categories or (UNKNOWN,))
        return draw_bars(picture, self._bars(names, row))

    def _bars(self, names: Sequence[str], row: Sequence[float]) -> list[Bar]:
        """Return the current classes, then the most probable others."""
        value = dict(zip(self.classes, row, strict=True))
        others = sorted((n for n in self.classes if n not in names), key=lambda n: -value[n])
        bars = [
            Bar(f"{name} {value[name]:.2f}", value[name], colour_of(name))
            if name in value
            else Bar(name, 0.0, GREY)
            for name in names
        ]
        bars += [Bar(f"{name} {value[name]:.2f}", value[name], GREY) for name in others]
        return bars[: max(MOST_BARS, len(names))]

    def _row_at(self, time_s: float) -> list[float]:
        """Return the probabilities of the moment that is nearest to a second."""
        edges = moment_edges(self._centre_s, self.span_s or (0.0, 0.0))
        at = int(np.searchsorted(edges, time_s, side="right")) - 1
        row: list[float] = self.predictions.probability[min(max(at, 0), len(self) - 1)].tolist()
        return row

    def _names_at(self, time_s: float) -> tuple[str, ...]:
        """Return the classes of the segments at a second."""
        found = [one.category for one in self.segments if one.start_s <= time_s < one.end_s]
        if not found and self.segments and self.exclusive:
            found = [self.segments[-1].category]
        return tuple(found) or (UNKNOWN,)

    def _repr_html_(self) -> str:
        """Return what notebooks show: probabilities over time, or the picture with its classes."""
        from reelabel.views.class_plots import timeline  # noqa: PLC0415 -- matplotlib
        from reelabel.views.html import jpeg_uri  # noqa: PLC0415 -- the same

        if self.span_s is not None:
            uri = timeline(
                self._centre_s,
                {n: self.predictions.probability[:, i] for i, n in enumerate(self.classes)},
                span_s=self.span_s,
                threshold=self.rule.threshold,
            )
        elif self.picture is not None or self.source.is_file:
            uri = jpeg_uri(self.drawn())
        else:
            return f"<pre>{self!r}</pre>"
        return f'<img style="max-width: 100%" src="{uri}">'

    def moment_rows(self) -> Iterator[Row]:
        """Yield one row per frame or window: where it is, and the probability of each class."""
        timed = self.span_s is not None
        moments = self.predictions.moments
        is_file = self.source.is_file
        for i, row in enumerate(map(np.ndarray.tolist, self.predictions.probability)):
            first_s, last_s = self.time_s[i].tolist()
            yield {
                "video": self.source.name,
                "frame_index": int(self.index[i]),
                "pts": int(moments.pts[i]) if is_file else None,
                "until_pts": int(moments.until_pts[i]) if is_file else None,
                "time": round(first_s, 6) if timed else None,
                "until": round(last_s, 6) if timed else None,
                "probabilities": {
                    name: round(p, 4) for name, p in zip(self.classes, row, strict=True)
                },
            }

    def segment_rows(self) -> Iterator[Row]:
        """Yield one row per segment; for what has no time, one per class, without times."""
        names = self.categories or (UNKNOWN,)
        still = ((name, None, None, self._probability_of(name)) for name in names)
        timed = ((s.category, s.start_s, s.end_s, s.probability) for s in self.segments)
        for name, start_s, end_s, probability in still if self.span_s is None else timed:
            yield {
                "video": self.source.name,
                "class": name,
                "start_s": None if start_s is None else round(start_s, 6),
                "end_s": None if end_s is None else round(end_s, 6),
                "probability": round(probability, 4),
            }

    def video_row(self) -> Row:
        """Return the answer for the whole source."""
        width, height = self.source.size_wh
        base = self.source.time_base
        return {
            "video": self.source.name,
            "width": width,
            "height": height,
            "time_base": f"{base.numerator}/{base.denominator}" if base else None,
            "moments": len(self),
            "classes": list(self.categories),
            "probabilities": {name: round(p, 4) for name, p in self.probabilities.items()},
        }
