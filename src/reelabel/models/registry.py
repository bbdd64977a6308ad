"""Models by name: ``kind:rest`` becomes a `Detector`, a `Classifier` or an `Embedder`.

A package of one's own adds kinds through entry points in the groups below; each names a
function that takes a `reelabel.models.spec.Request`. What comes with us stands in the same table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from reelabel.errors import MissingExtra, ModelError, nearest
from reelabel.models.base import Classifier, Detector, Embedder
from reelabel.models.classifiers.mapped import RestOptions, wanted_classes
from reelabel.models.detectors.mapped import wanted_only
from reelabel.models.foreign import checkpoint_advice
from reelabel.models.spec import Request
from reelabel.short_names import FUSED, RELEASED, RELEASED_SHA256, full_name

DETECTORS = "reelabel.detectors"
CLASSIFIERS = "reelabel.classifiers"
EMBEDDERS = "reelabel.embedders"

_BUILT_IN = {
    DETECTORS: {
        "callable": "reelabel.models.detectors.callable:load",
        "detections-txt": "reelabel.models.detectors.recorded:load",
        "fake": "reelabel.models.detectors.fake:load",
        FUSED: "reelabel.models.detectors.fused:load",
        "hf": "reelabel.models.detectors.transformers:load",
        "hf-zero-shot": "reelabel.models.detectors.zero_shot:load",
        "motion": "reelabel.models.detectors.motion:load",
        "none": "reelabel.models.detectors.nothing:load",
        "onnx": "reelabel.models.detectors.onnx:load",
        "round": "reelabel.models.detectors.student:load_round",
        "start": "reelabel.models.detectors.student:load_start",
        "student": "reelabel.models.detectors.student:load",
        "torchvision": "reelabel.models.detectors.torchvision:load",
    },
    CLASSIFIERS: {
        "callable": "reelabel.models.classifiers.callable:load",
        "fake": "reelabel.models.classifiers.fake:load",
        "hf-zero-shot-image": "reelabel.models.classifiers.zero_shot:load",
        "onnx": "reelabel.models.classifiers.onnx:load",
        "round": "reelabel.models.classifiers.student:load_round",
        "student": "reelabel.models.classifiers.student:load",
        "timm": "reelabel.models.classifiers.timm:load",
    },
    EMBEDDERS: {
        "fake": "reelabel.models.embedders.fake:load",
        "hf": "reelabel.models.embedders.transformers:load",
        "onnx": "reelabel.models.embedders.onnx:load",
        "onnx-features": "reelabel.models.embedders.onnx_features:load",
        "timm": "reelabel.models.embedders.timm:load",
        "tiny": "reelabel.models.embedders.tiny:load",
    },
}

_TRAIN_EXTRA = frozenset({
    "lightning",
    "safetensors",
    "tensorboard",
    "timm",
    "torch",
    "torchvision",
    "transformers",
})


ALONE = frozenset({"motion", "none", "tiny"})
"""Kinds that stand alone, without a colon."""
NOT_NAMED = frozenset({"callable", "fake", "round", "start"})
"""Kinds that the program itself names, or tests."""
_CLASSIFY = "a classifier such as hf-zero-shot-image:ID, timm:NAME or onnx:FILE, or none at all"
_REST = frozenset(RestOptions.model_fields)
"""Options of every classifier."""


def load_detector(
    spec: str,
    *,
    home: Path | None = None,
    options: Mapping[str, Any] | None = None,
    wanted: Sequence[str] = (),
    mapping: Mapping[str, str] | None = None,
) -> Detector:
    """Return the detector that a spec names.

    Args:
        spec: ``yolox-nano`` (tiny, s, m, l, x), ``onnx:PATH_OR_URL`` or a path that ends in
            ``.onnx``, ``torchvision:NAME``, ``hf:HUB_ID_OR_FOLDER``,
            ``hf-zero-shot:HUB_ID_OR_FOLDER``, ``motion``, ``none``, ``round:NUMBER``,
            ``start:NUMBER``, ``student:FOLDER``, ``detections-txt:FOLDER``, ``fake:``, the kind of
            a plug-in, or several as one, ``fused:yolox-nano + net.onnx``.
        home: the workspace, for relative paths, rounds and the lock of weights.
        options: the model's own; each has a default.
        wanted: the classes to detect; empty takes the model as it is. Zero-shot and motion
            detectors take any, all others must have the class.
        mapping: the model's name (or zero-shot prompt) -> wanted name; see `wanted_only`.

    Returns:
        A detector whose classes are `wanted`, if that is given.

    Raises:
        ModelError: if the kind is unknown, or the model is missing, damaged or of another kind.
        UsageError: for an unknown or wrong option.
        MissingExtra: if it needs packages that are not installed.
    """
    prompts = _prompts(wanted, mapping or {})
    request = _request(full_name(spec), home, options, prompts=prompts, wanted=tuple(wanted))
    detector = load_request(replace(request, mapping=mapping or {}))
    is_mapped = not wanted or request.spec.startswith(f"{FUSED}:")
    return detector if is_mapped else wanted_only(detector, wanted, mapping)


def load_request(request: Request) -> Detector:
    """Return the detector that a request names, with its own class names.

    Raises:
        ModelError, UsageError, MissingExtra: as `load_detector` does.
    """
    detector = _load(DETECTORS, request)
    if not isinstance(detector, Detector):
        raise ModelError(f"{request.spec} gave a {type(detector).__name__}, which is no Detector")
    return detector


def load_classifier(
    spec: str,
    *,
    home: Path | None = None,
    options: Mapping[str, Any] | None = None,
    wanted: Sequence[str] = (),
    mapping: Mapping[str, str] | None = None,
) -> Classifier:
    """Return the classifier that a spec names.

    Args:
        spec: ``hf-zero-shot-image:HUB_ID_OR_FOLDER``, ``onnx:PATH_OR_URL``, ``timm:NAME``,
            ``round:NUMBER``, ``student:FOLDER``, ``callable:NAME``, ``fake:``, or the kind of a
            plug-in.
        home: the workspace, for relative paths, rounds and the lock of weights.
        options: the model's own, and those of `RestOptions`; each has a default.
        wanted: the classes to tell apart; empty takes the model as it is. Zero-shot classifiers
            take any, all others must have the class.
        mapping: the model's name (or zero-shot text) -> wanted name; see `wanted_classes`.

    Returns:
        A classifier whose classes are `wanted`, if that is given.

    Raises:
        ModelError: if the kind is unknown, or the model is missing, damaged or of another kind.
        UsageError: for an unknown or wrong option.
        MissingExtra: if it needs packages that are not installed.
    """
    own = {name: value for name, value in (options or {}).items() if name not in _REST}
    rest = {name: value for name, value in (options or {}).items() if name in _REST}
    prompts = _prompts(wanted, mapping or {})
    request = _request(full_name(spec), home, own, prompts=prompts, wanted=tuple(wanted))
    if spec in RELEASED or request.rest in RELEASED_SHA256:
        raise ModelError(f"{spec} finds boxes, and does not classify: choose {_CLASSIFY}")
    kind = request.spec.partition(":")[0]
    if kind in kinds(DETECTORS) and kind not in kinds(CLASSIFIERS):
        raise ModelError(
            f"'{spec}' is a kind of detector, and does not classify: choose {_CLASSIFY}"
        )
    classifier = _load(CLASSIFIERS, request)
    if not isinstance(classifier, Classifier):
        raise ModelError(f"{spec} gave a {type(classifier).__name__}, which is no Classifier")
    how = _request(spec, home, rest).settings(RestOptions).rest
    return wanted_classes(classifier, wanted, mapping, rest=how) if wanted else classifier


def load_embedder(
    spec: str, *, home: Path | None = None, options: Mapping[str, Any] | None = None
) -> Embedder:
    """Return the embedder that a spec names.

    Args:
        spec: ``tiny``, ``onnx:PATH_OR_URL``, ``onnx-features:PATH_OR_URL``, ``timm:NAME``,
            ``hf:HUB_ID_OR_FOLDER``, ``fake:``, or the kind of a plug-in.
        home: the workspace, for relative paths and the lock of weights.
        options: the model's own; each has a default.

    Raises:
        ModelError: if the kind is unknown, or the model is missing, damaged or of another kind.
        UsageError: for an unknown or wrong option.
        MissingExtra: if it needs packages that are not installed.
    """
    embedder = _load(EMBEDDERS, _request(spec, home, options))
    if not isinstance(embedder, Embedder):
        raise ModelError(f"{spec} gave a {type(embedder).__name__}, which is no Embedder")
    return embedder


def kinds(group: str) -> dict[str, EntryPoint]:
    """Return what a group holds: kind -> the function that loads it; ours win over plug-ins."""
    plug_ins = {point.name: point for point in entry_points(group=group)}
    ours = {name: EntryPoint(name, where, group) for name, where in _BUILT_IN[group].items()}
    return dict(sorted({**plug_ins, **ours}.items()))


def _request(
    spec: str,
    home: Path | None,
    options: Mapping[str, Any] | None,
    *,
    prompts: tuple[str, ...] = (),
    wanted: tuple[str, ...] = (),
) -> Request:
    rest, given = spec.partition(":")[2], dict(options or {})
    return Request(spec, rest, home=home, options=given, prompts=prompts, wanted=wanted)


def _prompts(wanted: Sequence[str], mapping: Mapping[str, str]) -> tuple[str, ...]:
    """Return the prompts: for each wanted name those that are mapped to it, or else itself."""
    prompts: dict[str, None] = {}
    for name in wanted:
        mapped = [source for source, target in mapping.items() if target == name]
        prompts.update(dict.fromkeys(mapped or [name]))
    return tuple(prompts)


def _load(group: str, request: Request) -> Any:
    kind = request.spec.partition(":")[0]
    known = kinds(group)
    if kind not in known and (advice := checkpoint_advice(request.spec)):
        raise ModelError(advice)
    if kind not in known:
        what, released = group.rpartition(".")[2], RELEASED if group == DETECTORS else ()
        raise ModelError(
            f"'{request.spec}' names no kind of model{nearest(kind, [*known, *released])}; "
            f"{what}: {', '.join([*released, *_as_written(group)]) or 'none'}"
        )
    try:
        return known[kind].load()(request)
    except ModuleNotFoundError as exc:
        raise _missing(exc, f"'{request.spec}'") from exc


_NAME_CHECKS = {
    "hf": "reelabel.models.hub:check_name",
    "hf-zero-shot": "reelabel.models.hub:check_name",
    "hf-zero-shot-image": "reelabel.models.hub:check_name",
    "timm": "reelabel.models.timm_names:check_name",
    "torchvision": "reelabel.models.detectors.torchvision:check_name",
}
"""Kind -> what looks whether a library or the hub can have a model of that name."""


def check_name(spec: str, home: Path | None = None) -> None:
    """Refuse the name of a model that cannot exist, without a download.

    A name of the hub is looked at for its form, others also where their library is installed.

    Args:
        spec: of a detector, classifier or embedder.
        home: the workspace, for relative paths.

    Raises:
        ModelError: if there is no such model.
    """
    where = _NAME_CHECKS.get(spec.partition(":")[0])
    if where is None:
        return
    with suppress(ModuleNotFoundError):  # a run names the extra
        EntryPoint("check_name", where, "reelabel").load()(_request(spec, home, None))


def public_kinds(group: str) -> list[str]:
    """Return the kinds of a group that people name, plug-ins too; others the program names."""
    return [kind for kind in kinds(group) if kind not in NOT_NAMED]


def _as_written(group: str) -> list[str]:
    """Return the kinds of a group as people write them: ``hf:...``, and those that stand alone."""
    return [kind if kind in ALONE else f"{kind}:..." for kind in public_kinds(group)]


def _missing(exc: ModuleNotFoundError, what: str) -> MissingExtra | ModelError:
    """Return the error for a package that is not installed, with the way to get it."""
    package = (exc.name or "").partition(".")[0]
    if package in _TRAIN_EXTRA:
        return MissingExtra(what, "train")
    return ModelError(f"{what} needs the package '{exc.name}': install it")
