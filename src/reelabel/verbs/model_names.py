"""How commands name models: a workspace, one of its rounds, a folder, a file, or a kind."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reelabel.engine.task import Task, task_named
from reelabel.errors import ModelError, UsageError
from reelabel.file_kinds import plain_file
from reelabel.models.detectors.callable import Finder
from reelabel.models.foreign import checkpoint_advice
from reelabel.models.onnx_task import task_in_onnx
from reelabel.models.registry import CLASSIFIERS, DETECTORS, kinds
from reelabel.models.students.folder import MODEL_JSON
from reelabel.pipeline import read_config, task_of
from reelabel.short_names import DEFAULT_TASK, RELEASED, full_name
from reelabel.workspace import CONFIG_NAME, Workspace
from reelabel.workspace.rounds import best_model, model_dir, student_spec

Model = Workspace | Path | str | Finder | Sequence[Finder | str]
"""A workspace, a model folder, a model's name, or a Python function or object; or several names,
functions and objects, whose boxes are fused."""

DETECT, CLASSIFY = DEFAULT_TASK, "classify-frames"
"""Tasks of models that belong to no workspace."""
OF_CARD = {"detect": DETECT, "classify": CLASSIFY}
"""What a trained student's `model.json` names as its task -> the task that uses it."""
OF_GROUP = {DETECTORS: DETECT, CLASSIFIERS: CLASSIFY}
"""Registry -> the task that uses its models."""


@dataclass(frozen=True)
class NamedModel:
    """A model as a registry takes it.

    Attributes:
        label: what it is called in results.
        spec: its name in the registry of its task, such as ``round:1``.
        task: what it is used for.
        workspace: the one that it belongs to, None for a model of its own.
    """

    label: str
    spec: str
    task: Task
    workspace: Workspace | None = None


def named_model(model: Workspace | Path | str, task: str = "") -> NamedModel:
    """Return the model that a name stands for.

    Args:
        model: a workspace, which means the best model that its rounds have found; ``WORKSPACE@N``
            for the student of its round N; a model folder; an ONNX file; or a name such as
            ``onnx:FILE``.
        task: what a model that belongs to no workspace is used for; empty: what its `model.json`
            or its ONNX file states, else what its kind is of, boxes if it is of several.

    Raises:
        ModelError: if there is no such model.
        UsageError: if the task is not that of the workspace or of the model's folder.
        ConfigError: if there is no such task.
    """
    place = _workspace_of(model)
    if place is not None:
        return _of_workspace(*place, task)
    folder = Path(str(model).removeprefix("student:"))
    if (folder / MODEL_JSON).is_file():
        found = _task_in(folder)
        return NamedModel(str(model), f"student:{folder.resolve()}", _agreed(model, found, task))
    spec = full_name(str(model))
    if ":" not in spec and (advice := checkpoint_advice(spec)):
        raise ModelError(advice)
    groups = [group for group in OF_GROUP if spec.partition(":")[0] in kinds(group)]
    file = Path(spec.removeprefix("onnx:"))
    if spec.startswith("onnx:") and file.is_file():
        found = OF_CARD.get(task_in_onnx(file), DETECT)
        return NamedModel(str(model), spec, task_named(task or found))
    if not groups and ":" not in spec:
        called = model if spec.strip() else repr(spec)
        raise ModelError(
            f"{called} is no model: expected a workspace, WORKSPACE@ROUND, a folder with a "
            f"{MODEL_JSON}, an .onnx file, {', '.join(RELEASED)}, or a name such as "
            "onnx:FILE, hf:ID, torchvision:NAME"
        )
    # An unknown kind is named by the registry, with those that it has.
    return NamedModel(str(model), spec, task_named(task or OF_GROUP[[*groups, DETECTORS][0]]))


def _task_in(folder: Path) -> str:
    """Return the task of the student in a folder; one that is damaged is named when it is read."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        raw = json.loads(plain_file(folder / MODEL_JSON).read_bytes())
        return OF_CARD.get(str(raw["task"]), DETECT) if isinstance(raw, dict) else DETECT
    return DETECT


def _workspace_of(model: Workspace | Path | str) -> tuple[Workspace, int | None] | None:
    """Return a workspace and the round that is named, None if neither."""
    if isinstance(model, Workspace):
        return model, None
    if (Path(model) / CONFIG_NAME).is_file():
        return Workspace.open(model), None
    root, at, number = str(model).rpartition("@")
    if at and number.isdecimal() and (Path(root) / CONFIG_NAME).is_file():
        return Workspace.open(root), int(number)
    return None


def _of_workspace(workspace: Workspace, number: int | None, task: str) -> NamedModel:
    """Return the best model of a workspace, or the student of a round.

    Raises:
        ModelError: if there is none yet.
    """
    config = read_config(workspace)
    own = task_of(config)
    first = own.first_teacher(config.project)
    spec = best_model(workspace, first) if number is None else student_spec(number)
    if number is not None and not (model_dir(workspace, number) / MODEL_JSON).is_file():
        raise ModelError(f"{workspace.root}: round {number} has no trained student")
    if not spec:
        root = workspace.root
        raise ModelError(f"{root} has no model yet: run  reelabel run {root}")
    name = str(workspace.root) if number is None else f"{workspace.root}@{number}"
    _agreed(name, own.name, task)
    return NamedModel(name, spec, own, workspace)


def _agreed(model: object, own: str, wanted: str) -> Task:
    """Return the task of a model.

    Raises:
        UsageError: if another one is wanted.
    """
    if wanted and task_named(wanted).part("predict") != task_named(own).part("predict"):
        raise UsageError(f"{model} is a model of the task {own}, but the task is {wanted}")
    return task_named(own)
