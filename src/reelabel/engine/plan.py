"""Which units of a stage are done, which are stale, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from reelabel.config import Project
from reelabel.engine.stage import Job, Resource, Stage
from reelabel.tables import SCHEMA_VERSION, VIDEOS, Table
from reelabel.workspace import Receipt, Workspace, fingerprint

State = Literal["done", "stale", "missing", "failed"]


@dataclass(frozen=True)
class Planned:
    """One unit, what state it is in, and the job that would bring it up to date."""

    job: Job
    state: State


@dataclass(frozen=True)
class Bound:
    """A stage with everything that its work depends on."""

    stage: Stage
    workspace: Workspace
    project: Project
    settings: Any
    round_number: int
    resource: Resource

    @property
    def number(self) -> int | None:
        """Return the round of its receipt, None if it belongs to all rounds."""
        return self.stage.number(self.round_number)


def bind(
    stage: Stage, workspace: Workspace, project: Project, settings: Any, *, round_number: int
) -> Bound:
    """Bring a stage together with its settings and load its resource's description."""
    resource = stage.resource(workspace, project, settings, round_number)
    return Bound(stage, workspace, project, settings, round_number, resource)


def plan(bound: Bound) -> list[Planned]:
    """Return every unit of a stage with its state, in a fixed order."""
    if bound.stage.scope == "all":
        return [_planned(bound, {}, _finished_all(bound))]
    return [_planned(bound, video, _finished(bound, video)) for video in _videos(bound)]


def counts(planned: list[Planned]) -> dict[str, int]:
    """Return how many units are in which state."""
    return dict(Counter(unit.state for unit in planned))


def _videos(bound: Bound) -> Iterator[Mapping[str, Any]]:
    for row in bound.workspace.videos():
        if row["state"] == "ok" and (bound.stage.tests_too or row["role"] != "test"):
            yield row


def _finished(bound: Bound, video: Mapping[str, Any]) -> Receipt | None:
    """Return the receipt of the table that is written last, if all the others are there too."""
    ws, number = bound.workspace, bound.round_number
    receipts = [ws.receipt(t, video["video_id"], number) for t in bound.stage.writes]
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


def _planned(bound: Bound, video: Mapping[str, Any], receipt: Receipt | None) -> Planned:
    wanted = fingerprint(
        SCHEMA_VERSION,
        bound.stage.name,
        bound.stage.version,
        bound.settings.model_dump(mode="json"),
        {key: getattr(bound.project, key) for key in bound.stage.project_keys},
        bound.resource.fingerprint,
        _inputs(bound, video),
    )
    job = Job(
        stage=bound.stage,
        workspace=bound.workspace,
        project=bound.project,
        settings=bound.settings,
        round_number=bound.round_number,
        video=video,
        fingerprint=wanted,
    )
    return Planned(job, _state(bound, video, receipt, wanted))


def _state(bound: Bound, video: Mapping[str, Any], receipt: Receipt | None, wanted: str) -> State:
    if receipt is not None and receipt.fingerprint == wanted:
        return "done"
    name = str(video.get("video_id", "all"))
    if bound.workspace.failure_path(bound.stage.name, bound.number, name).is_file():
        return "failed"
    return "stale" if receipt is not None else "missing"


def _inputs(bound: Bound, video: Mapping[str, Any]) -> list[Any]:
    """Return the digests of everything a unit reads."""
    ws, stage, number = bound.workspace, bound.stage, bound.round_number
    tables: list[tuple[Table, int]] = [(t, number) for t in (*stage.reads, *stage.optional)]
    tables += [(t, number - 1) for t in stage.reads_previous if number > 0]
    ids = [video["video_id"]] if video else None
    digests: list[Any] = [
        [t.name, n, v, receipt.digest]
        for t, n in tables
        if not (video and t is VIDEOS)
        for v in (ids if ids is not None else ws.shards(t, n))
        if (receipt := ws.receipt(t, v, n)) is not None
    ]
    # Footage that was moved or renamed is the same footage.
    digests.append({k: v for k, v in video.items() if k not in ("path", "name")})
    for name in stage.after:
        receipts = [ws.read_receipt(name, n) for n in (number, None)]
        digests.append([name, next((r.digest for r in receipts if r), None)])
    return digests
