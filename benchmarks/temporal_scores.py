"""Scores of temporal evidence against a world whose truth is known."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from reelabel.data.boxes import paired_iou
from reelabel.data.sequence import BoxSequence
from reelabel.data.states import FLICKER
from reelabel.temporal.flicker import FlickerSettings, flicker_queries
from reelabel.temporal.gap import gap_queries, without_repeats
from reelabel.temporal.link import Tracks
from reelabel.temporal.pictures import evaluate_queries
from reelabel.temporal.published import PublishedSettings, mine_published
from reelabel.temporal.smooth import smooth
from reelabel.temporal.static import static_queries
from reelabel.temporal.video import TrackedVideo
from temporal_world import DOUBLE, INVENTED, STAIN, Floats, Ints, World

CANDIDATE_SCORE = 0.8
BELIEVED = 3
"""From so many boxes on a track counts as one (SORT's default too)."""


class Score(NamedTuple):
    """Counts that add up over worlds."""

    right: int
    said: int
    wanted: int

    @property
    def precision(self) -> str:
        """Return which share of what was said is right, or a dash."""
        return f"{self.right / self.said:.3f}" if self.said else "-"

    @property
    def recall(self) -> str:
        """Return which share of what is wanted was said, or a dash."""
        return f"{self.right / self.wanted:.3f}" if self.wanted else "-"

    def __str__(self) -> str:
        """Show precision / recall."""
        return f"{self.precision}/{self.recall}"


class Identity(NamedTuple):
    """How well tracks keep to objects; counts that add up over worlds.

    Attributes:
        switches: how often the detections of a true object change their track; those that are in
            no track are passed over.
        tracked: detections of true objects that are in a track.
        seen: detections of true objects.
        kept: boxes that lie on the object whose track theirs is, with tracks and objects paired
            such that these are the most (IDTP of Ristani et al., arXiv 1609.01775).
        said: boxes in tracks.
        truth: boxes of true objects.
    """

    switches: int
    tracked: int
    seen: int
    kept: int
    said: int
    truth: int

    @property
    def idf1(self) -> float:
        """Return the share of boxes that keep to their object, 0..1 (IDF1, the same source)."""
        return 2 * self.kept / max(self.said + self.truth, 1)

    @property
    def coverage(self) -> float:
        """Return the share of detected true boxes that are in a track, 0..1."""
        return self.tracked / max(self.seen, 1)

    def __str__(self) -> str:
        """Show switches, IDF1 and coverage."""
        return f"{self.switches:>4} {self.idf1:.3f} {self.coverage:.3f}"


def believed(tracks: Tracks) -> Ints:
    """Return the track of each detection, -1 where it is too short or only a weak hint."""
    counts = tracks.started & (tracks.lengths >= BELIEVED)
    return np.where(counts[tracks.track_id], tracks.track_id, -1)


def identity_score(who: Ints, frame: Ints, track: Ints, truth: int) -> Identity:
    """Compare tracks with objects.

    Args:
        who: ``(n,)`` the true object of each detection, -1 = none.
        frame: ``(n,)`` the frame of each.
        track: ``(n,)`` the track of each, -1 = none.
        truth: how many boxes of true objects there are.
    """
    both = (who >= 0) & (track >= 0)
    a, b = np.unique(who[both], return_inverse=True)[1], np.unique(track[both])
    together = np.zeros((a.max(initial=-1) + 1, len(b)), np.int64)
    np.add.at(together, (a, np.searchsorted(b, track[both])), 1)
    kept = int(together[linear_sum_assignment(together, maximize=True)].sum())
    order = np.lexsort((frame[both], a))
    same = np.diff(a[order]) == 0
    switches = int((same & (np.diff(track[both][order]) != 0)).sum())
    seen = int((who >= 0).sum())
    return Identity(switches, int(both.sum()), seen, kept, int((track >= 0).sum()), truth)


def truth_of(world: World) -> Ints:
    """Return the true object of each of a world's detections, -1 = none."""
    return np.where(world.source >= 0, world.identity[np.maximum(world.source, 0)], -1)


def _video(world: World, tracks: Tracks) -> TrackedVideo:
    """Return a world's video as the searches see it."""
    pts = np.arange(len(world.pictures))
    return TrackedVideo(world.boxes, tracks, pts, tuple(world.shot_starts), world.shift_xy)


def _answers(world: World, queries: Iterable[Any]) -> list[Any]:
    """Return what queries found in a world's pictures."""
    return [one for one in evaluate_queries(world.pictures, queries) if one is not None]


def flicker_score(world: World, tracks: Tracks) -> Score:
    """Count false boxes among our flickers."""
    settings = FlickerSettings(score=CANDIDATE_SCORE)
    found = _answers(world, flicker_queries(_video(world, tracks), settings))
    return _flicker_count(world, [e.row for e in found if e.kind == FLICKER])


def published_score(world: World) -> Score:
    """Count false boxes among the published rule's hard negatives."""
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
    """Count what is right; a second box on an object, which time cannot tell, is left out."""
    said = [row for row in rows if world.source[row] != DOUBLE]
    false = np.isin(world.source, (INVENTED, STAIN))
    wanted = int((false & (world.boxes.score >= CANDIDATE_SCORE)).sum())
    return Score(int(false[said].sum()), len(said), wanted)


def static_score(world: World, tracks: Tracks) -> Score:
    """Count boxes of stains among those called static repeats."""
    found = _answers(world, static_queries(_video(world, tracks)))
    rows = [row for evidence in found for row in evidence.rows]
    stain = world.source == STAIN
    return Score(int(stain[rows].sum()), len(rows), int(stain.sum()))


def gap_score(world: World, tracks: Tracks) -> tuple[Score, Score]:
    """Count gap boxes that lie on visible objects, and missed objects that were found.

    A missed object is wanted if it is visible and was detected before and after, at most 15
    missing frames apart, in the same shot.
    """
    video = _video(world, tracks)
    repeats = _answers(world, static_queries(video))
    found = [box for boxes in _answers(world, gap_queries(video)) for box in boxes]
    found = without_repeats(found, repeats)
    wanted = _missed(world)
    hit: set[int] = set()
    right = 0
    for box in found:
        rows = np.flatnonzero(world.frame == box.frame)
        overlap = paired_iou(box.xyxy, world.xyxy[rows])
        if overlap.max(initial=0) > 0.5:
            right += 1
            hit.add(int(rows[np.argmax(overlap)]))
    # Precision counts boxes, recall objects; boxes on objects that are detected are in neither.
    return Score(right, len(found), len(wanted)), Score(len(hit & wanted), len(hit), len(wanted))


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


def errors(world: World, tracks: Tracks) -> tuple[Floats, Floats]:
    """Return squared errors of raw and of smoothed boxes at the detections of true objects."""
    result = smooth(world.boxes, tracks.track_id, shift_xy=world.shift_xy)
    rows = result.row[result.observed]
    real = world.source[rows] >= 0
    truth = world.xyxy[world.source[rows[real]]]
    raw = (world.boxes.xyxy[rows[real]] - truth) ** 2
    return raw, (result.xyxy[result.observed][real] - truth) ** 2


def matched(boxes: BoxSequence, frame: Ints, identity: Ints, xyxy: Floats) -> Ints:
    """Return the true object on which each detection lies, -1 = none.

    Frame by frame such that the overlaps are the largest; less than one half does not count.
    """
    who = np.full(len(boxes), -1)
    for t in np.unique(boxes.frame):
        mine, true = np.flatnonzero(boxes.frame == t), np.flatnonzero(frame == t)
        overlap: NDArray[np.float64] = paired_iou(boxes.xyxy[mine][:, None], xyxy[true][None])
        for i, j in zip(*linear_sum_assignment(overlap, maximize=True), strict=True):
            if overlap[i, j] >= 0.5:
                who[mine[i]] = identity[true[j]]
    return who
