"""What `show` writes, whatever the task: a video with every frame drawn, and some of its frames."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from reelabel.data.video import Video
from reelabel.engine.progress import Display
from reelabel.errors import MediaError, MissingInput
from reelabel.files import explained
from reelabel.media.encode import VideoWriter, written_behind
from reelabel.media.pictures import of_size
from reelabel.media.rendering import MARK, write_rendering
from reelabel.media.video import Frame, decode
from reelabel.models.base import Image
from reelabel.tables import Table
from reelabel.workspace import Workspace
from reelabel.workspace.rounds import current_rounds


@dataclass(frozen=True)
class Shown:
    """What was written for one video.

    Attributes:
        video: its name; empty for one film of all videos.
        movie: the film.
        pictures: frames of it as JPEG.
        hits: how many findings it shows, and how many there are; None where it shows labels.
        failure: why the video could not be drawn; there is no film then.
    """

    video: str
    movie: Path
    pictures: list[Path]
    hits: tuple[int, int] | None = None
    failure: str = ""


def asked(workspace: Workspace, number: int | None) -> list[int]:
    """Return the round that is asked for, or all current ones.

    Raises:
        MissingInput: if there is no such round.
    """
    if number is None:
        return current_rounds(workspace)
    known = workspace.rounds()
    if number not in known:
        have = ", ".join(map(str, known)) or "none yet"
        raise MissingInput(f"there is no round {number} in {workspace.root}; there is: {have}")
    return [number]


def last_labelled(workspace: Workspace, number: int | None, labels: Table) -> int:
    """Return the round that is asked for, or the last that has labels.

    Raises:
        MissingInput: if there are none, or no such round.
    """
    for n in reversed(asked(workspace, number)):
        if workspace.shards(labels, n):
            return n
    raise MissingInput(f"{workspace.root} has no labels yet: run  reelabel run {workspace.root}")


def show_folder(workspace: Workspace, number: int, out: Path | None) -> Path:
    """Return the folder to write to, made: the given one, or ``show/`` in the round's folder.

    Raises:
        WorkspaceError: if it cannot be made.
    """
    folder = out or workspace.round_dir(number) / "show"
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def stem_of(video: Video) -> str:
    """Return the name of the files of a video, without suffix."""
    return f"{Path(video.name).stem}-{video.video_id[:6]}"


def each_shown(
    videos: Iterable[Video], draw: Callable[[Video], Shown], movie: Callable[[Video], Path]
) -> list[Shown]:
    """Draw videos; of one that cannot be read or written the failure is kept, and others go on.

    Args:
        videos: the videos.
        draw: writes the film of one.
        movie: the film's name.

    Raises:
        MediaError: if there are videos and none can be drawn.
    """
    shown: list[Shown] = []
    failed: list[MediaError] = []
    for video in videos:
        try:
            shown.append(draw(video))
        except MediaError as exc:
            failed.append(exc)
            shown.append(Shown(video.name, movie(video), [], failure=str(exc)))
    if failed and len(failed) == len(shown):
        raise failed[0]
    return shown


def draw_video(
    video: Video,
    movie: Path,
    draw: Callable[[Frame, Image], Image],
    stills: Mapping[int, Sequence[Path]],
    *,
    display: Display,
) -> Shown:
    """Write a video with every frame drawn, at its true frame rate; only a few frames are held.

    Args:
        video: the video.
        movie: the file to write.
        draw: given a frame and its picture in the size of the video, returns what is shown.
        stills: time stamps of frames that are written as JPEG too, and where.
        display: is told how far it is.

    Raises:
        MediaError: if the video cannot be read or written.
    """
    written: list[Path] = []
    rate = Fraction(video.fps).limit_denominator(1001)
    time_base = video.time_base
    writer = VideoWriter(movie, time_base=time_base, rate=rate, quick=True, comment=MARK)
    with writer, written_behind(writer) as write:
        for frame in decode(video.path):
            share = frame.time_s / max(video.duration_s, 1e-9)
            display.tick(video.name, share, video.name)
            picture = draw(frame, of_size(frame.rgb(), video.size_wh))
            write(picture, frame.pts)
            for path in stills.get(frame.pts, ()):
                write_rendering(path, picture)
                written.append(path)
    return Shown(video.name, movie, written)
