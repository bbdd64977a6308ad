"""What temporal evidence is worth, measured where the truth is known.

    python benchmarks/temporal_simulator.py [folder with MOT15 sequences]

Prints, for every level of `temporal_world`: precision and recall of flickers (ours and the
published rule on the same boxes), of gap boxes and of static repeats, and the error of smoothed
against raw boxes; the same with cuts and camera motion found in the pictures instead of given;
how well tracks keep to objects, there and in MOT15 sequences; and the linker's speed.

With the package `trackers` (2.6; no part of reelabel's environment) the same detections go through
online trackers as well:

    uv venv rivals && uv pip install -p rivals -e . trackers
    rivals/bin/python benchmarks/temporal_simulator.py
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from common import DATA
from reelabel.data.sequence import BoxSequence
from reelabel.media.quality import ANALYSIS_WH, CutDetector
from reelabel.temporal.link import link
from reelabel.temporal.motion import global_shift
from temporal_rivals import follow, rivals
from temporal_scores import (
    Identity,
    Score,
    believed,
    errors,
    flicker_score,
    gap_score,
    identity_score,
    matched,
    published_score,
    static_score,
    truth_of,
)
from temporal_world import LEVELS, SIZE_WH, Floats, Ints, World, make

Tracker = Callable[[BoxSequence, Sequence[int], Floats | None], Ints]
SEEDS = range(5)


def ours(
    boxes: BoxSequence, shot_starts: Sequence[int] = (), shift_xy: Floats | None = None
) -> Ints:
    """Return the track of each detection, -1 = none."""
    return believed(link(boxes, shot_starts, shift_xy))


def trackers() -> dict[str, Tracker]:
    """Return ours and those of the field that are installed."""
    return {"ours": ours} | {name: _following(rival) for name, rival in rivals().items()}


def _following(rival: Any) -> Tracker:
    def track(boxes: BoxSequence, shot_starts: Sequence[int], shift_xy: Floats | None) -> Ints:
        return follow(rival, boxes, shot_starts, shift_xy)

    return track


def watched(world: World) -> World:
    """Return a world with the cuts and the camera's motion that the stage `track` finds in it."""
    scale = min(limit / side for limit, side in zip(ANALYSIS_WH, SIZE_WH, strict=True))
    size_wh = (round(SIZE_WH[0] * scale), round(SIZE_WH[1] * scale))
    detector, before = CutDetector(), None
    cuts, shift = list[int](), np.zeros_like(world.shift_xy)
    for t, picture in enumerate(world.pictures):
        small = cv2.resize(picture, size_wh, interpolation=cv2.INTER_AREA)
        cut = detector.is_cut(np.dstack([small] * 3))
        if cut:
            cuts.append(t)
        elif before is not None:
            shift[t] = np.array(global_shift(before, small)) / scale
        before = small
    return replace(world, shot_starts=cuts, shift_xy=shift)


def evidence(name: str, worlds: Sequence[World]) -> None:
    """Print what is found in worlds of one level, summed over them."""
    pairs = [(w, link(w.boxes, w.shot_starts, w.shift_xy)) for w in worlds]
    flicker = _sum(flicker_score(*pair) for pair in pairs)
    published = _sum(published_score(world) for world in worlds)
    gaps = [gap_score(*pair) for pair in pairs]
    boxes, objects = _sum(g[0] for g in gaps), _sum(g[1] for g in gaps)
    static = _sum(static_score(*pair) for pair in pairs)
    raw, fitted = (np.concatenate(x) for x in zip(*(errors(*p) for p in pairs), strict=True))
    a, b = np.sqrt(raw.mean()), np.sqrt(fitted.mean())
    print(
        f"{name:<13} {flicker!s:<13} {published!s:<13} {boxes.precision:<6} {objects.recall:<6} "
        f"{static!s:<12} {a:.2f} -> {b:.2f} ({1 - b / a:.0%} lower)",
        flush=True,
    )


def _sum(scores: Iterable[Score]) -> Score:
    return Score(*(int(total) for total in np.sum(list(scores), axis=0)))


def found(worlds: Sequence[World], seen: Sequence[World]) -> None:
    """Print how cuts and camera motion were found."""
    cuts = Score(0, 0, 0)
    off = list[Floats]()
    for world, view in zip(worlds, seen, strict=True):
        true, said = set(world.shot_starts), set(view.shot_starts)
        cuts = _sum([cuts, Score(len(true & said), len(said), len(true))])
        off.append(np.hypot(*(world.shift_xy - view.shift_xy).T))
    apart = np.concatenate(off)
    print(
        f"{'':<13} cuts {cuts}; motion off by more than a pixel in {(apart > 1).mean():.1%} of the "
        f"frames, by {np.median(apart):.2f} px in the median"
    )


def _cells(
    who: Sequence[Ints], boxes: Sequence[BoxSequence], truth: int, tracks: dict[str, list[Ints]]
) -> str:
    """Return, tracker by tracker, switches, IDF1 and coverage; and ours on a rival's boxes."""
    cells = []
    for name, theirs in tracks.items():
        cell = str(_identity(who, boxes, theirs, truth))
        if name != "ours":
            seen = [t >= 0 for t in theirs]
            same = [np.where(s, w, -1) for s, w in zip(seen, who, strict=True)]
            mine = [np.where(s, t, -1) for s, t in zip(seen, tracks["ours"], strict=True)]
            cell += f" ({_identity(same, boxes, mine, truth).switches:>3})"
        cells.append(cell)
    return "   ".join(cells)


