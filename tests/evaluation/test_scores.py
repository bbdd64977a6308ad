"""Scores equal those of the reference code, and intervals say how sure they are."""

from __future__ import annotations

import contextlib
import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from reelabel.errors import UsageError
from reelabel.evaluation.intervals import find_units, measures, paired_difference
from reelabel.evaluation.matching import Boxes, match
from reelabel.evaluation.scores import coco_scores

MEASURES = ("ap", "ap50", "ap75", "ar100")


def reference(truth, detections):
    """Return the reference code's statistics, NaN where it says -1."""
    with contextlib.redirect_stdout(io.StringIO()):
        data = COCO()
        data.dataset = truth
        data.createIndex()
        results = COCO()
        results.dataset = truth | {
            "annotations": [
                d | {"id": i + 1, "area": d["bbox"][2] * d["bbox"][3], "iscrowd": 0}
                for i, d in enumerate(detections)
            ]
        }
        results.createIndex()
        judged = COCOeval(data, results, "bbox")
        judged.evaluate()
        judged.accumulate()
        judged.summarize()
    stats = judged.stats
    return np.where(stats < 0, np.nan, stats)


def ours(truth, detections):
    """Return the same from our own matches, every picture weighted once."""
    pictures = sorted(truth["images"], key=lambda p: p["id"])
    position = {p["id"]: i for i, p in enumerate(pictures)}
    matches = match(
        Boxes.of(truth["annotations"], position, "iscrowd"),
        Boxes.of(detections, position, "score"),
        categories=[c["id"] for c in truth["categories"]],
        n_pictures=len(pictures),
    )
    named = {str(k): v for k, v in matches.items()}
    found = measures(named, np.ones((1, len(pictures))), 0.5)
    return [found[m][0] for m in MEASURES]


def world(seed, n_pictures=6, *, video=None, n_boxes=6):
    """Return truth and detections with crowds, empty pictures, ties and false alarms."""
    rng = np.random.default_rng(seed)
    pictures, truth, said = [], [], []
    for i in range(1, n_pictures + 1):
        pictures.append({"id": i, "width": 200, "height": 200})
        if video:
            pictures[-1]["video"] = video(i)
        for _ in range(rng.integers(0, n_boxes)):
            box = [float(v) for v in (*rng.integers(0, 120, 2), *rng.integers(1, 80, 2))]
            row = {"image_id": i, "category_id": int(rng.integers(1, 4)), "bbox": box}
            crowd = int(rng.random() < 0.2)
            area = box[2] * box[3]
            truth.append(row | {"id": len(truth) + 1, "iscrowd": crowd, "area": area})
            for _ in range(rng.integers(0, 4)):
                moved = np.array(box) + rng.integers(-4, 5, 4)
                moved[2:] = moved[2:].clip(1)
                # Few different scores: many ties.
                score = float(rng.integers(1, 6)) / 5
                said.append(row | {"bbox": moved.tolist(), "score": score})
    categories = [{"id": k, "name": name} for k, name in ((1, "ball"), (2, "dog"), (3, "train"))]
    return {"images": pictures, "annotations": truth, "categories": categories}, said


@pytest.mark.parametrize("seed", range(4))
def test_the_curve_has_the_area_ap50(seed):
    """Precision at IoU 0.5 falls with recall, and its mean over recall is AP50."""
    scores = coco_scores(*world(seed))
    assert scores.precision50.shape == (101,)
    assert (np.diff(scores.precision50) <= 1e-12).all()
    assert scores.precision50.mean() == pytest.approx(scores.overall.ap50)
    nothing = coco_scores(world(seed)[0] | {"annotations": []}, [])
    assert np.isnan(nothing.precision50).all()


