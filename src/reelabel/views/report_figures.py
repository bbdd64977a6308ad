"""report: figures on scores, labels and training, and some labelled frames."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from reelabel.data.boxes import Placement
from reelabel.data.states import POSITIVE
from reelabel.errors import counted
from reelabel.labels.stats import heat_map, size_bins
from reelabel.media.draw import STYLES, colour_of, draw_boxes
from reelabel.media.pictures import fit, read_rgb
from reelabel.tables import CORNERS, FRAME, FRAMES, LABELS, Row, xyxy_of
from reelabel.views import plots
from reelabel.views.html import jpeg_uri
from reelabel.views.score_rows import model_rows
from reelabel.views.sections import Gallery, Shown
from reelabel.workspace import Workspace
from reelabel.workspace.rounds import model_dir, scores_of
from reelabel.workspace.snapshot import Snapshot

GALLERY = 12
"""Pictures in the gallery of labelled frames."""
PICTURE_WH = (360, 270)


def figures_of(snapshot: Snapshot, rounds: Sequence[int]) -> Iterator[Shown]:
    """Yield the figures of a report.

    Args:
        snapshot: of the workspace.
        rounds: those that have labels.
    """
    workspace, labels = snapshot.workspace, snapshot.rows(LABELS, rounds[-1])
    yield from _about_scores(workspace, rounds)
    if len(rounds) > 1:
        yield Shown(_per_round(snapshot, rounds), "Labels of each state", "Labels per round")
    by_state = {name: rows["score"].to_numpy() for name, rows in _parts(labels, "state")}
    if by_state:
        yield Shown(plots.score_histogram(by_state), "Scores of the last round's labels", "Scores")
    yield from _about_boxes(snapshot, labels)
    yield from training_figures(workspace, rounds)


def _parts(rows: pa.Table, column: str) -> Iterator[tuple[str, pa.Table]]:
    """Yield each value of a column, sorted, with its rows."""
    for value in sorted(pc.unique(rows[column]).to_pylist()):
        yield value, rows.filter(pc.equal(rows[column], value))


def training_figures(workspace: Workspace, rounds: Sequence[int]) -> Iterator[Shown]:
    """Yield the curve of each round's training, if it left one."""
    for number in rounds:
        columns = _curve(model_dir(workspace, number) / "curve.csv")
        if columns:
            about = f"loss and agreement on held-out labels{_if_short(columns['step'])}"
            yield Shown(_drawn_curve(columns), about, f"Training, round {number}")


def _about_scores(workspace: Workspace, rounds: Sequence[int]) -> Iterator[Shown]:
    """Yield AP with its interval, and precision over recall, of every model scored on truth."""
    scores = {number: scores_of(workspace, number) for number in rounds}
    scored = {number: one.truth for number, one in scores.items() if one and one.truth}
    rows, curves = [], {}
    fused = next((one.fused for one in scores.values() if one and one.truth), ())
    for model in model_rows(scored, fused):
        ap, curve = model.scores.overall.ap, model.scores.precision50
        rows += [(model.name, ap.value, ap.low, ap.high)] if ap.value is not None else []
        if curve and None not in curve:
            curves[model.name] = (np.linspace(0, 1, len(curve)), np.array(curve, float))
    if rows:
        yield Shown(plots.rounds_comparison(rows), "AP on truth with its interval", "Rounds")
    if curves:
        about = "On truth, the mean over classes"
        yield Shown(plots.precision_recall(curves), about, "Precision and recall")


def _per_round(snapshot: Snapshot, rounds: Sequence[int]) -> str:
    counts: dict[Any, list[int]] = {state: [] for state in STYLES}
    for number in rounds:
        rows = snapshot.rows(LABELS, number)["state"].value_counts().to_pylist()
        found = {row["values"]: row["counts"] for row in rows}
        for state, row in counts.items():
            row.append(found.get(state, 0))
    return plots.counts_per_round(rounds, counts)


def _about_boxes(snapshot: Snapshot, labels: pa.Table) -> Iterator[Shown]:
    positive = labels.filter(pc.equal(labels["state"], POSITIVE))
    if not len(positive):
        return
    parts = dict(_parts(positive, "category"))
    bins = {name: size_bins(xyxy_of(rows)) for name, rows in parts.items()}
    sizes = {name: {size: one.n for size, one in found.items()} for name, found in bins.items()}
    yield Shown(plots.label_counts(sizes), "Labels per class and COCO size", "Sizes")
    for name, rows in parts.items():
        covered = heat_map(_shares(snapshot, rows), (1, 1), (160, 90))
        yield Shown(plots.heat_map(covered), f"Where boxes of {name} lie", "Heat map")


