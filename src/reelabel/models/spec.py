"""What was asked for when a model is loaded: its spec, its options, and what identifies it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from reelabel import workspace
from reelabel.config import Settings, result_values
from reelabel.errors import ModelError, UsageError, nearest

S = TypeVar("S", bound=Settings)


@dataclass(frozen=True)
class Request:
    """One model as it was asked for; what every plug-in's load function is given.

    Attributes:
        spec: the whole of it, such as ``onnx:yolox_nano.onnx``.
        rest: what follows the colon.
        home: the workspace, where relative paths, ``rounds/`` and ``weights.lock.json`` are
            looked for; None for a model used on its own.
        options: the user's options, unchecked; see `settings`.
        prompts: names of what to detect. Models without classes of their own (zero-shot, motion)
            take them as their classes; all others ignore them.
        wanted: the class names of the labels; empty if none are given.
        mapping: the model's name -> wanted name. It is applied to what the model finds; only models
            that are made of others need it.
    """

    spec: str
    rest: str
    home: Path | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    prompts: tuple[str, ...] = ()
    wanted: tuple[str, ...] = ()
    mapping: Mapping[str, str] = field(default_factory=dict)

    def settings(self, kind: type[S]) -> S:
        """Return the options as the model's own type.

        Raises:
            UsageError: for a name that it does not know, or a value out of range.
        """
        known = list(kind.model_fields)
        for name in self.options:
            if name not in known:
                raise UsageError(
                    f"{self.spec} has no option '{name}'{nearest(name, known)}; "
                    f"options: {', '.join(sorted(known)) or 'none'}"
                )
        try:
            return kind(**self.options)
        except ValidationError as exc:
            first = exc.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise UsageError(
                f"option '{where}' of {self.spec}: {first['msg']}, but got {first['input']!r}"
            ) from exc

    def bare(self) -> None:
        """Refuse anything after the colon.

        Raises:
            ModelError: if something stands there.
        """
        if self.rest:
            kind = self.spec.partition(":")[0]
            raise ModelError(f"'{kind}' takes nothing after the colon, but got '{self.spec}'")

    def round_dir(self) -> Path:
        """Return the folder of the round of this workspace whose number follows the colon.

        Raises:
            ModelError: if no workspace is given, or what follows is no number.
        """
        kind = self.spec.partition(":")[0]
        if not self.rest.isdecimal():
            raise ModelError(
                f"expected the number of a round, such as {kind}:0, but got '{self.spec}'"
            )
        if self.home is None:
            raise ModelError(f"'{self.spec}' needs the workspace that the round belongs to")
        return self.home / "rounds" / str(int(self.rest))

    def rooted(self, path: str) -> Path:
        """Return a path; a relative one is looked for in the workspace, then where we stand."""
        given = Path(path).expanduser()
        inside = self.home / given if self.home is not None else given
        return inside if inside.exists() else given


def fingerprint(*parts: Any) -> str:
    """Return 16 hexadecimal digits that change when any part does.

    Parts are whatever JSON can hold, paths, and settings, of which properties of the machine do
    not count.

    >>> fingerprint("onnx", 1) == fingerprint("onnx", 1) != fingerprint("onnx", 2)
    True
    """
    plain = [result_values(p) if isinstance(p, BaseModel) else p for p in parts]
    return workspace.fingerprint(*plain)
