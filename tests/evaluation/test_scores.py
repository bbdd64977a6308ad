"""Scores equal those of the reference code, and intervals say how sure they are."""

from __future__ import annotations

import contextlib
import io
import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from reelabel.data.boxes import Boxes, xywh_to_xyxy
from reelabel.data.states import IGNORE, POSITIVE
from reelabel.errors import UsageError
from reelabel.evaluation.frames import KnownFrame, sampling_units
from reelabel.evaluation.intervals import measures, paired_difference
from reelabel.evaluation.scores import detection_scores, frame_matches

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


def boxes_of(rows, ids):
    """Return COCO rows as boxes; crowds are ignored regions."""
    return Boxes(
        xywh_to_xyxy(np.array([row["bbox"] for row in rows], np.float64).reshape(-1, 4)),
        np.array([row.get("score", 1) for row in rows]),
        np.array([ids[row["category_id"]] for row in rows], np.int64),
        state=np.array([IGNORE if row.get("iscrowd") else POSITIVE for row in rows], np.str_),
    )


def as_frames(truth, detections):
    """Return a COCO truth and COCO results as frames, their detections and class names."""
    categories = sorted(truth["categories"], key=lambda c: c["id"])
    ids = {c["id"]: i for i, c in enumerate(categories)}
    frames, found = [], []
    for picture in sorted(truth["images"], key=lambda p: p["id"]):
        here = [a for a in truth["annotations"] if a["image_id"] == picture["id"]]
        complete = picture.get("complete_categories")
        if complete is not None:
            complete = frozenset(ids[c] for c in complete)
        video = picture.get("video", f"picture {picture['id']}")
        frames.append(KnownFrame(video, picture["id"], boxes_of(here, ids), complete))
        found.append(boxes_of([d for d in detections if d["image_id"] == picture["id"]], ids))
    return frames, found, [c["name"] for c in categories]


def scored(truth, detections, **settings):
    """Return our scores of a COCO truth and COCO results."""
    return detection_scores(*as_frames(truth, detections), **settings)


def weighted(truth, detections, times=None):
    """Return the same measures from matches whose frames are weighted, once by default."""
    matches = frame_matches(*as_frames(truth, detections))
    times = np.ones(len(truth["images"])) if times is None else times.astype(float)
    found = measures(matches, times[None], 0.5)
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
    scores = scored(*world(seed))
    assert scores.precision50.shape == (101,)
    assert (np.diff(scores.precision50) <= 1e-12).all()
    assert scores.precision50.mean() == pytest.approx(scores.overall.ap50)
    nothing = scored(world(seed)[0] | {"annotations": []}, [])
    assert np.isnan(nothing.precision50).all()


