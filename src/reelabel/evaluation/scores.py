"""Scores against truth: AP and its relatives as COCO defines them, with intervals.

`coco_scores` computes the point values with hotcoco, whose results equal those of the published
evaluation code, and the intervals with our own matches (`matching`), whose values equal hotcoco's.
Only truth and labels that a person checked deserve these names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reelabel.errors import UsageError
from reelabel.evaluation.intervals import Resamples, rates, resample, working_counts
from reelabel.evaluation.matching import Boxes, ClassMatches, match

Row = Mapping[str, Any]


@dataclass(frozen=True)
class ClassScores:
    """The scores of one class, or their mean over classes; all in 0..1.

    Attributes:
        ap: mean over IoU 0.50:0.95; ap50, ap75: at one IoU; NaN if the class has no true box.
        ar100: mean over IoU of the highest recall with at most 100 detections a picture.
        precision, recall, f1: at the working threshold and IoU 0.5, one to one; for all classes
            together from their summed counts. NaN if nothing was said, or nothing was there.
        n_truth: true boxes that count (crowd regions do not).
        n_detections: detections that were judged, at any score.
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
class Scores:
    """How good detections are.

    Attributes:
        overall: over all classes.
        per_class: class name -> its scores.
        precision50: ``(101,)`` precision at IoU 0.5 at recall 0, 0.01 .. 1, the mean over classes;
            its mean is AP50. NaN if there is no true box.
        ap_by_size: "small", "medium", "large" -> AP of true boxes below 32^2, up to 96^2 and
            above that many square pixels; NaN if there are none.
        threshold: the working threshold of precision, recall and F1.
        n_pictures: how many pictures were judged.
        resamples: None if no intervals were asked for.
    """

    overall: ClassScores
    per_class: dict[str, ClassScores]
    precision50: NDArray[np.float64]
    ap_by_size: dict[str, float]
    threshold: float
    n_pictures: int
    resamples: Resamples | None

    def intervals(self, level: float = 0.95) -> dict[str, tuple[float, float]]:
        """Return measure -> lower and upper bound; measures of a class are named ``ap:dog``."""
        if self.resamples is None:
            return {}
        return {m: self.resamples.interval(m, level) for m in self.resamples.samples}


def coco_scores(
    truth: Row,
    detections: Iterable[Row],
    *,
    threshold: float = 0.5,
    n_resamples: int = 0,
    seed: int = 0,
) -> Scores:
    """Score detections against truth.

    A picture whose ``complete_categories`` lists category ids was annotated for these alone: true
    boxes and detections of other classes on it are left out. Detections of categories that the
    truth does not know are left out too.

    Args:
        truth: a COCO data set: images, annotations, categories. ``iscrowd`` marks regions in which
            detections count neither way; ``area`` may be missing.
        detections: COCO results: image_id, category_id, bbox (xywh in pixels), score.
        threshold: the working threshold.
        n_resamples: bootstrap resamples for intervals; 0 for none.
        seed: of the bootstrap.

    Raises:
        UsageError: if a row names a picture or a truth row a category that the truth does not
            have, or holds a box or score that is not finite.
    """
    pictures = sorted(truth["images"], key=lambda picture: picture["id"])
    position = {picture["id"]: i for i, picture in enumerate(pictures)}
    names = {c["id"]: c["name"] for c in sorted(truth["categories"], key=lambda c: c["id"])}
    asked = _Asked(pictures, set(names))
    true_rows = asked.rows(truth["annotations"], "annotation")
    said_rows = asked.rows(detections, "detection")
    matches = match(
        Boxes.of(true_rows, position, "iscrowd"),
        Boxes.of(said_rows, position, "score"),
        categories=names,
        n_pictures=len(pictures),
    )
    by_name = {names[category]: found for category, found in matches.items()}
    tables = _Tables.of(pictures, true_rows, said_rows, names)
    drawn = None
    if n_resamples:
        drawn = resample(by_name, pictures, threshold=threshold, n_resamples=n_resamples, seed=seed)
    return _collected(tables, by_name, threshold, drawn)


