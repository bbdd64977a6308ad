"""report: one self-contained HTML page on all rounds of a workspace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from reelabel._version import __version__
from reelabel.config import Config
from reelabel.data.video import Video
from reelabel.errors import counted, first_of
from reelabel.models.weights import read_lock
from reelabel.pipeline import read_config, task_of
from reelabel.short_names import member_names
from reelabel.tables import DUPLICATES, FRAMES
from reelabel.verbs.report_content import (
    fingerprint_of_content,
    note_written,
    written_report,
)
from reelabel.verbs.run import opened
from reelabel.verbs.status import status
from reelabel.views.html import Decision, DuplicateGroup, ModelUsed, ReportData
from reelabel.workspace import Workspace, results
from reelabel.workspace.results import SplitReport
from reelabel.workspace.rounds import decision_of, teacher_spec
from reelabel.workspace.snapshot import Snapshot

_TAGS_ALONE = "none, the tags alone"
_MOST_GROUPS = 8
"""So many groups of near-duplicates are listed."""


def report(workspace: Workspace | Path | str) -> Path:
    """Write the report into the folder of the last round that has labels; return its path.

    A report that is there stays as it is if nothing that it shows has changed.

    Args:
        workspace: a workspace or its folder.

    Raises:
        MissingInput: if no round has labels yet.
        UsageError: if the workspace's task has no report.
    """
    ws = opened(workspace)
    config = read_config(ws)
    content, there = fingerprint_of_content(ws, config), written_report(ws, config)
    if there is not None and there.fingerprint == content:
        return there.path
    written: Path = task_of(config).part("report")(ws, config)
    note_written(ws, written, content)
    return written


def base_report(
    workspace: Workspace, config: Config, rounds: Sequence[int], snapshot: Snapshot | None = None
) -> ReportData:
    """Return the sections that every task has: footage, decision, models, settings, versions.

    Args:
        workspace: a workspace of any task.
        config: its settings.
        rounds: those that have labels, one at least.
        snapshot: of the workspace, shared with other sections: each table is read once.
    """
    decision, snapshot = decision_of(workspace, rounds[-1]), snapshot or Snapshot(workspace)
    groups = _duplicates(snapshot)
    return ReportData(
        title=f"{', '.join(config.project.classes)}: {counted(len(rounds), 'round')}",
        subtitle=f"workspace {workspace.root.resolve().name}, by reelabel {__version__}",
        facts=list(_facts(snapshot, rounds)),
        warnings=[*_warnings(snapshot, rounds[-1]), *_not_current(snapshot, config)],
        decision=_shown_decision(decision),
        duplicates=[DuplicateGroup(*group) for group in groups[:_MOST_GROUPS]],
        duplicates_about=_duplicates_sentence(groups),
        models=list(_models(workspace, config, rounds)),
        settings=dict(_settings(config)),
        versions={name: version(name) for name in ("av", "numpy", "onnxruntime", "pyarrow")},
    )


def _shown_decision(found: results.Decision | None) -> Decision | None:
    if found is None:
        return None
    return Decision(found.action, found.reason, found.best, found.findings)


def _facts(snapshot: Snapshot, rounds: Sequence[int]) -> Iterator[tuple[str, str]]:
    videos = snapshot.videos()
    failed = sum(not video.usable for video in videos)
    sampled = len(snapshot.rows(FRAMES))
    yield "videos", str(len(videos)) + (f" ({failed} failed)" if failed else "")
    yield "frames sampled", str(sampled)
    yield "rounds", str(len(rounds))


def _warnings(snapshot: Snapshot, last: int) -> Iterator[str]:
    split = SplitReport.load(snapshot.workspace.round_dir(last))
    if split is not None and not split.leak_free:
        yield f"The split leaks: {split.reason}. Agreement on it flatters the student."
    bad = [video.name for video in snapshot.videos() if not video.usable]
    if bad:
        yield f"Videos that could not be used ({len(bad)}): {first_of(bad)}"


def _not_current(snapshot: Snapshot, config: Config) -> Iterator[str]:
    """Yield which figures are of other settings or other footage than the workspace's now."""
    stages = status(snapshot.workspace, config, snapshot=snapshot)
    first = next((one for one in stages if one.rests_on or "stale" in one.units), None)
    if first is not None:
        number = "" if first.round_number is None else f" of round {first.round_number}"
        why = "; ".join(first.stale) or f"{first.rests_on} is to be done before it"
        yield (
            f"Not up to date from {first.stage}{number} on ({why}): that part is of other settings "
            "or other footage than the workspace's now."
        )


def _duplicates(snapshot: Snapshot) -> list[tuple[str, list[str]]]:
    """Return each frame that stands for near-duplicates with these, the largest groups first."""
    videos = {video.video_id: video for video in snapshot.videos()}
    groups: dict[tuple[str, int], list[str]] = {}
    for row in snapshot.rows(DUPLICATES).to_pylist():
        kept = (row["kept_video_id"], row["kept_pts"])
        groups.setdefault(kept, []).append(_moment(videos, row["video_id"], row["pts"]))
    largest = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    return [(_moment(videos, *kept), dropped) for kept, dropped in largest]


def _duplicates_sentence(groups: Sequence[tuple[str, Sequence[str]]]) -> str:
    """Return how many near-duplicates there are, and whether all are listed.

    >>> _duplicates_sentence([("a", ["b", "c"])])
    '1 frame stands for 2 others that look the same.'
    """
    others = sum(len(dropped) for _, dropped in groups)
    stand = "stands" if len(groups) == 1 else "stand"
    words = f"{counted(len(groups), 'frame')} {stand} for {counted(others, 'other')}"
    look = f"look{'s' if others == 1 else ''} the same"
    more = (
        f"; the {_MOST_GROUPS} that stand for most are listed" if len(groups) > _MOST_GROUPS else ""
    )
    return f"{words} that {look}{more}."


def _moment(videos: Mapping[str, Video], video_id: str, pts: int) -> str:
    """Return a frame as people find it again: the file's name and the time in it."""
    video = videos.get(video_id)
    if video is None:
        return video_id
    return f"{video.name} at {(pts - video.start_pts) * float(video.time_base):.2f} s"


def _models(workspace: Workspace, config: Config, rounds: Sequence[int]) -> Iterator[ModelUsed]:
    first = task_of(config).first_teacher(config.project)
    known = read_lock(workspace.root)
    for number in rounds:
        for spec in member_names(teacher_spec(workspace, first, number)):
            sha256 = str(known.get(spec.partition(":")[2], ""))
            yield ModelUsed(f"teacher of round {number}", spec or _TAGS_ALONE, sha256)
        receipt = workspace.read_receipt("train", number)
        if receipt:
            yield ModelUsed(f"student of round {number}", f"round:{number}", receipt.digest)


def _settings(config: Config) -> Iterator[tuple[str, str]]:
    """Yield what differs from the defaults."""
    for name, settings in config.stages.items():
        default = type(settings)().model_dump()
        for key, value in settings.model_dump().items():
            if value != default[key]:
                yield f"{name}.{key}", str(value)
    task = task_of(config)
    yield task.teacher_key, task.first_teacher(config.project) or _TAGS_ALONE
