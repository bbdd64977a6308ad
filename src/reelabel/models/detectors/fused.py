"""``fused:NAME + NAME``: several detectors as one; their boxes are fused.

Each keeps its own classes, options and input. One that lacks a class of the others is not asked
about it. See `reelabel.models.box_fusion` for how boxes are fused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, TypeVar, cast

import numpy as np
from pydantic import Field

from reelabel.config import Settings
from reelabel.data.boxes import Bools, Boxes
from reelabel.errors import ModelError, UsageError, nearest
from reelabel.media.pictures import reduced
from reelabel.models.base import Detector, Image, Predict
from reelabel.models.box_fusion import fuse
from reelabel.models.detectors.mapped import wanted_only
from reelabel.models.registry import load_request
from reelabel.models.spec import Request, fingerprint
from reelabel.short_names import AND, detector_labels, full_name, fused_name, member_names

_VERSION = 1

T = TypeVar("T")


class FusedOptions(Settings):
    """Options of several detectors whose boxes are fused."""

    iou: float = Field(0.55, ge=0, le=1)
    """Boxes of one class that overlap by more than this are of one object."""
    weights: dict[str, Annotated[float, Field(gt=0, le=1000)]] = Field(default_factory=dict)
    """How much each detector counts in scores and edges, by its name or by the stem of its file;
    others have 1: {yolox_nano: 3}."""
    members: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Options of each detector, named in the same way: {yolox_nano: {floor: 0.02}}."""


@dataclass(frozen=True)
class FusedDetector:
    """Several detectors as one; see `reelabel.models.base.Detector`.

    Attributes:
        name: how it was asked for.
        classes: those of all members.
        members: label -> detector, sorted by label, so that the order in which they were named
            changes nothing.
        weights: label -> how much it counts.
        iou: from which overlap on boxes are of one object.
    """

    name: str
    classes: tuple[str, ...]
    members: Mapping[str, Detector]
    weights: Mapping[str, float]
    iou: float

    @property
    def fingerprint(self) -> str:
        """Changes with any of the members, their labels, the classes and the way of fusion."""
        parts = [
            (label, one.fingerprint, self.weights[label]) for label, one in self.members.items()
        ]
        return fingerprint("fused", _VERSION, parts, self.classes, self.iou)

    @property
    def fit_wh(self) -> tuple[int, int] | None:
        """The size that pictures may be reduced to: the largest that a member needs."""
        sizes = [one.fit_wh for one in self.members.values()]
        known = [size for size in sizes if size is not None]
        whole = len(known) < len(sizes)
        return None if whole else (max(w for w, _ in known), max(h for _, h in known))

    @property
    def in_order(self) -> bool:
        """Whether a member needs frames one after the other."""
        return any(one.in_order for one in self.members.values())

    @property
    def batch_size(self) -> int:
        """How many pictures are best given at once."""
        return max(one.batch_size for one in self.members.values())

    def open(self) -> Predict:
        """Open all members and return the function that fuses what they find."""
        opened = [_opened(one, self.classes) for one in self.members.values()]
        has_class = np.array([
            [name in one.classes for name in self.classes] for one in self.members.values()
        ])

        def predict(pictures: Sequence[Image]) -> list[Boxes]:
            found = zip(*(one(pictures) for one in opened), strict=True)
            return [self._fused(views, has_class) for views in found]

        return predict

    def with_members(self, members: Mapping[str, Detector]) -> Detector:
        """Return the same with other members under the same labels."""
        return cast("Detector", replace(self, members=members))

    def _fused(self, views: Sequence[Boxes], has_class: Bools) -> Boxes:
        weights = np.array([self.weights[label] for label in self.members], np.float64)
        fused = fuse(views, weights, has_class, self.iou)
        return replace(fused.boxes, origin=np.array(self._names(fused.found_by), np.str_))

    def _names(self, found_by: Bools) -> list[str]:
        """Return the labels of the members that found each box."""
        labels = np.array(list(self.members), np.str_)
        return [AND.join(labels[row].tolist()) for row in found_by]


def _opened(detector: Detector, classes: Sequence[str]) -> Predict:
    """Open a member: it is given pictures at its own size, and its classes are those of all."""
    inner = detector.open()
    class_id = np.array([classes.index(name) for name in detector.classes], np.int64)

    def predict(pictures: Sequence[Image]) -> list[Boxes]:
        small = [reduced(picture, detector.fit_wh) for picture in pictures]
        return [
            _back(replace(found, class_id=class_id[found.class_id]), given, picture)
            for found, given, picture in zip(inner(small), small, pictures, strict=True)
        ]

    return predict


