"""Flags made from settings types, so that a setting's name, range and help are written once."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import click
import yaml
from click.shell_completion import CompletionItem
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from reelabel.cli.completion import OF_SETTINGS
from reelabel.cli.setting_names import leaves
from reelabel.config import Project, checked
from reelabel.errors import ConfigError, shown
from reelabel.yaml_text import PlainLoader, plain_values

Command = Callable[..., Any]
_NOTHING = ("", "~", "null")
"""What YAML takes for no value."""
_UNIONS = (Union, types.UnionType)


def settings_flags(
    kind: type[BaseModel], without: Sequence[str] = ()
) -> Callable[[Command], Command]:
    """Return a decorator that adds a flag for every field of a settings type.

    Args:
        kind: the settings type.
        without: fields at its top that get none.
    """

    def decorate(command: Command) -> Command:
        for path, info in reversed(list(leaves(kind))):
            command = command if path[0] in without else _option(path, info)(command)
        return command

    return decorate


def overridden(settings: BaseModel, given: dict[str, Any]) -> BaseModel:
    """Return settings with the flags that were given in place of what they held.

    Raises:
        ConfigError: if the values do not fit together.
    """
    values = settings.model_dump(exclude_unset=True)
    _put_given(values, type(settings), given)
    return checked(type(settings), values, "flags")


def given_settings(kind: type[BaseModel], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the flags that were given, as settings of a type that are not checked yet."""
    values: dict[str, Any] = {}
    _put_given(values, kind, given)
    return values


def _put_given(values: dict[str, Any], kind: type[BaseModel], given: Mapping[str, Any]) -> None:
    for path, _ in leaves(kind):
        value = given.get("_".join(path))
        if value is not None and value != ():
            _put(values, path, _parsed(value))


def _option(path: tuple[str, ...], info: FieldInfo) -> Callable[[Command], Command]:
    name = "-".join(path).replace("_", "-")
    kind, many = _click_type(info.annotation)
    default = info.get_default(call_default_factory=True)
    about = " ".join((info.description or "").split())
    text = f"{about}  [default: {_shown(default)}]"
    flag = f"--{name}/--no-{name}" if kind is bool else f"--{name}"
    if kind is bool:
        return click.option(flag, "_".join(path), default=None, help=text)
    return click.option(
        flag,
        "_".join(path),
        type=kind,
        default=None,
        multiple=many,
        help=text,
        shell_complete=OF_SETTINGS.get(name),
    )


def _click_type(annotation: Any) -> tuple[Any, bool]:
    """Return the click type of a field, and whether its flag may be repeated."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in _UNIONS:
        return _click_type(next(a for a in args if a is not type(None)))
    if origin is Literal:
        return click.Choice([str(a) for a in args]), False
    if origin is dict:
        return KeyValue(args[1]), True
    if origin in (tuple, list):
        return Values(args[0]), False
    if annotation is int:
        return WholeNumber(), False
    return annotation, False


class WholeNumber(click.ParamType[int]):
    """A whole number as `reelabel.yaml` has it: ``0x10`` too, but not ``2.0``."""

    name = "integer"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        """Return the number."""
        found = _yaml(value) if isinstance(value, str) else value
        if isinstance(found, str) and found.strip("+-").isdecimal():
            return int(found)  # such as 010, which YAML leaves as text
        if isinstance(found, bool) or not isinstance(found, int):
            self.fail(f"{shown(value)} is not a valid integer.", param, ctx)
        return found


class KeyValue(click.ParamType[tuple[str, Any]]):
    """``key=value``.

    Args:
        kind: what the values are.
    """

    name = "key=value"

    def __init__(self, kind: Any = Any) -> None:
        self._kind = kind

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, Any]:
        """Return key and value, the value read by `read_as`."""
        key, found, text = str(value).partition("=")
        if not found:
            self.fail(f"expected key=value, got '{value}'", param, ctx)
        return key, read_as(self._kind, text)


class Values(click.ParamType[list[Any]]):
    """Several values with commas between them.

    Args:
        kind: what each of them is.
    """

    name = "a,b"

    def __init__(self, kind: Any = Any) -> None:
        self._kind = kind

    def convert(self, value: Any, param: Any, ctx: Any) -> list[Any]:
        """Return the values, each read by `read_as`."""
        del param, ctx
        return [read_as(self._kind, part.strip()) for part in str(value).split(",")]

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the values that may stand behind the last comma, where they are enumerated."""
        del ctx, param
        before, comma, last = incomplete.rpartition(",")
        known = get_args(self._kind) if get_origin(self._kind) is Literal else ()
        fitting = (str(each) for each in known if str(each).startswith(last))
        return [CompletionItem(f"{before}{comma}{each}") for each in fitting]


