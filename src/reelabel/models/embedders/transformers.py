"""``hf:HUB_ID_OR_FOLDER``: CLIP, SigLIP, DINOv2 and other picture encoders of transformers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reelabel.errors import ModelError
from reelabel.models.base import Embed, Image
from reelabel.models.embedders.unit import one_by_one
from reelabel.models.hub import HubOptions, Located, fit_for, locate, network, processor
from reelabel.models.spec import Request, fingerprint
from reelabel.models.torch_tools import EmbedOptions, computing, pad_aspect, pick_device


class TransformersEmbedderOptions(HubOptions, EmbedOptions):
    """Options of ``hf:``."""


@dataclass(frozen=True)
class TransformersEmbedder:
    """A picture encoder behind ``AutoModel``; see `reelabel.models.base.Embedder`."""

    name: str
    fingerprint: str
    fit_wh: tuple[int, int] | None
    dimensions: int
    place: Located
    options: TransformersEmbedderOptions

    def open(self) -> Embed:
        """Load the network and return the function that embeds pictures."""
        from transformers import AutoImageProcessor, AutoModel  # noqa: PLC0415 -- heavy

        device = pick_device(self.options.device)
        model = network(AutoModel, self.place).to(device)
        prepare = processor(AutoImageProcessor, self.place)

        def one(picture: Image) -> NDArray[np.float32]:
            inputs = prepare(
                [pad_aspect(picture)], return_tensors="pt", input_data_format="channels_last"
            )
            with computing(device, self.options.precision):
                vector = _vector(model, inputs.to(device))
            row: NDArray[np.float32] = vector[0].float().cpu().numpy()
            return row

        return one_by_one(one, self.dimensions)


def _vector(model: Any, inputs: Any) -> Any:
    """Return ``(1, d)``: the model's own picture vector, else its pooled or first token."""
    if hasattr(model, "get_image_features"):
        outputs = model.get_image_features(**inputs)
    else:
        outputs = model(**inputs)
    pooled = getattr(outputs, "pooler_output", None)
    if pooled is not None:
        return pooled.flatten(1)
    return outputs.last_hidden_state[:, 0] if hasattr(outputs, "last_hidden_state") else outputs


def _dimensions(config: Any) -> int:
    own = getattr(config, "projection_dim", None)
    vision = getattr(config, "vision_config", config)
    size = own or getattr(vision, "hidden_size", None)
    if size is None and getattr(vision, "hidden_sizes", None):
        size = vision.hidden_sizes[-1]
    if not isinstance(size, int):
        raise ModelError(f"a '{config.model_type}' network gives no picture vector: name another")
    return size


def load(request: Request) -> TransformersEmbedder:
    """Return the encoder in a folder or on the hub; weights are read when it is opened.

    Raises:
        ModelError: if there is no such model, or it has changed since it was first used.
    """
    from transformers import AutoImageProcessor  # noqa: PLC0415 -- heavy

    options = request.settings(TransformersEmbedderOptions)
    place = locate(request, options.revision)
    return TransformersEmbedder(
        name=request.spec,
        fingerprint=fingerprint("hf-embedder", place.identity, options),
        fit_wh=fit_for(processor(AutoImageProcessor, place).size),
        dimensions=_dimensions(place.config),
        place=place,
        options=options,
    )