def _shares(snapshot: Snapshot, rows: pa.Table) -> NDArray[np.float32]:
    """Return the boxes ``(n, 4)`` of rows in shares 0..1 of their pictures."""
    videos = snapshot.videos()
    ids = pa.array([video.video_id for video in videos], pa.string())
    at = pc.index_in(rows["video_id"], value_set=ids).to_numpy()
    sides = [[max(video.width, 1), max(video.height, 1)] * 2 for video in videos]
    shares: NDArray[np.float32] = (xyxy_of(rows) * (1 / np.array(sides))[at]).astype(np.float32)
    return shares


def _if_short(steps: NDArray[np.float64]) -> str:
    """Return words on a training of which a single point was noted."""
    return (
        f"; a single point, as the training had {counted(int(steps[0]), 'step')}"
        if len(steps) == 1
        else ""
    )


def _curve(path: Path) -> dict[str, NDArray[np.float64]]:
    """Return the columns of what was noted of a training; none if it left no curve."""
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = rows[0] if rows else ()
    return {k: np.array([float(r[k] or "nan") for r in rows]) for k in names if k}


def _drawn_curve(noted: dict[str, NDArray[np.float64]]) -> str:
    """Return the plot of a training."""
    columns = dict(noted)
    steps, agreement = columns.pop("step"), columns.pop("val_agreement", None)
    columns.pop("lr", None)
    whole = columns.get("loss")
    if whole is not None:  # a term that is all of the loss would lie on its curve
        others = {k: v for k, v in columns.items() if not np.array_equal(v, whole, equal_nan=True)}
        columns = {"loss": whole, **others}
    some = ~np.isnan(agreement) if agreement is not None else np.zeros(0, bool)
    held = (steps[some], agreement[some]) if agreement is not None and some.any() else None
    return plots.training_curve(steps, columns, held)


def labelled_frames(snapshot: Snapshot, number: int) -> Iterator[Gallery]:
    """Yield a gallery of some labelled frames of a round, spread over all videos, if it has any."""
    shown = list(_labelled_pictures(snapshot, snapshot.rows(LABELS, number)))
    if shown:
        about = "solid: positive, dashed: ignored, filled: negative"
        yield Gallery("Labelled frames", shown, about)


def _labelled_pictures(snapshot: Snapshot, labels: pa.Table) -> Iterator[Shown]:
    frames = snapshot.rows(FRAMES)
    positive = labels.filter(pc.equal(labels["state"], POSITIVE)).group_by(FRAME).aggregate([])
    kept = frames.select(FRAME).append_column("row", pa.array(np.arange(len(frames))))
    kept = kept.filter(frames["kept"]).join(positive, FRAME, join_type="left semi")
    order = kept.sort_by([(name, "ascending") for name in FRAME])["row"].to_numpy()
    names = {video.video_id: video.name for video in snapshot.videos()}
    for i in np.linspace(0, len(order) - 1, min(GALLERY, len(order))).astype(int):
        (frame,) = frames.slice(order[i], 1).to_pylist()
        video_id = frame["video_id"]
        here = pc.and_(
            pc.equal(labels["video_id"], video_id), pc.equal(labels["pts"], frame["pts"])
        )
        path = snapshot.workspace.root / frame["picture"]
        picture = _drawn(path, frame, labels.filter(here).to_pylist())
        yield Shown(picture, f"{names.get(video_id, video_id)}, {frame['time_s']:.2f} s")


def _drawn(path: Path, frame: Row, labels: list[Row]) -> str:
    xyxy = Placement.of_frame(frame).to_picture(np.array([[r[k] for k in CORNERS] for r in labels]))
    drawn = draw_boxes(
        read_rgb(path),
        xyxy.astype(np.float32),
        [f"{r['category']} {r['score']:.2f}" if r["state"] == POSITIVE else "" for r in labels],
        [colour_of(r["category"]) for r in labels],
        styles=[STYLES[r["state"]] for r in labels],
    )
    return jpeg_uri(fit(drawn, "longest", PICTURE_WH)[0])
