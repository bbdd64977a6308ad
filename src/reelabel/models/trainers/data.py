"""Batches for training: which pictures each step sees, and how they are changed.

What a step sees depends on the seed and the step's number alone: not on the number of loading
processes, and not on whether a run was interrupted before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from reelabel.data.boxes import Floats, area
from reelabel.errors import UsageError
from reelabel.models.base import Image
from reelabel.models.trainers.album import Album, Picture, read_image
from reelabel.models.trainers.augment import (
    Change,
    aimed,
    canvas_wh,
    change_boxes,
    change_image,
    cut,
    draw,
    fitted_wh,
    reduce,
)
from reelabel.models.trainers.settings import STRIDE, TrainSettings
from reelabel.models.trainers.students import Target

OBJECT_PX = 128
"""How large the median object shall be where the input's size is chosen by the labels."""
AUTO_SIZES = (320, 640)
"""Smallest and largest input that is chosen so."""

Batch = tuple[Tensor, list[Target]]
"""``(b, 3, height, width)`` uint8 RGB and as many targets."""


@dataclass(frozen=True)
class Draw:
    """One place in one batch: which picture, and the seed of its change."""

    picture: int
    step: int
    slot: int


class Plan:
    """Which picture stands where, for every step there could be.

    Labelled and background pictures are two endless rows of shuffled passes; the share decides
    which row is next. No background picture is seen more often than a labelled one, but those with
    hard negatives, which stand in their row several times.
    """

    def __init__(self, album: Album, settings: TrainSettings) -> None:
        if not album.labelled:
            raise UsageError(
                "expected pictures with positive labels to train on, but of the "
                f"{len(album.pictures)} in train.json none has any: lower the thresholds of "
                "`clean`, or add footage"
            )
        self._rows = tuple(
            _repeated(album, row, settings.negative_repeat)
            for row in (album.labelled, album.background)
        )
        self._seed, self._batch = settings.seed, settings.batch_size
        share = min(settings.background_share, len(album.background) / len(album.labelled))
        self._background = share / (1 + share)
        self.total = total_steps(len(album.labelled), self._background, settings)
        self._order = lru_cache(maxsize=4)(self._shuffled)

    def batch(self, step: int) -> list[Draw]:
        """Return what the step sees."""
        first = step * self._batch
        return [Draw(self._picture(first + slot), step, slot) for slot in range(self._batch)]

    def _picture(self, position: int) -> int:
        before = int(position * self._background)
        if int((position + 1) * self._background) > before:
            return self._nth(1, before)
        return self._nth(0, position - before)

    def _nth(self, row: int, position: int) -> int:
        pictures = self._rows[row]
        turn, place = divmod(position, len(pictures))
        return pictures[int(self._order(row, turn)[place])]

    def _shuffled(self, row: int, turn: int) -> NDArray[np.int64]:
        return np.random.default_rng((self._seed, row, turn)).permutation(len(self._rows[row]))


def _repeated(album: Album, row: Sequence[int], times: int) -> tuple[int, ...]:
    """Return the pictures of a row, those with hard negatives so many times."""
    return tuple(i for i in row for _ in range(times if len(album.pictures[i].negatives) else 1))


def total_steps(labelled: int, background: float, settings: TrainSettings) -> int:
    """Return how many steps a training has.

    Args:
        labelled: how many pictures have labels.
        background: the share of background pictures in a batch, 0..1.
        settings: `max_steps` if given; else `epochs` over the labelled ones, but `min_steps` at
            least.
    """
    if settings.max_steps is not None:
        return settings.max_steps
    seen = settings.epochs * labelled / (1 - background)
    return max(settings.min_steps, int(np.ceil(seen / settings.batch_size)))


class StepSampler(Sampler[list[Draw]]):
    """Hands out one step's draws after the other; process `rank` of `world` gets its part."""

    def __init__(self, plan: Plan, start: int, rank: int = 0, world: int = 1) -> None:
        self._plan, self._start, self._rank, self._world = plan, start, rank, world

    def __iter__(self) -> Iterator[list[Draw]]:
        for step in range(self._start, self._plan.total):
            yield self._plan.batch(step)[self._rank :: self._world]

    def __len__(self) -> int:
        # All steps, also those before the start: the training loop counts those it resumed after.
        return self._plan.total


