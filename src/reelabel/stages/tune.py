"""tune  frames -> input  N:1  the input size at which the teacher agrees most with itself.

Most of what a student seems to gain is often a larger input and its mirror image. They are chosen
here, without any label and before anything is labelled, so that the labels gain by them too and a
student is compared with a teacher that is used as well as it can be.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Literal

import pyarrow.compute as pc
from pydantic import Field

from reelabel.config import Settings
from reelabel.engine.stage import Context, Output, Resource, Stage, Unit
from reelabel.evaluation.frames import spread
from reelabel.media.video import frames
from reelabel.models.base import Detector, Image
from reelabel.models.detectors.fused import FusedDetector, member_options
from reelabel.models.input_size import PICTURES, SIZES, choose_size
from reelabel.models.mirrored import JOIN_IOU
from reelabel.models.self_agreement import BothViews
from reelabel.models.students.inputs import STRIDE, canvas_wh
from reelabel.models.teacher import can_have_input, load_teacher, with_input
from reelabel.short_names import detector_labels
from reelabel.tables import FRAMES, VIDEOS
from reelabel.workspace import fingerprint
from reelabel.workspace.results import Decision, InputChoice
from reelabel.workspace.rounds import teacher_of


class TuneSettings(Settings):
    """How the teacher's input is chosen."""

    input: Literal["auto", "own"] = "auto"
    """auto: the input size at which the teacher agrees most with itself, and its mirror image
    beside each picture; own: what the model's file or its options state."""
    flip: bool = True
    """Detect in the mirror image too and take the mean: twice the time, tighter boxes."""
    largest: int = Field(SIZES[-1], ge=SIZES[0], le=4096)
    """Largest input size that is tried, in pixels; the time of detection grows with its square."""


@dataclass(frozen=True)
class Tuned:
    """A teacher whose input is chosen.

    Attributes:
        detector: one, or several that are fused.
        named: labels of those whose options name an input; empty label: of a single one.
    """

    detector: Detector
    named: frozenset[str] = frozenset()

    @property
    def members(self) -> Mapping[str, Detector]:
        """The detectors by label; a single one has an empty label."""
        one = self.detector
        return one.members if isinstance(one, FusedDetector) else {"": one}


TuneUnit = Unit[TuneSettings, Tuned | None]


def tune(unit: TuneUnit) -> Output:
    """Return the input of the teacher, and of the students that start from it."""
    tuned = unit.resource
    if tuned is None:  # a student keeps the input that it was trained for
        choice = unit.inputs.result(InputChoice, previous=True) or InputChoice()
    else:
        choice = _all_chosen(unit, tuned)
    notes = {"image_size": choice.image_size or "own", "flip": choice.flip}
    if choice.members:
        notes = {label: one.image_size or "own" for label, one in choice.members.items()}
    return Output(notes=notes, digest=fingerprint(choice.to_json()), results=(choice,))


def _all_chosen(unit: TuneUnit, tuned: Tuned) -> InputChoice:
    """Return the input of a teacher, of each one by itself if several are fused."""
    resizable = [
        label
        for label, one in tuned.members.items()
        if label not in tuned.named and _is_resizable(one)
    ]
    pictures = _pictures(unit) if resizable else []
    if not pictures:
        return InputChoice()
    found = {label: _chosen(unit, tuned.members[label], pictures) for label in resizable}
    return found[""] if "" in found else InputChoice(members=found)


def _is_resizable(detector: Detector) -> bool:
    """Return whether a network can have another input: one of two sizes may be its own."""
    return all(can_have_input(detector, size) for size in SIZES[:2])


def _chosen(unit: TuneUnit, detector: Detector, pictures: Sequence[Image]) -> InputChoice:
    def views_at(size: int) -> BothViews:
        unit.tick(SIZES.index(size) / len(SIZES), f"{size} px")
        sized = with_input(detector, size, flip=False)
        return BothViews.of(sized.open(), pictures, JOIN_IOU)

    longest = max(max(picture.shape) for picture in pictures)
    whole = canvas_wh((longest, longest), STRIDE)[0]
    found = choose_size(views_at, min(unit.settings.largest, whole))
    return InputChoice(
        found.image_size,
        flip=unit.settings.flip and found.image_size is not None,
        agreement=found.agreement,
        pictures=len(pictures),
    )


def _pictures(unit: TuneUnit) -> list[Image]:
    """Return sampled frames, spread evenly over the footage, not larger than the largest input."""
    keys: list[tuple[str, int]] = []
    for video_id, rows in unit.readable_shards(FRAMES):
        kept = rows.filter(pc.field("kept"))
        keys += [(video_id, pts) for pts in kept["pts"].to_pylist()]
    by_video: dict[str, list[int]] = defaultdict(list)
    for video_id, pts in spread(keys, PICTURES):
        by_video[video_id].append(pts)
    return [
        picture
        for video_id, wanted in by_video.items()
        for picture in _decoded(unit, video_id, wanted)
    ]


def _decoded(unit: TuneUnit, video_id: str, wanted: Sequence[int]) -> list[Image]:
    path = unit.inputs.video(video_id).path
    side = unit.settings.largest
    return [frame.rgb((side, side)) for frame in frames(path, wanted, on_error=lambda _: None)]


def teacher(context: Context[TuneSettings]) -> Resource[Tuned | None]:
    """Return the round's teacher if its input is to be chosen, else None."""
    project = context.project
    decision = context.inputs.result(Decision, previous=True)
    spec = teacher_of(project.detector, context.round_number, decision)
    options = member_options(spec, project.detector_options) if spec == project.detector else {}
    has_own = ["input_wh" in given for given in options.values()]
    if context.settings.input == "own" or all(has_own):
        return Resource(None, spec)
    detector = load_teacher(project, context.root, spec)
    labels = detector_labels(spec) if len(has_own) > 1 else ("",)
    named = frozenset(compress(labels, has_own))
    return Resource(Tuned(detector, named), detector.fingerprint)


STAGE = Stage(
    name="tune",
    arrow=(__doc__ or "").splitlines()[0],
    settings=TuneSettings,
    run=tune,
    scope="all",
    reads=(VIDEOS, FRAMES),
    project_keys=("classes", "class_map"),
    per_round=True,
    resource=teacher,
)
