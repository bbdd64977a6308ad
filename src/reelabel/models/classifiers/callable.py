"""``callable:NAME``: a Python function or object as a classifier.

Any ``(image) -> probabilities`` will do, where the image is ``(height, width, 3)`` uint8 RGB, or
any object with such a `predict` method. Probabilities are an array ``(classes,)`` or a dictionary
from names to numbers, in which a name that is missing has 0. An object may have `classes` (else
those of the workspace are taken), `exclusive` (else True: they sum to 1), and `frames` with
`step_s`: if `frames` is more than 1, the function is given a list of that many pictures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reelabel.errors import ModelError, nearest
from reelabel.models.base import Classify, Window
from reelabel.models.callables import LOCK, code_fingerprint, function_of, registered
from reelabel.models.classifiers.pictures import per_picture
from reelabel.models.spec import Request
from reelabel.models.students.classes.inputs import window_of

_TOLERANCE = 1e-2


@dataclass(frozen=True)
class CallableClassifier:
    """A Python function that classifies; see `reelabel.models.base.Classifier`."""

    name: str
    classes: tuple[str, ...]
    model: object
    fingerprint: str
    exclusive: bool = True
    frames: int = 1
    step_s: float = 0.0
    fit_wh: tuple[int, int] | None = None
    batch_size: int = 1

    def open(self) -> Classify:
        """Return the function; one thread at a time calls it, as it may not expect several."""
        function = function_of(self.model)

        def judge(given: Sequence[Any]) -> NDArray[np.float32]:
            with LOCK:
                rows = [self._row(function(each)) for each in given]
            return np.array(rows, np.float32).reshape(-1, len(self.classes))

        def classify(windows: Sequence[Window]) -> NDArray[np.float32]:
            return judge([window_of(window, self.frames) for window in windows])

        return classify if self.frames > 1 else per_picture(judge, len(self.classes), 1)

    def _row(self, found: Any) -> NDArray[np.float32]:
        """Return what the function returned as a row.

        Raises:
            ModelError: if it is none of the forms above, names an unknown class, or does not sum
                to 1 though it should.
        """
        given = self._in_order(found) if isinstance(found, Mapping) else found
        try:
            row = np.asarray(given, np.float32).reshape(-1)
        except (TypeError, ValueError) as exc:
            raise self._bad(f"a {type(found).__name__}") from exc
        if row.shape != (len(self.classes),):
            raise self._bad(f"{row.size} numbers")
        if not ((row >= 0) & (row <= 1 + _TOLERANCE)).all():
            raise self._bad(f"{row.tolist()}")
        if self.exclusive and abs(row.sum() - 1) > _TOLERANCE:
            raise self._bad(f"a sum of {row.sum():.3f}: give the object `exclusive = False`")
        return np.clip(row, 0, 1) / (row.sum() if self.exclusive else 1)

    def _in_order(self, found: Mapping[Any, Any]) -> list[Any]:
        if unknown := [name for name in found if name not in self.classes]:
            raise ModelError(
                f"{self.name}: expected probabilities of {', '.join(self.classes)}, but got one of "
                f"'{unknown[0]}'{nearest(str(unknown[0]), self.classes)}"
            )
        return [found.get(name, 0.0) for name in self.classes]

    def _bad(self, came: str) -> ModelError:
        sums = ", which sum to 1" if self.exclusive else ""
        return ModelError(
            f"{self.name}: expected {len(self.classes)} probabilities{sums}, or a dictionary from "
            f"names to probabilities, but got {came}"
        )


def load(request: Request) -> CallableClassifier:
    """Return the classifier of a function that this process has registered.

    Raises:
        ModelError: if it has not, or its classes are not known.
    """
    model = registered(request, "classifier")
    classes = tuple(getattr(model, "classes", None) or request.prompts)
    if not classes:
        raise ModelError(
            f"expected the classes of {request.spec}: give the object an attribute `classes`, or "
            "name the wanted classes"
        )
    return CallableClassifier(
        name=request.spec,
        classes=classes,
        model=model,
        fingerprint=code_fingerprint(model, classes),
        exclusive=bool(getattr(model, "exclusive", True)),
        frames=int(getattr(model, "frames", 1)),
        step_s=float(getattr(model, "step_s", 0.0)),
    )
