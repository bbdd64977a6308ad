"""evaluate  model -> scores  1:N  teacher and student on the same frames, with intervals.

Against hand-drawn truth where there is some, else against the pseudo-labels of frames that were
kept out of training, which is called agreement and never AP. Scores of footage that was trained on
(with pseudo-labels, never with truth) and of videos kept out of training stand apart.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field

from reelabel.config import Project, Settings
from reelabel.data.boxes import iou
from reelabel.data.states import IGNORE, POSITIVE
from reelabel.engine.stage import Context, Output, Resource, Stage, Unit
from reelabel.evaluation.intervals import paired_difference
from reelabel.evaluation.scores import Scores, coco_scores
from reelabel.files import read_json
from reelabel.labels.dedup import alike_share
from reelabel.media.quality import ANALYSIS_WH, perceptual_hash
from reelabel.media.video import frames as decoded
from reelabel.models.detector_pool import DetectorPool, detect_frames
from reelabel.models.registry import load_detector
from reelabel.tables import DETECTIONS, FRAMES, LABELS, TRUTH, TRUTH_FRAMES, VIDEOS, Table, xyxy_of
from reelabel.workspace import fingerprint
from reelabel.workspace.results import RESAMPLES, SCORES, SPLIT, JsonResult

Row = dict[str, Any]
TIGHT_IOU = 0.75
ALIKE_BITS, ALIKE_SHARE = 4, 0.5
"""A video looks like another if so many of its frames' 64-bit hashes are so near to the other's. A
copy at half the size and a third of the quality has all; clips of other places have none, those of
one still place may have all too."""


class EvaluateSettings(Settings):
    """How scores are made."""

    threshold: float = Field(0.5, ge=0, le=1)
    """Working threshold of precision, recall and F1."""
    resamples: int = Field(500, ge=0)
    """Bootstrap resamples for the intervals; 0 for none."""


EvaluateUnit = Unit[EvaluateSettings, DetectorPool]


def evaluate(unit: EvaluateUnit) -> Output:
    """Return this round's scores."""
    truth = _truth(unit)
    found = _Found(unit)
    resamples: Row = {}
    split = unit.inputs.result(SPLIT) or {"videos": {}, "leak_free": False, "reason": ""}
    trained = {video for video, sides in split["videos"].items() if sides.get("train")}
    report: Row = {
        "round": unit.round_number,
        "threshold": unit.settings.threshold,
        "split": {key: split[key] for key in ("leak_free", "reason")},
        "left_out": _left_out(unit),
        "alike": _alike(unit, truth, trained),
    }
    if truth["images"]:
        report["truth"], resamples = _against_truth(unit, truth, found)
        report["truth"]["videos"] = list(_per_video(unit, truth, found))
        unseen = _only(truth, _videos_of(truth) - trained)
        if unseen["images"]:
            report["truth_unseen"], _ = _against_truth(unit, unseen, found)
        report["labels"] = _label_quality(unit, truth)
    held_out = _held_out(unit)
    if held_out["images"]:
        report["agreement"] = _against_labels(unit, held_out, found)
    results = (JsonResult(SCORES.file, report), JsonResult(RESAMPLES.file, resamples))
    return Output(notes={"kinds": sorted(report)}, digest=fingerprint(report), results=results)


