"""Which of several classifiers is better, on the same videos, beyond chance.

All models are scored on the same resamples of groups (paired bootstrap), so that what makes a group
hard for all of them cancels out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from reelabel.data.boxes import Ints
from reelabel.data.classes import Moments, Predictions
from reelabel.errors import UsageError, few
from reelabel.evaluation.classes.figures import (
    LOWER_IS_BETTER,
    ClassScores,
    OverallMeasure,
    ScoreSettings,
)
from reelabel.evaluation.classes.levels import Level, Truth, by_video, level_of
from reelabel.evaluation.classes.resampling import (
    FEWEST_GROUPS,
    holm,
    p_value,
    percentile_level,
)
from reelabel.evaluation.classes.scores import Resampled, summarized
from reelabel.evaluation.classes.speed import Speed
from reelabel.evaluation.classes.sums import Scored
from reelabel.evaluation.figures import Figure
from reelabel.evaluation.intervals import percentiles

Floats = NDArray[np.float64]
_LEVEL = 0.95


@dataclass(frozen=True)
class ModelCost:
    """What a model costs, as far as it is known.

    Attributes:
        parameters: how many weights it has.
        size_bytes: size of its file.
        speed: on this machine.
    """

    parameters: int | None = None
    size_bytes: int | None = None
    speed: Speed | None = None


@dataclass(frozen=True, eq=False)
class ModelPredictions:
    """A model that is compared.

    Attributes:
        name: differs from those of the other models.
        predictions: of its moments, in any order.
        cost: what it costs.
    """

    name: str
    predictions: Predictions
    cost: ModelCost = field(default_factory=ModelCost)


@dataclass(frozen=True)
class ModelDifference:
    """How much a model differs from the one that it is compared with.

    Attributes:
        model: its name.
        measure: the metric.
        gain: its value minus that of the other model, with the interval of this one comparison.
            For "brier" and "ece" less is better.
        p_value: how easily chance alone makes such a difference, 0..1; with more than two models
            corrected for their number (Holm), so that it can be greater than the interval implies.
        differs: whether the difference is real: the p-value is below 0.05. Otherwise the two are
            not told apart, which does not mean that they are equal.
    """

    model: str
    measure: OverallMeasure
    gain: Figure
    p_value: float
    differs: bool

    @property
    def is_better(self) -> bool:
        """Whether the difference is real and in favour of the model."""
        gain = self.gain.value or 0.0
        return self.differs and (gain < 0 if self.measure in LOWER_IS_BETTER else gain > 0)


@dataclass(frozen=True)
class ComparedModel:
    """The scores of one of the models that are compared, and its cost."""

    name: str
    scores: ClassScores
    cost: ModelCost


@dataclass(frozen=True)
class ClassComparison:
    """Several models on the same frames, clips or videos.

    Attributes:
        level: what was scored.
        moments: how many frames, clips or videos.
        groups: how many groups they belong to.
        against: the model that the others are compared with.
        models: in the order in which they were given.
        differences: of every other model, in every metric.
    """

    level: Level
    moments: int
    groups: int
    against: str
    models: tuple[ComparedModel, ...]
    differences: tuple[ModelDifference, ...] = ()

    def difference(self, model: str, name: OverallMeasure) -> ModelDifference:
        """Return the difference of a model in a metric.

        Raises:
            KeyError: if there is none.
        """
        found = {(one.model, one.measure): one for one in self.differences}
        return found[model, name]


def compare(
    models: Sequence[ModelPredictions],
    truth: Truth,
    settings: ScoreSettings,
    *,
    against: str | None = None,
    whole_videos: bool = False,
) -> ClassComparison:
    """Compare models on the same videos.

    If all models have predictions of exactly the moments of the truth, these are compared;
    otherwise, as for models of frames and of clips, the mean predictions of videos.

    Args:
        models: what is compared.
        truth: what is known of moments; videos without truth are left out.
        settings: how the models are scored; seed and number of resamples are those of all of them.
        against: the model that the others are compared with, by default the first. The one that
            scored best, chosen afterwards, makes the others look worse than they are.
        whole_videos: compare the mean predictions of videos in any case.

    Raises:
        UsageError: if there is no model, two have one name, they have predictions of
            different videos or lack one of the truth, or a value is not so.
    """
    base = _position([one.name for one in models], against)
    _check_videos(models, truth.moments)
    same = None if whole_videos else _same_moments(models, truth)
    level, truth, aligned = same or _same_videos(models, truth)
    scored = [Scored.of(one.probability, truth.target, truth.group, settings) for one in aligned]
    measured = [Resampled.of(one) for one in scored]
    compared = tuple(
        ComparedModel(model.name, summarized(one, its, level), model.cost)
        for model, one, its in zip(models, scored, measured, strict=True)
    )
    others = {model.name: its for model, its in zip(models, measured, strict=True)}
    first = others.pop(models[base].name)
    return ClassComparison(
        level,
        len(scored[0].target),
        scored[0].n_groups,
        models[base].name,
        compared,
        tuple(_differences(first, others, scored[0].n_groups)),
    )


def _position(names: list[str], against: str | None) -> int:
    """Return the position of the model that the others are compared with."""
    if not names or len(set(names)) < len(names):
        raise UsageError(f"expected models with different names, but got {names}: name each")
    if against is None:
        return 0
    if against not in names:
        raise UsageError(f"expected one of {names} to compare with, but got {against!r}")
    return names.index(against)


_Aligned = tuple[Level, Truth, list[Predictions]]
"""The truth, and the predictions of each model of its moments in its order."""


def _same_moments(models: Sequence[ModelPredictions], truth: Truth) -> _Aligned | None:
    """Return predictions by moment, None unless all models have those of the truth."""
    order = _order(truth.moments)
    moments = truth.moments[order]
    found = [one.predictions[_order(one.predictions.moments)] for one in models]
    if any(one.moments != moments for one in found):
        return None
    return level_of(moments), Truth(moments, truth.target[order], truth.group[order]), found


def _same_videos(models: Sequence[ModelPredictions], truth: Truth) -> _Aligned:
    """Return the mean predictions of the videos of the truth."""
    videos = truth.by_video()
    means = [by_video(one.predictions) for one in models]
    known = [one[np.isin(one.moments.video, videos.moments.video)] for one in means]
    return "video", videos, known


def _order(moments: Moments) -> Ints:
    """Return the rows by video and time: ``(n,)``."""
    return np.lexsort((moments.until_pts, moments.pts, moments.video))


def _check_videos(models: Sequence[ModelPredictions], known: Moments) -> None:
    """Check that all models have predictions of the same videos, among them those with truth."""
    of_model = {one.name: set(one.predictions.moments.video.tolist()) for one in models}
    every = set(known.video.tolist()).union(*of_model.values())
    for name, videos in of_model.items():
        missing = sorted(every - videos)
        if missing:
            raise UsageError(
                f"expected predictions of the same videos from all models, but {name} has none "
                f"for {few(missing)}: classify every video with every model"
            )


def _differences(
    first: Resampled, others: Mapping[str, Resampled], n_groups: int
) -> Iterator[ModelDifference]:
    """Yield the differences of models to the first, by metric; each metric is corrected for all."""
    for name, value in first.value.overall.items():
        samples = first.samples.overall[name]
        apart = {model: its.samples.overall[name] - samples for model, its in others.items()}
        gains = {model: its.value.overall[name][0] - value[0] for model, its in others.items()}
        p_values = holm(np.array([p_value(one, n_groups) for one in apart.values()]))
        for model, p in zip(apart, p_values.tolist(), strict=True):
            figure = Figure.of(gains[model], _interval(apart[model], n_groups))
            yield ModelDifference(model, name, figure, round(p, 6), p < 1 - _LEVEL)


def _interval(differences: Floats, n_groups: int) -> tuple[float, float] | None:
    if n_groups < FEWEST_GROUPS:
        return None
    return percentiles(differences, percentile_level(n_groups, _LEVEL))
