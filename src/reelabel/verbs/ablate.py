"""ablate: what each kind of temporal evidence is worth, by training without and with it.

Every variant uses other evidence; all else is equal: detections, tracks, settings, seeds, steps.
Variants whose labels come out the same are trained once. Nothing of the round itself is touched. A
run that was stopped goes on where it was.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from reelabel import pipeline
from reelabel.config import Config
from reelabel.data.states import FLICKER, GAP, SMOOTH, STATIC
from reelabel.engine.executors import Finished, Processes, WorkerDied
from reelabel.engine.progress import Display
from reelabel.engine.run import Options
from reelabel.engine.stage import Tick
from reelabel.errors import MissingInput, UsageError, WorkspaceError
from reelabel.evaluation.figures import Figure, Measures
from reelabel.evaluation.intervals import Floats, over_seeds, percentiles
from reelabel.tables import CANDIDATES, DETECTIONS, EVIDENCE, LABELS, TRACKS, TRUTH_FRAMES
from reelabel.verbs.arguments import check_arguments
from reelabel.verbs.run import opened
from reelabel.verbs.stages import changed
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
VARIANTS: dict[str, tuple[str, ...]] = {
    "plain": (),
    **{f"+{kind}": (kind,) for kind in KINDS},
    "all": KINDS,
}
"""Which evidence each variant uses."""
LABELLING = ("clean", "merge")
TRAINING = ("split", "train", "evaluate")
SEEDS = 3
"""Trainings of each variant, unless told otherwise."""
Cell = tuple[str, int]
"""A variant and a seed: one training."""


def ablate(
    workspace: Workspace | Path | str,
    *,
    round: int | None = None,  # noqa: A002 -- the name of the flag
    seeds: int = SEEDS,
    train: Mapping[str, Any] | None = None,
    workers: int | None = None,
    force: bool = False,
    quiet: bool | None = None,
) -> Ablation:
    """Train every variant with the same seeds and budget, and compare them on the truth.

    Args:
        workspace: a workspace with hand-drawn truth and a round with detections.
        round: the round; None is the first, in which the teacher is no student yet.
        seeds: trainings of each variant.
        train: settings of `train` to use in place of the workspace's.
        workers: trainings at once; 0 is one per core, None as in the settings.
        force: do it again even if it is up to date.
        quiet: show no progress; None shows it to a person only.

    Returns:
        What ``ablation.json`` of the round holds, for boxes this type. Its intervals hold both what
        truth frames and what chance in training contribute.

    Raises:
        UsageError: without truth: labels of different variants cannot rank each other; or if the
            workspace's task has nothing to compare.
        MissingInput: if the round's detections were not linked yet.
        WorkspaceError: if a stage fails for one of the videos.
    """
    check_arguments(
        train=train, round=round, seeds=seeds, workers=workers, force=force, quiet=quiet
    )
    ws = opened(workspace)
    engine = pipeline.read_config(ws).engine
    options = Options.given(engine, workers=workers, force=force, quiet=quiet)
    return run_ablation(ws, options, round_number=round, seeds=seeds, train=train)


def run_ablation(
    ws: Workspace,
    options: Options,
    *,
    round_number: int | None,
    seeds: int = SEEDS,
    train: Mapping[str, Any] | None = None,
) -> Ablation:
    """Compare the variants of the workspace's task; see `ablate`."""
    if seeds < 1:
        raise UsageError(f"expected at least one seed, but got {seeds}")
    config = pipeline.read_config(ws)
    found: Ablation = pipeline.task_of(config).part("ablate")(
        ws,
        config,
        round_number=0 if round_number is None else round_number,
        seeds=seeds,
        train=dict(train or {}),
        options=options,
    )
    return found


def ablate_boxes(
    ws: Workspace,
    config: Config,
    *,
    round_number: int,
    seeds: int,
    train: dict[str, Any],
    options: Options,
) -> Ablation:
    """Compare the kinds of temporal evidence on boxes; see `ablate`."""
    _check(ws, round_number)
    config = changed(config, "train", train)
    cells = [(name, seed) for seed in range(1, seeds + 1) for name in VARIANTS]
    with ws.locked():
        base = _gathered(ws, config, options, round_number)
        found = _trained(base, config, cells, options)
        table = _table(found, config, seeds, round_number)
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
    _done(branch, changed(config, "mine", everything), how, ["mine"])
    return branch


def _done(branch: Branch, config: Config, how: Options, stages: Sequence[str]) -> None:
    """Bring stages of a branch up to date.

    Raises:
        WorkspaceError: if one fails for a video: variants of other videos cannot be compared.
    """
    flow = pipeline.task_of(config).flow
    for name in stages:
        result = pipeline.run_one(branch, config, how, flow[name], number=branch.number)
        for video_id, why in result.failed.items():
            raise WorkspaceError(f"{name} failed for video {video_id}: {why}")


