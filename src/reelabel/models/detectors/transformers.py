"""``hf:HUB_ID_OR_FOLDER``: D-FINE, RT-DETR, DETR, YOLOS and whatever else transformers detects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from reelabel.data.boxes import Boxes
from reelabel.models.base import Image, Predict
from reelabel.models.detectors.suppress import suppressed
from reelabel.models.hub import HubOptions, Located, fit_for, locate, network, processor
from reelabel.models.spec import Request, fingerprint
from reelabel.models.torch_tools import (
    TorchOptions,
    as_detections,
    batch_for,
    computing,
    in_batches,
    pad_aspect,
    pick_device,
)


class TransformersOptions(HubOptions, TorchOptions):
    """Options of ``hf:``."""

    nms_iou: float | None = Field(default=None, ge=0, le=1)
    """Suppression per class; None does none, as these networks are trained to need none."""


@dataclass(frozen=True)
class TransformersDetector:
    """A network behind ``AutoModelForObjectDetection``; see `reelabel.models.base.Detector`."""

    name: str
    classes: tuple[str, ...]
    fingerprint: str
    fit_wh: tuple[int, int] | None
    place: Located
    options: TransformersOptions
    batch_size: int = 1
    in_order: bool = False

    def open(self) -> Predict:
        """Load the network and return the function that finds boxes."""
        from transformers import (  # noqa: PLC0415 -- heavy
            AutoImageProcessor,
            AutoModelForObjectDetection,
        )

        device = pick_device(self.options.device)
        model = network(AutoModelForObjectDetection, self.place).to(device)
        prepare = processor(AutoImageProcessor, self.place)

        def some(pictures: Sequence[Image]) -> list[Boxes]:
            given = [pad_aspect(picture) for picture in pictures]
            sizes_hw = [picture.shape[:2] for picture in given]
            inputs = prepare(given, return_tensors="pt", input_data_format="channels_last")
            with computing(device, self.options.precision):
                outputs = model(**inputs.to(device))
            # Its own default drops everything below 0.5: evidence that mining lives on.
            found = prepare.post_process_object_detection(
                outputs, threshold=self.options.floor, target_sizes=sizes_hw
            )
            return [
                self._finish(one, (p.shape[1], p.shape[0]))
                for one, p in zip(found, pictures, strict=True)
            ]

        return in_batches(some, self.batch_size)

    def _finish(self, one: dict[str, Any], size_wh: tuple[int, int]) -> Boxes:
        boxes, scores, labels = (one[key] for key in ("boxes", "scores", "labels"))
        found = as_detections(boxes, scores, labels, size_wh=size_wh, floor=self.options.floor)
        # Some networks score one more class than they have names for: "nothing here".
        named = found[found.class_id < len(self.classes)]
        return named if self.options.nms_iou is None else suppressed(named, self.options.nms_iou)


def load(request: Request) -> TransformersDetector:
    """Return the detector in a folder or on the hub; weights are read when it is opened.

    Raises:
        ModelError: if there is no such model, or it has changed since it was first used.
    """
    from transformers import AutoImageProcessor  # noqa: PLC0415 -- heavy

    options = request.settings(TransformersOptions)
    place = locate(request, options.revision)
    labels = place.config.id2label
    return TransformersDetector(
        name=request.spec,
        classes=tuple(str(labels[i]) for i in sorted(labels)),
        fingerprint=fingerprint("hf", place.identity, options),
        fit_wh=fit_for(processor(AutoImageProcessor, place).size),
        place=place,
        options=options,
        batch_size=batch_for(options.device),
    )