def crowd_of(n, *, wrong=0):
    """Return one picture with so many true boxes, all detected, and more false detections."""
    at = [[10.0 * (i % 40), 10.0 * (i // 40), 8.0, 8.0] for i in range(n + wrong)]
    row = {"image_id": 1, "category_id": 1}
    truth = [row | {"id": i + 1, "bbox": b, "iscrowd": 0, "area": 64.0} for i, b in enumerate(at)]
    said = [row | {"bbox": b, "score": 1 - i / 1000} for i, b in enumerate(at)]
    pictures = [{"id": 1, "width": 400, "height": 400}]
    categories = [{"id": 1, "name": "person"}]
    return {"images": pictures, "annotations": truth[:n], "categories": categories}, said


def test_in_crowds_all_boxes_count_for_recall_and_the_first_hundred_for_ap():
    """150 objects that are all found have recall 1; AP and AR are those of the published code."""
    truth, said = crowd_of(150, wrong=30)
    found = scored(truth, said, n_resamples=3).overall
    assert (found.recall, found.precision) == (1.0, pytest.approx(150 / 180))
    assert found.n_detections == 180
    stats = reference(truth, said)[[0, 1, 2, 8]]
    assert found.ar100 == pytest.approx(100 / 150)
    assert np.allclose(stats, [getattr(found, m) for m in MEASURES], atol=1e-9)
    assert np.allclose(stats, weighted(truth, said), atol=1e-9)
    drawn = scored(truth, said, n_resamples=3).resamples.samples
    assert drawn["recall"].tolist() == [1.0] * 3


@pytest.mark.parametrize("seed", range(3))
def test_the_limit_of_ap_is_per_picture_and_class(seed):
    """With far more than a hundred boxes in a picture AP equals that of the published code."""
    truth, said = world(seed, 2, n_boxes=600)
    of_one = Counter((d["image_id"], d["category_id"]) for d in said)
    assert max(of_one.values()) > 100
    found = scored(truth, said).overall
    stats = reference(truth, said)[[0, 1, 2, 8]]
    assert np.allclose(stats, [getattr(found, m) for m in MEASURES], atol=1e-9)
    assert np.allclose(stats, weighted(truth, said), atol=1e-9)


def test_published_pair(data_dir):
    """The published result file gets the published figures."""
    folder = data_dir / "manifests" / "coco_eval"
    truth = json.loads((folder / "instances_val2014_100.json").read_text())
    said = json.loads((folder / "instances_val2014_fakebbox100_results.json").read_text())
    found = scored(truth, said)
    figures = [round(getattr(found.overall, m), 4) for m in MEASURES]
    assert figures == [0.5046, 0.6970, 0.5730, 0.5954]
    # Sizes are those of boxes: workspaces hold no other areas.
    for row in truth["annotations"]:
        row["area"] = row["bbox"][2] * row["bbox"][3]
    stats = reference(truth, said)
    assert np.allclose(
        stats[[0, 1, 2, 8]], [getattr(found.overall, m) for m in MEASURES], atol=1e-9
    )
    assert np.allclose(stats[3:6], list(found.ap_by_size.values()), atol=1e-9)
    assert np.allclose(weighted(truth, said), stats[[0, 1, 2, 8]], atol=1e-9)


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000))
def test_equal_to_the_reference(seed):
    """On random pictures both backends give the reference's figures to 1e-9."""
    truth, said = world(seed)
    stats = reference(truth, said)
    found = scored(truth, said)
    wanted = stats[[0, 1, 2, 8]]
    got = [getattr(found.overall, m) for m in MEASURES]
    assert np.allclose(got, wanted, atol=1e-9, equal_nan=True)
    assert np.allclose(weighted(truth, said), wanted, atol=1e-9, equal_nan=True)
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
    found = weighted(truth, said, times)
    assert np.allclose(found, weighted(drawn, repeated), equal_nan=True)


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


@given(score=st.integers(0, 1000).map(lambda n: n / 1000))
def test_a_score_at_the_threshold_counts(score):
    """As everywhere else, also where it is not exact in 32 bits."""
    box = Boxes(np.float32([[0, 0, 9, 9]]), np.float32([score]), np.int64([0]))
    found = detection_scores([KnownFrame("v", 0, box)], [box], ["a"], threshold=score)
    assert found.overall.recall == 1


def test_working_threshold_counts_one_to_one():
    """A second box on a found object and a box without one are false alarms."""
    scores = scored(*tiny(), threshold=0.5)
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
    ball = scored(truth, said).per_class["ball"]
    assert ball.precision == pytest.approx(1 / 2)
    truth["images"][0]["complete_categories"] = []
    assert scored(truth, said).overall.n_truth == 1


def test_hand_boxes_against_themselves_are_perfect(data_dir):
    """Partly annotated frames score 1 against their own boxes, other classes left out."""
    truth = json.loads((data_dir / "annotated" / "hand_boxes" / "instances.json").read_text())
    said = [a | {"score": 0.9} for a in truth["annotations"]]
    stray = {"category_id": 3, "bbox": [1, 1, 50, 50], "score": 0.99}
    said += [stray | {"image_id": p["id"]} for p in truth["images"]]
    scores = scored(truth, said)
    assert scores.overall.ap == pytest.approx(1)
    assert scores.overall.precision == 1
    assert scores.overall.n_truth == len(truth["annotations"])


def test_nothing_said_and_nothing_there():
    """Without detections AP is 0; without truth it is undefined, not 0."""
    truth, said = tiny()
    empty = scored(truth, [], n_resamples=5)
    assert (empty.overall.ap, empty.overall.recall) == (0, 0)
    assert np.isnan(empty.overall.precision)
    bare = scored(truth | {"annotations": []}, said, n_resamples=5)
    assert np.isnan(bare.overall.ap)
    assert bare.overall.precision == 0
    assert np.isnan(bare.intervals()["ap"]).all()
    none = scored({"images": [], "annotations": [], "categories": []}, [], n_resamples=5)
    assert np.isnan(none.overall.ap)


def test_boxes_that_are_not_finite_or_of_no_class_are_refused():
    """A box without numbers or of an unknown class is a usage error that names the frame."""
    frames, found, classes = as_frames(*tiny())
    bad = Boxes(np.array([[0, 0, np.nan, 1]]), np.ones(1), np.zeros(1, np.int64))
    with pytest.raises(UsageError, match="frame 2"):
        detection_scores(frames, [found[0], bad], classes)
    with pytest.raises(UsageError, match="1 classes"):
        detection_scores(frames, found, classes[:1])


def test_every_frame_needs_its_detections():
    """Detections of other frames than those that are scored are refused."""
    frames, found, classes = as_frames(*tiny())
    with pytest.raises(UsageError, match="expected the detections of 2 frames"):
        detection_scores(frames, found[:1], classes)


@pytest.mark.parametrize(
    ("video", "unit", "n_units"),
    [
        (lambda i: f"v{i % 4}", "video", 4),
        (lambda _: "only", "time block", 10),
        (lambda i: f"v{i % 2}", "time block", 20),
        (None, "video", 40),
    ],
)
def test_intervals_say_what_they_draw(video, unit, n_units):
    """Videos are drawn from three on, blocks of time below."""
    truth, said = world(1, 40, video=video)
    scores = scored(truth, said, n_resamples=60, seed=4)
    assert (scores.resamples.unit, scores.resamples.n_units) == (unit, n_units)
    low, high = scores.intervals()["ap"]
    assert low <= scores.overall.ap <= high
    assert low < high
    again = scored(truth, said, n_resamples=60, seed=4)
    assert again.intervals()["f1"] == scores.intervals()["f1"]


def test_time_blocks_are_contiguous():
    """Frames of one video are cut into blocks along time, whatever their order in the file."""
    times = np.random.default_rng(0).permutation(50)
    frames = [KnownFrame("v", int(t), Boxes.empty()) for t in times]
    unit, of_frame = sampling_units(frames)
    assert unit == "time block"
    assert (np.diff(of_frame[np.argsort(times)]) >= 0).all()
    assert np.bincount(of_frame).tolist() == [5] * 10


def test_difference_of_two_models():
    """A model silent on every other frame is clearly worse; one is no better than itself."""
    truth, said = world(3, 60, video=lambda i: f"v{i // 5}")
    first = scored(truth, said, n_resamples=100).resamples
    half = [row for row in said if row["image_id"] % 2]
    second = scored(truth, half, n_resamples=100).resamples
    worse = paired_difference(first, second)
    assert worse.low <= worse.mean <= worse.high < 0
    assert worse.share_better == 0
    same = paired_difference(first, first, "f1")
    assert (same.mean, same.low, same.high) == (0, 0, 0)


def test_difference_needs_the_same_draw():
    """Resamples of another seed are not compared."""
    truth, said = world(3, 20)
    a, b = (scored(truth, said, n_resamples=10, seed=s).resamples for s in (0, 1))
    with pytest.raises(UsageError, match="seed"):
        paired_difference(a, b)
