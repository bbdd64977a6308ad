"""report of a workspace that finds boxes: scores, ablation, labels, evidence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from reelabel.config import Config
from reelabel.data.states import POSITIVE
from reelabel.errors import MissingInput, counted
from reelabel.evaluation.figures import ROLES, Comparison, Figure, Measure, Measures
from reelabel.labels.class_counts import classes_on_one_object
from reelabel.labels.stats import two_classes_sentences
from reelabel.tables import FRAME, FRAMES, LABELS
from reelabel.verbs.label_lines import label_notes, pictures_sentence
from reelabel.verbs.report import base_report
from reelabel.verbs.teachers import teachers_agreement
from reelabel.views import plots
from reelabel.views.evidence_examples import support_score
from reelabel.views.html import (
    Ablation,
    AblationRow,
    CountRow,
    ReportData,
    ScoreRow,
    ScoreTable,
    StateRow,
    write_report,
)
from reelabel.views.label_rules import (
    rules_about,
    rules_head,
    rules_legend,
    rules_rows,
    rules_title,
)
from reelabel.views.report_evidence import evidence_section
from reelabel.views.report_figures import figures_of, labelled_frames
from reelabel.views.score_rows import model_rows
from reelabel.views.sections import DataTable, Section, Shown
from reelabel.workspace import Workspace, results
from reelabel.workspace.rounds import (
    decision_of,
    labelled_rounds,
    report_path,
    score_warnings,
    scores_of,
)
from reelabel.workspace.snapshot import Snapshot

WEAKEST = 12
"""So many videos have figures of their own; `scores.json` has them all."""
KINDS: tuple[tuple[str, Literal["truth", "agreement"], str, str], ...] = (
    ("truth", "truth", "", "annotated frames; their hand-drawn boxes were never trained on"),
    ("truth_unseen", "truth", "unseen videos", "annotated frames, kept out of training"),
    ("agreement", "agreement", "", "labelled frames that were kept out of training"),
)


def report_boxes(workspace: Workspace, config: Config) -> Path:
    """Write the report of a workspace that finds boxes; see `reelabel.report`."""
    target, rounds = report_path(workspace, LABELS), labelled_rounds(workspace, LABELS)
    if target is None:
        raise MissingInput(f"{workspace.root} has no labels yet: run  reelabel run")
    return write_report(target, _data(Snapshot(workspace), config, rounds))


def _data(snapshot: Snapshot, config: Config, rounds: list[int]) -> ReportData:
    """Return the sections that every task has, and those on boxes."""
    workspace, last = snapshot.workspace, rounds[-1]
    base, labels = base_report(workspace, config, rounds, snapshot), snapshot.rows(LABELS, last)
    time = evidence_section(workspace, last, min_score=support_score(config))
    return replace(
        base,
        facts=[*base.facts, *_facts(snapshot, config, rounds)],
        warnings=[
            *base.warnings,
            *score_warnings(workspace, last),
            *two_classes_sentences(classes_on_one_object(label_notes(workspace, last))),
            *time.warnings,
        ],
        scores=list(_tables(workspace, rounds)),
        sections=list(_rules(workspace, last)),
        ablation=_ablation(workspace, rounds),
        counts=_counts(snapshot, rounds),
        states=_states(labels),
        figures=list(figures_of(snapshot, rounds)),
        evidence=time.kinds,
        findings=time.galleries,
        galleries=list(labelled_frames(snapshot, last)),
        closing=[*base.closing, *_division(workspace, last)],
    )


def _division(workspace: Workspace, number: int) -> Iterator[Section]:
    """Yield how the data set was divided, and how copies were searched for."""
    split = results.SplitReport.load(workspace.round_dir(number))
    if split is not None:
        title = "Split without known leaks" if split.leak_free else "Split that leaks"
        scores = scores_of(workspace, number)
        background = scores.background if scores else None
        shown = f"Truth: {background}." if background and background.pictures else ""
        pictures = f"{pictures_sentence(split)}."
        parts = [pictures, shown, split.checked, *(f"Leak: {leak}" for leak in split.leaks)]
        yield Section(title, [part for part in parts if part], split.reason)


def _rules(workspace: Workspace, number: int) -> Iterator[Section]:
    """Yield the labels of a round by rule, with what was gained and lost, if it was evaluated."""
    scores = scores_of(workspace, number)
    if scores is not None and scores.rules:
        table = DataTable(rules_head(scores), rules_rows(scores))
        legend = rules_legend(rule.rule for rule in scores.rules)
        yield Section(rules_title(scores), [table, *legend], rules_about(scores))


def _facts(snapshot: Snapshot, config: Config, rounds: list[int]) -> Iterator[tuple[str, str]]:
    counts = {n: _per_frame(snapshot, n) for n in dict.fromkeys((rounds[0], rounds[-1]))}
    choice = results.InputChoice.load(snapshot.workspace.round_dir(rounds[0]))
    if choice is not None:
        yield from _inputs(choice)
    agreed = teachers_agreement(snapshot.workspace, config, rounds[0])
    if agreed is not None:
        yield "teachers", str(agreed)
    labelled = (np.count_nonzero(per_frame) for per_frame in counts.values())
    yield "frames labelled", " → ".join(map(str, labelled))
    last = counts[rounds[-1]]
    if len(last):
        yield "labels per frame", f"{last.mean():.2f}, max {last.max()}"


def _inputs(choice: results.InputChoice) -> Iterator[tuple[str, str]]:
    """Yield the input that was chosen for the teacher, or for each that is fused."""
    if choice.image_size is not None:
        yield "teacher's input", f"{choice.image_size} px"
    sizes = {label: one.image_size for label, one in choice.members.items() if one.image_size}
    if sizes:
        yield "teachers' input", ", ".join(f"{label} {size} px" for label, size in sizes.items())


def _per_frame(snapshot: Snapshot, number: int) -> NDArray[np.int64]:
    """Return how many positive labels each frame has that was sampled and kept."""
    frames, labels = snapshot.rows(FRAMES), snapshot.rows(LABELS, number)
    labelled = pa.array(snapshot.workspace.readable(LABELS, number), pa.string())
    kept = pc.and_(frames["kept"], pc.is_in(frames["video_id"], value_set=labelled))
    found = (
        labels
        .filter(pc.equal(labels["state"], POSITIVE))
        .group_by(FRAME)
        .aggregate([([], "count_all")])
    )
    joined = frames.select(FRAME).filter(kept).join(found, FRAME, join_type="left outer")
    counts: NDArray[np.int64] = joined["count_all"].fill_null(0).to_numpy()
    return counts


def _tables(workspace: Workspace, rounds: list[int]) -> Iterator[ScoreTable]:
    decision = decision_of(workspace, rounds[-1])
    scores = {number: scores_of(workspace, number) for number in rounds}
    for key, kind, part, about in KINDS:
        scored: dict[int, Comparison] = {
            number: found
            for number, one in scores.items()
            if one and (found := getattr(one, key)) is not None
        }
        fused = next((one.fused for n in scored if (one := scores[n])), ())
        rows = [
            ScoreRow(
                model.name,
                model.scores.overall.by_name(),
                best=decision is not None and decision.best == model.spec,
            )
            for model in model_rows(scored, fused)
        ]
        if rows:
            frames = next(iter(scored.values())).frames
            yield ScoreTable(kind, rows, f"{frames} {about}", part)
        yield from _video_tables(kind, scored)


def _video_tables(
    kind: Literal["truth", "agreement"], scored: Mapping[int, Comparison]
) -> Iterator[ScoreTable]:
    """Yield the scores of each video in the last round, if there are several."""
    videos = scored[max(scored)].videos if scored else ()
    if len(videos) > 1:
        weakest = sorted(videos, key=lambda one: one.models["student"].ap.value or 0.0)[:WEAKEST]
        rows = [
            ScoreRow(f"{one.name} ({counted(one.frames, 'frame')}): {role}", _aps(one.models[role]))
            for one in weakest
            for role in ROLES
            if role in one.models
        ]
        about = f"the same frames, round {max(scored)}, the student's weakest first"
        yield ScoreTable(kind, rows, about, "video by video")


def _aps(scores: Measures) -> dict[Measure, Figure]:
    """Return the measures that are worth showing for a video."""
    return {"ap": scores.ap, "ap50": scores.ap50, "ap75": scores.ap75, "ar": scores.ar}


def _ablation(workspace: Workspace, rounds: Sequence[int]) -> Ablation | None:
    """Return the last round's ablation that there is, or None.

    Raises:
        ShardError: if its file is damaged.
    """
    found = (results.Ablation.load(workspace.round_dir(number)) for number in reversed(rounds))
    last = next((one for one in found if one is not None), None)
    return _shown_ablation(last) if last is not None else None


def _shown_ablation(found: results.Ablation) -> Ablation:
    rows = [
        AblationRow(
            name=one.name,
            scores={"ap": one.ap, "ap50": one.ap50, "ap75": one.ap75},
            gain=one.gain_ap,
            quality={"precision": Figure(one.precision), "recall": Figure(one.recall)},
            labels=vars(one.labels),
        )
        for one in found.variants
    ]
    gains = [
        (row.name, gain.value, gain.low, gain.high)
        for row in rows
        if (gain := row.gain or Figure(0.0)).value is not None
    ]
    what = {"truth": "gain in AP", "agreement": "gain in agreement"}[found.on]
    seeds = ", ".join(map(str, found.seeds))
    about = f"Students of round {found.round}, each variant trained with seeds {seeds}"
    figure = Shown(
        plots.rounds_comparison(gains, what), "with intervals", f"{what[:1].upper()}{what[1:]}"
    )
    return Ablation(found.on, rows, about, figure)


def _counts(snapshot: Snapshot, rounds: list[int]) -> list[CountRow]:
    """Return the positive labels of each class, before and after if there are several rounds."""
    first, last = (_per_class(snapshot.rows(LABELS, n)) for n in (rounds[0], rounds[-1]))
    if len(rounds) == 1:
        return [CountRow(name, None, count) for name, count in last.items()]
    names = [*last, *(name for name in first if name not in last)]
    return [CountRow(name, first.get(name, 0), last.get(name, 0)) for name in names]


def _per_class(labels: pa.Table) -> dict[str, int]:
    """Return the number of positive labels by class, most frequent first, equal ones by name."""
    positive = labels.filter(pc.equal(labels["state"], POSITIVE))
    counted = positive["category"].value_counts().to_pylist()
    rows = sorted(counted, key=lambda row: (-row["counts"], row["values"]))
    return {row["values"]: row["counts"] for row in rows}


def _states(labels: pa.Table) -> list[StateRow]:
    rows = labels.group_by(["state", "rule"]).aggregate([([], "count_all")]).to_pylist()
    rows.sort(key=lambda row: (row["state"], row["rule"]))
    return [StateRow(row["state"], row["rule"], row["count_all"]) for row in rows]
