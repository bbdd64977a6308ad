"""Doubtful claims: what is found on rendered footage, and what each rule is told apart by."""

from __future__ import annotations

from dataclasses import replace

import hypothesis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelabel.config import result_values
from reelabel.errors import UsageError
from reelabel.labels.tags.claims import BLANK, CONTRADICTS, COPIED, STRANGER, TaggedMoments
from reelabel.labels.tags.doubt import DoubtSettings, find_doubts
from reelabel.labels.tags.probe import ProbeSettings
from reelabel.labels.tags.stranger import BlankSettings, CopiedSettings, StrangerSettings
from reelabel.labels.tags.video_tags import ContradictsSettings

NO_CONTRADICTS = ContradictsSettings(enabled=False)
ONLY_CONTRADICTS = DoubtSettings(
    blank=BlankSettings(enabled=False),
    copied=CopiedSettings(enabled=False),
    stranger=StrangerSettings(enabled=False),
)
SEEDS = (0, 1, 2)


def precision_recall(found, true):
    """Return both for two masks."""
    hits = (found & true).sum()
    return hits / max(found.sum(), 1), hits / true.sum()


def rows_of(doubts, moments, *rules):
    """Return the mask of moments that these rules doubt."""
    return np.isin(np.arange(len(moments.video)), doubts.row[np.isin(doubts.rule, rules)])


def of_videos(moments, mask):
    """Return which videos have a row of a mask, in the order of their names."""
    return np.isin(np.unique(moments.video), moments.video[mask])


@pytest.fixture(scope="module")
def noisy(rendered):
    """Return moments with a fifth of the tags flipped, their doubts, and wrong rows, by seed."""
    found = []
    for seed in SEEDS:
        label, wrong = rendered.flipped(seed)
        moments = rendered.moments(label)
        found.append((moments, find_doubts(moments, seed=seed), wrong))
    return found


def test_flipped_videos_are_found(noisy):
    """With a fifth of the tags flipped: precision at least .9, recall at least .8, over 3 seeds."""
    found = [of_videos(moments, rows_of(d, moments, CONTRADICTS)) for moments, d, _ in noisy]
    flipped = [of_videos(moments, wrong) for moments, _, wrong in noisy]
    precision, recall = precision_recall(np.concatenate(found), np.concatenate(flipped))
    assert precision >= 0.9
    assert recall >= 0.8


def test_probes_are_right_where_that_is_asked_for(rendered, noisy):
    """In the sets of the test above probes are right on .9 of the frames that are on topic."""
    on_topic = rendered.off_topic == ""
    for _, doubts, _ in noisy:
        right = doubts.probability.argmax(axis=1) == rendered.label
        assert right[on_topic].mean() >= 0.9
        assert doubts.judgements[0].can_be_judged
        assert doubts.judgements[0].videos == len(np.unique(rendered.video))


def test_the_true_class_is_suggested(rendered, noisy):
    """For at least .9 of the flipped frames that are found the suggestion is the true class."""
    moments, doubts, wrong = noisy[0]
    hits = (doubts.rule == CONTRADICTS) & wrong[doubts.row]
    names = np.array(moments.classes)[rendered.label[doubts.row[hits]]]
    assert hits.sum() > 50
    assert (doubts.suggested[hits] == names).mean() >= 0.9


def test_folds_by_frame_hide_flipped_videos(rendered):
    """Why groups matter: with folds over single frames less than half of the flips are found."""
    frames = np.arange(len(rendered.video)).astype(str)
    settings = DoubtSettings(contradicts=ContradictsSettings(min_accuracy=0, min_margin=0, fits=1))
    found, flipped = [], []
    for seed in SEEDS:
        label, wrong = rendered.flipped(seed)
        moments = rendered.moments(label, group=frames)
        doubts = find_doubts(moments, settings, seed=seed)
        found.append(of_videos(moments, rows_of(doubts, moments, CONTRADICTS)))
        flipped.append(of_videos(moments, wrong))
    assert precision_recall(np.concatenate(found), np.concatenate(flipped))[1] < 0.5


