"""Batches for training: pictures and targets of a step, augmented."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from reelabel.data.boxes import Floats
from reelabel.media.pictures import read_rgb
from reelabel.models.base import Image
from reelabel.models.students.inputs import STRIDE, canvas_wh, fitted_wh, reduce
from reelabel.models.students.targets import Target
from reelabel.training.augmentation import Augmentation, augment_image
from reelabel.training.boxes.augmentation import augment_boxes, clip_visible, crop_around, sample
from reelabel.training.boxes.pasting import ObjectPaster
from reelabel.training.boxes.settings import BoxTrainSettings
from reelabel.training.boxes.training_set import TrainingPicture, TrainingSet, target_scores
from reelabel.training.picture_store import PictureStore
from reelabel.training.schedule import BatchItem

Batch = tuple[Tensor, list[Target]]
"""``(b, 3, height, width)`` uint8 RGB and as many targets."""


class PictureCache:
    """The pictures of a training set, reduced to the input size; decoded once if there is room."""

    def __init__(self, data: TrainingSet, image_size: int, cache_mb: int) -> None:
        self._data, self._image_size = data, image_size
        self._store = PictureStore(cache_mb)

    def image(self, number: int) -> Image:
        """Return a picture ``(h, w, 3)``, reduced to the input size.

        Raises:
            DecodeError: if its file is missing or damaged.
        """
        found = self._store.get(number)
        if found is None:
            found = reduce(read_rgb(self._data.pictures[number].path), self._image_size)
            self._store.put(number, found)
        return found


class Batches(Dataset[Batch]):
    """Makes a whole batch from the items of a step."""

    def __init__(self, data: TrainingSet, settings: BoxTrainSettings, image_size: int) -> None:
        self._data, self._settings = data, settings
        self._cache = PictureCache(data, image_size, settings.cache_mb)
        self._paster = ObjectPaster(data, settings, self._cache.image)
        self.canvas_wh = common_canvas(data, image_size)
        if settings.crop:
            self.canvas_wh = (
                min(settings.crop, self.canvas_wh[0]),
                min(settings.crop, self.canvas_wh[1]),
            )

    def __getitem__(self, items: list[BatchItem]) -> Batch:
        pairs = [self.example(each) for each in items]
        return torch.stack([image for image, _ in pairs]), [target for _, target in pairs]

    def example(self, item: BatchItem) -> tuple[Tensor, Target]:
        """Return one augmented picture ``(3, h, w)`` uint8 and its target."""
        # Generators of their own: what is pasted changes no other augmentation.
        rng, pasting = (
            np.random.default_rng((self._settings.seed, stream, item.step, item.slot))
            for stream in (2, 4)
        )
        picture, image = self._paster.example(item.example, pasting)
        size_wh = (image.shape[1], image.shape[0])
        augmentation = sample(rng, self._settings, size_wh)
        if self._settings.crop:
            augmentation = crop_around(
                augmentation,
                rng,
                reduced(self._crop_objects(picture, pasting), picture, size_wh),
                size_wh=size_wh,
                canvas_wh=self.canvas_wh,
            )
        augmented = augment_image(image, augmentation, self.canvas_wh)
        target = self.target(picture, augmentation, size_wh)
        return torch.from_numpy(augmented).permute(2, 0, 1).contiguous(), target

    def _crop_objects(self, picture: TrainingPicture, rng: np.random.Generator) -> Floats:
        """Return the boxes of which one is in the crop: none if the crop may lie anywhere."""
        objects = np.concatenate((picture.positive.xyxy, picture.negative.xyxy))
        is_anywhere = rng.random() < self._settings.crop_anywhere
        return objects[:0] if is_anywhere else objects

    def target(
        self, picture: TrainingPicture, augmentation: Augmentation, size_wh: tuple[int, int]
    ) -> Target:
        """Return the labels of a picture that was reduced to `size_wh` and then augmented.

        Positive boxes that are only partly visible become ignore regions.
        """

        def moved(xyxy: Floats) -> tuple[Floats, Any, Any]:
            boxes = augment_boxes(reduced(xyxy, picture, size_wh), augmentation)
            return clip_visible(boxes, self.canvas_wh)

        positive = picture.positive
        boxes, visible, partly = moved(positive.xyxy)
        ignore, large, small = moved(picture.ignore.xyxy)
        negative, kept, _ = moved(picture.negative.xyxy)
        scores = target_scores(positive, self._settings.soft_lambda)
        return Target(
            xyxy=torch.from_numpy(boxes[visible]),
            class_id=torch.from_numpy(positive.class_id[visible]),
            target_score=torch.from_numpy(scores[visible]),
            ignore=torch.from_numpy(np.concatenate((ignore[large | small], boxes[partly]))),
            negative=torch.from_numpy(negative[kept]),
        )


def reduced(xyxy: Floats, picture: TrainingPicture, size_wh: tuple[int, int]) -> Floats:
    """Return boxes ``(n, 4)`` of a picture in the pixels of its reduced copy of this size."""
    factor = np.array(size_wh, np.float32) / np.array(picture.size_wh, np.float32)
    boxes: Floats = xyxy * np.tile(factor, 2)
    return boxes


def common_canvas(data: TrainingSet, image_size: int) -> tuple[int, int]:
    """Return the size of whole strides that holds each of the pictures, once reduced."""
    sizes = [canvas_wh(fitted_wh(each.size_wh, image_size), STRIDE) for each in data.pictures]
    return max(w for w, _ in sizes), max(h for _, h in sizes)
