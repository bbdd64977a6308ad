"""report of classifiers: the probabilities of some videos over time, with tags, labels, truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reelabel.data.classes import Predictions
from reelabel.data.states import IGNORE
from reelabel.data.video import Video
from reelabel.errors import counted
from reelabel.tables import (
    CLASS_LABELS,
    CLASS_TRUTH,
    PREDICTIONS,
    STUDENT_PREDICTIONS,
    TAGS,
    Row,
    Table,
)
from reelabel.tables.claims import IS, claimed, moments_of, predictions_of, times_s
from reelabel.views import class_plots
from reelabel.views.class_plots import Band, Stretch
from reelabel.views.plot_style import COLOURS, INK, STATE_COLOURS
from reelabel.views.sections import Plots, Section, Shown
from reelabel.workspace import Workspace

MOST_TIMELINES = 8
"""So many videos are shown over time."""
_LEAST_S = 0.1  # a label is at least so wide
MOST_BANDS = 4
"""So many classes of one video have a band of their own."""


def timeline_section(
    workspace: Workspace, number: int, names: tuple[str, ...], labels: pa.Table
) -> Section | None:
    """Return the probabilities of some videos over time, with their tags, labels and truth.

    Args:
        workspace: the workspace.
        number: the round.
        names: class names by class id.
        labels: of the round.
    """
    videos = {video.video_id: video for video in workspace.videos() if video.usable}
    plots = [
        _timeline(workspace, number, names, videos[video_id])
        for video_id in _chosen(workspace, number, labels)
        if video_id in videos
    ]
    shown = [plot for plot in plots if plot is not None][:MOST_TIMELINES]
    if not shown:
        return None
    about = (
        f"{counted(len(shown), 'video')} of {len(videos)}: those with the most ignored labels, "
        "then those that were scored. Curves are of the student where it was scored, else of the "
        "teacher."
    )
    return Section("Classes over time", [Plots(shown, wide=True)], about)


def _chosen(workspace: Workspace, number: int, labels: pa.Table) -> list[str]:
    """Return videos that have something to show, the most interesting first."""
    ignored = Counter(labels.filter(pc.field("state") == IGNORE)["video_id"].to_pylist())
    some = sorted(ignored, key=lambda video_id: (-ignored[video_id], video_id))
    scored = workspace.shards(STUDENT_PREDICTIONS, number)
    others = workspace.shards(PREDICTIONS, number)
    found = dict.fromkeys([*some[: MOST_TIMELINES // 2], *scored, *some, *others])
    return list(found)[: 2 * MOST_TIMELINES]  # some have too few moments


def _timeline(
    workspace: Workspace, number: int, names: tuple[str, ...], video: Video
) -> Shown | None:
    by, rows = "student", _rows(workspace, STUDENT_PREDICTIONS, number, video)
    found = _predictions(rows, names)
    if found is None:
        by, rows = "teacher", _rows(workspace, PREDICTIONS, number, video)
        found = _predictions(rows, names)
    if found is None or len(found) < 2:  # noqa: PLR2004 -- a point is no timeline
        return None
    time_s = times_s(found.moments, video)
    span_s = (0.0, max(video.duration_s, float(time_s.max())))
    colours = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(names)}
    bands = [
        *_span_bands(workspace, video, colours, span_s),
        *_label_bands(workspace, number, video),
    ]
    curves = {name: found.probability[:, i] for i, name in enumerate(names)}
    plot = class_plots.timeline(time_s.mean(axis=1), curves, span_s=span_s, bands=bands)
    return Shown(plot, f"probabilities by the {by}", video.name)


def _predictions(rows: pa.Table | None, names: tuple[str, ...]) -> Predictions | None:
    found = predictions_of(rows, names) if rows is not None else None
    return found if found is not None and len(found) else None


def _rows(workspace: Workspace, table: Table, number: int, video: Video) -> pa.Table | None:
    """Return a video's rows of a table, None if there are none."""
    if video.video_id not in workspace.shards(table, number):
        return None
    return workspace.read(table, video.video_id, number)


def _span_bands(
    workspace: Workspace,
    video: Video,
    colours: Mapping[str, str],
    span_s: tuple[float, float],
) -> Iterator[Band]:
    """Yield what people and tags claim of the video and spans of it."""
    for table, name in ((CLASS_TRUTH, "truth"), (TAGS, "tags")):
        found = _rows(workspace, table, 0, video)
        rows = found.filter(pc.field("claim") == IS).to_pylist() if found is not None else []
        by_class: dict[str, list[Stretch]] = {}
        for row in rows:
            category = row["category"]
            colour = colours.get(category, INK)
            ends = [row["start_s"], row["end_s"]]
            start_s, end_s = (
                at if end is None else end for end, at in zip(ends, span_s, strict=True)
            )
            stretch = Stretch(start_s, end_s, category, colour)
            by_class.setdefault(category, []).append(stretch)
        yield from _bands(name, by_class)


def _bands(name: str, by_class: Mapping[str, list[Stretch]]) -> Iterator[Band]:
    """Yield one band, or one for each class where classes overlap."""
    whole = sorted((one for some in by_class.values() for one in some), key=lambda s: s.start_s)
    overlap = any(a.end_s > b.start_s for a, b in pairwise(whole))
    if overlap and len(by_class) > 1:
        for category, some in list(by_class.items())[:MOST_BANDS]:
            yield Band(f"{name}: {category}", some)
    elif whole:
        yield Band(name, whole)


def _label_bands(workspace: Workspace, number: int, video: Video) -> Iterator[Band]:
    """Yield which moments are labelled, and which labels are ignored by which rule."""
    found = _rows(workspace, CLASS_LABELS, number, video)
    if found is None:
        return
    shown = (pc.field("claim") == IS) | (pc.field("state") == IGNORE)
    rows = found.filter(shown).sort_by("pts").to_pylist()
    by_class: dict[str, list[Row]] = {}
    for row in rows:
        by_class.setdefault(claimed(row), []).append(row)
    moments = {(row["pts"], row["until_pts"]) for row in rows}
    if len(moments) < len(rows):
        for name, some in list(by_class.items())[:MOST_BANDS]:
            yield Band(f"labels: {name}", _label_stretches(some, video))
    elif rows:
        yield Band("labels", _label_stretches(rows, video))


def _label_stretches(rows: Sequence[Row], video: Video) -> list[Stretch]:
    """Return labels over time, no two of one moment, equal neighbours as one."""
    time_s = times_s(moments_of(pa.Table.from_pylist(list(rows))), video)
    centre = time_s.mean(axis=1)
    # A label reaches half-way to its neighbours, and once more where they are alike, but not over
    # a hole.
    reach = max(float(np.median(np.diff(centre))) if len(centre) > 1 else 0.0, _LEAST_S) / 2
    first = np.minimum(time_s[:, 0], centre - reach)
    last = np.maximum(time_s[:, 1], centre + reach)
    stretches: list[Stretch] = []
    for row, start_s, end_s in zip(rows, first.tolist(), last.tolist(), strict=True):
        state = row["state"]
        text = row["rule"] if state == IGNORE else claimed(row)
        colour = STATE_COLOURS.get(state, INK)
        before = stretches[-1] if stretches else None
        if (
            before
            and (before.text, before.colour) == (text, colour)
            and start_s <= before.end_s + reach
        ):
            start_s = stretches.pop().start_s  # noqa: PLW2901 -- the two become one
        stretches.append(Stretch(start_s, end_s, text, colour))
    return stretches
