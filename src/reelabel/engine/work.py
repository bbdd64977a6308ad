"""One unit of work: reads its inputs, calls the stage, writes what it returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from reelabel.engine.plan import Bound, Job, digest_of_all
from reelabel.engine.stage import Output, Tick, Unit
from reelabel.files import remove_leftovers
from reelabel.workspace import Receipt
from reelabel.workspace.editing import UNFINISHED
from reelabel.workspace.products import Files, described, files_below


def do(bound: Bound, job: Job, tick: Tick) -> dict[str, Any]:
    """Do one job from reading its inputs to writing its shards; return its notes."""
    context = bound.context
    unit = Unit(
        root=context.root,
        project=context.project,
        settings=context.settings,
        round_number=context.round_number,
        inputs=context.inputs,
        resource=bound.resource.value,
        files=bound.folder(job.target),
        tick=tick,
        others=context.others,
        target=job.target,
        afresh=job.afresh,
    )
    _check_inputs(bound, job)
    _begin(bound, job)
    output = bound.stage.run(unit)
    home = bound.workspace.round_dir(bound.round_number)
    saved = [result.save(home) for result in output.results]
    files = _files(bound, job, saved)
    if job.target is None:
        _write_all(bound, job, output, files)
    else:
        _write_one(bound, job, output, files)
    bound.workspace.forget_failure(bound.stage.name, bound.number, job.key)
    return output.notes


def _files(bound: Bound, job: Job, saved: Sequence[Path]) -> Files:
    """Return what the files are that a unit consists of, beside its tables."""
    stage = bound.stage
    own = files_below(bound.folder(job.target).path, stage.aside) if stage.folder else ()
    return described(bound.workspace.root, {*own, *saved})


def clean_up(bound: Bound) -> None:
    """Remove what killed writes of a stage left behind, except in the folders of its units."""
    ws, stage = bound.workspace, bound.stage
    notes = [
        ws.failure_path(stage.name, bound.number, "x"),
        ws.receipt_path(stage.name, bound.number),
    ]
    folders = {path.parent for path in notes}
    folders |= {ws.table_dir(table, bound.round_number) for table in stage.writes}
    if stage.scope == "all":
        own = bound.folder(None).path
        folders |= {own, *(own / name for name in stage.aside), ws.round_dir(bound.round_number)}
    for folder in sorted(folders):
        remove_leftovers(folder)


def _check_inputs(bound: Bound, job: Job) -> None:
    """Read what the unit needs before anything of it is taken back.

    Raises:
        MissingInput: if an earlier stage has not made it.
        ShardError: if it is damaged.
    """
    if job.target is not None:
        for table in bound.stage.reads:
            bound.context.inputs.rows(table, job.key)


def _begin(bound: Bound, job: Job) -> None:
    """Mark the unit as unfinished, so that half-made work cannot pass for the old one."""
    ws = bound.workspace
    if job.target is not None:
        for table in bound.stage.writes[-1:]:
            ws.remove(table, job.key, bound.round_number)
        if bound.stage.folder:
            remove_leftovers(bound.folder(job.target).path)
    elif receipt := ws.read_receipt(bound.stage.name, bound.number):
        unfinished = replace(receipt, fingerprint=UNFINISHED)
        ws.write_receipt(bound.stage.name, bound.number, unfinished)


def _write_one(bound: Bound, job: Job, output: Output, files: Files) -> None:
    """Write the shards of one unit."""
    for table in bound.stage.writes:
        bound.workspace.write(
            table,
            job.key,
            output.tables[table.name],
            fingerprint=job.fingerprint,
            notes=output.notes,
            files=files if table is bound.stage.writes[-1] else None,
            round_number=bound.round_number,
        )


def _write_all(bound: Bound, job: Job, output: Output, files: Files) -> None:
    """Write the shards of all videos, then the receipt."""
    ws, number = bound.workspace, bound.round_number
    made: list[Receipt] = []
    for table in bound.stage.writes:
        shards = output.tables[table.name]
        ws.keep_only(table, shards, number)
        for video_id, rows in sorted(shards.items()):
            made.append(
                ws.write(table, video_id, rows, fingerprint=job.fingerprint, round_number=number)
            )
    digest = digest_of_all(made, output.digest)
    receipt = Receipt(job.fingerprint, digest, output.notes, output.digest, files)
    ws.write_receipt(bound.stage.name, bound.number, receipt)