class _Found:
    """What teacher and student say of any frames; the student looks once at each."""

    def __init__(self, unit: EvaluateUnit) -> None:
        self._unit = unit
        self._seen: dict[tuple[str, int], list[Row]] = {}

    def teacher(self, pictures: Iterable[Row]) -> list[Row]:
        """Return this round's stored detections on these pictures, as COCO results."""
        return _stored(self._unit, pictures, DETECTIONS)

    def student(self, pictures: list[Row]) -> list[Row]:
        """Return what the student sees on these pictures, as COCO results."""
        by_video: dict[str, list[Row]] = {}
        for picture in pictures:
            if (picture["video"], picture["pts"]) not in self._seen:
                by_video.setdefault(picture["video"], []).append(picture)
        for i, (video_id, some) in enumerate(sorted(by_video.items())):
            self._unit.tick(i / len(by_video), self._unit.inputs.video(video_id).name)
            self._look(video_id, sorted({p["pts"] for p in some}))
        return [
            {**row, "image_id": picture["id"]}
            for picture in pictures
            for row in self._seen[picture["video"], picture["pts"]]
        ]

    def _look(self, video_id: str, wanted: list[int]) -> None:
        video, pool = self._unit.inputs.video(video_id), self._unit.resource
        self._seen |= {(video_id, pts): [] for pts in wanted}
        ids = _ids(self._unit.project)
        for one in detect_frames(video.path, pool, wanted, size_wh=video.size_wh):
            names = [pool.detector.classes[i] for i in one.boxes.class_id]
            boxes = zip(one.boxes.xyxy.tolist(), one.boxes.score.tolist(), names, strict=True)
            self._seen[video_id, one.pts] = [_result(xyxy, s, ids[n]) for xyxy, s, n in boxes]


def _result(xyxy: list[float], score: float, category_id: int) -> Row:
    x1, y1, x2, y2 = xyxy
    return {"category_id": category_id, "bbox": [x1, y1, x2 - x1, y2 - y1], "score": score}


def _ids(project: Project) -> dict[str, int]:
    return {name: i for i, name in enumerate(project.classes, 1)}


def _truth(unit: EvaluateUnit) -> Row:
    """Return the hand-drawn truth as COCO; picture ids count the frames."""
    ids = _ids(unit.project)
    pictures: list[Row] = []
    annotations: list[Row] = []
    usable = _usable(unit)
    for video_id, frames in unit.shards(TRUTH_FRAMES):
        if video_id not in usable:
            continue
        number = {}
        for frame in frames.to_pylist():
            number[frame["pts"]] = len(pictures) + 1
            picture = {"id": len(pictures) + 1, "video": video_id, "pts": frame["pts"]}
            if frame["complete"] is not None:
                picture["complete_categories"] = [ids[name] for name in frame["complete"]]
            pictures.append(picture | {"frame_index": frame["frame_index"]})
        rows = unit.rows(TRUTH, video_id)
        for row, xyxy in zip(rows.to_pylist(), xyxy_of(rows).tolist(), strict=True):
            drawn = _result(xyxy, 1.0, ids[row["category"]])
            annotations.append(
                drawn | {"image_id": number[row["pts"]], "iscrowd": int(row["crowd"])}
            )
    return {"images": pictures, "annotations": annotations, "categories": _categories(ids)}


def _usable(unit: EvaluateUnit) -> set[str]:
    """Return the videos that both models can be judged on: there, and seen by the teacher."""
    there = {video.video_id for video in unit.inputs.videos if video.usable}
    return there & set(unit.inputs.video_ids(DETECTIONS))


def _categories(ids: Mapping[str, int]) -> list[Row]:
    return [{"id": i, "name": name} for name, i in ids.items()]


def _only(truth: Row, videos: Collection[str]) -> Row:
    """Return the truth on some of the videos."""
    images = [picture for picture in truth["images"] if picture["video"] in videos]
    kept = {picture["id"] for picture in images}
    annotations = [a for a in truth["annotations"] if a["image_id"] in kept]
    return truth | {"images": images, "annotations": annotations}


def _videos_of(truth: Row) -> set[str]:
    return {picture["video"] for picture in truth["images"]}


def _alike(unit: EvaluateUnit, truth: Row, trained: set[str]) -> dict[str, str]:
    """Return the unseen videos that look like one that was trained on, and that one, by name.

    They may be copies under another name or in another encoding, or the same scene once more.
    """
    names = {video.video_id: video.name for video in unit.inputs.videos}
    known = {v: unit.rows(FRAMES, v)["hash"].to_numpy() for v in sorted(trained)}
    found = {}
    for video_id in sorted(_videos_of(truth) - trained):
        hashes = _hashes(unit, video_id, [p for p in truth["images"] if p["video"] == video_id])
        share = {v: alike_share(hashes, others, ALIKE_BITS) for v, others in known.items()}
        other = max(share, key=lambda v: share[v], default=None)
        if other and share[other] >= ALIKE_SHARE:
            found[names[video_id]] = names[other]
    return found