def _identity(
    who: Sequence[Ints], boxes: Sequence[BoxSequence], tracks: Sequence[Ints], truth: int
) -> Identity:
    scores = [identity_score(w, b.frame, t, 0) for w, b, t in zip(who, boxes, tracks, strict=True)]
    total = Identity(*(int(n) for n in np.sum(scores, axis=0)))
    return total._replace(truth=truth)


def _heading(names: Iterable[str]) -> None:
    print(
        "\nhow well tracks keep to objects: switches, IDF1, coverage; in brackets the switches of"
    )
    print(
        "ours among the boxes that the rival tracks (who tracks fewer boxes has fewer to confuse)"
    )
    heads = [f"{name:<16}" if name == "ours" else f"{name:<22}" for name in names]
    print(f"{'':<15}" + "   ".join(heads))


def identities(name: str, worlds: Sequence[World], field: dict[str, Tracker]) -> None:
    """Print how well tracks keep to objects in worlds of one level."""
    boxes = [world.boxes for world in worlds]
    tracks = {
        key: [track(w.boxes, w.shot_starts, w.shift_xy) for w in worlds]
        for key, track in field.items()
    }
    truth = sum(len(world.frame) for world in worlds)
    print(f"{name:<14} {_cells([truth_of(w) for w in worlds], boxes, truth, tracks)}", flush=True)


def mot15(folder: Path, field: dict[str, Tracker]) -> None:
    """Print how well tracks keep to people in MOT15 sequences, or tracks where no truth is."""
    for det in sorted(folder.glob("*/det/det.txt")):
        frame, _, xyxy, score = _mot(det)
        boxes = BoxSequence.of(frame, xyxy, np.clip(score / max(score.max(), 1), 0, 1), 0 * frame)
        tracks = {name: [track(boxes, (), None)] for name, track in field.items()}
        truth = det.parents[1] / "gt" / "gt.txt"
        if truth.exists():
            true_frame, person, true_xyxy, _ = _mot(truth)
            who = matched(boxes, true_frame, person, true_xyxy)
            print(f"{det.parts[-3]:<14} {_cells([who], [boxes], len(true_frame), tracks)}")
        else:
            counts = [f"{name} {len(np.unique(t[0])) - 1}" for name, t in tracks.items()]
            print(f"{det.parts[-3]:<14} no truth; tracks: {', '.join(counts)}")


def _mot(path: Path) -> tuple[Ints, Ints, Floats, Floats]:
    """Return frames from 0, identities, boxes and scores of a MOT file."""
    rows = np.loadtxt(path, delimiter=",")
    xyxy = np.column_stack((rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]))
    return rows[:, 0].astype(int) - 1, rows[:, 1].astype(int), xyxy, rows[:, 6]


def moving(frames: int, drop: float, objects: int = 20) -> BoxSequence:
    """Return detections of objects that swing through a picture of 1920x1080."""
    rng = np.random.default_rng(0)
    t = np.arange(frames)[:, None, None]
    rate, phase = rng.uniform(0.005, 0.02, (1, objects, 2)), rng.uniform(0, 6.3, (1, objects, 2))
    centre = np.array([960, 540]) * (1 + 0.9 * np.sin(rate * t + phase))
    half = rng.uniform(20, 45, (1, objects, 2))
    noise = rng.normal(0, 2, (frames, objects, 4))
    xyxy = (np.concatenate((centre - half, centre + half), axis=2) + noise).reshape(-1, 4)
    kept = rng.random(len(xyxy)) >= drop
    frame = np.repeat(np.arange(frames), objects)[kept]
    return BoxSequence.of(frame, xyxy[kept], np.full(len(frame), 0.8), 0 * frame)


def speed(track: Tracker, frames: int, drop: float) -> float:
    """Return frames per second of processor time, the best of three runs."""
    boxes = moving(frames, drop)
    track(boxes[:1000], (), None)
    taken = []
    for _ in range(3):
        begin = time.process_time()
        track(boxes, (), None)
        taken.append(time.process_time() - begin)
    return frames / min(taken)


def speeds(field: dict[str, Tracker]) -> None:
    """Print how fast all trackers are."""
    print("\nframes/s of processor time, 20 objects: no box missed, 20 % missed, 40 % missed")
    for name, track in field.items():
        frames = 3000 if name == "ours" else 100
        print(f"{name:<14} " + "  ".join(f"{speed(track, frames, d):8,.0f}" for d in (0, 0.2, 0.4)))


def main() -> None:
    """Print all tables."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else DATA / "manifests" / "mot15"
    field = trackers()
    worlds = {level.name: [make(level, seed) for seed in SEEDS] for level in LEVELS}
    print(
        "level         flicker P/R   published P/R gap P  gap R  static P/R   RMSE raw -> smoothed"
    )
    for name, here in worlds.items():
        evidence(name, here)
    print("\ncuts and camera motion found in the pictures instead of given")
    for name in ("easy", "cuts", "pan", "shake", "all"):
        seen = [watched(world) for world in worlds[name]]
        evidence(name, seen)
        found(worlds[name], seen)
    _heading(field)
    for name, here in worlds.items():
        identities(name, here, field)
    for name in ("cuts", "pan", "shake", "all"):
        identities(f"{name}, found", [watched(world) for world in worlds[name]], field)
    mot15(folder, field)
    speeds(field)


if __name__ == "__main__":
    main()
