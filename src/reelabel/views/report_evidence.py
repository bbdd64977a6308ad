"""report: temporal evidence, counted and in pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from reelabel.data.states import GAP, SMOOTH
from reelabel.data.video import Video
from reelabel.errors import MediaError
from reelabel.media.draw import Colour, draw_boxes, montage
from reelabel.media.pictures import fit
from reelabel.media.stream import scan
from reelabel.media.video import frames
from reelabel.models.base import Image
from reelabel.tables import EVIDENCE, xyxy_of
from reelabel.views.evidence_examples import (
    COLOURS,
    FIRST,
    KINDS,
    Finding,
    findings,
    spread,
    supporting_detections,
)
from reelabel.views.html import KindRow, jpeg_uri
from reelabel.views.sections import Gallery, Shown
from reelabel.workspace import Workspace
from reelabel.workspace.names import VideosById

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

PER_KIND = 24
"""Findings of a kind in the report, at most."""
MOST_CHARACTERS = 3_000_000
"""Of all pictures of findings together; beyond it the last of each kind are left out."""

_SIDE = 3  # tiles before the finding, and as many after it
_CROP_WH, _TILE_WH = (330, 186), (55, 55)  # as large as the page shows them
_AROUND = 3.0  # sides of the surroundings, in sides of the box
_LEAST_PX = 64.0
_FAR, _BESIDE = 12, 3  # frames: of a gap and its ends nothing further away is shown
_QUALITY = 76
_DETECTION: Colour = (200, 200, 200)


@dataclass(frozen=True)
class EvidenceSection:
    """The temporal evidence about the labels of a round.

    Attributes:
        kinds: how often; empty if there is no evidence.
        galleries: pictures of findings, one gallery per kind.
        warnings: videos whose pictures could not be had.
    """

    kinds: list[KindRow] = field(default_factory=list)
    galleries: list[Gallery] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def evidence_section(
    workspace: Workspace, number: int, *, per_kind: int = PER_KIND, min_score: float = 0.0
) -> EvidenceSection:
    """Return counts and pictures of a round's evidence, nothing where there is none.

    Each video with a chosen finding is decoded once, in order.

    Args:
        workspace: the workspace.
        number: of the round.
        per_kind: findings of a kind, at most.
        min_score: other detections are drawn from this score on, 0..1.
    """
    counts, found = _found(workspace, number, per_kind)
    section = EvidenceSection([row for row in counts if row.boxes])
    chosen = [pair for some in found.values() for pair in spread(some, per_kind)]
    videos = VideosById(workspace.videos())
    pictures: dict[int, str] = {}
    for video_id in dict.fromkeys(v for v, _ in chosen):
        some = [(i, one) for i, (v, one) in enumerate(chosen) if v == video_id]
        try:
            others = supporting_detections(workspace, number, video_id, min_score=min_score)
            pictures |= _PictureStrips(videos[video_id], others).pictures(some)
        except MediaError as exc:
            section.warnings.append(f"No pictures of temporal evidence: {exc}")
    section.galleries.extend(_galleries(chosen, pictures, videos, section.kinds))
    return section


def _found(
    workspace: Workspace, number: int, most: int
) -> tuple[list[KindRow], dict[str, dict[str, list[Finding]]]]:
    """Return how much there is of each kind, and by kind each video's best findings."""
    boxes, total = Counter[str](), Counter[str]()
    found: dict[str, dict[str, list[Finding]]] = {kind: {} for kind in KINDS}
    for video_id in workspace.readable(EVIDENCE, number):
        evidence = workspace.read(EVIDENCE, video_id, number)
        for counted in evidence["kind"].value_counts().to_pylist():
            kind = counted["values"]
            some = findings(evidence, kind)
            boxes[kind] += counted["counts"]
            total[kind] += len(some)
            found[kind][video_id] = some[:most]
    return [KindRow(k, meaning, total[k], boxes[k]) for k, meaning in KINDS.items()], found


def _galleries(
    chosen: Sequence[tuple[str, Finding]],
    pictures: Mapping[int, str],
    videos: Mapping[str, Video],
    kinds: Sequence[KindRow],
) -> Iterator[Gallery]:
    """Yield one gallery per kind; the first of every kind come before the second of any."""
    rank, place = Counter[str](), {}
    for i in sorted(pictures):
        place[i] = rank[chosen[i][1].kind]
        rank[chosen[i][1].kind] += 1
    room, kept = MOST_CHARACTERS, set()
    for i in sorted(pictures, key=lambda i: (place[i], i)):
        room -= len(pictures[i])
        kept |= {i} if room >= 0 else set()
    for row in kinds:
        shown = [
            _shown(chosen[i][1], pictures[i], videos[chosen[i][0]])
            for i in sorted(kept)
            if chosen[i][1].kind == row.kind
        ]
        about = f"{len(shown)} of {row.findings}, each video's {FIRST[row.kind]} first"
        yield Gallery(row.kind, shown, about)


def _shown(one: Finding, uri: str, video: Video) -> Shown:
    row = one.shown
    base = float(video.time_base)
    when = f"{(row['pts'] - video.start_pts) * base:.2f} s"
    title = f"{row['category']} {row['score']:.2f}, {video.name}, {when}{one.many}"
    return Shown(uri, row["reason"], title)


@dataclass(frozen=True)
class _Piece:
    """A part of a frame that is wanted for a picture."""

    finding: int
    place: int
    window: tuple[int, int, int, int]
    size_wh: tuple[int, int]


