"""``onnx:PATH_OR_URL``: any ONNX network that turns one picture into one vector."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reelabel.errors import ModelError
from reelabel.models.base import Embed, Image
from reelabel.models.embedders.onnx_inputs import OnnxInputOptions, PictureInput, picture_input
from reelabel.models.embedders.unit import one_by_one
from reelabel.models.onnx_session import describe, open_session, run
from reelabel.models.spec import Request, fingerprint
from reelabel.models.weights import resolve


@dataclass(frozen=True)
class OnnxEmbedder:
    """An ONNX network; pictures are stretched to its input. See `reelabel.models.base.Embedder`."""

    name: str
    fingerprint: str
    dimensions: int
    path: Path
    input: PictureInput
    options: OnnxInputOptions

    @property
    def fit_wh(self) -> tuple[int, int] | None:
        """Twice the longer side of the input."""
        return self.input.fit_wh

    def open(self) -> Embed:
        """Open a session of its own and return the function that embeds pictures."""
        session = open_session(self.path, self.options.device)

        def one(picture: Image) -> NDArray[np.float32]:
            return run(session, self.input.prepare(picture, self.options))[0].ravel()

        return one_by_one(one, self.dimensions)


def load(request: Request) -> OnnxEmbedder:
    """Return the embedder in an ONNX file.

    Raises:
        ModelError: if the file is missing or changed, or does not turn one picture into one
            vector.
    """
    options = request.settings(OnnxInputOptions)
    weights = resolve(request.rest, home=request.home)
    session = open_session(weights.path, options.device)
    picture = picture_input(session, weights.path, options.side)
    outputs = run(session, np.zeros(picture.shape, np.float32))
    if len(outputs) != 1 or outputs[0].size != outputs[0].shape[-1]:
        vectors = [o for o in outputs if o.size == np.prod(o.shape[1:2])]
        shown = f"{len(outputs)} outputs, {len(vectors)} of them vectors"
        raise ModelError(
            f"{weights.path} should turn one picture into one vector, but gives {shown}: "
            f"{describe(session)}. Its inner layers make a vector as 'onnx-features:{request.rest}'"
        )
    return OnnxEmbedder(
        name=request.spec,
        fingerprint=fingerprint("onnx-embedder", weights.sha256, options),
        dimensions=outputs[0].size,
        path=weights.path,
        input=picture,
        options=options,
    )
