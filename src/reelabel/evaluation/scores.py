"""Scores against truth: AP and its relatives as COCO defines them, with intervals.

Point values are hotcoco's, which equal those of the published evaluation code; intervals come from
its matches, weighted anew for each resample (`matching`). Only scores against ground truth may be
called AP.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reelabel.data.boxes import Boxes, xyxy_to_xywh
from reelabel.data.states import IGNORE
from reelabel.errors import UsageError
from reelabel.evaluation.frames import KnownFrame
from reelabel.evaluation.intervals import Resamples, rates, resample, working_counts
from reelabel.evaluation.matching import MAX_FOR_AP, ClassMatches, class_matches

Row = dict[str, Any]


@dataclass(frozen=True)
class ClassScores:
    """The scores of one class, or their mean over classes; all in 0..1.

    AP and AR take the best 100 detections of a frame and class, as COCO defines them. Precision,
    recall and F1 take all of them, so that crowds do not cost recall.

    Attributes:
        ap: mean over IoU 0.50:0.95; ap50, ap75: at one IoU; NaN if the class has no true box.
        ar100: mean over IoU of the highest recall.
        precision, recall, f1: at the working threshold and IoU 0.5, one to one; for all classes
            together from their summed counts. NaN without detections, or without true boxes.
        n_truth: true boxes that count (ignore regions do not).
        n_detections: detections that were scored, at any score.
    """

    ap: float
    ap50: float
    ap75: float
    ar100: float
    precision: float
    recall: float
    f1: float
    n_truth: int
    n_detections: int


@dataclass(frozen=True)
class DetectionScores:
    """How good detections are.

    Attributes:
        overall: over all classes.
        per_class: class name -> its scores.
        precision50: ``(101,)`` precision at IoU 0.5 at recall 0, 0.01 .. 1, the mean over classes;
            its mean is AP50. NaN if there is no true box.
        ap_by_size: "small", "medium", "large" -> AP of true boxes below 32^2, up to 96^2 and
            above that many square pixels; NaN if there are none.
        threshold: the working threshold of precision, recall and F1.
        n_frames: how many frames were scored.
        resamples: None if no intervals were asked for.
    """

    overall: ClassScores
    per_class: dict[str, ClassScores]
    precision50: NDArray[np.float64]
    ap_by_size: dict[str, float]
    threshold: float
    n_frames: int
    resamples: Resamples | None

    def intervals(self, level: float = 0.95) -> dict[str, tuple[float, float]]:
        """Return measure -> lower and upper bound; measures of a class are named ``ap:dog``."""
        if self.resamples is None:
            return {}
        return {m: self.resamples.interval(m, level) for m in self.resamples.samples}


def detection_scores(
    frames: Sequence[KnownFrame],
    detections: Sequence[Boxes],
    classes: Sequence[str],
    *,
    threshold: float = 0.5,
    n_resamples: int = 0,
    seed: int = 0,
) -> DetectionScores:
    """Score detections against the true boxes of frames.

    In a frame that is complete for some classes alone, boxes of other classes are left out.

    Args:
        frames: the frames and their true boxes.
        detections: those of each frame, in the same order and pixels.
        classes: the class names that class ids point into.
        threshold: the working threshold of precision, recall and F1.
        n_resamples: bootstrap resamples for intervals; 0 for none.
        seed: of the bootstrap.

    Raises:
        UsageError: if frames and detections do not pair up, or a box is not finite or of a class
            that is not named.
    """
    judged = _evaluated(frames, detections, classes)
    matches = _matches(judged, len(frames), classes)
    drawn = None
    if n_resamples:
        drawn = resample(matches, frames, threshold=threshold, n_resamples=n_resamples, seed=seed)
    return _collected(_Tables.of(judged), matches, threshold, drawn)


def frame_matches(
    frames: Sequence[KnownFrame], detections: Sequence[Boxes], classes: Sequence[str]
) -> dict[str, ClassMatches]:
    """Return the matches of each class, for measures over any weighting of the frames.

    Raises:
        UsageError: as `detection_scores` does.
    """
    return _matches(_evaluated(frames, detections, classes), len(frames), classes)


def _matches(judged: Any, n_frames: int, classes: Sequence[str]) -> dict[str, ClassMatches]:
    all_areas = judged.params.area_rng[0]
    images = (one for one in judged.eval_imgs if one and one["aRng"] == all_areas)
    return dict(zip(classes, class_matches(images, n_frames, len(classes)), strict=True))


def _coco(frames: Sequence[KnownFrame], classes: Sequence[str]) -> Row:
    """Return the truth as hotcoco expects it: images, categories and annotations from 1."""
    annotations: list[Row] = []
    for number, frame in enumerate(frames, 1):
        boxes = frame.boxes
        ignored = np.zeros(len(boxes), bool) if boxes.state is None else boxes.state == IGNORE
        for row, crowd in zip(_rows(number, boxes, frame, len(classes)), ignored, strict=True):
            if row is not None:
                more = {"id": len(annotations) + 1, "iscrowd": int(crowd)}
                annotations.append(row | more | {"area": row["bbox"][2] * row["bbox"][3]})
    return {
        "images": [{"id": i, "width": 1, "height": 1} for i in range(1, len(frames) + 1)],
        "categories": [{"id": i, "name": name} for i, name in enumerate(classes, 1)],
        "annotations": annotations,
    }


def _results(
    frames: Sequence[KnownFrame], detections: Sequence[Boxes], n_classes: int
) -> Iterator[Row]:
    for number, (frame, boxes) in enumerate(zip(frames, detections, strict=True), 1):
        for row, score in zip(
            _rows(number, boxes, frame, n_classes), boxes.score.tolist(), strict=True
        ):
            if row is not None:
                yield row | {"score": score}


def _rows(number: int, boxes: Boxes, frame: KnownFrame, n_classes: int) -> Iterator[Row | None]:
    """Yield each box as a COCO row, None for one of a class that the frame is not complete for."""
    if not np.isfinite(boxes.xyxy).all() or not np.isin(boxes.class_id, np.arange(n_classes)).all():
        raise UsageError(
            f"expected finite boxes of {n_classes} classes, but got others in the frame "
            f"{frame.pts} of {frame.video}"
        )
    xywh = xyxy_to_xywh(boxes.xyxy.astype(np.float64)).tolist()
    for box, class_id in zip(xywh, boxes.class_id.tolist(), strict=True):
        takes_part = frame.complete is None or class_id in frame.complete
        row = {"image_id": number, "category_id": class_id + 1, "bbox": box}
        yield row if takes_part else None


def _evaluated(
    frames: Sequence[KnownFrame], detections: Sequence[Boxes], classes: Sequence[str]
) -> Any:
    """Return hotcoco's evaluation."""
    from hotcoco import COCO, COCOeval  # noqa: PLC0415 -- slow to load

    if len(frames) != len(detections):
        raise UsageError(
            f"expected the detections of {len(frames)} frames, but got those of {len(detections)}"
        )
    truth = COCO(_coco(frames, classes))
    results = list(_results(frames, detections, len(classes)))
    judged = COCOeval(truth, truth.load_res(results), "bbox")
    params = judged.params
    # Accumulated with COCO's limit, but matched without any: working counts take all detections.
    params.max_dets = [MAX_FOR_AP, max([MAX_FOR_AP, *map(len, detections)]) + 1]
    judged.params = params
    judged.evaluate()
    judged.accumulate()
    return judged


