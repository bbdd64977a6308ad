"""Whether a round's data set is what was written, asked before it is trained on or exported."""

from __future__ import annotations

from collections.abc import Collection

from reelabel.errors import MissingInput, ShardError
from reelabel.tables import FRAMES, MOMENTS
from reelabel.workspace.products import Files, altered
from reelabel.workspace.workspace import Workspace

_MADE_BY = {"frames": "sample", "windows": "window"}
"""Folder of pictures -> the stage that writes them."""


ALL = None
"""Of all videos."""


def require_written(
    workspace: Workspace, number: int, *, pictures_of: Collection[str] | None = ALL
) -> None:
    """Refuse a round's data set that is not what the stages wrote, by the checksums they left.

    Args:
        workspace: the workspace.
        number: the round.
        pictures_of: ids of the videos whose pictures are looked at too.

    Raises:
        MissingInput: if the data set was not finished.
        ShardError: naming a file that is missing or altered, and the command that makes it again.
    """
    receipt, of_round = workspace.read_receipt("split", number), f"--round {number}"
    if receipt is None:
        raise MissingInput(
            f"{workspace.root}: the data set of round {number} is not whole: "
            f"make it with  reelabel split {workspace.root} {of_round}"
        )
    _require(workspace, receipt.files | _pictures(workspace, pictures_of), of_round)


def require_pictures(workspace: Workspace, videos: Collection[str]) -> None:
    """Refuse pictures of some videos that are not what `sample` and `window` wrote.

    Args:
        workspace: the workspace.
        videos: ids of the videos.

    Raises:
        ShardError: naming a file that is missing or altered, and the command that makes it again.
    """
    _require(workspace, _pictures(workspace, videos))


def _require(workspace: Workspace, files: Files, of_round: str = "") -> None:
    for name in altered(workspace.root, files):
        made_by = _MADE_BY.get(name.partition("/")[0], "split")
        round_flag = f" {of_round}" if made_by == "split" else ""
        raise ShardError(
            f"{workspace.root / name} is missing or altered: make it again with  "
            f"reelabel {made_by} {workspace.root}{round_flag} --force"
        )


def _pictures(workspace: Workspace, videos: Collection[str] | None) -> Files:
    """Return size and checksum of the pictures that were written of some videos."""
    found: Files = {}
    for table in (FRAMES, MOMENTS):
        for video_id in workspace.shards(table) if videos is None else sorted(videos):
            receipt = workspace.receipt(table, video_id)
            found |= receipt.files if receipt else {}
    return found
