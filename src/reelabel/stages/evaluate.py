"""evaluate  model -> scores  1:N  teacher, untrained start and student on the same frames.

Against hand-drawn truth where there is some, and against the pseudo-labels of frames that were kept
out of training, which is called agreement and never AP. Scores of footage that was trained on (with
pseudo-labels, never with truth) and of videos kept out of training stand apart. Where labels were
held out the models are also compared without any: by their consistency under mirroring.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field

from reelabel.config import Settings
from reelabel.data.boxes import Boxes
from reelabel.data.states import GAP, IGNORE, NEGATIVE, POSITIVE, TRACKER
from reelabel.engine.stage import Context, Output, Resource, Stage, Unit
from reelabel.evaluation.comparison import Scoring, compare, compare_videos
from reelabel.evaluation.consistency import Views
from reelabel.evaluation.figures import Comparison, Figure, Role, VideoScores
from reelabel.evaluation.frames import KnownFrame
from reelabel.evaluation.without_truth import (
    MirrorConsistency,
    held_out_labels,
    mirror_consistency,
)
from reelabel.files import read_json
from reelabel.labels.dedup import alike_share
from reelabel.media.quality import ANALYSIS_WH, perceptual_hash
from reelabel.media.video import frames as decoded
from reelabel.models.base import Detector
from reelabel.models.detector_pool import DetectorPool, detect_frames
from reelabel.models.mirrored import MirroredDetector, has_two_views, single_view
from reelabel.models.registry import load_detector
from reelabel.models.students.folder import START, is_finished
from reelabel.models.teacher import load_teacher
from reelabel.tables import DETECTIONS, FRAMES, LABELS, TRUTH, TRUTH_FRAMES, VIDEOS, Table, xyxy_of
from reelabel.workspace import fingerprint
from reelabel.workspace.results import Decision, LabelQuality, Resamples, Scores, SplitReport
from reelabel.workspace.rounds import teacher_of

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
    mirror_frames: int = Field(100, ge=0)
    """Sampled frames, spread evenly, on which consistency under mirroring is measured where labels
    were held out; 0 for none."""


@dataclass(frozen=True)
class Models:
    """The models that are compared.

    Attributes:
        teacher: its detections are stored; it detects only in mirrored frames.
        student: trained in this round.
        start: the student before its training; None if that detects nothing yet.
    """

    teacher: Detector
    student: Detector
    start: Detector | None


EvaluateUnit = Unit[EvaluateSettings, Models]
Key = tuple[str, int]
"""Video id and time stamp."""


def evaluate(unit: EvaluateUnit) -> Output:
    """Return this round's scores."""
    split = unit.inputs.result(SplitReport) or SplitReport(leak_free=False, reason="")
    truth, held_out, detections = _truth(unit), _held_out(unit), _Detections(unit)
    unseen = [frame for frame in truth if frame.video not in split.trained]
    against_truth, resamples = _compared(unit, truth, detections, by_video=True)
    scores = Scores(
        round=unit.round_number,
        threshold=unit.settings.threshold,
        leak_free=split.leak_free,
        split=split.reason,
        truth=against_truth,
        truth_unseen=_compared(unit, unseen, detections)[0],
        agreement=_compared(unit, held_out, detections)[0],
        held_out=held_out_labels(held_out, detections.of(held_out), _scoring(unit))
        if held_out
        else None,
        mirror=_mirrored(unit) if held_out else None,
        labels=_label_quality(unit, truth),
        left_out=_left_out(unit),
        alike=_alike(unit, truth, split.trained),
    )
    return Output(
        notes={"truth_frames": len(truth), "held_out_frames": len(held_out)},
        digest=fingerprint(scores.to_json()),
        results=(scores, resamples),
    )


class _Detections:
    """What each model finds in any frames; a model is shown a frame once."""

    def __init__(self, unit: EvaluateUnit) -> None:
        self._unit = unit
        models: dict[Role, Detector | None] = {
            "start": unit.resource.start,
            "student": unit.resource.student,
        }
        self._models = {role: DetectorPool(one) for role, one in models.items() if one is not None}
        self._seen: dict[Role, dict[Key, Boxes]] = {role: {} for role in self._models}

    def of(self, frames: Sequence[KnownFrame]) -> dict[Role, list[Boxes]]:
        """Return the detections of each model in these frames; the teacher's are stored."""
        stored = _stored(self._unit, {frame.video for frame in frames}, DETECTIONS)
        found: dict[Role, dict[Key, Boxes]] = {"teacher": stored}
        for role, pool in self._models.items():
            seen = self._seen[role]
            missing = {(f.video, f.pts) for f in frames if (f.video, f.pts) not in seen}
            seen |= _detected(self._unit, pool, missing)
        return {
            role: [seen.get((frame.video, frame.pts), Boxes.empty()) for frame in frames]
            for role, seen in (found | self._seen).items()
        }


