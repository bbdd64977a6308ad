"""take_in: bring boxes from outside into a workspace, as truth or as labels.

The command is called ``import``, which is no name for a function in Python. The file is checked,
copied into ``imports/`` and named in `reelabel.yaml`; the stage `truth` ties it to frames.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from reelabel.errors import UsageError, nearest
from reelabel.formats.coco import read_coco, write_coco
from reelabel.formats.dataset import Dataset
from reelabel.workspace import Workspace, explained, write_atomic

FORMATS = ("coco",)


def take_in(
    workspace: Workspace | Path | str,
    file: Path | str,
    *,
    format: str = "coco",  # noqa: A002 -- the name of the flag
    what: Literal["truth", "labels"] = "labels",
    xyxy: bool = False,
) -> Dataset:
    """Bring a file of boxes into a workspace and return what it holds.

    Args:
        workspace: a workspace or its folder.
        file: a label file whose pictures name videos of the workspace.
        format: coco.
        what: truth, to evaluate on and never to train on; or labels, which are trained on and
            silence models in their frames and classes.
        xyxy: boxes are corners, as some scripts write them into files that look like COCO.

    Raises:
        UsageError: for an unknown format.
        FormatError: if the file is damaged.
    """
    ws = workspace if isinstance(workspace, Workspace) else Workspace.open(workspace)
    if format not in FORMATS:
        known = ", ".join(FORMATS)
        raise UsageError(f"no format '{format}'{nearest(format, FORMATS)}; formats: {known}")
    data = read_coco(Path(file), xyxy=True if xyxy else None)
    target = ws.root / "imports" / f"{what}.json"
    with ws.locked():
        with explained(target):
            target.parent.mkdir(exist_ok=True)
        write_coco(target, data)
        _name_in_config(ws, what, f"imports/{what}.json")
    return data


def _name_in_config(workspace: Workspace, key: str, value: str) -> None:
    """Set one key at the top of `reelabel.yaml` and leave the rest of it as it is."""
    text = workspace.config_path.read_text(encoding="utf-8")
    line = f"{key}: {value}"
    found, count = re.subn(rf"(?m)^{key}:.*$", line, text)
    changed = found if count else f"{line}\n{text}"
    write_atomic(workspace.config_path, lambda scratch: scratch.write_text(changed, "utf-8"))
