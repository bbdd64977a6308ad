"""clips: write the clips of a workspace as video files, with a table of what they are."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

from reelabel.data.video import Video
from reelabel.errors import MediaError, MissingInput, UsageError
from reelabel.file_kinds import as_path
from reelabel.files import safe_stem, staged_folder, write_text
from reelabel.media.spans import cut_span, span_suffix
from reelabel.media.stream import Timeline, scan_packets
from reelabel.output_files import check_output
from reelabel.tables import CLIPS, Row
from reelabel.verbs.arguments import check_arguments
from reelabel.verbs.run import opened
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
    check_arguments(exact=exact)
    check_output(out)
    out = as_path("out", out)
    ws = opened(workspace)
    jobs = list(_clips(ws))
    if not jobs:
        raise MissingInput(f"{ws.root}: there are no clips yet: run  reelabel cut {ws.root}")
    with staged_folder(Path(out)) as folder:
        rows = list(_written(folder, Path(out), jobs, exact=exact, on_message=on_message))
        if not rows:
            how = "without --exact" if exact else "with --exact"
            raise MediaError(f"none of {len(jobs)} clips could be written: try again {how}")
        write_text(folder / TABLE, _table(rows), atomic=False)
    return Path(out)


def _written(
    folder: Path,
    out: Path,
    jobs: list[tuple[Video, Row]],
    *,
    exact: bool,
    on_message: Callable[[str], None] | None,
) -> Iterator[Row]:
    """Write clips and yield their rows; one that cannot be written is left out."""
    read = lru_cache(maxsize=1)(scan_packets)  # the clips of a video stand one behind the other
    for video, clip in jobs:
        try:
            yield _write(folder, video, clip, read(video.path), exact=exact)
        except (MediaError, UsageError) as exc:
            if on_message is not None:
                # The folder gets its name when all is written.
                why = str(exc).replace(str(folder), str(out))
                on_message(f"{video.name}, clip {clip['clip']}: {why}")


def _clips(ws: Workspace) -> Iterator[tuple[Video, Row]]:
    """Yield the clips of all usable videos."""
    cut = set(ws.shards(CLIPS))
    for video in ws.videos():
        if video.usable and video.video_id in cut:
            yield from ((video, clip) for clip in ws.read(CLIPS, video.video_id).to_pylist())


def _write(folder: Path, video: Video, clip: Row, timeline: Timeline, *, exact: bool) -> Row:
    """Write one clip and return its row of the table."""
    suffix = ".mp4" if exact else span_suffix(video.path.name)
    stem = f"{safe_stem(video.path.stem)}-{video.video_id[:8]}-{clip['clip']:04d}"
    target, span_s = folder / f"{stem}{suffix}", (clip["start_s"], clip["end_s"])
    span = cut_span(video.path, *span_s, target, exact=exact, timeline=timeline)
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