def test_off_topic_frames_are_found(rendered, noisy):
    """Cards, black frames and other scenes: precision and recall at least .9, in 3 noisy sets."""
    for moments, doubts, _ in noisy:
        found = rows_of(doubts, moments, BLANK, STRANGER)
        precision, recall = precision_recall(found, rendered.off_topic != "")
        assert precision >= 0.9
        assert recall >= 0.9
        assert (doubts.suggested[doubts.rule != CONTRADICTS] == "").all()


@pytest.mark.parametrize("kind", ["card", "black", "scene"])
def test_strangers_need_no_figures_of_quality(rendered, kind):
    """Each kind of off-topic frame is unlike the rest of its video: recall at least .9."""
    moments = rendered.moments(rendered.label, quality=False)
    doubts = find_doubts(moments, DoubtSettings(contradicts=NO_CONTRADICTS))
    assert set(doubts.rule.tolist()) == {STRANGER}
    assert rows_of(doubts, moments, STRANGER)[rendered.off_topic == kind].mean() >= 0.9


def test_probes_miss_off_topic_frames(rendered):
    """Why there are rules about frames: confident learning on frames finds less than half."""
    moments = rendered.moments(rendered.label, group=rendered.video)
    by_frame = replace(moments, video=np.arange(len(moments.video)).astype(str))
    settings = ContradictsSettings(min_accuracy=0)
    doubts = find_doubts(by_frame, ONLY_CONTRADICTS.model_copy(update={"contradicts": settings}))
    found = rows_of(doubts, by_frame, CONTRADICTS)
    assert precision_recall(found, rendered.off_topic != "")[1] < 0.5


def test_right_tags_are_left_alone(rendered):
    """Without a wrong tag no video is doubted."""
    moments = rendered.moments(rendered.label)
    assert not rows_of(find_doubts(moments), moments, CONTRADICTS).any()


