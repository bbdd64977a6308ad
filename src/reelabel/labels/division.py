"""The data set of a round divided into train, val and test: by groups of videos, or by time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field, model_validator

from reelabel.config import Settings
from reelabel.errors import SplitError, counted, few
from reelabel.labels.background import BackgroundSettings
from reelabel.labels.copies import METHOD, UNKNOWN
from reelabel.labels.splits import Item, find_groups, find_leaks, split_items, time_blocks

SIDES = TRAIN, VAL, TEST = "train", "val", "test"
HELD_OUT = 0.2
"""Share of the labels that is held out where nothing else is set and there is no truth."""
Near = Iterable[tuple[str, str]]
"""Pairs of ids of videos that share near-duplicates."""


class DivisionSettings(Settings):
    """How footage is divided between training and validation."""

    held_out: float | None = Field(None, ge=0, lt=1)
    """Share of the labels kept out of training for validation, by whole videos; 0 for none. None:
    a fifth without truth, nothing with truth, which is worth more than held-out pseudo-labels, or
    where boxes are drawn in place of a detector (none), as these are few."""
    test_share: float = Field(0.0, ge=0, lt=1)
    """Share of the labels kept out of everything for a last test, by whole videos."""
    single_video: bool = False
    """Split one video by blocks of time. This leaks, and every score made from it is marked."""
    guard_s: float = Field(0.5, ge=0)
    """Seconds left out between the blocks of a single video."""
    same_source: bool = True
    """Keep videos of the same source address together."""

    @model_validator(mode="after")
    def leaves_some(self) -> Self:
        """Refuse shares that leave nothing to train on."""
        if (self.held_out or 0.0) + self.test_share >= 1:
            raise ValueError("held_out and test_share must leave something to train on: below 1")
        return self

    def shares(self, *, has_truth: bool) -> dict[str, float]:
        """Return the share of the labels for each side that gets any, above 0."""
        held_out = self.held_out
        if held_out is None:
            held_out = 0.0 if has_truth else HELD_OUT
        shares = {TRAIN: 1 - held_out - self.test_share, VAL: held_out, TEST: self.test_share}
        return {name: share for name, share in shares.items() if share > 0}


class SplitSettings(DivisionSettings):
    """How footage with boxes is divided between training and validation."""

    hard_frames: bool = True
    """Take frames with hard examples also where a near-duplicate stands for them, and where
    `sample` did not take them."""
    hard_frames_max: int = Field(200, ge=0)
    """So many per video that `sample` did not take, at most; more are thinned evenly."""
    background: BackgroundSettings = BackgroundSettings()
    """When a frame without positive labels is background."""


class ClassSplitSettings(DivisionSettings):
    """How footage with classes is divided between training and validation."""

    held_out: float | None = Field(HELD_OUT, ge=0, lt=1)
    """Share of the labels kept out of training for validation, by whole videos; 0 for none."""


@dataclass(frozen=True)
class VideoFrames:
    """The frames of one video in the data set.

    Attributes:
        time_s: ``(n,)`` seconds of each frame.
        n_labels: ``(n,)`` int64, how many positive labels each frame has.
        classes: class name -> number of positive labels.
        source: the address that the video came from, empty if it is not known.
    """

    time_s: NDArray[np.float64]
    n_labels: NDArray[np.int64]
    classes: Mapping[str, int]
    source: str = ""


@dataclass(frozen=True)
class Division:
    """The side of every frame.

    Attributes:
        sides: video id -> train, val, test or dropped for each of its frames.
        groups: video id -> the group that stays together.
        reason: how it was divided, in words.
        leaks: what stands on two sides, in words.
    """

    sides: dict[str, list[str]]
    groups: dict[str, str]
    reason: str
    leaks: list[str]


def near_pairs(duplicates: Iterable[tuple[str, pa.Table]]) -> list[tuple[str, str]]:
    """Return the pairs of videos that share near-duplicates, sorted.

    Args:
        duplicates: video id and its rows of the table `duplicates`.
    """
    near = {
        (video_id, other)
        for video_id, rows in duplicates
        for other in rows["kept_video_id"].unique().to_pylist()
    }
    return sorted((a, b) for a, b in near if a != b)


@dataclass(frozen=True)
class SameRecording:
    """Pairs of videos that show one recording.

    Attributes:
        copies: what one shows the other shows too.
        continued: one goes on where the other ends, or shows the same scene under the next number.
        unknown: ids of videos that could not be compared.
    """

    copies: tuple[tuple[str, str], ...] = ()
    continued: tuple[tuple[str, str], ...] = ()
    unknown: tuple[str, ...] = ()

    @classmethod
    def of(cls, shards: Iterable[tuple[str, pa.Table]]) -> Self:
        """Return what the rows of the table `copies` hold, by video."""
        rows = [row for _, table in shards for row in table.to_pylist()]
        pairs = {
            kind: tuple((r["video_id"], r["other_video_id"]) for r in rows if r["kind"] == kind)
            for kind in ("copy", "continuation")
        }
        unknown = tuple(r["video_id"] for r in rows if r["kind"] == UNKNOWN)
        return cls(pairs["copy"], pairs["continuation"], unknown)


def divide_recordings(
    videos: Mapping[str, VideoFrames],
    near: Near,
    same: SameRecording,
    settings: DivisionSettings,
    *,
    has_truth: bool = False,
    seed: int = 0,
) -> Division:
    """Return the side of every frame, with what shows one recording on one side.

    Where that would leave too few groups, continuations are divided, then copies too, and named as
    leaks: on plain footage, such as that of a fixed camera, they may be found in error.

    Raises:
        SplitError: if the videos cannot be divided without near-duplicates on both sides.
    """
    call = partial(divide, videos, settings=settings, has_truth=has_truth, seed=seed)
    if same.copies or same.continued:
        for kept in ([*same.copies, *same.continued], same.copies):
            with contextlib.suppress(SplitError):
                return _with_leaks(call([*near, *kept]), same)
    return _with_leaks(call(near), same)


def _with_leaks(found: Division, same: SameRecording) -> Division:
    """Return a division that names the recordings which stand on several sides."""
    side = {name: sides[0] for name, sides in found.sides.items() if sides}
    leaks = [
        f"{a} and {b} show one recording, but {side[a]} and {side[b]}"
        for a, b in (*same.copies, *same.continued)
        if a in side and b in side and side[a] != side[b]
    ]
    return replace(found, leaks=[*found.leaks, *leaks])


def checked_sentence(same: SameRecording, names: Mapping[str, str]) -> str:
    """Return what was searched for copies, what was found, and what that does not exclude.

    Args:
        same: what was found.
        names: of the videos, by id.
    """
    missing = sorted(names.get(video_id, video_id) for video_id in same.unknown)
    unknown = f"; {not_compared(missing)}" if missing else ""
    found = len(same.copies) + len(same.continued)
    what = f"{counted(found, 'pair')} of one recording" if found else "no copy"
    return (
        f"{what} found by {METHOD}, which does not exclude others: copies in which next to nothing "
        "moves, pictures turned by a few degrees, inside others or filmed from a screen, with "
        "borders or captions, or of other brightness, other cameras at the same place"
        f"{unknown}"
    )


def not_compared(names: Sequence[str]) -> str:
    """Return that videos without signatures may be copies of others."""
    return (
        f"without any signature, so not compared: {few(names)}, which may be copies of other videos"
    )


def divide(
    videos: Mapping[str, VideoFrames],
    near: Near,
    settings: DivisionSettings,
    *,
    has_truth: bool = False,
    seed: int = 0,
) -> Division:
    """Return the side of every frame.

    Args:
        videos: video id -> its frames.
        near: pairs of videos that share near-duplicates.
        settings: shares, and what stays together.
        has_truth: whether there is ground truth, so that no labels need to be held out.
        seed: settles what is otherwise equal.

    Raises:
        SplitError: if the videos cannot be divided without leaks.
    """
    near = list(near)
    items = [_item(name, video, settings) for name, video in videos.items()]
    groups = find_groups(items, near)
    shares = settings.shares(has_truth=has_truth)
    labelled = {groups[item.name] for item in items if item.labels}
    if len(shares) > 1 and settings.single_video and len(labelled) == 1:
        return _by_time(videos, groups, shares, settings.guard_s)
    # Videos without labels are background: they follow their group, or go to training.
    dealt = [item for item in items if groups[item.name] in labelled]
    part = _dealt(dealt, near, shares, seed) if dealt else {}
    part = {name: part.get(name, TRAIN) for name in videos}
    leaks = find_leaks(part, groups, near)
    by_groups = f"by groups of videos, {len(labelled)} with labels"
    return Division(
        sides={name: [part[name]] * len(video.time_s) for name, video in videos.items()},
        groups=groups,
        reason=by_groups if len(shares) > 1 else "nothing is held out",
        leaks=[f"{leak.first} and {leak.second}: {leak.why}" for leak in leaks],
    )


def keep_sides(division: Division, before: Mapping[str, Mapping[str, int]]) -> Division:
    """Return a division in which groups stay on the side that they were on in an earlier one.

    Models of both rounds can then be compared on what neither was trained on.

    Args:
        division: of this round.
        before: video id -> side -> frames, of the round before.
    """
    side_of: dict[str, str] = {}
    for name, sides in before.items():
        if name in division.groups and len(sides) == 1:
            side_of.setdefault(division.groups[name], *sides)
    kept = {
        name: [side_of.get(division.groups[name], one) for one in frames]
        for name, frames in division.sides.items()
    }
    return replace(division, sides=kept)


def _item(name: str, video: VideoFrames, settings: DivisionSettings) -> Item:
    source = video.source if settings.same_source else ""
    return Item(name, len(video.time_s), video.classes, source or None)


def _by_time(
    videos: Mapping[str, VideoFrames],
    groups: dict[str, str],
    shares: Mapping[str, float],
    guard_s: float,
) -> Division:
    """Divide the videos with labels into blocks of time; the others are trained on."""
    sides = {
        name: _blocks(video, shares, guard_s) if video.classes else [TRAIN] * len(video.time_s)
        for name, video in videos.items()
    }
    reason = "one video, split by blocks of time: both sides show the same things"
    return Division(sides, groups, reason, leaks=[reason])


def _blocks(video: VideoFrames, shares: Mapping[str, float], guard_s: float) -> list[str]:
    parts = time_blocks(video.time_s, shares=shares, gap_s=guard_s, labels=video.n_labels)
    return [str(part) for part in parts]


def _dealt(
    items: list[Item], near: Near, shares: Mapping[str, float], seed: int
) -> Mapping[str, str]:
    """Return the side of every video.

    Raises:
        SplitError: if there are too few groups, with the settings that allow another division.
    """
    try:
        return split_items(items, near, shares=shares, seed=seed)
    except SplitError as exc:
        ways = (
            "split.single_video: true for one video in blocks of time, split.held_out: 0 for none"
        )
        raise SplitError(f"{exc}; in reelabel.yaml: {ways}") from exc
