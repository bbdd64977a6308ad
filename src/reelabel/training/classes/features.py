"""Features of a frozen backbone: computed once, then only the head is trained."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from reelabel.data.boxes import Floats
from reelabel.models.students.classes.inference import stacked
from reelabel.models.students.classes.inputs import window_of
from reelabel.models.students.classes.networks.base import ClassNetwork
from reelabel.training.classes.augmentation import flip_share
from reelabel.training.classes.batches import ClassBatch, Inputs, labelled
from reelabel.training.classes.settings import ClassTrainSettings
from reelabel.training.schedule import BatchItem

_TOGETHER = 16  # examples; always the same ones, so that their rounding is the same in every run


class FeatureStore:
    """The features of a split's examples, and of their mirror images.

    Args:
        inputs: the examples.
        views: whether to compute those of mirror images: (False,) or (False, True).
        cache_mb: memory in MB; what exceeds it is computed at each use.
    """

    def __init__(self, inputs: Inputs, views: Sequence[bool], cache_mb: int) -> None:
        self.inputs, self.views, self._room = inputs, views, cache_mb * 2**20
        self._kept: dict[tuple[int, bool], Tensor] = {}
        self._network: ClassNetwork | None = None
        self._device = torch.device("cpu")

    def fill(self, network: ClassNetwork, device: torch.device) -> None:
        """Compute all features that there is room for; call it once before their first use."""
        self._network, self._device = network, device
        for start in range(0, len(self.inputs.data), _TOGETHER):
            numbers = range(start, min(start + _TOGETHER, len(self.inputs.data)))
            for mirrored in self.views:
                found = self._computed(numbers, mirrored)
                size = sum(each.nbytes for each in found)
                if size > self._room:
                    return
                self._room -= size
                self._kept.update(zip(((i, mirrored) for i in numbers), found, strict=True))

    def features(self, number: int, *, mirrored: bool = False) -> Tensor:
        """Return the features ``(t', ...)`` float32 of an example."""
        kept = self._kept.get((number, mirrored))
        return self._computed([number], mirrored)[0] if kept is None else kept

    def _computed(self, numbers: Sequence[int], mirrored: bool) -> list[Tensor]:
        if self._network is None:
            raise AssertionError("features were used before fill()")
        clips = [self.inputs.plain(number, mirrored=mirrored) for number in numbers]
        pictures, lengths = stacked(clips)
        with torch.inference_mode(), torch.autocast(self._device.type, enabled=False):
            found = self._network.features(pictures.to(self._device)).cpu().float()
        whole = found.shape[1] == 1
        taken = zip(found, lengths.tolist(), strict=True)
        return [each.clone() if whole else each[:length].clone() for each, length in taken]


class FeatureBatches(Dataset[ClassBatch]):
    """Makes a whole batch of features from the items of a step; some are of mirror images."""

    def __init__(self, store: FeatureStore, settings: ClassTrainSettings, weight: Floats) -> None:
        self._store, self._settings, self._weight = store, settings, weight
        self._flip = flip_share(settings, store.inputs.data.classes)

    def __getitem__(self, items: list[BatchItem]) -> ClassBatch:
        found = [self._store.features(i.example, mirrored=self._mirrored(i)) for i in items]
        return labelled(stacked_features(found), self._store.inputs.data, self._weight, items)

    def _mirrored(self, item: BatchItem) -> bool:
        rng = np.random.default_rng((self._settings.seed, 2, item.step, item.slot))
        return bool(rng.random() < self._flip)


def stacked_features(found: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Return features ``(t', ...)`` as one batch ``(b, t', ...)``, and their lengths ``(b,)``.

    Shorter ones are filled up with their last row.
    """
    longest = max(map(len, found))
    filled = [torch.stack(window_of(list(each), longest)) for each in found]
    return torch.stack(filled), torch.tensor([len(each) for each in found])
