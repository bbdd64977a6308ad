"""The mark of pictures and films that reelabel has drawn, so that they are not taken for footage.

It is the comment of a container, or of a JPEG file (ITU-T T.81, B.2.4.5).
"""

from __future__ import annotations

from pathlib import Path

import av.error

from reelabel.errors import MediaError
from reelabel.file_kinds import plain_file
from reelabel.files import write_bytes
from reelabel.media.convert import Picture
from reelabel.media.opening import open_video
from reelabel.media.pictures import encode_jpeg

MARK = "reelabel rendering"
_HEAD_BYTES = 256
_START, _APP0, _COMMENT = b"\xff\xd8", b"\xff\xe0", b"\xff\xfe"


def marked_jpeg(jpeg: bytes) -> bytes:
    """Return a JPEG file with the mark in it."""
    text = MARK.encode()
    segment = _COMMENT + (len(text) + 2).to_bytes(2, "big") + text
    # JFIF requires its own segment first.
    at = 4 + int.from_bytes(jpeg[4:6], "big") if jpeg[2:4] == _APP0 else len(_START)
    return jpeg[:at] + segment + jpeg[at:]


def write_rendering(path: Path, rgb: Picture) -> None:
    """Write a drawn picture as JPEG, with the mark.

    Raises:
        UsageError: as `encode_jpeg`.
        WorkspaceError: if it cannot be written.
    """
    write_bytes(path, marked_jpeg(encode_jpeg(rgb)), sync=False)


def is_rendering(path: Path) -> bool:
    """Return whether a file has the mark; False for one that cannot be read."""
    try:
        with plain_file(path).open("rb") as file:
            head = file.read(_HEAD_BYTES)
        if head.startswith(_START):
            return MARK.encode() in head
        with open_video(path) as container:
            return MARK in container.metadata.values()
    except (MediaError, OSError, av.error.FFmpegError):
        return False
