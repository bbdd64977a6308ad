"""The files of people's labels that the settings of a workspace name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reelabel.engine.stage import Context, Resource
from reelabel.errors import FormatError
from reelabel.workspace import fingerprint
from reelabel.workspace.names import copies_in

Paths = list[Path | None]
"""The file of truth and the file of labels, where they are named."""


def people_files(context: Context[Any], what: str) -> Resource[Paths]:
    """Return the two files, whose content decides whether they must be read again.

    So do the names of the videos' copies, under which the files may name them.

    Args:
        context: of a stage that comes after `register`.
        what: the kind of file, for the message.

    Raises:
        FormatError: if there is no such file.
    """
    named = (context.project.truth, context.project.labels)
    paths = [context.root / name if name else None for name in named]
    for key, path in zip(("truth", "labels"), paths, strict=True):
        if path is not None and not path.is_file():
            raise FormatError(
                f"{path}: expected {what}, but there is none: put it back, import it again with  "
                f"reelabel import {context.root} FILE --as {key}, or remove the setting '{key}'"
            )
    contents = [path.read_bytes().hex() if path else "" for path in paths]
    return Resource(paths, fingerprint(contents, copies_in(context.inputs.receipt("register"))))
