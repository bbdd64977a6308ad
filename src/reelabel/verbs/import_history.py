"""What imports changed, so that each can be taken back.

Before an import writes a file, the file is copied to ``imports/history/<number>/``, and
``record.json`` there names what was imported and which setting was changed. The last import, or the
last of a kind, is taken back by restoring these.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from reelabel.checksums import sealed, unsealed
from reelabel.config_edit import set_key
from reelabel.errors import FormatError, MissingInput, UsageError
from reelabel.files import copy_file, read_json, write_json
from reelabel.pipeline import read_config
from reelabel.verbs.arguments import check_arguments
from reelabel.verbs.run import opened
from reelabel.workspace import Workspace
from reelabel.workspace.editing import remove_path

What = Literal["truth", "labels", "detections"]
"""What is imported."""
HISTORY = "imports/history"
RECORD = "record.json"


@dataclass(frozen=True)
class ImportRecord:
    """One import.

    Attributes:
        number: imports count from 1.
        what: as what it was imported.
        source: the file or folder that was imported.
        key: the setting that names what was imported.
        before: its value before; None if it was not set.
        after: its value since.
        files: each file below the workspace that was written -> whether it was there before.
    """

    number: int
    what: What
    source: str
    key: str
    before: str | None
    after: str
    files: dict[str, bool] = field(default_factory=dict)


_RECORDS = TypeAdapter(ImportRecord)


@dataclass
class Changes:
    """What one import is about to change.

    Attributes:
        workspace: the workspace.
        folder: where the files of before are kept.
        files: each file -> whether it was there before.
    """

    workspace: Workspace
    folder: Path
    files: dict[str, bool] = field(default_factory=dict)

    def keep(self, path: Path) -> None:
        """Keep a file as it is, before it is written.

        Raises:
            WorkspaceError: if it cannot be copied.
        """
        name = path.relative_to(self.workspace.root).as_posix()
        if name not in self.files:
            self.files[name] = path.is_file()
            if self.files[name]:
                copy_file(path, self.folder / name)

    def restore(self) -> None:
        """Write the files of before, and remove those that were not there.

        Raises:
            WorkspaceError: if the file system refuses.
        """
        for name, was_there in self.files.items():
            path = self.workspace.root / name
            if was_there:
                copy_file(self.folder / name, path)
            else:
                remove_path(path)


def imported_path(workspace: Workspace, what: What, suffix: str) -> Path:
    """Return the file that holds all that was imported as that."""
    return workspace.root / "imports" / f"{what}{suffix}"


def is_named(workspace: Workspace, what: What, path: Path) -> bool:
    """Return whether a file is there and the settings name it, so that a new import joins it."""
    name = str(path.relative_to(workspace.root))
    return path.is_file() and getattr(read_config(workspace).project, what) == name


@contextmanager
def recorded(
    workspace: Workspace, what: What, source: Path, *, key: str, value: str
) -> Iterator[Changes]:
    """Record what the block writes, then set the setting that names it; undo it if it fails.

    Args:
        workspace: the workspace, locked.
        what: as what something is imported.
        source: the file or folder.
        key: the setting of `reelabel.yaml` that names what was imported.
        value: its value from then on.

    Raises:
        WorkspaceError: if the file system refuses.
        ConfigError: if the setting cannot be set.
    """
    number = max((one.number for one in import_records(workspace)), default=0) + 1
    folder = workspace.root / HISTORY / str(number)
    remove_path(folder)  # of an import that was killed
    changes = Changes(workspace, folder)
    before = getattr(read_config(workspace).project, key)
    try:
        yield changes
        record = ImportRecord(
            number, what, str(source.absolute()), key, before, value, changes.files
        )
        write_json(folder / RECORD, sealed(asdict(record)))
        set_key(workspace.config_path, key, value)
    except BaseException:
        changes.restore()
        remove_path(folder)
        raise


def import_records(workspace: Workspace) -> list[ImportRecord]:
    """Return the imports that were not taken back, in order.

    Raises:
        FormatError: if a record is damaged.
    """
    paths = (workspace.root / HISTORY).glob(f"*/{RECORD}")
    return sorted((_record(path) for path in paths), key=lambda one: one.number)


def _record(path: Path) -> ImportRecord:
    again = "remove it, and what it names can no longer be taken back"
    try:
        return _RECORDS.validate_python(unsealed(read_json(path), str(path), again))
    except ValidationError as exc:
        why = exc.errors()[0]["msg"]
        raise FormatError(
            f"{path}: expected the record of an import, but it is damaged ({why}): {again}"
        ) from exc


def remove_import(workspace: Workspace | Path | str, *, what: What | None = None) -> ImportRecord:
    """Take back the last import: files and setting become what they were before it.

    Args:
        workspace: a workspace or its folder.
        what: only the last import as truth, as labels or as detections; None: the last of all.

    Returns:
        The import that was taken back.

    Raises:
        MissingInput: if there is none.
        UsageError: if the setting was changed since, or for an unknown kind of import.
        WorkspaceError: if the file system refuses.
    """
    check_arguments(what=what)
    ws = opened(workspace)
    with ws.locked():
        found = [one for one in import_records(ws) if what in {None, one.what}]
        if not found:
            kind = f" as {what}" if what else ""
            raise MissingInput(
                f"{ws.root}: expected an import{kind} to take back, but there is none"
            )
        last = found[-1]
        _check_setting(ws, last)
        folder = ws.root / HISTORY / str(last.number)
        Changes(ws, folder, last.files).restore()
        if getattr(read_config(ws).project, last.key) != last.before:
            set_key(ws.config_path, last.key, last.before)
        remove_path(folder)
    return last


def _check_setting(workspace: Workspace, record: ImportRecord) -> None:
    """Refuse to overwrite a setting that a person changed since.

    Raises:
        UsageError: naming it.
    """
    value = getattr(read_config(workspace).project, record.key)
    if value not in {record.before, record.after}:
        raise UsageError(
            f"{workspace.config_path}: expected  {record.key}: {record.after}  as the import of "
            f"{record.source} set it, but got {value}: set it again, or remove that import's files"
        )
