"""Copies of one recording under other names: found by what signatures of their frames show.

A signature is a frame without black bars in 32 x 32 grey levels (`reelabel.media.signatures`). Two
videos are compared in three steps:

1. *Candidates* have at least one pair of frames that resemble each other coarsely, mirrored, turned
   or not.
2. One of them is cropped by 8 % and 16 % at the middle and at each corner, plain and mirrored, and
   whole in the six other ways in which a picture is turned and mirrored; the other stays whole;
   then the other way round. Each frame is compared with the nearest one of the other, so that the
   order of the frames and their rate do not matter.
3. It is a *copy* where the frames resemble each other and also what changes in them does: the
   difference from the mean of the matched frames. Another recording at the same place shares its
   background alone.

A *continuation*, such as the next chapter of a recording, begins with the picture that the other
one ends with, or has the same name but for its number and shows the same scene.

Measured on 90 real clips, and on ten of them changed in eight ways: half the size, cropped by 8 %
of each side or at a corner, letterboxed, mirrored, with a logo, grey and dark, a quarter faster;
and 1.5 s cut out twice. Found against the whole: 74 of 80 changed clips, 15 of 20 parts. Both parts
against each other: 10 of 10 with numbered names, 6 of 10 without. Of the 90 clips only those that
derive from one another are reported, one of them turned by a quarter, though 15 of them show
signers in one room. Missed are copies in which next to nothing moves, other crops, pictures turned
by a few degrees or filmed from a screen, borders that are not black, burnt-in captions, negatives
and strong changes of brightness, and small things that move fast where the compared frames lie at
other moments.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from reelabel.data.boxes import Floats

Signatures = NDArray[np.uint8]
"""``(n, 32, 32)`` frames of one video in their order."""
Kind = Literal["copy", "continuation"]
UNKNOWN = "unknown"
"""In place of a kind: a video without signatures cannot be compared."""

SIDE = 32
METHOD = "comparing scaled, cropped, letterboxed, mirrored and turned frames"
_GRID, _COARSE = 16, 8
_CROPS = (1.0, 0.92, 0.84)
"""Sides of the compared part, as shares of the whole."""
_CROPPED_VIEWS = 2
"""Plain and mirrored frames are cropped, turned ones only compared whole."""
_FRAMES_COARSE = 8
"""So many frames are compared coarsely; where a picture is turned, which is rare, two of them."""
_LEAST_COARSE = 0.7
_LEAST_LOOK, _LEAST_CHANGE = 0.8, 0.84
"""Median correlation of whole frames and of what changes in them, from which a video is a copy."""
_LEAST_STILL = 0.99
"""The same of whole frames where there are too few to see any change."""
_FEW = 3
_SHORT, _LEAST_LOOK_SHORT = 8, 0.92
"""Clips with fewer signatures have to resemble each other more: little changes in them."""
_LEAST_JOIN = 0.998
"""Correlation of the last frame of one with the first of the other, if one continues the other."""
_LEAST_NUMBERED = 0.95
"""Correlation from which videos whose names differ in a number alone show the same recording."""
_LEAST_DEVIATION = 1.0
"""Grey levels that are added to each deviation, so that noise on plain pictures does not count."""
_MOST_CANDIDATES = 20
"""So many videos are compared with one in full, the most similar first."""
_TRIED = 3
_ROUNDING = 1e-3
_PARTNERS = 64
"""So many partners of a video are compared at once."""
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True)
class Copy:
    """Two videos that show one recording.

    Attributes:
        first, second: their ids.
        kind: a copy of what the other shows, or a continuation of it.
        similarity: correlation -1..1 that decided.
    """

    first: str
    second: str
    kind: Kind
    similarity: float


@dataclass(frozen=True)
class Seen:
    """What is known of one video.

    Attributes:
        name: of its file.
        frames: its signatures.
    """

    name: str
    frames: Signatures


def find_copies(videos: Mapping[str, Seen], known: Mapping[str, Seen] | None = None) -> list[Copy]:
    """Return the pairs of videos that show one recording, in the order of the videos.

    Args:
        videos: id -> what is known of it.
        known: those that they are compared with; None: one another.
    """
    others = videos if known is None else known
    pairs = list(candidates(videos, others, among=known is None))
    compare = Comparison({**others, **videos})
    found = (compare.pair(a, b) for a, b in compare.promising(pairs))
    return [one for one in found if one is not None]


def candidates(
    videos: Mapping[str, Seen], known: Mapping[str, Seen], *, among: bool
) -> Iterator[tuple[str, str]]:
    """Yield the pairs of which at least one pair of frames resembles each other coarsely.

    Args:
        videos: id -> what is known of it.
        known: those that they are compared with.
        among: both are the same videos, of which each pair is wanted once.
    """
    ids, others = ([v for v, seen in side.items() if len(seen.frames)] for side in (videos, known))
    if not ids or not others:
        return
    cells = np.concatenate([_coarse(known[v].frames) for v in others])
    for row, one in enumerate(ids):
        like = cells @ _turned(_coarse(videos[one].frames)).T
        score = like.reshape(len(others), -1).max(axis=1)
        if among:
            score[row] = -1
        for at in np.argsort(-score, kind="stable")[:_MOST_CANDIDATES]:
            if score[at] >= _LEAST_COARSE and not (among and _seen_before(at, row)):
                yield one, others[at]


def _seen_before(at: np.intp, row: int) -> bool:
    return int(at) < row


class Comparison:
    """Compares pairs of videos; what is computed for one is kept for its next pairs.

    Args:
        videos: id -> what is known of it, with at least one signature.
    """

    def __init__(self, videos: Mapping[str, Seen]) -> None:
        self._videos = videos
        self._variants = lru_cache(maxsize=64)(self._made)
        self._whole = lru_cache(maxsize=2048)(self._made_whole)

    def promising(self, pairs: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
        """Yield the pairs that can be copies or continuations: all others are nothing.

        Few are. One product compares the crops of a video with all the frames of its partners.
        """
        both_ways = [*pairs, *((b, a) for a, b in pairs)]
        look = self._looks(both_ways).reshape(2, -1).max(axis=0)
        for (a, b), one in zip(pairs, look, strict=True):
            least_join = _LEAST_NUMBERED if self._numbered(a, b) else _LEAST_JOIN
            if one >= self._least(a, b) - _ROUNDING or self._join(a, b) >= least_join:
                yield a, b

    def _looks(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float64]:
        """Return how frames of each pair's first, cropped or mirrored, resemble the second."""
        look = np.empty(len(pairs))
        places: dict[str, list[int]] = defaultdict(list)
        for i, (first, _) in enumerate(pairs):
            places[first].append(i)
        some = [
            (first, at[start : start + _PARTNERS])
            for first, at in places.items()
            for start in range(0, len(at), _PARTNERS)
        ]
        for first, at in some:
            wholes = [self._whole(pairs[i][1]) for i in at]
            starts = np.cumsum([0, *map(len, wholes[:-1])])
            cropped = _unit(self._variants(first))
            like = cropped.reshape(-1, cropped.shape[2]) @ np.concatenate(wholes).T
            nearest = np.maximum.reduceat(like, starts, axis=1).reshape(*cropped.shape[:2], -1)
            look[at] = np.median(nearest, axis=1).max(axis=0)
        return look

    def pair(self, a: str, b: str) -> Copy | None:
        """Return what two videos are to each other, None if they are nothing."""
        look, change = max(
            (self._likeness(a, b), self._likeness(b, a)), key=lambda one: one[0] + one[1]
        )
        few = self._shorter(a, b) < _FEW
        if look >= self._least(a, b) and (few or change >= _LEAST_CHANGE):
            return Copy(a, b, "copy", float(look if few else change))
        join = self._join(a, b)
        numbered = self._numbered(a, b) and max(join, look) >= _LEAST_NUMBERED
        if not few and (join >= _LEAST_JOIN or numbered):
            return Copy(a, b, "continuation", max(join, float(look)))
        return None

    def _likeness(self, a: str, b: str) -> tuple[float, float]:
        """Return how frames of ``a``, cropped or mirrored, and what changes resemble ``b``."""
        cropped, whole = self._variants(a), self._variants(b)[0]
        like = _unit(cropped) @ _unit(whole).T  # crops x frames of a x frames of b
        look = np.median(like.max(axis=2), axis=1)
        best = (-1.0, -1.0)
        for i in np.argsort(-look)[:_TRIED]:
            change = _change(cropped[i], whole[like[i].argmax(axis=1)])
            best = max(best, (float(look[i]), change), key=sum)
        return best

    def _join(self, a: str, b: str) -> float:
        """Return how the end of one resembles the beginning of the other."""
        first, second = self._whole(a), self._whole(b)
        return float(max(first[-1] @ second[0], second[-1] @ first[0]))

    def _shorter(self, a: str, b: str) -> int:
        return min(len(self._videos[a].frames), len(self._videos[b].frames))

    def _least(self, a: str, b: str) -> float:
        """Return the correlation of whole frames from which a pair may be a copy."""
        n = self._shorter(a, b)
        return _LEAST_STILL if n < _FEW else _LEAST_LOOK_SHORT if n < _SHORT else _LEAST_LOOK

    def _numbered(self, a: str, b: str) -> bool:
        return _same_but_for_number(self._videos[a].name, self._videos[b].name)

    def _made(self, video: str) -> Floats:
        return _cropped(self._videos[video].frames)

    def _made_whole(self, video: str) -> Floats:
        """Return ``(n, 256)`` whole frames; a product of two is their correlation."""
        rows, frames = _resampling(1.0, 0.0), self._videos[video].frames
        whole: Floats = rows @ frames.astype(np.float32) @ rows.T
        return _unit(whole.reshape(len(frames), -1))


