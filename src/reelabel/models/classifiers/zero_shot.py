"""``hf-zero-shot-image:HUB_ID_OR_FOLDER``: classes that are described by texts.

CLIP (Radford et al., ICML 2021), SigLIP (Zhai et al., ICCV 2023) and SigLIP 2. Several texts of a
class are averaged as unit vectors, as CLIP's authors do it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from reelabel.errors import ModelError, UsageError, nearest
from reelabel.models.base import Classify, Image
from reelabel.models.classifiers.pictures import ROOM, per_picture, sound
from reelabel.models.hub import HubOptions, Located, fit_for, locate, network, processor
from reelabel.models.spec import Request, fingerprint
from reelabel.models.torch_tools import (
    EmbedOptions,
    batch_for,
    computing,
    pad_aspect,
    pick_device,
)

NONE = "none of these"
"""Name of the class that `none_of_these` describes."""

_SIGLIP = frozenset({"siglip", "siglip2"})
_CLIP = frozenset({"clip", "metaclip_2"})


class ZeroShotImageOptions(HubOptions, EmbedOptions):
    """Options of ``hf-zero-shot-image:``."""

    prompts: dict[str, str | tuple[str, ...]] = Field(default_factory=dict)
    """Class -> texts that describe it, such as {indoor: [a room, inside a building]}; a class that
    is left out is described by its name."""
    template: str | tuple[str, ...] = "a photo of {}."
    """Sentences around each text, which stands for {}; their vectors are averaged."""
    none_of_these: str | tuple[str, ...] = ()
    """Texts that describe pictures of no class; their probability is left over."""
    exclusive: bool = True
    """Exactly one class is right; else each is judged by itself, which needs SigLIP, or texts in
    `none_of_these` to compare with."""


@dataclass(frozen=True)
class ZeroShotClassifier:
    """An image-text network with texts as classes; see `reelabel.models.base.Classifier`.

    Attributes:
        texts: of each class, sentences complete; those of `NONE` last if there are any.
    """

    name: str
    classes: tuple[str, ...]
    fingerprint: str
    fit_wh: tuple[int, int] | None
    place: Located
    texts: tuple[tuple[str, ...], ...]
    options: ZeroShotImageOptions
    batch_size: int = 1
    frames: int = 1
    step_s: float = 0.0

    @property
    def exclusive(self) -> bool:
        """Whether the probabilities of a picture sum to 1."""
        return self.options.exclusive

    def open(self) -> Classify:
        """Load the network and return the function that classifies."""
        from transformers import AutoImageProcessor, AutoModel, AutoTokenizer  # noqa: PLC0415 -- heavy

        device = pick_device(self.options.device)
        model = network(AutoModel, self.place).to(device)
        prepare = processor(AutoImageProcessor, self.place)
        classes = self._text_vectors(model, processor(AutoTokenizer, self.place), device)

        def judge(pictures: Sequence[Image]) -> NDArray[np.float32]:
            given = [pad_aspect(picture) for picture in pictures]
            inputs = prepare(given, return_tensors="pt", input_data_format="channels_last")
            with computing(device, self.options.precision):
                vectors = _unit(_pooled(model.get_image_features(**inputs.to(device))))
            found = self._probabilities(vectors @ classes.T, model)
            return sound(found.cpu().numpy(), self.name)

        return per_picture(judge, len(self.classes), self.batch_size)

    def _text_vectors(self, model: Any, tokenizer: Any, device: str) -> Any:
        """Return ``(k, d)``: the mean direction of the texts of each class."""
        import torch  # noqa: PLC0415 -- heavy

        # SigLIP is trained with texts of full length.
        padding = "max_length" if self.place.config.model_type in _SIGLIP else True
        longest = self.place.config.text_config.max_position_embeddings
        rows = []
        for texts in self.texts:
            encoded = tokenizer(
                list(texts),
                padding=padding,
                truncation=True,
                max_length=longest,
                return_tensors="pt",
            )
            used = {"input_ids", "attention_mask"} & set(tokenizer.model_input_names)
            inputs = {key: encoded[key].to(device) for key in used}
            with computing(device, "float32"):
                rows.append(_unit(_pooled(model.get_text_features(**inputs))).mean(dim=0))
        return _unit(torch.stack(rows))

    def _probabilities(self, cosine: Any, model: Any) -> Any:
        """Return probabilities ``(n, k)`` of cosines ``(n, k)``, or ``(n, k + 1)`` with `NONE`."""
        import torch  # noqa: PLC0415 -- heavy

        with torch.inference_mode():
            logits = cosine.float() * model.logit_scale.float().exp()
            if self.options.exclusive:
                return logits.softmax(dim=1)
            if len(self.texts) > len(self.classes):
                return (logits[:, :-1] - logits[:, -1:]).sigmoid()
            return (logits + model.logit_bias.float()).sigmoid()


def _unit(vectors: Any) -> Any:
    return vectors.float() / vectors.float().norm(dim=-1, keepdim=True)


def _pooled(outputs: Any) -> Any:
    """Return the vectors of an output, which is the vectors alone in earlier versions."""
    return getattr(outputs, "pooler_output", outputs)


def load(request: Request) -> ZeroShotClassifier:
    """Return the classifier in a folder or on the hub; weights are read when it is opened.

    Raises:
        ModelError: if there is no such model, it is of another kind, it has changed since it was
            first used, or there are no classes.
        UsageError: if an option is wrong, or names a class that is not asked for.
    """
    from transformers import AutoImageProcessor  # noqa: PLC0415 -- heavy

    options = request.settings(ZeroShotImageOptions)
    place = locate(request, options.revision)
    kind = place.config.model_type
    if kind not in _CLIP | _SIGLIP:
        raise ModelError(
            f"{request.spec} is a '{kind}' network; zero-shot classification takes "
            f"{', '.join(sorted(_CLIP | _SIGLIP))}"
        )
    if not request.prompts:
        raise ModelError(f"{request.spec} tells apart what texts name: name the wanted classes")
    texts = _texts(request, options, lower=kind in _SIGLIP)
    classes = tuple(request.prompts)
    if options.exclusive and len(texts) > len(classes):
        classes = (*classes, NONE)
    if not options.exclusive and kind in _CLIP and len(texts) == len(classes):
        raise UsageError(
            f"{request.spec} compares texts with each other: give it texts in 'none_of_these', use "
            "a SigLIP model, or set 'exclusive' to true"
        )
    size = processor(AutoImageProcessor, place).size
    return ZeroShotClassifier(
        name=request.spec,
        classes=classes,
        fingerprint=fingerprint("zero-shot-image", place.identity, options, texts),
        fit_wh=_fit_wh(size),
        place=place,
        texts=texts,
        options=options,
        batch_size=batch_for(options.device),
    )


def _fit_wh(size: Any) -> tuple[int, int] | None:
    """Return what pictures may be reduced to: the middle of the short side is taken, or all."""
    short = dict(size or {}).get("shortest_edge")
    return (ROOM * short, ROOM * short) if short else fit_for(size)


def _texts(
    request: Request, options: ZeroShotImageOptions, *, lower: bool
) -> tuple[tuple[str, ...], ...]:
    """Return the complete sentences of each class, and of none of them if there are any.

    SigLIP is trained with texts in lower case.
    """
    for name in options.prompts:
        if name not in request.prompts:
            raise UsageError(
                f"option 'prompts' of {request.spec} describes '{name}'"
                f"{nearest(name, request.prompts)}, but the classes are "
                f"{', '.join(request.prompts)}"
            )
    templates = _several(options.template)
    if not templates or not all("{}" in template for template in templates):
        raise UsageError(
            f"option 'template' of {request.spec}: expected sentences with {{}} for the text, but "
            f"got {options.template!r}"
        )
    groups = [_several(options.prompts.get(name, name)) for name in request.prompts]
    if none := _several(options.none_of_these):
        groups.append(none)
    if not all(group and all(text.strip() for text in group) for group in groups):
        raise UsageError(f"option 'prompts' of {request.spec}: expected texts that are not empty")
    filled = [[t.replace("{}", text) for text in group for t in templates] for group in groups]
    return tuple(tuple(text.lower() if lower else text for text in group) for group in filled)


def _several(texts: str | tuple[str, ...]) -> tuple[str, ...]:
    return (texts,) if isinstance(texts, str) else texts
