"""report: one self-contained HTML page on all rounds of a workspace."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reelabel._version import __version__
from reelabel.config import Config
from reelabel.engine.rounds import (
    dataset_dir,
    decision_of,
    model_dir,
    scores_of,
    teacher_spec,
)
from reelabel.errors import MissingInput
from reelabel.labels.stats import size_bins
from reelabel.media.draw import colour_of, draw_boxes
from reelabel.media.pictures import fit, read_rgb
from reelabel.pages import plots
from reelabel.pages.html import (
    CountRow,
    Decision,
    DuplicateGroup,
    Gallery,
    ModelUsed,
    ReportData,
    Score,
    ScoreRow,
    ScoreTable,
    Shown,
    StateRow,
    jpeg_uri,
    write_report,
)
from reelabel.pipeline import read_config
from reelabel.tables import DUPLICATES, FRAMES, LABELS, POSITIVE, xyxy_of
from reelabel.verbs.run import opened
from reelabel.workspace import Workspace, read_json

Row = dict[str, Any]
GALLERY = 12
"""Pictures in the gallery of labelled frames."""
PICTURE_WH = (360, 270)
MEASURES = ("ap", "ap50", "ap75", "ar", "p", "r", "f1")
STYLES: dict[str, Literal["solid", "dashed", "filled"]] = {
    "positive": "solid",
    "ignore": "dashed",
    "negative": "filled",
}
KINDS: tuple[tuple[str, Literal["truth", "agreement"], str], ...] = (
    ("truth", "truth", "annotated frames; their hand-drawn boxes were never trained on"),
    ("truth_unseen", "truth", "annotated frames of videos that were kept out of training"),
    ("agreement", "agreement", "labelled frames that were kept out of training"),
)


def report(workspace: Workspace | Path | str, *, again: bool = True) -> Path:
    """Write the report into the folder of the last round that has labels; return its path.

    Args:
        workspace: a workspace or its folder.
        again: False leaves a report that is there already as it is.

    Raises:
        MissingInput: if no round has labels yet.
    """
    workspace = opened(workspace)
    config = read_config(workspace)
    rounds = [n for n in workspace.rounds() if workspace.shards(LABELS, n)]
    if not rounds:
        raise MissingInput(f"{workspace.root} has no labels yet: run  reelabel run")
    last = rounds[-1]
    target = workspace.round_dir(last) / "report.html"
    if target.is_file() and not again:
        return target
    decision = decision_of(workspace, last)
    data = ReportData(
        title=f"{', '.join(config.project.classes)}: {len(rounds)} round(s)",
        subtitle=f"workspace {workspace.root.resolve().name}, by reelabel {__version__}",
        facts=_facts(workspace, rounds),
        warnings=list(_warnings(workspace, rounds)),
        decision=Decision(**{k: decision[k] for k in ("action", "reason", "best")})
        if decision
        else None,
        scores=list(_tables(workspace, rounds)),
        counts=_counts(workspace, rounds),
        states=_states(workspace, last),
        figures=list(_figures(workspace, rounds)),
        galleries=list(_galleries(workspace, last)),
        duplicates=_duplicates(workspace),
        models=list(_models(workspace, config, rounds)),
        settings=dict(_settings(config)),
        versions={name: version(name) for name in ("av", "numpy", "onnxruntime", "pyarrow")},
    )
    return write_report(target, data)


def labels_of(workspace: Workspace, number: int) -> pa.Table:
    """Return the labels of all videos of a round."""
    tables = [workspace.read(LABELS, v, number) for v in workspace.shards(LABELS, number)]
    return pa.concat_tables(tables) if tables else LABELS.empty()


def labelled_frames(labels: pa.Table) -> int:
    """Return how many frames have at least one positive label."""
    positive = labels.filter(pc.equal(labels["state"], POSITIVE))
    return int(positive.group_by(["video_id", "pts"]).aggregate([]).num_rows)


def _facts(workspace: Workspace, rounds: list[int]) -> list[tuple[str, str]]:
    videos = workspace.videos()
    failed = sum(row["state"] != "ok" for row in videos)
    frames = [workspace.read(FRAMES, v) for v in workspace.shards(FRAMES)]
    first, last = (labelled_frames(labels_of(workspace, n)) for n in (rounds[0], rounds[-1]))
    return [
        ("videos", str(len(videos)) + (f" ({failed} failed)" if failed else "")),
        ("frames sampled", str(sum(map(len, frames)))),
        ("frames labelled", f"{first} → {last}" if len(rounds) > 1 else str(first)),
        ("rounds", str(len(rounds))),
    ]


def _warnings(workspace: Workspace, rounds: list[int]) -> Iterator[str]:
    for number in rounds[-1:]:
        path = dataset_dir(workspace, number) / "split.json"
        split = read_json(path) if path.is_file() else {"leak_free": True}
        if not split["leak_free"]:
            yield f"The split leaks: {split['reason']}. Agreement on it flatters the student."
    bad = [row["name"] for row in workspace.videos() if row["state"] != "ok"]
    if bad:
        yield f"{len(bad)} video(s) could not be used: {', '.join(bad[:8])}"


def _tables(workspace: Workspace, rounds: list[int]) -> Iterator[ScoreTable]:
    decision = decision_of(workspace, rounds[-1]) or {}
    for key, kind, about in KINDS:
        found = {number: scores_of(workspace, number).get(key) for number in rounds}
        scored = {number: one for number, one in found.items() if one}
        rows = [
            ScoreRow(name, _scores(scored[number][who]["all"]), best=decision.get("best") == spec)
            for number, who, name, spec in _models_in(list(scored))
        ]
        if rows:
            frames = next(iter(scored.values()))["frames"]
            yield ScoreTable(kind, rows, f"{frames} {about}")


def _models_in(rounds: list[int]) -> Iterator[tuple[int, str, str, str]]:
    """Yield round, role, name and spec of the first teacher and of every student."""
    if rounds:
        yield rounds[0], "teacher", "teacher", ""
    for number in rounds:
        yield number, "student", f"student, round {number}", f"round:{number}"


def _scores(figures: Row) -> dict[Any, Score]:
    return {m: Score(**figures[m]) for m in MEASURES if m in figures}


def _counts(workspace: Workspace, rounds: list[int]) -> list[CountRow]:
    first, last = (_per_class(labels_of(workspace, n)) for n in (rounds[0], rounds[-1]))
    return [CountRow(name, first[name], last[name]) for name in sorted(first | last)]


def _per_class(labels: pa.Table) -> Counter[str]:
    positive = labels.filter(pc.equal(labels["state"], POSITIVE))
    return Counter(positive["category"].to_pylist())


def _states(workspace: Workspace, number: int) -> list[StateRow]:
    labels = labels_of(workspace, number)
    pairs = Counter(zip(labels["state"].to_pylist(), labels["rule"].to_pylist(), strict=True))
    return [StateRow(state, rule, count) for (state, rule), count in sorted(pairs.items())]


def _figures(workspace: Workspace, rounds: list[int]) -> Iterator[Shown]:
    rows = _comparison(workspace, rounds)
    if rows:
        yield Shown(plots.rounds_comparison(rows), "AP on truth with its interval", "Rounds")
    labels = labels_of(workspace, rounds[-1])
    scores, states = labels["score"].to_numpy(), np.array(labels["state"].to_pylist(), dtype=str)
    by_state = {str(s): scores[states == s] for s in np.unique(states)}
    yield Shown(plots.score_histogram(by_state), "Scores of the last round's labels", "Scores")
    yield from _about_boxes(workspace, labels)
    for number in rounds:
        curve = _curve(model_dir(workspace, number) / "curve.csv")
        if curve is not None:
            yield Shown(curve, "loss and agreement on held-out labels", f"Training, round {number}")


def _comparison(workspace: Workspace, rounds: list[int]) -> list[tuple[str, float, Any, Any]]:
    scored = [number for number in rounds if "truth" in scores_of(workspace, number)]
    rows = []
    for number, who, name, _ in _models_in(scored):
        ap = scores_of(workspace, number)["truth"][who]["all"]["ap"]
        if ap["value"] is not None:
            rows.append((name, ap["value"], ap["low"], ap["high"]))
    return rows


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
    videos = {row["video_id"]: row for row in workspace.videos()}
    ids = positive["video_id"].to_pylist()
    scale = np.array([[1 / videos[v]["width"], 1 / videos[v]["height"]] * 2 for v in ids])
    for name in np.unique(names):
        shares = (xyxy * scale)[names == name].astype(np.float32)
        covered = plots.heat(shares * 160, (160, 160), (160, 90))
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


def _galleries(workspace: Workspace, number: int) -> Iterator[Gallery]:
    labels = labels_of(workspace, number)
    shown = list(_labelled_pictures(workspace, labels))
    if shown:
        yield Gallery(
            "Labelled frames", shown, "solid: positive, dashed: ignored, filled: negative"
        )


def _labelled_pictures(workspace: Workspace, labels: pa.Table) -> Iterator[Shown]:
    """Yield some labelled frames, spread over all videos."""
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
    names = {row["video_id"]: row["name"] for row in workspace.videos()}
    for i in np.linspace(0, len(keys) - 1, min(GALLERY, len(keys))).astype(int):
        frame = pictures[keys[i]]
        picture = _drawn(workspace.root / frame["picture"], frame, by_frame[keys[i]])
        caption = f"{names.get(keys[i][0], keys[i][0])}, {frame['time_s']:.2f} s"
        yield Shown(picture, caption)


def _drawn(path: Path, frame: Row, labels: list[Row]) -> str:
    scale = np.array([frame["scale_x"], frame["scale_y"]] * 2)
    offset = np.array([frame["offset_x"], frame["offset_y"]] * 2)
    xyxy = np.array([[r[k] for k in ("x1", "y1", "x2", "y2")] for r in labels]) * scale + offset
    drawn = draw_boxes(
        read_rgb(path),
        xyxy.astype(np.float32),
        [f"{r['category']} {r['score']:.2f}" if r["state"] == POSITIVE else "" for r in labels],
        [colour_of(r["category"]) for r in labels],
        styles=[STYLES[r["state"]] for r in labels],
    )
    return jpeg_uri(fit(drawn, "longest", PICTURE_WH)[0])


def _duplicates(workspace: Workspace) -> list[DuplicateGroup]:
    """Return the largest groups of near-duplicates."""
    names = {row["video_id"]: row["name"] for row in workspace.videos()}
    groups: dict[str, list[str]] = {}
    for video_id in workspace.shards(DUPLICATES):
        for row in workspace.read(DUPLICATES, video_id).to_pylist():
            kept = f"{names.get(row['kept_video_id'], '')} pts {row['kept_pts']}"
            groups.setdefault(kept, []).append(f"{names.get(video_id, '')} pts {row['pts']}")
    largest = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))[:8]
    return [DuplicateGroup(kept, dropped) for kept, dropped in largest]


def _models(workspace: Workspace, config: Config, rounds: list[int]) -> Iterator[ModelUsed]:
    lock = workspace.root / "weights.lock.json"
    known = read_json(lock) if lock.is_file() else {}
    for number in rounds:
        spec = teacher_spec(workspace, config.project, number)
        sha256 = str(known.get(spec.partition(":")[2], ""))
        yield ModelUsed(f"teacher of round {number}", spec, sha256)
        receipt = workspace.read_receipt("train", number)
        if receipt:
            yield ModelUsed(f"student of round {number}", f"round:{number}", receipt.digest)


def _settings(config: Config) -> Iterator[tuple[str, str]]:
    """Yield what differs from the defaults."""
    for name, settings in config.stages.items():
        default = type(settings)().model_dump()
        for key, value in settings.model_dump().items():
            if value != default[key]:
                yield f"{name}.{key}", str(value)
    yield "detector", config.project.detector
