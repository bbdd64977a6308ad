"""Which units of a stage are done, which are stale, and why."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel

from reelabel.config import Project, result_values
from reelabel.data.video import Video
from reelabel.engine.inputs import Inputs, Reads
from reelabel.engine.stage import AnyStage, Context, Resource, Source, Target, key_of
from reelabel.errors import UsageError
from reelabel.tables import SCHEMA_VERSION, VIDEOS
from reelabel.workspace import Receipt, Workspace, fingerprint
from reelabel.workspace.folder import OutputFolder
from reelabel.workspace.products import are_there
from reelabel.workspace.snapshot import Snapshot

State = Literal["done", "stale", "missing", "failed"]


@dataclass(frozen=True)
class Bound:
    """A stage with everything that its work depends on."""

    stage: AnyStage
    workspace: Workspace
    project: Project
    settings: Any
    round_number: int
    resource: Resource[Any]
    others: Mapping[str, BaseModel] = field(default_factory=dict)

    @property
    def number(self) -> int | None:
        """Return the round of its receipt, None if it belongs to all rounds."""
        return self.stage.number(self.round_number)

    @cached_property
    def context(self) -> Context[Any]:
        """Return what the stage may know before it works."""
        context = context_of(
            self.stage, self.workspace, self.project, self.settings, number=self.round_number
        )
        return replace(context, others=self.others)

    def folder(self, target: Target) -> OutputFolder:
        """Return the folder of a unit's own files."""
        ws, stage = self.workspace, self.stage
        home = ws.round_dir(self.round_number) if stage.per_round else ws.root
        path = home / stage.folder if stage.folder else home
        return OutputFolder(ws.root, path if stage.scope == "all" else path / key_of(target))


@dataclass(frozen=True)
class Job:
    """One unit of work that is to be done.

    Attributes:
        target: what it is about.
        fingerprint: what its results will carry.
        afresh: partial results of an earlier attempt must not be used.
    """

    target: Target
    fingerprint: str
    afresh: bool = False

    @property
    def key(self) -> str:
        """Return what names its shard."""
        return key_of(self.target)


@dataclass(frozen=True)
class Planned:
    """One unit, what state it is in, and the job that would bring it up to date.

    Attributes:
        job: what is to be done.
        state: of the unit.
        was: the fingerprint that its finished work carries; empty if there is none.
        inputs: what it reads: names and digests of rows, and the facts of its target.
    """

    job: Job
    state: State
    was: str = ""
    inputs: Sequence[Any] = ()


def bind(
    stage: AnyStage,
    workspace: Workspace,
    project: Project,
    settings: BaseModel,
    *,
    round_number: int,
    stages: Mapping[str, BaseModel] | None = None,
) -> Bound:
    """Bring a stage together with its settings and load its resource's description.

    Args:
        stage: the stage.
        workspace: what it works on.
        project: the project's settings.
        settings: its own.
        round_number: the round.
        stages: settings of all stages, of which it may use some; where there are none, the
            defaults are used.
    """
    others = {name: (stages or {}).get(name) or kind() for name, kind in stage.others.items()}
    context = context_of(stage, workspace, project, settings, number=round_number)
    resource = stage.resource(replace(context, others=others))
    return Bound(stage, workspace, project, settings, round_number, resource, others)


def context_of(
    stage: AnyStage, workspace: Workspace, project: Project, settings: BaseModel, *, number: int
) -> Context[Any]:
    """Return what a stage may know before it works."""
    reads = Reads(
        own=stage.name,
        written=stage.writes,
        tables=stage.reads,
        previous=stage.reads_previous,
        optional=stage.optional,
        after=stage.after,
    )
    return Context(workspace.root, project, settings, number, Inputs(workspace, reads, number))


def plan(bound: Bound, snapshot: Snapshot | None = None) -> list[Planned]:
    """Return every unit of a stage with its state, in a fixed order.

    Args:
        bound: the stage.
        snapshot: of the stage's workspace; consecutive plans may share one as long as nothing is
            written. By default the workspace is read now.

    Raises:
        UsageError: if two sources of the stage have the same key.
    """
    with _without_collection():
        planner = _Planner(bound, snapshot or Snapshot(bound.workspace))
        if bound.stage.scope == "all":
            finished = planner.finished_all()
            idle = finished is None and planner.lacks_rows()
            return [] if idle else [planner.planned(None, "all", finished)]
        keyed = ((target, key_of(target)) for target in planner.targets())
        return [planner.planned(target, key, planner.finished(key)) for target, key in keyed]


