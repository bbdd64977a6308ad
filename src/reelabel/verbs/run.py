"""run and status as functions of a workspace alone, for the Python API."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any, Literal

import pyarrow.compute as pc

from reelabel.config import Config, merged
from reelabel.data.states import POSITIVE, STATES
from reelabel.engine import loop
from reelabel.engine.loop import Run
from reelabel.engine.project import parse_config, task_of
from reelabel.engine.run import Options, Result
from reelabel.engine.task import Task
from reelabel.errors import counted, few
from reelabel.models.callables import detector_name
from reelabel.models.detectors.callable import Finder
from reelabel.tables.claims import IS
from reelabel.verbs.arguments import check_arguments
from reelabel.verbs.first_teacher import check_student
from reelabel.verbs.status import StageStatus
from reelabel.verbs.status import status as status_of
from reelabel.workspace import Workspace, results
from reelabel.workspace.results import Decision
from reelabel.workspace.rounds import labelled_rounds
from reelabel.yaml_text import read_yaml


@dataclass(frozen=True)
class RunResult:
    """What a run brought: of the last round that has labels, and how it ended.

    Attributes:
        workspace: its folder.
        round: the last round with labels, None if there is none.
        labels: number of labels by class and state, such as ``{"dog": {"positive": 794}}``.
        scores: scores of that round, for boxes `reelabel.workspace.results.Scores`, for classes
            `reelabel.workspace.class_results.ClassificationScores`, else of the task's own type;
            None if it was not evaluated.
        decision: which model labels next and why, None if it was not decided.
        stages: one result per stage that was visited.
        reason: how the run ended, in words.
        exit_code: 0, or 1 if some videos failed.
    """

    workspace: Path
    round: int | None
    labels: Mapping[str, Mapping[str, int]]
    scores: results.Result | None
    decision: Decision | None
    stages: Sequence[Result]
    reason: str
    exit_code: int

    def to_json(self) -> dict[str, Any]:
        """Return what was brought as JSON values."""
        stages = [
            {"stage": s.stage, "round": s.round_number, "done": s.done, "up_to_date": s.kept}
            | {"failed": s.failed, "waiting": s.waiting, "seconds": round(s.seconds, 3)}
            for s in self.stages
        ]
        return {
            "workspace": str(self.workspace),
            "round": self.round,
            "labels": self.labels,
            "scores": self.scores.to_json() if self.scores else None,
            "decision": self.decision.to_json() if self.decision else None,
            "stages": stages,
            "reason": self.reason,
            "exit_code": self.exit_code,
        }

    def __repr__(self) -> str:
        positive = {name: states.get(POSITIVE, 0) for name, states in self.labels.items()}
        labels = ", ".join(f"{n} {name}" for name, n in positive.items()) or "no labels"
        failed = [message for stage in self.stages for message in stage.failed.values()]
        first = (
            f", {counted(len(failed), 'failure')}, first: {' '.join(failed[0].split())}"
            if failed
            else ""
        )
        number = "no round" if self.round is None else f"round {self.round}"
        return f"RunResult({number}: {labels}{first}; {self._end})"

    @property
    def _end(self) -> str:
        return self.reason or "not decided"

    def _repr_html_(self) -> str:
        """Return what notebooks show: labels by class and state, failures, how the run ended."""
        used = [state for state in STATES if any(state in n for n in self.labels.values())]
        rows = [
            [name, *(str(counts.get(state, 0)) for state in used)]
            for name, counts in self.labels.items()
        ]
        head = _cells("th", ["class", *used])
        body = "".join(_cells("td", row) for row in rows)
        failed = [
            f"{one.stage} {key}: {why}" for one in self.stages for key, why in one.failed.items()
        ]
        title = f"<p>Labels of round {self.round}</p>" if rows else "<p>No labels</p>"
        table = f"<table>{head}{body}</table>" if rows else ""
        ends = "".join(f"<p>{escape(text)}</p>" for text in (few(failed), self._end) if text)
        return title + table + ends


def _cells(tag: Literal["th", "td"], texts: Iterable[str]) -> str:
    """Return a row of an HTML table."""
    return f"<tr>{''.join(f'<{tag}>{escape(text)}</{tag}>' for text in texts)}</tr>"


def run(  # noqa: PLR0913 -- one argument for each flag of the command
    workspace: Workspace | Path | str,
    *,
    rounds: int = 2,
    until: str | None = None,
    detector: Finder | Sequence[Finder | str] | None = None,
    settings: Mapping[str, Any] | None = None,
    workers: int | None = None,
    processes: bool | None = None,
    fail_fast: bool = False,
    force: bool = False,
    quiet: bool | None = None,
) -> RunResult:
    """Bring a workspace up to date, round after round until it no longer helps.

    Args:
        workspace: a workspace or its folder.
        rounds: how many rounds at most.
        until: the name of the stage after which to stop.
        detector: a Python function ``(image) -> boxes``, or an object with such a method
            `predict`, as the first teacher in place of the workspace's
            (`reelabel.models.detectors.callable`); or a list of such functions and names of
            detectors, whose boxes are fused.
        settings: keys of `reelabel.yaml` of this run alone, such as ``{"clean": {"score": 0.4}}``.
        workers: videos worked on at once; 0 is one per core, None as in the settings.
        processes: use processes, not threads; None as in the settings.
        fail_fast: stop at the first video that fails.
        force: do everything again.
        quiet: show no progress; None shows it to a person only.

    Raises:
        ReelabelError: see `reelabel.errors`; everything done before stays done.
    """
    how: dict[str, Any] = {
        "workers": workers,
        "processes": processes,
        "fail_fast": fail_fast,
        "force": force,
    }
    check_arguments(rounds=rounds, quiet=quiet, until=until, settings=settings, **how)
    ws = opened(workspace)
    config = config_of(ws, settings, detector)
    check_student(config)
    options = Options.given(config.engine, quiet=quiet, **how)
    return result_of(ws, config, loop.run(ws, config, options, rounds=rounds, until=until))


def result_of(ws: Workspace, config: Config, done: Run) -> RunResult:
    """Return what a run of the loop brought."""
    task = task_of(config)
    labelled = labelled_rounds(ws, task.labels)
    number = labelled[-1] if labelled else None
    folder = ws.round_dir(number or 0)
    return RunResult(
        workspace=ws.root,
        round=number,
        labels=label_counts(ws, task, number) if number is not None else {},
        scores=task.scores.load(folder) if task.scores else None,
        decision=Decision.load(folder),
        stages=tuple(done.results),
        reason=done.reason,
        exit_code=done.exit_code,
    )


def label_counts(ws: Workspace, task: Task, number: int) -> dict[str, dict[str, int]]:
    """Return the number of labels of a round by class and state.

    Labels that a class is not right are not counted.
    """
    found: Counter[tuple[str, str]] = Counter()
    for video_id in ws.readable(task.labels, number):
        rows = ws.read(task.labels, video_id, number)
        if "claim" in rows.column_names:
            rows = rows.filter(pc.field("claim") == IS)
        if {"category", "state"} <= set(rows.column_names):
            pairs = zip(rows["category"].to_pylist(), rows["state"].to_pylist(), strict=True)
            found.update(pairs)
    counts: dict[str, dict[str, int]] = {}
    for (name, state), n in sorted(found.items()):
        counts.setdefault(name, {})[state] = n
    return counts


def status(
    workspace: Workspace | Path | str,
    *,
    detector: Finder | Sequence[Finder | str] | None = None,
    settings: Mapping[str, Any] | None = None,
    verify: bool = False,
) -> list[StageStatus]:
    """Return what is done, stale or failed, stage by stage.

    Args:
        workspace: the workspace or its folder.
        detector: the function that `run` was given, if it was given one.
        settings: keys of `reelabel.yaml` that `run` was given for that run alone.
        verify: read every table and file, and compare it with what was written.
    """
    check_arguments(verify=verify, settings=settings)
    ws = opened(workspace)
    return status_of(ws, config_of(ws, settings, detector), verify=verify)


def config_of(
    ws: Workspace,
    settings: Mapping[str, Any] | None,
    detector: Finder | Sequence[Finder | str] | None = None,
) -> Config:
    """Return the settings of a workspace with those of one call in place.

    Args:
        ws: the workspace.
        settings: keys of `reelabel.yaml`.
        detector: functions, or names too, as the first teacher; None as the settings name it.

    Raises:
        ConfigError: for an unknown or wrong setting.
    """
    values = merged(read_yaml(ws.config_path), settings or {})
    config = parse_config(values, str(ws.config_path))
    if detector is None:
        return config
    changes = {"detector": detector_name(detector), "detector_options": {}}
    return replace(config, project=config.project.model_copy(update=changes))


def opened(workspace: Workspace | Path | str) -> Workspace:
    """Return a workspace from itself or from its folder.

    Raises:
        WorkspaceError: if there is none.
    """
    return workspace if isinstance(workspace, Workspace) else Workspace.open(workspace)
