"""Everything that was made of videos removed from a workspace, wherever the stages have put it.

The walk goes over files, not over stages, so that nothing depends on a list of who writes what:
what is called by an id, what has the content of one of their pictures, shards, JSON, CSV and text
that name one of them. The order is written down first; a walk that was stopped is finished by the
next command, and walking twice removes nothing more. Models and settings stay as they are, and so
does all that the user has put there.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from reelabel.checksums import SEAL, sealed, unsealed
from reelabel.config_edit import set_key
from reelabel.errors import FormatError, ShardError, counted
from reelabel.files import has_file, read_json, read_text, remove_leftovers, write_json, write_text
from reelabel.formats.pictures import EXPORT_MARK
from reelabel.media.rendering import is_rendering
from reelabel.models.students.folder import MODEL_JSON
from reelabel.sources.fetching.fetched import forgotten_rows
from reelabel.sources.forgetting.traces import ABOUT, Traces
from reelabel.tables import DOWNLOADS, WANTS
from reelabel.workspace import Workspace
from reelabel.workspace.editing import edit_shard, remove_path
from reelabel.workspace.forgotten import Forgotten, read_forgotten, write_forgotten
from reelabel.workspace.known_exports import known_exports, write_exports
from reelabel.workspace.workspace import CONFIG_NAME, OWN_FOLDERS, PICTURE_NAME

ORDER = "_forgetting.json"
"""The order that is being carried out; it is there only as long as something is left to do."""
IMPORTS = "imports"
"""The folder of imported labels and detections."""
PAGES = frozenset({".html", ".xml"})
"""Files that are about one picture, or can be written again: they go as a whole."""
BINARY = frozenset({".jpg", ".jpeg", ".png", ".mp4", ".onnx", ".safetensors", ".ckpt", ".db"})
_PROBE_BYTES = 4096
_INDENT = re.compile(r"[\[{]\n( +)")
_SCRATCH = re.compile(r"\..+\.tmp")
"""The name of a folder that a killed export left."""
_OF_ONE_VIDEO = re.compile(r"-[0-9a-f]{6}(-|$)")
"""In the name of a drawn file: the beginning of the id of the one video that it is of."""


@dataclass
class Removed:
    """What was removed or edited.

    Attributes:
        files: number of files that were removed.
        edited: number of files that were edited.
        unsure: drawn films and pictures in the workspace that may show the videos.
    """

    files: int = 0
    edited: int = 0
    unsure: list[str] = field(default_factory=list)

    def sentence(self) -> str:
        """Return the counts in words."""
        files, edited = counted(self.files, "file"), counted(self.edited, "file")
        return f"{files} removed, {edited} edited"


def write_order(
    workspace: Workspace, traces: Traces, entries: Forgotten, rounds: Sequence[int] = ()
) -> None:
    """Write down what is to be removed, before anything is.

    Args:
        workspace: the workspace.
        traces: of the videos.
        entries: what the list of what is forgotten is to hold further.
        rounds: rounds that are to be removed as a whole, models included.

    Raises:
        WorkspaceError: if it cannot be written.
    """
    order = {"rounds": list(rounds), "traces": traces.to_json(), "entries": entries.to_json()}
    write_json(workspace.root / ORDER, sealed(order))


def carry_out_order(workspace: Workspace) -> Removed | None:
    """Carry out the order that is written down; the caller holds the workspace's lock.

    Returns:
        What was removed; None if there is no order.

    Raises:
        WorkspaceError: if something cannot be removed; the next call goes on.
    """
    path = workspace.root / ORDER
    if not has_file(path):
        return None
    entries, traces, rounds = _read_order(path)
    write_forgotten(workspace.root, read_forgotten(workspace.root).joined(entries))
    removal = _Removal(workspace, traces)
    removal.rounds(rounds)
    removed = removal.everything()
    remove_path(path)
    return removed


def _read_order(path: Path) -> tuple[Forgotten, Traces, list[int]]:
    """Return what an order holds.

    Raises:
        ShardError: if it is damaged.
    """
    again = "delete it, and give the command  reelabel forget  again"
    try:
        order = unsealed(json.loads(path.read_bytes()), str(path), again)
        entries, traces = Forgotten.from_json(order["entries"]), Traces.from_json(order["traces"])
        return entries, traces, [int(number) for number in order["rounds"]]
    except (AttributeError, KeyError, OSError, TypeError, ValueError) as exc:
        raise ShardError(
            f"{path}: expected what is to be forgotten, but it is damaged ({exc!r}): {again}"
        ) from exc


@dataclass
class _Removal:
    """Removes the traces from one workspace."""

    workspace: Workspace
    traces: Traces
    removed: Removed = field(default_factory=Removed)

    def everything(self) -> Removed:
        """Remove them from all folders that the workspace fills, and from exports inside it."""
        root = self.workspace.root
        for source in sorted({*self.traces.wants, *self.traces.sources}):
            self._forget_wants(source)
        for name in sorted(OWN_FOLDERS):
            self._clear(root / name)
        self._clear_further(root)
        self._clear_imports(root / IMPORTS)
        self._clear_exports()
        return self.removed

    def rounds(self, numbers: Sequence[int]) -> None:
        """Remove whole rounds, from the last one on."""
        for number in sorted(numbers, reverse=True):
            self._remove(self.workspace.round_dir(number))
            self._remove(self.workspace.failure_path("x", number, "x").parent.parent)

    def _forget_wants(self, source: str) -> None:
        """Leave of what was fetched for these videos nothing but that it is forgotten."""
        ids = None if source in self.traces.sources else self.traces.wants.get(source, ())
        for table in (WANTS, DOWNLOADS):
            path = self.workspace.shard_path(table, source)
            if path.is_file():
                changed = edit_shard(path, lambda rows: forgotten_rows(rows, ids), dict)
                self.removed.edited += changed
        if ids is None:
            self._remove(self.workspace.root / "downloads" / source)

    def _clear(self, folder: Path) -> None:
        """Remove the traces from a folder and all below it."""
        if folder.is_symlink() or not folder.is_dir():
            return
        remove_leftovers(folder)
        for path in sorted(folder.iterdir()):
            if self._is_trace(path):
                self._remove(path)
            elif path.is_symlink():
                continue
            elif path.is_dir():
                # A model is not changed; its card goes on stating what it was trained on.
                if not (path / MODEL_JSON).is_file():
                    self._clear(path)
            else:
                self._clear_file(path)

    def _is_trace(self, path: Path) -> bool:
        """Return whether a file or folder is called by a video, or holds one of its pictures."""
        traces, name = self.traces, path.name
        if traces.has_id(name) or name.startswith(traces.stems):
            return True
        below = path.relative_to(self.workspace.root).as_posix()
        if below in traces.names or any(f"-{stem}" in name for stem in traces.stems):
            return True
        if any(name.startswith(f"{want}.") for want in self._wants_at(path)):
            return True  # also what is left of an attempt to fetch it
        if path.is_dir() or path.is_symlink() or path.stat().st_size not in traces.sizes:
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() in traces.hashes

    def _remove(self, path: Path) -> None:
        if path.is_dir() and not path.is_symlink():
            self.removed.files += sum(p.is_file() for p in path.rglob("*"))
        else:
            self.removed.files += os.path.lexists(path)
        remove_path(path)

    def _clear_file(self, path: Path) -> None:
        """Remove the traces from one file."""
        suffix = path.suffix.lower()
        if suffix == ".parquet":
            if path.parent.name not in (WANTS.name, DOWNLOADS.name):
                self.removed.edited += edit_shard(path, self._rows, self.traces.without)
        elif suffix in {".html", ".damaged"} or (suffix in BINARY and _shows_unknown(path)):
            self._remove(path)  # reports and films of several videos can be made again
        elif suffix not in BINARY and (text := _text_of(path)) and self._names(path, text):
            self._clear_text(path, text)

    def _names(self, path: Path, text: str) -> bool:
        wants = self._wants_at(path)
        return self.traces.named_in(text) or any(f'"{want}"' in text for want in wants)

    def _wants_at(self, path: Path) -> tuple[str, ...]:
        """Return the wants that a file among the downloads may be about."""
        below = path.relative_to(self.workspace.root).parts
        return self.traces.wants.get(below[1], ()) if below[0] == "downloads" else ()

    def _clear_text(self, path: Path, text: str) -> None:
        """Remove the traces from a text that names a video."""
        suffix = path.suffix.lower()
        if suffix in PAGES or (suffix == ".jsonl" and path.name[0] == "_"):
            self._remove(path)  # about one picture, or an index that is made again
            return
        after = self._text_without(path, text)
        if after != text:
            write_text(path, after)
            self.removed.edited += 1

    def _text_without(self, path: Path, text: str) -> str:
        """Return the content of a text file without what is about a video."""
        suffix, traces = path.suffix.lower(), self.traces
        if suffix == ".jsonl":
            return traces.without_json_lines(text, self._wants_at(path))
        if suffix == ".csv":
            return traces.without_rows(text)
        plain = _json_without(text, traces) if suffix == ".json" else None
        return traces.without_lines(text) if plain is None else plain

    def _rows(self, rows: pa.Table) -> pa.Table:
        """Return the rows of a shard that are not about a video, and in which none is named."""
        for i, column in enumerate(rows.schema):
            if not pa.types.is_string(column.type):
                continue
            texts = pc.unique(rows[column.name].combine_chunks())
            named = [t for t in texts.to_pylist() if t is not None and self.traces.named_in(t)]
            if not named:
                continue
            is_named = pc.is_in(rows[column.name], value_set=pa.array(named))
            if column.name in ABOUT:
                rows = rows.filter(pc.invert(is_named))
            else:
                plain = [
                    t if t is None else self.traces.without_names(t)
                    for t in rows[column.name].to_pylist()
                ]
                rows = rows.set_column(i, column, pa.array(plain, column.type))
        return rows

    def _clear_further(self, root: Path) -> None:
        """Remove the traces from exports and drawn files elsewhere in the workspace."""
        for folder, folders, files in os.walk(root):
            here = Path(folder)
            if here == root:
                folders[:] = sorted(set(folders) - OWN_FOLDERS)
            elif (here / CONFIG_NAME).is_file():
                folders[:] = []  # another workspace
                continue
            if (here / EXPORT_MARK).is_file() or _SCRATCH.fullmatch(here.name):
                folders[:] = []
                self._clear(here)
                continue
            for path in sorted(here / name for name in files):
                if path.suffix.lower() in BINARY and is_rendering(path):
                    self._clear_rendering(path)

    def _clear_rendering(self, path: Path) -> None:
        """Remove a drawn file if it is of a video; note one of which that is not known."""
        traces = self.traces
        if traces.has_id(path.name) or any(stem in path.name for stem in traces.stems):
            self._remove(path)
        elif not _OF_ONE_VIDEO.search(path.stem):
            self.removed.unsure.append(str(path))

    def _clear_imports(self, folder: Path) -> None:
        """Remove imported files that hold nothing any more, and their names in the settings."""
        for what in ("truth", "labels"):
            path = folder / f"{what}.json"
            if path.is_file() and not read_json(path).get("images", True):
                set_key(self.workspace.config_path, what, None)
                self._remove(path)

    def _clear_exports(self) -> None:
        """Forget which exports hold the videos: they were named to the user before."""
        exports = known_exports(self.workspace.root)
        after = [
            replace(one, videos=tuple(v for v in one.videos if v not in self.traces.ids))
            for one in exports
        ]
        if after != exports:
            write_exports(self.workspace.root, after)


def _shows_unknown(path: Path) -> bool:
    """Return whether a file was drawn, and its name does not tell of which video."""
    if PICTURE_NAME.fullmatch(path.name) or _OF_ONE_VIDEO.search(path.stem):
        return False
    return is_rendering(path)


def _text_of(path: Path) -> str:
    """Return the content of a text file, empty for any other."""
    with path.open("rb") as file:
        if b"\0" in file.read(_PROBE_BYTES):
            return ""
    try:
        return read_text(path)
    except FormatError:  # not UTF-8: no text of ours
        return ""


def _json_without(text: str, traces: Traces) -> str | None:
    """Return JSON without what is about the videos, None if it is no JSON."""
    try:
        value: Any = json.loads(text)
    except ValueError:
        return None
    indent = _INDENT.match(text)
    spaces = len(indent[1]) if indent else None
    left: Any = traces.without(value)
    if isinstance(left, dict) and SEAL in left:
        left = sealed({key: one for key, one in left.items() if key != SEAL})
    return json.dumps(left, indent=spaces, ensure_ascii=False)
