"""Adds a manifest to the settings of a workspace; `init` and `fetch` do it alike."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reelabel.config import MANIFEST, Config, checked, merged
from reelabel.engine.task import task_named
from reelabel.errors import UsageError
from reelabel.short_names import DEFAULT_TASK
from reelabel.sources.manifests.lookups import Lookups
from reelabel.sources.manifests.settings import Manifest
from reelabel.sources.manifests.want_plan import labels_in
from reelabel.sources.web.settings import FetchSettings
from reelabel.stages import want

FILES = ("file", "label_file", "lookups")
"""Settings of a manifest that name files or folders."""


def with_manifest(
    values: Mapping[str, Any],
    manifest: tuple[str, Path | str] | None,
    *,
    name: str = "",
    settings: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return keys of `reelabel.yaml` with a manifest among those that footage is fetched from.

    Where nothing is set, `tags` become those of the manifest and `classes` its labels.

    Args:
        values: keys of `reelabel.yaml`.
        manifest: kind and file, an empty file for youtube8m without one; None changes nothing.
        name: its short name; empty: that of the same file, else the kind with a number if needed.
        settings: further keys of the manifest.

    Raises:
        UsageError: if there is no such file.
        ConfigError: if a setting is unknown or wrong.
        FormatError: if classes are looked for in it, and it has none.
    """
    if manifest is None:
        return dict(values)
    kind, file = manifest
    known = ((values.get("want") or {}).get("manifests")) or {}
    given = {"kind": kind, "file": _absolute(file)} | dict(settings or {})
    name = name or _name(kind, given["file"], known)
    entry = merged({"kind": kind, "file": "", **(known.get(name) or {})}, given)
    entry |= {key: _absolute(entry[key]) for key in FILES if entry.get(key)}
    found = merged(values, {"want": {"manifests": {name: entry}}})
    if not found.get("classes"):
        made = checked(Manifest, entry, f"manifest '{name}'")
        fetching = checked(FetchSettings, found.get("fetch") or {}, "fetch")
        found["classes"] = labels_in(made, Path(), Lookups(Path(), fetching, keep=False))
    task = task_named(found.get("task", DEFAULT_TASK))
    if "tags" in task.keys and not found.get("tags"):
        found["tags"] = MANIFEST
    return found


def _name(kind: str, file: str, known: Mapping[str, Any]) -> str:
    """Return the name of the manifest that has this file, or a new one."""
    same = (name for name, each in known.items() if dict(each or {}).get("file") == file)
    names = (kind if n == 1 else f"{kind}-{n}" for n in range(1, len(known) + 2))
    return next(same, "") or next(name for name in names if not _taken(name, known))


def _taken(name: str, known: Mapping[str, Any]) -> bool:
    """Return whether a name stands for a manifest with another file; one without a file is free."""
    return name in known and bool(dict(known[name] or {}).get("file"))


def _absolute(path: Path | str) -> str:
    """Return a path that means the same from everywhere; addresses and nothing stay as they are.

    Raises:
        UsageError: if there is nothing.
    """
    text = str(path)
    if not text or text.startswith(("http://", "https://")):
        return text
    found = Path(text).expanduser()
    if not found.exists():
        raise UsageError(f"{text}: there is no such file or folder")
    return str(found.resolve())


def manifests_of(config: Config) -> Mapping[str, Manifest]:
    """Return the manifests that the settings name."""
    found = config.stages.get(want.STAGE.name)
    return found.manifests if isinstance(found, want.WantSettings) else {}
