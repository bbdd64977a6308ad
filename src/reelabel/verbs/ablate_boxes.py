"""ablate of boxes: what each kind of temporal evidence is worth."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np

from reelabel.config import Config
from reelabel.data.states import FLICKER, GAP, SMOOTH, STATIC
from reelabel.engine.run import Options
from reelabel.errors import MissingInput, UsageError
from reelabel.evaluation.figures import Figure, Measures
from reelabel.evaluation.intervals import Floats, over_seeds, percentiles
from reelabel.tables import CANDIDATES, DETECTIONS, EVIDENCE, LABELS, TRACKS, TRUTH_FRAMES
from reelabel.verbs.stages import changed
from reelabel.verbs.variants import PLAIN, Trained, Variants, bring_up, one_by_one, train_variants
from reelabel.workspace import Workspace
from reelabel.workspace.branches import Branch
from reelabel.workspace.results import (
    Ablation,
    LabelCounts,
    Resamples,
    Scores,
    SideCounts,
    SplitReport,
    Variant,
)

KINDS = (GAP, FLICKER, STATIC, SMOOTH)
VARIANTS = one_by_one(KINDS)
"""Which evidence each variant uses."""


def ablate_boxes(
    ws: Workspace,
    config: Config,
    *,
    round_number: int,
    seeds: int,
    train: dict[str, Any],
    options: Options,
) -> Ablation:
    """Compare the kinds of temporal evidence on boxes; see `reelabel.ablate`."""
    _check(ws, round_number)
    config = changed(config, "train", train)
    clean = {name: {"use_evidence": kinds} for name, kinds in VARIANTS.items()}
    with ws.locked():
        base = _gathered(ws, config, options, round_number)
        compared = Variants(base, round_number, clean, made=(CANDIDATES, LABELS))
        found = train_variants(compared, config, seeds, options)
        variants = tuple(_variants(found, config.project.seed))
        table = Ablation(round_number, found.seeds, "truth", variants)
        table.save(ws.round_dir(round_number))
    return table


def _check(ws: Workspace, number: int) -> None:
    if not ws.shards(TRACKS, number):
        raise MissingInput(
            f"round {number} has no tracks: run  reelabel run {ws.root} --until track  first"
        )
    there = {video.video_id for video in ws.videos() if video.usable}
    if not there.intersection(ws.shards(TRUTH_FRAMES), ws.shards(DETECTIONS, number)):
        raise UsageError(
            "variants are compared on hand-drawn boxes of videos with detections, but the "
            f"workspace has none: add some with  reelabel import {ws.root} --as truth FILE"
        )


def _gathered(ws: Workspace, config: Config, how: Options, number: int) -> Branch:
    """Return a branch with all kinds of temporal evidence."""
    branch = Branch.of(ws, number, "evidence", {EVIDENCE.name})
    everything = {kind: {"enabled": True} for kind in KINDS}
    bring_up(branch, changed(config, "mine", everything), how, ["mine"])
    return branch


def _resamples(branch: Branch) -> list[float]:
    """Return the student's AP in every resample."""
    every = Resamples.load(branch.home)
    values = every.ap.get("student", ()) if every else ()
    return [np.nan if value is None else value for value in values]


def _variants(found: Trained, seed: int) -> Iterator[Variant]:
    samples = {
        name: over_seeds(np.array([_resamples(one) for one in found.of(name)]), seed)
        for name in found.names
    }
    scores = {name: [_student(one) for one in found.of(name)] for name in found.names}
    plain = scores[PLAIN]
    for name, measured in scores.items():
        first = found.of(name)[0]
        gain = None
        if name != PLAIN:
            apart: Floats = samples[name] - samples[PLAIN]
            gain = Figure.of(_mean(measured, "ap") - _mean(plain, "ap"), percentiles(apart))
        quality = _scores(first).labels
        yield Variant(
            name=name,
            trained_as=found.same_as(name),
            ap=Figure.of(_mean(measured, "ap"), percentiles(samples[name])),
            ap50=Figure.of(_mean(measured, "ap50")),
            ap75=Figure.of(_mean(measured, "ap75")),
            precision=quality.precision.value if quality else None,
            recall=quality.recall.value if quality else None,
            gain_ap=gain,
            ap_by_seed=tuple(one.ap.value for one in measured),
            labels=_counts(first),
        )


def _scores(branch: Branch) -> Scores:
    scores = Scores.load(branch.home)
    assert scores is not None, branch.home  # noqa: S101 -- the branch has been evaluated
    return scores


def _student(branch: Branch) -> Measures:
    """Return the scores of the student against the truth."""
    truth = _scores(branch).truth
    assert truth is not None, branch.home  # noqa: S101 -- `_check` has refused a round without
    return truth.models["student"].overall


def _mean(measured: list[Measures], measure: Literal["ap", "ap50", "ap75"]) -> float:
    return float(np.mean([getattr(one, measure).value or 0.0 for one in measured]))


def _counts(branch: Branch) -> LabelCounts:
    split = SplitReport.load(branch.home)
    side = split.sides["train"] if split else SideCounts()
    return LabelCounts(side.boxes, side.negatives, side.ignored)
