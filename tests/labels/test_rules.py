"""Each rule decides what its table says, with a reason, in any order of the boxes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from reelabel.data.sequence import BoxSequence
from reelabel.labels.rules import RuleInput, RuleSettings, apply_rules

SIZE = (100, 80)


NAMES = ("ball", "dog")


def boxes(*rows):
    """Return boxes from (pts, xyxy, score, class) rows."""
    pts, xyxy, score, names = zip(*rows, strict=True) if rows else ((), (), (), ())
    class_id = np.array([NAMES.index(name) for name in names], np.int64)
    found = BoxSequence.of(np.array(pts), np.array(xyxy), np.array(score), class_id)
    return RuleInput(found, NAMES, SIZE)


def decided(settings, *rows):
    """Return (state, rule, reason) of each box."""
    decisions = apply_rules(boxes(*rows), settings)
    columns = (decisions.state, decisions.rule, decisions.reason)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def one(settings, *, xyxy=(10, 10, 30, 30), score=0.9, name="ball"):
    """Return what is decided about one box."""
    return decided(settings, (0, xyxy, score, name))[0]


def test_score_makes_three_states():
    """At or above the threshold positive, down to the floor ignore, below it dropped."""
    settings = RuleSettings(score=0.5, floor=0.1)
    assert one(settings, score=0.5) == ("positive", "score", "score 0.50 >= 0.50")
    assert one(settings, score=0.31) == ("ignore", "score", "score 0.31 < 0.50")
    assert one(settings, score=0.05) == ("dropped", "score", "score 0.05 < 0.10")


def test_stored_score_reaches_equal_threshold():
    """0.7 stored as float32 reaches a threshold of 0.7."""
    assert one(RuleSettings(score=0.7), score=0.7)[0] == "positive"


def test_near_scores_show_enough_digits():
    """A reason never reads 0.50 < 0.50."""
    assert one(RuleSettings(), score=0.4999)[2] == "score 0.4999 < 0.5000"


def test_threshold_per_class_beats_the_general_one():
    """A class with its own threshold is judged by it, also below the floor."""
    settings = RuleSettings(score=0.5, floor=0.1, score_per_class={"dog": 0.05})
    assert one(settings, score=0.07, name="dog")[0] == "positive"
    assert one(settings, score=0.07)[0] == "dropped"


@pytest.mark.parametrize(
    ("settings", "xyxy", "expected"),
    [
        (RuleSettings(min_area_px=401), (10, 10, 30, 30), ("ignore", "area", "area 400 < 401 px")),
        (RuleSettings(min_area_px=400), (10, 10, 30, 30), None),
        (RuleSettings(max_area_px=399), (10, 10, 30, 30), ("ignore", "area", "area 400 > 399 px")),
        (
            RuleSettings(max_area_share=0.04),
            (10, 10, 30, 30),
            ("ignore", "area", "area 0.05 > 0.04 of the picture"),
        ),
        (RuleSettings(max_aspect=3), (10, 10, 20, 50), ("ignore", "aspect", "aspect 4 > 3")),
        (RuleSettings(max_aspect=3), (10, 10, 50, 20), ("ignore", "aspect", "aspect 4 > 3")),
        (RuleSettings(max_aspect=4), (10, 10, 50, 20), None),
        (
            RuleSettings(border_px=1),
            (70, 10, 99, 30),
            ("ignore", "border", "1 px from the right edge"),
        ),
        (RuleSettings(border_px=0), (70, 10, 99, 30), None),
        (
            RuleSettings(),
            (-30, 10, 0.5, 30),
            ("dropped", "outside", "only 0.5 x 20 px lie in the picture"),
        ),
        (
            RuleSettings(),
            (99.2, 10, 120, 30),
            ("dropped", "outside", "only 0.8 x 20 px lie in the picture"),
        ),
        (RuleSettings(max_area_px=401), (-20, 10, 20, 30), None),
    ],
)
def test_rules_on_one_box(settings, xyxy, expected):
    """Each rule applies just beyond its bound and not on it; only what is visible counts."""
    assert one(settings, xyxy=xyxy) == (expected or ("positive", "score", "score 0.90 >= 0.50"))


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(("keeps", "kept"), [("score", 0), ("area", 1)])
def test_overlap_keeps_the_best(turned, keeps, kept):
    """The highest score, or the largest box, is kept whichever comes first."""
    rows = [(0, (10, 10, 30, 30), 0.9, "ball"), (0, (10, 10, 32, 30), 0.8, "ball")]
    settings = RuleSettings(overlap_iou=0.8, overlap_keeps=keeps)
    found = decided(settings, *(rows[::-1] if turned else rows))
    found = found[::-1] if turned else found
    assert found[kept][0] == "positive"
    assert found[1 - kept] == ("dropped", "overlap", "IoU 0.91 > 0.80 with a better box")


def test_overlap_stays_inside_frame_and_class():
    """Boxes of other frames are no rivals, those of other classes only if asked."""
    place = (10, 10, 30, 30)
    rows = [(0, place, 0.9, "ball"), (1, place, 0.8, "ball"), (0, place, 0.7, "dog")]
    states = [s for s, *_ in decided(RuleSettings(overlap_iou=0.5), *rows)]
    assert states == ["positive"] * 3
    across = RuleSettings(overlap_iou=0.5, overlap_across_classes=True)
    assert [s for s, *_ in decided(across, *rows)] == ["positive", "positive", "dropped"]


def test_overlap_does_not_chain():
    """A dropped box takes no other box with it."""
    rows = [(0, (10 + 6 * i, 10, 30 + 6 * i, 30), 0.9 - 0.1 * i, "ball") for i in range(3)]
    states = [s for s, *_ in decided(RuleSettings(overlap_iou=0.5), *rows)]
    assert states == ["positive", "dropped", "positive"]


def test_doubted_box_never_removes_a_positive():
    """A cut-off box of higher score yields to a positive one, and not the other way."""
    rows = [(0, (0, 10, 30, 30), 0.95, "ball"), (0, (3, 10, 30, 30), 0.8, "ball")]
    found = decided(RuleSettings(border_px=1, overlap_iou=0.5), *rows)
    assert [s for s, *_ in found] == ["dropped", "positive"]


INNER, OUTER = (10, 10, 30, 30), (10, 10, 40, 34)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    ("inner", "outer", "how"), [(0.9, 0.8, "holds"), (0.8, 0.9, "lies inside")]
)
def test_of_nested_boxes_the_less_trusted_is_ignored(inner, outer, how, turned):
    """Of two positives in one another that of the lower score is ignored, in any order."""
    rows = [(0, INNER, inner, "ball"), (0, OUTER, outer, "ball")]
    found = decided(RuleSettings(), *(rows[::-1] if turned else rows))
    weak = found[::-1] if turned else found
    state, rule, reason = weak[int(outer < inner)]
    assert (state, rule) == ("ignore", "nested")
    assert reason == f"{how} a better box of its class: 100% of the smaller one"
    assert weak[int(outer > inner)][0] == "positive"


@pytest.mark.parametrize(
    "other",
    [
        (0, (5, 10, 25, 26), 0.8, "ball"),
        (0, (20, 20, 24, 26), 0.8, "ball"),
        (1, INNER, 0.8, "ball"),
        (0, INNER, 0.8, "dog"),
        (0, INNER, 0.4, "ball"),
    ],
    ids=["half inside", "far smaller", "another frame", "another class", "no positive"],
)
def test_boxes_that_are_not_nested_doubles_stay(other):
    """Only two positives of one class, frame and comparable size are nested doubles."""
    found = decided(RuleSettings(), (0, OUTER, 0.9, "ball"), other)
    assert found[0][0] == "positive"
    assert all(rule != "nested" for _, rule, _ in found)


def test_nested_boxes_stay_where_a_track_confirms_them():
    """A box that its track confirms is an object of its own."""
    rows = boxes((0, OUTER, 0.9, "ball"), (0, INNER, 0.4, "ball"))
    confirmed = np.array([False, True])
    assert apply_rules(rows, RuleSettings(), confirmed).state.tolist() == ["positive"] * 2


def test_nested_rule_can_be_turned_off():
    """Without a share, nested boxes both stay."""
    rows = [(0, INNER, 0.8, "ball"), (0, OUTER, 0.9, "ball")]
    found = decided(RuleSettings(nested_share=None), *rows)
    assert [state for state, *_ in found] == ["positive"] * 2


def test_most_per_frame_ignores_the_rest():
    """Of three boxes of one class the best stays; other frames and classes count apart."""
    rows = [(0, (20 * i, 0, 20 * i + 9, 9), 0.6 + 0.1 * i, "ball") for i in range(3)]
    rows += [(1, (0, 0, 9, 9), 0.6, "ball"), (0, (0, 40, 9, 49), 0.6, "dog")]
    found = decided(RuleSettings(max_per_frame=1), *rows)
    assert [s for s, *_ in found] == ["ignore", "ignore", "positive", "positive", "positive"]
    assert found[0][1:] == ("max_per_frame", "rank 3 > 1 in its frame")


def test_states_can_be_changed():
    """A rule leads where the settings say."""
    settings = RuleSettings(min_area_px=401, states={"area": "dropped"})
    assert one(settings)[:2] == ("dropped", "area")


CHOICES = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.integers(0, 40),
        st.integers(1, 40),
        st.integers(1, 40),
        st.sampled_from([0.05, 0.3, 0.6, 0.6, 0.9]),
        st.sampled_from(["ball", "dog"]),
    ),
    max_size=14,
    unique=True,
)


@settings(max_examples=60)
@given(choices=CHOICES, seed=st.integers(0, 9))
def test_order_of_boxes_does_not_matter(choices, seed):
    """Shuffled boxes get the same decisions."""
    rows = [(pts, (x, x, x + w, x + h), score, name) for pts, x, w, h, score, name in choices]
    rules = RuleSettings(
        overlap_iou=0.5, max_per_frame=2, border_px=2, max_aspect=5, overlap_across_classes=True
    )
    order = np.random.default_rng(seed).permutation(len(rows))
    shuffled = decided(rules, *(rows[i] for i in order))
    assert [decided(rules, *rows)[i] for i in order] == shuffled


def test_no_boxes_are_fine():
    """A video without boxes gets no decisions."""
    assert decided(RuleSettings(overlap_iou=0.5, max_per_frame=1, border_px=1)) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"score": 1.2},
        {"max_aspect": 0.5},
        {"border_px": -1},
        {"overlap_keeps": "size"},
        {"states": {"aera": "ignore"}},
        {"states": {"area": "maybe"}},
        {"floor": float("nan")},
        {"score_per_class": {"dog": 2}},
        {"nested_share": 0},
        {"nested_min_size": 1.5},
        {"states": {"outside": "ignore"}},
    ],
)
def test_wrong_settings_are_refused(wrong):
    """Values outside their range and unknown names are refused, and so is a box outside."""
    with pytest.raises(ValidationError):
        RuleSettings(**wrong)
