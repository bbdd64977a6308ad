"""What a round rests on: its teacher, and what the round before decided."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reelabel.errors import MissingInput, few
from reelabel.tables import Table
from reelabel.workspace.results import Decision, Scores
from reelabel.workspace.workspace import Workspace


def decision_of(workspace: Workspace, round_number: int) -> Decision | None:
    """Return what a round decided, or None if it has not been decided."""
    return Decision.load(workspace.round_dir(round_number))


def teacher_spec(workspace: Workspace, first: str, round_number: int) -> str:
    """Return the teacher of a round: the first one, then what was decided; see `teacher_of`.

    Raises:
        MissingInput: if the round before was not finished.
    """
    return teacher_of(first, round_number, decision_of(workspace, round_number - 1))


def teacher_of(first: str, round_number: int, before: Decision | None) -> str:
    """Return the model that labels in a round.

    Args:
        first: the first teacher, which the project's settings name.
        round_number: the round.
        before: what the round before decided.

    Raises:
        MissingInput: if the round before was not finished.
    """
    if round_number == 0:
        return first
    if before is None:
        raise MissingInput(
            f"round {round_number} needs round {round_number - 1} to be finished: "
            "run  reelabel run  first"
        )
    return before.next_teacher


def scores_of(workspace: Workspace, round_number: int) -> Scores | None:
    """Return the scores of a round, or None if it has none yet."""
    return Scores.load(workspace.round_dir(round_number))


def unknown_videos(workspace: Workspace) -> list[str]:
    """Return the videos that drawn boxes name and that are not in this workspace.

    There is nothing wrong with that if one file serves several workspaces.
    """
    return list(_import_problems(workspace).get("unknown_videos", ()))


def truth_notes(workspace: Workspace) -> list[str]:
    """Return in sentences what is to be known about drawn boxes and no reason for a warning."""
    problems = _import_problems(workspace)
    folders: dict[str, str] = problems.get("other_folders", {})
    found = {
        "boxes are drawn in videos that are not in this workspace": unknown_videos(workspace),
        "boxes are drawn in videos that were found in other folders": [
            f"{name} as {path}" for name, path in sorted(folders.items())
        ],
        "pictures with objects that have no box are left out": problems.get("without_box", ()),
    }
    return [f"{what}: {few(some)}" for what, some in found.items() if some]


def _import_problems(workspace: Workspace) -> dict[str, Any]:
    """Return what the stage `truth` could make no use of."""
    receipt = workspace.read_receipt("truth", None)
    return receipt.notes if receipt else {}


def score_warnings(workspace: Workspace, round_number: int) -> list[str]:
    """Return what a reader of a round's scores should know about the truth they rest on."""
    scores = scores_of(workspace, round_number)
    problems = _import_problems(workspace)
    found = {
        "drawn boxes without any area in their picture are left out": problems.get("boxes_nowhere"),
        "frames that have no other drawn box are left out": problems.get("frames_nowhere"),
        "annotated videos could not be scored": scores.left_out if scores else (),
    }
    return [
        *(f"{what} ({len(some)}): {few(some)}" for what, some in found.items() if some),
        *(
            f"{name} looks like {other}, which was trained on: its scores are not of unseen footage"
            for name, other in (scores.alike if scores else {}).items()
        ),
        *(
            f"{name} has no signature, so whether it is a copy of a video that was trained on, or "
            "of one that is scored, is not known"
            for name in (scores.not_compared if scores else ())
        ),
    ]


def student_spec(round_number: int) -> str:
    """Return the detector that a round's student is."""
    return f"round:{round_number}"


def start_spec(round_number: int) -> str:
    """Return the detector that a round's student was before its training."""
    return f"start:{round_number}"


def is_student(spec: str) -> bool:
    """Return whether a model is the student of a round of its workspace."""
    return spec.startswith("round:")


def model_words(spec: str) -> str:
    """Return what a model is called in a sentence: a student or its start by round.

    >>> model_words("round:0"), model_words("start:1"), model_words("motion")
    ('the student of round 0', 'the untrained start of round 1', 'motion')
    """
    kind, _, number = spec.partition(":")
    if not number.isdecimal() or kind not in {"round", "start"}:
        return spec
    return f"the {'student' if kind == 'round' else 'untrained start'} of round {number}"


def model_dir(workspace: Workspace, round_number: int) -> Path:
    """Return the folder of a round's student."""
    return workspace.round_dir(round_number) / "model"


def dataset_dir(workspace: Workspace, round_number: int) -> Path:
    """Return the folder of a round's training data."""
    return workspace.round_dir(round_number) / "dataset"


def current_rounds(workspace: Workspace) -> list[int]:
    """Return the numbers of the rounds up to the first that has not decided to go on.

    Later ones are left from before: nothing in them is shown, exported or used unless it is asked
    for by its number.
    """
    found = []
    for number in workspace.rounds():
        found.append(number)
        decision = decision_of(workspace, number)
        if decision is None or decision.action != "advance":
            break
    return found


def left_rounds(workspace: Workspace) -> list[int]:
    """Return the numbers of the rounds that are left from before; see `current_rounds`."""
    return workspace.rounds()[len(current_rounds(workspace)) :]


def labelled_rounds(workspace: Workspace, labels: Table) -> list[int]:
    """Return the current rounds that have labels, which a task keeps in this table."""
    return [number for number in current_rounds(workspace) if workspace.shards(labels, number)]


def report_path(workspace: Workspace, labels: Table) -> Path | None:
    """Return where the report lies, or will: with the last round that has labels, if one has."""
    rounds = labelled_rounds(workspace, labels)
    return workspace.round_dir(rounds[-1]) / "report.html" if rounds else None


def best_model(workspace: Workspace, first: str) -> str:
    """Return the best model that the rounds have found: the last decision's, else the first one.

    Args:
        workspace: the workspace.
        first: the first teacher, which the project's settings name; empty if there is none.
    """
    last = last_decision(workspace)
    return last.best if last else first


def last_decision(workspace: Workspace) -> Decision | None:
    """Return the last decision of the current rounds."""
    decisions = (decision_of(workspace, number) for number in current_rounds(workspace))
    return next((one for one in reversed([*decisions]) if one is not None), None)
