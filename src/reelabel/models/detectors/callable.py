"""``callable:NAME``: a Python function or object as a detector.

Any ``(image) -> boxes`` will do, where the image is ``(height, width, 3)`` uint8 RGB, or any object
with such a `predict` method. Boxes may be `Boxes`, an object with ``xyxy``, ``confidence`` (or
``score``) and ``class_id`` such as `supervision.Detections`, or an array ``(n, 6)`` of left, top,
right, bottom, score and class id. Class ids count in the order of ``classes`` of the object, if it
has them, else of the workspace. With one class the class id may be left out, ``(n, 5)``, and the
score too, ``(n, 4)``: it is then 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from reelabel.data.boxes import Boxes
from reelabel.errors import ModelError
from reelabel.models.base import Image, Predict
from reelabel.models.callables import LOCK, code_fingerprint, function_of, registered
from reelabel.models.spec import Request

_COLUMNS = 6
"""Left, top, right, bottom, score, class id."""
_OF_ONE_CLASS = (4, 5)
"""Columns of an array without class ids: without and with a score."""
_ROUNDING = 1e-5
"""By so much a score may be above 1."""


class HasPredict(Protocol):
    """An object that finds boxes."""

    def predict(self, image: Image) -> object:
        """Return the boxes in a picture, in any of the forms above."""
        ...


Finder = Callable[[Image], object] | HasPredict
"""A function, or an object with a method `predict`, from a picture to its boxes."""


@dataclass(frozen=True)
class CallableDetector:
    """A Python function that finds boxes; see `reelabel.models.base.Detector`."""

    name: str
    classes: tuple[str, ...]
    model: Finder
    fingerprint: str
    fit_wh: tuple[int, int] | None = None
    in_order: bool = False
    batch_size: int = 1

    def open(self) -> Predict:
        """Return the function; one thread at a time calls it, as it may not expect several."""
        function = function_of(self.model)

        def predict(pictures: Sequence[Image]) -> list[Boxes]:
            with LOCK:
                return [self._boxes(function(picture)) for picture in pictures]

        return predict

    def _boxes(self, found: Any) -> Boxes:
        """Return what the function returned as `Boxes`.

        Raises:
            ModelError: if it is none of the forms above, not finite, or of an unknown class.
        """
        boxes = as_boxes(found, self.name, len(self.classes))
        known = (boxes.class_id >= 0) & (boxes.class_id < len(self.classes))
        if not known.all():
            raise ModelError(
                f"{self.name}: expected classes 0 to {len(self.classes) - 1} "
                f"({', '.join(self.classes)}), but got {int(boxes.class_id[~known][0])}"
            )
        return boxes


def as_boxes(found: Any, name: str, class_count: int) -> Boxes:
    """Return boxes in any of the forms above as `Boxes`.

    Args:
        found: what the function returned.
        name: of the function, for messages.
        class_count: how many classes it tells apart.

    Raises:
        ModelError: if they are none of these, not finite, or corners or scores out of order.
    """
    try:
        boxes = found if isinstance(found, Boxes) else _converted(found, class_count)
    except (TypeError, ValueError) as exc:
        shorter = "; of one class also (n, 5) without class id or (n, 4) without score"
        raise ModelError(
            f"{name}: expected Boxes, an object with xyxy, confidence and class_id, or an array "
            f"(n, 6) of x1, y1, x2, y2, score, class id{shorter if class_count == 1 else ''}; "
            f"but got {type(found).__name__}: {exc}"
        ) from exc
    if not (np.isfinite(boxes.xyxy).all() and np.isfinite(boxes.score).all()):
        raise ModelError(f"{name}: expected finite boxes and scores, but got NaN or infinity")
    return _checked(boxes, name)


def _checked(boxes: Boxes, name: str) -> Boxes:
    """Return boxes, scores that were rounded to just above 1 as 1.

    Raises:
        ModelError: for a score out of 0..1, or corners that are exchanged.
    """
    score, (x1, y1, x2, y2) = boxes.score, boxes.xyxy.T
    if (bad := (score < 0) | (score > 1 + _ROUNDING)).any():
        raise ModelError(f"{name}: expected a score of 0 to 1, but got {score[bad][0]:g}")
    if (bad := (x1 > x2) | (y1 > y2)).any():
        raise ModelError(
            f"{name}: expected corners with x1 <= x2 and y1 <= y2, but got "
            f"{boxes.xyxy[bad][0].tolist()}: are they left, top, right, bottom?"
        )
    return replace(boxes, score=score.clip(0, 1))


def _converted(found: Any, class_count: int) -> Boxes:
    if hasattr(found, "xyxy"):
        score = getattr(found, "confidence", None)
        score = getattr(found, "score", None) if score is None else score
        n = len(found.xyxy)
        class_id = getattr(found, "class_id", None)
        return Boxes(
            np.reshape(found.xyxy, (-1, 4)),
            np.ones(n, np.float32) if score is None else score,
            np.zeros(n, np.int64) if class_id is None else class_id,
        )
    return _from_rows(np.asarray(found, np.float32), class_count)


def _from_rows(rows: NDArray[np.float32], class_count: int) -> Boxes:
    """Return the boxes of an array: ``(n, 6)``, of one class also ``(n, 5)`` or ``(n, 4)``.

    Raises:
        ValueError: for another shape.
    """
    rows = rows if rows.size else rows.reshape(-1, _COLUMNS)
    if rows.ndim == 2 and rows.shape[1] in _OF_ONE_CLASS and class_count == 1:  # noqa: PLR2004 -- rows and columns
        score = rows[:, 4] if rows.shape[1] > min(_OF_ONE_CLASS) else np.ones(len(rows), np.float32)
        return Boxes(rows[:, :4], score, np.zeros(len(rows), np.int64))
    if rows.ndim != 2 or rows.shape[1] != _COLUMNS:  # noqa: PLR2004 -- rows and columns
        raise ValueError(f"an array of shape {rows.shape}")
    if (part := rows[:, 5] % 1 > 0).any():
        raise ValueError(f"a class id of {rows[part, 5][0]:g}")
    return Boxes(rows[:, :4], rows[:, 4], rows[:, 5].astype(np.int64))


def load(request: Request) -> CallableDetector:
    """Return the detector of a function that this process has registered.

    Raises:
        ModelError: if it has not.
    """
    model = cast("Finder", registered(request, "detector"))
    own = getattr(model, "classes", None)
    classes = tuple(own) if own else request.wanted or ("object",)
    return CallableDetector(request.spec, classes, model, code_fingerprint(model, classes))
