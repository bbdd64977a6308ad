"""evaluate  model -> scores  1:N  teacher, untrained start and student on the same frames.

Against hand-drawn truth where there is some, and against the pseudo-labels of frames that were kept
out of training, which is called agreement and never AP. Scores of footage that was trained on (with
pseudo-labels, never with truth) and of videos kept out of training stand apart. Where labels were
held out, or no detector was there before drawn boxes, the models are also compared without any: by
their consistency under mirroring.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from reelabel.data.boxes import Boxes
from reelabel.data.states import POSITIVE
from reelabel.engine.stage import Context, Output, Resource, Stage, Unit
from reelabel.evaluation.comparison import EvaluateSettings, Scoring, compare
from reelabel.evaluation.frames import FrameKey, KnownFrame, spread
from reelabel.evaluation.label_quality import (
    BackgroundQuality,
    LabelQuality,
    background_quality,
    label_quality,
)
from reelabel.evaluation.label_rules import RuledLabels, VideoLabels, rule_quality
from reelabel.evaluation.without_truth import (
    MirrorConsistency,
    held_out_labels,
    mirror_consistency,
)
from reelabel.formats.coco import read_coco
from reelabel.labels.copies import SIDE, Seen, find_copies
from reelabel.labels.known_frames import boxes_by_pts, label_frames, ruled_labels, truth_frames
from reelabel.media.signatures import spread_signatures
from reelabel.models.compared import ComparedModels, ModelDetections
from reelabel.models.teacher import fused_labels, load_teacher
from reelabel.short_names import NO_DETECTOR
from reelabel.tables import (
    CANDIDATES,
    DETECTIONS,
    FRAMES,
    LABELS,
    TRUTH,
    TRUTH_FRAMES,
    VIDEOS,
    Table,
)
from reelabel.tables.footage import signatures_of
from reelabel.workspace import fingerprint
from reelabel.workspace.results import Decision, InputChoice, Resamples, Scores, SplitReport
from reelabel.workspace.rounds import teacher_of

EvaluateUnit = Unit[EvaluateSettings, ComparedModels]


def evaluate(unit: EvaluateUnit) -> Output:
    """Return this round's scores."""
    split = unit.inputs.result(SplitReport) or SplitReport(leak_free=False, reason="")
    truth, held_out, detections = _truth(unit), _held_out(unit), _detections(unit)
    unseen = [frame for frame in truth if frame.video not in split.trained]
    names = {video.video_id: video.name for video in unit.inputs.videos}
    scoring = unit.settings.scoring(unit.project.classes, unit.project.seed)
    against_truth, series = compare(truth, detections.of(truth), scoring, names)
    alike, not_compared = _alike(unit, truth, split.trained)
    scores = Scores(
        round=unit.round_number,
        threshold=scoring.threshold,
        fused=fused_labels(unit.resource.teacher),
        leak_free=split.leak_free,
        split=split.reason,
        truth=against_truth,
        truth_unseen=compare(unseen, detections.of(unseen), scoring)[0],
        agreement=compare(held_out, detections.of(held_out), scoring)[0],
        held_out=held_out_labels(held_out, detections.of(held_out), scoring) if held_out else None,
        mirror=_mirrored(unit, detections, scoring) if _needs_mirror(unit, held_out) else None,
        labels=_label_quality(unit, truth),
        rules=rule_quality(_ruled(unit, truth)),
        background=_background_quality(unit, truth),
        left_out=_left_out(unit),
        alike=alike,
        not_compared=not_compared,
    )
    return Output(
        notes={"truth_frames": len(truth), "held_out_frames": len(held_out)},
        digest=fingerprint(scores.to_json()),
        results=(scores, Resamples(series)),
    )


def _detections(unit: EvaluateUnit) -> ModelDetections:
    stored = partial(_stored, unit, DETECTIONS)
    return ModelDetections(unit.resource, stored, video_of=unit.inputs.video, tick=unit.tick)


