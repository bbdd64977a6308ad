"""Values of moments are means over their frames, or those of the nearest frame."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from reelabel.data.classes import Moments
from reelabel.labels.moment_means import moment_means


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)), min_size=1, max_size=6),
    st.lists(st.integers(0, 60), min_size=1, max_size=12, unique=True),
    st.data(),
)
def test_means_equal_a_plain_loop(spans, pts, data):
    """As by going through the frames one by one; NaN is left out."""
    pts = np.array(sorted(pts), np.int64)
    unknown = data.draw(st.lists(st.booleans(), min_size=len(pts), max_size=len(pts)))
    values = np.stack([pts, np.where(unknown, np.nan, pts**2)], axis=1).astype(np.float32)
    first = np.array([a for a, _ in spans], np.int64)
    last = first + np.array([n for _, n in spans], np.int64)
    found = moment_means(Moments(np.full(len(first), "v"), first, last), pts, values)
    for i, (a, b) in enumerate(zip(first, last, strict=True)):
        inside = (pts >= a) & (pts <= b)
        if not inside.any():
            distance = np.abs(pts - (a + b) // 2)
            near = values[distance == distance.min()]
            assert any(np.allclose(found[i], v, equal_nan=True) for v in near)
            continue
        for column in (0, 1):
            known = values[inside, column][~np.isnan(values[inside, column])]
            expected = known.mean() if len(known) else np.nan
            np.testing.assert_allclose(found[i, column], expected, rtol=1e-4, atol=1e-3)
