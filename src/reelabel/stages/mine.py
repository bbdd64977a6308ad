"""mine  tracks -> evidence  N:n  what time says: flicker, gaps, static repeats, smoothed boxes.

All that looks at pictures shares one decode, and only the frames that somebody asks for are
decoded and converted. What is switched off costs nothing; with all of it off no video is opened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import cv2
import numpy as np
import pyarrow as pa
from pydantic import Field, model_validator

from reelabel.config import Settings
from reelabel.data.sequence import BoxSequence, Floats, Ints, rows_by_track
from reelabel.engine.stage import Output, Stage, Unit
from reelabel.errors import DecodeError
from reelabel.media.video import Frame, frames
from reelabel.tables import CAMERA, DETECTIONS, EVIDENCE, TRACKS, VIDEOS, xyxy_columns
from reelabel.temporal.flicker import UNSUPPORTED, Flicker, FlickerSettings, flicker_looks
from reelabel.temporal.gap import (
    GapBox,
    GapSettings,
    HeldBox,
    gap_looks,
    held_boxes,
    without_repeats,
)
from reelabel.temporal.link import Tracks
from reelabel.temporal.pictures import Grey, Look, sweep
from reelabel.temporal.rows import EvenTime, sequence_of, shift_or_none, shot_starts
from reelabel.temporal.smooth import smooth
from reelabel.temporal.static import StaticRepeat, StaticSettings, static_looks

Row = dict[str, Any]
Found = Flicker | StaticRepeat | list[GapBox] | None


class MineSettings(Settings):
    """Which evidence is gathered, and when it is believed."""

    flicker: bool = False
    """Find confident boxes that nothing supports before or after: hard negatives."""
    gap: bool = True
    """Find the boxes that the teacher missed or was unsure of inside a track: hard positives.
    At static repeats nothing is filled."""
    static: bool = False
    """Find the same unsure, blinking box at the same unchanging place: hard negatives."""
    smooth: bool = True
    """Add smoothed boxes of every track, with their standard deviation."""
    flicker_score: float = Field(0.8, ge=0, le=1)
    """Only boxes from this score on are asked about."""
    flicker_support_score: float = Field(0.1, ge=0, le=1)
    """Boxes from this lower score on support them."""
    flicker_alpha: int = Field(5, ge=1)
    """How many looked-at frames before and after are asked."""
    flicker_beta: float = Field(0.5, ge=0)
    """By how many box sides the searched place is larger than the box, on each side."""
    flicker_similarity: float = Field(0.5, ge=-1, le=1)
    """Correlation from which a place counts as found again."""
    flicker_iou: float = Field(0.3, ge=0, lt=1)
    """Overlap above which a box supports."""
    flicker_compared: int = Field(5, ge=1)
    """In so many frames the place must be found again."""
    gap_max: int = Field(15, ge=1)
    """Longer gaps are left open, in looked-at frames."""
    gap_length: int = Field(3, ge=2)
    """Tracks with fewer boxes are left alone."""
    gap_score: float = Field(0.5, ge=0, le=1)
    """Boxes from this score on are sure; weaker ones between them are held by them."""
    gap_beta: float = Field(0.4, ge=0)
    """By how many box sides the searched place is larger than the box, on each side."""
    gap_similarity: float = Field(0.6, ge=-1, le=1)
    """Correlation that the searches from both sides must reach."""
    gap_iou: float = Field(0.5, ge=0, lt=1)
    """Overlap of what both found, above which they agree."""
    static_repeats: int = Field(6, ge=2)
    """So many boxes at one place, at least."""
    static_fill: float = Field(0.5, gt=0, le=1)
    """Share of the frames between the first and the last that carry one, at most."""
    static_score: float = Field(0.6, ge=0, le=1)
    """Their median score, at most."""
    static_similarity: float = Field(0.9, ge=-1, le=1)
    """Correlation of the place with itself at other times, at least."""
    smooth_length: int = Field(3, ge=3)
    """Tracks with fewer boxes are not smoothed."""

    @model_validator(mode="after")
    def ordered(self) -> Self:
        """Refuse a supporting threshold above the candidates'."""
        self.flickering()
        return self

    def flickering(self) -> FlickerSettings:
        """Return what concerns flicker alone."""
        return FlickerSettings(
            score=self.flicker_score,
            support_score=self.flicker_support_score,
            alpha=self.flicker_alpha,
            beta=self.flicker_beta,
            min_similarity=self.flicker_similarity,
            support_iou=self.flicker_iou,
            min_compared=self.flicker_compared,
        )

    def gaps(self) -> GapSettings:
        """Return what concerns gaps alone."""
        return GapSettings(
            max_gap=self.gap_max,
            min_length=self.gap_length,
            sure_score=self.gap_score,
            beta=self.gap_beta,
            min_similarity=self.gap_similarity,
            agreement_iou=self.gap_iou,
        )

    def statics(self) -> StaticSettings:
        """Return what concerns static repeats alone."""
        return StaticSettings(
            min_repeats=self.static_repeats,
            max_fill=self.static_fill,
            max_score=self.static_score,
            min_similarity=self.static_similarity,
        )


