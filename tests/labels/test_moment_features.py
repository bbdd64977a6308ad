"""Features of moments are means over their frames, or those of the nearest frame."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from reelabel.data.classes import Moments
from reelabel.labels.moment_features import moment_features


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)), min_size=1, max_size=6),
    st.lists(st.integers(0, 60), min_size=1, max_size=12, unique=True),
)
def test_features_equal_a_plain_loop(spans, pts):
    """Whatever the order of the frames, as by going through them one by one."""
    pts = np.array(pts, np.int64)
    vectors = np.stack([pts, pts**2], axis=1).astype(np.float32)
    first = np.array([a for a, _ in spans], np.int64)
    last = first + np.array([n for _, n in spans], np.int64)
    found = moment_features(Moments(np.full(len(first), "v"), first, last), pts, vectors)
    for i, (a, b) in enumerate(zip(first, last, strict=True)):
        inside = (pts >= a) & (pts <= b)
        if inside.any():
            expected = vectors[inside].mean(axis=0)
            np.testing.assert_allclose(found[i], expected, rtol=1e-4, atol=1e-3)
        else:
            distance = np.abs(pts - (a + b) // 2)
            assert any(np.allclose(found[i], v) for v in vectors[distance == distance.min()])
