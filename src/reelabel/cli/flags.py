"""Flags made from settings types, so that a setting's name, range and help are written once."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from typing import Any, Literal, Union, get_args, get_origin

import click
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from reelabel.config import checked

Command = Callable[..., Any]


def settings_flags(kind: type[BaseModel]) -> Callable[[Command], Command]:
    """Return a decorator that adds a flag for every field of a settings type."""

    def decorate(command: Command) -> Command:
        for path, info in reversed(list(_leaves(kind))):
            command = _option(path, info)(command)
        return command

    return decorate


def overridden(settings: BaseModel, given: dict[str, Any]) -> BaseModel:
    """Return settings with the flags that were given in place of what they held.

    Raises:
        ConfigError: if the values do not fit together.
    """
    values = settings.model_dump(exclude_unset=True)
    for path, _ in _leaves(type(settings)):
        value = given.get("_".join(path))
        if value is not None and value != ():
            _put(values, path, _parsed(value))
    return checked(type(settings), values, "flags")


def _leaves(
    kind: type[BaseModel], above: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    """Yield every field that holds a value, with the names that lead to it."""
    for name, info in kind.model_fields.items():
        inner = info.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _leaves(inner, (*above, name))
        else:
            yield (*above, name), info


def _option(path: tuple[str, ...], info: FieldInfo) -> Callable[[Command], Command]:
    name = "-".join(path).replace("_", "-")
    kind, many = _click_type(info.annotation)
    default = info.get_default(call_default_factory=True)
    about = " ".join((info.description or "").split())
    text = f"{about}  [default: {_shown(default)}]"
    flag = f"--{name}/--no-{name}" if kind is bool else f"--{name}"
    if kind is bool:
        return click.option(flag, "_".join(path), default=None, help=text)
    return click.option(flag, "_".join(path), type=kind, default=None, multiple=many, help=text)


def _click_type(annotation: Any) -> tuple[Any, bool]:
    """Return the click type of a field, and whether its flag may be repeated."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return _click_type(next(a for a in args if a is not type(None)))
    if origin is Literal:
        return click.Choice([str(a) for a in args]), False
    if origin is dict:
        return KeyValue(), True
    if origin in (tuple, list):
        return Values(), False
    return annotation, False


class KeyValue(click.ParamType[tuple[str, Any]]):
    """``key=value``."""

    name = "key=value"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, Any]:
        """Return key and value, the value read as YAML does."""
        key, found, text = str(value).partition("=")
        if not found:
            self.fail(f"expected key=value, got '{value}'", param, ctx)
        return key, plain(text)


class Values(click.ParamType[list[Any]]):
    """Several values with commas between them."""

    name = "a,b"

    def convert(self, value: Any, param: Any, ctx: Any) -> list[Any]:
        """Return the values, each read as YAML does."""
        del param, ctx
        return [plain(part) for part in str(value).split(",")]


def plain(text: str) -> Any:
    """Return a value read as YAML does.

    Raises:
        UsageError: of click, if it is no YAML.
    """
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as exc:
        raise click.UsageError(f"expected a value such as 5, true or [a, b], got '{text}'") from exc


def _parsed(value: Any) -> Any:
    """Return repeated key=value pairs as one mapping; anything else as it is."""
    pairs = isinstance(value, tuple) and all(isinstance(v, tuple) for v in value)
    return dict(value) if pairs else value


def _put(values: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for name in path[:-1]:
        values = values.setdefault(name, {})
    values[path[-1]] = value


def _shown(default: Any) -> str:
    if default is None or (default != 0 and not default):
        return "none"
    if isinstance(default, bool):
        return "on" if default else "off"
    return ",".join(map(str, default)) if isinstance(default, tuple) else str(default)
