"""Grey patches for temporal checks: one pass over a video, patches cropped where they are needed.

Evidence is found by *patch queries*. A query states beforehand which frames it needs and which
window of each; `evaluate_queries` crops those patches while the video is decoded and evaluates each
query when its last patch is there. Frames that no query needs are never converted, and only patches
of open queries are held: memory does not grow with the length of the video.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from reelabel.errors import DecodeError

Grey = NDArray[np.uint8]
"""``(height, width)`` uint8."""

Window = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels, right and bottom exclusive; may reach outside."""

FLAT_STD = 2.0
"""A patch whose grey values deviate less than this has no structure that could be matched."""

_SIDE_PX = 48
"""Templates are reduced until no side is longer: enough to recognise, quick to search."""

T_co = TypeVar("T_co", covariant=True)


class LazyGrey:
    """A picture that is made the first time it is called, and kept from then on."""

    def __init__(self, source: Callable[[], Grey] | Grey) -> None:
        """Take the picture itself or a function that makes it."""
        self._source = source

    def __call__(self) -> Grey:
        """Return the picture."""
        if callable(self._source):
            self._source = self._source()
        return self._source


@dataclass(frozen=True)
class GreyPatch:
    """A crop of a grey picture.

    Attributes:
        pixels: uint8 ``(height, width)``, empty if the window lay outside.
        left, top: the crop's corner in the picture, in pixels.
    """

    pixels: Grey
    left: int
    top: int

    @classmethod
    def crop(cls, picture: Grey, window: Window) -> GreyPatch:
        """Crop the part of `window` that lies inside the picture; the pixels are a copy."""
        height, width = picture.shape
        left, top = min(max(window[0], 0), width), min(max(window[1], 0), height)
        right, bottom = max(left, min(window[2], width)), max(top, min(window[3], height))
        return cls(picture[top:bottom, left:right].copy(), left, top)

    def part(self, window: Window) -> GreyPatch:
        """Crop a smaller patch, `window` in pixels of the whole picture."""
        x, y = self.left, self.top
        moved = (window[0] - x, window[1] - y, window[2] - x, window[3] - y)
        inner = GreyPatch.crop(self.pixels, moved)
        return GreyPatch(inner.pixels, inner.left + x, inner.top + y)

    @property
    def flat(self) -> bool:
        """Return whether it is empty or has no structure."""
        return self.pixels.size == 0 or float(self.pixels.std()) < FLAT_STD


@dataclass(frozen=True)
class Match:
    """Where a template was found, and how similar the picture is there.

    Attributes:
        similarity: normalised cross-correlation, -1..1.
        left, top: the place of the template's corner in the whole picture, pixels.
    """

    similarity: float
    left: int
    top: int


class PatchQuery(Protocol[T_co]):
    """A question about a video that certain patches of certain frames answer.

    Attributes:
        shrink: by how much the picture is reduced before it is cropped; 1 for not at all.
        windows: for each needed frame the window to crop, in pixels of the reduced picture.
    """

    @property
    def shrink(self) -> int:
        """Return how many pixels of a side become one."""
        ...

    @property
    def windows(self) -> Mapping[int, Window]:
        """Return the window of each needed frame."""
        ...

    def evaluate(self, patches: Mapping[int, GreyPatch]) -> T_co:
        """Return the answer; frames after the video's end are missing from `patches`."""
        ...


