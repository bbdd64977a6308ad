"""What temporal evidence is worth, measured where the truth is known.

    python benchmarks/temporal_simulator.py [folder with MOT15 sequences]

Prints, for every level of `temporal_world`: precision and recall of flickers (ours and the
published rule on the same boxes), precision and recall of gap boxes, identity switches, the error
of smoothed against raw boxes; then the linker's speed, and identity switches on MOT15 files.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from reelabel.temporal.flicker import FLICKER, FlickerSettings, flicker_looks, flickers
from reelabel.temporal.gap import gap_boxes, gap_looks
from reelabel.temporal.link import Tracks, link
from reelabel.temporal.published import PublishedSettings, mine_published
from reelabel.temporal.sequence import BoxSequence, paired_iou
from reelabel.temporal.smooth import smooth
from temporal_world import LEVELS, Floats, Ints, World, make

CANDIDATE_SCORE = 0.8


class Score(NamedTuple):
    """Counts that add up over worlds."""

    right: int
    said: int
    wanted: int

    def __str__(self) -> str:
        """Show precision / recall."""
        return f"{self.right / max(self.said, 1):.3f}/{self.right / max(self.wanted, 1):.3f}"


def linked(world: World) -> Tracks:
    """Link a world's detections, with its cuts and its camera known."""
    return link(world.boxes, world.shot_starts, world.shift_xy)


def flicker_score(world: World, tracks: Tracks) -> Score:
    """Count invented boxes among our flickers."""
    looks = flicker_looks(
        world.boxes,
        tracks,
        len(world.pictures),
        shot_starts=world.shot_starts,
        shift_xy=world.shift_xy,
        settings=FlickerSettings(score=CANDIDATE_SCORE),
    )
    found = flickers(world.pictures, looks)
    return _flicker_count(world, [e.row for e in found if e.kind == FLICKER])


def published_score(world: World) -> Score:
    """Count invented boxes among the published rule's hard negatives."""
    boxes, rows = world.boxes, []
    order = [np.flatnonzero(boxes.frame == t) for t in range(len(world.pictures))]
    blocks = [_ltwhs(boxes, here) for here in order]
    for mined in mine_published(world.pictures, blocks, PublishedSettings(CANDIDATE_SCORE)):
        here = order[mined.number - 1]
        sure = here[boxes.score[here] >= CANDIDATE_SCORE]
        rows += [int(r) for r, box in zip(sure, mined.boxes, strict=True) if box[4] == 0]
    return _flicker_count(world, rows)


def _ltwhs(boxes: BoxSequence, rows: Ints) -> Floats:
    xyxy = boxes.xyxy[rows]
    return np.column_stack((xyxy[:, :2], xyxy[:, 2:] - xyxy[:, :2], boxes.score[rows]))


def _flicker_count(world: World, rows: list[int]) -> Score:
    false = world.source < 0
    wanted = int((false & (world.boxes.score >= CANDIDATE_SCORE)).sum())
    return Score(int(false[rows].sum()), len(rows), wanted)


def gap_score(world: World, tracks: Tracks) -> tuple[Score, Score]:
    """Count gap boxes that lie on visible objects, and missed objects that were found.

    A missed object is wanted if it is visible and was detected before and after, at most 15
    missing frames apart, in the same shot.
    """
    found = gap_boxes(world.pictures, gap_looks(world.boxes, tracks, world.shift_xy))
    wanted = _missed(world)
    hit: set[int] = set()
    for box in found:
        rows = np.flatnonzero(world.frame == box.frame)
        overlap = paired_iou(box.xyxy, world.xyxy[rows])
        if overlap.max(initial=0) > 0.5:
            hit.add(int(rows[np.argmax(overlap)]))
    right = sum(
        paired_iou(box.xyxy, world.xyxy[world.frame == box.frame]).max(initial=0) > 0.5
        for box in found
    )
    # Precision counts boxes, recall objects; boxes on objects that are detected are in neither.
    return Score(min(int(right), len(found)), len(found), len(wanted)), Score(
        len(hit & wanted), len(hit), len(wanted)
    )


def _missed(world: World) -> set[int]:
    seen = np.zeros(len(world.frame), bool)
    seen[world.source[world.source >= 0]] = True
    wanted = set()
    for identity in np.unique(world.identity):
        rows = np.flatnonzero(world.identity == identity)
        at = world.frame[rows[seen[rows]]]
        for row in rows[~seen[rows]]:
            k = int(np.searchsorted(at, world.frame[row]))
            if 0 < k < len(at) and at[k] - at[k - 1] <= 16:
                wanted.add(int(row))
    return wanted


def switches(world: World, tracks: Tracks) -> int:
    """Count how often a true object's boxes change their track."""
    real = world.source >= 0
    identity = world.identity[world.source[real]]
    return count_switches(identity, world.boxes.frame[real], tracks.track_id[real])


def count_switches(identity: Ints, frame: Ints, track: Ints) -> int:
    """Count changes of `track` along the frames of each `identity`."""
    order = np.lexsort((frame, identity))
    same = np.diff(identity[order]) == 0
    return int((same & (np.diff(track[order]) != 0)).sum())


