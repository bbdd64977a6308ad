"""split  labels -> dataset  N:1  by video, source and duplicate cluster; a COCO data set.

Frames that `sample` rejected stay out. So do those that `dedup` dropped, unless time found hard
examples in them. Frames in which it did and that `sample` never took are taken here, as they are in
the video, and so is every frame in which a person drew. Frames without labels are background.
"""

from __future__ import annotations

import os
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, model_validator

from reelabel.config import Settings
from reelabel.data.boxes import Boxes, Placement
from reelabel.data.dataset import Dataset, ImageEntry
from reelabel.data.states import GAP, IGNORE, NEGATIVE, PERSON, POSITIVE, TEACHER
from reelabel.engine.stage import Output, Stage, Unit
from reelabel.errors import SplitError
from reelabel.formats.coco import coco_text
from reelabel.labels.splits import Item, find_groups, find_leaks, split_items, time_blocks
from reelabel.media.pictures import encode_jpeg, fit
from reelabel.media.video import frames as decoded
from reelabel.tables import CORNERS, DUPLICATES, FRAMES, LABELS, VIDEOS
from reelabel.workspace import fingerprint
from reelabel.workspace.results import SideCounts, SplitReport

Row = dict[str, Any]
TRAIN, VAL, TEST = "train", "val", "test"
HELD_OUT = 0.2
HARD = "hard"
"""Folder in the data set for pictures of hard frames that `sample` did not take."""


class SplitSettings(Settings):
    """How footage is divided between training and validation."""

    held_out: float | None = Field(None, ge=0, lt=1)
    """Share of the labels kept out of training for validation, by whole videos; 0 for none. None:
    a fifth without truth, nothing with truth, which is worth more than held-out pseudo-labels."""
    test_share: float = Field(0.0, ge=0, lt=1)
    """Share of the labels kept out of everything for a last test, by whole videos."""
    single_video: bool = False
    """Split one video by blocks of time. This leaks, and every score made from it is marked."""
    guard_s: float = Field(0.5, ge=0)
    """Seconds left out between the blocks of a single video."""
    same_source: bool = True
    """Keep videos of the same source address together."""
    hard_frames: bool = True
    """Take frames with hard examples also where a near-duplicate stands for them, and where
    `sample` did not take them."""
    hard_frames_max: int = Field(200, ge=0)
    """So many per video that `sample` did not take, at most; more are thinned evenly."""

    @model_validator(mode="after")
    def leaves_some(self) -> Self:
        """Refuse shares that leave nothing to train on."""
        if (self.held_out or 0.0) + self.test_share >= 1:
            raise ValueError("held_out and test_share must leave something to train on: below 1")
        return self


SplitUnit = Unit[SplitSettings, None]


def split(unit: SplitUnit) -> Output:
    """Write the data set of this round and report how it was divided."""
    unit.files.clear(HARD)
    rows = {video_id: list(_images(unit, video_id, labels)) for video_id, labels in _labels(unit)}
    near = _near(unit)
    sides, report = _divided(unit, rows, near)
    digests, counts = [], {}
    for name in (TRAIN, VAL, TEST):
        entries = [
            e for v in rows for e, side in zip(rows[v], sides[v], strict=True) if side == name
        ]
        data = _dataset(unit, entries)
        text = coco_text(data)
        counts[name] = _counts(data)
        unit.files.write(f"{name}.json", text.encode())
        digests.append(fingerprint(text, [frame["crc32"] for frame, _ in entries]))
    if not counts[TRAIN].boxes:
        raise SplitError(_nothing_to_learn(unit))
    report = replace(report, sides=counts)
    return Output(
        notes=report.to_json(),
        digest=fingerprint(digests, report.leak_free, report.reason),
        results=(report,),
    )


def _nothing_to_learn(unit: SplitUnit) -> str:
    return (
        f"round {unit.round_number}: there is no label to train on. The teacher found nothing that "
        "passed the rules: look at  reelabel show, lower clean.score, or take another detector"
    )


def _labels(unit: SplitUnit) -> Iterator[tuple[str, pa.Table]]:
    footage = {v.video_id for v in unit.inputs.videos if v.usable and not v.is_test}
    yield from ((v, rows) for v, rows in unit.shards(LABELS) if v in footage)


