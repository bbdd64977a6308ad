"""The names under which a workspace's videos can be found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from reelabel.data.video import Video
from reelabel.data.video_names import VideoNames
from reelabel.errors import MissingInput
from reelabel.workspace.receipts import Receipt
from reelabel.workspace.workspace import Workspace


class VideosById(dict[str, Video]):
    """Registered videos by id; an id that only other tables have is explained when looked up."""

    def __init__(self, videos: Iterable[Video]) -> None:
        super().__init__((video.video_id, video) for video in videos)

    def __missing__(self, video_id: str) -> Video:
        """State why a video that has rows is not there.

        Raises:
            MissingInput: always.
        """
        raise MissingInput(
            f"tables hold rows of the video {video_id}, which is not registered: "
            "register it again with  reelabel run WORKSPACE"
        )


def copies_in(receipt: Receipt | None) -> Mapping[str, str]:
    """Return the further files of each content, as the stage `register` noted: path, video id.

    Paths are absolute, or relative to the workspace.
    """
    copies: dict[str, str] = receipt.notes.get("copies", {}) if receipt else {}
    return copies


def video_names(workspace: Workspace, *, usable: bool = False) -> VideoNames:
    """Return the names of all registered videos; `usable`: without those that failed."""
    copies = copies_in(workspace.read_receipt("register", None))
    videos = (video for video in workspace.videos() if video.usable or not usable)
    return VideoNames(videos, in_folder(copies, workspace.root))


def in_folder(copies: Mapping[str, str], root: Path) -> dict[Path, str]:
    """Return the video ids of copies by the paths of the files."""
    return {root / name: video_id for name, video_id in copies.items()}
