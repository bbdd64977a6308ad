"""What a stage is, and what its function is given and returns."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypeVar

import pyarrow as pa
from pydantic import BaseModel

from reelabel.config import Project
from reelabel.data.video import Video
from reelabel.engine.inputs import Inputs
from reelabel.errors import UsageError
from reelabel.tables import Table
from reelabel.workspace.folder import OutputFolder

S = TypeVar("S", bound=BaseModel)
"""A stage's settings."""
R = TypeVar("R")
"""A stage's resource, such as a detector."""

_KEY = re.compile(r"[A-Za-z0-9_-]{1,100}")

Tick = Callable[[float, str], None]
"""Called by a stage function as it goes: the share that is done, in 0..1, and a few words."""


class Cancelled(Exception):  # noqa: N818 -- not an error: the user asked to stop
    """Raised inside a stage function when the run is to stop."""


class Savable(Protocol):
    """A typed result of a round, such as its scores: saved by the engine, not by the stage."""

    def save(self, folder: Path) -> Path:
        """Write it into a round's folder, and return the file."""
        ...


@dataclass(frozen=True)
class Source:
    """Work that is not a video yet, such as a download.

    Attributes:
        key: names its shard: up to 100 letters (of ASCII), digits, ``_`` and ``-``.
        label: for people.
        facts: what decides whether finished work is up to date; JSON values.

    Raises:
        UsageError: if the key is none.
    """

    key: str
    label: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a key that would not be the name of a file, or that of one elsewhere."""
        if not _KEY.fullmatch(self.key):
            raise UsageError(
                f"{self.label!r}: expected a key of 1 to 100 letters, digits, '_' and '-', "
                f"but got {self.key[:200]!r}: take a hash of it"
            )


Target = Video | Source | None
"""What a unit is about; None stands for all videos."""


def key_of(target: Target) -> str:
    """Return what names a unit's shard."""
    if target is None:
        return "all"
    return target.video_id if isinstance(target, Video) else target.key


def label_of(target: Target, stage: str) -> str:
    """Return what people call a unit of a stage."""
    if target is None:
        return stage
    return target.name if isinstance(target, Video) else target.label


@dataclass(frozen=True)
class Context(Generic[S]):
    """What a stage may know before it works: its settings and what earlier stages made.

    Attributes:
        root: the workspace's folder, which relative paths of the settings start from.
        inputs: what earlier stages made, as far as the stage declares to read it.
        others: settings of other stages, as far as the stage declares to use them.
    """

    root: Path
    project: Project
    settings: S
    round_number: int
    inputs: Inputs
    others: Mapping[str, BaseModel] = field(default_factory=dict, kw_only=True)


@dataclass(frozen=True)
class Unit(Context[S], Generic[S, R]):
    """What a stage function is given: one video, one source, or all videos.

    Attributes:
        resource: what the stage asked to be loaded once, such as a detector.
        files: the folder of the stage's own files.
        tick: to be called now and then; raises `Cancelled` when the run is to stop.
        target: the video or the source; None for a stage of scope ``all``.
        afresh: partial results of an earlier attempt must not be used.
    """

    resource: R
    files: OutputFolder
    tick: Tick
    target: Target = None
    afresh: bool = False

    @property
    def video(self) -> Video:
        """Return the video of a stage of scope ``video``."""
        if not isinstance(self.target, Video):
            raise TypeError("only a stage of scope 'video' has a video")
        return self.target

    @property
    def source(self) -> Source:
        """Return the source of a stage of scope ``source``."""
        if not isinstance(self.target, Source):
            raise TypeError("only a stage of scope 'source' has a source")
        return self.target

    def rows(
        self,
        table: Table,
        video_id: str = "",
        *,
        previous: bool = False,
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        """Return a table's rows of this video or source, or of another video.

        Args:
            table: one that the stage declares to read.
            video_id: empty for the unit's own; a stage of scope ``all`` has none.
            previous: of the round before.
            columns: those that are needed; None for all.

        Raises:
            MissingInput: if an earlier stage has not made them and the table is not optional.
        """
        if not video_id and self.target is None:
            raise TypeError("a stage of scope 'all' names the video whose rows it reads")
        key = video_id or key_of(self.target)
        return self.inputs.rows(table, key, previous=previous, columns=columns)

    def shards(
        self, table: Table, columns: Sequence[str] | None = None
    ) -> Iterator[tuple[str, pa.Table]]:
        """Yield each video's rows of a table, in the order of the video ids.

        Args:
            table: one that the stage declares to read.
            columns: those that are needed; None for all.
        """
        for video_id in self.inputs.video_ids(table):
            yield video_id, self.inputs.rows(table, video_id, columns=columns)

    def readable_shards(self, table: Table) -> Iterator[tuple[str, pa.Table]]:
        """Yield the rows of a table of each video that can be read; see `Inputs.readable_ids`."""
        for video_id in self.inputs.readable_ids(table):
            yield video_id, self.inputs.rows(table, video_id)


@dataclass(frozen=True)
class Output:
    """What a stage function returns.

    Attributes:
        tables: rows by table name; for a stage of scope ``all``, by table and video.
        notes: small facts to keep with the result: counts, errors survived.
        digest: of what is no table, such as a model's weights.
        results: typed results of the round, which the engine saves.
    """

    tables: Mapping[str, Any] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    digest: str = ""
    results: tuple[Savable, ...] = ()


@dataclass(frozen=True)
class Resource(Generic[R]):
    """Something that is prepared once per run and given to every unit.

    Attributes:
        value: what the stage function receives.
        fingerprint: part of what decides whether finished work is up to date.
        in_turn: True if one unit with it already uses the whole machine.
        facts: by the key of a unit, what decides of that unit alone; JSON values.
    """

    value: R
    fingerprint: str = ""
    in_turn: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)


