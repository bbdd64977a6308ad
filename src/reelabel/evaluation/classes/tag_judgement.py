"""How well probes that did not see a video agree with its tags, as figures of a round.

They hold no arrays and no NaN, so that they can be written as JSON; see `reelabel.labels.tags` for
how they are made.
"""

from __future__ import annotations

from dataclasses import dataclass

from reelabel.evaluation.figures import Figure

_NOT_DEFINED = Figure(None)


@dataclass(frozen=True)
class Judgement:
    """How well the probes of one decision do, out of fold; a figure is None where none was fitted.

    Attributes:
        category: the class that is told from its absence; empty for exclusive classes.
        frames, videos: how many were compared; a video counts once for each claim about it.
        frame_agreement, video_agreement: share 0..1 whose most probable class is the claimed one,
            as the mean over classes.
        wrong_share: estimated share 0..1 of wrong tags.
        frame_accuracy: estimated share 0..1 of right predictions; 95 %, groups drawn with
            replacement.
        video_accuracy: the same of videos.
        can_be_judged: whether the probes are good enough to doubt a tag by.
        reason: why they are not, with values; empty if they are.
    """

    category: str
    frames: int = 0
    videos: int = 0
    frame_agreement: float | None = None
    video_agreement: float | None = None
    wrong_share: float | None = None
    frame_accuracy: Figure = _NOT_DEFINED
    video_accuracy: float | None = None
    can_be_judged: bool = False
    reason: str = ""
