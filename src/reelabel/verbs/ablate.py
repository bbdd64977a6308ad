"""ablate: what each kind of evidence or rule of doubt is worth, by training without and with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reelabel import pipeline
from reelabel.config import Config
from reelabel.engine.run import Options
from reelabel.errors import UsageError
from reelabel.verbs.arguments import check_arguments
from reelabel.verbs.run import config_of, opened
from reelabel.workspace import Workspace
from reelabel.workspace.class_results import ClassAblation
from reelabel.workspace.results import Ablation

SEEDS = 3
"""Trainings of each variant, unless told otherwise."""


def ablate(
    workspace: Workspace | Path | str,
    *,
    round: int | None = None,  # noqa: A002 -- the name of the flag
    seeds: int = SEEDS,
    train: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    workers: int | None = None,
    force: bool = False,
    quiet: bool | None = None,
) -> Ablation | ClassAblation:
    """Train every variant with the same seeds and budget, and compare them on the truth.

    For boxes the variants use other kinds of temporal evidence, for classes other rules of doubt.

    Args:
        workspace: a workspace with people's boxes or classes as truth, and a round with what its
            teacher found.
        round: the round; None is the first, in which the teacher is no student yet.
        seeds: trainings of each variant.
        train: settings of `train` to use in place of the workspace's.
        settings: keys of `reelabel.yaml` for this call alone, such as ``{"seed": 3}``.
        workers: trainings at once; 0 is one per core, None as in the settings.
        force: do it again even if it is up to date.
        quiet: show no progress; None shows it to a person only.

    Returns:
        What ``ablation.json`` of the round holds. Its intervals hold both what the truth's frames
        or videos and what chance in training contribute.

    Raises:
        UsageError: without truth: labels of different variants cannot rank each other.
        MissingInput: if the round has not come so far that labels can be made.
        WorkspaceError: if a stage fails for one of the videos.
    """
    how: dict[str, Any] = {"workers": workers, "force": force, "quiet": quiet}
    check_arguments(train=train, settings=settings, round=round, seeds=seeds, **how)
    ws = opened(workspace)
    config = config_of(ws, settings)
    options = Options.given(config.engine, **how)
    return run_ablation(ws, config, options, round_number=round, seeds=seeds, train=train)


def run_ablation(
    ws: Workspace,
    config: Config,
    options: Options,
    *,
    round_number: int | None,
    seeds: int = SEEDS,
    train: Mapping[str, Any] | None = None,
) -> Ablation | ClassAblation:
    """Compare the variants of the workspace's task; see `ablate`."""
    if seeds < 1:
        raise UsageError(f"expected at least one seed, but got {seeds}")
    found: Ablation | ClassAblation = pipeline.task_of(config).part("ablate")(
        ws,
        config,
        round_number=0 if round_number is None else round_number,
        seeds=seeds,
        train=dict(train or {}),
        options=options,
    )
    return found