def test_untagged_videos_are_predicted_and_not_doubted(rendered):
    """With 30 % of the videos untagged, these have probabilities and no doubts."""
    label, _ = rendered.flipped(0)
    moments = rendered.moments(label)
    names = np.unique(moments.video)
    untagged = np.isin(moments.video, names[:: len(names) // 14])
    target = moments.target.copy()
    target[untagged] = np.nan
    doubts = find_doubts(replace(moments, target=target))
    assert not untagged[doubts.row].any()
    right = doubts.probability[untagged].argmax(axis=1) == rendered.label[untagged]
    assert right[rendered.off_topic[untagged] == ""].mean() > 0.9


def test_random_features_judge_nothing(rendered):
    """Where the features hold nothing, no tag is doubted, and the judgement says why."""
    moments = rendered.moments(rendered.flipped(0)[0])
    noise = np.random.default_rng(0).standard_normal(moments.features.shape)
    doubts = find_doubts(replace(moments, features=noise), ONLY_CONTRADICTS)
    assert len(doubts.row) == 0
    assert "less than 0.8" in doubts.judgements[0].reason


def small(n_videos=16, classes=("dog", "cat")):
    """Return moments of videos around a centre of each class, without figures of quality."""
    rng = np.random.default_rng(0)
    label = np.repeat(np.arange(n_videos) % len(classes), 6)
    features = np.eye(len(classes), 8)[label] + 0.3 * rng.standard_normal((len(label), 8))
    video = np.repeat([f"v{i:02}" for i in range(n_videos)], 6)
    return TaggedMoments(classes, video, video, features, np.eye(len(classes))[label])


def test_reasons_have_values():
    """Each doubt says in words what was measured and what it was compared with."""
    moments = small()
    target = moments.target.copy()
    wrong = np.isin(moments.video, ["v04", "v07"])
    target[wrong] = target[wrong][:, ::-1]
    n = len(moments.video)
    entropy = np.full(n, 7.0)
    entropy[0] = 0.5
    features = moments.features.copy()
    features[8] = -features[8]
    kept_video, kept_pts = moments.video.copy(), np.arange(n)
    kept_video[13], kept_pts[13] = moments.video[19], 19
    changed = replace(
        moments, target=target, entropy_bits=entropy, sharpness=np.full(n, 90.0),
        features=features, kept_video=kept_video, kept_pts=kept_pts,
    )  # fmt: skip
    doubts = find_doubts(changed)
    reasons = dict(zip(doubts.row.tolist(), doubts.reason.tolist(), strict=True))
    rules = dict(zip(doubts.row.tolist(), doubts.rule.tolist(), strict=True))
    assert (rules[0], reasons[0]) == (BLANK, "entropy 0.50 bit < 2.75")
    assert rules[8] == STRANGER
    assert reasons[8].startswith("distance 1.")
    assert rules[13] == rules[19] == COPIED
    assert reasons[13] == ("the same frame is in 2 videos, and 50% of its copies exclude the class")
    at = int(np.flatnonzero(wrong)[2])
    assert rules[at] == CONTRADICTS
    assert "tagged cat 0." in reasons[at]
    assert "but dog 0." in reasons[at]
    assert doubts.category[doubts.row == at].tolist() == ["cat"]
    assert doubts.suggested[doubts.row == at].tolist() == ["dog"]
    assert (doubts.margin > 0).all()


def test_each_rule_can_be_switched_off():
    """With all rules off nothing is doubted or predicted, and there are no judgements."""
    moments = small()
    settings = ONLY_CONTRADICTS.model_copy(update={"contradicts": NO_CONTRADICTS})
    doubts = find_doubts(moments, settings)
    assert len(doubts.row) == len(doubts.judgements) == 0
    assert np.isnan(doubts.probability).all()


def test_a_claim_is_doubted_once():
    """A blank frame of a video with a wrong tag is doubted as blank alone."""
    moments = small()
    target = moments.target.copy()
    target[moments.video == "v04"] = [0, 1]
    target[moments.video == "v07"] = [1, 0]
    entropy = np.full(len(target), 7.0)
    entropy[np.flatnonzero(moments.video == "v04")[0]] = 0
    sharpness = np.full(len(target), 90.0)
    doubts = find_doubts(replace(moments, target=target, entropy_bits=entropy, sharpness=sharpness))
    of_video = moments.video[doubts.row] == "v04"
    assert doubts.rule[of_video].tolist() == [BLANK, *[CONTRADICTS] * 5]


def test_classes_that_do_not_exclude_each_other_are_judged_one_by_one():
    """A missing and a superfluous claim are both found, each beside its class."""
    moments = small(n_videos=24)
    both = moments.video >= "v16"
    features, target = moments.features.copy(), moments.target.copy()
    features[both, :2] += 1 - target[both]
    target[both] = 1
    target[moments.video == "v02"] = [1, 1]
    target[moments.video == "v20"] = [1, 0]
    doubts = find_doubts(
        replace(moments, features=features, target=target), ONLY_CONTRADICTS, exclusive=False
    )
    found = set(zip(moments.video[doubts.row], doubts.category, doubts.suggested, strict=True))
    assert found == {("v02", "cat", ""), ("v20", "cat", "cat")}
    assert [j.category for j in doubts.judgements] == ["dog", "cat"]


def test_conflicting_videos_are_left_out():
    """A video under two exclusive tags is named, not doubted and not fitted on."""
    moments = small()
    target = moments.target.copy()
    conflicting = moments.video == "v05"
    target[np.flatnonzero(conflicting)[1]] = 1
    doubts = find_doubts(replace(moments, target=target))
    assert doubts.conflicting.tolist() == ["v05"]
    assert not conflicting[doubts.row].any()
    target[conflicting] = np.nan
    unknown = find_doubts(replace(moments, target=target))
    np.testing.assert_array_equal(doubts.probability, unknown.probability)


def test_rare_classes_are_left_out():
    """A class of one video cannot be judged; the others still are."""
    moments = small(n_videos=24, classes=("dog", "cat", "cow"))
    target = moments.target.copy()
    cows = target[:, 2] == 1
    target[cows & (moments.video != "v02")] = np.nan
    target[moments.video == "v03"] = [0, 1, 0]
    target[moments.video == "v07"] = [1, 0, 0]
    doubts = find_doubts(replace(moments, target=target), ONLY_CONTRADICTS)
    assert np.isnan(doubts.probability[:, 2]).all()
    assert set(moments.video[doubts.row].tolist()) == {"v03", "v07"}


def test_one_class_alone_cannot_be_judged():
    """With one class the judgement names what is missing, and nothing fails."""
    moments = small()
    target = np.tile([1.0, 0.0], (len(moments.video), 1))
    doubts = find_doubts(replace(moments, target=target))
    assert not doubts.judgements[0].can_be_judged
    assert "'cat' has fewer" in doubts.judgements[0].reason
    only_claims = np.where(moments.target == 1, 1, np.nan)
    each = find_doubts(replace(moments, target=only_claims), exclusive=False)
    assert "'not dog' has fewer" in each.judgements[0].reason


def test_nothing_is_no_error():
    """Without moments there are no doubts."""
    none = np.array([], np.str_)
    moments = TaggedMoments(("dog", "cat"), none, none, np.zeros((0, 3)), np.zeros((0, 2)))
    assert len(find_doubts(moments).row) == 0


def test_arrays_that_do_not_fit_are_refused():
    """Another number of targets or figures is an error that names the lengths."""
    moments = small()
    with pytest.raises(UsageError, match="96"):
        find_doubts(replace(moments, target=moments.target[1:]))
    with pytest.raises(UsageError, match=r"\[1, 96\]"):
        find_doubts(replace(moments, entropy_bits=np.zeros(1)))


def test_settings_describe_every_field():
    """Every setting has a description for the reference and the command line."""
    kinds = [DoubtSettings]
    while kinds:
        for field in kinds.pop().model_fields.values():
            assert field.description
            if hasattr(field.annotation, "model_fields"):
                kinds.append(field.annotation)
    assert result_values(DoubtSettings())["contradicts"]["probe"]["folds"] == 5


@hypothesis.settings(max_examples=40)
@given(
    seed=st.integers(0, 9999), n=st.integers(0, 14), k=st.integers(1, 3), exclusive=st.booleans()
)
def test_any_tags_give_doubts(seed, n, k, exclusive):
    """Whatever is claimed, also of few, mixed or conflicting videos, doubts have finite margins."""
    rng = np.random.default_rng(seed)
    video, group = (np.char.add(c, rng.integers(0, 5, n).astype(str)) for c in "vg")
    moments = TaggedMoments(
        tuple("abc"[:k]),
        video,
        group,
        rng.integers(0, 3, (n, 3)).astype(float),
        rng.choice([0, 1, np.nan], (n, k)),
        entropy_bits=8 * rng.random(n),
        sharpness=9 * rng.random(n),
        kept_video=rng.permutation(video),
        kept_pts=rng.integers(0, 3, n),
    )
    probe = ProbeSettings(folds=3, inner_folds=2, strengths=(0.01, 0.1))
    settings = DoubtSettings(contradicts=ContradictsSettings(probe=probe, min_accuracy=0))
    doubts = find_doubts(moments, settings, exclusive=exclusive, seed=seed)
    assert np.isfinite(doubts.margin).all()
    assert len(set(zip(doubts.row.tolist(), doubts.category.tolist(), strict=True))) == len(
        doubts.row
    )
    claimed = moments.target[doubts.row, np.searchsorted(moments.classes, doubts.category)]
    assert (claimed[doubts.rule != CONTRADICTS] == 1).all()
    assert np.isfinite(claimed).all()
