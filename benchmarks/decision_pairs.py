"""Teachers, untrained starts and students whose truth is known, kept as detections on files.

A scene is a folder: ``scene.json`` holds truth, held-out labels and class names, ``pairs.json`` the
students with their starts, ``<model>.npz`` the detections of a model. Detections are rows of clip,
frame, view, left, top, right, bottom, score; a view is 0 as the model is used, 1 plain, 2 mirrored.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reelabel.data.boxes import Boxes, xywh_to_xyxy
from reelabel.data.states import GAP, NEGATIVE, TEACHER, TRACKER
from reelabel.evaluation.comparison import Scoring, compare
from reelabel.evaluation.consistency import Views
from reelabel.evaluation.figures import Comparison, Role
from reelabel.evaluation.frames import KnownFrame
from reelabel.evaluation.held_out import kept_labels
from reelabel.evaluation.without_truth import (
    HeldOutLabels,
    MirrorConsistency,
    held_out_labels,
    mirror_consistency,
)

SCORING = Scoring(("object",), resamples=400)
USED, PLAIN, MIRRORED = 0, 1, 2


@dataclass(frozen=True)
class Scene:
    """Footage with truth and with a teacher's labels of held-out frames."""

    folder: Path

    @cached_property
    def facts(self) -> dict[str, Any]:
        """Return what `scene.json` holds."""
        return dict(json.loads((self.folder / "scene.json").read_text()))

    @property
    def has_mirrored_teacher(self) -> bool:
        """Whether the teacher can be asked about mirror images."""
        return bool(self.facts["mirrored_teacher"])

    @cached_property
    def truth(self) -> list[KnownFrame]:
        """Return the annotated frames."""
        return [
            KnownFrame(clip, frame, _boxes(xywh_to_xyxy(np.array(boxes, float))))
            for clip, frame, boxes in self.facts["truth"]
        ]

    @cached_property
    def held_out(self) -> list[KnownFrame]:
        """Return the held-out frames with their labels."""
        return [
            KnownFrame(clip, frame, _labels(self.facts["labels"].get(clip, ()), frame))
            for clip, frames in self.facts["held_out"].items()
            for frame in frames
        ]

    @property
    def frames(self) -> list[KnownFrame]:
        """Return all frames that the models have been shown, once each."""
        keys = {(f.video, f.pts): None for f in (*self.truth, *self.held_out)}
        return [KnownFrame(*key, Boxes.empty()) for key in keys]

    def detections(self, model: str, view: int, frames: Sequence[KnownFrame]) -> list[Boxes]:
        """Return what a model finds in these frames."""
        rows = np.load(self.folder / f"{model}.npz")["rows"]
        rows = rows[rows[:, 2] == view]
        clips = self.facts["clips"]
        return [
            _boxes(found[:, 3:7], found[:, 7])
            for frame in frames
            for found in [
                rows[(rows[:, 0] == clips.index(frame.video)) & (rows[:, 1] == frame.pts)]
            ]
        ]


@dataclass(frozen=True)
class Pair:
    """A student with its teacher, and its untrained start if it has one."""

    scene: Scene
    student: str
    start: str | None

    @property
    def models(self) -> dict[Role, str]:
        """Return role -> name of the model."""
        start: dict[Role, str] = {"start": self.start} if self.start else {}
        return {"teacher": "teacher", **start, "student": self.student}


@dataclass(frozen=True)
class Evidence:
    """What decisions are made from, and the truth that they are measured by.

    Attributes:
        held_out: what the models keep of held-out labels.
        mirror: their consistency under mirroring.
        kept75: share of the labels that the student finds at IoU 0.75 with a score of 0.5.
        truth: their scores against the truth.
    """

    held_out: HeldOutLabels
    mirror: MirrorConsistency | None
    kept75: float
    truth: Comparison

    @property
    def outcome(self) -> str:
        """Return whether the student is clearly better or worse than the better other model."""
        ap = {role: one.overall.ap.value or 0.0 for role, one in self.truth.models.items()}
        bar = max((role for role in ap if role != "student"), key=lambda role: ap[role])
        low, high = self.truth.gains[bar].low or 0.0, self.truth.gains[bar].high or 0.0
        return "better" if low > 0 else "worse" if high < 0 else "open"


def pairs_in(home: Path) -> Iterator[Pair]:
    """Yield the pairs of all scenes in a folder."""
    for path in sorted(home.glob("*/pairs.json")):
        scene = Scene(path.parent)
        for student, facts in sorted(json.loads(path.read_text()).items()):
            if (path.parent / f"{student}.npz").is_file():
                yield Pair(scene, student, facts["start"])


def evidence_of(pair: Pair) -> Evidence:
    """Measure a pair with the functions that the stage `evaluate` uses."""
    scene, models = pair.scene, pair.models
    used = {role: scene.detections(name, USED, scene.held_out) for role, name in models.items()}
    true = {role: scene.detections(name, USED, scene.truth) for role, name in models.items()}
    return Evidence(
        held_out=held_out_labels(scene.held_out, used, SCORING),
        mirror=_mirror(scene, models),
        kept75=_kept75(scene, used["student"]),
        truth=compare(scene.truth, true, SCORING)[0],
    )


def _mirror(scene: Scene, models: Mapping[Role, str]) -> MirrorConsistency | None:
    asked = {r: m for r, m in models.items() if r != "teacher" or scene.has_mirrored_teacher}
    if len(asked) == 1:
        return None
    frames = scene.frames
    views = {
        role: Views.of(
            scene.detections(name, PLAIN, frames), scene.detections(name, MIRRORED, frames)
        )
        for role, name in asked.items()
    }
    return mirror_consistency(frames, views, SCORING)


def _kept75(scene: Scene, found: Sequence[Boxes]) -> float:
    """Return the share of all labels that the student finds at IoU 0.75 and score 0.5."""
    kept = kept_labels(scene.held_out, found, 0.5, min_iou=0.75)
    parts = kept.labels.part.sum() + kept.gaps.part.sum()
    return float(parts / max(kept.labels.whole.sum() + kept.gaps.whole.sum(), 1))


def _boxes(xyxy: NDArray[Any], score: NDArray[Any] | None = None) -> Boxes:
    n = len(xyxy)
    return Boxes(xyxy, np.ones(n) if score is None else score, np.zeros(n, np.int64))


def _labels(rows: Sequence[Mapping[str, Any]], frame: int) -> Boxes:
    """Return the labels of a frame; those that fill gaps have the tracker as their origin."""
    here = [r for r in rows if r["frame_index"] == frame and r["state"] != NEGATIVE]
    return Boxes(
        np.array([[r["x1"], r["y1"], r["x2"], r["y2"]] for r in here]).reshape(-1, 4),
        np.array([r["score"] for r in here], np.float32),
        np.zeros(len(here), np.int64),
        state=np.array([r["state"] for r in here], np.str_),
        origin=np.array([TRACKER if r["rule"] == GAP else TEACHER for r in here], np.str_),
    )
