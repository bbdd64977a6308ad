"""Whether a round's data set is what was written, asked before it leaves the workspace."""

from __future__ import annotations

from collections.abc import Collection

from reelabel.errors import MissingInput, ShardError
from reelabel.tables import FRAMES, MOMENTS
from reelabel.workspace import Workspace
from reelabel.workspace.products import Files, altered

_MADE_BY = {"frames": "sample", "windows": "window"}
"""Folder of pictures -> the stage that writes them."""


def require_written(workspace: Workspace, number: int, videos: Collection[str]) -> None:
    """Refuse a round's data set that is not what the stages wrote, by the checksums they left.

    Args:
        workspace: the workspace.
        number: the round.
        videos: ids of the videos whose pictures the data set holds.

    Raises:
        MissingInput: if the data set was not finished.
        ShardError: naming a file that is missing or altered, and the command that makes it again.
    """
    receipt = workspace.read_receipt("split", number)
    if receipt is None:
        raise MissingInput(
            f"{workspace.root}: the data set of round {number} is not whole: "
            f"make it with  reelabel split {workspace.root} --round {number}"
        )
    files = receipt.files | _pictures(workspace, videos)
    for name in altered(workspace.root, files):
        made_by = _MADE_BY.get(name.partition("/")[0])
        again = (
            f"{made_by} {workspace.root}" if made_by else f"split {workspace.root} --round {number}"
        )
        raise ShardError(
            f"{workspace.root / name} is missing or altered: "
            f"make it again with  reelabel {again} --force"
        )


def _pictures(workspace: Workspace, videos: Collection[str]) -> Files:
    """Return size and checksum of the pictures that were written of some videos."""
    found: Files = {}
    for table in (FRAMES, MOMENTS):
        for video_id in sorted(videos):
            receipt = workspace.receipt(table, video_id)
            found |= receipt.files if receipt else {}
    return found
