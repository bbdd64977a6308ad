"""Scores of teacher, untrained start and student on the same frames, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from reelabel.config import Settings
from reelabel.data.boxes import Boxes
from reelabel.evaluation.figures import (
    ROLES,
    Comparison,
    Gain,
    ModelScores,
    Role,
    VideoScores,
    number,
)
from reelabel.evaluation.frames import KnownFrame
from reelabel.evaluation.intervals import paired_difference, series_difference
from reelabel.evaluation.scores import DetectionScores, detection_scores

Found = Mapping[Role, Sequence[Boxes]]
"""Role -> its detections of each frame."""
Series = tuple[float | None, ...]


class EvaluateSettings(Settings):
    """How scores are made."""

    threshold: float = Field(0.5, ge=0, le=1)
    """Working threshold of precision, recall and F1."""
    resamples: int = Field(500, ge=0, le=100_000)
    """Bootstrap resamples for the intervals; 0 for none."""
    mirror_frames: int = Field(100, ge=0)
    """Sampled frames, spread evenly, on which consistency under mirroring is measured where labels
    were held out; 0 for none."""

    def scoring(self, classes: tuple[str, ...], seed: int) -> Scoring:
        """Return how detections of these classes are scored."""
        return Scoring(classes, self.threshold, self.resamples, seed)


@dataclass(frozen=True)
class Scoring:
    """How detections are scored.

    Attributes:
        classes: the class names that class ids point into.
        threshold: working threshold of precision, recall and F1.
        resamples: of the bootstrap; 0 for no intervals.
        seed: of the bootstrap.
    """

    classes: tuple[str, ...]
    threshold: float = 0.5
    resamples: int = 0
    seed: int = 0

    def scores(self, frames: Sequence[KnownFrame], detections: Sequence[Boxes]) -> DetectionScores:
        """Return the scores of one model's detections of each frame."""
        return detection_scores(
            frames,
            detections,
            self.classes,
            threshold=self.threshold,
            n_resamples=self.resamples,
            seed=self.seed,
        )


def compare(
    frames: Sequence[KnownFrame],
    found: Found,
    scoring: Scoring,
    names: Mapping[str, str] | None = None,
) -> tuple[Comparison | None, dict[Role, Series]]:
    """Score all models on the same frames.

    Args:
        frames: the frames with their true boxes, or with labels in their place.
        found: the detections of each model, one entry per frame.
        scoring: how.
        names: video id -> name; each video is also scored alone if this is given.

    Returns:
        The comparison, None without frames, and the AP of each model in every resample.
    """
    if not frames:
        return None, {}
    scores = {role: scoring.scores(frames, found[role]) for role in ROLES if role in found}
    drawn = {role: one.resamples for role, one in scores.items() if one.resamples is not None}
    student = drawn.get("student")
    compared = Comparison(
        frames=len(frames),
        boxes=next(iter(scores.values())).overall.n_truth,
        models={role: ModelScores.of(one) for role, one in scores.items()},
        gains={
            role: Gain.of(paired_difference(one, student))
            for role, one in drawn.items()
            if student is not None and role != "student"
        },
        resampled=student.unit if student is not None else "",
        units=student.n_units if student is not None else 0,
        videos=compare_videos(frames, found, names, scoring) if names is not None else (),
    )
    series = {role: tuple(map(number, one.samples["ap"].tolist())) for role, one in drawn.items()}
    return compared, series


def series_gain(student: Series, other: Series) -> Gain | None:
    """Return how much higher the student's AP is than another model's, in the same resamples.

    None if there are none, or their numbers differ.
    """
    if not student or len(student) != len(other):
        return None
    first, second = (np.array(one, np.float64) for one in (other, student))  # None becomes NaN
    return Gain.of(series_difference(first, second))


def compare_videos(
    frames: Sequence[KnownFrame], found: Found, names: Mapping[str, str], scoring: Scoring
) -> tuple[VideoScores, ...]:
    """Score all models on the frames of each video, without intervals.

    Args:
        frames: the frames with their true boxes.
        found: the detections of each model, one entry per frame.
        names: video id -> name.
        scoring: how; its number of resamples does not count.
    """
    plain = Scoring(scoring.classes, scoring.threshold)
    result = []
    for video_id in sorted({frame.video for frame in frames}):
        here = [i for i, frame in enumerate(frames) if frame.video == video_id]
        some = [frames[i] for i in here]
        models = {
            role: ModelScores.of(plain.scores(some, [found[role][i] for i in here])).overall
            for role in ROLES
            if role in found
        }
        result.append(VideoScores(video_id, names[video_id], len(some), models))
    return tuple(result)