class _PictureStrips:
    """Cuts the pictures of one video's findings, from one decode."""

    def __init__(self, video: Video, others: pa.Table) -> None:
        self._path = video.path
        self._size_wh = video.size_wh
        self._base = float(video.time_base)
        self._others = others.sort_by("pts")

    def pictures(self, found: Sequence[tuple[int, Finding]]) -> dict[int, str]:
        """Return the number of each finding -> its picture as a data URI."""
        stamps = scan(self._path).pts
        strips = {i: strip(one, stamps) for i, one in found}
        pieces: dict[int, list[_Piece]] = {}
        for i, one in found:
            for pts, piece in self._pieces(i, one, strips[i]):
                pieces.setdefault(pts, []).append(piece)
        by_number = dict(found)
        cut: dict[int, dict[int, Image]] = {i: {} for i, _ in found}
        for frame in frames(self._path, pieces, on_error=lambda _: None):
            rgb = fit(frame.rgb(), "exact", self._size_wh)[0]
            for piece in pieces[frame.pts]:
                one = by_number[piece.finding]
                cut[piece.finding][piece.place] = self._cut(rgb, frame.pts, piece, one)
        return {
            i: jpeg_uri(self._sheet(one, strips[i], cut[i]), _QUALITY)
            for i, one in found
            if 0 in cut[i]
        }

    def _pieces(self, i: int, one: Finding, around: list[int]) -> Iterator[tuple[int, _Piece]]:
        """Yield the time stamp and the place of each piece: 0 is the finding, then its strip."""
        row = one.shown
        box = (row["x1"], row["y1"], row["x2"], row["y2"])
        yield row["pts"], _Piece(i, 0, window(box, self._size_wh, _CROP_WH), _CROP_WH)
        for place, pts in enumerate(around, 1):
            yield pts, _Piece(i, place, window(box, self._size_wh, _TILE_WH), _TILE_WH)

    def _cut(self, rgb: Image, pts: int, piece: _Piece, one: Finding) -> Image:
        """Return a piece of a frame with the detections there, and the finding's box."""
        left, top, right, bottom = piece.window
        part, placed = fit(rgb[top:bottom, left:right], "letterbox", piece.size_wh)
        others = xyxy_of(self._others.slice(*_span(self._others, pts)))
        here = [(r["x1"], r["y1"], r["x2"], r["y2"]) for r in one.rows if r["pts"] == pts]
        boxes = np.concatenate([others, np.array(here, np.float32).reshape(-1, 4)]).astype(float)
        boxes = placed.to_picture(boxes - [left, top, left, top])
        colours = [_DETECTION] * len(others) + [COLOURS[one.kind]] * len(here)
        return draw_boxes(part, boxes, [""] * len(boxes), colours, line_px=2 - bool(piece.place))

    def _sheet(self, one: Finding, around: list[int], cut: Mapping[int, Image]) -> Image:
        """Return the finding above its strip; frames that could not be decoded are left out."""
        there = [(pts, cut[k]) for k, pts in enumerate(around, 1) if k in cut]
        if not there:
            return cut[0]
        texts = [f"{(pts - one.shown['pts']) * self._base:+z.2f}s" for pts, _ in there]
        tiles = montage([tile for _, tile in there], len(there), tile_wh=_TILE_WH, texts=texts)
        row = np.zeros((_TILE_WH[1], _CROP_WH[0], 3), np.uint8)
        row[:, : tiles.shape[1]] = tiles
        return np.vstack([cut[0], row])


def strip(one: Finding, stamps: Ints) -> list[int]:
    """Return the frames to show beside a finding: up to three before it and three after.

    These are frames that it rests on; of a gap and of a track all frames between its ends and a few
    beside them, as far as they are near.

    Args:
        one: the finding.
        stamps: ``(n,)`` sorted time stamps of the video's frames.
    """
    at, ends = one.shown["pts"], one.frames
    rests = np.array(ends, np.int64)
    if one.kind in (GAP, SMOOTH):
        middle = int(np.searchsorted(stamps, at))
        first, last = np.searchsorted(stamps, [ends[0], ends[-1]])
        first, last = max(first - _BESIDE, middle - _FAR, 0), min(last + _BESIDE, middle + _FAR)
        rests = stamps[first : last + 1]
    before, after = rests[rests < at], rests[rests > at]
    return [*_even(before), *_even(after)]


def _even(stamps: Ints) -> list[int]:
    chosen = np.linspace(0, len(stamps) - 1, min(_SIDE, len(stamps))).round().astype(int)
    result: list[int] = stamps[chosen].tolist()
    return result


def window(
    box: tuple[float, float, float, float], size_wh: tuple[int, int], shape_wh: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Return the part of a picture around a box: left, top, right, bottom, inside the picture.

    Args:
        box: left, top, right, bottom in pixels.
        size_wh: of the picture.
        shape_wh: its sides have this ratio where the picture has room.
    """
    x1, y1, x2, y2 = box
    ratio = shape_wh[0] / shape_wh[1]
    high = max((y2 - y1) * _AROUND, (x2 - x1) * _AROUND / ratio, _LEAST_PX)
    sides = np.minimum(np.rint([high * ratio, high]), size_wh).astype(int)
    corner = np.rint([(x1 + x2) / 2, (y1 + y2) / 2] - sides / 2)
    left, top = np.clip(corner, 0, np.array(size_wh) - sides).astype(int)
    return int(left), int(top), int(left + sides[0]), int(top + sides[1])


def _span(rows: pa.Table, pts: int) -> tuple[int, int]:
    """Return where the rows of a frame begin in a sorted table, and how many they are."""
    low, high = np.searchsorted(rows["pts"].to_numpy(), [pts, pts + 1])
    return int(low), int(high - low)
