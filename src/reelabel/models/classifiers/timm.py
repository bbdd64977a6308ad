"""``timm:NAME``: any classifier of timm, by default with ImageNet's classes.

A class of ImageNet (Russakovsky et al., 2015) has several names, such as ``tabby, tabby cat``, and
the number of its WordNet synset, ``n02123045``: a map of classes may use any of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reelabel.errors import ModelError, few
from reelabel.models.base import Classify, Image
from reelabel.models.classifiers.pictures import ROOM, per_picture, sound
from reelabel.models.names import given_names
from reelabel.models.spec import Request, fingerprint
from reelabel.models.timm_names import check_timm_name
from reelabel.models.timm_networks import load_network
from reelabel.models.torch_tools import (
    EmbedOptions,
    batch_for,
    computing,
    pad_aspect,
    pick_device,
)
from reelabel.models.weights import resolve


class TimmClassifierOptions(EmbedOptions):
    """Options of ``timm:``."""

    weights: str | None = None
    """State dict as .safetensors or .pth, path or URL; None takes timm's own from the hub."""
    labels: str | tuple[str, ...] | None = None
    """Class names in the network's order, or a text file with one per line; None takes those of
    ImageNet."""
    exclusive: bool = True
    """Exactly one class is right; else each class is judged by itself."""


@dataclass(frozen=True)
class TimmClassifier:
    """A network of timm; see `reelabel.models.base.Classifier`."""

    name: str
    classes: tuple[str, ...]
    fingerprint: str
    fit_wh: tuple[int, int] | None
    architecture: str
    path: str | None
    options: TimmClassifierOptions
    batch_size: int = 1
    frames: int = 1
    step_s: float = 0.0

    @property
    def exclusive(self) -> bool:
        """Whether the probabilities of a picture sum to 1."""
        return self.options.exclusive

    def open(self) -> Classify:
        """Load the network and return the function that classifies."""
        import torch  # noqa: PLC0415 -- heavy
        from PIL import Image as Pillow  # noqa: PLC0415 -- on demand
        from timm.data import create_transform, resolve_model_data_config  # noqa: PLC0415 -- heavy

        device = pick_device(self.options.device)
        model = load_network(self.architecture, self.path, classes=len(self.classes))
        prepare = create_transform(**resolve_model_data_config(model))
        model = model.to(device)

        def judge(pictures: Sequence[Image]) -> NDArray[np.float32]:
            given = [prepare(Pillow.fromarray(pad_aspect(picture))) for picture in pictures]
            with computing(device, self.options.precision):
                logits = model(torch.stack(given).to(device)).float()
                found = logits.softmax(dim=1) if self.exclusive else logits.sigmoid()
            return sound(found.cpu().numpy(), self.name)

        return per_picture(judge, len(self.classes), self.batch_size)


def load(request: Request) -> TimmClassifier:
    """Return a classifier by timm's name for it; weights are read when it is opened.

    Raises:
        ModelError: if the name is unknown, the weights are missing or changed, or the classes
            have no names.
    """
    import timm  # noqa: PLC0415 -- heavy

    options = request.settings(TimmClassifierOptions)
    check_timm_name(request.rest)
    weights = resolve(options.weights, home=request.home) if options.weights else None
    labels = given_names(request, options.labels)
    sizes = {"num_classes": len(labels)} if labels else {}
    empty = timm.create_model(request.rest, pretrained=False, **sizes)
    about = timm.data.resolve_model_data_config(empty)
    classes = labels or _imagenet_names(empty, request)
    identity = weights.sha256 if weights else f"timm {timm.__version__}"
    side = ROOM * round(max(about["input_size"][1:]) / about["crop_pct"])
    return TimmClassifier(
        name=request.spec,
        classes=classes,
        fingerprint=fingerprint("timm-classifier", request.rest, identity, options, classes),
        fit_wh=(side, side),
        architecture=request.rest,
        path=str(weights.path) if weights else None,
        options=options,
        batch_size=batch_for(options.device),
    )


def _imagenet_names(model: Any, request: Request) -> tuple[str, ...]:
    """Return a name for each class: the one that is asked for, else its first that is unique."""
    from timm.data import ImageNetInfo, infer_imagenet_subset  # noqa: PLC0415 -- heavy

    subset = infer_imagenet_subset(model)
    if subset is None:
        raise ModelError(
            f"{request.spec} has {model.num_classes} classes, but no names are known: set its "
            "option 'labels' to the names, or to a text file with one per line"
        )
    about = ImageNetInfo(subset)
    synsets = [about.index_to_label_name(i) for i in range(about.num_classes())]
    names = [about.index_to_description(i).split(", ") for i in range(about.num_classes())]
    return imagenet_names(synsets, names, request.prompts)


def imagenet_names(
    synsets: Sequence[str], names: Sequence[Sequence[str]], asked: Sequence[str]
) -> tuple[str, ...]:
    """Return one name for each class, no two alike.

    Args:
        synsets: the WordNet number of each class.
        names: the names of each class, the usual one first.
        asked: names, numbers of synsets, or others; a class that has one of them gets it.

    Raises:
        ModelError: if a name that is asked for is one of several classes.
    """
    wanted = set(asked)
    count = Counter(name for each in names for name in set(each))
    found = []
    for synset, each in zip(synsets, names, strict=True):
        chosen = [name for name in (synset, *each) if name in wanted]
        if chosen and count[chosen[0]] > 1:
            same = [s for s, other in zip(synsets, names, strict=True) if chosen[0] in other]
            raise ModelError(
                f"expected the name of one class, but '{chosen[0]}' is a name of {few(same)}: use "
                "one of these"
            )
        unique = [name for name in each if count[name] == 1]
        found.append((chosen or unique or [f"{each[0]} {synset}"])[0])
    return tuple(found)