MineUnit = Unit[MineSettings, None]


@dataclass(frozen=True)
class Scene:
    """One video as the teacher and the tracker saw it.

    Attributes:
        pts, index: ``(frames,)`` time stamp and position of each looked-at frame.
        starts: the frames with which shots begin.
        shift_xy: ``(frames, 2)`` camera motion in pixels, or None.
    """

    boxes: BoxSequence
    tracks: Tracks
    categories: list[str]
    pts: Ints
    index: Ints
    starts: list[int]
    shift_xy: Floats | None

    @classmethod
    def of(cls, camera: pa.Table, rows: pa.Table, detections: pa.Table) -> Scene:
        """Bring the tables together."""
        pts, track_id = camera["pts"].to_numpy(), rows["track_id"].to_numpy()
        started = np.zeros(int(track_id.max(initial=-1)) + 1, bool)
        started[track_id] = rows["started"].to_numpy(zero_copy_only=False)
        shift_xy = np.stack([camera["shift_x"].to_numpy(), camera["shift_y"].to_numpy()], axis=1)
        return cls(
            sequence_of(detections, pts),
            Tracks(track_id, started),
            detections["category"].to_pylist(),
            pts,
            camera["frame_index"].to_numpy(),
            shot_starts(camera["shot"].to_numpy()),
            shift_or_none(shift_xy),
        )


def mine(unit: MineUnit) -> Output:
    """Return the evidence on one video."""
    s = unit.settings
    tables = []
    if s.flicker or s.gap or s.static or s.smooth:
        scene = Scene.of(unit.rows(CAMERA), unit.rows(TRACKS), unit.rows(DETECTIONS))
        rows = sorted(
            _rows(unit, scene), key=lambda r: (r["pts"], r["kind"], r["detection"], r["track_id"])
        )
        tables = [EVIDENCE.from_rows([{"video_id": unit.video.video_id, **r} for r in rows])]
        tables += [_smoothed(unit, scene)] if s.smooth else []
    evidence = pa.concat_tables([*tables, EVIDENCE.empty()]).combine_chunks()
    counted = evidence["kind"].value_counts().to_pylist()
    return Output({"evidence": evidence}, {c["values"]: c["counts"] for c in counted})


def _rows(unit: MineUnit, scene: Scene) -> Iterator[Row]:
    """Yield what the pictures and the tracks say; one decode serves all."""
    s = unit.settings
    held = held_boxes(scene.boxes, scene.tracks, s.gaps()) if s.gap else []
    looks = _looks(s, scene, held)
    wanted = sorted({frame for look in looks for frame in look.windows})
    found = list(sweep(_pictures(unit, scene.pts, wanted), looks))
    for each in found:
        if isinstance(each, Flicker) and _asked(each, s):
            yield _flicker(scene, each, s)
    repeats = [each for each in found if isinstance(each, StaticRepeat)]
    for repeat in repeats if s.static else []:
        yield from (_of(scene, row) | _static(scene, repeat) for row in repeat.rows)
    filled = [box for each in found if isinstance(each, list) for box in each]
    yield from (_gap(scene, box) for box in without_repeats(filled, repeats))
    yield from (_held(scene, box) for box in without_repeats(held, repeats))