def _back(found: Boxes, given: Image, picture: Image) -> Boxes:
    """Return the boxes of a reduced picture in pixels of the whole one."""
    if given is picture:
        return found
    size_wh = (picture.shape[1], picture.shape[0])
    factor_xy = (size_wh[0] / given.shape[1], size_wh[1] / given.shape[0])
    return found.scaled(factor_xy).clipped(size_wh)


def load(request: Request) -> FusedDetector:
    """Return the detector.

    Raises:
        ModelError: if one of the members cannot be loaded or fused, or none has a wanted class.
        UsageError: for an unknown or wrong option.
    """
    try:
        fused_name(member_names(request.spec))
    except ValueError as exc:
        raise ModelError(f"{request.spec}: {exc}") from exc
    given = member_options(request.spec, request.options)
    labels = detector_labels(request.spec)
    loaded = {
        label: _member(request, *one) for label, one in zip(labels, given.items(), strict=True)
    }
    return fused(request, loaded)


def fused(request: Request, loaded: Mapping[str, Detector]) -> FusedDetector:
    """Return loaded detectors as one, with the wanted classes if there are any.

    Args:
        request: what was asked for.
        loaded: label -> detector, with its own classes.

    Raises:
        ModelError: if none of them has a wanted class, or one has none of them.
    """
    theirs = tuple(dict.fromkeys(n for label in sorted(loaded) for n in loaded[label].classes))
    known = {name for one in loaded.values() for name in _known(request, one)}
    for name in request.wanted:
        if name not in known:
            raise ModelError(
                f"none of {', '.join(loaded)} has a class '{name}'{nearest(name, theirs)}: name "
                f"one of their classes, or map some of them to '{name}'"
            )
    members = {label: _wanted(request, label, loaded[label]) for label in sorted(loaded)}
    options = request.settings(FusedOptions)
    given = _by_label(request.spec, options.weights, "weights")
    weights = {label: given.get(label, 1.0) for label in members}
    return FusedDetector(request.spec, request.wanted or theirs, members, weights, options.iou)


def _known(request: Request, detector: Detector) -> list[str]:
    """Return which of the wanted classes a member has, by its own names or by the mapping."""
    found = {*detector.classes, *(request.mapping.get(name) for name in detector.classes)}
    return [name for name in request.wanted if name in found]


def _wanted(request: Request, label: str, detector: Detector) -> Detector:
    """Return a member restricted to those of the wanted classes that it has."""
    if not request.wanted:
        return detector
    names = _known(request, detector)
    if not names:
        raise ModelError(
            f"{label} has none of the classes {', '.join(request.wanted)}: leave it out, or map "
            f"some of its classes to them: {', '.join(detector.classes[:100])}"
        )
    own = {name: request.mapping[name] for name in detector.classes if name in request.mapping}
    return wanted_only(detector, names, own)


def member_options(spec: str, options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the options of each detector that a name stands for, by its full name.

    Args:
        spec: a detector, or several that are fused.
        options: of the detector, or `FusedOptions` if there are several.

    Raises:
        UsageError: for options of a detector that is none of them.
    """
    names = [full_name(name) for name in member_names(spec)]
    if len(names) == 1:
        return {names[0]: dict(options)}
    given = Request(spec, "", options=options).settings(FusedOptions).members
    own = _by_label(spec, given, "members")
    return {
        name: dict(own.get(label, {}))
        for label, name in zip(detector_labels(spec), names, strict=True)
    }


def _by_label(spec: str, given: Mapping[str, T], option: str) -> dict[str, T]:
    """Return values that are given by the names of detectors, or by their labels, by label.

    Raises:
        UsageError: if a key is none of the detectors.
    """
    labels = detector_labels(spec)
    names = map(full_name, member_names(spec))
    known = dict(zip(names, labels, strict=True)) | dict(zip(labels, labels, strict=True))
    found: dict[str, T] = {}
    for key, value in given.items():
        label = known.get(key) or known.get(full_name(key))
        if label is None:
            raise UsageError(
                f"detector_options.{option}: expected one of {', '.join(labels)}, but got '{key}'"
                f"{nearest(key, labels)}"
            )
        found[label] = value
    return found


def _member(request: Request, name: str, options: Mapping[str, Any]) -> Detector:
    rest = name.partition(":")[2]
    return load_request(replace(request, spec=name, rest=rest, options=options, mapping={}))