def evaluate_queries(
    pictures: Iterable[Callable[[], Grey] | Grey], queries: Iterable[PatchQuery[T_co]]
) -> Iterator[T_co]:
    """Go through a video once and yield each query's answer as soon as its patches are there.

    Args:
        pictures: the frames in order from 0 (uint8 ``(height, width)``), or functions that make
            them; only needed ones are called.
        queries: the queries. Those that are still open when the video ends are evaluated with the
            patches that they have.

    Raises:
        DecodeError: if the size of the pictures changes on the way.
    """
    pending = list(queries)
    needed: dict[int, list[int]] = defaultdict(list)
    for number, query in enumerate(pending):
        for frame in query.windows:
            needed[frame].append(number)
    last = [max(query.windows, default=-1) for query in pending]
    patches: dict[int, dict[int, GreyPatch]] = defaultdict(dict)
    shape: tuple[int, ...] | None = None
    for frame, source in enumerate(pictures):
        numbers = needed.pop(frame, ())
        picture = _Sizes(LazyGrey(source)()) if numbers else None
        if picture is not None:
            shape = _same_shape(picture.reduced(1).shape, shape, frame)
        for number in numbers:
            assert picture is not None  # noqa: S101 -- for the type checker: numbers were found
            small = picture.reduced(pending[number].shrink)
            patches[number][frame] = GreyPatch.crop(small, pending[number].windows[frame])
        for number in (n for n in numbers if last[n] == frame):
            yield pending[number].evaluate(patches.pop(number))
        if not needed:
            return
    for number in sorted({n for numbers in needed.values() for n in numbers}):
        yield pending[number].evaluate(patches.pop(number, {}))


class _Sizes:
    """One picture in the sizes in which queries need it, each made once."""

    def __init__(self, picture: Grey) -> None:
        self._made = {1: picture}

    def reduced(self, shrink: int) -> Grey:
        """Return the picture reduced so many times; what is left over at the edges is cut off."""
        if shrink not in self._made:
            picture = self._made[1]
            height, width = (side // shrink for side in picture.shape)
            whole = picture[: height * shrink, : width * shrink]
            empty = not min(height, width)
            self._made[shrink] = whole[:0, :0] if empty else _reduced(whole, shrink)
        return self._made[shrink]


def _same_shape(
    shape: tuple[int, ...], known: tuple[int, ...] | None, frame: int
) -> tuple[int, ...]:
    if known is not None and shape != known:
        raise DecodeError(
            f"expected pictures of {known} pixels (height, width), but frame {frame} has {shape}: "
            "split the video where its size changes"
        )
    return shape


def box_window(xyxy: NDArray[Any], dilate_px: float = 0.0) -> Window:
    """Return the window that contains a box and `dilate_px` around it, rounded outwards.

    Args:
        xyxy: ``(4,)`` in pixels.
        dilate_px: margin on each side.
    """
    low = np.floor(xyxy[:2] - dilate_px).astype(int)
    high = np.ceil(xyxy[2:] + dilate_px).astype(int)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def find(template: GreyPatch, where: GreyPatch) -> Match | None:
    """Search a template in a patch by normalised cross-correlation.

    Large templates are searched in reduced pictures first, then around the best place in full.

    Returns:
        The best match, or None if the place cannot be compared: the template is flat, or the patch
        is smaller.
    """
    tall, wide = template.pixels.shape
    if template.flat or where.pixels.shape[0] < tall or where.pixels.shape[1] < wide:
        return None
    shrink = -(-max(tall, wide) // _SIDE_PX)
    if shrink > 1:
        small, region = _reduced(template.pixels, shrink), _reduced(where.pixels, shrink)
        _, left, top = _best(small, region)
        x, y = left * shrink + where.left, top * shrink + where.top
        near = (x - shrink, y - shrink, x + wide + shrink, y + tall + shrink)
        where = _grown(where.part(near), where, template)
    similarity, left, top = _best(template.pixels, where.pixels)
    return Match(similarity, where.left + left, where.top + top)


def _best(template: Grey, region: Grey) -> tuple[float, int, int]:
    response = cv2.matchTemplate(region, template, cv2.TM_CCOEFF_NORMED)
    y, x = divmod(int(np.argmax(response)), response.shape[1])
    return float(np.clip(response[y, x], -1, 1)), x, y


def _grown(part: GreyPatch, where: GreyPatch, template: GreyPatch) -> GreyPatch:
    """Return `part`, or the whole patch if rounding left it smaller than the template."""
    fits = np.less_equal(template.pixels.shape, part.pixels.shape).all()
    return part if fits else where


def _reduced(pixels: Grey, shrink: int) -> Grey:
    size_wh = (-(-pixels.shape[1] // shrink), -(-pixels.shape[0] // shrink))
    return np.asarray(cv2.resize(pixels, size_wh, interpolation=cv2.INTER_AREA), np.uint8)
