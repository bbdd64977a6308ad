"""split  labels -> dataset  N:1  by video, source and duplicate cluster; JSON with pictures.

Moments whose label is ignored stay out. The frames of a video are never on two sides, unless the
one video of a workspace is divided by blocks of time, which is reported.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from reelabel.data.class_dataset import ClassDataset
from reelabel.engine.stage import Context, Output, Resource, Stage, Unit
from reelabel.errors import SplitError, counted, few
from reelabel.formats.class_json import class_json
from reelabel.labels.claims import targets
from reelabel.labels.division import (
    SIDES,
    TRAIN,
    ClassSplitSettings,
    Division,
    SameRecording,
    VideoFrames,
    checked_sentence,
    divide_recordings,
    keep_sides,
    near_pairs,
)
from reelabel.media.quality import rule_of
from reelabel.tables import CLASS_LABELS, COPIES, DUPLICATES, FRAMES, MOMENTS, VIDEOS
from reelabel.tables.claims import claims_of, moments_of, times_s
from reelabel.workspace import fingerprint
from reelabel.workspace.results import SideCounts, SplitReport

Sides = Mapping[str, Mapping[str, int]]
"""Video id -> side -> moments."""
SplitUnit = Unit[ClassSplitSettings, Sides]


def split(unit: SplitUnit) -> Output:
    """Write the data set of this round and report how it was divided."""
    footage = {v.video_id for v in unit.inputs.videos if v.usable and not v.is_test}
    videos = {v: _labelled(unit, v, rows) for v, rows in unit.shards(CLASS_LABELS) if v in footage}
    same = SameRecording.of(unit.shards(COPIES))
    division = divide_recordings(
        {v: _frames(unit, v, data) for v, data in videos.items()},
        near_pairs(unit.shards(DUPLICATES)),
        same,
        unit.settings,
        has_truth=False,
        seed=unit.project.seed,
    )
    division = keep_sides(division, unit.resource)
    sides = {name: _side(unit, videos, division, name) for name in SIDES}
    _check(unit, sides[TRAIN])
    texts = {name: json.dumps(class_json(data)) for name, data in sides.items()}
    for name, text in texts.items():
        unit.files.write(f"{name}.json", text.encode())
    report = _report(unit, division, same, {name: _counts(data) for name, data in sides.items()})
    crc32 = [rows["crc32"].to_pylist() for v, rows in unit.shards(MOMENTS) if v in videos]
    return Output(
        notes=report.to_json(),
        digest=fingerprint(texts, crc32, report.leak_free, report.reason),
        results=(report,),
    )


def _labelled(unit: SplitUnit, video_id: str, labels: pa.Table) -> ClassDataset:
    """Return the moments of one video of which a class is known."""
    rows, names = unit.rows(MOMENTS, video_id), unit.project.classes
    exclusive = not unit.project.multi_label
    moments = moments_of(rows)
    target = targets(claims_of(labels, names), moments, len(names), exclusive=exclusive)
    home = unit.files.path
    pictures = tuple(
        tuple(os.path.relpath(unit.inputs.path(path), home) for path in paths)
        for paths in rows["pictures"].to_pylist()
    )
    whole = ClassDataset(
        names,
        exclusive=exclusive,
        moments=moments,
        pictures=pictures,
        target=target,
        weight=np.ones(len(moments), np.float32),
        group=np.full(len(moments), video_id),
        step_s=_step_s(unit, video_id, rows),
    )
    return whole[~np.isnan(target).all(axis=1)]


def _step_s(unit: SplitUnit, video_id: str, rows: pa.Table) -> float:
    """Return the usual time between the pictures of a video's windows, 0 for single frames."""
    gaps = [np.diff(pts) for pts in rows["frames"].to_pylist() if len(set(pts)) > 1]
    ticks = float(np.median(np.concatenate(gaps))) if gaps else 0.0
    return ticks * float(unit.inputs.video(video_id).time_base)


def _frames(unit: SplitUnit, video_id: str, data: ClassDataset) -> VideoFrames:
    """Return when the moments of one video are, and how many labels each class has."""
    video = unit.inputs.video(video_id)
    right = np.nansum(data.target, axis=0).astype(int).tolist()
    return VideoFrames(
        time_s=times_s(data.moments, video).mean(axis=1),
        n_labels=np.ones(len(data), np.int64),
        classes={name: n for name, n in zip(data.classes, right, strict=True) if n},
        source=video.origin,
    )


def _side(
    unit: SplitUnit, videos: Mapping[str, ClassDataset], division: Division, side: str
) -> ClassDataset:
    """Return the moments of all videos that are on one side, with their groups."""
    parts = []
    for video_id, data in videos.items():
        chosen = data[np.array(division.sides[video_id], np.str_) == side]
        parts.append(chosen.in_group(division.groups[video_id]))
    empty = ClassDataset.empty(unit.project.classes, exclusive=not unit.project.multi_label)
    return ClassDataset.joined([empty, *parts])


def _check(unit: SplitUnit, train: ClassDataset) -> None:
    """Check that there is something to tell apart.

    Raises:
        SplitError: naming the classes without examples.
    """
    counts = np.nansum(train.target, axis=0)
    empty = [name for name, n in zip(train.classes, counts, strict=True) if not n]
    if len(empty) < len(train.classes) and (not empty or unit.project.multi_label):
        return
    raise SplitError(
        f"round {unit.round_number}: expected labels of every class to train on, but there are "
        f"none of {', '.join(empty)}: {_without_frames(unit)}add videos with such tags, correct "
        "the tags, or remove the class from reelabel.yaml"
    )


def _without_frames(unit: SplitUnit) -> str:
    """Return which videos have nothing to label, whatever their tags are, as part of a sentence."""
    videos = {v.video_id: v.name for v in unit.inputs.videos if v.usable and not v.is_test}
    frames = {v: rows.to_pylist() for v, rows in unit.shards(FRAMES) if v in videos}
    frames = {v: rows for v, rows in frames.items() if not any(row["kept"] for row in rows)}
    rules = Counter(rule_of(row["reason"]) for rows in frames.values() for row in rows)
    if not rules:
        return ""
    return (
        f"of {counted(len(frames), 'video')} ({few(sorted(videos[v] for v in frames))}) no frame "
        f"is left, as sample.quality left out all {rules.total()} ({few(rules)}): change it, "
    )


def _counts(data: ClassDataset) -> SideCounts:
    right = np.nansum(data.target, axis=0).astype(int).tolist()
    return SideCounts(
        images=len(data),
        labelled_images=len(data),
        classes=dict(zip(data.classes, right, strict=True)),
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
        videos={v: dict(Counter(sides)) for v, sides in division.sides.items() if sides},
        names={v: names.get(v, v) for v in division.sides},
        sides=counts,
    )


def sides_before(context: Context[ClassSplitSettings]) -> Resource[Sides]:
    """Return the sides of the round before: videos stay where they were."""
    before = context.inputs.result(SplitReport, previous=True) if context.round_number else None
    sides = before.videos if before else {}
    return Resource(sides, fingerprint(sides) if sides else "")


STAGE = Stage(
    name="split",
    arrow=(__doc__ or "").splitlines()[0],
    settings=ClassSplitSettings,
    run=split,
    scope="all",
    folder="dataset",
    reads=(VIDEOS, FRAMES, MOMENTS, DUPLICATES, COPIES, CLASS_LABELS),
    project_keys=("classes", "seed", "multi_label"),
    per_round=True,
    version=2,
    resource=sides_before,
    resource_words="the split of the round before",
)
