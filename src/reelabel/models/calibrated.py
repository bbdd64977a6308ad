"""A classifier whose probabilities are calibrated with a temperature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from reelabel.data.boxes import Floats
from reelabel.evaluation.classes.calibration import calibrated
from reelabel.models.base import Classifier, Classify, Window
from reelabel.models.spec import fingerprint


def temperature_of(classifier: object) -> float | None:
    """Return what the probabilities of a classifier are calibrated with, None if with nothing."""
    found: float | None = getattr(classifier, "temperature", None)
    inner = getattr(classifier, "inner", None)
    return temperature_of(inner) if found is None and inner is not None else found


@dataclass
class CalibratedClassifier:
    """Another classifier at a temperature; see `base.Classifier` for the other attributes.

    Attributes:
        inner: the other one.
        temperature: above 0; above 1 makes probabilities less extreme.
    """

    inner: Classifier
    temperature: float
    name: str = field(init=False)
    classes: tuple[str, ...] = field(init=False)
    fingerprint: str = field(init=False)
    exclusive: bool = field(init=False)
    frames: int = field(init=False)
    step_s: float = field(init=False)
    fit_wh: tuple[int, int] | None = field(init=False)
    batch_size: int = field(init=False)

    def __post_init__(self) -> None:
        inner = self.inner
        self.name, self.classes, self.exclusive = inner.name, inner.classes, inner.exclusive
        self.frames, self.step_s = inner.frames, inner.step_s
        self.fit_wh, self.batch_size = inner.fit_wh, inner.batch_size
        self.fingerprint = fingerprint("calibrated", inner.fingerprint, self.temperature)

    def open(self) -> Classify:
        """Load the model and return the function that classifies."""
        classify, exclusive = self.inner.open(), self.exclusive

        def at_temperature(windows: Sequence[Window]) -> Floats:
            return calibrated(classify(windows), self.temperature, exclusive=exclusive)

        return at_temperature