def no_resource(context: Context[Any]) -> Resource[Any]:
    """Return nothing: for stages that need only their tables."""
    del context
    return Resource(None)


def no_sources(context: Context[Any]) -> Sequence[Source]:
    """Return nothing: for stages whose units are videos."""
    del context
    return ()


@dataclass(frozen=True)
class Stage(Generic[S, R]):
    """A verb: what it reads, what it writes, and the pure function between.

    The function reads and writes nothing but what it is given: rows and files come in by
    `Unit.inputs` and leave as `Output` and through `Unit.files`; the engine does the rest.

    Attributes:
        name: the verb; also the CLI command, the Python function and the file.
        arrow: the first line of its file, such as ``sample  clips -> frames  1:N``.
        scope: ``video``: one call per video; ``source``: one call per source of `sources`;
            ``all``: one call for all videos.
        reads: tables it needs, of this round or of all rounds.
        reads_previous: tables of the round before, absent in round 0.
        optional: tables that it reads where they exist.
        writes: the last one is written last and marks the unit as finished.
        after: stages of scope ``all`` whose receipts it depends on.
        only_with: tables of which a stage of scope ``all`` needs one shard at least; where there
            is none, and never was, there is nothing to do and nothing is shown.
        project_keys: the parts of the project's settings that change its result.
        others: name -> settings type of other stages whose settings its resource uses; its result
            must not depend on them.
        per_round: whether every round does it again.
        version: raised when the function changes its results.
        tests_too: True if videos with the role ``test`` pass through it.
        folder: name of the folder for its own files, below the round's or the workspace's.
        aside: names in that folder whose loss costs nothing: what resumes interrupted work, logs.
        resource: what is prepared once per run.
        resource_words: what that is, where it makes finished work stale.
        sources: lists the units of scope ``source``.
        keeps_gone: True if what it made of a source that is no longer listed stays.
        made_by_run: True if its resource is an earlier stage's product, such as the student, and
            so cannot be checked before the run.
    """

    name: str
    arrow: str
    settings: type[S]
    run: Callable[[Unit[S, R]], Output]
    scope: Literal["video", "source", "all"] = "video"
    reads: tuple[Table, ...] = ()
    reads_previous: tuple[Table, ...] = ()
    optional: tuple[Table, ...] = ()
    writes: tuple[Table, ...] = ()
    after: tuple[str, ...] = ()
    only_with: tuple[Table, ...] = ()
    project_keys: tuple[str, ...] = ()
    others: Mapping[str, type[BaseModel]] = field(default_factory=dict)
    per_round: bool = False
    version: int = 1
    tests_too: bool = False
    folder: str = ""
    aside: tuple[str, ...] = ()
    resource: Callable[[Context[S]], Resource[R]] = no_resource
    resource_words: str = "its model or a file that it uses"
    sources: Callable[[Context[S]], Sequence[Source]] = no_sources
    keeps_gone: bool = False
    made_by_run: bool = False

    def number(self, round_number: int) -> int | None:
        """Return the round that its receipt belongs to, None if it belongs to all."""
        return round_number if self.per_round else None


AnyStage = Stage[Any, Any]
"""A stage whose settings and resource do not matter to the code at hand."""
