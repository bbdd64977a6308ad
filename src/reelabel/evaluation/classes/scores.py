"""Scores of a classifier with intervals: the one function that evaluation and comparison call."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from reelabel.data.boxes import Floats as Singles
from reelabel.data.boxes import Strings
from reelabel.data.classes import Predictions
from reelabel.evaluation.classes.calibration import reliability
from reelabel.evaluation.classes.figures import (
    ClassFigures,
    ClassScores,
    OverallMeasure,
    ScoreSettings,
)
from reelabel.evaluation.classes.levels import Level, Truth, by_video, level_of
from reelabel.evaluation.classes.metrics import confusion
from reelabel.evaluation.classes.resampling import FEWEST_GROUPS, group_weights, interval
from reelabel.evaluation.classes.sums import Measured, Scored, measure
from reelabel.evaluation.figures import Figure, number

Floats = NDArray[np.float64]


def score(
    predictions: Predictions,
    target: Singles,
    groups: Strings,
    settings: ScoreSettings,
    *,
    level: Level | None = None,
) -> ClassScores:
    """Return the scores of a model, with intervals over resamples of groups.

    Args:
        predictions: of ``(n,)`` moments and k classes.
        target: ``(n, k)`` float32, 1 where a class is true, 0 where it is not, NaN where unknown.
        groups: ``(n,)`` the group of each moment, such as the source or the duplicate cluster of
            its video.
        settings: how it is scored.
        level: what a moment is; by default a frame or a clip, by their time stamps.

    Returns:
        None in place of every figure that is not defined; no intervals with fewer than two groups.

    Raises:
        UsageError: if a shape or a value is not so, or a video is in two groups.
    """
    Truth(predictions.moments, target, groups)
    scored = Scored.of(predictions.probability, target, groups, settings)
    return summarized(scored, Resampled.of(scored), level or level_of(predictions.moments))


def score_levels(
    predictions: Predictions, truth: Truth, settings: ScoreSettings
) -> dict[Level, ClassScores]:
    """Return the scores of moments and those of whole videos, kept apart.

    Args:
        predictions: of the moments of the truth, in its order.
        truth: what is known of them.
        settings: how they are scored.

    Raises:
        UsageError: if a shape or a value is not so.
    """
    of_moments = score(predictions, truth.target, truth.group, settings)
    videos = truth.by_video()
    of_videos = score(by_video(predictions), videos.target, videos.group, settings, level="video")
    return {of_moments.level: of_moments, "video": of_videos}


@dataclass(frozen=True)
class Resampled:
    """The metrics of a sample and of its resamples, with "ece" corrected in both.

    Chance alone makes an expected calibration error greater than 0. How much is seen by resampling
    a sample around its own error; its square is subtracted, as variances are (Kumar et al. 2019,
    "Verified uncertainty calibration", for squared errors).

    Attributes:
        value: of the sample, each ``(1,)`` or ``(1, k)``.
        samples: of the resamples, each ``(b,)`` or ``(b, k)``.
        ece_raw: the calibration error of the sample without the correction.
        ece_noise: the part of it that chance alone gives; NaN with fewer than two groups.
    """

    value: Measured
    samples: Measured
    ece_raw: float
    ece_noise: float

    @classmethod
    def of(cls, scored: Scored) -> Resampled:
        """Return the metrics; resamples are the same for equal groups and seeds."""
        chosen = scored.settings
        weights = group_weights(scored.n_groups, chosen.n_resamples, chosen.seed)
        value = measure(scored, np.ones((scored.n_groups, 1)))
        samples = measure(scored, weights)
        noise = _noise(samples.ece_noise, scored.n_groups)
        # The sample has the noise of its draw; a resample has that and its own.
        return cls(
            _without_noise(value, noise),
            _without_noise(samples, noise * np.sqrt(2)),
            float(value.overall["ece"][0]),
            noise,
        )


def _noise(remainders: Floats, n_groups: int) -> float:
    """Return the mean of what resampling adds, for a draw of independent groups."""
    if n_groups < FEWEST_GROUPS or not len(remainders):
        return float("nan")
    return float(remainders.mean() * np.sqrt(n_groups / (n_groups - 1)))


def _without_noise(measured: Measured, noise: float) -> Measured:
    squares = measured.overall["ece"] ** 2 - noise**2
    return replace(measured, overall=measured.overall | {"ece": np.sqrt(np.maximum(squares, 0))})


def summarized(scored: Scored, resampled: Resampled, level: Level) -> ClassScores:
    """Return metrics as figures.

    Args:
        scored: what was scored.
        resampled: its metrics.
        level: what was scored.
    """
    chosen, exclusive = scored.settings, scored.settings.exclusive
    matrix = confusion(scored.indicators()).tolist() if exclusive else []
    return ClassScores(
        level=level,
        exclusive=exclusive,
        moments=len(scored.target),
        groups=scored.n_groups,
        top_k=min(chosen.top_k, len(chosen.classes)),
        threshold=chosen.threshold,
        beta=chosen.beta,
        positive=chosen.positive,
        overall=_overall(resampled, scored.n_groups),
        classes=_classes(scored, resampled),
        confusion=tuple(tuple(row) for row in matrix),
        ece_raw=number(resampled.ece_raw),
        ece_noise=number(resampled.ece_noise),
        reliability=reliability(
            scored.probability, scored.target, exclusive=exclusive, n_bins=chosen.n_bins
        ),
    )


def _overall(resampled: Resampled, n_groups: int) -> dict[OverallMeasure, Figure]:
    samples = resampled.samples.overall
    return {
        name: _figure(float(value[0]), samples[name], n_groups)
        for name, value in resampled.value.overall.items()
    }


def _figure(value: float, samples: Floats, n_groups: int) -> Figure:
    return Figure.of(value, interval(value, samples, n_groups))


def _classes(scored: Scored, resampled: Resampled) -> dict[str, ClassFigures]:
    indicators = scored.indicators()
    counts = indicators.counts()
    groups = (scored.by_group(indicators.true) > 0).sum(axis=0)
    value, samples = resampled.value.classes, resampled.samples.classes
    return {
        name: ClassFigures(
            int(counts.true[column]),
            int(counts.predicted[column]),
            int(groups[column]),
            **{
                metric: _figure(of_all[0, column], samples[metric][:, column], int(groups[column]))
                for metric, of_all in value.items()
            },
        )
        for column, name in enumerate(scored.settings.classes)
    }
