"""What a Python function may return as boxes."""

from __future__ import annotations

import numpy as np
import pytest

from reelabel.data.boxes import Boxes
from reelabel.errors import ModelError
from reelabel.models.detectors.callable import as_boxes

XYXY = [[1.0, 2.0, 11.0, 22.0], [3.0, 4.0, 13.0, 24.0]]
ROWS = [[*XYXY[0], 0.5, 0.0], [*XYXY[1], 0.25, 0.0]]


@pytest.mark.parametrize(("columns", "score"), [(6, [0.5, 0.25]), (5, [0.5, 0.25]), (4, [1, 1])])
@pytest.mark.parametrize("kind", [list, np.array])
def test_with_one_class_the_class_and_the_score_may_be_left_out(columns, score, kind):
    """Arrays of six, five and four columns hold the same boxes, all of class 0."""
    found = as_boxes(kind([row[:columns] for row in ROWS]), "f", 1)
    assert found.xyxy.tolist() == XYXY
    assert found.score.tolist() == score
    assert found.class_id.tolist() == [0, 0]


@pytest.mark.parametrize("columns", [4, 5])
def test_with_several_classes_the_class_is_required(columns):
    """Which class is meant is never guessed; the message states the layout."""
    with pytest.raises(ModelError, match=r"\(n, 6\) of x1, y1, x2, y2, score, class id; but got"):
        as_boxes([row[:columns] for row in ROWS], "f", 2)


@pytest.mark.parametrize("shape", [(2, 3), (2, 7), (6,), (1, 2, 6)])
def test_other_shapes_are_refused(shape):
    """The message names what one class may leave out, and the shape that came."""
    with pytest.raises(ModelError, match=r"\(n, 5\) without class id.*shape \(" + str(shape[0])):
        as_boxes(np.ones(shape), "f", 1)


@pytest.mark.parametrize("nothing", [[], np.zeros((0, 4)), np.zeros((0, 6)), Boxes.empty()])
def test_an_empty_result_is_no_boxes(nothing):
    """Whatever its shape, an empty array is no boxes."""
    assert len(as_boxes(nothing, "f", 3)) == 0
