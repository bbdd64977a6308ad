"""cut  videos -> clips  1:N  the spans of each video that are worked on.

A clip is a span, not a file: nothing is written but two times.
"""

from __future__ import annotations

from pydantic import Field

from reelabel.config import Settings
from reelabel.engine.stage import Output, Stage, Unit
from reelabel.media.probe import probe
from reelabel.media.video import time_range
from reelabel.tables import CLIPS, VIDEOS


class CutSettings(Settings):
    """Which span of every video is worked on; all of it by default."""

    start_s: float | None = Field(None, ge=0)
    """First second of each video; without an end or a duration it runs to the end."""
    end_s: float | None = Field(None, ge=0)
    """Second at which each video ends."""
    duration_s: float | None = Field(None, gt=0)
    """Length in seconds from the start; not together with an end."""


def cut(unit: Unit[CutSettings, None]) -> Output:
    """Return one span per video."""
    s = unit.settings
    info = probe(unit.video.path)
    start_s, end_s = time_range(info, s.start_s, s.end_s, s.duration_s)
    chosen = (s.start_s, s.end_s, s.duration_s) != (None, None, None)
    row: dict[str, object] = {
        "video_id": unit.video.video_id,
        "clip": 0,
        "start_s": start_s,
        "end_s": end_s,
        "origin": "user" if chosen else "whole",
    }
    return Output({"clips": CLIPS.from_rows([row])})


STAGE = Stage(
    name="cut",
    arrow=(__doc__ or "").splitlines()[0],
    settings=CutSettings,
    run=cut,
    reads=(VIDEOS,),
    writes=(CLIPS,),
)
