"""Networks of timm and torchvision without their last layer, with initial weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from reelabel.errors import ModelError
from reelabel.models.students.classes.inputs import IMAGENET_MEAN, IMAGENET_STD, Preprocessing
from reelabel.models.students.classes.networks.last_layer import load_all, without_last_layer
from reelabel.models.students.classes.networks.quantised import (
    dequantised,
    is_quantised,
    pad_as_tensorflow,
)
from reelabel.models.timm_names import check_timm_name
from reelabel.models.torchvision_names import check_torchvision_name

State = dict[str, Tensor]

TENSORFLOW = "tensorflow"
_BYTES_MEAN = 128 / 255  # quantised networks are given (x - 128) / 128
_FRAMES = {"mvit_v1_b": (16, 16), "mvit_v2_s": (16, 16), "s3d": (14, 1024)}
"""Fewest and most pictures that a network of windows takes; the others take any number."""


@dataclass(frozen=True)
class NetworkSpec:
    """Which network is made, and how.

    Attributes:
        source: ``timm:NAME`` or ``torchvision:NAME``.
        size: side of the input in pixels; 0: the network's own.
        padding: of strided convolutions: tensorflow, or empty for the network's own.
        maps: leave out the mean over the picture, which only networks of timm can.
    """

    source: str
    size: int = 0
    padding: str = ""
    maps: bool = False

    @property
    def name(self) -> str:
        """What the library calls the network."""
        return self.source.partition(":")[2]


@dataclass(frozen=True)
class BaseNetwork:
    """A network without its last layer.

    Attributes:
        net: ``(n, 3, size, size)``, or for windows ``(n, 3, t, size, size)``, -> ``(n, d)``, or
            maps ``(n, d, h, w)``.
        features: d.
        preprocessing: the input.
        padding: tensorflow, or empty.
        last: ``weight (k, d)`` and ``bias (k,)`` of the last layer, if the initial weights hold it.
    """

    net: nn.Module
    features: int
    preprocessing: Preprocessing
    padding: str = ""
    last: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Published:
    """Weights that a network's makers publish: where, and under which licence."""

    url: str
    licence: str


def build(spec: NetworkSpec, state: State | None = None, where: str = "") -> BaseNetwork:
    """Return a network with these weights, or with random ones.

    Args:
        spec: which network.
        state: weights under the maker's names, or quantised.
        where: they are from, for messages.

    Raises:
        ModelError: if the library has no such network, or the weights are those of another.
    """
    library = spec.source.partition(":")[0]
    return (_from_timm if library == "timm" else _from_torchvision)(spec, state, where)


def published(source: str) -> Published:
    """Return where the makers of a network publish its weights.

    Raises:
        ModelError: if they do not, or the library has no such network.
    """
    library, _, name = source.partition(":")
    found = _of_timm(name) if library == "timm" else _of_torchvision(name)
    if not found.url:
        raise ModelError(
            f"expected published weights of {source}, but there are none: name a file in 'weights'"
        )
    return found


def frames_of(source: str, frames: int) -> int:
    """Return how many pictures a network of windows is given, if windows have so many."""
    least, most = _FRAMES.get(source.partition(":")[2], (1, frames))
    return min(max(frames, least), max(most, least))


def _from_timm(spec: NetworkSpec, state: State | None, where: str) -> BaseNetwork:
    import timm  # noqa: PLC0415 -- heavy

    config = _timm_config(spec.name)
    options: dict[str, Any] = {"global_pool": ""} if spec.maps else {}
    if spec.size and config.fixed_input_size:
        options["img_size"] = spec.size
    net = timm.create_model(spec.name, pretrained=False, num_classes=0, **options)
    about = timm.data.resolve_model_data_config(net)
    padding = spec.padding
    if padding == TENSORFLOW:
        pad_as_tensorflow(net)
    if state is not None:
        _load_timm(net, spec.name, state, where)
    how = Preprocessing(
        size=spec.size or about["input_size"][-1],
        resize="crop",
        crop=min(float(about["crop_pct"]), 1.0),
        interpolation="bilinear" if about["interpolation"] == "bilinear" else "bicubic",
        mean=tuple(about["mean"]),
        std=tuple(about["std"]),
    )
    features = int(net.num_features if spec.maps else _timm_features(net))
    last = _last(state or {}, str(config.classifier or ""))
    return BaseNetwork(net, features, how, padding, last)


