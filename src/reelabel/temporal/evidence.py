"""All temporal evidence about one video: flickers, gaps, static repeats, in one pass over it.

Everything that compares pictures shares one decode. What is switched off costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from reelabel.config import Settings
from reelabel.data.sequence import Floats, Ints, rows_by_track
from reelabel.data.states import UNSUPPORTED
from reelabel.temporal.flicker import Flicker, FlickerSettings, flicker_queries
from reelabel.temporal.flow import Filled, FlowAnswer, flow_queries, without_doubles
from reelabel.temporal.gap import (
    ConfirmedBox,
    GapBox,
    GapSettings,
    confirmed_boxes,
    gap_queries,
    without_repeats,
)
from reelabel.temporal.pictures import Grey, PatchQuery, evaluate_queries
from reelabel.temporal.smooth import Smoothed, SmoothSettings, smooth
from reelabel.temporal.static import StaticRepeat, StaticSettings, static_queries
from reelabel.temporal.video import TrackedVideo, UniformTime

_DEFAULTS = SmoothSettings()
Answer = Flicker | StaticRepeat | list[GapBox] | FlowAnswer | None


class EvidenceSettings(Settings):
    """Which temporal evidence is gathered, and with which thresholds."""

    flicker: FlickerSettings = FlickerSettings()
    """Confident boxes that nothing supports: hard negatives."""
    gap: GapSettings = GapSettings()
    """Boxes that the detector missed inside a track: hard positives."""
    static: StaticSettings = StaticSettings()
    """The same weak box at the same unchanging place: hard negatives."""
    smooth: SmoothSettings = SmoothSettings()
    """Smoothed boxes of every track."""

    @property
    def any_enabled(self) -> bool:
        """Return whether anything is gathered at all."""
        kinds = (self.flicker, self.gap, self.static, self.smooth)
        return any(kind.enabled for kind in kinds)


@dataclass(frozen=True)
class Found:
    """The evidence that pictures and tracks give about one video.

    Attributes:
        flickers, repeats: about detections.
        gaps: boxes that are added.
        confirmed: weak detections that confident ones of their track confirm.
    """

    flickers: tuple[Flicker, ...] = ()
    repeats: tuple[StaticRepeat, ...] = ()
    gaps: tuple[GapBox, ...] = ()
    confirmed: tuple[ConfirmedBox, ...] = ()


@dataclass(frozen=True)
class Search:
    """What has to be compared in a video's pictures.

    Attributes:
        queries: one per candidate, gap and place.
        confirmed: weak detections that need no picture.
    """

    settings: EvidenceSettings
    video: TrackedVideo
    queries: tuple[PatchQuery[Answer], ...]
    confirmed: tuple[ConfirmedBox, ...]

    @property
    def frames(self) -> list[int]:
        """Return the frames that are needed, ascending."""
        return sorted({frame for query in self.queries for frame in query.windows})

    def run(self, pictures: Iterable[Callable[[], Grey] | Grey]) -> Found:
        """Evaluate all queries on the pictures of the video, in order from frame 0."""
        answers = list(evaluate_queries(pictures, self.queries))
        flickers = (a for a in answers if isinstance(a, Flicker))
        repeats = tuple(a for a in answers if isinstance(a, StaticRepeat))
        filled = [box for a in answers if isinstance(a, list) for box in a]
        moved = [box for a in answers if isinstance(a, FlowAnswer) for box in a.boxes]
        without_flow: list[Filled] = [*filled, *self.confirmed]
        known = without_repeats(without_flow, repeats)
        every = [*known, *without_doubles(without_repeats(moved, repeats), known, self.video)]
        return Found(
            tuple(f for f in flickers if _testable(f, self.settings.flicker)),
            repeats if self.settings.static.enabled else (),
            tuple(box for box in every if isinstance(box, GapBox)),
            tuple(box for box in every if isinstance(box, ConfirmedBox)),
        )


def _testable(found: Flicker, settings: FlickerSettings) -> bool:
    """Return whether enough frames could have supported the box; fewer are no evidence."""
    return found.kind != UNSUPPORTED or len(found.frames) >= settings.alpha


def plan_search(video: TrackedVideo, settings: EvidenceSettings) -> Search:
    """Return what has to be compared in the pictures of a video to find its evidence."""
    confirmed = confirmed_boxes(video, settings.gap) if settings.gap.enabled else []
    gaps = gap_queries(video, settings.gap) if settings.gap.enabled else []
    queries: list[PatchQuery[Answer]] = []
    if settings.flicker.enabled:
        queries += flicker_queries(video, settings.flicker)
    flow = flow_queries(video, settings.gap) if settings.gap.enabled and settings.gap.flow else []
    filled = [row for query in gaps for row in query.rows]
    filled += [row for query in flow for row in query.gap.rows]
    filled += [row for box in confirmed for row in box.rows]
    if settings.static.enabled or filled:
        # No gap is filled at a static repeat, whether or not those are evidence themselves.
        about = None if settings.static.enabled else np.array(filled)
        queries += static_queries(video, settings.static, about=about)
    return Search(settings, video, (*queries, *gaps, *flow), tuple(confirmed))


@dataclass(frozen=True)
class SmoothedTracks:
    """Smoothed boxes of the started tracks, by track, then frame.

    Attributes:
        frame: ``(m,)`` the processed frame of each row.
        smoothed: ``(m,)`` rows.
        class_id: ``(m,)`` the class of each row's track.
        score: ``(m,)`` of the detection, or the track's median where there is none.
        ends: ``(m, 2)`` the first and the last frame of each row's track.
    """

    frame: Ints
    smoothed: Smoothed
    class_id: Ints
    score: Floats
    ends: Ints


def smooth_tracks(video: TrackedVideo, settings: SmoothSettings = _DEFAULTS) -> SmoothedTracks:
    """Smooth the started tracks of a video at uniform time steps."""
    time = UniformTime.of(video.pts)
    found = smooth(
        time.boxes(video.boxes),
        video.tracks.track_id,
        settings.min_length,
        time.shift(video.shift_xy),
    )
    at = time.back(found.frame)
    kept = found[np.flatnonzero(video.tracks.started[found.track_id] & (at >= 0))]
    frame = time.back(kept.frame)
    track = kept.track_id
    ends = np.stack([np.searchsorted(track, track), np.searchsorted(track, track, "right") - 1], 1)
    class_id, median = _by_track(video, track)
    score = np.where(kept.observed, video.boxes.score[kept.row], median)
    return SmoothedTracks(frame, kept, class_id, score, frame[ends])


def _by_track(video: TrackedVideo, track: Ints) -> tuple[Ints, Floats]:
    """Return for each smoothed row the class and the median score of its track."""
    tracks = rows_by_track(video.tracks.track_id, video.boxes.frame)
    numbers = np.array([video.tracks.track_id[rows[0]] for rows in tracks], np.int64)
    at = np.searchsorted(numbers, track)
    first = np.array([rows[0] for rows in tracks], np.int64)
    medians = np.array([np.median(video.boxes.score[rows]) for rows in tracks], np.float64)
    return video.boxes.class_id[first[at]], medians[at]
