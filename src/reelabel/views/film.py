"""Films of evidence: some time around each finding, slow near it, with a pause on its frame."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from reelabel.data.states import STATIC
from reelabel.media.draw import Colour, captioned, draw_boxes
from reelabel.media.encode import VideoWriter
from reelabel.media.pictures import fit, of_size
from reelabel.media.rendering import MARK, write_rendering
from reelabel.media.stream import scan
from reelabel.media.video import Frame, frames
from reelabel.models.base import Image
from reelabel.views.evidence_examples import COLOURS, Finding
from reelabel.views.film_settings import Film

Ints = NDArray[np.int64]
Size = tuple[int, int]

CLOCK = Fraction(1, 90000)
"""Time base of the films, that of MPEG: at usual rates a frame lasts a whole number of ticks."""

_LONGEST_S = 1  # a longer hole in the footage is not waited for
_COPY_S = Fraction(1, 2)  # a paused frame is written again so often, so that players can jump
_BLINKS = 3  # of a static repeat the first so many boxes are shown
_SMALLEST_W, _SMALLEST_H = 640, 1080  # smaller videos are enlarged up to here, for the texts
_CAPTION_ROWS = 4
_WHITE: Colour = (235, 235, 235)


@dataclass(frozen=True)
class Step:
    """One frame of a film.

    Attributes:
        pts: its time stamp in the video.
        at: when it is shown, in ticks of `CLOCK`.
        copies: how often it is written again, every half second: a pause.
        slow: whether time is stretched.
        pause: whether a finding begins here.
    """

    pts: int
    at: int
    copies: int
    slow: bool
    pause: bool


def timetable(
    stamps: Ints, base: Fraction, focus: Mapping[int, bool], film: Film
) -> tuple[list[Step], int]:
    """Return which frames a film shows, each with its time, and where it ends in ticks of `CLOCK`.

    What is not near a finding is left out. Frames follow one another as they do in the video, times
    `film.slow` in the nearer half.

    Args:
        stamps: ``(n,)`` sorted time stamps of all frames of the video.
        base: seconds per unit of the time stamps.
        focus: time stamps of frames that findings are in -> whether to pause there.
        film: how it runs.
    """
    slowed = near(stamps, base, focus, film, share=Fraction(1, 2))
    # The last frame lasts as long as the one before.
    lasts = np.append(np.diff(stamps), np.diff(stamps)[-1:] if len(stamps) > 1 else 1)
    steps: list[Step] = []
    clock = Fraction(0)
    for i in np.flatnonzero(near(stamps, base, focus, film)):
        pts, slow = int(stamps[i]), bool(slowed[i])
        pause = focus.get(pts, False)
        copies = math.ceil(_exact(film.pause_s) / _COPY_S) if pause else 0
        steps.append(Step(pts, round(clock / CLOCK), copies, slow, pause))
        lasting = min(int(lasts[i]) * base, Fraction(_LONGEST_S))
        clock += copies * _COPY_S + lasting * (_exact(film.slow) if slow else 1)
    return steps, round(clock / CLOCK)


def near(
    stamps: Ints,
    base: Fraction,
    focus: Iterable[int],
    film: Film,
    *,
    share: Fraction = Fraction(1),
) -> NDArray[np.bool_]:
    """Return which time stamps are within a share of the film's time around a finding.

    Args:
        stamps: ``(n,)`` in any order.
        base: seconds per unit of the time stamps.
        focus: time stamps of frames that findings are in.
        film: how much it shows before and after.
        share: of that time, 0..1.
    """
    at = np.array(sorted(focus), np.int64)
    before = math.floor(_exact(film.before_s) * share / base)
    after = math.floor(_exact(film.after_s) * share / base)
    result: NDArray[np.bool_] = np.searchsorted(at, stamps + before, "right") > np.searchsorted(
        at, stamps - after
    )
    return result


def _exact(value: float) -> Fraction:
    """Return the decimal number that a float was written for: 0.12 is three frames of 0.04."""
    return Fraction(value).limit_denominator(1_000_000)


@dataclass(frozen=True)
class Mark:
    """A box to draw on a frame, in pixels of the video."""

    xyxy: tuple[float, float, float, float]
    text: str
    colour: Colour
    style: Literal["solid", "dashed", "filled"] = "solid"


@dataclass(frozen=True)
class Scene:
    """What a film shows of one video.

    Attributes:
        name: of the video, for the caption.
        path: of its file.
        base: seconds per unit of its time stamps.
        found: the findings.
        marks: time stamp -> boxes to draw there.
        size_wh: size of the video in pixels, in which the boxes are.
    """

    name: str
    path: Path
    base: Fraction
    found: Sequence[Finding]
    marks: Mapping[int, Sequence[Mark]]
    size_wh: Size

    def focus(self) -> dict[int, bool]:
        """Return the frames that findings are in, and whether to pause there."""
        return focus_of(self.found)


def focus_of(found: Iterable[Finding]) -> dict[int, bool]:
    """Return the frames that findings are in, and whether to pause there: on the first of each."""
    shown = [one.at[:_BLINKS] if one.kind == STATIC else one.at for one in found]
    return {pts: False for at in shown for pts in at} | {at[0]: True for at in shown}


def write_film(
    scenes: Iterable[Scene],
    target: Path,
    film: Film,
    *,
    size_wh: Size,
    still: Callable[[Scene, Step], Path | None] = lambda _scene, _step: None,
    tick: Callable[[Scene, float], None] = lambda _scene, _share: None,
) -> list[Path]:
    """Write one film of some videos, one after the other; return the stills written beside it.

    Every video is decoded once, in order, and no more than one frame is held.

    Args:
        scenes: one per video.
        target: the film.
        film: how it runs.
        size_wh: of the pictures in pixels; others are fitted into it.
        still: gives for a frame with a pause the file to write it to, if any.
        tick: is called with how far a video is.

    Raises:
        UnreadableVideo: if a video cannot be opened.
        MediaError: if the film cannot be written.
    """
    stills: list[Path] = []
    layout, begin = _Layout(film, size_wh), 0
    with VideoWriter(target, time_base=CLOCK, rate=30, quick=True, comment=MARK) as writer:
        for scene in scenes:
            steps, length = timetable(scan(scene.path).pts, scene.base, scene.focus(), film)
            for step, frame in _pictures(scene, steps):
                picture = _composed(scene, frame, step, layout)
                _write(writer, picture, begin + step.at, step.copies)
                path = still(scene, step) if step.pause else None
                stills += [_still(path, picture)] if path else []
                tick(scene, step.at / max(length, 1))
            begin += length
    return stills


def _write(writer: VideoWriter, picture: Image, at: int, copies: int) -> None:
    for k in range(copies + 1):
        writer.write(picture, at + round(k * _COPY_S / CLOCK))


def _still(path: Path, picture: Image) -> Path:
    write_rendering(path, picture)
    return path


def canvas_of(sizes_wh: Sequence[Size]) -> Size:
    """Return the size of a film of videos of these sizes: none shrinks, the small ones grow."""
    w, h = (max(side) for side in zip(*sizes_wh, strict=True))
    grow = max(1.0, min(_SMALLEST_W / w, _SMALLEST_H / h))
    return 2 * math.ceil(w * grow / 2), 2 * math.ceil(h * grow / 2)


def _pictures(scene: Scene, steps: Sequence[Step]) -> Iterator[tuple[Step, Frame]]:
    """Yield the frames of a film; one that is too damaged is left out."""
    by_pts = {step.pts: step for step in steps}
    for frame in frames(scene.path, by_pts, on_error=lambda _: None):
        yield by_pts[frame.pts], frame


@dataclass(frozen=True)
class _Layout:
    """What the pictures of a film have in common: how it runs, and their size in pixels."""

    film: Film
    size_wh: Size


def _composed(scene: Scene, frame: Frame, step: Step, layout: _Layout) -> Image:
    film = layout.film
    picture, placed = fit(of_size(frame.rgb(), scene.size_wh), "letterbox", layout.size_wh)
    marks = scene.marks.get(step.pts, ())
    xyxy = np.array([mark.xyxy for mark in marks], np.float64).reshape(-1, 4)
    drawn = draw_boxes(
        picture,
        placed.to_picture(xyxy),
        [mark.text for mark in marks],
        [mark.colour for mark in marks],
        styles=[mark.style for mark in marks],
    )
    pace = "paused" if step.copies else f"{film.slow:g} times slower" if step.slow else ""
    when = (scene.name, f"{frame.time_s:.2f} s", f"frame {frame.index}", pace)
    head = ", ".join(part for part in when if part)
    captions = [(_words(one), COLOURS[one.kind]) for one in _current(scene, step, film)]
    return captioned(drawn, [(head, _WHITE), *captions], _CAPTION_ROWS)


def _current(scene: Scene, step: Step, film: Film) -> list[Finding]:
    """Return the findings that a slow frame is about, the nearest first."""
    if not step.slow:
        return []
    far = {id(one): min(abs(pts - step.pts) for pts in one.at) for one in scene.found}
    reach = max(film.before_s, film.after_s) / 2
    about = [one for one in scene.found if far[id(one)] * scene.base <= reach]
    return sorted(about, key=lambda one: far[id(one)])


def _words(one: Finding) -> str:
    row = one.shown
    return f"{one.kind}: {row['category']} {row['score']:.2f}{one.many}: {row['reason']}"