def _trained(base: Branch, config: Config, cells: list[Cell], how: Options) -> dict[Cell, Branch]:
    """Train every variant with every seed, several at once; equal labels are trained on once."""
    still = replace(how, quiet=True)
    labelled = {name: _labelled(base, config, still, name) for name in VARIANTS}
    same_as = _firsts({name: _labels_digest(branch) for name, branch in labelled.items()})
    jobs = [cell for cell in cells if same_as[cell[0]] == cell[0]]
    found: dict[Cell, Branch] = {}
    workers = min(how.engine.workers or os.cpu_count() or 1, len(jobs))
    # Trainings side by side use the cores better than threads of each would.
    threads = getattr(config.stages["train"], "threads", 0) or int(workers > 1)
    one_each = changed(config, "train", {"threads": threads})
    call = partial(_train_one, labelled=labelled, config=one_each, how=still)

    def tick(cell: Cell, share: float, words: str) -> None:
        display.tick(_name(cell), share, words)

    with Display("ablate", len(jobs), quiet=how.quiet) as display:
        with closing(Processes(workers).run(call, jobs, tick)) as ended:
            for finished in ended:
                found[finished.job] = _branch(finished)
                display.finished(_name(finished.job), _name(finished.job))
        display.summary(f"{len(jobs)} trainings")
    return {(name, seed): found[same_as[name], seed] for name, seed in cells}


def _name(cell: Cell) -> str:
    return f"{cell[0]}, seed {cell[1]}"


def _branch(finished: Finished[Cell, Branch]) -> Branch:
    """Return what a training made.

    Raises:
        WorkspaceError: if its process died.
        ReelabelError: what the training raised.
    """
    try:
        return finished.get()
    except WorkerDied as exc:
        raise WorkspaceError(
            f"the training {_name(finished.job)} died twice ({exc}); what the others did is kept: "
            "run it again, with fewer workers if memory was short"
        ) from exc


def _labelled(base: Branch, config: Config, how: Options, variant: str) -> Branch:
    """Make the labels of one variant."""
    name = variant.removeprefix("+")
    branch = Branch.of(base, base.number, name, {CANDIDATES.name, LABELS.name})
    own = changed(config, "clean", {"use_evidence": VARIANTS[variant]})
    _done(branch, own, how, LABELLING)
    return branch


def _labels_digest(branch: Branch) -> tuple[str, ...]:
    return tuple(r.digest for r in branch.receipts(LABELS, branch.number).values())


def _firsts(digests: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Return for each variant the first one with the same labels."""
    first: dict[tuple[str, ...], str] = {}
    return {name: first.setdefault(digest, name) for name, digest in digests.items()}


def _train_one(
    cell: Cell, tick: Tick, *, labelled: Mapping[str, Branch], config: Config, how: Options
) -> Branch:
    """Train and score one variant with one seed; runs in a process of its own."""
    name, seed = cell
    tick(0.0, _name(cell))
    source = labelled[name]
    branch = Branch.of(source, source.number, f"{source.name}/seed-{seed}", set())
    _done(branch, changed(config, "train", {"seed": seed}), how, TRAINING)
    return branch


def _table(found: Mapping[Cell, Branch], config: Config, seeds: int, number: int) -> Ablation:
    samples = {
        name: np.array([_resamples(found[name, s]) for s in range(1, seeds + 1)])
        for name in VARIANTS
    }
    variants = tuple(_variants(found, samples, config.project.seed))
    return Ablation(number, tuple(range(1, seeds + 1)), "truth", variants)


def _resamples(branch: Branch) -> list[float]:
    """Return the student's AP in every resample."""
    every = Resamples.load(branch.home)
    values = every.ap.get("student", ()) if every else ()
    return [np.nan if value is None else value for value in values]


def _variants(
    found: Mapping[Cell, Branch], samples: Mapping[str, Floats], seed: int
) -> Iterator[Variant]:
    scores = {
        name: [_student(found[cell]) for cell in sorted(found) if cell[0] == name]
        for name in VARIANTS
    }
    plain = scores["plain"]
    for name, measured in scores.items():
        first = found[min(cell for cell in found if cell[0] == name)]
        gain = None
        if name != "plain":
            apart = over_seeds(samples[name], seed) - over_seeds(samples["plain"], seed)
            gain = Figure.of(_mean(measured, "ap") - _mean(plain, "ap"), percentiles(apart))
        quality = _scores(first).labels
        yield Variant(
            name=name,
            trained_as=next(other for other in VARIANTS if _same(found, name, other)),
            ap=Figure.of(_mean(measured, "ap"), percentiles(over_seeds(samples[name], seed))),
            ap50=Figure.of(_mean(measured, "ap50")),
            ap75=Figure.of(_mean(measured, "ap75")),
            precision=quality.precision.value if quality else None,
            recall=quality.recall.value if quality else None,
            gain_ap=gain,
            ap_by_seed=tuple(one.ap.value for one in measured),
            labels=_counts(first),
        )


def _same(found: Mapping[Cell, Branch], name: str, other: str) -> bool:
    """Return whether two variants had the same labels, and so the same trainings."""
    return all(b == found[other, s] for (n, s), b in found.items() if n == name)


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
