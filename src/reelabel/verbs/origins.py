"""origins: the ledger of what was fetched: from where, by whom, under which licence, when."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict
from pathlib import Path

from reelabel.errors import UsageError
from reelabel.files import write_text
from reelabel.formats.attribution import Origin, attribution_csv
from reelabel.output_files import check_output_file, prepare_outputs
from reelabel.sources.fetching.fetched import FetchedFile, fetched_in
from reelabel.verbs.run import opened
from reelabel.workspace import Workspace
from reelabel.workspace.names import copies_in


def origins(workspace: Workspace | Path | str, *, out: Path | str | None = None) -> list[Origin]:
    """Return the origin of every fetched file, sorted by source and want.

    Files of equal content are one video with an origin each.

    Args:
        workspace: a workspace or its folder.
        out: a file to write them to as well: .csv or .json.

    Raises:
        UsageError: if the file has another suffix.
        WorkspaceError: if it cannot be written.
    """
    check_output_file(out)
    found = origins_of(opened(workspace))
    if out is not None:
        _write(Path(out), found)
    return found


def origins_of(workspace: Workspace, videos: Collection[str] | None = None) -> list[Origin]:
    """Return the origins of these videos, by id; None for those of every fetched file."""
    files = fetched_in(workspace)
    ids = _video_ids(workspace) if files else {}
    found = [_origin(ids.get(file.file, ""), file) for file in files]
    return [one for one in found if videos is None or one.video_id in videos]


def _video_ids(workspace: Workspace) -> dict[str, str]:
    """Return the video ids of registered files by their names in the workspace."""
    copies = copies_in(workspace.read_receipt("register", None))
    root = workspace.root
    paths = {video.path: video.video_id for video in workspace.videos()}
    inside = {p.relative_to(root).as_posix(): v for p, v in paths.items() if p.is_relative_to(root)}
    return inside | dict(copies)


def _origin(video_id: str, file: FetchedFile) -> Origin:
    start_s, end_s = file.span_s
    values = {k: v for k, v in asdict(file).items() if k != "span_s"}
    return Origin(video_id=video_id, start_s=start_s, end_s=end_s, **values)


def _write(path: Path, found: Sequence[Origin]) -> None:
    prepare_outputs([], [path])
    if path.suffix.lower() == ".csv":
        write_text(path, attribution_csv(found))
    elif path.suffix.lower() == ".json":
        rows = [asdict(one) for one in found]
        write_text(path, json.dumps(rows, indent=2, ensure_ascii=False) + "\n")
    else:
        raise UsageError(f"{path}: expected a file that ends in .csv or .json")