def errors(world: World, tracks: Tracks) -> tuple[Floats, Floats]:
    """Return squared errors of raw and of smoothed boxes at the detections of true objects."""
    result = smooth(world.boxes, tracks.track_id)
    rows = result.row[result.observed]
    real = world.source[rows] >= 0
    truth = world.xyxy[world.source[rows[real]]]
    raw = (world.boxes.xyxy[rows[real]] - truth) ** 2
    return raw, (result.xyxy[result.observed][real] - truth) ** 2


def speed(frames: int = 3000, objects: int = 20) -> float:
    """Return linked frames per second of processor time for moving objects without pictures."""
    rng = np.random.default_rng(0)
    t = np.arange(frames)[:, None, None]
    rate, phase = rng.uniform(0.005, 0.02, (1, objects, 2)), rng.uniform(0, 6.3, (1, objects, 2))
    centre = np.array([960, 540]) * (1 + 0.9 * np.sin(rate * t + phase))
    half = rng.uniform(20, 45, (1, objects, 2))
    xyxy = np.concatenate((centre - half, centre + half), axis=2) + rng.normal(
        0, 2, (frames, objects, 4)
    )
    frame = np.repeat(np.arange(frames), objects)
    boxes = BoxSequence(frame, xyxy.reshape(-1, 4), np.full(len(frame), 0.8), np.zeros(len(frame)))
    link(boxes[: objects * 50])
    begin = time.process_time()
    link(boxes)
    return frames / (time.process_time() - begin)


def table(seeds: Iterable[int]) -> None:
    """Print one line per level, summed over the seeds."""
    print(
        "level        flicker P/R   published P/R   gap P  gap R   switches   RMSE raw -> smoothed"
    )
    for level in LEVELS:
        worlds = [make(level, seed) for seed in seeds]
        tracks = [linked(world) for world in worlds]
        pairs = list(zip(worlds, tracks, strict=True))
        ours = _sum(flicker_score(*pair) for pair in pairs)
        theirs = _sum(published_score(world) for world in worlds)
        gaps = [gap_score(*pair) for pair in pairs]
        boxes, objects = _sum(g[0] for g in gaps), _sum(g[1] for g in gaps)
        raw, fitted = (np.concatenate(x) for x in zip(*(errors(*p) for p in pairs), strict=True))
        a, b = np.sqrt(raw.mean()), np.sqrt(fitted.mean())
        print(
            f"{level.name:<12} {ours!s:<13} {theirs!s:<15} {str(boxes)[:5]}  {str(objects)[6:]}   "
            f"{sum(switches(*p) for p in pairs):<9}  {a:.2f} -> {b:.2f} ({1 - b / a:.0%} lower)"
        )


def _sum(scores: Iterable[Score]) -> Score:
    return Score(*(int(total) for total in np.sum(list(scores), axis=0)))


def mot15(folder: Path) -> None:
    """Print tracks and, where truth exists, identity switches of MOT15 sequences."""
    for det in sorted(folder.glob("*/det/det.txt")):
        boxes = _mot(det)
        tracks = link(boxes)
        long = int((tracks.lengths >= 5).sum())
        line = f"{det.parts[-3]:<14} {len(boxes)} boxes, {long} tracks of 5 boxes or more"
        truth = det.parents[1] / "gt" / "gt.txt"
        if truth.exists():
            wrong, people = _mot_switches(boxes, tracks, truth)
            line += f", {wrong} switches among {people} people"
        print(line)


def _mot(path: Path) -> BoxSequence:
    rows = np.loadtxt(path, delimiter=",")
    xyxy = np.column_stack((rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]))
    score = np.clip(rows[:, 6] / max(rows[:, 6].max(), 1), 0, 1)
    return BoxSequence(rows[:, 0].astype(int) - 1, xyxy, score, np.zeros(len(rows)))


def _mot_switches(boxes: BoxSequence, tracks: Tracks, truth: Path) -> tuple[int, int]:
    rows = np.loadtxt(truth, delimiter=",")
    person: list[NDArray[np.float64]] = []
    for t in np.unique(boxes.frame):
        here = rows[rows[:, 0] == t + 1]
        mine = np.flatnonzero(boxes.frame == t)
        xyxy = np.column_stack((here[:, 2:4], here[:, 2:4] + here[:, 4:6]))
        overlap = paired_iou(boxes.xyxy[mine][:, None], xyxy[None])
        for i, j in zip(*linear_sum_assignment(-overlap), strict=True):
            if overlap[i, j] >= 0.5:
                person.append(np.array([here[j, 1], t, tracks.track_id[mine[i]]]))
    matched = np.array(person).astype(int)
    return count_switches(*matched.T), len(np.unique(matched[:, 0]))


if __name__ == "__main__":
    table(range(3))
    print(f"\nlinking 20 objects: {speed():,.0f} frames/s of processor time, one core\n")
    if len(sys.argv) > 1:
        mot15(Path(sys.argv[1]))