def _looks(s: MineSettings, scene: Scene, held: list[HeldBox]) -> list[Look[Found]]:
    boxes, tracks, count = scene.boxes, scene.tracks, len(scene.pts)
    where: Any = {"shot_starts": scene.starts, "shift_xy": scene.shift_xy}
    looks: list[Look[Found]] = []
    if s.flicker:
        looks += flicker_looks(boxes, tracks, count, settings=s.flickering(), **where)
    gaps = gap_looks(boxes, tracks, scene.shift_xy, s.gaps(), time=scene.pts) if s.gap else []
    filled = [row for look in gaps for row in look.rows] + [row for box in held for row in box.rows]
    if s.static or filled:
        # A gap is not filled at a static repeat, whether or not those are evidence themselves.
        about = None if s.static else np.array(filled)
        looks += static_looks(boxes, tracks, count, about=about, settings=s.statics(), **where)
    return looks + gaps


def _pictures(unit: MineUnit, pts: Ints, wanted: list[int]) -> Iterator[Callable[[], Grey]]:
    """Yield what makes each frame's picture, up to the last wanted one."""
    path = unit.video.path
    size_wh = unit.video.size_wh
    source = frames(path, pts[wanted].tolist(), threads=1)
    chosen = set(wanted)
    for i in range(wanted[-1] + 1 if wanted else 0):
        if i not in chosen:
            yield _never
            continue
        unit.tick(i / len(pts), f"{i} frames")
        yield partial(_grey, next(source), size_wh)


def _never() -> Grey:
    raise DecodeError("a frame was asked for that nobody had wanted to see")


def _grey(frame: Frame, size_wh: tuple[int, int]) -> Grey:
    """Return a frame at the video's size, in whose pixels boxes are given."""
    grey: Grey = frame.grey()
    same = grey.shape == size_wh[::-1]
    return grey if same else np.asarray(cv2.resize(grey, size_wh), np.uint8)


def _asked(found: Flicker, s: MineSettings) -> bool:
    """Return whether there was anybody around to support a box; else nothing is said of it."""
    return found.kind != UNSUPPORTED or len(found.frames) >= s.flicker_alpha


def _of(scene: Scene, row: int) -> Row:
    """Return what is known of a detection."""
    frame, xyxy = int(scene.boxes.frame[row]), scene.boxes.xyxy[row]
    return {
        **_place(scene, frame, xyxy),
        "category": scene.categories[row],
        "score": float(scene.boxes.score[row]),
        "detection": row,
        "track_id": int(scene.tracks.track_id[row]),
    }


def _place(scene: Scene, frame: int, xyxy: Floats) -> Row:
    x1, y1, x2, y2 = xyxy.tolist()
    when = {"pts": int(scene.pts[frame]), "frame_index": int(scene.index[frame])}
    return {**when, "x1": x1, "y1": y1, "x2": x2, "y2": y2}


def _flicker(scene: Scene, found: Flicker, s: MineSettings) -> Row:
    taken = [value for value in found.similarity if not np.isnan(value)]
    again = sum(value >= s.flicker_similarity for value in taken)
    many = f"no box supports it in {len(found.frames)} frames around"
    return {
        **_of(scene, found.row),
        "kind": found.kind,
        "similarity": float(np.median(taken)) if taken else None,
        "frames": scene.pts[list(found.frames)].tolist(),
        "reason": f"{many}; its place was found again in {again}",
    }