def _hashes(unit: EvaluateUnit, video_id: str, pictures: list[Row]) -> NDArray[np.uint64]:
    """Return the perceptual hashes of annotated frames, as those that are sampled have them."""
    wanted = sorted({picture["pts"] for picture in pictures})
    looked = decoded(unit.inputs.video(video_id).path, wanted, on_error=lambda _: None)
    return np.array([perceptual_hash(frame.grey(ANALYSIS_WH)) for frame in looked], np.uint64)


def _held_out(unit: EvaluateUnit) -> Row:
    """Return the validation side of the data set, whose boxes are pseudo-labels."""
    data = read_json(unit.inputs.folder("dataset") / "val.json")
    seen = _only(data, _usable(unit))
    return seen if seen["annotations"] else {"images": []}


def _stored(
    unit: EvaluateUnit, pictures: Iterable[Row], table: Table, *, state: str = POSITIVE
) -> list[Row]:
    """Return stored boxes on these pictures as COCO results, in pixels of the video.

    Of labels only those of that state.
    """
    ids = _ids(unit.project)
    wanted: dict[str, dict[int, int]] = {}
    for picture in pictures:
        wanted.setdefault(picture["video"], {})[picture["pts"]] = picture["id"]
    results: list[Row] = []
    for video_id, image_of in sorted(wanted.items()):
        rows = unit.rows(table, video_id)
        if table is LABELS:
            rows = rows.filter(pa.compute.field("state") == state)
        rows = rows.take(np.flatnonzero(np.isin(rows["pts"].to_numpy(), list(image_of))))
        for row, xyxy in zip(rows.to_pylist(), xyxy_of(rows).tolist(), strict=True):
            result = _result(xyxy, row["score"], ids[row["category"]])
            results.append(result | {"image_id": image_of[row["pts"]]})
    return results


def _against_truth(unit: EvaluateUnit, truth: Row, found: _Found) -> tuple[Row, Row]:
    """Return the figures, and the AP of both models in every resample."""
    teacher = _scored(unit, truth, found.teacher(truth["images"]))
    student = _scored(unit, truth, found.student(truth["images"]))
    facts = {"frames": len(truth["images"]), "boxes": teacher.overall.n_truth}
    both = {"teacher": _figures(teacher), "student": _figures(student)}
    if teacher.resamples is None or student.resamples is None:
        return facts | both, {}
    gain = paired_difference(teacher.resamples, student.resamples)
    drawn = {"over": teacher.resamples.unit, "units": teacher.resamples.n_units}
    samples = {"teacher": teacher.resamples, "student": student.resamples}
    every = {who: {"ap": [_number(v) for v in r.samples["ap"]]} for who, r in samples.items()}
    gain_ap = {name: _number(value) for name, value in vars(gain).items()}
    return facts | both | {"gain_ap": gain_ap, "intervals": drawn}, every


def _per_video(unit: EvaluateUnit, truth: Row, found: _Found) -> Iterator[Row]:
    """Yield the figures of both models on each video, without intervals."""
    names = {video.video_id: video.name for video in unit.inputs.videos}
    for video_id in sorted(_videos_of(truth)):
        some = _only(truth, {video_id})
        said = {"teacher": found.teacher, "student": found.student}
        scores = {who: coco_scores(some, say(some["images"])) for who, say in said.items()}
        figures = {who: _figures(one)["all"] for who, one in scores.items()}
        facts = {"video_id": video_id, "name": names[video_id], "frames": len(some["images"])}
        yield facts | {who: {k: f[k]["value"] for k in NAMES} for who, f in figures.items()}


def _scored(unit: EvaluateUnit, truth: Row, results: list[Row]) -> Scores:
    s = unit.settings
    return coco_scores(
        truth, results, threshold=s.threshold, n_resamples=s.resamples, seed=unit.project.seed
    )


NAMES = {"ap": "ap", "ap50": "ap50", "ap75": "ap75", "ar": "ar100"}
RATES = {"p": "precision", "r": "recall", "f1": "f1"}


