"""One unit of work: reads its inputs, calls the stage, writes what it returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from reelabel.engine.plan import Job, digest_of_all
from reelabel.engine.stage import Output, Unit
from reelabel.files import explained
from reelabel.workspace import Receipt


def no_tick(share: float, words: str) -> None:
    """Show nothing."""
    del share, words


def do(job: Job, tick: Callable[[float, str], None] = no_tick) -> dict[str, Any]:
    """Do one job from reading its inputs to writing its shards; return its notes."""
    bound, context = job.bound, job.bound.context
    unit = Unit(
        root=context.root,
        project=context.project,
        settings=context.settings,
        round_number=context.round_number,
        inputs=context.inputs,
        resource=bound.resource.value,
        files=bound.folder(job.target),
        tick=tick,
        target=job.target,
        afresh=job.afresh,
    )
    _check_inputs(job)
    _begin(job)
    output = bound.stage.run(unit)
    for result in output.results:
        result.save(bound.workspace.round_dir(bound.round_number))
    if job.target is None:
        _write_all(job, output)
    else:
        _write_one(job, output)
    forget_failure(job)
    return output.notes


def forget_failure(job: Job) -> None:
    """Remove the note of an earlier failure of this unit."""
    bound = job.bound
    path = bound.workspace.failure_path(bound.stage.name, bound.number, job.key)
    with explained(bound.workspace.root):
        path.unlink(missing_ok=True)


def _check_inputs(job: Job) -> None:
    """Read what the unit needs before anything of it is taken back.

    Raises:
        MissingInput: if an earlier stage has not made it.
        ShardError: if it is damaged.
    """
    if job.target is not None:
        for table in job.bound.stage.reads:
            job.bound.context.inputs.rows(table, job.key)


def _begin(job: Job) -> None:
    """Mark the unit as unfinished, so that half-made work cannot pass for the old one."""
    ws, bound = job.bound.workspace, job.bound
    if job.target is not None:
        for table in bound.stage.writes[-1:]:
            ws.remove(table, job.key, bound.round_number)
    elif receipt := ws.read_receipt(bound.stage.name, bound.number):
        unfinished = replace(receipt, fingerprint="unfinished")
        ws.write_receipt(bound.stage.name, bound.number, unfinished)


def _write_one(job: Job, output: Output) -> None:
    """Write the shards of one unit."""
    for table in job.bound.stage.writes:
        job.bound.workspace.write(
            table,
            job.key,
            output.tables[table.name],
            fingerprint=job.fingerprint,
            notes=output.notes,
            round_number=job.bound.round_number,
        )


def _write_all(job: Job, output: Output) -> None:
    """Write the shards of all videos, then the receipt."""
    bound, ws, number = job.bound, job.bound.workspace, job.bound.round_number
    made: list[Receipt] = []
    for table in bound.stage.writes:
        shards = output.tables[table.name]
        ws.keep_only(table, shards, number)
        for video_id, rows in sorted(shards.items()):
            made.append(
                ws.write(table, video_id, rows, fingerprint=job.fingerprint, round_number=number)
            )
    receipt = Receipt(job.fingerprint, digest_of_all(made, output.digest), output.notes)
    ws.write_receipt(bound.stage.name, bound.number, receipt)
