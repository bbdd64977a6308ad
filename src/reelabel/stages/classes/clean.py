"""clean  tags, predictions -> class_candidates  N:n  which claims about moments are doubted.

Tags are weak labels. Those of videos whose frames look like another class are doubted, and so are
moments that do not look like the rest of their video, show nothing, or stand in videos of other
classes too. What is doubted is ignored in training, with rule and reason; a class that fits better
is only suggested. Moments without a tag are labelled by the round's teacher where it is sure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc
from pydantic import Field

from reelabel.data.boxes import Floats, Ints, Strings
from reelabel.data.claims import Claims
from reelabel.engine.stage import Output, Stage, Unit
from reelabel.evaluation.classes.leak_test import LeakTest, leak_test
from reelabel.labels.claims import span_targets
from reelabel.labels.class_rules import VideoMoments, candidates
from reelabel.labels.doubted_moments import FrameDoubts
from reelabel.labels.splits import Item, find_groups
from reelabel.labels.tags.claims import TaggedMoments
from reelabel.labels.tags.doubt import Doubts, DoubtSettings, find_doubts
from reelabel.labels.tags.folds import exclusive_labels
from reelabel.tables import (
    CLASS_CANDIDATES,
    DUPLICATES,
    EMBEDDINGS,
    FRAMES,
    MOMENTS,
    PREDICTIONS,
    TAGS,
    VIDEOS,
)
from reelabel.tables.claims import claim_table, moments_of, predictions_of, spans_of, times_s
from reelabel.workspace.class_results import TagQuality


class ClassCleanSettings(DoubtSettings):
    """Which tags and moments are doubted, and which predictions become labels."""

    score: float = Field(0.8, ge=0, le=1)
    """Moments without a tag are labelled by the teacher from this probability on."""


CleanUnit = Unit[ClassCleanSettings, None]


@dataclass(frozen=True, eq=False)
class VideoFrames:
    """The sampled frames of one video with their features, and what its tags claim of them.

    Attributes:
        video_id: the video.
        pts: ``(n,)`` ascending.
        features: ``(n, d)``.
        target: ``(n, k)``.
        entropy_bits: ``(n,)``.
        sharpness: ``(n,)``.
        kept_video: ``(n,)``, the video of the frame that stands for it.
        kept_pts: ``(n,)``, that frame.
    """

    video_id: str
    pts: Ints
    features: Floats
    target: Floats
    entropy_bits: Floats
    sharpness: Floats
    kept_video: Strings
    kept_pts: Ints


def clean(unit: CleanUnit) -> Output:
    """Return what the rules decide about the moments of every video."""
    videos = _videos(unit)
    frames = [one for v in videos if (one := _frames(unit, v)) is not None]
    tables = {video_id: CLASS_CANDIDATES.empty() for video_id in videos}
    counts: Counter[str] = Counter()
    quality = TagQuality()
    if frames:
        tagged, exclusive = _tagged(unit, frames), not unit.project.multi_label
        doubts = find_doubts(tagged, unit.settings, exclusive=exclusive, seed=unit.project.seed)
        quality = TagQuality(doubts.judgements, _leak_test(tagged) if exclusive else None)
        for video_id, found in _decided(unit, frames, doubts):
            counts.update(found.rule.tolist())
            tables[video_id] = claim_table(found, unit.project.classes, CLASS_CANDIDATES)
    notes = {"rules": dict(counts)}
    return Output({"class_candidates": tables}, notes, results=(quality,))


def _decided(
    unit: CleanUnit, frames: list[VideoFrames], doubts: Doubts
) -> Iterator[tuple[str, Claims]]:
    """Yield the claims about the moments of each video."""
    names, exclusive = unit.project.classes, not unit.project.multi_label
    of_frames, start = FrameDoubts.of(doubts, names), 0
    for number, video in enumerate(frames):
        unit.tick(number / len(frames), video.video_id)
        rows = slice(start, start := start + len(video.pts))
        moments = moments_of(unit.rows(MOMENTS, video.video_id))
        found = of_frames.of_moments(moments, video.pts, rows)
        predicted = predictions_of(unit.rows(PREDICTIONS, video.video_id), names)
        known = VideoMoments(
            moments,
            times_s(moments, unit.inputs.video(video.video_id)),
            spans_of(unit.rows(TAGS, video.video_id), names),
            found.rule,
            found.reason,
            found.suggested,
            found.out_of_fold,
            predicted.probability if len(predicted) else None,
        )
        yield video.video_id, candidates(known, exclusive=exclusive, score=unit.settings.score)


def _leak_test(tagged: TaggedMoments) -> LeakTest | None:
    """Return how much a random split of frames would flatter, None if that is not known."""
    label = exclusive_labels(tagged.target.astype(np.float64))
    known = label >= 0
    return leak_test(tagged.features[known], label[known], tagged.group[known])


def _videos(unit: CleanUnit) -> list[str]:
    """Return the ids of the videos that labels are made for, sorted; none that failed before."""
    footage = {video.video_id for video in unit.inputs.videos if not video.is_test}
    footage &= set(unit.inputs.video_ids(PREDICTIONS))
    return [video_id for video_id in unit.inputs.readable_ids(MOMENTS) if video_id in footage]


def _frames(unit: CleanUnit, video_id: str) -> VideoFrames | None:
    """Return the kept frames of one video, None if it has none."""
    rows = unit.rows(FRAMES, video_id).filter(pc.field("kept")).sort_by("pts")
    if not len(rows):
        return None
    pts, video = rows["pts"].to_numpy(), unit.inputs.video(video_id)
    vectors = unit.rows(EMBEDDINGS, video_id).sort_by("pts")["vector"].combine_chunks()
    at_s = (pts - video.start_pts) * float(video.time_base)
    spans = spans_of(unit.rows(TAGS, video_id), unit.project.classes)
    dropped = {
        row["pts"]: (row["kept_video_id"], row["kept_pts"])
        for row in unit.rows(DUPLICATES, video_id).to_pylist()
    }
    kept = [dropped.get(one, (video_id, one)) for one in pts.tolist()]
    return VideoFrames(
        video_id,
        pts,
        vectors.flatten().to_numpy().reshape(len(rows), -1),
        _targets(
            unit,
            spans_of_frames=span_targets(
                spans,
                np.stack([at_s, at_s], axis=1),
                len(unit.project.classes),
                exclusive=not unit.project.multi_label,
            ),
        ),
        rows["entropy"].to_numpy(),
        rows["sharpness"].to_numpy(),
        np.array([video for video, _ in kept], np.str_),
        np.array([one for _, one in kept], np.int64),
    )


def _targets(unit: CleanUnit, spans_of_frames: Floats) -> Floats:
    """Return targets; where several classes may be right, tags exclude the classes they omit."""
    if not unit.project.multi_label:
        return spans_of_frames
    tagged = ~np.isnan(spans_of_frames).all(axis=1, keepdims=True)
    return np.where(tagged, np.nan_to_num(spans_of_frames), spans_of_frames)


def _tagged(unit: CleanUnit, frames: list[VideoFrames]) -> TaggedMoments:
    """Return the frames of all videos with their groups."""
    near = {(v.video_id, other) for v in frames for other in np.unique(v.kept_video).tolist()}
    items = [Item(v.video_id, source=unit.inputs.video(v.video_id).origin or None) for v in frames]
    group = find_groups(items, sorted((a, b) for a, b in near if a != b))
    counts = [len(v.pts) for v in frames]
    ids = [v.video_id for v in frames]
    return TaggedMoments(
        unit.project.classes,
        np.repeat(np.array(ids, np.str_), counts),
        np.repeat(np.array([group[v] for v in ids], np.str_), counts),
        np.concatenate([v.features for v in frames]),
        np.concatenate([v.target for v in frames]),
        np.concatenate([v.entropy_bits for v in frames]),
        np.concatenate([v.sharpness for v in frames]),
        np.concatenate([v.kept_video for v in frames]),
        np.concatenate([v.kept_pts for v in frames]),
    )


STAGE = Stage(
    name="clean",
    arrow=(__doc__ or "").splitlines()[0],
    settings=ClassCleanSettings,
    run=clean,
    scope="all",
    reads=(VIDEOS, MOMENTS, EMBEDDINGS, FRAMES, DUPLICATES, PREDICTIONS),
    optional=(TAGS,),
    writes=(CLASS_CANDIDATES,),
    project_keys=("classes", "multi_label", "seed"),
    per_round=True,
    version=2,
)
