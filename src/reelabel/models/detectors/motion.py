"""``motion``: finds what moves, without any weights.

The background is learnt (camera motion followed), what differs from it is cut into blobs, and
blobs of an unlikely shape are left out. For round things, circles found in the single picture
(Hough, gradient voting) are a second cue: where motion and circle agree the score is high,
where only one is found it is low. Boxes are those of the motion, whose edges are the better ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from reelabel.config import Settings
from reelabel.data.boxes import Boxes, iou
from reelabel.errors import ModelError
from reelabel.models.base import Image, Predict
from reelabel.models.detectors.background import Background
from reelabel.models.spec import Request, fingerprint

_VERSION = 1
_FILL_SIGMA = 0.12
_FREE_STRETCH = 1.3
_STRETCH_SIGMA = 0.5
_AGREE_IOU = 0.4
_CIRCLE_ALONE = 0.15
_AROUND = 0.5


class MotionOptions(Settings):
    """Options of ``motion``."""

    shape: Literal["any", "round"] = "any"
    """``round`` looks for balls: compact blobs, and circles as a second cue."""
    work_side: int = Field(default=416, ge=32)
    """Pictures are reduced to this longest side for finding; boxes are in the picture's pixels."""
    window: int = Field(default=60, ge=2)
    """How many pictures the background model holds."""
    follow_camera: bool = True
    """Whether a moving camera is compensated (shifts only; no zoom, no rotation)."""
    sigmas: float = Field(default=4.0, gt=0)
    """A pixel moves if it differs from the background by this many standard deviations."""
    min_area: float = Field(default=0.0004, ge=0, le=1)
    """The smallest blob, as a share of the picture."""
    max_area: float = Field(default=0.5, gt=0, le=1)
    """The largest blob, as a share of the picture."""
    min_solidity: float = Field(default=0.5, ge=0, le=1)
    """Least share that a blob has of its convex hull."""
    circle_edge: float = Field(default=300.0, gt=0)
    """How sharp an edge must be to vote for a circle (OpenCV's upper Canny threshold)."""
    blob_circle_edge: float = Field(default=100.0, gt=0)
    """The same where something moves."""
    circle_perfection: float = Field(default=0.7, gt=0, le=1)
    """How much of a circle must be there."""
    min_radius: float = Field(default=0.01, gt=0, le=0.5)
    """Smallest circle's radius, as a share of the longest side."""
    max_radius: float = Field(default=0.12, gt=0, le=0.5)
    """Largest circle's radius, as a share of the longest side."""
    floor: float = Field(default=0.05, ge=0, le=1)
    """Boxes with a lower score are not returned."""


@dataclass(frozen=True)
class MotionDetector:
    """Boxes around moving things; see `reelabel.models.base.Detector`.

    Scores: up to 0.5 for motion of the right shape alone, up to 0.3 for a circle alone, 0.5 to
    1 where both agree; with ``shape: any`` the whole range for motion.
    """

    name: str
    classes: tuple[str, ...]
    options: MotionOptions
    batch_size: int = 8
    in_order: bool = True

    @property
    def fingerprint(self) -> str:
        """Changes with the options, the class and the method."""
        return fingerprint("motion", _VERSION, self.options, self.classes)

    @property
    def fit_wh(self) -> tuple[int, int] | None:
        """Twice the working size: the rest sharpens the boxes' edges."""
        return 2 * self.options.work_side, 2 * self.options.work_side

    def open(self) -> Predict:
        """Return a function with a fresh background; give it one shot's frames in order."""
        background = Background(self.options.window, self.options.follow_camera)

        def predict(pictures: Sequence[Image]) -> list[Boxes]:
            return [_find(picture, background, self.options) for picture in pictures]

        return predict


def _find(picture: Image, background: Background, options: MotionOptions) -> Boxes:
    h, w = picture.shape[:2]
    factor = min(1.0, options.work_side / max(h, w))
    small = _reduced(picture, factor)
    distance = background.distance(small.astype(np.float32))
    found = _blobs(distance, options)
    if options.shape == "round":
        found = _agreed(found, small, options)
    back = (w / small.shape[1], h / small.shape[0])
    return found[found.score >= options.floor].scaled(back).clipped((w, h))


def _reduced(picture: Image, factor: float) -> Image:
    if factor == 1.0:
        return picture
    size = tuple(max(1, round(side * factor)) for side in picture.shape[1::-1])
    small: Image = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return small


