"""Each stage as a function: `reelabel.clean(workspace, score=0.4)` and its siblings."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Any

from reelabel.config import Config
from reelabel.engine.loop import run_one
from reelabel.engine.project import task_of
from reelabel.engine.run import Options, Result
from reelabel.engine.stage import AnyStage
from reelabel.engine.task import BUILT_IN, task_named
from reelabel.errors import UsageError, nearest
from reelabel.verbs.arguments import check_arguments
from reelabel.verbs.run import config_of, opened
from reelabel.verbs.signatures import parameters_of
from reelabel.workspace import Workspace
from reelabel.workspace.rounds import current_rounds, teacher_spec

_HOW = ("workers", "processes", "fail_fast", "force", "quiet")
"""Keywords for how work is done, not for its result."""


class StageFunction:
    """Brings one stage up to date, with settings in place of the workspace's.

    Call it with a workspace or its folder and any of the stage's settings; nested settings are
    mappings, such as ``quality={"min_sharpness": 20}``. A stage that several tasks have in their
    own way takes the settings of the workspace's task. `settings` are further keys of
    `reelabel.yaml` for this call alone, such as ``{"seed": 3}``. Other keywords are those of the
    command: `round` (None is the last), `workers`, `processes`, `fail_fast`, `force`, `quiet`
    (`reelabel.engine.run.Options.given`).

    Raises:
        ConfigError: for an unknown or wrong setting.
        UsageError: if the workspace's task has no such stage.
        MissingInput: if an earlier stage or round has not been finished.
    """

    def __init__(self, name: str) -> None:
        stages = stages_named(name)
        self.__name__ = self.__qualname__ = name
        self.arrow = "\n".join(dict.fromkeys(stage.arrow for stage in stages))
        self.__doc__ = f"{self.arrow}\n\n{type(self).__doc__}"
        self.__signature__ = _signature(stages)

    def __repr__(self) -> str:
        return f"<stage {self.__name__}>"

    def __call__(
        self,
        workspace: Workspace | Path | str,
        *,
        round: int | None = None,  # noqa: A002 -- the name of the flag
        settings: Mapping[str, Any] | None = None,
        **own: Any,
    ) -> Result:
        """Do it; see the class."""
        how = {name: own.pop(name) for name in _HOW if name in own}
        check_arguments(round=round, settings=settings, **how)
        ws = opened(workspace)
        config = changed(config_of(ws, settings), self.__name__, own)
        options = Options.given(config.engine, **how)
        return run_alone(ws, config, options, self.__name__, round_number=round)


def stages_named(name: str) -> list[AnyStage]:
    """Return the stages of that name, each once, in the order of our tasks."""
    flows = [task_named(task).flow for task in BUILT_IN]
    return list({id(flow[name]): flow[name] for flow in flows if name in flow}.values())


def changed(config: Config, name: str, settings: dict[str, Any]) -> Config:
    """Return a workspace's settings with some of one stage's replaced.

    Raises:
        ConfigError: for an unknown or wrong setting.
        UsageError: if the workspace's task has no such stage.
    """
    return config.with_stage(name, stage_of(config, name).settings, settings)


def stage_of(config: Config, name: str) -> AnyStage:
    """Return a stage of the workspace's task by its name.

    Raises:
        UsageError: if the task has no such stage.
    """
    flow = task_of(config).flow
    if name not in flow:
        raise UsageError(
            f"the task {config.project.task} has no stage '{name}'{nearest(name, flow)}; "
            f"stages: {', '.join(flow)}"
        )
    return flow[name]


def run_alone(
    ws: Workspace, config: Config, options: Options, name: str, *, round_number: int | None
) -> Result:
    """Bring one stage up to date; `round_number` None is the last round.

    Raises:
        MissingInput: if the round before was not finished.
    """
    stage = stage_of(config, name)
    number = round_number if round_number is not None else (current_rounds(ws) or [0])[-1]
    if stage.per_round:
        teacher_spec(ws, "", number)  # raises if the round cannot begin yet
    with ws.locked():
        return run_one(ws, config, options, stage, number=number)


def _signature(stages: list[AnyStage]) -> Signature:
    """Return what `help` shows: the workspace, each setting with its default, and the rest.

    Where tasks have stages of their own under one name, the settings of all are listed.
    """
    first = Parameter("workspace", Parameter.POSITIONAL_OR_KEYWORD)
    settings = parameters_of(*(stage.settings for stage in stages))
    number, further = (
        Parameter(name, Parameter.KEYWORD_ONLY, default=None) for name in ("round", "settings")
    )
    how = [p for p in signature(Options.given).parameters.values() if p.name in _HOW]
    rest = [number, *how] if stages[0].per_round else how
    return Signature([first, *settings, further, *rest], return_annotation=Result)


want = StageFunction("want")
register = StageFunction("register")
cut = StageFunction("cut")
tag = StageFunction("tag")
truth = StageFunction("truth")
sample = StageFunction("sample")
dedup = StageFunction("dedup")
window = StageFunction("window")
tune = StageFunction("tune")
detect = StageFunction("detect")
classify = StageFunction("classify")
track = StageFunction("track")
mine = StageFunction("mine")
clean = StageFunction("clean")
merge = StageFunction("merge")
split = StageFunction("split")
train = StageFunction("train")
evaluate = StageFunction("evaluate")
advance = StageFunction("advance")
