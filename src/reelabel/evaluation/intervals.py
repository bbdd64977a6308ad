"""Uncertainty of scores: bootstrap intervals over videos, and comparison of two models.

The frames of a video are alike, so they are no independent samples: whole videos are drawn, with
replacement (cluster bootstrap; Field and Welsh, "Bootstrapping clustered data", JRSS B 2007). With
fewer than three videos, contiguous blocks of frames are drawn instead. `Resamples.unit` names it.
Percentiles over few units are too narrow: with three, 95 % hold the truth in 74 % of the cases
(benchmarks/interval_coverage.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reelabel.errors import UsageError
from reelabel.evaluation.frames import KnownFrame, sampling_units
from reelabel.evaluation.matching import ClassMatches, average_precision

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Resamples:
    """The scores of each resample.

    Attributes:
        unit: what was drawn: "video" or "time block".
        n_units: how many there are.
        seed: of the draw.
        frames: video and time stamp of each frame; two results compare only if these agree.
        samples: measure -> ``(b,)`` float64, NaN where a resample leaves it undefined. Measures
            are ap, ap50, ap75, ar100, precision, recall and f1; of a class, such as ``ap:dog``.
    """

    unit: str
    n_units: int
    seed: int
    frames: tuple[tuple[str, int], ...]
    samples: dict[str, Floats]

    def interval(self, measure: str, level: float = 0.95) -> tuple[float, float]:
        """Return the percentile interval that holds ``level`` of the resamples."""
        return percentiles(self.samples[measure], level)


@dataclass(frozen=True)
class Difference:
    """How much better the second of two models is.

    Attributes:
        mean: mean difference over the resamples.
        low, high: the interval around it.
        share_better: share 0..1 of resamples in which the second is better.
    """

    mean: float
    low: float
    high: float
    share_better: float


@dataclass(frozen=True)
class Ratio:
    """A ratio of two sums over frames.

    Attributes:
        part: ``(frames,)`` float64, what each frame adds to the numerator.
        whole: ``(frames,)`` float64, what each frame adds to the denominator, 0 and above.
    """

    part: Floats
    whole: Floats

    @classmethod
    def of(cls, pairs: Sequence[tuple[float, float]]) -> Ratio:
        """Return the ratio of the sums of part and whole of each frame."""
        part, whole = np.array(pairs, np.float64).reshape(-1, 2).T
        return cls(part, whole)

    @property
    def value(self) -> float:
        """The ratio, every frame counted once; NaN if the denominator is 0."""
        return float(self.over(np.ones((1, len(self.whole))))[0])

    def over(self, weights: Floats) -> Floats:
        """Return the ratio for each weighting of the frames: ``(b, frames)`` -> ``(b,)``."""
        return _divided(weights @ self.part, weights @ self.whole)

    def minus(self, other: Ratio) -> Ratio:
        """Return the difference to a ratio with the same denominator."""
        return Ratio(self.part - other.part, self.whole)


def paired_difference(
    first: Resamples, second: Resamples, measure: str = "ap", *, level: float = 0.95
) -> Difference:
    """Return how much better ``second`` is, on the same resamples of the same frames.

    Raises:
        UsageError: if the two were not drawn alike.
    """
    a, b = ((r.frames, r.unit, r.seed, len(r.samples[measure])) for r in (first, second))
    if a != b:
        raise UsageError(
            "two models are compared on the same frames, seed and number of resamples, but these "
            "differ: score both against the same truth with the same settings"
        )
    return series_difference(first.samples[measure], second.samples[measure], level=level)


def series_difference(first: Floats, second: Floats, *, level: float = 0.95) -> Difference:
    """Return how much better the second of two models is, by a measure in the same resamples.

    Args:
        first: ``(b,)`` the measure of one model, NaN where it is not defined.
        second: ``(b,)`` that of the other.
        level: share of the resamples inside the interval, 0..1.
    """
    apart = second - first
    apart = apart[~np.isnan(apart)]
    if not len(apart):
        return Difference(np.nan, np.nan, np.nan, np.nan)
    low, high = percentiles(apart, level)
    return Difference(float(apart.mean()), low, high, float((apart > 0).mean()))


def over_seeds(samples: Floats, seed: int = 0) -> Floats:
    """Return the mean over trainings for each resample, with trainings drawn with replacement too.

    Args:
        samples: ``(trainings, b)`` a measure of each training on the same resamples.
        seed: of the draw; equal seeds draw the same trainings, so that results stay paired.

    Returns:
        ``(b,)``: its spread holds what frames and what chance in training contribute.
    """
    count, resamples = samples.shape
    drawn = np.random.default_rng(seed).integers(count, size=(resamples, count))
    result: Floats = samples[drawn, np.arange(resamples)[:, None]].mean(axis=1)
    return result


def resample(
    matches: Mapping[str, ClassMatches],
    frames: Sequence[KnownFrame],
    *,
    threshold: float,
    n_resamples: int = 500,
    seed: int = 0,
) -> Resamples:
    """Score resamples of the frames' units.

    Args:
        matches: class name -> its matches, frames in this order.
        frames: what was scored.
        threshold: the working threshold for precision, recall and F1.
        n_resamples: how many to draw.
        seed: of the draw.
    """
    unit, of_frame = sampling_units(frames)
    n_units = int(of_frame.max(initial=-1)) + 1
    weights = frame_weights(frames, n_resamples, seed)
    ids = tuple((frame.video, frame.pts) for frame in frames)
    return Resamples(unit, n_units, seed, ids, measures(matches, weights, threshold))


def frame_weights(frames: Sequence[KnownFrame], n_resamples: int, seed: int) -> Floats:
    """Return how often each resample draws each frame: ``(n_resamples, frames)``."""
    _, of_frame = sampling_units(frames)
    n_units = int(of_frame.max(initial=-1)) + 1
    if not n_units:
        return np.zeros((n_resamples, 0))
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(n_units, np.full(n_units, 1 / n_units), n_resamples)
    return drawn[:, of_frame].astype(np.float64)


def measures(
    matches: Mapping[str, ClassMatches], weights: Floats, threshold: float
) -> dict[str, Floats]:
    """Return each measure for each weighting of the frames: ``(b, frames)`` -> ``(b,)``."""
    result: dict[str, Floats] = {}
    totals = np.zeros((3, len(weights)))
    for name, of_class in matches.items():
        ap, recall = average_precision(of_class, weights)
        result[f"ap:{name}"], result[f"ap50:{name}"] = ap.mean(axis=1), ap[:, 0]
        result[f"ap75:{name}"], result[f"ar100:{name}"] = ap[:, 5], recall.mean(axis=1)
        counts = working_counts(of_class, weights, threshold)
        totals += counts
        result |= {f"{k}:{name}": v for k, v in rates(*counts).items()}
    for measure in ("ap", "ap50", "ap75", "ar100"):
        columns = [result[f"{measure}:{name}"] for name in matches]
        result[measure] = _mean(np.array(columns).reshape(len(matches), len(weights)))
    return result | rates(*totals)


def working_counts(matches: ClassMatches, weights: Floats, threshold: float) -> Floats:
    """Return true and false positives and true boxes ``(3, b)`` at the threshold and IoU .5."""
    counted = matches.score >= np.float32(threshold)  # scores were float32
    of_frame = [
        np.bincount(matches.frame[which], minlength=weights.shape[1])
        for which in (counted & matches.hit[0], counted & ~matches.hit[0] & ~matches.unjudged[0])
    ]
    result: Floats = np.array([weights @ n for n in (*of_frame, matches.n_truth)])
    return result


def rates(hits: Floats, false_alarms: Floats, positives: Floats) -> dict[str, Floats]:
    """Return precision, recall, F1: ``(b,)`` -> ``(b,)``; NaN without detections or true boxes."""
    return {
        "precision": _divided(hits, hits + false_alarms),
        "recall": _divided(hits, positives),
        "f1": _divided(2 * hits, hits + false_alarms + positives),
    }


def _divided(a: Floats, b: Floats) -> Floats:
    return np.divide(a, b, out=np.full_like(a, np.nan), where=b > 0)


def _mean(columns: Floats) -> Floats:
    """Return the mean over the classes that are defined, NaN where none is."""
    some = ~np.isnan(columns)
    return _divided(np.where(some, columns, 0).sum(axis=0), some.sum(axis=0).astype(np.float64))


def percentiles(values: Floats, level: float = 0.95) -> tuple[float, float]:
    """Return the interval that holds ``level`` of ``(n,)`` values; NaN is left out."""
    values = values[~np.isnan(values)]
    if not len(values):
        return np.nan, np.nan
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
