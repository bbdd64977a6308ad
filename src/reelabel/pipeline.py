"""One round from top to bottom, one call per arrow. Read this first.

register   files      -> videos
cut        videos     -> clips
truth      file       -> truth, truth_frames
sample     clips      -> frames, embeddings
dedup      frames     -> duplicates
detect     videos     -> detections     the teacher of the round looks
track      detections -> tracks         which of them are one object
mine       tracks     -> evidence       what time says: flicker, gaps, static repeats
clean      evidence   -> candidates     rules decide: positive, ignore, negative
merge      candidates -> labels         with the labels of the round before
split      labels     -> dataset        by video and duplicate cluster
train      dataset    -> model          the student
evaluate   model      -> scores         against truth, else agreement
advance    scores     -> decision       is the student the next teacher?
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from reelabel.config import Config, load
from reelabel.engine.plan import bind
from reelabel.engine.run import Options, Result, run_stage
from reelabel.engine.stage import AnyStage
from reelabel.errors import SOME_VIDEOS_FAILED, MediaError, UsageError, nearest
from reelabel.stages import (
    advance,
    clean,
    cut,
    dedup,
    detect,
    evaluate,
    merge,
    mine,
    register,
    sample,
    split,
    track,
    train,
    truth,
)
from reelabel.workspace import Workspace
from reelabel.workspace.rounds import decision_of

ONCE: tuple[AnyStage, ...] = (register.STAGE, cut.STAGE, truth.STAGE, sample.STAGE, dedup.STAGE)
EACH_ROUND: tuple[AnyStage, ...] = (
    detect.STAGE,
    track.STAGE,
    mine.STAGE,
    clean.STAGE,
    merge.STAGE,
    split.STAGE,
    train.STAGE,
    evaluate.STAGE,
    advance.STAGE,
)
FLOW = {stage.name: stage for stage in (*ONCE, *EACH_ROUND)}
SECTIONS = {name: stage.settings for name, stage in FLOW.items() if stage.settings.model_fields}


@dataclass
class Run:
    """What became of a run: one result per stage that was visited, and how it ended."""

    results: list[Result] = field(default_factory=list)
    reason: str = ""

    @property
    def exit_code(self) -> int:
        """Return 0, or 1 if some videos failed."""
        bad = any(
            r.failed or r.waiting or r.notes.get("all", {}).get("failed") for r in self.results
        )
        return SOME_VIDEOS_FAILED if bad else 0


def run(
    workspace: Workspace,
    config: Config,
    options: Options,
    *,
    rounds: int = 2,
    until: str | None = None,
) -> Run:
    """Bring a workspace up to date: all stages, then round after round until it no longer helps.

    Raises:
        UsageError: if `until` names no stage, or the settings no footage.
        MediaError: if none of the footage can be used.
        ReelabelError: what a stage raises; everything done before stays done.
    """
    if until is not None and until not in FLOW:
        raise UsageError(f"no stage '{until}'{nearest(until, FLOW)}; stages: {', '.join(FLOW)}")
    report = Run()
    with workspace.locked():
        for stage, number in _schedule(workspace, rounds):
            report.results.append(run_one(workspace, config, options, stage, number=number))
            if stage is register.STAGE:
                _check_footage(workspace)
                _check_resources(workspace, config, until)
            if stage.name == until:
                report.reason = f"stopped after {until}, as asked"
                return report
    decision = decision_of(workspace, report.results[-1].round_number) or {}
    report.reason = str(decision.get("reason", ""))
    return report


def run_one(
    workspace: Workspace, config: Config, options: Options, stage: AnyStage, *, number: int
) -> Result:
    """Bring one stage up to date."""
    settings = config.stages.get(stage.name) or stage.settings()
    bound = bind(stage, workspace, config.project, settings, round_number=number)
    return run_stage(bound, options)


def _check_resources(workspace: Workspace, config: Config, until: str | None) -> None:
    """Ask the first round's stages for what they need: hours of work may lie before the last one.

    Raises:
        ReelabelError: what a stage says of its resource, such as a missing file or extra.
    """
    for stage in FLOW.values():
        if stage is evaluate.STAGE:  # it asks for the student, which is yet to be made
            return
        settings = config.stages.get(stage.name) or stage.settings()
        bind(stage, workspace, config.project, settings, round_number=0)
        if stage.name == until:
            return


def _check_footage(workspace: Workspace) -> None:
    """Say at once that there is nothing to work on, instead of finding no labels later.

    Raises:
        UsageError: if no footage is named.
        MediaError: if none of it can be used.
    """
    footage = [video for video in workspace.videos() if not video.is_test]
    if not footage:
        raise UsageError(
            f"no footage is named: list videos or folders under 'videos' in {workspace.config_path}"
        )
    if not any(video.usable for video in footage):
        why = "; ".join(f"{video.name}: {video.error}" for video in footage[:3])
        more = " ..." if len(footage) > 3 else ""  # noqa: PLR2004 -- a few
        raise MediaError(f"none of the {len(footage)} videos can be used: {why}{more}")


def _schedule(workspace: Workspace, rounds: int) -> Iterator[tuple[AnyStage, int]]:
    """Yield the stages in their order; a round follows only if the one before says so."""
    yield from ((stage, 0) for stage in ONCE)
    for number in range(rounds):
        yield from ((stage, number) for stage in EACH_ROUND)
        if (decision_of(workspace, number) or {}).get("action") != "advance":
            return


def read_config(workspace: Workspace) -> Config:
    """Return the checked settings of a workspace.

    Raises:
        ConfigError: if `reelabel.yaml` is damaged or holds something unknown.
    """
    return load(workspace.config_path, SECTIONS)