def _timm_config(name: str) -> Any:
    import timm  # noqa: PLC0415 -- heavy

    check_timm_name(name)
    return timm.get_pretrained_cfg(name)


def _timm_features(net: Any) -> int:
    return int(getattr(net, "head_hidden_size", None) or net.num_features)


def _load_timm(net: nn.Module, name: str, state: State, where: str) -> None:
    """Load weights; those under names of older versions are renamed by the library."""
    import timm  # noqa: PLC0415 -- heavy

    if is_quantised(state):
        load_all(net, dequantised(state, net), where)
        return
    try:
        load_all(net, state, where)
    except ModelError as exc:
        try:
            renamed = timm.create_model(
                name, num_classes=0, pretrained=True, pretrained_cfg_overlay={"state_dict": state}
            )
        except Exception:  # noqa: BLE001 -- whatever the library's conversion gives
            raise exc from None
        load_all(net, renamed.state_dict(), where)


def _of_timm(name: str) -> Published:
    config = _timm_config(name)
    file = config.hf_hub_filename or "model.safetensors"
    hub = f"https://huggingface.co/{config.hf_hub_id}/resolve/main/{file}"
    return Published(hub if config.hf_hub_id else config.url or "", config.license or "")


def _from_torchvision(spec: NetworkSpec, state: State | None, where: str) -> BaseNetwork:
    from torchvision.models import get_model  # noqa: PLC0415 -- heavy

    check_torchvision_name(spec.name, video=True)
    options = {"image_size": spec.size} if spec.size and spec.name.startswith("vit_") else {}
    net = get_model(spec.name, weights=None, **options)
    quantised = state is not None and is_quantised(state)
    if state is not None and quantised:
        state = dequantised(state, net)
    path, features = without_last_layer(net, spec.name)
    padding = spec.padding or (TENSORFLOW if quantised else "")
    if padding == TENSORFLOW:
        pad_as_tensorflow(net)
    if state is not None:
        load_all(net, state, where)
    how = _torchvision_input(spec)
    if quantised:
        mean = (_BYTES_MEAN, _BYTES_MEAN, _BYTES_MEAN)
        how = how.model_copy(update={"mean": mean, "std": mean, "crop": 0.875})
    return BaseNetwork(net, features, how, padding, _last(state or {}, path))


def _torchvision_input(spec: NetworkSpec) -> Preprocessing:
    from torchvision.models import get_model_weights  # noqa: PLC0415 -- heavy

    about = get_model_weights(spec.name).DEFAULT.transforms()
    own, short = about.crop_size[0], about.resize_size[0]
    bicubic = "bicubic" in str(about.interpolation).lower()
    return Preprocessing(
        size=spec.size or own,
        resize="crop",
        crop=min(own / short, 1.0),
        interpolation="bicubic" if bicubic else "bilinear",
        mean=tuple(about.mean or IMAGENET_MEAN),
        std=tuple(about.std or IMAGENET_STD),
    )


def _of_torchvision(name: str) -> Published:
    from torchvision.models import get_model_weights  # noqa: PLC0415 -- heavy

    check_torchvision_name(name, video=True)
    weights = get_model_weights(name).DEFAULT
    return Published(weights.url, weights.meta.get("license", "bsd-3-clause"))


def _last(state: State, path: str) -> dict[str, Tensor]:
    """Return the last layer of a state, a convolution as a linear layer."""
    weight, bias = state.get(f"{path}.weight"), state.get(f"{path}.bias")
    if weight is None or bias is None:
        return {}
    return {"weight": weight.flatten(1), "bias": bias}
