"""mine  tracks -> evidence  N:n  temporal evidence: flicker, gaps, static repeats, smoothed boxes.

All checks that compare pictures share one decode, and only frames that a check needs are decoded
and converted. What is switched off costs nothing; with all of it off no video is opened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import ClassVar

import cv2
import numpy as np
import pyarrow as pa

from reelabel.data.sequence import Ints
from reelabel.engine.stage import Output, Stage, Unit
from reelabel.errors import DecodeError
from reelabel.media.video import Frame, frames
from reelabel.tables import CAMERA, CORNERS, DETECTIONS, EVIDENCE, TRACKS, VIDEOS, joined
from reelabel.tables.boxes import class_names
from reelabel.temporal.evidence import EvidenceSettings, plan_search, smooth_tracks
from reelabel.temporal.pictures import Grey
from reelabel.temporal.rows import Footage, evidence_rows, smoothed_rows, tracked_video
from reelabel.temporal.video import TrackedVideo


class MineSettings(EvidenceSettings):
    """Which temporal evidence is gathered, and with which thresholds."""

    renamed: ClassVar[Mapping[str, str]] = {
        "flicker": "flicker.enabled",
        "gap": "gap.enabled",
        "static": "static.enabled",
        "smooth": "smooth.enabled",
        "flicker_score": "flicker.score",
        "flicker_support_score": "flicker.support_score",
        "flicker_alpha": "flicker.alpha",
        "flicker_beta": "flicker.beta",
        "flicker_similarity": "flicker.min_similarity",
        "flicker_iou": "flicker.support_iou",
        "flicker_compared": "flicker.min_compared",
        "gap_max": "gap.max_frames",
        "gap_length": "gap.min_length",
        "gap_score": "gap.confident_score",
        "gap_beta": "gap.beta",
        "gap_similarity": "gap.min_similarity",
        "gap_iou": "gap.agreement_iou",
        "static_repeats": "static.min_repeats",
        "static_fill": "static.max_fill",
        "static_score": "static.max_score",
        "static_similarity": "static.min_similarity",
        "smooth_length": "smooth.min_length",
    }


MineUnit = Unit[MineSettings, None]


def mine(unit: MineUnit) -> Output:
    """Return the temporal evidence about one video."""
    tables = list(_evidence(unit)) if unit.settings.any_enabled else []
    evidence = joined(EVIDENCE, tables)
    del tables  # as large as all detections
    counted = evidence["kind"].value_counts().to_pylist()
    return Output({"evidence": evidence}, {c["values"]: c["counts"] for c in counted})


def _evidence(unit: MineUnit) -> Iterator[pa.Table]:
    """Yield what pictures and tracks show, then the smoothed boxes."""
    camera = unit.rows(CAMERA)
    video, names = _video(unit, camera)
    index = camera["frame_index"].to_numpy()
    footage = Footage(unit.video.video_id, unit.video.size_wh, names, index)
    search = plan_search(video, unit.settings)
    found = search.run(_pictures(unit, video.pts, search.frames))
    yield evidence_rows(found, video, footage)
    if unit.settings.smooth.enabled:
        yield smoothed_rows(smooth_tracks(video, unit.settings.smooth), video, footage)


def _video(unit: MineUnit, camera: pa.Table) -> tuple[TrackedVideo, Sequence[str]]:
    """Return the detections of the video with their tracks, and their classes."""
    detections = unit.rows(DETECTIONS, columns=["pts", "category", "score", *CORNERS])
    tracks = unit.rows(TRACKS, columns=["track_id", "started"])
    return tracked_video(detections, tracks, camera), class_names(detections)


def _pictures(unit: MineUnit, pts: Ints, needed: list[int]) -> Iterator[Callable[[], Grey]]:
    """Yield what makes each frame's picture, up to the last needed one."""
    source = frames(unit.video.path, pts[needed].tolist(), threads=1)
    chosen = set(needed)
    for i in range(needed[-1] + 1 if needed else 0):
        if i not in chosen:
            yield _not_requested
            continue
        unit.tick(i / len(pts), f"{i} frames")
        yield partial(_grey, next(source), unit.video.size_wh)


def _not_requested() -> Grey:
    raise DecodeError("internal: frame not requested")


def _grey(frame: Frame, size_wh: tuple[int, int]) -> Grey:
    """Return a frame at the video's size, in whose pixels boxes are given."""
    grey: Grey = frame.grey()
    same = grey.shape == size_wh[::-1]
    return grey if same else np.asarray(cv2.resize(grey, size_wh), np.uint8)


STAGE = Stage(
    name="mine",
    arrow=(__doc__ or "").splitlines()[0],
    settings=MineSettings,
    run=mine,
    reads=(VIDEOS, DETECTIONS, CAMERA, TRACKS),
    writes=(EVIDENCE,),
    per_round=True,
    version=8,
)
