"""split  labels -> dataset  N:1  by video, source and duplicate cluster; a COCO data set.

Which frames go in is `labels.selection`, which side they are on `labels.division`. Frames to be
added that were never sampled are decoded here. Frames without positive labels are background, or,
if so set, only where `labels.background` finds evidence for it; the others are unlabelled and left
out. Where drawn boxes take the place of a detector (`none`) nothing is evidence: a student of few
boxes misses too much.
"""

from __future__ import annotations

import os
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from reelabel.data.boxes import Boxes, Placement
from reelabel.data.dataset import Dataset
from reelabel.data.states import IGNORE, NEGATIVE, POSITIVE
from reelabel.engine.stage import Output, Stage, Unit
from reelabel.errors import SplitError
from reelabel.formats.coco import coco_chunks
from reelabel.labels.background import NO_EVIDENCE, TeacherPass, needs_evidence, unlabelled_reasons
from reelabel.labels.division import (
    SIDES,
    TRAIN,
    Division,
    SameRecording,
    SplitSettings,
    VideoFrames,
    checked_sentence,
    divide_recordings,
    near_pairs,
)
from reelabel.labels.rows import READ_LABELS, FrameBoxes, picture_of
from reelabel.labels.selection import (
    annotated_pts,
    by_pts,
    sampled_frames,
    telling_rows,
    unsampled_pts,
)
from reelabel.media.pictures import encode_jpeg, fit
from reelabel.media.video import frames as decoded
from reelabel.short_names import NO_DETECTOR
from reelabel.tables import (
    CAMERA,
    COPIES,
    DETECTIONS,
    DUPLICATES,
    FRAMES,
    IMPORTED_FRAMES,
    LABELS,
    SEEN,
    TRACKS,
    VIDEOS,
    Row,
)
from reelabel.tables.boxes import boxes_of
from reelabel.workspace import fingerprint
from reelabel.workspace.receipts import fingerprint_of_text
from reelabel.workspace.results import SideCounts, SplitReport

Entry = tuple[Row, Boxes]
"""A frame and its labels, in the pixels of its picture."""
HARD = "hard"
"""Folder in the data set for pictures of hard frames that `sample` did not take."""

SplitUnit = Unit[SplitSettings, None]


def split(unit: SplitUnit) -> Output:
    """Write the data set of this round and report how it was divided."""
    unit.files.clear(HARD)
    chosen = {video_id: _chosen(unit, video_id, rows) for video_id, rows in _labels(unit)}
    entries = {video_id: one.entries for video_id, one in chosen.items()}
    same = SameRecording.of(unit.shards(COPIES))
    division = divide_recordings(
        {video_id: _frames(unit, video_id, some) for video_id, some in entries.items()},
        near_pairs(unit.shards(DUPLICATES)),
        same,
        unit.settings,
        # Few drawn boxes are worth more in the training than as a figure of a handful of them.
        has_truth=bool(unit.project.truth) or unit.project.detector == NO_DETECTOR,
        seed=unit.project.seed,
    )
    digests, counts = [], {}
    for name in SIDES:
        some = [
            entry
            for video_id, sides in division.sides.items()
            for entry, side in zip(entries[video_id], sides, strict=True)
            if side == name
        ]
        data = _dataset(unit, some)
        text = coco_chunks(data)
        unit.files.write_chunks(f"{name}.json", (chunk.encode() for chunk in text))
        counts[name] = _counts(data)
        digests.append(fingerprint_of_text(text, [frame["crc32"] for frame, _ in some]))
        del data, text  # as large as all labels together
    if not counts[TRAIN].boxes:
        raise SplitError(_nothing_to_learn(unit))
    unlabelled = sum((one.unlabelled for one in chosen.values()), Counter[str]())
    report = replace(_report(unit, division, same, counts), unlabelled=dict(unlabelled))
    return Output(
        notes=report.to_json(),
        digest=fingerprint(digests, report.leak_free, report.reason),
        results=(report,),
    )


def _report(
    unit: SplitUnit, division: Division, same: SameRecording, counts: dict[str, SideCounts]
) -> SplitReport:
    names = {video.video_id: video.name for video in unit.inputs.videos}
    return SplitReport(
        leak_free=not division.leaks,
        checked=checked_sentence(same, names),
        reason=division.reason,
        leaks=tuple(division.leaks),
        groups=division.groups,
        videos={v: dict(Counter(sides)) for v, sides in division.sides.items()},
        names={v: names.get(v, v) for v in division.sides},
        sides=counts,
    )


def _nothing_to_learn(unit: SplitUnit) -> str:
    none = f"round {unit.round_number}: there is no label to train on. "
    if unit.round_number == 0 and unit.project.detector == NO_DETECTOR:
        return none + (
            f"The detector is '{NO_DETECTOR}', so boxes must be drawn: bring them in with  "
            "reelabel import WORKSPACE FILE --as labels, or name a detector"
        )
    return none + (
        "The teacher found nothing that "
        "passed the rules: look at  reelabel show, lower clean.score, or take another detector"
    )


def _labels(unit: SplitUnit) -> Iterator[tuple[str, pa.Table]]:
    footage = {v.video_id for v in unit.inputs.videos if v.usable and not v.is_test}
    yield from ((v, rows) for v, rows in unit.shards(LABELS, READ_LABELS) if v in footage)


@dataclass(frozen=True)
class _Chosen:
    """The frames of one video that go into the data set, and how many are unlabelled, and why."""

    entries: list[Entry]
    unlabelled: Counter[str]


