"""YAML texts as plain values: no other objects, no doubled keys, no aliases that multiply.

Numbers are those of YAML 1.1 (https://yaml.org/spec/1.1/) without two forms that YAML 1.2 gave up
and people do not mean: base 60 (``190:20:30`` is text) and base 8 (``010`` is text).
"""

from __future__ import annotations

import math
import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from reelabel.errors import ConfigError, os_reason, shown
from reelabel.file_kinds import special_kind

MOST_VALUES = 1_000_000
"""In one text, each alias counted as all that it stands for."""
_INT = re.compile(r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)$")
_FLOAT = re.compile(
    r"(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
)
_NUMBERS = {"tag:yaml.org,2002:int": _INT, "tag:yaml.org,2002:float": _FLOAT}
_START = list("-+0123456789.")
"""What numbers begin with."""


class PlainLoader(yaml.SafeLoader):
    """PyYAML's safe loader with the numbers above, in which a key that stands twice is an error."""

    yaml_implicit_resolvers = {  # noqa: RUF012 -- read by the parent
        first: [(tag, form) for tag, form in forms if tag not in _NUMBERS]
        for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return a mapping; of a doubled key one value would be lost."""
        first: dict[Hashable, int] = {}
        for key, _ in node.value:
            name = self.construct_object(key, deep=True)
            if not isinstance(name, Hashable):
                continue  # which the parent refuses
            if name in first:
                line = first[name]
                raise yaml.YAMLError(f"'{name}' stands there twice, the first time in line {line}")
            first[name] = key.start_mark.line + 1
        return super().construct_mapping(node, deep=deep)


for _tag, _form in _NUMBERS.items():
    PlainLoader.add_implicit_resolver(_tag, _form, _START)


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the keys and values of a YAML file, not yet checked.

    Raises:
        ConfigError: if it is no YAML, or holds something else than keys and values.
    """
    if kind := special_kind(path):
        raise ConfigError(f"{path}: expected YAML, but it is {kind}: name a file")
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as exc:
        raise ConfigError(f"{path}: expected YAML, but {os_reason(exc)}") from exc
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{path}: expected YAML, but {os_reason(exc)}; correct it") from exc
    return yaml_values(text, str(path))


def yaml_values(text: str, where: str) -> dict[str, Any]:
    """Return the keys and values of a YAML text, not yet checked.

    Args:
        text: the text.
        where: the file that it comes from, for messages.

    Raises:
        ConfigError: if it is no YAML, or holds something else than keys and values.
    """
    raw = plain_values(text, where)
    if not isinstance(raw, dict):
        raise ConfigError(
            f"{where}: expected keys such as 'classes' and 'videos', got {shown(raw)}: correct it"
        )
    return raw


def plain_values(
    text: str, where: str, loader: type[yaml.BaseLoader | PlainLoader] = PlainLoader
) -> Any:
    """Return what a YAML text holds: plain values, as the loader makes no other objects.

    Args:
        text: the text.
        where: what it comes from, for messages.
        loader: the base loader takes every value as text.

    Raises:
        ConfigError: if it is no YAML, or holds a date or a number that does not exist, is nested
            more deeply than it can be read, or holds more than `MOST_VALUES`.
    """
    try:
        return _loaded(text, loader)
    except (yaml.YAMLError, ValueError, OverflowError) as exc:
        raise ConfigError(f"{where}: expected YAML, but {_one_line(exc)[:500]}") from exc
    except RecursionError as exc:
        raise ConfigError(f"{where}: expected YAML of a few levels, but it has hundreds") from exc


def _loaded(text: str, loader: type[yaml.BaseLoader | PlainLoader]) -> Any:
    reader = loader(text)
    try:
        node = reader.get_single_node()
        if node is None:
            return None
        if _count(node, {}) > MOST_VALUES:
            raise yaml.YAMLError(f"with its aliases it holds more than {MOST_VALUES} values")
        return reader.construct_document(node)
    finally:
        reader.dispose()


def _count(node: yaml.Node, counted: dict[int, float]) -> float:
    """Return how many values stand at a node, infinitely many if it holds itself.

    Args:
        node: the node.
        counted: of nodes that were met before, which aliases share.
    """
    if not isinstance(node, yaml.CollectionNode):
        return 1
    if id(node) not in counted:
        counted[id(node)] = math.inf
        pairs = isinstance(node, yaml.MappingNode)
        parts = (part for pair in node.value for part in pair) if pairs else node.value
        counted[id(node)] = 1 + sum(_count(part, counted) for part in parts)
    return counted[id(node)]


def _one_line(exc: Exception) -> str:
    """Return what is wrong and where, without the lines of the text that PyYAML prints."""
    if isinstance(exc, yaml.MarkedYAMLError) and exc.problem_mark is not None:
        mark = exc.problem_mark
        wrong = " ".join(filter(None, (exc.context, exc.problem)))
        return f"{wrong} in line {mark.line + 1}, column {mark.column + 1}: correct it"
    return " ".join(str(exc).split())
