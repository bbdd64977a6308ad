"""report: figures on scores, labels and training, and some labelled frames."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reelabel.data.boxes import Placement
from reelabel.data.states import POSITIVE
from reelabel.labels.stats import heat_map, size_bins
from reelabel.media.draw import STYLES, colour_of, draw_boxes
from reelabel.media.pictures import fit, read_rgb
from reelabel.tables import CORNERS, FRAMES, LABELS, xyxy_of
from reelabel.views import plots
from reelabel.views.html import jpeg_uri
from reelabel.views.score_rows import model_rows
from reelabel.views.sections import Gallery, Shown
from reelabel.workspace import Workspace
from reelabel.workspace.rounds import model_dir, scores_of

Row = dict[str, Any]
GALLERY = 12
"""Pictures in the gallery of labelled frames."""
PICTURE_WH = (360, 270)


def figures_of(workspace: Workspace, rounds: Sequence[int], labels: pa.Table) -> Iterator[Shown]:
    """Yield the figures of a report.

    Args:
        workspace: the workspace.
        rounds: those that have labels.
        labels: of the last round.
    """
    yield from _about_scores(workspace, rounds)
    if len(rounds) > 1:
        yield Shown(_per_round(workspace, rounds), "Labels of each state", "Labels per round")
    scores, states = labels["score"].to_numpy(), np.array(labels["state"].to_pylist(), dtype=str)
    by_state = {str(s): scores[states == s] for s in np.unique(states)}
    if by_state:
        yield Shown(plots.score_histogram(by_state), "Scores of the last round's labels", "Scores")
    yield from _about_boxes(workspace, labels)
    yield from training_figures(workspace, rounds)


def training_figures(workspace: Workspace, rounds: Sequence[int]) -> Iterator[Shown]:
    """Yield the curve of each round's training, if it left one."""
    for number in rounds:
        curve = _curve(model_dir(workspace, number) / "curve.csv")
        if curve is not None:
            yield Shown(curve, "loss and agreement on held-out labels", f"Training, round {number}")


def _about_scores(workspace: Workspace, rounds: Sequence[int]) -> Iterator[Shown]:
    """Yield AP with its interval, and precision over recall, of every model scored on truth."""
    scores = {number: scores_of(workspace, number) for number in rounds}
    scored = {number: one.truth for number, one in scores.items() if one and one.truth}
    rows, curves = [], {}
    for model in model_rows(scored):
        ap, curve = model.scores.overall.ap, model.scores.precision50
        rows += [(model.name, ap.value, ap.low, ap.high)] if ap.value is not None else []
        if curve and None not in curve:
            curves[model.name] = (np.linspace(0, 1, len(curve)), np.array(curve, float))
    if rows:
        yield Shown(plots.rounds_comparison(rows), "AP on truth with its interval", "Rounds")
    if curves:
        about = "On truth, the mean over classes"
        yield Shown(plots.precision_recall(curves), about, "Precision and recall")


def _per_round(workspace: Workspace, rounds: Sequence[int]) -> str:
    counts: dict[Any, list[int]] = {state: [] for state in STYLES}
    for number in rounds:
        states = np.concatenate([
            np.array(workspace.read(LABELS, v, number)["state"].to_pylist(), dtype=str)
            for v in workspace.shards(LABELS, number)
        ])
        for state, row in counts.items():
            row.append(int((states == state).sum()))
    return plots.counts_per_round(rounds, counts)


def _about_boxes(workspace: Workspace, labels: pa.Table) -> Iterator[Shown]:
    positive = labels.filter(pc.equal(labels["state"], POSITIVE))
    if not len(positive):
        return
    names = np.array(positive["category"].to_pylist(), dtype=str)
    xyxy = xyxy_of(positive)
    sizes = {}
    for name in np.unique(names):
        bins = size_bins(xyxy[names == name])
        sizes[str(name)] = {size: one.n for size, one in bins.items()}
    yield Shown(plots.label_counts(sizes), "Labels per class and COCO size", "Sizes")
    videos = {video.video_id: video for video in workspace.videos()}
    ids = positive["video_id"].to_pylist()
    scale = np.array([[1 / videos[v].width, 1 / videos[v].height] * 2 for v in ids])
    shares = (xyxy * scale).astype(np.float32)
    for name in np.unique(names):
        covered = heat_map(shares[names == name], (1, 1), (160, 90))
        yield Shown(plots.heat_map(covered), f"Where boxes of {name} lie", "Heat map")


def _curve(path: Path) -> str | None:
    """Return the plot of a training, or None if it left no curve."""
    if not path.is_file():
        return None
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        return None
    columns = {k: np.array([float(r[k] or "nan") for r in rows]) for k in rows[0] if k}
    steps, agreement = columns.pop("step"), columns.pop("val_agreement", None)
    columns.pop("lr", None)
    some = ~np.isnan(agreement) if agreement is not None else np.zeros(0, bool)
    held = (steps[some], agreement[some]) if agreement is not None and some.any() else None
    return plots.training_curve(steps, columns, held)


def labelled_frames(workspace: Workspace, labels: pa.Table) -> Iterator[Gallery]:
    """Yield a gallery of some labelled frames, spread over all videos, if there are any."""
    shown = list(_labelled_pictures(workspace, labels))
    if shown:
        about = "solid: positive, dashed: ignored, filled: negative"
        yield Gallery("Labelled frames", shown, about)


def _labelled_pictures(workspace: Workspace, labels: pa.Table) -> Iterator[Shown]:
    rows = labels.to_pylist()
    by_frame: dict[tuple[str, int], list[Row]] = {}
    for row in rows:
        by_frame.setdefault((row["video_id"], row["pts"]), []).append(row)
    keys = [k for k, v in sorted(by_frame.items()) if any(r["state"] == POSITIVE for r in v)]
    pictures = {
        (f["video_id"], f["pts"]): f
        for v in workspace.shards(FRAMES)
        for f in workspace.read(FRAMES, v).filter(pc.field("kept")).to_pylist()
    }
    keys = [key for key in keys if key in pictures]
    names = {video.video_id: video.name for video in workspace.videos()}
    for i in np.linspace(0, len(keys) - 1, min(GALLERY, len(keys))).astype(int):
        frame = pictures[keys[i]]
        picture = _drawn(workspace.root / frame["picture"], frame, by_frame[keys[i]])
        caption = f"{names.get(keys[i][0], keys[i][0])}, {frame['time_s']:.2f} s"
        yield Shown(picture, caption)


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
