"""run and status as functions of a workspace alone, for the Python API."""

from __future__ import annotations

from pathlib import Path

from reelabel import pipeline
from reelabel.engine.run import Options
from reelabel.pipeline import Run
from reelabel.verbs.status import StageStatus
from reelabel.verbs.status import status as status_of
from reelabel.workspace import Workspace


def run(
    workspace: Workspace | Path | str,
    *,
    rounds: int = 2,
    until: str | None = None,
    options: Options | None = None,
) -> Run:
    """Bring a workspace up to date, round after round until it no longer helps.

    Args:
        workspace: a workspace or its folder.
        rounds: how many rounds at most.
        until: the name of the stage after which to stop.
        options: workers, what a failure does, what is shown.

    Raises:
        ReelabelError: see `reelabel.errors`; everything done before stays done.
    """
    ws = opened(workspace)
    config = pipeline.read_config(ws)
    chosen = options or Options(engine=config.engine, quiet=True)
    return pipeline.run(ws, config, chosen, rounds=rounds, until=until)


def status(workspace: Workspace | Path | str) -> list[StageStatus]:
    """Return what is done, stale or failed, stage by stage."""
    ws = opened(workspace)
    return status_of(ws, pipeline.read_config(ws))


def opened(workspace: Workspace | Path | str) -> Workspace:
    """Return a workspace from itself or from its folder.

    Raises:
        WorkspaceError: if there is none.
    """
    return workspace if isinstance(workspace, Workspace) else Workspace.open(workspace)
