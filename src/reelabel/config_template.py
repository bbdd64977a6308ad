"""A new `reelabel.yaml`: what is given, and every other setting as a comment with its meaning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from pydantic import BaseModel

from reelabel.config import Config


def dump(values: Mapping[str, Any], sections: Mapping[str, type[BaseModel]]) -> str:
    """Return a `reelabel.yaml` that holds `values` and lists every default as a comment.

    Each comment is a whole key, such as ``clean.score: 0.5``: any of them may be taken alone.
    """
    text = yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True)
    lines = [text, "# Everything below is a default; remove the # of any line to change it."]
    for name, kind in {**Config.own_sections, **sections}.items():
        given = values.get(name) or {}
        if found := list(_comments(kind, name, given if isinstance(given, Mapping) else {})):
            lines += ["", *found]
    return "\n".join(lines) + "\n"


def _comments(kind: type[BaseModel], above: str, given: Mapping[str, Any]) -> Iterator[str]:
    """Yield every default that is not given as a commented line with its meaning."""
    for key, field in kind.model_fields.items():
        inner, name = field.annotation, f"{above}.{key}"
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _comments(inner, name, given.get(key) or {})
        elif key not in given:
            default = field.get_default(call_default_factory=True)
            plain = list(default) if isinstance(default, tuple) else default
            value = yaml.safe_dump(plain, default_flow_style=True, width=1000)
            meaning = " ".join((field.description or "").split())
            yield f"# {name}: {_first(value):<12}  # {meaning}"


def _first(text: str) -> str:
    """Return a YAML value without the mark that ends a document."""
    return text.removesuffix("...\n").strip()
