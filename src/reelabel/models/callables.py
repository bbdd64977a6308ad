"""Python functions and objects of this process as models, by name: ``callable:MODULE.NAME``."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Sequence
from typing import Any, cast

from reelabel.errors import ModelError
from reelabel.models.spec import Request, fingerprint
from reelabel.short_names import fused_name

LOCK = threading.Lock()
"""Held while a function runs: it may not expect several threads."""

_KNOWN: dict[str, object] = {}


def register_callable(model: object) -> str:
    """Make a function or an object known in this process, and return its name as a model.

    Raises:
        ModelError: if it neither can be called nor has a method `predict`.
    """
    function_of(model)
    spec = f"callable:{_name_of(model)}"
    _KNOWN[spec] = model
    return spec


def detector_name(model: object) -> str:
    """Return the name of a detector, of several as one; functions are made known.

    Args:
        model: a name, a function or an object, or several of these in a list.

    Raises:
        ModelError: if one neither can be called nor has a method `predict`, or they cannot be
            fused.
    """
    if isinstance(model, str):
        return model
    if not isinstance(model, list | tuple):
        return register_callable(model)
    names = [_numbered(i, model) for i in range(len(model))]
    try:
        spec = fused_name(names)
    except ValueError as exc:
        raise ModelError(str(exc)) from exc
    functions = [(n, one) for n, one in zip(names, model, strict=True) if not isinstance(one, str)]
    for name, one in functions:
        function_of(one)
        _KNOWN[name] = one
    return spec


def _numbered(position: int, models: Sequence[object]) -> str:
    """Return the name of one of several models; functions of one name are numbered."""
    model = models[position]
    if isinstance(model, str):
        return model
    name = _name_of(model)
    before = sum(not isinstance(m, str) and _name_of(m) == name for m in models[:position])
    return f"callable:{name}{f'#{before + 1}' if before else ''}"


def registered(request: Request, keyword: str) -> object:
    """Return the function or object that a request names.

    Args:
        request: what was asked for.
        keyword: the argument of `reelabel.run` that takes it, for the message.

    Raises:
        ModelError: if this process has not registered it.
    """
    model = _KNOWN.get(request.spec)
    if model is None:
        raise ModelError(
            f"{request.spec} is a Python function of another process: give it again, as in  "
            f"reelabel.run(workspace, {keyword}=function)  or name another {keyword}"
        )
    return model


def function_of(model: object) -> Callable[[Any], object]:
    """Return the function to call: the model itself, or its method `predict`.

    Raises:
        ModelError: if there is none.
    """
    function: Any = getattr(model, "predict", model)
    if not callable(function):
        raise ModelError(
            f"expected a function that takes a picture, or an object with predict, but got "
            f"{type(model).__name__}"
        )
    return cast("Callable[[Any], object]", function)


def code_fingerprint(model: object, classes: tuple[str, ...]) -> str:
    """Return what changes with the function's code; an object may have a `fingerprint` itself."""
    own = getattr(model, "fingerprint", None)
    if isinstance(own, str):
        return fingerprint("callable", own, classes)
    kind: Any = model if hasattr(model, "__qualname__") else type(model)
    try:
        code = inspect.getsource(kind)
    except (OSError, TypeError):
        code = ""
    return fingerprint("callable", _name_of(model), code, classes)


def _name_of(model: object) -> str:
    kind: Any = model if hasattr(model, "__qualname__") else type(model)
    return f"{kind.__module__}.{kind.__qualname__}"