@contextmanager
def _without_collection() -> Iterator[None]:
    """Spare the search for reference cycles while many objects are made that stay."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def counts(planned: list[Planned]) -> dict[str, int]:
    """Return how many units are in which state."""
    return dict(Counter(unit.state for unit in planned))


def digest_of_all(receipts: Sequence[Receipt], artefact: str = "") -> str:
    """Return the digest of what a stage made of scope ``all``: its artefact, its shards."""
    return fingerprint([artefact, *(receipt.digest for receipt in receipts)])


def basis_of(bound: Bound) -> dict[str, Any]:
    """Return what the fingerprints of all units of a stage have in common, as JSON values."""
    stage = bound.stage
    return {
        "schema": SCHEMA_VERSION,
        "stage": stage.name,
        "version": stage.version,
        "settings": result_values(bound.settings),
        "project": {key: getattr(bound.project, key) for key in stage.project_keys},
        "resource": bound.resource.fingerprint,
        "after": _after(bound),
    }


def _after(bound: Bound) -> list[Any]:
    """Return the digests of the stages that one comes after."""
    ws, digests = bound.workspace, []
    for name in bound.stage.after:
        receipts = [ws.read_receipt(name, n) for n in (bound.round_number, None)]
        digests.append([name, next((r.digest for r in receipts if r), None)])
    return digests


@dataclass(frozen=True)
class _Planner:
    """Derives the state of a stage's units from one snapshot of the workspace."""

    bound: Bound
    snapshot: Snapshot

    def targets(self) -> Iterator[Video | Source]:
        """Yield what the units are about, in a fixed order."""
        stage = self.bound.stage
        if stage.scope == "source":
            yield from _sources(self.bound)
            return
        for video in self.snapshot.videos():
            if video.usable and (stage.tests_too or not video.is_test):
                yield video

    def planned(self, target: Target, key: str, receipt: Receipt | None) -> Planned:
        """Return one unit with its state."""
        inputs = self._inputs(target, key)
        expected = fingerprint(self._basis, inputs)
        was = receipt.fingerprint if receipt is not None else ""
        return Planned(Job(target, expected), self._state(key, receipt, expected), was, inputs)

    def finished(self, key: str) -> Receipt | None:
        """Return the receipt of the table that is written last, if all the others are there too."""
        receipts = [written.get(key) for written in self._written]
        made_by = {receipt.fingerprint if receipt else None for receipt in receipts}
        return self._whole(receipts[-1]) if len(made_by) == 1 else None

    def finished_all(self) -> Receipt | None:
        """Return the receipt of a stage of scope ``all``, if its shards are those it made."""
        bound = self.bound
        receipt = bound.workspace.read_receipt(bound.stage.name, bound.number)
        if receipt is not None and bound.stage.writes:
            found = [receipt for written in self._written for receipt in written.values()]
            if receipt.digest != digest_of_all(found, receipt.artefact):
                return None
        return self._whole(receipt)

    def _whole(self, receipt: Receipt | None) -> Receipt | None:
        """Return a receipt if the files that it lists are there and have their sizes."""
        if receipt is None or not are_there(self.bound.workspace.root, receipt.files):
            return None
        return receipt

    def lacks_rows(self) -> bool:
        """Return whether a stage of scope ``all`` has none of the rows that it is about."""
        tables, number = self.bound.stage.only_with, self.bound.round_number
        return bool(tables) and not any(self.snapshot.receipts(t, number) for t in tables)

    @cached_property
    def _written(self) -> list[Mapping[str, Receipt]]:
        """Return the receipts of every table that the stage writes."""
        number = self.bound.round_number
        return [self.snapshot.receipts(table, number) for table in self.bound.stage.writes]

    def _state(self, key: str, receipt: Receipt | None, expected: str) -> State:
        if receipt is not None and receipt.fingerprint == expected:
            return "done"
        if key in self._failed:
            return "failed"
        return "stale" if receipt is not None else "missing"

    @cached_property
    def _failed(self) -> frozenset[str]:
        bound = self.bound
        return frozenset(bound.workspace.failed(bound.stage.name, bound.number))

    @cached_property
    def _basis(self) -> str:
        """Return the fingerprint of what all units have in common."""
        return fingerprint(*basis_of(self.bound).values())

    def _inputs(self, target: Target, key: str) -> list[Any]:
        """Return what a unit reads: the digests of its rows, and the facts of its target."""
        if target is None:
            return [
                [name, number, video_id, receipt.digest]
                for name, number, receipts in self._read
                for video_id, receipt in receipts.items()
            ]
        digests: list[Any] = [
            [name, number, receipt.digest]
            for name, number, receipts in self._read
            if (receipt := receipts.get(key)) is not None
        ]
        own = self.bound.resource.facts
        return [*digests, target.facts, *([own[key]] if key in own else [])]

    @cached_property
    def _read(self) -> list[tuple[str, int, Mapping[str, Receipt]]]:
        """Return name, round and receipts of every table that the stage reads."""
        stage, number = self.bound.stage, self.bound.round_number
        tables = [(table, number) for table in (*stage.reads, *stage.optional)]
        tables += [(table, number - 1) for table in stage.reads_previous if number > 0]
        if stage.scope == "video":  # the row of the video itself is among its facts
            tables = [(table, n) for table, n in tables if table is not VIDEOS]
        return [(table.name, n, self.snapshot.receipts(table, n)) for table, n in tables]


def _sources(bound: Bound) -> Sequence[Source]:
    """Return the sources of a stage.

    Raises:
        UsageError: if two have the same key.
    """
    sources = bound.stage.sources(bound.context)
    for key, count in Counter(source.key for source in sources).items():
        if count > 1:
            raise UsageError(
                f"{bound.stage.name}: expected a key of its own for each source, but {count} "
                f"have the key {key!r}: name each of them once"
            )
    return sources
