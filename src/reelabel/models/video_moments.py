"""What a classifier judges of a video: single frames, or windows of frames, from one decode."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from reelabel.labels.windows import WindowFormer, WindowSettings
from reelabel.media.pictures import encode_jpeg
from reelabel.media.probe import VideoInfo
from reelabel.media.quality import ANALYSIS_WH, CutDetector
from reelabel.media.sampling import FrameSampler, SamplingSettings, StepSampler
from reelabel.media.stream import scan
from reelabel.media.video import Frame, decode, frames
from reelabel.models.base import Classifier, Image
from reelabel.models.detector_pool import FrameRef

FRAME_STEP_S = 1.0
"""Seconds between the frames that a model of single frames judges, unless told otherwise."""


@dataclass(frozen=True)
class MomentPlan:
    """Which frames of a video are judged together.

    Attributes:
        frames: per moment; 1 for models of single frames.
        step_s: seconds between frames; 0 for every frame.
        fit_wh: a size into which pictures are reduced, their aspect kept; None: whole pictures.
        keep: whether whole pictures are kept, as JPEG.
    """

    frames: int
    step_s: float
    fit_wh: tuple[int, int] | None = None
    keep: bool = False

    @classmethod
    def of(cls, classifier: Classifier, step_s: float | None = None, *, keep: bool = False) -> Self:
        """Return what a classifier judges.

        Args:
            classifier: the classifier.
            step_s: seconds between frames; None: as it was trained, else `FRAME_STEP_S`.
            keep: whether whole pictures are kept.
        """
        own = classifier.step_s if classifier.frames > 1 else classifier.step_s or FRAME_STEP_S
        step_s = own if step_s is None else step_s
        return cls(classifier.frames, step_s, classifier.fit_wh, keep=keep)


@dataclass(frozen=True, eq=False)
class TakenFrame:
    """A frame that a classifier judges.

    Attributes:
        ref: which one it is.
        picture: ``(height, width, 3)`` uint8 RGB, reduced as the plan states.
        jpeg: the whole picture as a JPEG file; empty unless it is kept.
    """

    ref: FrameRef
    picture: Image
    jpeg: bytes = b""


def video_moments(
    path: Path, info: VideoInfo, span_s: tuple[float, float], plan: MomentPlan
) -> Iterator[tuple[TakenFrame, ...]]:
    """Yield the moments of a video that are judged, in order; memory does not grow.

    Windows contain no cut and no hole in time, as in `reelabel.labels.windows`. Damaged frames are
    left out.

    Args:
        path: the video, or a picture.
        info: of the file.
        span_s: first second that is judged, and the first one behind.
        plan: which frames are judged together.

    Raises:
        UnreadableVideo: if the file cannot be opened.
    """
    if plan.frames > 1:
        return _windows(path, info, span_s, plan)
    return ((_taken(frame, plan),) for frame in _sampled(path, info, span_s, plan.step_s))


def _sampled(
    path: Path, info: VideoInfo, span_s: tuple[float, float], step_s: float
) -> Iterator[Frame]:
    """Yield frames at even distances; what lies between is skipped where that is faster."""
    start_s, end_s = span_s
    rule = SamplingSettings(every_s=step_s) if step_s else SamplingSettings()
    sampler, wanted = FrameSampler(rule, end_s - start_s), []
    for pts in scan(path).pts.tolist():
        time_s = info.time_s(pts)
        # Seconds are rounded where they are written down: a thousandth of slack on either side.
        if start_s - 1e-3 <= time_s < end_s - 1e-3 and sampler.takes(max(time_s - start_s, 0.0)):
            wanted.append(pts)
    return frames(path, wanted, on_error=lambda _: None)


def _windows(
    path: Path, info: VideoInfo, span_s: tuple[float, float], plan: MomentPlan
) -> Iterator[tuple[TakenFrame, ...]]:
    """Yield windows of frames, end to end."""
    settings = WindowSettings(frames=plan.frames, step_s=plan.step_s, mode="dense")
    former = WindowFormer[TakenFrame](settings, plan.step_s or 1 / float(info.fps or 25))
    cuts, sampler, shot = CutDetector(), StepSampler(plan.step_s), 0
    start_s, end_s = span_s
    last_s = None if end_s >= info.duration_s else end_s
    for frame in decode(path, start_s=start_s or None, end_s=last_s, on_error=lambda _: None):
        shot += bool(cuts.is_cut(frame.rgb(ANALYSIS_WH)))
        if sampler.takes(frame.time_s):
            yield from former.add(_taken(frame, plan), frame.time_s, shot)
    yield from former.end()


def _taken(frame: Frame, plan: MomentPlan) -> TakenFrame:
    ref = FrameRef(frame.pts, frame.index, frame.time_s)
    jpeg = encode_jpeg(frame.rgb(), 95) if plan.keep else b""
    return TakenFrame(ref, frame.rgb(plan.fit_wh), jpeg)