def _cropped(frames: Signatures) -> Floats:
    """Return ``(crops, n, 256)`` float32: the whole frames first, then cropped, then turned."""
    result = []
    for i, picture in enumerate(_views(frames.astype(np.float32))):
        for share in _CROPS if i < _CROPPED_VIEWS else _CROPS[:1]:
            rest = SIDE * (1 - share)
            corners = [(0.0, 0.0), (0.0, rest), (rest, 0.0), (rest, rest), (rest / 2, rest / 2)]
            for top, left in corners if rest else corners[:1]:
                rows, columns = _resampling(share, top), _resampling(share, left)
                result.append(rows @ picture @ columns.T)
    return np.stack(result).reshape(len(result), len(frames), -1).astype(np.float32)


def _views(frames: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Yield frames ``(n, side, side)`` as they are, mirrored, and in six further ways turned."""
    for quarters in range(4):
        turned = np.rot90(frames, quarters, axes=(1, 2))
        yield from (turned, turned[:, :, ::-1])


_TURNS = np.stack([
    cells.ravel() for cells in _views(np.arange(_COARSE**2).reshape(1, _COARSE, _COARSE))
])
"""``(8, 64)``: where the cells of `_coarse` come from in each view of a picture."""


@lru_cache(maxsize=64)
def _resampling(share: float, start: float) -> Floats:
    """Return the ``(16, 32)`` weights that reduce a part of a side to 16 cells, as a tent does."""
    step = SIDE * share / _GRID
    centre = start + (np.arange(_GRID) + 0.5) * step
    distance = np.abs(np.arange(SIDE) + 0.5 - centre[:, None])
    weight = np.maximum(1 - distance / step, 0)
    result: Floats = (weight / weight.sum(axis=1, keepdims=True)).astype(np.float32)
    return result


def _coarse(frames: Signatures) -> Floats:
    """Return ``(8, 64)`` float32: so many frames, evenly spread, in 8 x 8 cells."""
    at = np.linspace(0, len(frames) - 1, _FRAMES_COARSE).round().astype(int)
    step = SIDE // _COARSE
    cells = frames[at].reshape(len(at), _COARSE, step, _COARSE, step).mean(axis=(2, 4))
    return _unit(cells.reshape(len(at), -1).astype(np.float32), 3 * _LEAST_DEVIATION)


def _turned(coarse: Floats) -> Floats:
    """Return ``(28, 64)``: the frames of `_coarse` plain, mirrored, and the outer two turned."""
    upright = coarse[:, _TURNS[:_CROPPED_VIEWS]]
    turned = coarse[[0, -1]][:, _TURNS[_CROPPED_VIEWS:]]
    return np.concatenate([one.reshape(-1, coarse.shape[1]) for one in (upright, turned)])


def _unit(rows: Floats, least: float = _LEAST_DEVIATION) -> Floats:
    """Return rows about their mean, so long that a product of two is their correlation."""
    centred = rows - rows.mean(axis=-1, keepdims=True)
    length = np.sqrt((centred**2).sum(axis=-1, keepdims=True) + least**2 * rows.shape[-1])
    result: Floats = (centred / length).astype(np.float32)
    return result


def _change(frames: Floats, matched: Floats) -> float:
    """Return the median correlation of what distinguishes frames with that of the matched ones."""
    a, b = (
        (part := one - one.mean(axis=1, keepdims=True)) - part.mean(axis=0)
        for one in (frames, matched)
    )
    least = (_LEAST_DEVIATION**2 * a.shape[1]) ** 2
    shared = (a * b).sum(axis=1)
    return float(np.median(shared / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1) + least)))


def _same_but_for_number(first: str, second: str) -> bool:
    """Return whether two names differ in one number alone, such as those of chapters.

    >>> _same_but_for_number("GX010042.MP4", "GX020042.MP4"), _same_but_for_number("a1", "b2")
    (True, False)
    """
    if first == second or _NUMBER.sub("0", first) != _NUMBER.sub("0", second):
        return False
    pairs = zip(_NUMBER.findall(first), _NUMBER.findall(second), strict=True)
    return len([1 for a, b in pairs if a != b]) == 1
