"""Shots: ours against the detectors of PySceneDetect, where the package is installed.

Hard cuts: a film with five known cuts; parts of real clips of one shot each, joined at random, with
and without flashes of two frames; and these clips as they are, in which every cut that is found is
false. A cut counts as found if it is at most one frame away. Gradual transitions: the same parts,
joined by dissolves and by fades through black of 8 to 28 frames; one is found if a break is
reported inside it or at most three frames away, and further breaks are false. PySceneDetect runs
with its defaults, but for the least length of a shot, which is one frame for all.
"""

from __future__ import annotations

import csv
import importlib
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain, islice, pairwise
from pathlib import Path

import numpy as np

from common import DATA
from reelabel.media.convert import Picture
from reelabel.media.encode import VideoWriter
from reelabel.media.pictures import fit
from reelabel.media.probe import probe
from reelabel.media.quality import ANALYSIS_WH, CutDetector
from reelabel.media.shots import find_shots
from reelabel.media.video import decode

CLIPS = (
    "dogs/dog_fetch.mp4",
    "dogs/dogs_play_garden.mp4",
    "sports/soccer_juggle.mp4",
    "traffic/cars_topdown.mp4",
    "traffic/highway.mp4",
    "trains/train_day.mp4",
    "trains/train_rain.mp4",
)
"""Real clips of one shot each; some cameras move, shake or pan."""
EDITS, PARTS, LONGEST = 12, 16, 110
SIZE_WH = (320, 180)
TOLERANCE, GRADUAL_TOLERANCE = 1, 3  # frames
RIVALS = ("ContentDetector", "AdaptiveDetector", "ThresholdDetector")
_ABSENT = "no rivals: the package `scenedetect` (benchmarks only) is not installed"

Find = Callable[[Path], list[float]]


@dataclass
class Tally:
    """What a detector found and missed.

    Attributes:
        hits: cuts that were found.
        cuts: cuts that are there.
        found: cuts that were reported.
        false: those of them that are none.
        frames: frames looked at.
        seconds: time taken, with decoding.
    """

    hits: int = 0
    cuts: int = 0
    found: int = 0
    false: int = 0
    frames: int = 0
    seconds: float = 0.0

    def add(self, found: list[float], film: Footage, frames: int, seconds: float) -> None:
        """Count one video."""
        at = np.array(found, float)
        first, last = np.array(film.breaks, float).reshape(-1, 2).T[:, :, None]
        near = (at >= first - film.tolerance) & (at <= last + film.tolerance)
        self.hits += int(near.any(1).sum())
        self.false += int((~near.any(0)).sum())
        self.cuts += len(film.breaks)
        self.found += len(found)
        self.frames += frames
        self.seconds += seconds


@dataclass(frozen=True)
class Footage:
    """A video and its breaks: the first and the last frame of each; those of a cut are the same."""

    path: Path
    breaks: list[tuple[int, int]] = field(default_factory=list)
    tolerance: int = TOLERANCE


def hard(path: Path) -> list[float]:
    """Return the cuts that `CutDetector` finds."""
    detector = CutDetector()
    return [frame.index for frame in decode(path) if detector.is_cut(frame.rgb(ANALYSIS_WH))]


def ours(path: Path) -> list[float]:
    """Return the middles of the breaks between the shots that `find_shots` finds, in frames."""
    info = probe(path)
    shots = find_shots(decode(path), info.duration_s)
    return [(a.end_s + b.start_s) / 2 * float(info.fps) for a, b in pairwise(shots)]


def rivals() -> dict[str, Find]:
    """Return the detectors of PySceneDetect; none, with a line that says why, if absent."""
    try:
        package = importlib.import_module("scenedetect")
    except ImportError as exc:
        print(f"{_ABSENT} ({exc})")
        return {}

    def finder(name: str) -> Find:
        def find(path: Path) -> list[float]:
            detector = getattr(package, name)(min_scene_len=1)
            scenes = package.detect(str(path), detector)
            return [start.frame_num for start, _ in scenes[1:]]

        return find

    return {name: finder(name) for name in RIVALS}


