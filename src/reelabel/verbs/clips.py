"""clips: write the clips of a workspace as video files, with a table of what they are."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path

from reelabel.data.video import Video
from reelabel.errors import MediaError, MissingInput, UsageError
from reelabel.files import safe_stem, staged_folder, write_text
from reelabel.media.spans import copy_span, span_suffix
from reelabel.tables import CLIPS, Row
from reelabel.workspace import Workspace

TABLE = "clips.csv"
COLUMNS = ("file", "name", "clip", "start_s", "end_s", "origin")


def clips(
    workspace: Workspace | Path | str,
    out: Path | str,
    *,
    exact: bool = False,
    on_message: Callable[[str], None] | None = None,
) -> Path:
    """Write every clip as a file, without sound, and return the folder.

    The stage `cut` decides what the clips are. ``clips.csv`` names each file, the id of its video,
    and the span that the file holds, in seconds of the video; the setting ``cut.spans`` reads it.

    Args:
        workspace: a workspace or its folder.
        out: a folder that does not exist yet or is empty; it appears when all is written.
        exact: encode exactly the frames of each clip; else packets are copied, many times faster,
            from the key frame before its start.
        on_message: is called with a sentence on each clip that could not be written.

    Raises:
        MissingInput: if nothing was cut yet.
        UsageError: if the folder holds something.
        MediaError: if no clip could be written.
    """
    ws = workspace if isinstance(workspace, Workspace) else Workspace.open(workspace)
    jobs = list(_clips(ws))
    if not jobs:
        raise MissingInput(f"{ws.root}: there are no clips yet: run  reelabel cut {ws.root}")
    with staged_folder(Path(out)) as folder:
        rows = list(_written(folder, jobs, exact=exact, on_message=on_message))
        if not rows:
            how = "without --exact" if exact else "with --exact"
            raise MediaError(f"none of {len(jobs)} clips could be written: try again {how}")
        write_text(folder / TABLE, _table(rows), atomic=False)
    return Path(out)


def _written(
    folder: Path,
    jobs: list[tuple[Video, Row]],
    *,
    exact: bool,
    on_message: Callable[[str], None] | None,
) -> Iterator[Row]:
    """Write clips and yield their rows; one that cannot be written is left out."""
    for video, clip in jobs:
        try:
            yield _write(folder, video, clip, exact=exact)
        except (MediaError, UsageError) as exc:
            if on_message is not None:
                on_message(f"{video.name}, clip {clip['clip']}: {exc}")


def _clips(ws: Workspace) -> Iterator[tuple[Video, Row]]:
    """Yield the clips of all usable videos."""
    cut = set(ws.shards(CLIPS))
    for video in ws.videos():
        if video.usable and video.video_id in cut:
            yield from ((video, clip) for clip in ws.read(CLIPS, video.video_id).to_pylist())


def _write(folder: Path, video: Video, clip: Row, *, exact: bool) -> Row:
    """Write one clip and return its row of the table."""
    suffix = ".mp4" if exact else span_suffix(video.path.name)
    stem = f"{safe_stem(video.path.stem)}-{video.video_id[:8]}-{clip['clip']:04d}"
    with video.path.open("rb") as file:
        span = copy_span(
            file, clip["start_s"], clip["end_s"], folder / f"{stem}{suffix}", exact=exact
        )
    return {
        "file": f"{stem}{suffix}",
        "name": video.video_id,
        "clip": clip["clip"],
        "start_s": f"{span.start_s:.6f}",
        "end_s": f"{span.end_s:.6f}",
        "origin": clip["origin"],
    }


def _table(rows: list[Row]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
