"""What becomes of tags and predictions: every rule of the states of claims."""

from __future__ import annotations

import numpy as np
import pytest

from reelabel.data.claims import SpanClaims
from reelabel.data.classes import Moments
from reelabel.labels.class_rules import VideoMoments, candidates

NONE = SpanClaims(
    np.zeros(0, np.int64), np.zeros(0, bool), np.zeros(0), np.zeros(0), np.zeros(0, np.str_)
)


def whole(*class_ids, right=True):
    """Return tags of a whole video."""
    n = len(class_ids)
    return SpanClaims(
        np.array(class_ids, np.int64),
        np.full(n, right),
        np.full(n, -np.inf),
        np.full(n, np.inf),
        np.full(n, "tags.csv:2"),
    )


def video(tags=NONE, predicted=None, *, doubted=(), n=3, k=2):
    """Return a video of three frames, the listed ones doubted as strangers."""
    at = np.arange(n)
    rule = np.array([["stranger" if i in doubted else ""] * k for i in at], np.str_)
    return VideoMoments(
        Moments(np.full(n, "v"), at, at),
        np.repeat(at[:, None].astype(float), 2, axis=1),
        tags,
        rule,
        np.where(rule != "", "far from the video", ""),
        np.full((n, k), ""),
        np.full((n, k), 0.25, np.float32),
        predicted,
    )


def rows(claims):
    """Return frame, class, right, state and rule of each claim."""
    return list(
        zip(
            claims.moments.pts.tolist(),
            claims.class_id.tolist(),
            claims.right.tolist(),
            claims.state.tolist(),
            claims.rule.tolist(),
            strict=True,
        )
    )


def test_a_tag_is_a_claim_about_each_moment_that_is_not_doubted():
    """A doubted frame is ignored, with the rule and the reason of the doubt."""
    found = candidates(video(whole(1), doubted=[1]), exclusive=True, score=0.8)
    assert rows(found) == [
        (0, 1, True, "positive", "tag"),
        (1, 1, True, "ignore", "stranger"),
        (2, 1, True, "positive", "tag"),
    ]
    assert found.reason.tolist() == ["tags.csv:2", "far from the video", "tags.csv:2"]
    assert found.probability.tolist() == [0.25] * 3


def test_classes_without_a_tag_are_not_right_where_several_may_be():
    """Multi-label: a tag for class 1 implies that class 0 is not right."""
    found = candidates(video(whole(1), n=1), exclusive=False, score=0.8)
    assert rows(found) == [(0, 0, False, "positive", "implied"), (0, 1, True, "positive", "tag")]
    assert found.probability.tolist() == [0.75, 0.25]


def test_untagged_moments_are_labelled_by_a_sure_teacher():
    """Above the threshold it is a label, below it is ignored."""
    predicted = np.array([[0.9, 0.1], [0.5, 0.5], [0.1, 0.9]], np.float32)
    found = candidates(video(predicted=predicted, doubted=[2]), exclusive=True, score=0.8)
    assert rows(found) == [
        (0, 0, True, "positive", "teacher"),
        (1, 0, True, "ignore", "score"),
        (2, 1, True, "ignore", "stranger"),
    ]


def test_a_teacher_may_be_sure_that_a_class_is_not_right():
    """Multi-label: high is right, low is not right, between is not claimed."""
    predicted = np.array([[0.95, 0.5], [0.05, 0.5]], np.float32)
    found = candidates(video(predicted=predicted, n=2), exclusive=False, score=0.8)
    assert rows(found) == [
        (0, 0, True, "positive", "teacher"),
        (1, 0, False, "positive", "teacher"),
    ]


@pytest.mark.parametrize("exclusive", [True, False])
def test_tags_are_not_changed_by_the_teacher(exclusive):
    """A tagged moment has no claim of the teacher."""
    predicted = np.full((3, 2), 0.99, np.float32)
    found = candidates(video(whole(0), predicted=predicted), exclusive=exclusive, score=0.8)
    assert "teacher" not in found.origin
