"""``hf-zero-shot:HUB_ID_OR_FOLDER``: networks that detect what a text names.

Grounding DINO (Liu et al., 2023; also its MM variant) and OWL-ViT / OWLv2 (Minderer et al., 2022
and 2023). The class names are the prompts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from reelabel.data.boxes import Boxes
from reelabel.errors import ModelError
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

_GROUNDED = frozenset({"grounding-dino", "mm-grounding-dino"})
_OWL = frozenset({"owlvit", "owlv2"})


class ZeroShotOptions(HubOptions, TorchOptions):
    """Options of ``hf-zero-shot:``."""

    nms_iou: float = Field(default=0.65, ge=0, le=1)
    """Of two boxes of one class that overlap by more than this, the better one stays."""


@dataclass(frozen=True)
class ZeroShotDetector:
    """A network with text prompts as classes; see `reelabel.models.base.Detector`."""

    name: str
    classes: tuple[str, ...]
    fingerprint: str
    fit_wh: tuple[int, int] | None
    place: Located
    options: ZeroShotOptions
    batch_size: int = 1
    in_order: bool = False

    def open(self) -> Predict:
        """Load the network and return the function that finds boxes."""
        from transformers import (  # noqa: PLC0415 -- heavy
            AutoModelForZeroShotObjectDetection,
            AutoProcessor,
        )

        device = pick_device(self.options.device)
        model = network(AutoModelForZeroShotObjectDetection, self.place).to(device)
        prepare = processor(AutoProcessor, self.place)
        read = _read_grounded if self.place.config.model_type in _GROUNDED else _read_owl

        def some(pictures: Sequence[Image]) -> list[Boxes]:
            given = [pad_aspect(picture) for picture in pictures]
            sizes_hw = [picture.shape[:2] for picture in given]
            inputs = prepare(
                images=given,
                text=[[prompt.lower() for prompt in self.classes]] * len(pictures),
                return_tensors="pt",
                input_data_format="channels_last",
            ).to(device)
            with computing(device, self.options.precision):
                outputs = model(**inputs)
            found = read(prepare, inputs, outputs, sizes_hw)
            return [
                self._finish(one, (p.shape[1], p.shape[0]))
                for one, p in zip(found, pictures, strict=True)
            ]

        return in_batches(some, self.batch_size)

    def _finish(self, one: tuple[Any, Any, Any], size_wh: tuple[int, int]) -> Boxes:
        boxes, scores, labels = one
        found = as_detections(boxes, scores, labels, size_wh=size_wh, floor=self.options.floor)
        return suppressed(found, self.options.nms_iou)


def _read_owl(
    prepare: Any, _inputs: Any, outputs: Any, sizes_hw: list[tuple[int, int]]
) -> list[tuple[Any, Any, Any]]:
    """Return boxes, scores and labels of each picture: one column per prompt."""
    found = prepare.post_process_grounded_object_detection(
        outputs, threshold=0.0, target_sizes=sizes_hw
    )
    return [(one["boxes"], one["scores"], one["labels"]) for one in found]


def _read_grounded(
    prepare: Any, inputs: Any, outputs: Any, sizes_hw: list[tuple[int, int]]
) -> list[tuple[Any, Any, Any]]:
    """Return boxes, scores and labels of each picture: a prompt is as good as its best word.

    The library's own reading gives phrases of words above a threshold, which may match no
    prompt; here each box belongs to exactly one.
    """
    import torch  # noqa: PLC0415 -- heavy

    columns = _prompt_columns(inputs["input_ids"][0], prepare.tokenizer)
    logits = outputs.logits.float()
    per_prompt = torch.stack([logits[..., c].amax(dim=-1) for c in columns], dim=-1)
    best, labels = per_prompt.sigmoid().max(dim=-1)
    centre, size = outputs.pred_boxes.float().split(2, dim=-1)
    scale = torch.tensor([[w, h, w, h] for h, w in sizes_hw], device=size.device)
    boxes = torch.cat([centre - size / 2, centre + size / 2], dim=-1) * scale[:, None]
    return list(zip(boxes, best, labels, strict=True))


def _prompt_columns(token_ids: Any, tokenizer: Any) -> list[list[int]]:
    """Return which tokens each prompt has: the text reads ``first prompt. second. third.``."""
    full_stop = tokenizer.convert_tokens_to_ids(".")
    special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    columns: list[list[int]] = [[]]
    for i, token in enumerate(token_ids.tolist()):
        if token == full_stop:
            columns.append([])
        elif token not in special:
            columns[-1].append(i)
    return [c for c in columns if c]


def load(request: Request) -> ZeroShotDetector:
    """Return the detector in a folder or on the hub; weights are read when it is opened.

    Raises:
        ModelError: if there is no such model, it is of another kind, it has changed since it was
            first used, or there are no words to look for.
    """
    from transformers import AutoProcessor  # noqa: PLC0415 -- heavy

    options = request.settings(ZeroShotOptions)
    place = locate(request, options.revision)
    if place.config.model_type not in _GROUNDED | _OWL:
        raise ModelError(
            f"{request.spec} is a '{place.config.model_type}' network; zero-shot takes "
            f"{', '.join(sorted(_GROUNDED | _OWL))}"
        )
    if not request.prompts or any("." in p or not p.strip() for p in request.prompts):
        raise ModelError(
            f"{request.spec} detects what a text names: expected class names without full stops, "
            f"but got {list(request.prompts)}"
        )
    return ZeroShotDetector(
        name=request.spec,
        classes=request.prompts,
        fingerprint=fingerprint("zero-shot", place.identity, options, request.prompts),
        fit_wh=fit_for(processor(AutoProcessor, place).image_processor.size),
        place=place,
        options=options,
        batch_size=batch_for(options.device),
    )
