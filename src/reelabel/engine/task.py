"""What a task is: the stages that learn it, the labels it learns from, and what comes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import BaseModel

from reelabel.config import Project
from reelabel.engine.stage import AnyStage
from reelabel.errors import ConfigError, UsageError, nearest, shown
from reelabel.tables import Table
from reelabel.workspace.results import Result

ENTRY_POINTS = "reelabel.tasks"
"""Group under which another package names a `Task`."""

BUILT_IN = {
    "detect": "reelabel.pipeline:DETECT",
    "classify-frames": "reelabel.pipeline:CLASSIFY_FRAMES",
    "classify-clips": "reelabel.pipeline:CLASSIFY_CLIPS",
}
"""The tasks that come with the package, and where each stands."""

Part = Literal[
    "predict",
    "report",
    "show",
    "ablate",
    "import_labels",
    "unsure",
    "figures",
    "print_stage",
    "print_figures",
    "print_scores",
    "print_ablation",
]
"""What a task does in its own way."""
Writer = Callable[..., None]
"""Writes a data set into an empty folder, given where each picture's file is: a `Dataset` and a
function from its entries, or a `ClassDataset` for each side and a function from picture names."""


def accept(project: Project) -> None:
    """Accept any settings."""
    del project


def accept_file(file: Path, project: Project, footage: Sequence[Path]) -> None:
    """Take any file of people's labels."""
    del file, project, footage


def no_figures(folder: Path, stage: str) -> dict[str, Any]:
    """Return none."""
    del folder, stage
    return {}


def print_nothing(workspace: Any, *about: Any) -> None:
    """Print nothing."""
    del workspace, about


@dataclass(frozen=True)
class Task:
    """A task as data; nothing else asks what a task is called.

    Attributes:
        name: as in ``task:`` of `reelabel.yaml`.
        meaning: one line for people.
        once: stages that hold for all rounds, in order.
        each_round: stages that every round does again, in order.
        labels: the table that training uses.
        keys: keys of the project's settings that are of this task, and not of every task.
        teacher_key: the one of them that names the first teacher.
        check: raises `ConfigError` where the project's settings do not suit the task.
        exports: writers of a round's data set, by format.
        export: applies one of them, given an empty folder, that of the data set, the writer, and by
            keyword a file to add to (`into`) and the `workspace`; returns sentences for people. By
            default that of boxes.
        scores: the type of a round's scores; None if a round has none.
        predict: applies a model to files or frames, with those arguments of `reelabel.predict` that
            apply to the task; the `str` of what it returns is one line for people.
        report: writes the report of a workspace, given it and its settings, and returns the path.
        show: draws the labels of a round, given a workspace and the arguments of `reelabel.show`.
        ablate: compares what labels are made from, given a workspace, its settings and the
            arguments of `reelabel.ablate`, all set; returns a result with its `round`.
        import_labels: takes people's labels from a file, given a locked workspace, the file and
            `reelabel.verbs.import_options.ImportOptions`; returns what was taken.
        unsure: returns what is in doubt in the labels of a round and writes some of it, given the
            workspace, the round's number and the settings: a `reelabel.verbs.unsure.UnsureRound`.
        check_file: raises `FormatError` for a file of people's labels that a stage would refuse,
            given the file, the project's settings and the files of its footage.
        figures: what `status` states of a stage of a round, given the round's folder and the
            stage's name: JSON values by name; none by default.
        print_figures: prints them, given a workspace, the stage's name and the round's number.
        print_stage: prints what a stage brought, given a workspace, its settings and the stage's
            `engine.run.Result`; nothing by default.
        print_scores: prints the scores of all models up to a round, given a workspace, the task and
            the round's number; by default the numbers and texts among them.
        print_ablation: prints what `ablate` returned; nothing by default.

    The last twelve are functions, or where they are, as ``module:name``: loaded when they are used.
    """

    name: str
    meaning: str
    once: tuple[AnyStage, ...]
    each_round: tuple[AnyStage, ...]
    labels: Table
    keys: tuple[str, ...] = ()
    teacher_key: str = "detector"
    check: Callable[[Project], None] = accept
    exports: Mapping[str, Writer | str] = field(default_factory=dict)
    export: Callable[..., Any] | str = "reelabel.verbs.export_boxes:export_boxes"
    scores: type[Result] | None = None
    predict: Callable[..., Any] | str = ""
    report: Callable[..., Any] | str = ""
    show: Callable[..., Any] | str = ""
    ablate: Callable[..., Any] | str = ""
    import_labels: Callable[..., Any] | str = ""
    unsure: Callable[..., Any] | str = ""
    check_file: Callable[..., Any] | str = "reelabel.engine.task:accept_file"
    figures: Callable[..., Any] | str = "reelabel.engine.task:no_figures"
    print_figures: Callable[..., Any] | str = "reelabel.engine.task:print_nothing"
    print_stage: Callable[..., Any] | str = "reelabel.engine.task:print_nothing"
    print_scores: Callable[..., Any] | str = "reelabel.cli.printing:print_plain_scores"
    print_ablation: Callable[..., Any] | str = "reelabel.engine.task:print_nothing"

    @cached_property
    def flow(self) -> dict[str, AnyStage]:
        """Return all stages by name, in order."""
        return {stage.name: stage for stage in (*self.once, *self.each_round)}

    @cached_property
    def sections(self) -> dict[str, type[BaseModel]]:
        """Return the settings type of each stage that has settings."""
        flow = self.flow.items()
        return {name: stage.settings for name, stage in flow if stage.settings.model_fields}

    def first_teacher(self, project: Project) -> str:
        """Return the first teacher that the project's settings name, empty if there is none."""
        return str(getattr(project, self.teacher_key))

    def part(self, name: Part) -> Callable[..., Any]:
        """Return the function behind one of the task's commands.

        Raises:
            UsageError: if the task has none.
        """
        function: Callable[..., Any] | str = getattr(self, name)
        if not function:
            raise UsageError(
                f"the task {self.name} ({self.meaning}) has no {name.partition('_')[0]}"
            )
        return cast("Callable[..., Any]", found_at(function))


def found_at(place: Any) -> Any:
    """Return what stands at a place, given as ``module:name``; anything else as it is."""
    if not isinstance(place, str):
        return place
    module, _, attribute = place.partition(":")
    return getattr(import_module(module), attribute)


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
    if not isinstance(name, str):
        raise ConfigError(f"expected task to be the name of one, but got {shown(name)}")
    if name in _TASKS:
        return _TASKS[name]
    if name in BUILT_IN:
        return register_task(found_at(BUILT_IN[name]))
    points = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    if name in points:
        return register_task(points[name].load())
    known = sorted({*BUILT_IN, *_TASKS, *points})
    raise ConfigError(
        f"expected task to be one of {', '.join(known)}, but got '{name}'{nearest(name, known)}"
    )


def check_project(task: Task, project: Project, where: str) -> None:
    """Check that the project's settings are of the task, and suit it.

    Args:
        task: the task that the settings name.
        project: the settings.
        where: the file that they stand in, for messages.

    Raises:
        ConfigError: naming the key.
    """
    others = (task_named(name) for name in BUILT_IN)
    foreign = {key: other.name for other in others for key in other.keys if key not in task.keys}
    for key in sorted(project.model_fields_set & foreign.keys()):
        raise ConfigError(
            f"{where}: '{key}' is a setting of the task {foreign[key]}, but the task is "
            f"{task.name}: remove it, or change the task"
        )
    task.check(project)