def _detected(unit: EvaluateUnit, pool: DetectorPool, keys: Iterable[Key]) -> dict[Key, Boxes]:
    """Return what a detector finds in frames, in pixels of the video."""
    by_video: dict[str, list[int]] = {}
    for video_id, pts in sorted(keys):
        by_video.setdefault(video_id, []).append(pts)
    found: dict[Key, Boxes] = {}
    for i, (video_id, wanted) in enumerate(by_video.items()):
        video = unit.inputs.video(video_id)
        unit.tick(i / len(by_video), video.name)
        for one in detect_frames(video.path, pool, wanted, size_wh=video.size_wh):
            found[video_id, one.pts] = one.boxes
    return found


def _mirrored(unit: EvaluateUnit) -> MirrorConsistency | None:
    """Return how consistent the models are under mirroring, None if too few can be compared."""
    models: dict[Role, Detector | None] = {
        "teacher": unit.resource.teacher,
        "start": unit.resource.start,
        "student": unit.resource.student,
    }
    models = {role: one for role, one in models.items() if one and has_two_views(one)}
    frames = _spread(unit) if len(models) > 1 and "student" in models else []
    if not frames:
        return None
    views = {role: _views(unit, single_view(one), frames) for role, one in models.items() if one}
    return mirror_consistency(frames, views, _scoring(unit))


def _views(unit: EvaluateUnit, detector: Detector, frames: Sequence[KnownFrame]) -> Views:
    keys = [(frame.video, frame.pts) for frame in frames]
    mirrored = cast("Detector", MirroredDetector(detector))
    direct, other = (_detected(unit, DetectorPool(one), keys) for one in (detector, mirrored))
    empty = Boxes.empty()
    return Views.of([direct.get(k, empty) for k in keys], [other.get(k, empty) for k in keys])


def _spread(unit: EvaluateUnit) -> list[KnownFrame]:
    """Return sampled frames of the labelled videos, spread evenly over all of them."""
    keys: list[Key] = []
    for video_id in sorted(set(unit.inputs.video_ids(LABELS)) & _usable(unit)):
        rows = unit.rows(FRAMES, video_id)
        kept = rows["pts"].to_numpy()[rows["kept"].to_numpy(zero_copy_only=False)]
        keys += [(video_id, int(pts)) for pts in kept]
    count = min(unit.settings.mirror_frames, len(keys))
    chosen = np.linspace(0, len(keys) - 1, count).round().astype(int)
    return [KnownFrame(video_id, pts, Boxes.empty()) for video_id, pts in (keys[i] for i in chosen)]


def _stored(unit: EvaluateUnit, videos: Iterable[str], table: Table) -> dict[Key, Boxes]:
    """Return the boxes that a table holds of these videos: video id and time stamp -> boxes."""
    found: dict[Key, Boxes] = {}
    for video_id in sorted(videos):
        rows = unit.rows(table, video_id)
        boxes, pts = _boxes(rows, unit.project.classes), rows["pts"].to_numpy()
        found |= {(video_id, int(one)): boxes[pts == one] for one in np.unique(pts)}
    return found


def _boxes(rows: pa.Table, classes: Sequence[str]) -> Boxes:
    """Return the boxes of rows; labels that fill a gap of a track have the tracker as origin."""
    ids = {name: i for i, name in enumerate(classes)}
    n, names = len(rows), set(rows.column_names)
    origin = np.array(rows["origin"].to_pylist() if "origin" in names else [], np.str_)
    if "rule" in names and n:
        filled = np.array(rows["rule"].to_pylist(), np.str_) == GAP
        origin = np.where(filled, TRACKER, origin)
    return Boxes(
        xyxy_of(rows),
        rows["score"].to_numpy() if "score" in names else np.ones(n, np.float32),
        np.array([ids[name] for name in rows["category"].to_pylist()], np.int64),
        state=np.array(rows["state"].to_pylist(), np.str_) if "state" in names else None,
        origin=origin if "origin" in names else None,
    )


def _truth(unit: EvaluateUnit) -> list[KnownFrame]:
    """Return the annotated frames of the videos that all models can be scored on."""
    frames = []
    ids = {name: i for i, name in enumerate(unit.project.classes)}
    for video_id in sorted(set(unit.inputs.video_ids(TRUTH_FRAMES)) & _usable(unit)):
        rows = unit.rows(TRUTH, video_id)
        boxes, pts = _boxes(rows, unit.project.classes), rows["pts"].to_numpy()
        state = np.where(rows["crowd"].to_numpy(zero_copy_only=False), IGNORE, POSITIVE)
        for frame in unit.rows(TRUTH_FRAMES, video_id).to_pylist():
            here = pts == frame["pts"]
            drawn = Boxes(
                boxes.xyxy[here], boxes.score[here], boxes.class_id[here], state=state[here]
            )
            complete = frame["complete"]
            known = None if complete is None else frozenset(ids[name] for name in complete)
            frames.append(KnownFrame(video_id, frame["pts"], drawn, known))
    return frames