def _static(scene: Scene, found: StaticRepeat) -> Row:
    times = f"{len(found.rows)} boxes at one place, in {found.fill:.0%} of the frames"
    least = min(found.similarity)
    return {
        "kind": "static",
        "similarity": least,
        "frames": scene.pts[list(found.frames)].tolist(),
        "reason": f"{times}, median score {found.score:.2f}; the picture there stays {least:.2f}",
    }


def _gap(scene: Scene, box: GapBox) -> Row:
    a, b = box.similarity
    ends = scene.boxes.frame[list(box.rows)]
    return {
        **_place(scene, box.frame, box.xyxy),
        "category": scene.categories[box.rows[0]],
        "score": box.score,
        "kind": "gap",
        "detection": -1,
        "track_id": box.track_id,
        "similarity": min(a, b),
        "frames": scene.pts[ends].tolist(),
        "between": list(box.rows),
        "reason": f"found from before ({a:.2f}) and behind ({b:.2f}), IoU {box.agreement:.2f}",
    }


def _held(scene: Scene, box: HeldBox) -> Row:
    ends = list(box.rows)
    a, b = scene.boxes.score[ends]
    return {
        **_of(scene, box.row),
        "kind": "gap",
        "similarity": None,
        "frames": scene.pts[scene.boxes.frame[ends]].tolist(),
        "between": ends,
        "reason": f"weak, but sure before ({a:.2f}) and behind ({b:.2f}) on the same track",
    }


def _smoothed(unit: MineUnit, scene: Scene) -> pa.Table:
    """Return the smoothed boxes of started tracks; a filled frame has its track's median score."""
    s = unit.settings
    even = EvenTime.of(scene.pts)
    boxes, shift_xy = even.boxes(scene.boxes), even.shift(scene.shift_xy)
    found = smooth(boxes, scene.tracks.track_id, s.smooth_length, shift_xy)
    at = even.back(found.frame)
    which = np.flatnonzero(scene.tracks.started[found.track_id] & (at >= 0))
    track, frame, row = found.track_id[which], at[which], found.row[which]
    names, score = _by_track(scene, track)
    # Rows are in order of track, then frame: each track's first and last frame.
    ends = np.stack([np.searchsorted(track, track), np.searchsorted(track, track, "right") - 1], 1)
    rests = pa.ListArray.from_arrays(
        np.arange(0, 2 * len(track) + 1, 2, dtype=np.int32), scene.pts[frame[ends]].ravel()
    )
    observed = row >= 0
    return EVIDENCE.build({
        "video_id": [unit.video.video_id] * len(track),
        "pts": scene.pts[frame],
        "frame_index": scene.index[frame],
        "category": names,
        "score": np.where(observed, scene.boxes.score[row], score),
        **xyxy_columns(found.xyxy[which].astype(np.float32)),
        "kind": ["smooth"] * len(track),
        "detection": row,
        "track_id": track,
        "similarity": pa.nulls(len(track), pa.float32()),
        "sigma": found.sigma_cxcywh[which, :2].max(axis=1),
        "frames": rests,
        "between": pa.nulls(len(track), EVIDENCE.schema.field("between").type),
        "reason": np.where(observed, "smoothed", "filled by smoothing").tolist(),
    })


def _by_track(scene: Scene, track: Ints) -> tuple[list[str], Floats]:
    """Return for each smoothed row the class and the median score of its track."""
    tracks = rows_by_track(scene.tracks.track_id, scene.boxes.frame)
    at = np.searchsorted([scene.tracks.track_id[rows[0]] for rows in tracks], track)
    names = [scene.categories[rows[0]] for rows in tracks]
    medians = np.array([np.median(scene.boxes.score[rows]) for rows in tracks])
    return [names[i] for i in at], medians[at] if len(at) else np.zeros(0)


STAGE = Stage(
    name="mine",
    arrow=(__doc__ or "").splitlines()[0],
    settings=MineSettings,
    run=mine,
    reads=(VIDEOS, DETECTIONS, CAMERA, TRACKS),
    writes=(EVIDENCE,),
    per_round=True,
    version=5,
)
