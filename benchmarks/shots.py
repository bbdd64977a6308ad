"""Hard cuts: ours against the detectors of PySceneDetect, where the package is installed.

Footage: a film with five known cuts; parts of real clips of one shot each, joined at random, with
and without flashes of two frames; and these clips as they are, in which every cut that is found is
false. A cut counts as found if it is at most one frame away. PySceneDetect runs with its defaults,
but for the least length of a shot, which is one frame for all.
"""

from __future__ import annotations

import csv
import importlib
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path

import numpy as np

from common import DATA
from reelabel.media.convert import Picture
from reelabel.media.encode import VideoWriter
from reelabel.media.pictures import fit
from reelabel.media.quality import ANALYSIS_WH, CutDetector
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
TOLERANCE = 1  # frames
_ABSENT = "no rivals: the package `scenedetect` (benchmarks only) is not installed"

Find = Callable[[Path], list[int]]


@dataclass
class Tally:
    """What a detector found and missed.

    Attributes:
        hits: cuts that were found.
        cuts: cuts that are there.
        found: cuts that were reported.
        frames: frames looked at.
        seconds: time taken, with decoding.
    """

    hits: int = 0
    cuts: int = 0
    found: int = 0
    frames: int = 0
    seconds: float = 0.0

    def add(self, found: list[int], cuts: list[int], frames: int, seconds: float) -> None:
        """Count one video."""
        far = np.abs(np.subtract.outer(np.array(cuts, float), np.array(found, float)))
        self.hits += int((far.min(1, initial=np.inf) <= TOLERANCE).sum())
        self.cuts += len(cuts)
        self.found += len(found)
        self.frames += frames
        self.seconds += seconds


@dataclass(frozen=True)
class Footage:
    """A video and the first frames of its shots but the first."""

    path: Path
    cuts: list[int] = field(default_factory=list)


def ours(path: Path) -> list[int]:
    """Return the cuts that `CutDetector` finds."""
    detector = CutDetector()
    return [frame.index for frame in decode(path) if detector.is_cut(frame.rgb(ANALYSIS_WH))]


def rivals() -> dict[str, Find]:
    """Return the detectors of PySceneDetect; none, with a line that says why, if absent."""
    try:
        package = importlib.import_module("scenedetect")
    except ImportError as exc:
        print(f"{_ABSENT} ({exc})")
        return {}

    def finder(name: str) -> Find:
        def find(path: Path) -> list[int]:
            detector = getattr(package, name)(min_scene_len=1)
            scenes = package.detect(str(path), detector)
            return [start.frame_num for start, _ in scenes[1:]]

        return find

    return {name: finder(name) for name in ("ContentDetector", "AdaptiveDetector")}


def known() -> Footage:
    """Return the film whose cuts were written down."""
    with (DATA / "annotated/shot_boundaries.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return Footage(DATA / rows[0]["file"], [int(row["first_frame_of_shot"]) for row in rows[1:]])


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
        with VideoWriter(path, time_base=Fraction(1, 25), crf=23) as writer:
            for index, picture in enumerate(chain.from_iterable(shots)):
                writer.write(picture, index)
        yield Footage(path, np.cumsum([len(shot) for shot in shots])[:-1].tolist())


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
            tallies[name].add(found, one.cuts, frames, time.perf_counter() - began)
    return tallies


def printed(title: str, tallies: dict[str, Tally]) -> None:
    """Print a table."""
    print(f"\n{title}")
    for name, tally in tallies.items():
        recall = tally.hits / tally.cuts if tally.cuts else float("nan")
        precision = tally.hits / tally.found if tally.found else float("nan")
        print(
            f"  {name:<18} found {tally.hits} of {tally.cuts}, false {tally.found - tally.hits} in "
            f"{tally.frames} frames; precision {precision:.3f}, recall {recall:.3f}; "
            f"{tally.frames / tally.seconds:.0f} frames/s"
        )


def main() -> None:
    """Print the tables."""
    finders: dict[str, Find] = {"CutDetector": ours} | rivals()
    printed("a film with known cuts", judged([known()], finders))
    clips = parts()
    with tempfile.TemporaryDirectory() as folder:
        for flashes in (False, True):
            title = f"{EDITS} films of {PARTS} parts{' with a flash in each' * flashes}"
            footage = list(edits(Path(folder), clips, flashes=flashes))
            printed(title, judged(footage, finders))
    single = [Footage(DATA / "videos" / clip) for clip in CLIPS]
    printed("clips of one shot", judged(single, finders))


if __name__ == "__main__":
    main()
