"""Lists the footage of a project: files that it names, and those in the folders that it names.

Outputs are no footage: whatever lies in a workspace or an export that is met on the way, exported
pictures by their names, and the folders that a workspace fills itself. Hidden files and links to
folders are left out too. Drawn films and pictures have a mark inside (`reelabel.media.rendering`),
which is looked for when a file is registered, not here.
"""

from __future__ import annotations

import errno
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from reelabel.config import Project
from reelabel.errors import UsageError, few
from reelabel.formats.coco import truth_pictures
from reelabel.formats.pictures import EXPORT_MARK, FRAME_PICTURE
from reelabel.terminal.text import is_text, plain
from reelabel.workspace.workspace import CONFIG_NAME, OWN_FOLDERS

STILL_SUFFIXES = frozenset({
    ".apng", ".avif", ".bmp", ".gif", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".mpo",
    ".png", ".tif", ".tiff", ".webp",
})  # fmt: skip
"""Of pictures, some of which may move."""
SUFFIXES = STILL_SUFFIXES | {
    ".264", ".265", ".3g2", ".3gp", ".asf", ".avi", ".divx", ".dv", ".f4v", ".flv", ".h264",
    ".h265", ".hevc", ".insv", ".ivf", ".m1v", ".m2p", ".m2t", ".m2ts", ".m2v", ".m4v",
    ".mjpeg", ".mjpg", ".mk3d", ".mkv", ".mov", ".mp4", ".mpe", ".mpeg", ".mpg", ".mpv", ".mts",
    ".mxf", ".nut", ".ogm", ".ogv", ".qt", ".trp", ".ts", ".vob", ".webm", ".wmv", ".wtv", ".y4m",
}  # fmt: skip
"""What is taken from a folder; a file that is named itself is taken whatever its suffix."""
_OTHER_MEDIA = frozenset({
    ".arw", ".braw", ".cr2", ".cr3", ".dds", ".dng", ".dpx", ".exr", ".heic", ".heif", ".jls",
    ".jxl", ".lrv", ".mod", ".nef", ".orf", ".pbm", ".pcx", ".pgm", ".pnm", ".ppm", ".psd", ".qoi",
    ".r3d", ".raf", ".rm", ".rmvb", ".rw2", ".sgi", ".swf", ".tga", ".tod",
})  # fmt: skip
"""Not taken from a folder: most cannot be read; ``.lrv`` are the small copies of other files."""

Role = Literal["footage", "test"]

WORKSPACE = "workspaces"
EXPORT = "exports"
EXPORTED = "exported pictures"
OWN = "outputs of a workspace"
HIDDEN = "hidden files"
LINK = "links to folders: name the folders themselves"
UNREADABLE = "folders without permission to read"
RENDERING = "drawn by reelabel"
NAME = "names that are no UTF-8: rename them"
NO_FILE = "pipes, devices and sockets"
NO_PATH = "names that are too long, or links that lead in a circle: rename or remove them"
KIND = "of kinds that are not taken from folders: name those that FFmpeg reads, convert the others"
FORGOTTEN = "forgotten"


@dataclass
class Footage:
    """The files of a project.

    Attributes:
        files: each file once with its role, in a fixed order.
        left_out: paths that were not taken, by reason.
    """

    files: list[tuple[Path, Role]] = field(default_factory=list)
    left_out: dict[str, list[str]] = field(default_factory=dict)

    def leave_out(self, reason: str, path: Path) -> None:
        """Note a path that is not taken."""
        self.left_out.setdefault(reason, []).append(plain(str(path)))


def left_out_sentences(left_out: dict[str, list[str]]) -> Iterator[str]:
    """Yield one sentence for each reason for which paths were left out."""
    for reason, paths in left_out.items():
        yield f"not taken as footage, {reason} ({len(paths)}): {few(paths)}"