def _images(unit: SplitUnit, video_id: str, labels: pa.Table) -> Iterator[tuple[Row, list[Row]]]:
    """Yield the frames of one video that go into the data set, each with its labels."""
    frames = unit.rows(FRAMES, video_id)
    gone = set(unit.rows(DUPLICATES, video_id)["pts"].to_pylist())
    by_pts: dict[int, list[Row]] = {}
    for label in labels.to_pylist():
        by_pts.setdefault(label["pts"], []).append(label)
    for frame in frames.filter(pc.field("kept")).to_pylist():
        rows = by_pts.get(frame["pts"], [])
        hard = unit.settings.hard_frames and any(map(_is_hard, rows))
        if hard or any(map(_is_drawn, rows)) or frame["pts"] not in gone:
            yield frame, rows
    for frame in _taken(unit, video_id, _untaken(unit, by_pts, frames)):
        yield frame, by_pts[frame["pts"]]


def _untaken(unit: SplitUnit, by_pts: dict[int, list[Row]], frames: pa.Table) -> list[int]:
    """Return the time stamps of frames, not sampled yet, with drawn boxes or hard examples."""
    s = unit.settings
    known = set(frames["pts"].to_pylist())
    kept = set(frames.filter(pc.field("kept"))["pts"].to_pylist())
    drawn = {p for p, rows in by_pts.items() if p not in kept and any(map(_is_drawn, rows))}
    new = {p: rows for p, rows in by_pts.items() if p not in known | drawn}
    hard = sorted(p for p, rows in new.items() if any(map(_is_hard, rows)))
    most = s.hard_frames_max if s.hard_frames else 0
    if len(hard) > most:
        hard = [hard[i] for i in np.linspace(0, len(hard) - 1, most).astype(int)]
    return sorted({*drawn, *hard})


def _taken(unit: SplitUnit, video_id: str, wanted: list[int]) -> Iterator[Row]:
    """Write the pictures of these frames, in the video's own size; yield their rows."""
    if not wanted:
        return
    video = unit.inputs.video(video_id)
    size_wh = video.size_wh
    for frame in decoded(video.path, wanted, on_error=lambda _: None):
        written = encode_jpeg(fit(frame.rgb(), "exact", size_wh)[0])
        place = {"width": size_wh[0], "height": size_wh[1], "scale_x": 1.0, "scale_y": 1.0}
        yield place | {
            "video_id": video_id,
            "pts": frame.pts,
            "frame_index": frame.index,
            "time_s": frame.time_s,
            "picture": unit.files.write(f"{HARD}/{video_id}/{frame.pts}.jpg", written),
            "crc32": zlib.crc32(written),
            "offset_x": 0.0,
            "offset_y": 0.0,
        }


def _is_drawn(label: Row) -> bool:
    """Tell whether a person made this label: it is trained on, whatever was sampled."""
    return bool(label["origin"] == PERSON)


def _is_hard(label: Row) -> bool:
    """Tell whether time, not a model or a person, made this label, now or rounds ago."""
    condemned = label["state"] == NEGATIVE and label["origin"] == TEACHER
    return bool(condemned or (label["state"] == POSITIVE and label["rule"] == GAP))


def _near(unit: SplitUnit) -> list[tuple[str, str]]:
    """Return the pairs of videos that share near-duplicates."""
    near: set[tuple[str, str]] = set()
    for video_id, rows in unit.shards(DUPLICATES):
        near |= {(video_id, other) for other in rows["kept_video_id"].unique().to_pylist()}
    return sorted((a, b) for a, b in near if a != b)


def _divided(
    unit: SplitUnit, rows: dict[str, list[Any]], near: list[tuple[str, str]]
) -> tuple[dict[str, list[str]], SplitReport]:
    """Return the side of every frame, and the report."""
    s = unit.settings
    items = [_item(unit, video_id, frames) for video_id, frames in rows.items()]
    group = find_groups(items, near)
    labelled = {group[item.name] for item in items if item.labels}
    held_out = s.held_out
    if held_out is None:
        held_out = 0.0 if unit.project.truth else HELD_OUT
    shares = {TRAIN: 1 - held_out - s.test_share, VAL: held_out, TEST: s.test_share}
    shares = {name: share for name, share in shares.items() if share > 0}
    if len(shares) > 1 and s.single_video and len(labelled) == 1:
        cut = {item.name for item in items if item.labels}
        sides = {
            v: _blocks(frames, shares, s) if v in cut else [TRAIN] * len(frames)
            for v, frames in rows.items()
        }
        reason = "one video, split by blocks of time: both sides show the same things"
        return sides, _report(unit, sides, group, reason, leaks=[reason])
    # Videos without labels are background: they follow their group, or go to training.
    dealt = [item for item in items if group[item.name] in labelled]
    part = _dealt(unit, dealt, near, shares) if dealt else {}
    sides = {v: [part.get(v, TRAIN)] * len(frames) for v, frames in rows.items()}
    found = find_leaks({v: part.get(v, TRAIN) for v in rows}, group, near)
    leaks = [f"{leak.first} and {leak.second}: {leak.why}" for leak in found]
    reason = f"by groups of videos, {len(labelled)} with labels"
    if len(shares) == 1:
        reason = "nothing is held out"
    return sides, _report(unit, sides, group, reason, leaks=leaks)


