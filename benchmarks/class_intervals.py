"""How far intervals and comparisons of classifiers can be trusted with few groups.

Groups of ten moments share a class and are easy or hard together. Printed are: how often an
interval of 95 % holds the figure of 40,000 groups, also with the plain percentiles; the calibration
error with and without what chance adds; how often equally good models are told apart.
"""

from __future__ import annotations

import numpy as np

from reelabel.data.classes import Moments, Predictions
from reelabel.evaluation.classes.compare import ModelPredictions, compare
from reelabel.evaluation.classes.figures import ScoreSettings
from reelabel.evaluation.classes.levels import Truth
from reelabel.evaluation.classes.scores import Resampled, score
from reelabel.evaluation.classes.sums import Scored
from reelabel.evaluation.classes.targets import target_of
from reelabel.evaluation.intervals import percentiles

SHARES = (0.5, 0.3, 0.15, 0.05)
"""Of the classes."""
K, PER_GROUP, TRIALS, WHOLE = len(SHARES), 10, 300, 40_000
SETTINGS = ScoreSettings(("a", "b", "c", "d"))
MEASURES = ("top1", "macro_recall", "macro_f1", "brier", "ece")


def truth_of(n_groups: int, rng: np.random.Generator) -> Truth:
    """Return moments of groups, each of one class."""
    groups = np.repeat([f"g{i:05d}" for i in range(n_groups)], PER_GROUP)
    pts = np.tile(np.arange(PER_GROUP), n_groups)
    classes = np.repeat(rng.choice(K, n_groups, p=SHARES), PER_GROUP)
    return Truth(Moments(groups, pts, pts), target_of(classes, K), groups)


def predictions_of(truth: Truth, rng: np.random.Generator, margin: float = 2.2) -> Predictions:
    """Return the predictions of a model; the greater the margin, the better."""
    n_groups = len(truth.group) // PER_GROUP
    logits = np.repeat(rng.normal(size=(n_groups, K)) * 1.2, PER_GROUP, axis=0)
    logits += rng.normal(size=logits.shape) + margin * truth.target
    odds = np.exp(logits)
    return Predictions(truth.moments, odds / odds.sum(axis=1, keepdims=True))


def print_coverage(n_groups: int, expected: dict[str, float], rng: np.random.Generator) -> None:
    """Print how often intervals hold what all groups have."""
    held = {name: np.zeros(2) for name in MEASURES}
    errors = []
    for _ in range(TRIALS):
        truth = truth_of(n_groups, rng)
        predictions = predictions_of(truth, rng)
        scores = score(predictions, truth.target, truth.group, SETTINGS)
        scored = Scored.of(predictions.probability, truth.target, truth.group, SETTINGS)
        samples = Resampled.of(scored).samples.overall
        errors.append((scores.ece_raw, scores.overall["ece"].value))
        for name, value in expected.items():
            figure = scores.overall[name]
            low, high = percentiles(samples[name])
            held[name] += (figure.low <= value <= figure.high, low <= value <= high)
    cells = "".join(f"{a / TRIALS:8.0%} ({b / TRIALS:3.0%})" for a, b in held.values())
    raw, corrected = np.mean(errors, axis=0)
    print(f"{n_groups:6}{cells}{raw:10.3f}{corrected:10.3f}", flush=True)


def print_false_differences(n_groups: int, n_models: int, rng: np.random.Generator) -> None:
    """Print how often a model differs from an equally good one, and from a better one."""
    found = np.zeros(2)
    for _ in range(TRIALS):
        truth = truth_of(n_groups, rng)
        for i, margin in enumerate((2.2, 3.2)):
            models = [ModelPredictions("0", predictions_of(truth, rng, margin))]
            models += [
                ModelPredictions(str(n), predictions_of(truth, rng)) for n in range(1, n_models)
            ]
            differences = compare(models, truth, SETTINGS).differences
            found[i] += any(one.differs for one in differences if one.measure == "top1")
    print(f"{n_groups:6}{n_models:8}{found[0] / TRIALS:14.1%}{found[1] / TRIALS:14.0%}", flush=True)


def main() -> None:
    """Print both tables."""
    rng = np.random.default_rng(0)
    truth = truth_of(WHOLE, rng)
    whole = score(predictions_of(truth, rng), truth.target, truth.group, SETTINGS)
    expected = {name: whole.overall[name].value or 0.0 for name in MEASURES}
    print("all groups:", {name: round(value, 3) for name, value in expected.items()})
    print("groups", *(f"{name:>12}" for name in MEASURES), "  raw ece  corrected")
    for n_groups in (6, 12, 25, 60, 150):
        print_coverage(n_groups, expected, rng)
    print("groups  models  equally good  first better")
    for n_groups, n_models in ((5, 2), (8, 2), (30, 2), (30, 5), (100, 2)):
        print_false_differences(n_groups, n_models, rng)


if __name__ == "__main__":
    main()