def test_published_pair(data_dir):
    """The published result file gets the published figures."""
    folder = data_dir / "manifests" / "coco_eval"
    truth = json.loads((folder / "instances_val2014_100.json").read_text())
    said = json.loads((folder / "instances_val2014_fakebbox100_results.json").read_text())
    found = coco_scores(truth, said)
    figures = [round(getattr(found.overall, m), 4) for m in MEASURES]
    assert figures == [0.5046, 0.6970, 0.5730, 0.5954]
    stats = reference(truth, said)
    assert np.allclose(
        stats[[0, 1, 2, 8]], [getattr(found.overall, m) for m in MEASURES], atol=1e-9
    )
    assert np.allclose(stats[3:6], list(found.ap_by_size.values()), atol=1e-9)
    assert np.allclose(ours(truth, said), stats[[0, 1, 2, 8]], atol=1e-9)


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000))
def test_equal_to_the_reference(seed):
    """On random pictures both backends give the reference's figures to 1e-9."""
    truth, said = world(seed)
    stats = reference(truth, said)
    found = coco_scores(truth, said)
    wanted = stats[[0, 1, 2, 8]]
    got = [getattr(found.overall, m) for m in MEASURES]
    assert np.allclose(got, wanted, atol=1e-9, equal_nan=True)
    assert np.allclose(ours(truth, said), wanted, atol=1e-9, equal_nan=True)
    assert np.allclose(list(found.ap_by_size.values()), stats[3:6], atol=1e-9, equal_nan=True)


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000))
def test_weight_two_is_the_picture_twice(seed):
    """A weighting equals the data set in which pictures are left out or repeated."""
    truth, said = world(seed, 4)
    # Ties between pictures are ordered by picture, which copies change: make scores differ.
    said = [row | {"score": row["score"] + 1e-4 * i} for i, row in enumerate(said)]
    times = np.random.default_rng(seed).integers(0, 3, 4)
    copies = [(i + 1, 10 * k + i + 1) for i, n in enumerate(times) for k in range(1, n + 1)]
    drawn = {
        "images": [{"id": new, "width": 200, "height": 200} for _, new in copies],
        "annotations": [
            row | {"image_id": new}
            for old, new in copies
            for row in truth["annotations"]
            if row["image_id"] == old
        ],
        "categories": truth["categories"],
    }
    repeated = [r | {"image_id": new} for old, new in copies for r in said if r["image_id"] == old]
    position = {p["id"]: i for i, p in enumerate(truth["images"])}
    matches = match(
        Boxes.of(truth["annotations"], position, "iscrowd"),
        Boxes.of(said, position, "score"),
        categories=[1, 2, 3],
        n_pictures=4,
    )
    found = measures({str(k): m for k, m in matches.items()}, times[None].astype(float), 0.5)
    assert np.allclose([found[m][0] for m in MEASURES], ours(drawn, repeated), equal_nan=True)


def tiny():
    """Return two balls in one picture, a dog in another."""
    rows = [(1, 1, [0, 0, 10, 10]), (1, 1, [50, 0, 10, 10]), (2, 2, [0, 0, 10, 10])]
    truth = {
        "images": [{"id": i, "width": 100, "height": 100} for i in (1, 2)],
        "annotations": [{"image_id": i, "category_id": c, "bbox": b} for i, c, b in rows],
        "categories": [{"id": 1, "name": "ball"}, {"id": 2, "name": "dog"}],
    }
    said = [
        {"image_id": 1, "category_id": 1, "bbox": [0, 0, 10, 10], "score": 0.9},
        {"image_id": 1, "category_id": 1, "bbox": [1, 0, 10, 10], "score": 0.8},
        {"image_id": 2, "category_id": 2, "bbox": [0, 0, 10, 10], "score": 0.4},
        {"image_id": 2, "category_id": 1, "bbox": [0, 50, 10, 10], "score": 0.7},
    ]
    return truth, said


def test_working_threshold_counts_one_to_one():
    """A second box on a found object and a box without one are false alarms."""
    scores = coco_scores(*tiny(), threshold=0.5)
    ball = scores.per_class["ball"]
    assert (ball.precision, ball.recall, ball.f1) == pytest.approx((1 / 3, 1 / 2, 2 / 5))
    assert np.isnan(scores.per_class["dog"].precision)
    assert scores.per_class["dog"].recall == 0
    assert scores.overall.recall == pytest.approx(1 / 3)
    assert (scores.overall.n_truth, scores.overall.n_detections) == (3, 4)


def test_frames_annotated_for_some_classes_count_for_those():
    """On a frame complete for dogs alone, what is said of balls is no false alarm."""
    truth, said = tiny()
    truth["images"][1]["complete_categories"] = [2]
    ball = coco_scores(truth, said).per_class["ball"]
    assert ball.precision == pytest.approx(1 / 2)
    truth["images"][0]["complete_categories"] = []
    assert coco_scores(truth, said).overall.n_truth == 1


