"""``torchvision:NAME``: the detectors of torchvision, with its COCO weights or with one's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reelabel.data.boxes import Boxes
from reelabel.errors import ModelError, first_of, nearest
from reelabel.models.base import Image, Predict
from reelabel.models.spec import Request, fingerprint
from reelabel.models.torch_tools import (
    TorchOptions,
    as_detections,
    batch_for,
    computing,
    in_batches,
    pick_device,
    read_state,
)
from reelabel.models.weights import resolve

_LONGEST_SIDE = 1333
"""What torchvision's detectors reduce pictures to by themselves; those with less take less."""


class TorchvisionOptions(TorchOptions):
    """Options of ``torchvision:``."""

    weights: str | None = None
    """State dict as .pth or .safetensors, path or URL; None takes torchvision's own for COCO."""
    classes: tuple[str, ...] = ()
    """Names of one's own weights in their order, without the background."""


@dataclass(frozen=True)
class TorchvisionDetector:
    """A detector of torchvision; see `reelabel.models.base.Detector`."""

    name: str
    classes: tuple[str, ...]
    fingerprint: str
    builder: str
    path: Path
    options: TorchvisionOptions
    batch_size: int = 1
    in_order: bool = False
    fit_wh: tuple[int, int] | None = (_LONGEST_SIDE, _LONGEST_SIDE)

    def open(self) -> Predict:
        """Build the network, load its weights and return the function that finds boxes."""
        import torch  # noqa: PLC0415 -- heavy

        device = pick_device(self.options.device)
        model = _network(self.builder, len(self.classes), self.path, self.options.floor)
        model.to(device)

        def some(pictures: Sequence[Image]) -> list[Boxes]:
            tensors = [
                torch.tensor(p, device=device).permute(2, 0, 1).float() / 255 for p in pictures
            ]
            with computing(device, self.options.precision):
                found = model(tensors)
            return [
                self._one(one, (p.shape[1], p.shape[0]))
                for one, p in zip(found, pictures, strict=True)
            ]

        return in_batches(some, self.batch_size)

    def _one(self, one: dict[str, Any], size_wh: tuple[int, int]) -> Boxes:
        real = one["labels"] > 0  # 0 is the background
        boxes, scores, labels = (one[key][real] for key in ("boxes", "scores", "labels"))
        return as_detections(boxes, scores, labels - 1, size_wh=size_wh, floor=self.options.floor)


def _network(builder: str, n_classes: int, path: Path, floor: float) -> Any:
    """Return a network with its weights, ready to predict."""
    from torchvision.models import get_model  # noqa: PLC0415 -- heavy

    model = get_model(builder, weights=None, weights_backbone=None, num_classes=n_classes + 1)
    try:
        model.load_state_dict(read_state(path))
    except (RuntimeError, TypeError, AttributeError) as exc:
        reason = " ".join(str(exc).split())[:300]
        raise ModelError(
            f"the weights in {path} are not those of {builder} with {n_classes} classes and "
            f"background ({reason}): name the builder and the classes that they were trained with"
        ) from exc
    # Two-stage detectors keep the score threshold in their second stage.
    (model.roi_heads if hasattr(model, "roi_heads") else model).score_thresh = floor
    return model.eval()


def load(request: Request) -> TorchvisionDetector:
    """Return a detector by torchvision's name for it.

    Raises:
        ModelError: if the name is unknown, or the weights are missing, changed, or have no names.
    """
    from torchvision.models import get_model_weights  # noqa: PLC0415 -- heavy

    options = request.settings(TorchvisionOptions)
    check_name(request)
    if options.weights is None:
        best = get_model_weights(request.rest).DEFAULT
        where, classes = best.url, tuple(best.meta["categories"][1:])
    else:
        where, classes = options.weights, options.classes
    if not classes:
        raise ModelError(f"set the option 'classes' of {request.spec}: {where} carries no names")
    weights = resolve(where, home=request.home)
    return TorchvisionDetector(
        name=request.spec,
        classes=classes,
        fingerprint=fingerprint("torchvision", request.rest, weights.sha256, classes, options),
        builder=request.rest,
        path=weights.path,
        options=options,
        batch_size=batch_for(options.device),
    )


def check_name(request: Request) -> None:
    """Check that torchvision has a detector of that name.

    Raises:
        ModelError: if it has not, with the nearest name.
    """
    from torchvision.models import detection, list_models  # noqa: PLC0415 -- heavy

    known = list_models(module=detection)
    if request.rest not in known:
        raise ModelError(
            f"torchvision has no detector '{request.rest}'{nearest(request.rest, known)}; "
            f"it has {first_of(sorted(known))}"
        )
