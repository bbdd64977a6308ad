"""How often a bootstrap interval of few units holds the truth that it claims to hold in 95 %.

Units (videos, blocks of time, trainings) have normal means; units are drawn as
`reelabel.evaluation.intervals` draws videos, and its percentiles are taken of the mean.
"""

from __future__ import annotations

import numpy as np

from reelabel.evaluation.intervals import percentiles

TRIALS, RESAMPLES = 2000, 500


def coverage(units: int, rng: np.random.Generator) -> float:
    """Return the share of trials whose interval holds the true mean, 0."""
    held = 0
    for _ in range(TRIALS):
        means = rng.normal(size=units)
        drawn = rng.integers(0, units, (RESAMPLES, units))
        low, high = percentiles(means[drawn].mean(axis=1))
        held += low <= 0 <= high
    return held / TRIALS


def main() -> None:
    """Print a line per number of units."""
    rng = np.random.default_rng(0)
    print("units  the interval of 95 % holds the truth in")
    for units in (3, 4, 5, 8, 10, 20, 30):
        print(f"{units:5}  {coverage(units, rng):.0%}", flush=True)


if __name__ == "__main__":
    main()