def _dealt(
    unit: SplitUnit, items: list[Item], near: list[tuple[str, str]], shares: dict[str, float]
) -> Mapping[str, str]:
    """Return the side of every video."""
    try:
        return split_items(items, near, shares=shares, seed=unit.project.seed).part
    except SplitError as exc:
        ways = (
            "split.single_video: true for one video in blocks of time, split.held_out: 0 for none"
        )
        raise SplitError(f"{exc}; in reelabel.yaml: {ways}") from exc


def _item(unit: SplitUnit, video_id: str, frames: list[tuple[Row, list[Row]]]) -> Item:
    counts = Counter(
        label["category"] for _, labels in frames for label in labels if label["state"] == POSITIVE
    )
    origin = unit.inputs.video(video_id).origin
    source = origin if unit.settings.same_source else None
    return Item(video_id, pictures=len(frames), labels=counts, source=source or None)


def _blocks(frames: list[Any], shares: dict[str, float], s: SplitSettings) -> list[str]:
    times_s = np.array([frame["time_s"] for frame, _ in frames])
    labels = np.array([sum(r["state"] == POSITIVE for r in rows) for _, rows in frames], np.int64)
    found = time_blocks(times_s, shares=shares, gap_s=s.guard_s, labels=labels)
    return [str(part) for part in found.part]


def _report(
    unit: SplitUnit,
    sides: dict[str, list[str]],
    group: dict[str, str],
    reason: str,
    *,
    leaks: list[str],
) -> SplitReport:
    names = {video.video_id: video.name for video in unit.inputs.videos}
    return SplitReport(
        leak_free=not leaks,
        reason=reason,
        leaks=tuple(leaks),
        groups=group,
        videos={v: dict(Counter(side)) for v, side in sides.items()},
        names={v: names.get(v, v) for v in sides},
    )


def _dataset(unit: SplitUnit, entries: list[tuple[Row, list[Row]]]) -> Dataset:
    images = tuple(
        ImageEntry(
            file_name=os.path.relpath(unit.inputs.path(frame["picture"]), unit.files.path),
            width=frame["width"],
            height=frame["height"],
            video=frame["video_id"],
            frame_index=frame["frame_index"],
            pts=frame["pts"],
            pts_time=frame["time_s"],
        )
        for frame, _ in entries
    )
    ids = {name: i for i, name in enumerate(unit.project.classes)}
    boxes = tuple(_boxes(frame, labels, ids) for frame, labels in entries)
    return Dataset(unit.project.classes, images, boxes).clipped()


def _boxes(frame: Row, labels: list[Row], ids: Mapping[str, int]) -> Boxes:
    """Return labels in pixels of the written picture."""
    place = Placement.of_frame(frame)
    corners = np.array([[row[key] for key in CORNERS] for row in labels], np.float64)
    extra = [{"round": row["round"], "rule": row["rule"]} for row in labels]
    return Boxes(
        place.to_picture(corners.reshape(-1, 4)).astype(np.float32),
        np.array([row["score"] for row in labels], np.float32),
        np.array([ids[row["category"]] for row in labels], np.int64),
        state=np.array([row["state"] for row in labels], np.str_),
        origin=np.array([row["origin"] for row in labels], np.str_),
        extra=np.array(extra, np.object_),
    )


def _counts(data: Dataset) -> SideCounts:
    positive = [int(boxes.has_state(POSITIVE).sum()) for boxes in data.boxes]
    return SideCounts(
        images=len(data.images),
        labelled_images=sum(count > 0 for count in positive),
        boxes=sum(positive),
        ignored=sum(int(boxes.has_state(IGNORE).sum()) for boxes in data.boxes),
        negatives=sum(int(boxes.has_state(NEGATIVE).sum()) for boxes in data.boxes),
    )


STAGE = Stage(
    name="split",
    arrow=(__doc__ or "").splitlines()[0],
    settings=SplitSettings,
    run=split,
    scope="all",
    folder="dataset",
    reads=(VIDEOS, FRAMES, DUPLICATES, LABELS),
    project_keys=("classes", "seed", "truth"),
    per_round=True,
    version=4,
)
