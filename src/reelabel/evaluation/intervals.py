"""How sure a score is: bootstrap intervals over videos, and whether one model beats another.

The frames of a video are alike, so they are no independent samples: whole videos are drawn, with
replacement (cluster bootstrap; Field and Welsh, "Bootstrapping clustered data", JRSS B 2007). With
fewer than three videos, contiguous blocks of frames are drawn instead; pictures that belong to no
video are drawn one by one. `Resamples.unit` says which. Percentiles over few units are too narrow:
with three, 95 % hold the truth in 74 % of the cases (benchmarks/interval_coverage.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reelabel.errors import UsageError
from reelabel.evaluation.matching import ClassMatches, average_precision

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FEWEST_VIDEOS = 3
_BLOCKS = 10


@dataclass(frozen=True)
class Resamples:
    """The scores of each resample.

    Attributes:
        unit: what was drawn: "video", "time block" or "picture".
        n_units: how many there are.
        seed: of the draw.
        pictures: the ids of the pictures, in order; two results compare only if these agree.
        samples: measure -> ``(b,)`` float64, NaN where a resample leaves it undefined. Measures
            are ap, ap50, ap75, ar100, precision, recall and f1; of a class, such as ``ap:dog``.
    """

    unit: str
    n_units: int
    seed: int
    pictures: tuple[Any, ...]
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

    @property
    def is_clear(self) -> bool:
        """True if the interval leaves out 0: one of the two is better beyond chance."""
        return self.low > 0 or self.high < 0


def paired_difference(
    first: Resamples, second: Resamples, measure: str = "ap", *, level: float = 0.95
) -> Difference:
    """Return how much better ``second`` is, on the same resamples of the same pictures.

    Raises:
        UsageError: if the two were not drawn alike.
    """
    a, b = ((r.pictures, r.unit, r.seed, len(r.samples[measure])) for r in (first, second))
    if a != b:
        raise UsageError(
            "two models are compared on the same pictures, seed and number of resamples, but these "
            "differ: score both against the same truth with the same settings"
        )
    apart = second.samples[measure] - first.samples[measure]
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
        ``(b,)``: its spread holds what pictures and what chance in training contribute.
    """
    count, resamples = samples.shape
    drawn = np.random.default_rng(seed).integers(count, size=(resamples, count))
    result: Floats = samples[drawn, np.arange(resamples)[:, None]].mean(axis=1)
    return result


def find_units(pictures: Sequence[Mapping[str, Any]]) -> tuple[str, Ints]:
    """Return what to draw and, for each picture, the number of its unit.

    Pictures are COCO image entries; ``video`` names the video, and ``pts_time`` or
    ``frame_index`` put the frames of a video in order (else their order in the list does).
    """
    videos = [picture.get("video") for picture in pictures]
    named = {name: i for i, name in enumerate(dict.fromkeys(v for v in videos if v is not None))}
    if not named:
        return "picture", np.arange(len(pictures))
    if len(named) >= FEWEST_VIDEOS:
        # A picture without a video is a unit of its own.
        alone = len(named) + np.arange(len(pictures))
        unit = [named.get(v, int(a)) for v, a in zip(videos, alone, strict=True)]
        return "video", np.unique(unit, return_inverse=True)[1]
    return "time block", _time_blocks(pictures, videos)


def resample(
    matches: Mapping[str, ClassMatches],
    pictures: Sequence[Mapping[str, Any]],
    *,
    threshold: float,
    n_resamples: int = 500,
    seed: int = 0,
) -> Resamples:
    """Score resamples of the pictures' units.

    Args:
        matches: class name -> its matches; `matching.match` makes them, pictures in this order.
        pictures: COCO image entries.
        threshold: the working threshold for precision, recall and F1.
        n_resamples: how many to draw.
        seed: of the draw.
    """
    unit, of_picture = find_units(pictures)
    n_units = int(of_picture.max(initial=-1)) + 1
    rng = np.random.default_rng(seed)
    weights = np.zeros((n_resamples, 0))
    if n_units:
        drawn = rng.multinomial(n_units, np.full(n_units, 1 / n_units), n_resamples)
        weights = drawn[:, of_picture].astype(np.float64)
    ids = tuple(picture["id"] for picture in pictures)
    return Resamples(unit, n_units, seed, ids, measures(matches, weights, threshold))


def measures(
    matches: Mapping[str, ClassMatches], weights: Floats, threshold: float
) -> dict[str, Floats]:
    """Return each measure for each weighting of the pictures: ``(b, pictures)`` -> ``(b,)``."""
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
    """Return hits, false alarms and true boxes ``(3, b)`` at the working threshold and IoU 0.5."""
    said = matches.score >= threshold
    of_picture = [
        np.bincount(matches.picture[which], minlength=weights.shape[1])
        for which in (said & matches.hit[0], said & ~matches.hit[0] & ~matches.unjudged[0])
    ]
    result: Floats = np.array([weights @ n for n in (*of_picture, matches.n_truth)])
    return result


def rates(hits: Floats, false_alarms: Floats, positives: Floats) -> dict[str, Floats]:
    """Return precision, recall and F1; NaN where nothing was said, or nothing was there."""
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
    """Return the interval that holds ``level`` of the values; NaN is left out."""
    values = values[~np.isnan(values)]
    if not len(values):
        return np.nan, np.nan
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _time_blocks(pictures: Sequence[Mapping[str, Any]], videos: list[Any]) -> Ints:
    """Return the block of each picture: about ten contiguous ones for each video."""
    time = [p.get("pts_time", p.get("frame_index", i)) for i, p in enumerate(pictures)]
    unit = np.zeros(len(pictures), np.int64)
    count = 0
    for video in dict.fromkeys(videos):
        inside = [i for i, v in enumerate(videos) if v == video]
        inside.sort(key=time.__getitem__)
        for block in np.array_split(np.array(inside), min(_BLOCKS, len(inside))):
            unit[block] = count
            count += 1
    return unit