def _needs_mirror(unit: EvaluateUnit, held_out: Sequence[KnownFrame]) -> bool:
    """Return whether the models are compared without labels: some were held out, or all drawn."""
    drawn = unit.project.detector == NO_DETECTOR and not unit.project.truth
    return bool(held_out) or (drawn and unit.round_number > 0)


def _mirrored(
    unit: EvaluateUnit, detections: ModelDetections, scoring: Scoring
) -> MirrorConsistency | None:
    """Return how consistent the models are under mirroring, None if too few can be compared."""
    frames = _sampled(unit) if unit.resource.with_two_views else []
    if not frames:
        return None
    found = mirror_consistency(frames, detections.views(frames), scoring)
    return replace(found, same_input=unit.resource.same_input)


def _sampled(unit: EvaluateUnit) -> list[KnownFrame]:
    """Return sampled frames of the labelled videos, spread evenly over all of them."""
    keys: list[FrameKey] = []
    for video_id in sorted(set(unit.inputs.video_ids(LABELS)) & _usable(unit)):
        kept = unit.rows(FRAMES, video_id).filter(pc.field("kept"))
        keys += [(video_id, pts) for pts in kept["pts"].to_pylist()]
    return label_frames(spread(keys, unit.settings.mirror_frames), {})


def _stored(unit: EvaluateUnit, table: Table, videos: Iterable[str]) -> dict[FrameKey, Boxes]:
    """Return the boxes that a table holds of these videos."""
    return {
        (video_id, pts): boxes
        for video_id in sorted(videos)
        for pts, boxes in boxes_by_pts(unit.rows(table, video_id), unit.project.classes).items()
    }


def _truth(unit: EvaluateUnit) -> list[KnownFrame]:
    """Return the annotated frames of the videos that all models can be scored on."""
    frames: list[KnownFrame] = []
    for video_id in sorted(set(unit.inputs.video_ids(TRUTH_FRAMES)) & _usable(unit)):
        annotated, truth = (unit.rows(table, video_id) for table in (TRUTH_FRAMES, TRUTH))
        frames += truth_frames(video_id, annotated, truth, unit.project.classes)
    return frames


def _usable(unit: EvaluateUnit) -> set[str]:
    """Return the videos that all models can be scored on: readable, processed by the teacher."""
    readable = {video.video_id for video in unit.inputs.videos if video.usable}
    return readable & set(unit.inputs.video_ids(DETECTIONS))


def _held_out(unit: EvaluateUnit) -> list[KnownFrame]:
    """Return the frames of the validation side with their pseudo-labels, if there are labels.

    The labels are in pixels of the video, whatever size the written pictures have.
    """
    data, usable = read_coco(unit.inputs.data_set() / "val.json"), _usable(unit)
    keys = [(image.video, image.pts or 0) for image in data.images if image.video in usable]
    frames = label_frames(keys, _stored(unit, LABELS, {video_id for video_id, _ in keys}))
    return frames if any(len(frame.boxes) for frame in frames) else []


def _label_quality(unit: EvaluateUnit, truth: Sequence[KnownFrame]) -> LabelQuality | None:
    """Return how good the labels are on the annotated frames of the footage, if there are any."""
    videos = set(unit.inputs.video_ids(LABELS))
    some = [frame for frame in truth if frame.video in videos]
    if not some:
        return None
    labels = _stored(unit, LABELS, {frame.video for frame in some})
    return label_quality(some, labels, unit.project.classes)


def _ruled(unit: EvaluateUnit, truth: Sequence[KnownFrame]) -> Iterator[VideoLabels]:
    """Yield the labels of each video with their rules, of this round and of the one before."""
    rounds = (False, True) if unit.round_number else (False,)
    known: dict[str, list[KnownFrame]] = {}
    for frame in truth:
        known.setdefault(frame.video, []).append(frame)
    videos = {v for previous in rounds for v in unit.inputs.readable_ids(LABELS, previous=previous)}
    for video_id in sorted(videos):
        now, *before = (_labels_of(unit, video_id, previous=previous) for previous in rounds)
        yield VideoLabels(now, before[0] if before else None, known.get(video_id, []))


