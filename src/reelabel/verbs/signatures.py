"""Functions whose keywords are settings show each of them by name, in `help` and editors."""

from __future__ import annotations

from collections.abc import Callable, Collection
from inspect import Parameter, Signature, signature
from typing import Any, TypeVar

from pydantic import BaseModel

Function = TypeVar("Function", bound=Callable[..., Any])


def parameters_of(*kinds: type[BaseModel], without: Collection[str] = ()) -> list[Parameter]:
    """Return a keyword for each setting, with its default; of two of one name the first one.

    Args:
        kinds: settings types.
        without: names at their top that are left out.
    """
    found = {
        name: Parameter(
            name,
            Parameter.KEYWORD_ONLY,
            default=info.get_default(call_default_factory=True),
            annotation=info.annotation,
        )
        for kind in reversed(kinds)
        for name, info in kind.model_fields.items()
        if name not in without
    }
    return list(found.values())


def takes_settings(
    *kinds: type[BaseModel], without: Collection[str] = ()
) -> Callable[[Function], Function]:
    """Return a decorator that names the settings in the signature of a function in place of ``**``.

    Args:
        kinds: settings types.
        without: names at their top that are left out.
    """

    def decorate(function: Function) -> Function:
        before = signature(function)
        own = [p for p in before.parameters.values() if p.kind is not Parameter.VAR_KEYWORD]
        given = parameters_of(*kinds, without=without)
        shown = Signature([*own, *given], return_annotation=before.return_annotation)
        function.__signature__ = shown  # type: ignore[attr-defined]  # which inspect reads
        return function

    return decorate