def _chosen(unit: SplitUnit, video_id: str, rows: pa.Table) -> _Chosen:
    """Return the frames of one video that are labelled or background."""
    annotated = annotated_pts(
        unit.rows(IMPORTED_FRAMES, video_id).to_pylist(), unit.project.classes
    )
    entries = list(_entries(unit, video_id, rows, annotated))
    if unit.project.detector == NO_DETECTOR:
        empty = {f["pts"] for f, boxes in entries if not boxes.has_state(POSITIVE).any()}
        reasons = dict.fromkeys(empty - annotated, NO_EVIDENCE)
    else:
        empty = {f["pts"] for f, boxes in entries if needs_evidence(boxes)}
        reasons = _unlabelled(unit, video_id, rows, sorted(empty - annotated))
    kept = [entry for entry in entries if entry[0]["pts"] not in reasons]
    return _Chosen(kept, Counter(reasons.values()))


def _unlabelled(
    unit: SplitUnit, video_id: str, rows: pa.Table, pts: Sequence[int]
) -> dict[int, str]:
    """Return which of these frames are unlabelled, and why."""
    settings = unit.settings.background
    if not pts or not settings.by_evidence:
        return {}
    teacher = TeacherPass.of(
        unit.rows(SEEN, video_id),
        unit.rows(DETECTIONS, video_id),
        camera=unit.rows(CAMERA, video_id),
        tracks=unit.rows(TRACKS, video_id),
        time_base=float(unit.inputs.video(video_id).time_base),
    )
    labels = boxes_of(rows, unit.project.classes)
    reasons = unlabelled_reasons(np.array(pts, np.int64), labels, teacher, settings)
    return {p: str(why) for p, why in zip(pts, reasons, strict=True) if why}


def _entries(
    unit: SplitUnit, video_id: str, rows: pa.Table, annotated: set[int]
) -> Iterator[Entry]:
    """Yield the frames of one video that may go into the data set, each with its labels."""
    s, labels = unit.settings, by_pts(telling_rows(rows).to_pylist())
    boxes = FrameBoxes(rows, unit.project.classes)
    frames = unit.rows(FRAMES, video_id).to_pylist()
    dropped = set(unit.rows(DUPLICATES, video_id)["pts"].to_pylist())
    for frame in sampled_frames(frames, labels, dropped, annotated, hard_frames=s.hard_frames):
        yield frame, boxes.in_picture(frame)
    most = s.hard_frames_max if s.hard_frames else 0
    new = unsampled_pts(frames, labels, annotated, hard_frames_max=most)
    for frame in _taken(unit, video_id, new):
        yield frame, boxes.in_picture(frame)


def _taken(unit: SplitUnit, video_id: str, wanted: list[int]) -> Iterator[Row]:
    """Write the pictures of these frames, in the video's own size; yield their rows."""
    if not wanted:
        return
    video = unit.inputs.video(video_id)
    size_wh = video.size_wh
    for frame in decoded(video.path, wanted, on_error=lambda _: None):
        written = encode_jpeg(fit(frame.rgb(), "exact", size_wh)[0])
        yield Placement().row() | {
            "video_id": video_id,
            "pts": frame.pts,
            "frame_index": frame.index,
            "time_s": frame.time_s,
            "picture": unit.files.write(f"{HARD}/{video_id}/{frame.pts}.jpg", written),
            "crc32": zlib.crc32(written),
            "width": size_wh[0],
            "height": size_wh[1],
        }


def _frames(unit: SplitUnit, video_id: str, entries: Sequence[Entry]) -> VideoFrames:
    """Return when the frames of one video are, and how many positive labels they have."""
    positive = [boxes.class_id[boxes.has_state(POSITIVE)].tolist() for _, boxes in entries]
    names = unit.project.classes
    return VideoFrames(
        time_s=np.array([frame["time_s"] for frame, _ in entries], np.float64),
        n_labels=np.array([len(ids) for ids in positive], np.int64),
        classes=Counter(names[i] for ids in positive for i in ids),
        source=unit.inputs.video(video_id).origin,
    )


def _dataset(unit: SplitUnit, entries: Sequence[Entry]) -> Dataset:
    """Return frames as pictures of a data set, with their labels in the picture's pixels."""
    images = tuple(
        picture_of(frame, os.path.relpath(unit.inputs.path(frame["picture"]), unit.files.path))
        for frame, _ in entries
    )
    return Dataset(unit.project.classes, images, tuple(boxes for _, boxes in entries)).clipped()


def _counts(data: Dataset) -> SideCounts:
    positive = [int(boxes.has_state(POSITIVE).sum()) for boxes in data.boxes]
    return SideCounts(
        images=len(data.images),
        labelled_images=sum(count > 0 for count in positive),
        boxes=sum(positive),
        ignored=sum(int(boxes.has_state(IGNORE).sum()) for boxes in data.boxes),
        negatives=sum(int(boxes.has_state(NEGATIVE).sum()) for boxes in data.boxes),
    )


STAGE = Stage(
    name="split",
    arrow=(__doc__ or "").splitlines()[0],
    settings=SplitSettings,
    run=split,
    scope="all",
    folder="dataset",
    reads=(VIDEOS, FRAMES, DUPLICATES, COPIES, LABELS),
    optional=(SEEN, DETECTIONS, CAMERA, TRACKS, IMPORTED_FRAMES),
    project_keys=("classes", "seed", "truth", "detector"),
    per_round=True,
    version=6,
)