def known() -> Footage:
    """Return the film whose cuts were written down."""
    with (DATA / "annotated/shot_boundaries.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    cuts = [int(row["first_frame_of_shot"]) for row in rows[1:]]
    return Footage(DATA / rows[0]["file"], [(cut, cut) for cut in cuts])


def parts() -> list[list[Picture]]:
    """Return the first frames of each clip."""
    return [
        [
            fit(frame.rgb(SIZE_WH), "exact", SIZE_WH)[0]
            for frame in islice(decode(DATA / "videos" / clip), LONGEST)
        ]
        for clip in CLIPS
    ]


def edits(folder: Path, clips: list[list[Picture]], *, flashes: bool) -> Iterator[Footage]:
    """Write films of parts of the clips, 10 to 50 frames each, in random order."""
    for seed in range(EDITS):
        rng = np.random.default_rng(seed)
        shots: list[list[Picture]] = []
        order = [int(rng.integers(len(clips)))]
        while len(order) < PARTS:
            order.append((order[-1] + int(rng.integers(1, len(clips)))) % len(clips))
        for clip in order:
            first, count = int(rng.integers(LONGEST - 50)), int(rng.integers(10, 51))
            shots.append(clips[clip][first : first + count])
            if flashes:
                shots[-1] = [
                    flashed(one) if i in {5, 6} else one for i, one in enumerate(shots[-1])
                ]
        path = folder / f"edit{seed}{flashes}.mp4"
        write(path, list(chain.from_iterable(shots)))
        cuts = np.cumsum([len(shot) for shot in shots])[:-1].tolist()
        yield Footage(path, [(cut, cut) for cut in cuts])


def gradual(folder: Path, clips: list[list[Picture]], *, fades: bool) -> Iterator[Footage]:
    """Write films of parts of the clips with dissolves or fades through black between them."""
    for seed in range(EDITS):
        rng = np.random.default_rng(1000 + seed)
        film, breaks, before = list[Picture](), list[tuple[int, int]](), -1
        for _ in range(PARTS // 2):
            before = (before + int(rng.integers(1, len(clips)))) % len(clips)
            first, count = int(rng.integers(LONGEST - 90)), int(rng.integers(75, 91))
            shot, length = clips[before][first : first + count], int(rng.integers(8, 29))
            if film:
                breaks.append(joined(film, shot, length, fades=fades))
            else:
                film += shot
        path = folder / f"gradual{seed}{fades}.mp4"
        write(path, film)
        yield Footage(path, breaks, GRADUAL_TOLERANCE)


def joined(
    film: list[Picture], shot: list[Picture], length: int, *, fades: bool
) -> tuple[int, int]:
    """Add a shot to a film by a transition of so many frames, and return its ends."""
    shares = np.arange(1, length + 1) / (length + 1)
    begins, black = len(film) - length, np.zeros_like(shot[0])
    old, new = film[begins:], shot[:length]
    del film[begins:]
    if fades:
        half = shares[::2]
        film += [mixed(a, black, w) for a, w in zip(old, half, strict=False)]
        film += [mixed(black, b, w) for b, w in zip(new, half, strict=False)]
    else:
        film += [mixed(a, b, w) for a, b, w in zip(old, new, shares, strict=True)]
    ends = len(film)
    film += shot[length:]
    return begins, ends


def mixed(a: Picture, b: Picture, share: float) -> Picture:
    """Return a mixture of two pictures."""
    return np.clip(a * (1 - share) + b * share, 0, 255).astype(np.uint8)


def write(path: Path, pictures: list[Picture]) -> None:
    """Write a film of 25 pictures per second."""
    with VideoWriter(path, time_base=Fraction(1, 25), crf=23) as writer:
        for index, picture in enumerate(pictures):
            writer.write(picture, index)


def flashed(picture: Picture) -> Picture:
    """Return a picture lit by a flash."""
    return np.clip(picture.astype(np.float32) * 1.6 + 40, 0, 255).astype(np.uint8)


def judged(footage: list[Footage], finders: dict[str, Find]) -> dict[str, Tally]:
    """Return the tally of each detector."""
    tallies = {name: Tally() for name in finders}
    for one in footage:
        frames = sum(1 for _ in decode(one.path))
        for name, find in finders.items():
            began = time.perf_counter()
            found = find(one.path)
            tallies[name].add(found, one, frames, time.perf_counter() - began)
    return tallies


def printed(title: str, tallies: dict[str, Tally]) -> None:
    """Print a table."""
    print(f"\n{title}")
    for name, tally in tallies.items():
        recall = tally.hits / tally.cuts if tally.cuts else float("nan")
        precision = 1 - tally.false / tally.found if tally.found else float("nan")
        f1 = (
            2 * tally.hits / (tally.cuts + tally.hits + tally.false) if tally.cuts else float("nan")
        )
        print(
            f"  {name:<18} found {tally.hits} of {tally.cuts}, false {tally.false} in "
            f"{tally.frames} frames; precision {precision:.3f}, recall {recall:.3f}, F1 {f1:.3f}; "
            f"{tally.frames / tally.seconds:.0f} frames/s"
        )


def main() -> None:
    """Print the tables."""
    finders: dict[str, Find] = {"CutDetector": hard, "find_shots": ours} | rivals()
    printed("a film with known cuts", judged([known()], finders))
    clips = parts()
    with tempfile.TemporaryDirectory() as folder:
        for flashes in (False, True):
            title = f"{EDITS} films of {PARTS} parts{' with a flash in each' * flashes}"
            footage = list(edits(Path(folder), clips, flashes=flashes))
            printed(title, judged(footage, finders))
        for fades in (False, True):
            title = f"{EDITS} films with {'fades through black' if fades else 'dissolves'}"
            footage = list(gradual(Path(folder), clips, fades=fades))
            printed(title, judged(footage, finders))
    single = [Footage(DATA / "videos" / clip) for clip in CLIPS]
    printed("clips of one shot", judged(single, finders))


if __name__ == "__main__":
    main()
