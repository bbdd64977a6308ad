"""What a task is: the stages that learn it, the labels it learns from, and what comes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import BaseModel

from reelabel.data.dataset import Dataset, ImageEntry
from reelabel.engine.stage import AnyStage
from reelabel.errors import ConfigError, UsageError, nearest
from reelabel.tables import Table
from reelabel.workspace.results import Result

ENTRY_POINTS = "reelabel.tasks"
"""Group under which another package names a `Task`."""

Part = Literal["predict", "report", "show", "ablate"]
"""The commands that a task does in its own way."""
Writer = Callable[[Path, Dataset, Callable[[ImageEntry], Path]], None]
"""Writes a data set into an empty folder, given where each picture's file is."""


@dataclass(frozen=True)
class Task:
    """A task as data; nothing else asks what a task is called.

    Attributes:
        name: as in ``task:`` of `reelabel.yaml`.
        meaning: one line for people.
        once: stages that hold for all rounds, in order.
        each_round: stages that every round does again, in order.
        labels: the table that training uses.
        exports: writers of a round's data set, by format.
        scores: the type of a round's scores; None if a round has none.
        predict: applies a model to files or frames, with the arguments of `reelabel.predict`; the
            `str` of what it returns is one line for people.
        report: writes the report of a workspace, given it and its settings, and returns the path.
        show: draws the labels of a round, given a workspace and the arguments of `reelabel.show`.
        ablate: compares what labels are made from, given a workspace, its settings and the
            arguments of `reelabel.ablate`, all set; returns a result with its `round`.

    The last four are functions, or where they are, as ``module:name``: loaded when they are used.
    """

    name: str
    meaning: str
    once: tuple[AnyStage, ...]
    each_round: tuple[AnyStage, ...]
    labels: Table
    exports: Mapping[str, Writer] = field(default_factory=dict)
    scores: type[Result] | None = None
    predict: Callable[..., Any] | str = ""
    report: Callable[..., Any] | str = ""
    show: Callable[..., Any] | str = ""
    ablate: Callable[..., Any] | str = ""

    @cached_property
    def flow(self) -> dict[str, AnyStage]:
        """Return all stages by name, in order."""
        return {stage.name: stage for stage in (*self.once, *self.each_round)}

    @cached_property
    def sections(self) -> dict[str, type[BaseModel]]:
        """Return the settings type of each stage that has settings."""
        flow = self.flow.items()
        return {name: stage.settings for name, stage in flow if stage.settings.model_fields}

    def part(self, name: Part) -> Callable[..., Any]:
        """Return the function behind one of the task's commands.

        Raises:
            UsageError: if the task has none.
        """
        function: Callable[..., Any] | str = getattr(self, name)
        if not function:
            raise UsageError(f"the task {self.name} ({self.meaning}) has no {name}")
        if not isinstance(function, str):
            return function
        module, _, attribute = function.partition(":")
        return cast("Callable[..., Any]", getattr(import_module(module), attribute))


_TASKS: dict[str, Task] = {}


def register_task(task: Task) -> Task:
    """Make a task known by its name, and return it."""
    _TASKS[task.name] = task
    return task


def task_named(name: object) -> Task:
    """Return a task of ours, one that was registered, or one of another package's entry points.

    Raises:
        ConfigError: if there is none of that name.
    """
    if name not in _TASKS:
        for point in entry_points(group=ENTRY_POINTS):
            if point.name == name:
                return register_task(point.load())
        known = sorted({*_TASKS, *(point.name for point in entry_points(group=ENTRY_POINTS))})
        raise ConfigError(
            f"expected task to be one of {', '.join(known)}, but got '{name}'"
            f"{nearest(str(name), known)}"
        )
    return _TASKS[str(name)]