def _figures(scores: Scores) -> Row:
    """Return every figure with its interval, for all classes and for each."""
    intervals = scores.intervals()
    names = NAMES | RATES
    figures: Row = {
        "all": {k: _figure(getattr(scores.overall, v), intervals.get(v)) for k, v in names.items()},
        "classes": {
            name: {
                k: _figure(getattr(one, v), intervals.get(f"{v}:{name}")) for k, v in names.items()
            }
            for name, one in scores.per_class.items()
        },
        "pr50": [_number(v) for v in scores.precision50],
        "ap_by_size": {k: _number(v) for k, v in scores.ap_by_size.items()},
    }
    return figures


def _figure(value: float, interval: tuple[float, float] | None) -> Row:
    low, high = interval if interval is not None else (float("nan"), float("nan"))
    return {"value": _number(value), "low": _number(low), "high": _number(high)}


def _number(value: float) -> float | None:
    """Return a number that JSON can hold; what is not defined is null."""
    return None if np.isnan(value) else round(float(value), 6)


def _label_quality(unit: EvaluateUnit, truth: Row) -> Row:
    """Return precision and recall of the labels themselves on the truth frames of the footage."""
    some = _only(truth, unit.inputs.video_ids(LABELS))
    if not some["images"]:
        return {}
    results = _stored(unit, some["images"], LABELS)
    scores = coco_scores(some, results, threshold=0.0)
    return {k: _figure(getattr(scores.overall, v), None) for k, v in RATES.items()}


def _against_labels(unit: EvaluateUnit, held_out: Row, found: _Found) -> Row:
    """Return how far both agree with the pseudo-labels of frames that were not trained on."""
    pictures = held_out["images"]
    # The labels in pixels of the video, whatever size the written pictures have.
    labels = _stored(unit, pictures, LABELS)
    doubts = _stored(unit, pictures, LABELS, state=IGNORE)
    truth = held_out | {"annotations": labels + [row | {"iscrowd": 1} for row in doubts]}
    seen = found.student(pictures)
    return {
        "frames": len(pictures),
        "teacher": _figures(_scored(unit, truth, found.teacher(pictures))),
        "student": _figures(_scored(unit, truth, seen)),
        "kept75": _kept(labels, seen, unit.settings.threshold),
    }


def _kept(labels: list[Row], seen: list[Row], threshold: float) -> float | None:
    """Return the share of labels that are found again at IoU 0.75, at the working threshold.

    None if there are no labels.
    """
    by_picture: dict[tuple[int, int], list[list[float]]] = {}
    for row in seen:
        if row["score"] >= threshold:
            by_picture.setdefault((row["image_id"], row["category_id"]), []).append(row["bbox"])
    hits = sum(
        _overlap(label["bbox"], by_picture.get((label["image_id"], label["category_id"]), []))
        for label in labels
    )
    return hits / len(labels) if labels else None


def _overlap(xywh: list[float], others: list[list[float]]) -> bool:
    boxes = np.array([xywh, *others], np.float32)
    xyxy = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
    return bool((iou(xyxy[:1], xyxy[1:]) >= TIGHT_IOU).any())


def _left_out(unit: EvaluateUnit) -> list[str]:
    """Return the names of annotated videos that could not be judged."""
    missing = set(unit.inputs.video_ids(TRUTH_FRAMES)) - _usable(unit)
    return sorted(video.name for video in unit.inputs.videos if video.video_id in missing)


def student(context: Context[EvaluateSettings]) -> Resource[DetectorPool]:
    """Return the description of this round's student."""
    model = context.inputs.folder("model")
    detector = load_detector(f"student:{model}", wanted=context.project.classes)
    return Resource(DetectorPool(detector), detector.fingerprint)


STAGE = Stage(
    name="evaluate",
    arrow=(__doc__ or "").splitlines()[0],
    settings=EvaluateSettings,
    run=evaluate,
    scope="all",
    reads=(VIDEOS, FRAMES, TRUTH_FRAMES, TRUTH, DETECTIONS, LABELS),
    after=("split", "train"),
    project_keys=("classes", "seed"),
    per_round=True,
    version=5,
    resource=student,
    made_by_run=True,
)