class Batches(Dataset[Batch]):
    """Makes a whole batch from a step's draws; pictures are kept in memory while there is room."""

    def __init__(self, album: Album, settings: TrainSettings, image_size: int) -> None:
        self._album, self._settings, self._image_size = album, settings, image_size
        self.canvas_wh = common_canvas(album, image_size)
        if settings.crop:
            self.canvas_wh = (
                min(settings.crop, self.canvas_wh[0]),
                min(settings.crop, self.canvas_wh[1]),
            )
        self._kept: dict[int, Image] = {}
        self._room = settings.cache_mb * 2**20

    def __getitem__(self, draws: list[Draw]) -> Batch:
        pairs = [self.example(each) for each in draws]
        return torch.stack([image for image, _ in pairs]), [target for _, target in pairs]

    def example(self, what: Draw) -> tuple[Tensor, Target]:
        """Return one changed picture ``(3, h, w)`` uint8 and its target."""
        picture, image = self._album.pictures[what.picture], self.image(what.picture)
        rng = np.random.default_rng((self._settings.seed, 2, what.step, what.slot))
        size_wh = (image.shape[1], image.shape[0])
        change = draw(rng, self._settings, size_wh)
        if self._settings.crop:
            factor = np.tile(np.array(size_wh, np.float32) / picture.size_wh, 2)
            objects = np.concatenate((picture.boxes, picture.negatives)) * factor
            seen = (objects.astype(np.float32), size_wh)
            change = aimed(change, rng, seen, self.canvas_wh)
        moved = change_image(image, change, self.canvas_wh)
        target = changed_target(picture, change, size_wh, self.canvas_wh)
        return torch.from_numpy(moved).permute(2, 0, 1).contiguous(), target

    def image(self, number: int) -> Image:
        """Return a picture, reduced to the input size."""
        found = self._kept.get(number)
        if found is None:
            found = reduce(read_image(self._album.pictures[number].path), self._image_size)
            if found.nbytes <= self._room:
                self._room -= found.nbytes
                self._kept[number] = found
        return found


def changed_target(
    picture: Picture, change: Change, size_wh: tuple[int, int], canvas: tuple[int, int]
) -> Target:
    """Return the labels of a picture that was reduced to `size_wh` and then changed.

    Boxes of which too little stays visible become ignore regions.
    """
    factor = np.array(size_wh, np.float32) / np.array(picture.size_wh, np.float32)

    def move(xyxy: Floats) -> Floats:
        return change_boxes(xyxy * np.tile(factor, 2), change)

    boxes, good, rest = cut(move(picture.boxes), canvas)
    ignore, large, small = cut(move(picture.ignore), canvas)
    negatives, kept, _ = cut(move(picture.negatives), canvas)
    return Target(
        boxes=torch.from_numpy(boxes[good]),
        labels=torch.from_numpy(picture.labels[good]),
        weights=torch.from_numpy(picture.weights[good]),
        wanted=torch.from_numpy(picture.wanted[good]),
        ignore=torch.from_numpy(np.concatenate((ignore[large | small], boxes[rest]))),
        negatives=torch.from_numpy(negatives[kept]),
    )


def common_canvas(album: Album, image_size: int) -> tuple[int, int]:
    """Return the size of whole strides that holds each of the pictures, once reduced."""
    sizes = [canvas_wh(fitted_wh(each.size_wh, image_size), STRIDE) for each in album.pictures]
    return max(w for w, _ in sizes), max(h for _, h in sizes)


def used_image_size(album: Album, settings: TrainSettings) -> int:
    """Return the input's longest side: as set, but not more than the footage has."""
    longest = max(max(each.size_wh) for each in album.pictures)
    wanted = settings.image_size or _size_for_objects(album)
    return min(wanted, max(64, -(-longest // STRIDE) * STRIDE))


def _size_for_objects(album: Album) -> int:
    """Return the longest side at which the median object measures `OBJECT_PX`."""
    shares = [
        np.sqrt(area(each.boxes)) / max(each.size_wh) for each in album.pictures if len(each.boxes)
    ]
    side = OBJECT_PX / max(float(np.median(np.concatenate(shares))), 1e-3)
    return int(np.clip(round(side / STRIDE) * STRIDE, *AUTO_SIZES))


def _as_is(batch: Any) -> Any:
    return batch


def loader(batches: Batches, sampler: StepSampler, workers: int) -> DataLoader[Batch]:
    """Return the loader that walks through the sampler's steps."""
    return DataLoader(
        batches,
        sampler=sampler,
        batch_size=None,  # the data set makes whole batches itself
        collate_fn=_as_is,
        num_workers=workers,
        # Forked children of a process that has run OpenMP or CUDA threads can hang.
        multiprocessing_context="spawn" if workers else None,
    )


def sample(numbers: Sequence[int], most: int, seed: int) -> list[int]:
    """Return at most so many of the numbers, at random but always the same, in order."""
    if len(numbers) <= most:
        return list(numbers)
    chosen = np.random.default_rng((seed, 3)).choice(len(numbers), most, replace=False)
    return [numbers[i] for i in np.sort(chosen)]
