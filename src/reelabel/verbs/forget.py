"""forget: remove videos with all that was made of them, and never fetch or use them again.

What was fetched goes with its file. The user's own footage is never deleted: it is left out from
now on. Models are not changed; they are named.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from reelabel.engine.project import read_config
from reelabel.errors import FormatError, UsageError
from reelabel.files import read_text
from reelabel.sources.forgetting.chosen import Chosen, Footage, traces_of
from reelabel.sources.forgetting.removal import IMPORTS, Removed, carry_out_order, write_order
from reelabel.sources.forgetting.traces import Traces
from reelabel.verbs.arguments import check_arguments, check_names, listed
from reelabel.verbs.run import opened
from reelabel.workspace import Workspace
from reelabel.workspace.forgotten import Forgotten, ForgottenVideo
from reelabel.workspace.known_exports import known_exports
from reelabel.workspace.results import SplitReport


@dataclass(frozen=True)
class Forgetting:
    """What is forgotten, and what of it cannot be taken back.

    Attributes:
        videos: names of the videos by id.
        wants: source and name of wants that are not fetched again.
        sources: sources of which nothing is fetched again.
        files: fetched files that are deleted.
        own: files of the user that are left out, and not deleted.
        trained: rounds whose student was trained on one of the videos.
        rest_on: later rounds, whose labels rest on such a student.
        removes_rounds: whether these rounds are removed, models included.
        exports: exports outside the workspace that hold or were trained on one of the videos.
        label_files: files of the user's labels and tags that name one of the videos.
        already: names of what was forgotten before.
        removed: what was removed; None if nothing was, as in a dry run.
    """

    videos: dict[str, str]
    wants: tuple[tuple[str, str], ...]
    sources: tuple[str, ...]
    files: tuple[str, ...]
    own: tuple[str, ...]
    trained: tuple[int, ...]
    rest_on: tuple[int, ...]
    removes_rounds: bool
    exports: tuple[str, ...]
    label_files: tuple[str, ...] = ()
    already: tuple[str, ...] = ()
    removed: Removed | None = None


def forget(
    workspace: Workspace | Path | str,
    videos: Sequence[str] | str = (),
    *,
    source: Sequence[str] | str = (),
    models: bool = False,
    dry_run: bool = False,
    confirm: Callable[[Forgetting], bool] | None = None,
) -> Forgetting:
    """Remove videos, and all that was made of them, from a workspace.

    Files that were fetched are deleted, with frames, windows, rows of every table, labels, truth,
    pictures of data sets and of exports inside the workspace, reports, and drawn films. What is
    forgotten is neither fetched nor registered again; ``forgotten.json`` lists it by id. A removal
    that was interrupted is finished first, here or by the next run.

    Args:
        workspace: a workspace or its folder.
        videos: names, paths or ids of videos, addresses, or names of wants.
        source: manifests by their short names: all that was fetched for them, or would be.
        models: remove the rounds whose student was trained on one of the videos, and those after
            them; by default models stay as they are.
        dry_run: remove nothing.
        confirm: is asked with what would be removed; False leaves all as it is.

    Raises:
        UsageError: if a name means no video, or several; or if nothing is named.
        WorkspaceError: if something cannot be removed.
    """
    check_arguments(models=models, dry_run=dry_run)
    ws, names, sources = opened(workspace), _named("videos", videos), _named("source", source)
    if not names and not sources:
        raise UsageError("expected videos or sources to forget, but got none: name them")
    with ws.locked():
        finished = None if dry_run else carry_out_order(ws)
        footage = Footage(ws)
        chosen = footage.choose(names, sources, finished=finished is not None)
        traces = traces_of(footage, chosen)
        plan = _plan(footage, chosen, traces, models=models)
        agreed = bool(chosen) and (confirm is None or confirm(plan))
        if not agreed or dry_run:
            return replace(plan, removed=finished)
        rounds = (*plan.trained, *plan.rest_on) if models else ()
        write_order(ws, traces, _entries(chosen, plan), rounds)
        return replace(plan, removed=carry_out_order(ws))


def _named(argument: str, names: Sequence[str] | str) -> list[str]:
    """Return names as a list; one alone may be given as it is."""
    check_names(argument, found := listed(argument, names))
    return found


def _plan(footage: Footage, chosen: Chosen, traces: Traces, *, models: bool) -> Forgetting:
    """Return what is to be forgotten, and what it touches."""
    root, registered = footage.workspace.root, footage.videos
    fetched = {root / f.file for f in footage.files if (f.source, f.want_id) in chosen.wants}
    paths = [path for path, video_id in footage.paths.items() if video_id in chosen.videos]
    trained = list(_trained_on(footage.workspace, chosen.videos))
    later = [n for n in footage.workspace.rounds() if trained and n > trained[0]]
    return Forgetting(
        videos={v: registered[v].name if v in registered else v for v in sorted(chosen.videos)},
        wants=tuple(sorted(chosen.wants)),
        sources=tuple(sorted(chosen.sources)),
        files=tuple(sorted(str(path) for path in fetched if path.is_file())),
        own=tuple(sorted(str(path) for path in paths if path not in fetched)),
        trained=tuple(trained),
        rest_on=tuple(n for n in later if n not in trained),
        removes_rounds=models,
        exports=tuple(_exports_with(footage.workspace, chosen.videos)),
        label_files=tuple(_label_files(footage.workspace, traces)),
        already=tuple(chosen.already),
    )


def _label_files(workspace: Workspace, traces: Traces) -> Iterator[str]:
    """Yield the files outside the workspace's own folders that the settings name as labels."""
    project = read_config(workspace).project
    given = [name for name in (project.tags, project.truth, project.labels) if name]
    own = [workspace.root / name for name in given if Path(name).parts[0] != IMPORTS]
    for path in own:
        with contextlib.suppress(FormatError):
            if path.is_file() and traces.named_in(read_text(path)):
                yield str(path)


def _trained_on(workspace: Workspace, videos: Collection[str]) -> Iterator[int]:
    """Yield the rounds whose student was trained on one of these videos."""
    for number in workspace.rounds():
        report = SplitReport.load(workspace.round_dir(number))
        if report is not None and report.trained.intersection(videos):
            yield number


def _exports_with(workspace: Workspace, videos: Collection[str]) -> Iterator[str]:
    """Yield the exports outside the workspace that have something of these videos."""
    root = workspace.root.absolute()
    for one in known_exports(workspace.root):
        path = Path(one.path)
        if set(videos).intersection(one.videos) and not path.is_relative_to(root):
            yield one.path if path.exists() else f"{one.path} (not there any more)"


def _entries(chosen: Chosen, plan: Forgetting) -> Forgotten:
    """Return what the list of the workspace is to hold further."""
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    wants: dict[str, set[str]] = {}
    for source, want_id in chosen.wants:
        wants.setdefault(source, set()).add(want_id)
    return Forgotten(
        {video_id: ForgottenVideo(now, plan.trained) for video_id in chosen.videos},
        {source: frozenset(some) for source, some in wants.items()},
        frozenset(chosen.sources),
    )
