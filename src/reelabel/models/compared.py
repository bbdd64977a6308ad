"""The models of a round that are compared, and what they find in single frames."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from reelabel.data.boxes import Boxes
from reelabel.data.video import Video
from reelabel.evaluation.consistency import Views
from reelabel.evaluation.figures import Role
from reelabel.evaluation.frames import FrameKey, KnownFrame
from reelabel.models.base import Detector
from reelabel.models.detector_pool import DetectorPool, detect_frames
from reelabel.models.mirrored import MirroredDetector, has_two_views, single_view
from reelabel.models.registry import load_detector
from reelabel.models.students.folder import START, ModelCard, is_finished
from reelabel.workspace import fingerprint

_OF_A_TRAINING: dict[str, object] = {"training": {}, "has_start": False}
"""What the card of a model states of its training alone."""


@dataclass(frozen=True)
class ComparedModels:
    """The models of a round.

    Attributes:
        teacher: the model that labelled.
        student: trained in this round.
        start: the student before its training; None if that detects nothing yet, or is the teacher.
    """

    teacher: Detector
    student: Detector
    start: Detector | None = None

    @classmethod
    def load(cls, teacher: Detector, folder: Path, classes: Sequence[str]) -> ComparedModels:
        """Return a teacher with the student in a model folder, and its start if that was kept."""
        student = load_detector(f"student:{folder}", wanted=classes)
        begun = is_finished(folder / START)
        start = load_detector(f"student:{folder / START}", wanted=classes) if begun else None
        return cls(teacher, student, None if _is_same(start, teacher) else start)

    @property
    def by_role(self) -> dict[Role, Detector]:
        """The models that there are."""
        found: dict[Role, Detector] = {"teacher": self.teacher}
        if self.start is not None:
            found["start"] = self.start
        return found | {"student": self.student}

    @property
    def fingerprint(self) -> str:
        """Changes with any of the models."""
        models = (self.teacher, self.student, self.start)
        return fingerprint(*(one.fingerprint for one in models if one is not None))

    @property
    def same_input(self) -> bool:
        """Whether teacher and student process pictures of one known size."""
        return self.teacher.fit_wh is not None and self.teacher.fit_wh == self.student.fit_wh

    @property
    def with_two_views(self) -> dict[Role, Detector]:
        """The models that can process a mirror image; none if there is nothing to compare."""
        found = {role: one for role, one in self.by_role.items() if has_two_views(one)}
        return found if len(found) > 1 and "student" in found else {}


def _is_same(one: Detector | None, other: Detector) -> bool:
    """Return whether two students have the same weights and use them in the same way."""
    cards = [getattr(model, "card", None) for model in (one, other)]
    plain = [
        card.model_copy(update=_OF_A_TRAINING) for card in cards if isinstance(card, ModelCard)
    ]
    return len(plain) == len(cards) and plain[0] == plain[1]


class ModelDetections:
    """What each model finds in any frames; no model processes a frame twice.

    Args:
        models: the models.
        stored: returns the teacher's detections in the videos of some ids.
        video_of: returns the video of an id.
        tick: is called with the share of the videos that is done, 0..1, and the name of the next.
    """

    def __init__(
        self,
        models: ComparedModels,
        stored: Callable[[Collection[str]], Mapping[FrameKey, Boxes]],
        *,
        video_of: Callable[[str], Video],
        tick: Callable[[float, str], None],
    ) -> None:
        self._models, self._stored, self._place = models, stored, (video_of, tick)
        self._caches = {
            role: _DetectionCache(one, video_of, tick)
            for role, one in models.by_role.items()
            if role != "teacher"
        }

    def of(self, frames: Sequence[KnownFrame]) -> dict[Role, list[Boxes]]:
        """Return the detections of each model in these frames, in pixels of their videos."""
        keys = [frame.key for frame in frames]
        stored = self._stored({frame.video for frame in frames})
        found: dict[Role, list[Boxes]] = {"teacher": [stored.get(k, Boxes.empty()) for k in keys]}
        return found | {role: cache.of(keys) for role, cache in self._caches.items()}

    def views(self, frames: Sequence[KnownFrame]) -> dict[Role, Views]:
        """Return what each model with two views finds in these frames and their mirror images."""
        keys = [frame.key for frame in frames]
        return {role: self._views(one, keys) for role, one in self._models.with_two_views.items()}

    def _views(self, detector: Detector, keys: Sequence[FrameKey]) -> Views:
        direct = single_view(detector)
        pair = (direct, cast("Detector", MirroredDetector(direct)))
        return Views.of(*(_DetectionCache(one, *self._place).of(keys) for one in pair))


class _DetectionCache:
    """Runs a detector on single frames, each once, and keeps its detections in memory."""

    def __init__(
        self,
        detector: Detector,
        video_of: Callable[[str], Video],
        tick: Callable[[float, str], None],
    ) -> None:
        self._pool = DetectorPool(detector)
        self._video_of, self._tick = video_of, tick
        self._found: dict[FrameKey, Boxes] = {}

    def of(self, keys: Sequence[FrameKey]) -> list[Boxes]:
        """Return the detections in each frame; one that cannot be decoded has none."""
        self._detect({key for key in keys if key not in self._found})
        return [self._found.get(key, Boxes.empty()) for key in keys]

    def _detect(self, keys: Iterable[FrameKey]) -> None:
        by_video: dict[str, list[int]] = {}
        for video_id, pts in sorted(keys):
            by_video.setdefault(video_id, []).append(pts)
        for i, (video_id, wanted) in enumerate(by_video.items()):
            video = self._video_of(video_id)
            self._tick(i / len(by_video), video.name)
            for one in detect_frames(video.path, self._pool, wanted, size_wh=video.size_wh):
                self._found[video_id, one.pts] = one.boxes
