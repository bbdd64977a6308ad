"""clean  tags, predictions -> class_candidates  N:n  which claims about moments are doubted.

Tags are weak labels. Those of videos whose frames look like another class are doubted, and so are
moments that do not look like the rest of their video, show nothing, or stand in videos of other
classes too. What is doubted is ignored in training, with rule and reason; a class that fits better
is only suggested. Moments without a tag are labelled by the round's teacher where it is sure.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from pydantic import Field

from reelabel.config import Settings
from reelabel.engine.stage import Output, Stage, Unit
from reelabel.labels.class_rules import VideoMoments, candidates
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


class ClassCleanSettings(Settings):
    """Which tags and moments are doubted, and which predictions become labels."""

    score: float = Field(0.8, ge=0, le=1)
    """Moments without a tag are labelled by the teacher from this probability on."""


CleanUnit = Unit[ClassCleanSettings, None]


def clean(unit: CleanUnit) -> Output:
    """Return what the rules decide about the moments of every video."""
    tables = {}
    exclusive = not unit.project.multi_label
    counts: Counter[str] = Counter()
    names = unit.project.classes
    for video_id in _videos(unit):
        rows = unit.rows(MOMENTS, video_id)
        moments = moments_of(rows)
        n, k = len(moments), len(names)
        predicted = predictions_of(unit.rows(PREDICTIONS, video_id), names)
        video = VideoMoments(
            moments,
            times_s(moments, unit.inputs.video(video_id)),
            spans_of(unit.rows(TAGS, video_id), names),
            np.full(n, ""),
            np.full(n, ""),
            np.full(n, ""),
            np.full((n, k), np.nan, np.float32),
            predicted.probability if len(predicted) else None,
        )
        found = candidates(video, exclusive=exclusive, score=unit.settings.score)
        counts.update(found.rule.tolist())
        tables[video_id] = claim_table(found, names, CLASS_CANDIDATES)
    return Output({"class_candidates": tables}, {"rules": dict(counts)})


def _videos(unit: CleanUnit) -> list[str]:
    """Return the ids of the videos that labels are made for, sorted."""
    footage = {video.video_id for video in unit.inputs.videos if not video.is_test}
    return [video_id for video_id in unit.inputs.video_ids(MOMENTS) if video_id in footage]


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
)
