"""Variants of a round's labels, each trained with several seeds, several trainings at once.

Every variant has other settings of `clean`; all else is equal: what models found, seeds, steps.
Variants whose labels come out the same are trained once. All lies in branches of the round, so that
nothing of the round itself is touched, and a run that was stopped goes on where it was.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from reelabel import pipeline
from reelabel.config import Config
from reelabel.engine.executors import Finished, Processes, WorkerDied
from reelabel.engine.progress import Display
from reelabel.engine.run import Options
from reelabel.engine.stage import Tick
from reelabel.errors import WorkspaceError
from reelabel.tables import Table
from reelabel.verbs.stages import changed
from reelabel.workspace import Workspace, digest_of
from reelabel.workspace.branches import Branch

PLAIN = "plain"
"""The variant that the others are compared with."""
LABELLING = ("clean", "merge")
TRAINING = ("split", "train", "evaluate")
Cell = tuple[str, int]
"""A variant and a seed: one training."""


def one_by_one(kinds: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Return the variants by name: without any of some kinds, with each alone, and with all.

    >>> one_by_one(("gap", "flicker"))["+gap"]
    ('gap',)
    """
    return {PLAIN: (), **{f"+{kind}": (kind,) for kind in kinds}, "all": kinds}


@dataclass(frozen=True)
class Variants:
    """What is compared.

    Attributes:
        base: the workspace, or a branch of it, that holds what labels are made from.
        number: the round.
        clean: name -> settings of `clean`; `PLAIN` is the first.
        made: the tables that labels are made in; the last one holds them.
        scored: the tables that scoring writes.
        taught: the columns of labels that reach a training; empty for all.
    """

    base: Workspace
    number: int
    clean: Mapping[str, Mapping[str, Any]]
    made: tuple[Table, ...]
    scored: tuple[Table, ...] = ()
    taught: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trained:
    """The trainings of all variants.

    Attributes:
        branches: what each training made, by variant and seed.
        seeds: ascending.
    """

    branches: Mapping[Cell, Branch]
    seeds: tuple[int, ...]

    @property
    def names(self) -> list[str]:
        """The variants, in their order."""
        return list(dict.fromkeys(name for name, _ in self.branches))

    def of(self, name: str) -> list[Branch]:
        """Return what the trainings of a variant made, by seed."""
        return [self.branches[name, seed] for seed in self.seeds]

    def same_as(self, name: str) -> str:
        """Return the first variant with the same labels, and so the same trainings."""
        return next(other for other in self.names if self.of(other) == self.of(name))


def train_variants(variants: Variants, config: Config, seeds: int, how: Options) -> Trained:
    """Train every variant with every seed, several at once; equal labels are trained on once.

    Args:
        variants: what is compared.
        config: the settings of the workspace.
        seeds: trainings of each variant.
        how: how work is done.

    Raises:
        WorkspaceError: if a stage fails for a video, or the process of a training dies.
    """
    still = replace(how, quiet=True)
    labelled = {name: _labelled(variants, config, still, name) for name in variants.clean}
    same_as = _firsts({name: _digest(variants, branch) for name, branch in labelled.items()})
    cells = [(name, seed) for seed in range(1, seeds + 1) for name in variants.clean]
    jobs = [cell for cell in cells if same_as[cell[0]] == cell[0]]
    found: dict[Cell, Branch] = {}
    workers = min(how.engine.workers or os.cpu_count() or 1, len(jobs))
    # Trainings side by side use the cores better than threads of each would.
    threads = getattr(config.stages["train"], "threads", 0) or int(workers > 1)
    one_each = changed(config, "train", {"threads": threads})
    scored = {table.name for table in variants.scored}
    call = partial(_train_one, labelled=labelled, makes=scored, config=one_each, how=still)

    def tick(cell: Cell, share: float, words: str) -> None:
        display.tick(_name(cell), share, words)

    with Display("ablate", len(jobs), quiet=how.quiet) as display:
        with closing(Processes(workers).run(call, jobs, tick)) as ended:
            for finished in ended:
                found[finished.job] = _branch(finished)
                display.finished(_name(finished.job), _name(finished.job))
        display.summary(f"{len(jobs)} trainings")
    branches = {(name, seed): found[same_as[name], seed] for name, seed in cells}
    return Trained(branches, tuple(range(1, seeds + 1)))


def bring_up(branch: Branch, config: Config, how: Options, stages: Sequence[str]) -> None:
    """Bring stages of a branch up to date.

    Raises:
        WorkspaceError: if one fails for a video: variants of other videos cannot be compared.
    """
    flow = pipeline.task_of(config).flow
    for name in stages:
        result = pipeline.run_one(branch, config, how, flow[name], number=branch.number)
        for video_id, why in result.failed.items():
            raise WorkspaceError(f"{name} failed for video {video_id}: {why}")


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


def _labelled(variants: Variants, config: Config, how: Options, name: str) -> Branch:
    """Make the labels of one variant."""
    makes = {table.name for table in variants.made}
    branch = Branch.of(variants.base, variants.number, name.removeprefix("+"), makes)
    bring_up(branch, changed(config, "clean", dict(variants.clean[name])), how, LABELLING)
    return branch


def _digest(variants: Variants, branch: Branch) -> tuple[str, ...]:
    """Return what tells labels apart, as far as a training reads them."""
    labels, number = variants.made[-1], branch.number
    if not variants.taught:
        return tuple(r.digest for r in branch.receipts(labels, number).values())
    tables = (branch.read(labels, video, number) for video in branch.shards(labels, number))
    return tuple(digest_of(table.select(variants.taught)) for table in tables)


def _firsts(digests: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Return for each variant the first one with the same labels."""
    first: dict[tuple[str, ...], str] = {}
    return {name: first.setdefault(digest, name) for name, digest in digests.items()}


def _train_one(
    cell: Cell,
    tick: Tick,
    *,
    labelled: Mapping[str, Branch],
    makes: set[str],
    config: Config,
    how: Options,
) -> Branch:
    """Train and score one variant with one seed; runs in a process of its own."""
    name, seed = cell
    tick(0.0, _name(cell))
    source = labelled[name]
    branch = Branch.of(source, source.number, f"{source.name}/seed-{seed}", makes)
    bring_up(branch, changed(config, "train", {"seed": seed}), how, TRAINING)
    return branch