class _Asked:
    """Which rows take part: those of classes that are complete on their picture."""

    def __init__(self, pictures: Sequence[Row], categories: set[int]) -> None:
        self.categories = categories
        self.complete: dict[Any, set[int] | None] = {}
        for picture in pictures:
            listed = picture.get("complete_categories")
            self.complete[picture["id"]] = None if listed is None else set(listed)

    def rows(self, rows: Iterable[Row], what: str) -> list[Row]:
        """Return the rows that take part, checked."""
        return [row for i, row in enumerate(rows) if self._takes_part(row, f"{what} {i}", what)]

    def _takes_part(self, row: Row, name: str, what: str) -> bool:
        if row["image_id"] not in self.complete:
            raise UsageError(
                f"{name} is of picture {row['image_id']!r}, which the truth does not have: "
                "score detections of the annotated pictures alone"
            )
        if not np.isfinite([*row["bbox"], row.get("score", 0.0)]).all():
            raise UsageError(f"{name} must hold finite numbers, but got {dict(row)}")
        category = row["category_id"]
        if category not in self.categories and what == "annotation":
            raise UsageError(f"{name} is of category {category!r}, which the truth does not have")
        complete = self.complete[row["image_id"]]
        return category in self.categories and (complete is None or category in complete)


@dataclass(frozen=True)
class _Tables:
    """What hotcoco says: precision ``(iou, recall, class, size)`` and recall ``(iou, class)``."""

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]

    @classmethod
    def of(
        cls, pictures: list[Row], truth: list[Row], said: list[Row], names: Mapping[int, str]
    ) -> _Tables:
        from hotcoco import COCO, COCOeval  # noqa: PLC0415 -- not needed to import this room

        data = {
            "images": [{k: p.get(k, 1) for k in ("id", "width", "height")} for p in pictures],
            "categories": [{"id": i, "name": name} for i, name in names.items()],
            "annotations": [_true_row(i + 1, row) for i, row in enumerate(truth)],
        }
        keys = ("image_id", "category_id", "bbox", "score")
        results = [{k: row[k] for k in keys} for row in said]
        data_set = COCO(data)
        judged = COCOeval(data_set, data_set.load_res(results), "bbox")
        judged.evaluate()
        judged.accumulate()
        tables: Any = judged.eval
        return cls(tables["precision"][..., -1], tables["recall"][:, :, 0, -1])


def _true_row(number: int, row: Row) -> dict[str, Any]:
    """Return a row as the evaluation wants it: numbered from 1, with area and iscrowd."""
    box = [float(value) for value in row["bbox"]]
    return {
        "id": number,
        "image_id": row["image_id"],
        "category_id": row["category_id"],
        "bbox": box,
        "area": float(row.get("area", box[2] * box[3])),
        "iscrowd": int(row.get("iscrowd", 0)),
    }


def _collected(
    tables: _Tables,
    matches: Mapping[str, ClassMatches],
    threshold: float,
    drawn: Resamples | None,
) -> Scores:
    n_pictures = len(next(iter(matches.values())).n_truth) if matches else 0
    once = np.ones((1, n_pictures))
    counts = {name: working_counts(m, once, threshold)[:, 0] for name, m in matches.items()}
    said = {name: len(m.score) for name, m in matches.items()}
    per_class = {
        name: _class_scores(tables, slice(k, k + 1), counts[name], said[name])
        for k, name in enumerate(matches)
    }
    total = np.sum(list(counts.values()), axis=0) if counts else np.zeros(3)
    sizes = ("small", "medium", "large")
    by_size = {s: _mean(tables.precision[..., i + 1]) for i, s in enumerate(sizes)}
    overall = _class_scores(tables, slice(None), total, sum(said.values()))
    curve = _over_classes(tables.precision[0, :, :, 0])
    return Scores(overall, per_class, curve, by_size, threshold, n_pictures, drawn)


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
