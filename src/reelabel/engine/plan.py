"""Which units of a stage are done, which are stale, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal

from reelabel.config import Project
from reelabel.data.video import Video
from reelabel.engine.inputs import Inputs, Reads
from reelabel.engine.stage import AnyStage, Context, Resource, Source
from reelabel.tables import SCHEMA_VERSION, VIDEOS, Table
from reelabel.workspace import Receipt, Workspace, fingerprint
from reelabel.workspace.folder import OutputFolder

State = Literal["done", "stale", "missing", "failed"]
Target = Video | Source | None
"""What a unit is about; None stands for all videos."""


@dataclass(frozen=True)
class Bound:
    """A stage with everything that its work depends on."""

    stage: AnyStage
    workspace: Workspace
    project: Project
    settings: Any
    round_number: int
    resource: Resource[Any]

    @property
    def number(self) -> int | None:
        """Return the round of its receipt, None if it belongs to all rounds."""
        return self.stage.number(self.round_number)

    @cached_property
    def context(self) -> Context[Any]:
        """Return what the stage may know before it works."""
        return context_of(
            self.stage, self.workspace, self.project, self.settings, number=self.round_number
        )

    def folder(self, target: Target) -> OutputFolder:
        """Return the folder of a unit's own files."""
        ws, stage = self.workspace, self.stage
        home = ws.round_dir(self.round_number) if stage.per_round else ws.root
        path = home / stage.folder if stage.folder else home
        return OutputFolder(ws.root, path if stage.scope == "all" else path / key_of(target))


@dataclass(frozen=True)
class Job:
    """One unit of work that is to be done: everything that a worker needs, and picklable."""

    bound: Bound
    target: Target
    fingerprint: str
    afresh: bool = False

    @property
    def key(self) -> str:
        """Return what names its shard."""
        return key_of(self.target)

    @property
    def label(self) -> str:
        """Return what people call it."""
        return label_of(self.target) or self.bound.stage.name


@dataclass(frozen=True)
class Planned:
    """One unit, what state it is in, and the job that would bring it up to date."""

    job: Job
    state: State


def key_of(target: Target) -> str:
    """Return what names a unit's shard."""
    if target is None:
        return "all"
    return target.video_id if isinstance(target, Video) else target.key


def label_of(target: Target) -> str:
    """Return what people call a unit, empty if it is about all videos."""
    if target is None:
        return ""
    return target.name if isinstance(target, Video) else target.label


def bind(
    stage: AnyStage, workspace: Workspace, project: Project, settings: Any, *, round_number: int
) -> Bound:
    """Bring a stage together with its settings and load its resource's description."""
    context = context_of(stage, workspace, project, settings, number=round_number)
    return Bound(stage, workspace, project, settings, round_number, stage.resource(context))


def context_of(
    stage: AnyStage, workspace: Workspace, project: Project, settings: Any, *, number: int
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


def plan(bound: Bound) -> list[Planned]:
    """Return every unit of a stage with its state, in a fixed order."""
    if bound.stage.scope == "all":
        return [_planned(bound, None, _finished_all(bound))]
    return [_planned(bound, target, _finished(bound, target)) for target in _targets(bound)]


def counts(planned: list[Planned]) -> dict[str, int]:
    """Return how many units are in which state."""
    return dict(Counter(unit.state for unit in planned))


def _targets(bound: Bound) -> Iterator[Video | Source]:
    if bound.stage.scope == "source":
        yield from bound.stage.sources(bound.context)
        return
    for video in bound.workspace.videos():
        if video.usable and (bound.stage.tests_too or not video.is_test):
            yield video


def _finished(bound: Bound, target: Target) -> Receipt | None:
    """Return the receipt of the table that is written last, if all the others are there too."""
    ws, number = bound.workspace, bound.round_number
    receipts = [ws.receipt(t, key_of(target), number) for t in bound.stage.writes]
    made_by = {receipt.fingerprint if receipt else None for receipt in receipts}
    return receipts[-1] if len(made_by) == 1 else None


def _finished_all(bound: Bound) -> Receipt | None:
    """Return the receipt of a stage that sees all videos, if its shards are still those it made."""
    ws, number = bound.workspace, bound.round_number
    receipt = ws.read_receipt(bound.stage.name, bound.number)
    if receipt is None or not bound.stage.writes:
        return receipt
    found = [ws.receipt(t, v, number) for t in bound.stage.writes for v in ws.shards(t, number)]
    return receipt if receipt.digest == digest_of_all(found) else None


def digest_of_all(receipts: Sequence[Receipt | None], artefact: str = "") -> str:
    """Return the digest of what a stage made that sees all videos: its artefact, its shards."""
    return fingerprint([artefact, *(receipt.digest if receipt else None for receipt in receipts)])


def _planned(bound: Bound, target: Target, receipt: Receipt | None) -> Planned:
    wanted = fingerprint(
        SCHEMA_VERSION,
        bound.stage.name,
        bound.stage.version,
        bound.settings.model_dump(mode="json"),
        {key: getattr(bound.project, key) for key in bound.stage.project_keys},
        bound.resource.fingerprint,
        _inputs(bound, target),
    )
    return Planned(Job(bound, target, wanted), _state(bound, target, receipt, wanted))


def _state(bound: Bound, target: Target, receipt: Receipt | None, wanted: str) -> State:
    if receipt is not None and receipt.fingerprint == wanted:
        return "done"
    if bound.workspace.failure_path(bound.stage.name, bound.number, key_of(target)).is_file():
        return "failed"
    return "stale" if receipt is not None else "missing"


def _inputs(bound: Bound, target: Target) -> list[Any]:
    """Return the digests of everything a unit reads."""
    ws, stage, number = bound.workspace, bound.stage, bound.round_number
    tables: list[tuple[Table, int]] = [(t, number) for t in (*stage.reads, *stage.optional)]
    tables += [(t, number - 1) for t in stage.reads_previous if number > 0]
    digests: list[Any] = [
        [t.name, n, v, receipt.digest]
        for t, n in tables
        if not (target and t is VIDEOS)
        for v in ([key_of(target)] if target else ws.shards(t, n))
        if (receipt := ws.receipt(t, v, n)) is not None
    ]
    digests.append(_facts(target))
    for name in stage.after:
        receipts = [ws.read_receipt(name, n) for n in (number, None)]
        digests.append([name, next((r.digest for r in receipts if r), None)])
    return digests


def _facts(target: Target) -> dict[str, Any]:
    """Return what is known of a unit; footage that was moved or renamed is the same footage."""
    if target is None:
        return {}
    if isinstance(target, Source):
        return dict(target.facts)
    return {k: v for k, v in asdict(target).items() if k not in ("path", "name")}