def _usable(unit: EvaluateUnit) -> set[str]:
    """Return the videos that all models can be scored on: readable, and seen by the teacher."""
    readable = {video.video_id for video in unit.inputs.videos if video.usable}
    return readable & set(unit.inputs.video_ids(DETECTIONS))


def _held_out(unit: EvaluateUnit) -> list[KnownFrame]:
    """Return the frames of the validation side with their pseudo-labels, if there are labels.

    The labels are in pixels of the video, whatever size the written pictures have.
    """
    data = read_json(unit.inputs.folder("dataset") / "val.json")
    usable = _usable(unit)
    keys = [(image["video"], image["pts"]) for image in data["images"] if image["video"] in usable]
    labels = _stored(unit, {video_id for video_id, _ in keys}, LABELS)
    frames = []
    for key in keys:
        boxes = labels.get(key, Boxes.empty())
        if boxes.state is not None:
            boxes = boxes[boxes.state != NEGATIVE]
        frames.append(KnownFrame(*key, boxes))
    return frames if any(len(frame.boxes) for frame in frames) else []


def _compared(
    unit: EvaluateUnit,
    frames: Sequence[KnownFrame],
    detections: _Detections,
    *,
    by_video: bool = False,
) -> tuple[Comparison | None, Resamples]:
    """Return the scores of all models on these frames, and their AP in every resample."""
    if not frames:
        return None, Resamples()
    found, scoring = detections.of(frames), _scoring(unit)
    videos: tuple[VideoScores, ...] = ()
    if by_video:
        names = {video.video_id: video.name for video in unit.inputs.videos}
        videos = compare_videos(frames, found, names, scoring)
    compared, series = compare(frames, found, scoring)
    return replace(compared, videos=videos), Resamples(series)


def _scoring(unit: EvaluateUnit) -> Scoring:
    s = unit.settings
    return Scoring(unit.project.classes, s.threshold, s.resamples, unit.project.seed)


def _label_quality(unit: EvaluateUnit, truth: Sequence[KnownFrame]) -> LabelQuality | None:
    """Return precision and recall of the labels on the annotated frames of the footage."""
    videos = set(unit.inputs.video_ids(LABELS))
    some = [frame for frame in truth if frame.video in videos]
    if not some:
        return None
    labels = _stored(unit, {frame.video for frame in some}, LABELS)
    found = []
    for frame in some:
        boxes = labels.get((frame.video, frame.pts), Boxes.empty())
        found.append(boxes if boxes.state is None else boxes[boxes.state == POSITIVE])
    overall = Scoring(unit.project.classes, threshold=0.0).scores(some, found).overall
    rates = (overall.precision, overall.recall, overall.f1)
    return LabelQuality(*(Figure.of(rate) for rate in rates))


def _alike(unit: EvaluateUnit, truth: Sequence[KnownFrame], trained: set[str]) -> dict[str, str]:
    """Return the unseen videos that look like one that was trained on, and that one, by name.

    They may be copies under another name or in another encoding, or the same scene once more.
    """
    names = {video.video_id: video.name for video in unit.inputs.videos}
    known = {v: unit.rows(FRAMES, v)["hash"].to_numpy() for v in sorted(trained)}
    found = {}
    for video_id in sorted({frame.video for frame in truth} - trained):
        hashes = _hashes(unit, video_id, [f.pts for f in truth if f.video == video_id])
        share = {v: alike_share(hashes, others, ALIKE_BITS) for v, others in known.items()}
        other = max(share, key=lambda v: share[v], default=None)
        if other and share[other] >= ALIKE_SHARE:
            found[names[video_id]] = names[other]
    return found


def _hashes(unit: EvaluateUnit, video_id: str, pts: Iterable[int]) -> NDArray[np.uint64]:
    """Return the perceptual hashes of annotated frames, as those that are sampled have them."""
    path = unit.inputs.video(video_id).path
    found = decoded(path, sorted(set(pts)), on_error=lambda _: None)
    return np.array([perceptual_hash(frame.grey(ANALYSIS_WH)) for frame in found], np.uint64)


def _left_out(unit: EvaluateUnit) -> tuple[str, ...]:
    """Return the names of annotated videos that could not be scored."""
    missing = set(unit.inputs.video_ids(TRUTH_FRAMES)) - _usable(unit)
    return tuple(sorted(v.name for v in unit.inputs.videos if v.video_id in missing))


def models(context: Context[EvaluateSettings]) -> Resource[Models]:
    """Return the models of this round."""
    folder, classes = context.inputs.folder("model"), context.project.classes
    decision = context.inputs.result(Decision, previous=True)
    spec = teacher_of(context.project.detector, context.round_number, decision)
    student = load_detector(f"student:{folder}", wanted=classes)
    begun = is_finished(folder / START)
    start = load_detector(f"student:{folder / START}", wanted=classes) if begun else None
    found = Models(load_teacher(context.project, context.root, spec), student, start)
    marks = [one.fingerprint for one in (found.teacher, found.student, found.start) if one]
    return Resource(found, fingerprint(*marks))


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
    version=7,
    resource=models,
    made_by_run=True,
)