def _labels_of(unit: EvaluateUnit, video_id: str, *, previous: bool) -> RuledLabels:
    """Return a video's labels with their rules, of this round or of the one before."""
    labels, candidates = (
        _rows_of(unit, table, video_id, previous=previous) for table in (LABELS, CANDIDATES)
    )
    return ruled_labels(labels, candidates, unit.project.classes)


def _rows_of(unit: EvaluateUnit, table: Table, video_id: str, *, previous: bool) -> pa.Table:
    """Return a video's rows of a table, none where there are none."""
    there = video_id in unit.inputs.video_ids(table, previous=previous)
    return unit.rows(table, video_id, previous=previous) if there else table.empty()


def _background_quality(
    unit: EvaluateUnit, truth: Sequence[KnownFrame]
) -> BackgroundQuality | None:
    """Return how many background pictures show an object, None without truth in the footage."""
    videos = set(unit.inputs.video_ids(LABELS))
    some = [frame for frame in truth if frame.video in videos]
    if not some:
        return None
    data = read_coco(unit.inputs.data_set() / "train.json")
    background = {
        (image.video, image.pts or 0)
        for image, boxes in zip(data.images, data.boxes, strict=True)
        if not boxes.has_state(POSITIVE).any()
    }
    labels = _stored(unit, LABELS, {frame.video for frame in some})
    return background_quality(some, labels, background, len(unit.project.classes))


def _alike(
    unit: EvaluateUnit, truth: Sequence[KnownFrame], trained: set[str]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the unseen videos that show what one shows that was trained on, and that one, by name.

    And the names of those of both kinds that cannot be compared.
    It is the search of the stage `dedup`, for videos that are not sampled.
    """
    names = {video.video_id: video.name for video in unit.inputs.videos}
    known = {v: Seen(names[v], signatures_of(unit.rows(FRAMES, v))) for v in sorted(trained)}
    unseen = sorted({frame.video for frame in truth} - trained)
    videos = {v: Seen(names[v], _signatures(unit, v)) for v in unseen}
    found: dict[str, str] = {}
    for one in find_copies(videos, known):
        found.setdefault(names[one.first], names[one.second])
    unsigned = {one.name for one in (*known.values(), *videos.values()) if not len(one.frames)}
    return found, tuple(sorted(unsigned)) if unseen else ()


def _signatures(unit: EvaluateUnit, video_id: str) -> NDArray[np.uint8]:
    """Return the signatures of a video: as sampled, or of frames spread over it."""
    if video_id in unit.inputs.video_ids(FRAMES):
        return signatures_of(unit.rows(FRAMES, video_id))
    found = spread_signatures(unit.inputs.video(video_id).path)
    return np.frombuffer(b"".join(found), np.uint8).reshape(-1, SIDE, SIDE)


def _left_out(unit: EvaluateUnit) -> tuple[str, ...]:
    """Return the names of annotated videos that could not be scored."""
    missing = set(unit.inputs.video_ids(TRUTH_FRAMES)) - _usable(unit)
    return tuple(sorted(v.name for v in unit.inputs.videos if v.video_id in missing))


def models(context: Context[EvaluateSettings]) -> Resource[ComparedModels]:
    """Return the models of this round."""
    decision = context.inputs.result(Decision, previous=True)
    spec = teacher_of(context.project.detector, context.round_number, decision)
    found = ComparedModels.load(
        load_teacher(context.project, context.root, spec, context.inputs.result(InputChoice)),
        context.inputs.folder("model"),
        context.project.classes,
    )
    return Resource(found, found.fingerprint)


STAGE = Stage(
    name="evaluate",
    arrow=(__doc__ or "").splitlines()[0],
    settings=EvaluateSettings,
    run=evaluate,
    scope="all",
    reads=(VIDEOS, FRAMES, TRUTH_FRAMES, TRUTH, DETECTIONS, LABELS, CANDIDATES),
    reads_previous=(LABELS, CANDIDATES),
    after=("split", "train"),
    project_keys=("classes", "seed", "detector", "truth"),
    per_round=True,
    version=12,
    resource=models,
    made_by_run=True,
)