@dataclass(frozen=True)
class _Tables:
    """Results of hotcoco: precision ``(iou, recall, class, size)`` and recall ``(iou, class)``.

    Both with at most `MAX_FOR_AP` detections of a frame and class.
    """

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]

    @classmethod
    def of(cls, judged: Any) -> _Tables:
        tables: Any = judged.eval
        return cls(tables["precision"][..., 0], tables["recall"][:, :, 0, 0])


def _collected(
    tables: _Tables,
    matches: Mapping[str, ClassMatches],
    threshold: float,
    drawn: Resamples | None,
) -> DetectionScores:
    n_frames = len(next(iter(matches.values())).n_truth) if matches else 0
    once = np.ones((1, n_frames))
    counts = {name: working_counts(m, once, threshold)[:, 0] for name, m in matches.items()}
    n_detections = {name: len(m.score) for name, m in matches.items()}
    per_class = {
        name: _class_scores(tables, slice(k, k + 1), counts[name], n_detections[name])
        for k, name in enumerate(matches)
    }
    total = np.sum(list(counts.values()), axis=0) if counts else np.zeros(3)
    sizes = ("small", "medium", "large")
    by_size = {s: _mean(tables.precision[..., i + 1]) for i, s in enumerate(sizes)}
    overall = _class_scores(tables, slice(None), total, sum(n_detections.values()))
    curve = _over_classes(tables.precision[0, :, :, 0])
    return DetectionScores(overall, per_class, curve, by_size, threshold, n_frames, drawn)


def _class_scores(
    tables: _Tables, which: slice, counts: NDArray[np.float64], n_detections: int
) -> ClassScores:
    precision = tables.precision[:, :, which, 0]
    working = rates(*counts.reshape(3, 1))
    return ClassScores(
        ap=_mean(precision),
        ap50=_mean(precision[0]),
        ap75=_mean(precision[5]),
        ar100=_mean(tables.recall[:, which]),
        **{name: float(value[0]) for name, value in working.items()},
        n_truth=int(counts[2]),
        n_detections=n_detections,
    )


def _over_classes(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of each row over the classes that are defined."""
    some = table[:, (table > -1).all(axis=0)]
    result: NDArray[np.float64] = some.mean(axis=1) if some.size else np.full(len(table), np.nan)
    return result


def _mean(table: NDArray[np.float64]) -> float:
    """Return the mean of what is defined; the evaluation marks the rest by -1."""
    some = table[table > -1]
    return float(some.mean()) if some.size else float("nan")
