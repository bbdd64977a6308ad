"""Grey pictures for those who look back: one pass over a video, patches cut where they are needed.

Evidence is gathered by *looks*. A look says beforehand which frames it wants to see, and where;
`sweep` cuts those patches while the video goes by and runs each look when its last one has come.
Frames that nobody wants are never converted, and what is held are patches of the looks that are
still open: memory does not grow with the length of the video.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from reelabel.errors import DecodeError

Grey = NDArray[np.uint8]
"""``(height, width)`` uint8."""

Window = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels, right and bottom exclusive; may reach outside."""

FLAT_STD = 2.0
"""A patch whose grey values deviate less than this holds nothing that could be found again."""

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
class Patch:
    """A piece cut out of a picture.

    Attributes:
        pixels: uint8 ``(height, width)``, empty if the window lay outside.
        left, top: where in the picture it was cut, in pixels.
    """

    pixels: Grey
    left: int
    top: int

    @classmethod
    def cut(cls, picture: Grey, window: Window) -> Patch:
        """Cut out what of `window` lies inside the picture; the pixels are a copy."""
        height, width = picture.shape
        left, top = min(max(window[0], 0), width), min(max(window[1], 0), height)
        right, bottom = max(left, min(window[2], width)), max(top, min(window[3], height))
        return cls(picture[top:bottom, left:right].copy(), left, top)

    def part(self, window: Window) -> Patch:
        """Cut a smaller patch, `window` in pixels of the whole picture."""
        x, y = self.left, self.top
        inner = Patch.cut(self.pixels, (window[0] - x, window[1] - y, window[2] - x, window[3] - y))
        return Patch(inner.pixels, inner.left + x, inner.top + y)

    @property
    def flat(self) -> bool:
        """Return whether it is empty or holds no structure."""
        return self.pixels.size == 0 or float(self.pixels.std()) < FLAT_STD


@dataclass(frozen=True)
class Hit:
    """Where a template was found, and how alike the picture is there.

    Attributes:
        similarity: normalised cross-correlation, -1..1.
        left, top: the place of the template's corner in the whole picture, pixels.
    """

    similarity: float
    left: int
    top: int


class Look(Protocol[T_co]):
    """Something that wants to see certain places in certain frames.

    Attributes:
        windows: for each wanted frame the place to cut.
    """

    @property
    def windows(self) -> Mapping[int, Window]:
        """Return the wanted places."""
        ...

    def judge(self, patches: Mapping[int, Patch]) -> T_co:
        """Return what is seen; frames after the video's end are missing from `patches`."""
        ...


def sweep(
    pictures: Iterable[Callable[[], Grey] | Grey], looks: Iterable[Look[T_co]]
) -> Iterator[T_co]:
    """Go through a video once and yield what each look says, as soon as it has seen all it wants.

    Args:
        pictures: the frames in order from 0 (uint8 ``(height, width)``), or functions that make
            them; only wanted ones are called.
        looks: what to look at. Looks that still wait when the video ends are judged by what they
            have seen.

    Raises:
        DecodeError: if the size of the pictures changes on the way.
    """
    waiting = list(looks)
    wanted: dict[int, list[int]] = defaultdict(list)
    for number, look in enumerate(waiting):
        for frame in look.windows:
            wanted[frame].append(number)
    last = [max(look.windows, default=-1) for look in waiting]
    seen: dict[int, dict[int, Patch]] = defaultdict(dict)
    shape: tuple[int, ...] | None = None
    for frame, source in enumerate(pictures):
        numbers = wanted.pop(frame, ())
        picture = LazyGrey(source)() if numbers else None
        if picture is not None:
            shape = _same_shape(picture.shape, shape, frame)
        for number in numbers:
            assert picture is not None  # noqa: S101 -- for the type checker: numbers were found
            seen[number][frame] = Patch.cut(picture, waiting[number].windows[frame])
        for number in (n for n in numbers if last[n] == frame):
            yield waiting[number].judge(seen.pop(number))
        if not wanted:
            return
    for number in sorted({n for numbers in wanted.values() for n in numbers}):
        yield waiting[number].judge(seen.pop(number, {}))


def _same_shape(
    shape: tuple[int, ...], known: tuple[int, ...] | None, frame: int
) -> tuple[int, ...]:
    if known is not None and shape != known:
        raise DecodeError(
            f"expected pictures of {known} pixels (height, width), but frame {frame} has {shape}: "
            "cut the video where its size changes"
        )
    return shape


def box_window(xyxy: NDArray[np.float64], dilate_px: float = 0.0) -> Window:
    """Return the window that holds a box and `dilate_px` around it, rounded outwards."""
    low = np.floor(xyxy[:2] - dilate_px).astype(int)
    high = np.ceil(xyxy[2:] + dilate_px).astype(int)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def find(template: Patch, where: Patch) -> Hit | None:
    """Search a template in a patch by normalised cross-correlation.

    Large templates are searched in reduced pictures first, then around the best place in full.
    Returns None if the place cannot be compared: the template is flat, or the patch is smaller.
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
    return Hit(similarity, where.left + left, where.top + top)


def _best(template: Grey, region: Grey) -> tuple[float, int, int]:
    response = cv2.matchTemplate(region, template, cv2.TM_CCOEFF_NORMED)
    y, x = divmod(int(np.argmax(response)), response.shape[1])
    return float(np.clip(response[y, x], -1, 1)), x, y


def _grown(part: Patch, where: Patch, template: Patch) -> Patch:
    """Return `part`, or the whole patch if rounding left it smaller than the template."""
    fits = np.less_equal(template.pixels.shape, part.pixels.shape).all()
    return part if fits else where


def _reduced(pixels: Grey, shrink: int) -> Grey:
    size_wh = (-(-pixels.shape[1] // shrink), -(-pixels.shape[0] // shrink))
    return np.asarray(cv2.resize(pixels, size_wh, interpolation=cv2.INTER_AREA), np.uint8)
