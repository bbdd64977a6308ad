"""What a stage is, and what its function is given and gives back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow as pa
from pydantic import BaseModel

from reelabel.config import Project
from reelabel.errors import MissingInput
from reelabel.tables import Table
from reelabel.workspace import Workspace

Tick = Callable[[float, str], None]
"""Called by a stage function as it goes: the share that is done, in 0..1, and a few words."""


class Cancelled(Exception):  # noqa: N818 -- not an error: somebody asked to stop
    """Raised inside a stage function when the run is to stop."""


@dataclass(frozen=True)
class Unit:
    """What a stage function is given: one video, or all of them.

    Attributes:
        video: the video's row; empty if the stage sees all videos.
        inputs: the rows of the tables that the stage reads, for this video.
        resource: what the stage asked to be loaded once, such as a detector.
        tick: to be called now and then; raises `Cancelled` when the run is to stop.
        afresh: nothing of an earlier attempt is to be gone on with.
    """

    workspace: Workspace
    project: Project
    settings: Any
    round_number: int
    video: Mapping[str, Any]
    inputs: Mapping[str, pa.Table]
    resource: Any
    tick: Tick
    afresh: bool = False

    def shards(self, table: Table, *, previous: bool = False) -> Iterator[tuple[str, pa.Table]]:
        """Yield each video's rows of a table, in the order of the video ids."""
        number = self.round_number - previous
        for video_id in self.workspace.shards(table, number):
            yield video_id, self.workspace.read(table, video_id, number)


@dataclass(frozen=True)
class Output:
    """What a stage function gives back.

    Attributes:
        tables: rows by table name; for a stage that sees all videos, by table and video.
        notes: small facts to keep with the result: counts, errors survived, decisions.
        digest: of an artefact that is not a table, such as a model's weights.
    """

    tables: Mapping[str, Any] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    digest: str = ""


@dataclass(frozen=True)
class Resource:
    """Something that is prepared once per run and given to every unit.

    Attributes:
        value: what the stage function receives.
        fingerprint: part of what decides whether finished work is up to date.
        in_turn: True if one unit with it already uses the whole machine.
    """

    value: Any = None
    fingerprint: str = ""
    in_turn: bool = False


def no_resource(workspace: Workspace, project: Project, settings: Any, number: int) -> Resource:
    """Return nothing: for stages that need only their tables."""
    del workspace, project, settings, number
    return Resource()


@dataclass(frozen=True)
class Stage:
    """A verb: what it reads, what it writes, and the pure function between.

    Attributes:
        name: the verb; also the CLI command, the Python function and the file.
        arrow: the first line of its file, such as ``sample  clips -> frames  1:N``.
        scope: ``video``, one call per video, or ``all``, one call that sees every video.
        reads: tables it needs, of this round or of all rounds.
        reads_previous: tables of the round before, absent in round 0.
        optional: tables that it reads where they exist.
        writes: the last one is written last and says that the unit is finished.
        after: stages of scope ``all`` whose receipts it rests on.
        project_keys: the parts of the project's settings that change its result.
        per_round: whether every round does it again.
        version: raised when the function changes its results.
        tests_too: True if videos with the role ``test`` pass through it.
    """

    name: str
    arrow: str
    settings: type[BaseModel]
    run: Callable[[Unit], Output]
    scope: Literal["video", "all"] = "video"
    reads: tuple[Table, ...] = ()
    reads_previous: tuple[Table, ...] = ()
    optional: tuple[Table, ...] = ()
    writes: tuple[Table, ...] = ()
    after: tuple[str, ...] = ()
    project_keys: tuple[str, ...] = ()
    per_round: bool = False
    version: int = 1
    tests_too: bool = False
    resource: Callable[[Workspace, Project, Any, int], Resource] = no_resource

    def number(self, round_number: int) -> int | None:
        """Return the round that its receipt belongs to, None if it belongs to all."""
        return round_number if self.per_round else None


@dataclass(frozen=True)
class Job:
    """One unit of work that is to be done: everything that a worker needs, and picklable."""

    stage: Stage
    workspace: Workspace
    project: Project
    settings: Any
    round_number: int
    video: Mapping[str, Any]
    fingerprint: str
    afresh: bool = False

    @property
    def label(self) -> str:
        """Return what people call it."""
        return str(self.video.get("name") or self.stage.name)


@dataclass
class Stop:
    """A flag that asks all workers to stop at their next tick."""

    event: threading.Event = field(default_factory=threading.Event)

    def check(self) -> None:
        """Raise `Cancelled` if somebody asked to stop."""
        if self.event.is_set():
            raise Cancelled


def inputs_of(job: Job) -> dict[str, pa.Table]:
    """Read the rows that a job needs.

    Raises:
        MissingInput: if an earlier stage has not made them.
    """
    stage, video_id = job.stage, job.video.get("video_id")
    if video_id is None:
        return {}
    found = {t.name: job.workspace.read(t, video_id, job.round_number) for t in stage.reads}
    for table in stage.optional:
        found[table.name] = _or_empty(job, table, job.round_number)
    for table in stage.reads_previous:
        found[f"previous_{table.name}"] = _or_empty(job, table, job.round_number - 1)
    return found


def _or_empty(job: Job, table: Table, number: int) -> pa.Table:
    """Return a table that may not exist, without rows if it does not."""
    try:
        return job.workspace.read(table, job.video["video_id"], number)
    except MissingInput:
        return table.empty()
