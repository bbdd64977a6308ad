"""report: what a report is made from, so that one that is up to date is not written again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reelabel._version import __version__
from reelabel.config import Config
from reelabel.engine.project import task_of
from reelabel.engine.task import Task
from reelabel.files import has_file
from reelabel.workspace import Receipt, Workspace, fingerprint
from reelabel.workspace.products import altered, described
from reelabel.workspace.rounds import model_dir, report_path
from reelabel.workspace.snapshot import Snapshot

_NAME = "report"  # of its receipt
_LAYOUT = 2  # raised when the report shows other things of the same content


@dataclass(frozen=True)
class Written:
    """A report as it was written, and the fingerprint of what it was made from."""

    path: Path
    fingerprint: str


def written_report(workspace: Workspace, config: Config) -> Written | None:
    """Return the report of the last round with labels, None if it is missing or altered."""
    path = report_path(workspace, task_of(config).labels)
    receipt = workspace.read_receipt(_NAME, _round_of(path)) if path else None
    if path is None or receipt is None or list(altered(workspace.root, receipt.files)):
        return None
    return Written(path, receipt.fingerprint)


def note_written(workspace: Workspace, path: Path, content: str) -> None:
    """Note what a report was made from.

    Args:
        workspace: its workspace.
        path: the report.
        content: the fingerprint of what it was made from, taken before it was made.
    """
    files = described(workspace.root, [path])
    workspace.write_receipt(_NAME, _round_of(path), Receipt(content, content, files=files))


def _round_of(path: Path) -> int:
    return int(path.parent.name)


def fingerprint_of_content(workspace: Workspace, config: Config) -> str:
    """Return a fingerprint of all that a report may show: settings, tables, results, footage.

    Raises:
        ShardError: if there is a folder in the place of a result.
    """
    task, snapshot = task_of(config), Snapshot(workspace)
    rounds = workspace.rounds()
    return fingerprint(
        _LAYOUT,
        __version__,
        [config.project.model_dump(mode="json")],
        {name: one.model_dump(mode="json") for name, one in sorted(config.stages.items())},
        list(_tables(task, snapshot, rounds)),
        list(_receipts(task, workspace, rounds)),
        [
            [str(path), path.read_text("utf-8", "replace")]
            for path in _results(workspace, rounds)
            if has_file(path)
        ],
        [Path(video.path).is_file() for video in snapshot.videos()],
    )


def _tables(task: Task, snapshot: Snapshot, rounds: list[int]) -> Iterator[list[Any]]:
    """Yield table, round, video and digest of every shard that the task has written."""
    once = [(table, 0) for stage in task.once for table in stage.writes]
    each = [(table, n) for stage in task.each_round for table in stage.writes for n in rounds]
    for table, number in (*once, *each):
        digests = [[v, one.digest] for v, one in snapshot.receipts(table, number).items()]
        yield [table.name, number, digests]


def _receipts(task: Task, workspace: Workspace, rounds: list[int]) -> Iterator[Any]:
    """Yield what the stages that see all videos have noted."""
    for stage in (*task.once, *task.each_round):
        for number in rounds if stage.per_round else (None,):
            receipt = workspace.read_receipt(stage.name, number)
            yield [stage.name, number, receipt and asdict(receipt)]


def _results(workspace: Workspace, rounds: list[int]) -> Iterator[Path]:
    """Yield the files of results that a report shows."""
    yield from workspace.root.glob("weights.lock.json")
    for number in rounds:
        yield from sorted(workspace.round_dir(number).glob("*.json"))
        yield from model_dir(workspace, number).glob("curve.csv")
