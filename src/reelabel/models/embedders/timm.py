"""``timm:NAME``: any backbone of timm, its classifier left off."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from reelabel.models.base import Embed, Image
from reelabel.models.embedders.unit import one_by_one
from reelabel.models.spec import Request, fingerprint
from reelabel.models.timm_names import check_timm_name
from reelabel.models.timm_networks import load_network
from reelabel.models.torch_tools import EmbedOptions, computing, pick_device
from reelabel.models.weights import resolve


class TimmOptions(EmbedOptions):
    """Options of ``timm:``."""

    weights: str | None = None
    """State dict as .safetensors or .pth, path or URL; None takes timm's own from the hub."""


@dataclass(frozen=True)
class TimmEmbedder:
    """A timm backbone; pictures are stretched to its input. See `reelabel.models.base.Embedder`."""

    name: str
    fingerprint: str
    dimensions: int
    architecture: str
    size_wh: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    path: str | None
    options: TimmOptions

    @property
    def fit_wh(self) -> tuple[int, int] | None:
        """Twice the input, so that no side of a 2:1 picture falls below it."""
        return 2 * self.size_wh[0], 2 * self.size_wh[1]

    def open(self) -> Embed:
        """Load the network and return the function that embeds pictures."""
        import torch  # noqa: PLC0415 -- heavy

        device = pick_device(self.options.device)
        model = load_network(self.architecture, self.path).to(device)

        def one(picture: Image) -> NDArray[np.float32]:
            tensor = torch.tensor(self._prepared(picture), device=device)
            with computing(device, self.options.precision):
                row: NDArray[np.float32] = model(tensor)[0].float().cpu().numpy()
            return row

        return one_by_one(one, self.dimensions)

    def _prepared(self, picture: Image) -> NDArray[np.float32]:
        fitted = cv2.resize(picture, self.size_wh, interpolation=cv2.INTER_AREA) / 255
        planes = ((fitted - np.array(self.mean)) / np.array(self.std)).transpose(2, 0, 1)
        return np.ascontiguousarray(planes[None], np.float32)


def load(request: Request) -> TimmEmbedder:
    """Return a backbone by timm's name for it.

    Raises:
        ModelError: if the name is unknown, or the weights are missing or changed.
    """
    import timm  # noqa: PLC0415 -- heavy

    options = request.settings(TimmOptions)
    check_timm_name(request.rest)
    weights = resolve(options.weights, home=request.home) if options.weights else None
    empty = timm.create_model(request.rest, pretrained=False, num_classes=0)
    about = timm.data.resolve_model_data_config(empty)
    identity = weights.sha256 if weights else f"timm {timm.__version__}"
    return TimmEmbedder(
        name=request.spec,
        fingerprint=fingerprint("timm", request.rest, identity, options),
        dimensions=int(getattr(empty, "head_hidden_size", None) or empty.num_features),
        architecture=request.rest,
        size_wh=(about["input_size"][2], about["input_size"][1]),
        mean=tuple(about["mean"]),
        std=tuple(about["std"]),
        path=str(weights.path) if weights else None,
        options=options,
    )
