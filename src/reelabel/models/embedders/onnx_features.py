"""``onnx-features:PATH_OR_URL``: pooled inner layers of any convolutional ONNX network.

The last tensors before each halving of the resolution (feature levels) are pooled over the picture:
the mean and the maximum of every channel. So a detector (YOLOX, NanoDet) or a classifier describes
pictures for linear probes, without torch. Each part is taken about its mean over ten rendered
scenes and scaled to length 1: activations are not negative, so without that all pictures would be
alike.

Measured with YOLOX-nano, 640 numbers, on 159 real pictures and videos, one frame each. Cosine of
different scenes: median 0.40, 95 % below 0.63, 99 % below 0.75 (0.90, 0.94 and 0.96 about zero).
Copies: JPEG quality 50 at least 0.89, 10 % more light 0.96, cut by 3 % on each side 0.86, reduced
to a third 0.65. So 0.95 keeps other scenes apart and misses some copies; for near-duplicates
alone ``tiny`` is better.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from reelabel.errors import ModelError
from reelabel.models.base import Embed, Image
from reelabel.models.detectors.nanodet import NanoDet
from reelabel.models.detectors.yolox import Yolox
from reelabel.models.embedders.onnx_inputs import OnnxInputOptions, PictureInput, picture_input
from reelabel.models.embedders.unit import one_by_one, unit_rows
from reelabel.models.onnx_backbone import FeatureLevel, cut_network, feature_levels
from reelabel.models.onnx_session import open_session, run
from reelabel.models.spec import Request, fingerprint
from reelabel.models.weights import resolve
from reelabel.synthetic.footage import make_shot
from reelabel.synthetic.scenery import PLACES, UNSEEN_PLACES

_VERSION = 1
_SCENE_WH = (160, 120)
_PREPARATIONS: dict[type[Yolox | NanoDet], dict[str, Any]] = {
    Yolox: {"mean": (0.0, 0.0, 0.0), "std": (1 / 255, 1 / 255, 1 / 255), "order": "bgr"},
    NanoDet: {"order": "bgr"},  # with the mean and deviation of ImageNet
}
"""What the detectors of these families were trained with."""

Parts = list[NDArray[np.float32]]
"""Mean and maximum of each level in turn, ``(channels,)`` each."""


class OnnxFeaturesOptions(OnnxInputOptions):
    """Options of ``onnx-features:``.

    Where none of mean, std and order is given, a YOLOX or NanoDet detector gets what its family was
    trained with.
    """

    levels: int = Field(default=3, ge=1)
    """How many of the last feature levels are pooled; a network with fewer gives all it has."""


@dataclass(frozen=True)
class OnnxFeaturesEmbedder:
    """Pooled feature levels of a network; see `reelabel.models.base.Embedder`.

    Attributes:
        levels: what is pooled.
        centre: mean response to rendered scenes, which each part is taken about.
    """

    name: str
    fingerprint: str
    path: Path
    input: PictureInput
    levels: tuple[FeatureLevel, ...]
    options: OnnxFeaturesOptions
    centre: tuple[tuple[float, ...], ...]

    @property
    def dimensions(self) -> int:
        """Two numbers for each channel of each level."""
        return sum(2 * level.channels for level in self.levels)

    @property
    def fit_wh(self) -> tuple[int, int] | None:
        """Twice the longer side of the input."""
        return self.input.fit_wh

    def open(self) -> Embed:
        """Open a session of its own and return the function that embeds pictures."""
        network = cut_network(self.path, self.input.shape, self.levels)
        session = open_session(self.path, self.options.device, network)
        centre = [np.array(part, np.float32) for part in self.centre]

        def one(picture: Image) -> NDArray[np.float32]:
            parts = _pooled(session, self.input.prepare(picture, self.options))
            about = [p - c for p, c in zip(parts, centre, strict=True)]
            return np.concatenate([unit_rows(part[None])[0] for part in about])

        return one_by_one(one, self.dimensions)


def _pooled(session: Any, batch: NDArray[np.float32]) -> Parts:
    maps = [output[0] for output in run(session, batch)]
    return [pool(axis=(1, 2)) for m in maps for pool in (m.mean, m.max)]


def load(request: Request) -> OnnxFeaturesEmbedder:
    """Return the embedder that pools the feature levels of a network.

    Raises:
        ModelError: if the file is missing or changed, does not take one picture, or is not
            convolutional.
    """
    options = request.settings(OnnxFeaturesOptions)
    weights = resolve(request.rest, home=request.home)
    whole = open_session(weights.path, options.device)
    picture = picture_input(whole, weights.path, options.side)
    options = _prepared_as_trained(options, whole, picture)
    levels = feature_levels(weights.path, picture.shape, options.levels)
    network = cut_network(weights.path, picture.shape, levels)
    session = open_session(weights.path, options.device, network)
    return OnnxFeaturesEmbedder(
        name=request.spec,
        fingerprint=fingerprint("onnx-features", _VERSION, weights.sha256, options),
        path=weights.path,
        input=picture,
        levels=levels,
        options=options,
        centre=_centre(session, picture, options),
    )


def _prepared_as_trained(
    options: OnnxFeaturesOptions, session: Any, picture: PictureInput
) -> OnnxFeaturesOptions:
    """Return the options with the preparation of a known family, unless the user gave one."""
    if picture.channels_last or options.model_fields_set & {"mean", "std", "order"}:
        return options
    try:
        outputs = run(session, np.zeros(picture.shape, np.float32))
    except ModelError:  # of a fixed batch size, for example: no detector that is known here
        return options
    for family, preparation in _PREPARATIONS.items():
        if family.recognise(picture.size_wh, outputs) is not None:
            return options.model_copy(update=preparation)
    return options


def _centre(
    session: Any, picture: PictureInput, options: OnnxFeaturesOptions
) -> tuple[tuple[float, ...], ...]:
    """Return the mean of each part over one rendered picture of every place."""
    places = (*PLACES, *UNSEEN_PLACES)
    shots = (make_shot(i, frames=2, size_wh=_SCENE_WH, place=p) for i, p in enumerate(places))
    rows = [_pooled(session, picture.prepare(shot.draw(0)[0], options)) for shot in shots]
    return tuple(tuple(np.mean(part, axis=0).tolist()) for part in zip(*rows, strict=True))
