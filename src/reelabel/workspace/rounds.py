"""What a round rests on: its teacher, and what the round before decided."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reelabel.config import Project
from reelabel.errors import MissingInput, few
from reelabel.files import read_json
from reelabel.tables import LABELS, Table
from reelabel.workspace.workspace import Workspace

SCORES = "scores.json"
"""File in a round's folder that holds its scores."""
RESAMPLES = "resamples.json"
"""File in a round's folder that holds the scores of every bootstrap resample."""
ABLATION = "ablation.json"
"""File in a round's folder that says what each kind of evidence is worth."""
DECISION = "decision.json"
"""File in a round's folder that says who teaches next, and why."""


def decision_of(workspace: Workspace, round_number: int) -> dict[str, Any] | None:
    """Return what a round decided, or None if it has not been decided."""
    path = workspace.round_dir(round_number) / DECISION
    return dict(read_json(path)) if path.is_file() else None


def teacher_spec(workspace: Workspace, project: Project, round_number: int) -> str:
    """Return the teacher of a round: the project's detector first, then what was decided.

    Raises:
        MissingInput: if the round before was not finished.
    """
    return teacher_of(project, round_number, decision_of(workspace, round_number - 1))


def teacher_of(project: Project, round_number: int, before: dict[str, Any] | None) -> str:
    """Return the teacher of a round, given what the round before decided.

    Raises:
        MissingInput: if the round before was not finished.
    """
    if round_number == 0:
        return project.detector
    if before is None:
        raise MissingInput(
            f"round {round_number} needs round {round_number - 1} to be finished: "
            "run  reelabel run  first"
        )
    return str(before["next_teacher"])


def scores_of(workspace: Workspace, round_number: int) -> dict[str, Any]:
    """Return the scores of a round, empty if it has none yet."""
    path = workspace.round_dir(round_number) / SCORES
    return dict(read_json(path)) if path.is_file() else {}


def strangers_of(workspace: Workspace) -> list[str]:
    """Return the videos that drawn boxes name and that are not in this workspace.

    There is nothing wrong with that if one file serves several workspaces.
    """
    return list(_odd_of(workspace).get("unknown_videos", ()))


def _odd_of(workspace: Workspace) -> dict[str, Any]:
    """Return what the stage `truth` could make no use of."""
    receipt = workspace.read_receipt("truth", None)
    return receipt.notes if receipt else {}


def doubts_of(workspace: Workspace, round_number: int) -> list[str]:
    """Return what a reader of a round's scores should know about the truth they rest on."""
    scores = scores_of(workspace, round_number)
    alike = scores.get("alike", {})
    nowhere = _odd_of(workspace).get("boxes_nowhere")
    found = {
        "drawn boxes without any area in their picture are left out": nowhere,
        "annotated videos could not be judged": scores.get("left_out"),
    }
    return [
        *(f"{what} ({len(some)}): {few(some)}" for what, some in found.items() if some),
        *(
            f"{name} looks like {other}, which was trained on: its scores are not of unseen footage"
            for name, other in alike.items()
        ),
    ]


def model_dir(workspace: Workspace, round_number: int) -> Path:
    """Return the folder of a round's student."""
    return workspace.round_dir(round_number) / "model"


def dataset_dir(workspace: Workspace, round_number: int) -> Path:
    """Return the folder of a round's training data."""
    return workspace.round_dir(round_number) / "dataset"


def labelled_rounds(workspace: Workspace, labels: Table = LABELS) -> list[int]:
    """Return the numbers of the rounds that have labels, of boxes or in another task's table."""
    return [number for number in workspace.rounds() if workspace.shards(labels, number)]


def report_path(workspace: Workspace) -> Path | None:
    """Return where the report lies, or will: with the last round that has labels, if one has."""
    rounds = labelled_rounds(workspace)
    return workspace.round_dir(rounds[-1]) / "report.html" if rounds else None


def best_model(workspace: Workspace, project: Project) -> str:
    """Return the best model that the rounds have found: the last decision's, else the teacher."""
    last = last_decision(workspace)
    return str(last["best"]) if last else project.detector


def last_decision(workspace: Workspace) -> dict[str, Any] | None:
    """Return the last decision; rounds behind one that said stop are leftovers and do not count."""
    last = None
    for number in workspace.rounds():
        decision = decision_of(workspace, number)
        last = decision or last
        if (decision or {}).get("action") != "advance":
            break
    return last
