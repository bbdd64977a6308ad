"""window  clips -> moments  1:N  what a classifier judges: frames, or windows of frames.

A frame is taken from those that `sample` kept and `dedup` did not drop. A window is cut anew from
the video, with pictures at a fixed distance in time: near-duplicates are what motion is made of.
Frames of test videos are never dropped as duplicates.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc

from reelabel.config import NoSettings
from reelabel.engine.stage import Output, Stage, Unit
from reelabel.errors import MediaError
from reelabel.labels.windows import WindowSettings, find_windows
from reelabel.media.pictures import encode_jpeg, fit
from reelabel.media.quality import ANALYSIS_WH, CutDetector
from reelabel.media.sampling import StepSampler
from reelabel.media.video import Frame, decode_spans
from reelabel.tables import CLIPS, DUPLICATES, FRAMES, MOMENTS, VIDEOS, Row, spans_of
from reelabel.workspace.workspace import PICTURE_NAME


def frames(unit: Unit[NoSettings, None]) -> Output:
    """Return one moment for each sampled frame of a video that is kept."""
    rows = unit.rows(FRAMES).filter(pc.field("kept"))
    if not unit.video.is_test:
        dropped = unit.rows(DUPLICATES)["pts"]
        rows = rows.filter(pc.invert(pc.is_in(rows["pts"], value_set=dropped)))
    moments = [
        {
            "video_id": row["video_id"],
            "pts": row["pts"],
            "until_pts": row["pts"],
            "shot": row["shot"],
            "frames": [row["pts"]],
            "pictures": [row["picture"]],
            "crc32": row["crc32"],
        }
        for row in rows.to_pylist()
    ]
    return Output({"moments": MOMENTS.from_rows(moments)}, {"moments": len(moments)})


@dataclass(frozen=True)
class TakenFrame:
    """A frame that windows may contain, with its written picture."""

    pts: int
    time_s: float
    shot: int
    picture: str
    crc32: int


def clips(unit: Unit[WindowSettings, None]) -> Output:
    """Return the windows of a video; write their pictures."""
    problems: list[str] = []
    taken = list(_taken(unit, problems))
    if not taken:
        why = f": {problems[0]}" if problems else ""
        raise MediaError(f"{unit.video.name}: no frame could be taken{why}")
    windows = find_windows(
        np.array([frame.time_s for frame in taken]),
        np.array([frame.shot for frame in taken], np.int64),
        unit.settings,
    )
    moments = [_moment(unit, [taken[i] for i in window]) for window in windows.tolist()]
    used = {f"{pts}.jpg" for moment in moments for pts in moment["frames"]}
    unit.files.keep_only(used, PICTURE_NAME)
    padded = sum(len(set(window)) < len(window) for window in windows.tolist())
    notes: Row = {"moments": len(moments), "padded": padded}
    if problems:
        notes |= {"state": "partial", "damaged_places": len(problems), "first": problems[0]}
    return Output({"moments": MOMENTS.from_rows(moments)}, notes)


def _taken(unit: Unit[WindowSettings, None], problems: list[str]) -> Iterator[TakenFrame]:
    """Decode all clips in one pass; write and yield the frames at the distance that is set."""
    clips = unit.rows(CLIPS).to_pylist()
    found = decode_spans(
        unit.video.path,
        spans_of(clips, unit.video.duration_s),
        on_error=lambda error: problems.append(str(error)),
    )
    at, shot, cuts, sampler = -1, -1, CutDetector(), StepSampler(unit.settings.step_s)
    for position, frame in found:
        if position != at:
            at, shot, cuts = position, shot + 1, CutDetector()
            sampler = StepSampler(unit.settings.step_s)
        unit.tick(frame.time_s / max(unit.video.duration_s, 1e-9), "")
        shot += bool(cuts.is_cut(frame.rgb(ANALYSIS_WH)))
        if sampler.takes(frame.time_s):
            yield _written(unit, frame, shot)


def _written(unit: Unit[WindowSettings, None], frame: Frame, shot: int) -> TakenFrame:
    s, picture = unit.settings, frame.rgb()
    if s.size_px and max(picture.shape[:2]) > s.size_px:
        picture = fit(picture, "longest", (s.size_px, s.size_px))[0]
    written = encode_jpeg(picture, quality=s.jpeg_quality)
    name = unit.files.write(f"{frame.pts}.jpg", written)
    return TakenFrame(frame.pts, frame.time_s, shot, name, zlib.crc32(written))


def _moment(unit: Unit[WindowSettings, None], window: list[TakenFrame]) -> Row:
    content = b"".join(frame.crc32.to_bytes(4, "big") for frame in window)
    return {
        "video_id": unit.video.video_id,
        "pts": window[0].pts,
        "until_pts": window[-1].pts,
        "shot": window[0].shot,
        "frames": [frame.pts for frame in window],
        "pictures": [frame.picture for frame in window],
        "crc32": zlib.crc32(content),
    }


ARROW = (__doc__ or "").splitlines()[0]
FRAME_STAGE = Stage(
    name="window",
    arrow=ARROW,
    settings=NoSettings,
    run=frames,
    reads=(VIDEOS, FRAMES, DUPLICATES),
    writes=(MOMENTS,),
    tests_too=True,
)
CLIP_STAGE = Stage(
    name="window",
    arrow=ARROW,
    settings=WindowSettings,
    run=clips,
    reads=(VIDEOS, CLIPS),
    writes=(MOMENTS,),
    folder="windows",
    tests_too=True,
)
