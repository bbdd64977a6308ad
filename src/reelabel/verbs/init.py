"""init: make a workspace."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from reelabel.config import dump, parse
from reelabel.errors import UsageError
from reelabel.files import explained, write_text
from reelabel.media.rendering import is_rendering
from reelabel.pipeline import sections_of
from reelabel.sources.footage import Footage, find_footage, left_out_sentences
from reelabel.workspace import CONFIG_NAME, Workspace


def init(  # noqa: PLR0913 -- one argument for each flag of the command
    root: Path | str,
    *,
    classes: Sequence[str],
    videos: Sequence[Path | str],
    detector: str = "motion",
    truth: Path | str | None = None,
    test_videos: Sequence[Path | str] = (),
    settings: Mapping[str, Any] | None = None,
    task: str = "detect",
    on_message: Callable[[str], None] | None = None,
) -> Workspace:
    """Make a workspace and return it; nothing is decoded yet.

    Args:
        root: the folder to make.
        classes: names of what to find.
        videos: video files, picture files or folders of them.
        detector: the first teacher, such as ``onnx:yolox_nano.onnx``.
        truth: a COCO file of hand-drawn boxes to evaluate on.
        test_videos: videos that are only evaluated on.
        settings: further keys of `reelabel.yaml`, such as ``{"sample": {"every": 5}}``.
        task: what is learnt.
        on_message: is called with sentences on files that are not taken as footage.

    Raises:
        UsageError: if the folder is a workspace already, a path leads nowhere, or there is no
            footage.
        ConfigError: if a setting is unknown or wrong.
    """
    workspace = Workspace(Path(root))
    if workspace.config_path.exists():
        raise UsageError(f"{root} is a workspace already: change its {CONFIG_NAME}, or remove it")
    values: dict[str, Any] = {
        "task": task,
        "classes": list(classes),
        "videos": [_absolute(video) for video in videos],
        "detector": _absolute_spec(detector),
    }
    if truth is not None:
        values["truth"] = _absolute(truth)
    if test_videos:
        values["test_videos"] = [_absolute(video) for video in test_videos]
    values |= settings or {}
    sections = sections_of(values)
    project = parse(values, sections, "reelabel init").project
    footage = find_footage(project, workspace.root)
    if on_message is not None:
        for sentence in left_out_sentences(footage.left_out):
            on_message(sentence)
    if truth is None and _is_one_video(footage):
        values["split"] = {"single_video": True} | dict(values.get("split") or {})
    text = dump(values, sections)
    with explained(workspace.root):
        workspace.root.mkdir(parents=True, exist_ok=True)
    write_text(workspace.config_path, text)
    return workspace


def _is_one_video(footage: Footage) -> bool:
    """Tell whether there is just one file to train on; files are opened until there are two."""
    files = (path for path, role in footage.files if role == "footage" and not is_rendering(path))
    return len(list(islice(files, 2))) == 1


def _absolute(path: Path | str) -> str:
    """Return a path that means the same from everywhere.

    Raises:
        UsageError: if there is nothing.
    """
    found = Path(path).expanduser()
    if not found.exists():
        raise UsageError(f"{path}: there is no such file or folder")
    return str(found.resolve())


def _absolute_spec(spec: str) -> str:
    """Return a model's name with a path in it made absolute, if it is one."""
    kind, colon, rest = spec.partition(":")
    path = Path(rest).expanduser()
    return f"{kind}:{path.resolve()}" if colon and rest and path.exists() else spec