def find_footage(project: Project, root: Path) -> Footage:
    """Return every file that a project names with its role.

    Args:
        project: names files and folders, relative to the workspace.
        root: the workspace's folder, which need not exist yet.

    Raises:
        UsageError: if a folder holds no footage, or all of it was left out.
    """
    found = Footage()
    seen: set[Path] = set()
    # What is named as a test stays one, in whatever folder of footage it lies.
    named: list[tuple[Role, str]] = [
        *(("test", name) for name in project.test_videos),
        *(("footage", name) for name in project.videos),
    ]
    for role, name in named:
        for path in _files(root / name, root, found):
            if path not in seen:
                seen.add(path)
                found.files.append((path, role))
    if found.left_out and not found.files:
        raise UsageError(f"expected footage, but {'; '.join(left_out_sentences(found.left_out))}")
    pictures = truth_pictures(root / project.truth) if project.truth else []
    found.files += [(path, "test") for path in pictures if path not in seen]
    return found


def files_in(folder: Path) -> list[Path]:
    """Return the footage in a folder and below, in a fixed order.

    Raises:
        UsageError: if it holds none, or all of it is output.
    """
    found = Footage()
    files = sorted(_walk(folder, found))
    if not files:
        why = "; ".join(left_out_sentences(found.left_out)) or "it holds none"
        raise UsageError(f"{folder}: expected a folder with videos or pictures, but {why}")
    return files


def _files(path: Path, root: Path, found: Footage) -> list[Path]:
    """Return the footage at a path that a project names."""
    reason = unusable(path) or _output(path)
    if not reason and (path / CONFIG_NAME).is_file() and path.resolve() != root.resolve():
        reason = WORKSPACE
    if reason:
        found.leave_out(reason, path)
        return []
    if not path.is_dir():
        return [path]
    before = sum(map(len, found.left_out.values()))
    files = sorted(_walk(path, found))
    if not files and before == sum(map(len, found.left_out.values())):
        raise UsageError(f"{path}: expected a folder with videos, but it holds none")
    return files


def unusable(path: Path) -> str:
    """Return why a path can never be footage, whatever is in it; empty if it can."""
    if not is_text(str(path)):
        return NAME
    try:
        mode = path.stat().st_mode
    except OSError as exc:
        return NO_PATH if exc.errno in {errno.ENAMETOOLONG, errno.ELOOP} else ""
    return "" if stat.S_ISREG(mode) or stat.S_ISDIR(mode) else NO_FILE


def _output(path: Path) -> str:
    """Return why a path that is named itself is an output, empty if it is none."""
    path = path.resolve()
    below = path.name
    for folder in path.parents:
        if (folder / EXPORT_MARK).is_file():
            return EXPORT
        if below in OWN_FOLDERS and (folder / CONFIG_NAME).is_file():
            return OWN
        below = folder.name
    return EXPORT if (path / EXPORT_MARK).is_file() else ""


def _walk(folder: Path, found: Footage) -> Iterator[Path]:
    """Yield the footage in a folder and below."""
    own = OWN_FOLDERS if (folder / CONFIG_NAME).is_file() else frozenset[str]()
    try:
        paths = sorted(folder.iterdir())
    except PermissionError:
        found.leave_out(UNREADABLE, folder)
        return
    for path in paths:
        if reason := unusable(path):
            found.leave_out(reason, path)
        elif path.is_dir():
            if reason := _folder_kind(path, own):
                found.leave_out(reason, path)
            elif not path.name.startswith("."):
                yield from _walk(path, found)
        elif (suffix := path.suffix.lower()) in SUFFIXES | _OTHER_MEDIA and path.is_file():
            if reason := _file_kind(path) or (KIND if suffix in _OTHER_MEDIA else ""):
                found.leave_out(reason, path)
            else:
                yield path


def _folder_kind(path: Path, own: frozenset[str]) -> str:
    """Return why a folder that is met is left out, empty if it is not."""
    if path.is_symlink():
        return LINK
    if path.name in own:
        return OWN
    if (path / CONFIG_NAME).is_file():
        return WORKSPACE
    return EXPORT if (path / EXPORT_MARK).is_file() else ""


def _file_kind(path: Path) -> str:
    """Return why a file that is met is left out, empty if it is not."""
    if path.name.startswith("."):
        return HIDDEN
    if FRAME_PICTURE.fullmatch(path.name):
        return EXPORTED
    return _output(path) if path.is_symlink() else ""