def _blobs(distance: NDArray[np.float32], options: MotionOptions) -> Boxes:
    """Return boxes around connected areas that differ from the background."""
    moving = cv2.medianBlur((distance > options.sigmas).astype(np.uint8), 3)
    moving = cv2.morphologyEx(moving, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    outlines, _ = cv2.findContours(moving, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    boxes, scores = [], []
    for outline in outlines:
        x, y, w, h = cv2.boundingRect(outline)
        score = _blob_score(outline, distance[y : y + h, x : x + w], distance.size, options)
        boxes.append((x, y, x + w, y + h))
        scores.append(score)
    found = Boxes(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(scores, np.float32),
        np.zeros(len(scores), np.int64),
    )
    return found[found.score > 0]


def _blob_score(
    outline: NDArray[np.int32], inside: NDArray[np.float32], pixels: int, options: MotionOptions
) -> float:
    """Return how sure a blob is one moving thing, 0 if it is left out."""
    area = float(np.count_nonzero(inside > options.sigmas))
    if not options.min_area * pixels <= area <= options.max_area * pixels:
        return 0.0
    hull = max(cv2.contourArea(cv2.convexHull(outline)), 1.0)
    solidity = min(cv2.contourArea(outline) / hull, 1.0)
    contrast = 1 - np.exp(-float(inside[inside > options.sigmas].mean()) / (2 * options.sigmas))
    if solidity < options.min_solidity:
        return 0.0
    if options.shape == "any":
        return float(solidity * contrast)
    return float(_roundness(outline) * contrast * 0.5)


def _roundness(outline: NDArray[np.int32]) -> float:
    """Return how much an outline is like a disc that may have moved a little: 0..1."""
    (_, (a, b), _) = cv2.minAreaRect(outline)
    long, short = max(a, b) + 1, min(a, b) + 1  # from pixel centres to edges
    # An ellipse fills pi/4 of the rectangle around it; a rectangle fills all, a cross less.
    fill = (cv2.contourArea(outline) + (long + short) / 2) / (np.pi / 4 * long * short)
    likeness = np.exp(-(((fill - 1) / _FILL_SIGMA) ** 2) / 2)
    stretch = np.exp(-((max(long / short - _FREE_STRETCH, 0) / _STRETCH_SIGMA) ** 2) / 2)
    return float(likeness * stretch)


def _agreed(found: Boxes, small: Image, options: MotionOptions) -> Boxes:
    """Return blobs, those with a circle on them raised, and circles without a blob."""
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    circles = _circles(grey, options, options.circle_edge)
    alone = circles[iou(circles, found.xyxy).max(axis=1, initial=0) == 0]
    seconded = np.array([_has_circle(grey, box, options) for box in found.xyxy], bool)
    return Boxes(
        np.concatenate([found.xyxy, alone]),
        np.concatenate([found.score + 0.5 * seconded, np.full(len(alone), _CIRCLE_ALONE)]),
        np.zeros(len(found) + len(alone), np.int64),
    )


def _has_circle(grey: NDArray[np.uint8], box: NDArray[np.float32], options: MotionOptions) -> bool:
    """Return whether a circle lies where a blob is; fainter ones count there than elsewhere."""
    margin = _AROUND * float((box[2:] - box[:2]).max())
    left, top = np.maximum(box[:2] - margin, 0).astype(int)
    right, bottom = (box[2:] + margin).astype(int)
    part = np.ascontiguousarray(grey[top:bottom, left:right])
    circles = _circles(part, options, options.blob_circle_edge, longest=max(grey.shape))
    there = circles + np.array([left, top, left, top], np.float32)
    return bool(iou(box[None], there).max(initial=0) >= _AGREE_IOU)


def _circles(
    grey: NDArray[np.uint8], options: MotionOptions, edge: float, *, longest: int | None = None
) -> NDArray[np.float32]:
    """Return ``(n, 4)`` boxes around circles in a single picture or a part of it.

    Args:
        grey: ``(h, w)``.
        options: how large and how perfect circles are.
        edge: how sharp an edge must be to vote.
        longest: the longest side of the whole picture, which radii are a share of.
    """
    longest = longest or max(grey.shape)
    found = cv2.HoughCircles(
        grey,
        cv2.HOUGH_GRADIENT_ALT,
        dp=1.5,
        minDist=8,
        param1=edge,
        param2=options.circle_perfection,
        minRadius=round(max(3, options.min_radius * longest)),
        maxRadius=round(max(4, options.max_radius * longest)),
    )
    if found is None:
        return np.zeros((0, 4), np.float32)
    x, y, r = found.reshape(-1, found.shape[-1])[:, :3].T
    return np.stack([x - r, y - r, x + r, y + r], axis=1).astype(np.float32)


def load(request: Request) -> MotionDetector:
    """Return the detector; it takes exactly one class name, and nothing after the colon.

    Raises:
        ModelError: for several classes: motion alone cannot distinguish them.
    """
    request.bare()
    options = request.settings(MotionOptions)
    classes = request.prompts or ("moving",)
    if len(classes) > 1:
        raise ModelError(
            f"'motion' cannot distinguish classes: name one, but got {', '.join(classes)}"
        )
    return MotionDetector(name=request.spec, classes=classes, options=options)
