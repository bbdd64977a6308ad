"""The labels of a round are counted video by video and added up class by class."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from reelabel.data.boxes import Boxes
from reelabel.data.sequence import BoxSequence
from reelabel.data.states import POSITIVE, STATES, TRACKER
from reelabel.labels.class_counts import class_counts, classes_on_one_object, counts_of
from reelabel.labels.merging import Labels

NAMES = ("ball", "dog", "cat")
HERE, FAR = (10.0, 10.0, 30.0, 30.0), (60.0, 60.0, 80.0, 80.0)


def labels_of(rows):
    """Return labels from (pts, class id, state, origin, xyxy)."""
    pts, class_id, state, origin, xyxy = zip(*rows, strict=True) if rows else [()] * 5
    n = len(pts)
    boxes = Boxes(
        np.array(xyxy, np.float32).reshape(-1, 4),
        np.full(n, 0.5, np.float32),
        np.array(class_id, np.int64),
        state=np.array(state, dtype=str),
        origin=np.array(origin, dtype=str),
    )
    text = np.full(n, "score")
    return Labels(BoxSequence(np.array(pts, np.int64), boxes), np.zeros(n, np.int64), text, text)


rows_of_a_video = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.integers(0, 2),
        st.sampled_from(STATES),
        st.sampled_from(["teacher", TRACKER]),
        st.sampled_from([HERE, FAR]),
    ),
    max_size=12,
)


@given(st.lists(st.tuples(rows_of_a_video, st.sets(st.integers(0, 5))), max_size=4))
def test_the_sums_are_those_of_counting_row_by_row(videos):
    """Notes of videos, also after a round trip through JSON, add up to the counts of all rows."""
    notes = [
        counts_of(labels_of(rows), NAMES, np.array(sorted(sampled), np.int64))
        for rows, sampled in videos
    ]
    found = class_counts(json.loads(json.dumps(notes)), NAMES)
    assert [one.name for one in found] == list(NAMES)
    for class_id, one in enumerate(found):
        own = [row for rows, _ in videos for row in rows if row[1] == class_id]
        states = Counter(row[2] for row in own)
        counted = (one.positive, one.ignored, one.negative)
        assert counted == (states["positive"], states["ignore"], states["negative"])
        assert one.by_tracking == sum(row[2] == POSITIVE and row[3] == TRACKER for row in own)
        assert one.frames == sum(len(sampled) for _, sampled in videos)
        assert one.empty_frames == sum(
            len(sampled - {row[0] for row in rows if row[1] == class_id and row[2] == POSITIVE})
            for rows, sampled in videos
        )


def test_a_class_without_labels_has_a_line_of_its_own():
    """What was asked for and never found is not left out; frames of old notes count as none."""
    (none,) = class_counts([{}], ["hedgehog"])
    assert str(none) == "hedgehog: 0 positive, 0 ignore, 0 of 0 sampled frames without a positive"


def test_two_classes_on_one_object_are_counted():
    """Positive labels of two classes at one place of one frame count, others do not."""
    rows = [
        (0, 0, "positive", "teacher", HERE),
        (0, 1, "positive", "teacher", HERE),
        (1, 0, "positive", "teacher", HERE),
        (1, 1, "positive", "teacher", FAR),
        (2, 0, "positive", "teacher", HERE),
        (2, 1, "ignore", "teacher", HERE),
    ]
    notes = counts_of(labels_of(rows), NAMES, np.arange(3))
    assert classes_on_one_object([notes, notes]) == {("ball", "dog"): 2}
