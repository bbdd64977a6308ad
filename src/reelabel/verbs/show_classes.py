"""show of a workspace that learns classes: tag, prediction and label of every frame, on video."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from reelabel.data.boxes import Floats
from reelabel.data.states import IGNORE, NEGATIVE, POSITIVE
from reelabel.data.video import Video
from reelabel.engine.progress import Display
from reelabel.errors import UsageError
from reelabel.files import safe_stem
from reelabel.labels.segments import moment_edges
from reelabel.media.draw import Bar, Colour, colour_of, draw_bars
from reelabel.media.video import Frame
from reelabel.models.base import Image
from reelabel.pipeline import read_config
from reelabel.tables import (
    CLASS_LABELS,
    CLASS_TRUTH,
    PREDICTIONS,
    STUDENT_PREDICTIONS,
    TAGS,
    Row,
    Table,
)
from reelabel.tables.claims import IS, moments_of, predictions_of, times_s
from reelabel.verbs.show_video import (
    Shown,
    draw_video,
    each_shown,
    last_labelled,
    show_folder,
    stem_of,
)
from reelabel.views.class_label_sections import doubtful
from reelabel.views.class_moments import labels_of
from reelabel.views.film_settings import Film
from reelabel.workspace import Workspace
from reelabel.workspace.video_tables import VideoTables

Doubles = NDArray[np.float64]

STATES: dict[str, Colour] = {
    POSITIVE: (47, 158, 110),
    IGNORE: (217, 154, 28),
    NEGATIVE: (214, 80, 75),
}
"""Colours of the states of labels, as in the report."""
GREY: Colour = (120, 120, 120)
MOST_CLASSES = 3
"""So many predicted classes are drawn."""


def show_classes(
    workspace: Workspace,
    *,
    round: int | None,  # noqa: A002 -- the name of the flag
    out: Path | None,
    pictures: int,
    evidence: Film | None,
    quiet: bool,
) -> list[Shown]:
    """Draw what is claimed and predicted of each frame, and write the most doubtful moments.

    Raises:
        UsageError: if temporal evidence is asked for, which is of boxes.
    """
    if evidence is not None:
        raise UsageError("temporal evidence is of boxes: classes have none, leave --evidence out")
    number = last_labelled(workspace, round, CLASS_LABELS)
    folder = show_folder(workspace, number, out)
    names = read_config(workspace).project.classes
    videos = {video.video_id: video for video in workspace.videos() if video.usable}
    ids = [v for v in workspace.shards(CLASS_LABELS, number) if v in videos]
    chosen = _chosen(workspace, number, pictures)

    def movie(video: Video) -> Path:
        return folder / f"{stem_of(video)}.mp4"

    with Display("show", len(ids), quiet=quiet) as display:

        def draw(video: Video) -> Shown:
            known = _VideoClasses.of(workspace, number, video, names)
            stills = _stills(folder, video, chosen.get(video.video_id, ()))
            return draw_video(video, movie(video), known.drawn, stills, display=display)

        return each_shown((videos[v] for v in ids), draw, movie)


Still = tuple[str, int, int]
"""Class, rank among its doubtful moments, time stamp."""


def _chosen(workspace: Workspace, number: int, most: int) -> dict[str, list[Still]]:
    """Return the most doubtful moments of each class, by video.

    Ignored labels come first, then the least likely ones that are trained on.
    """
    rows = labels_of(workspace, number).filter(pc.field("claim") == IS).to_pylist()
    by_class: dict[str, list[Row]] = {}
    for row in rows:
        by_class.setdefault(row["category"], []).append(row)
    found: dict[str, list[Still]] = {}
    for name, some in by_class.items():
        ignored = doubtful((row for row in some if row["state"] == IGNORE), most)
        used = doubtful((row for row in some if row["state"] != IGNORE), most - len(ignored))
        for rank, row in enumerate([*ignored, *used], 1):
            found.setdefault(row["video_id"], []).append((name, rank, row["pts"]))
    return found


def _stills(folder: Path, video: Video, chosen: Iterable[Still]) -> dict[int, list[Path]]:
    """Return where the doubtful moments of a video are written, by time stamp."""
    found: dict[int, list[Path]] = {}
    for name, rank, pts in chosen:
        path = folder / f"{safe_stem(name)}-{rank:02d}-{stem_of(video)}-{pts}.jpg"
        found.setdefault(pts, []).append(path)
    return found


@dataclass(frozen=True, eq=False)
class _OverTime:
    """Rows of moments, found by the second.

    Attributes:
        time_s: ``(n, 2)`` seconds of the first and last frame of each, ascending.
        edges_s: ``(n + 1,)`` where the time of each begins and ends.
        reach_s: how far from a moment it counts; behind a hole nothing does.
    """

    time_s: Doubles
    edges_s: Doubles
    reach_s: float

    @classmethod
    def of(cls, time_s: Doubles, duration_s: float) -> Self:
        """Return the rows of these times."""
        centre = time_s.mean(axis=1)
        gaps = np.diff(centre)
        end_s = max(duration_s, float(time_s.max(initial=0.0)))
        reach_s = float(np.median(gaps)) if len(gaps) else end_s
        return cls(time_s, moment_edges(centre, (0.0, end_s)), reach_s)

    def at(self, time_s: float) -> int | None:
        """Return the row of a second, None if no moment is near."""
        row = int(np.searchsorted(self.edges_s, time_s, side="right")) - 1
        row = min(row, len(self.time_s) - 1)
        if row < 0:
            return None
        first, last = self.time_s[row]
        return row if first - self.reach_s <= time_s <= last + self.reach_s else None


@dataclass(frozen=True, eq=False)
class _VideoClasses:
    """What is known of one video.

    Attributes:
        names: of the classes.
        spans: rows of truth and tags, by what they are.
        labels: the labels that a class is right, of each labelled moment.
        label_times: of these moments.
        by: whose predictions they are, student or teacher.
        probability: ``(n, k)``.
        prediction_times: of these rows.
    """

    names: tuple[str, ...]
    spans: Mapping[str, Sequence[Row]]
    labels: Sequence[Sequence[Row]]
    label_times: _OverTime
    by: str
    probability: Floats
    prediction_times: _OverTime

    @classmethod
    def of(cls, workspace: Workspace, number: int, video: Video, names: tuple[str, ...]) -> Self:
        """Return what a round has found out about a video."""
        labels = _labels(workspace.read(CLASS_LABELS, video.video_id, number))
        moments = moments_of(CLASS_LABELS.from_rows([some[0] for some in labels]))
        table, by = STUDENT_PREDICTIONS, "student"
        if video.video_id not in workspace.shards(table, number):
            table, by = PREDICTIONS, "teacher"
        found = predictions_of(VideoTables(workspace, video.video_id, number).rows(table), names)
        return cls(
            names=names,
            spans={
                name: _rows(workspace, table, video)
                for name, table in (("truth", CLASS_TRUTH), ("tag", TAGS))
            },
            labels=labels,
            label_times=_OverTime.of(times_s(moments, video), video.duration_s),
            by=by,
            probability=found.probability,
            prediction_times=_OverTime.of(times_s(found.moments, video), video.duration_s),
        )

    def drawn(self, frame: Frame, picture: Image) -> Image:
        """Return the picture of a frame with what is claimed and predicted of it."""
        at = frame.time_s
        return draw_bars(picture, [*self._claims(at), *self._label(at), *self._predicted(at)])

    def _claims(self, time_s: float) -> list[Bar]:
        """Return the truth and the tags at a second."""
        return [
            Bar(f"{name}: {row['category']}", 1.0, colour_of(row["category"]))
            for name, rows in self.spans.items()
            for row in rows
            if (row["start_s"] or 0.0) <= time_s < (row["end_s"] or np.inf)
        ]

    def _label(self, time_s: float) -> list[Bar]:
        """Return the labels of the nearest moment, and why they are ignored."""
        row = self.label_times.at(time_s)
        if row is None:
            return [Bar("no label", 0.0, GREY)]
        return [_label_bar(label) for label in self.labels[row]]

    def _predicted(self, time_s: float) -> list[Bar]:
        """Return the most probable classes of the nearest moment."""
        row = self.prediction_times.at(time_s)
        if row is None:
            return []
        values = dict(zip(self.names, self.probability[row].tolist(), strict=True))
        highest = sorted(values, key=lambda name: -values[name])[:MOST_CLASSES]
        return [
            Bar(f"{self.by}: {name} {values[name]:.2f}", values[name], colour_of(name))
            for name in highest
        ]


def _labels(table: pa.Table) -> list[list[Row]]:
    """Return the labels that a class is right by moment, in the order of time."""
    found: dict[tuple[int, int], list[Row]] = {}
    for row in table.filter(pc.field("claim") == IS).sort_by("pts").to_pylist():
        found.setdefault((row["pts"], row["until_pts"]), []).append(row)
    return list(found.values())


def _label_bar(label: Row) -> Bar:
    why = f" ({label['rule']})" if label["state"] == IGNORE else ""
    text = f"{label['state']}: {label['category']}{why}"
    return Bar(text, 1.0, STATES[label["state"]])


def _rows(workspace: Workspace, table: Table, video: Video) -> list[Row]:
    """Return which classes a table claims to be right in a video."""
    rows = VideoTables(workspace, video.video_id).rows(table)
    found: list[Row] = rows.filter(pc.field("claim") == IS).to_pylist()
    return found