def nested(pairs: Sequence[str], sections: Mapping[str, type[BaseModel]]) -> dict[str, Any]:
    """Return ``a.b=c`` pairs as nested mappings, each value read as its setting is meant.

    Args:
        pairs: names with dots between them, and a value.
        sections: the settings type of each section of `reelabel.yaml`.

    Raises:
        UsageError: of click, if a pair is none, its value is no YAML, or two contradict each other.
    """
    result: dict[str, Any] = {}
    for pair in pairs:
        path, found, text = pair.partition("=")
        if not found:
            raise click.UsageError(f"expected --set key=value, got '{pair}'")
        names, home = path.split("."), result
        if not all(names):
            raise click.UsageError(f"expected --set section.key=value, got '{pair}'")
        for name in names[:-1]:
            home = home.setdefault(name, {})
            if not isinstance(home, dict):
                raise click.UsageError(
                    f"--set {pair}: '{name}' was given a value of its own before"
                )
        read = _read_listed if names[0] in sections else read_as
        home[names[-1]] = read(_meant(names, sections), text)
    return result


def _meant(names: Sequence[str], sections: Mapping[str, type[BaseModel]]) -> Any:
    """Return the type of a setting by the names that lead to it, Any if there is none such."""
    inside = names[0] in sections
    kind: Any = sections[names[0]] if inside else Project
    for name in names[1:] if inside else names:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            info = kind.model_fields.get(name)
            kind = info.annotation if info is not None else Any
        else:
            kind = get_args(kind)[1] if get_origin(kind) is dict else Any
    return kind


def read_as(kind: Any, text: str) -> Any:
    """Return a value read as YAML does, and as it stands where text is meant.

    So ``fake:`` is no mapping, ``off`` no falsehood and ``32`` no number where they are names.

    Raises:
        UsageError: of click, if it is no YAML.
    """
    if not _is_text(kind):
        value = _yaml(text)
        # Only braces make a mapping here: "a: b" is a line of text.
        return text if isinstance(value, dict) and not text.lstrip().startswith("{") else value
    several = get_origin(kind) in (tuple, list, dict)
    if (several or type(None) in get_args(kind)) and text.strip().lower() in _NOTHING:
        return None
    return _yaml(text, yaml.BaseLoader) if several else text


def _read_listed(kind: Any, text: str) -> Any:
    """Return a value as `read_as` does; ``a,b`` is several, as it is for the setting's flag."""
    item = _item_of(kind)
    bare = text.strip().lower() not in _NOTHING and not text.lstrip().startswith(("[", "{"))
    return (
        read_as(kind, text) if item is None or not bare else Values(item).convert(text, None, None)
    )


def _item_of(kind: Any) -> Any:
    """Return the type of the values of a list, None if the type holds no list."""
    origin, args = get_origin(kind), get_args(kind)
    if origin in (*_UNIONS, Annotated):
        return next(filter(None, map(_item_of, args)), None)
    return args[0] if origin in (tuple, list) else None


def _yaml(text: str, loader: type[yaml.BaseLoader | PlainLoader] = PlainLoader) -> Any:
    try:
        return plain_values(text, "", loader)
    except ConfigError as exc:
        raise click.UsageError(
            f"expected a value such as 5, true or [a, b], got {shown(text)}"
        ) from exc


def _is_text(kind: Any) -> bool:
    """Return whether a type holds text alone: names, paths, several of them, or nothing."""
    origin, args = get_origin(kind), get_args(kind)
    if origin is Literal:
        return all(isinstance(arg, str) for arg in args)
    if origin is Annotated:
        return _is_text(args[0])
    if origin in (*_UNIONS, tuple, list, dict):
        return all(_is_text(arg) for arg in args if arg not in (type(None), ...))
    return kind in (str, Path)


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