def test_hand_boxes_against_themselves_are_perfect(data_dir):
    """Partly annotated frames score 1 against their own boxes, other classes left out."""
    truth = json.loads((data_dir / "annotated" / "hand_boxes" / "instances.json").read_text())
    said = [a | {"score": 0.9} for a in truth["annotations"]]
    stray = {"category_id": 3, "bbox": [1, 1, 50, 50], "score": 0.99}
    said += [stray | {"image_id": p["id"]} for p in truth["images"]]
    scores = coco_scores(truth, said)
    assert scores.overall.ap == pytest.approx(1)
    assert scores.overall.precision == 1
    assert scores.overall.n_truth == len(truth["annotations"])


def test_nothing_said_and_nothing_there():
    """Without detections AP is 0; without truth it is undefined, not 0."""
    truth, said = tiny()
    empty = coco_scores(truth, [], n_resamples=5)
    assert (empty.overall.ap, empty.overall.recall) == (0, 0)
    assert np.isnan(empty.overall.precision)
    bare = coco_scores(truth | {"annotations": []}, said, n_resamples=5)
    assert np.isnan(bare.overall.ap)
    assert bare.overall.precision == 0
    assert np.isnan(bare.intervals()["ap"]).all()
    none = coco_scores({"images": [], "annotations": [], "categories": []}, [], n_resamples=5)
    assert np.isnan(none.overall.ap)


@pytest.mark.parametrize(
    "wrong",
    [{"image_id": 9}, {"bbox": [0, 0, float("nan"), 1]}, {"score": float("inf")}],
)
def test_wrong_detections_are_refused(wrong):
    """Unknown pictures and numbers that are none are usage errors that name the row."""
    truth, said = tiny()
    with pytest.raises(UsageError, match="detection 1"):
        coco_scores(truth, [said[0], said[1] | wrong])


def test_truth_of_unknown_category_is_refused():
    """A true box must be of a category that the truth lists; detections of others are left out."""
    truth, said = tiny()
    extra = said[0] | {"category_id": 77}
    assert coco_scores(truth, [extra]).overall.n_detections == 0
    truth["annotations"].append(truth["annotations"][0] | {"category_id": 77})
    with pytest.raises(UsageError, match="annotation 3"):
        coco_scores(truth, said)


@pytest.mark.parametrize(
    ("video", "unit", "n_units"),
    [
        (lambda i: f"v{i % 4}", "video", 4),
        (lambda _: "only", "time block", 10),
        (lambda i: f"v{i % 2}", "time block", 20),
        (None, "picture", 40),
    ],
)
def test_intervals_say_what_they_draw(video, unit, n_units):
    """Videos are drawn from three on, blocks of time below, pictures where there is no video."""
    truth, said = world(1, 40, video=video)
    scores = coco_scores(truth, said, n_resamples=60, seed=4)
    assert (scores.resamples.unit, scores.resamples.n_units) == (unit, n_units)
    low, high = scores.intervals()["ap"]
    assert low <= scores.overall.ap <= high
    assert low < high
    again = coco_scores(truth, said, n_resamples=60, seed=4)
    assert again.intervals()["f1"] == scores.intervals()["f1"]


def test_time_blocks_are_contiguous():
    """Frames of one video are cut into blocks along time, whatever their order in the file."""
    times = np.random.default_rng(0).permutation(50)
    unit, of_picture = find_units([
        {"id": i, "video": "v", "pts_time": t} for i, t in enumerate(times)
    ])
    assert unit == "time block"
    assert (np.diff(of_picture[np.argsort(times)]) >= 0).all()
    assert np.bincount(of_picture).tolist() == [5] * 10


def test_difference_of_two_models():
    """A model silent on every other frame is clearly worse; one is no better than itself."""
    truth, said = world(3, 60, video=lambda i: f"v{i // 5}")
    first = coco_scores(truth, said, n_resamples=100).resamples
    half = [row for row in said if row["image_id"] % 2]
    second = coco_scores(truth, half, n_resamples=100).resamples
    worse = paired_difference(first, second)
    assert worse.is_clear
    assert worse.low <= worse.mean <= worse.high < 0
    assert worse.share_better == 0
    same = paired_difference(first, first, "f1")
    assert (same.mean, same.is_clear) == (0, False)


def test_difference_needs_the_same_draw():
    """Resamples of another seed are not compared."""
    truth, said = world(3, 20)
    a, b = (coco_scores(truth, said, n_resamples=10, seed=s).resamples for s in (0, 1))
    with pytest.raises(UsageError, match="seed"):
        paired_difference(a, b)
