"""init: make a workspace."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from reelabel.config import FOLDERS, MANIFEST, Config, merged
from reelabel.config_template import dump
from reelabel.engine.project import parse_config, sections_of
from reelabel.engine.task import task_named
from reelabel.errors import UsageError, shown
from reelabel.file_kinds import as_path
from reelabel.files import explained, write_text
from reelabel.media.rendering import is_rendering
from reelabel.short_names import DEFAULT_TASK, class_names
from reelabel.sources.footage import Footage, find_footage, left_out_sentences, unusable
from reelabel.verbs.arguments import check_arguments, check_names, listed
from reelabel.verbs.first_teacher import (
    check_detector,
    check_student,
    check_teacher,
    chosen_detector,
)
from reelabel.verbs.manifests import manifests_of, with_manifest
from reelabel.verbs.people_checks import check_people_files
from reelabel.workspace import CONFIG_NAME, Workspace
from reelabel.workspace.workspace import text_path


def init(  # noqa: PLR0913 -- one argument for each flag of the command
    workspace: Path | str,
    *,
    classes: Sequence[str] | str = (),
    videos: Sequence[Path | str] | Path | str = (),
    manifest: tuple[str, Path | str] | None = None,
    detector: Path | str | Sequence[Path | str] | None = None,
    teacher: str | None = None,
    tags: Path | str | None = None,
    multi_label: bool = False,
    truth: Path | str | None = None,
    test_videos: Sequence[Path | str] | Path | str = (),
    settings: Mapping[str, Any] | None = None,
    task: str = DEFAULT_TASK,
    on_message: Callable[[str], None] | None = None,
) -> Workspace:
    """Make a workspace and return it; nothing is decoded yet.

    Args:
        workspace: the folder to make.
        classes: names of what to find, in a list or with commas between them; none: the labels of
            the manifest.
        videos: video files, picture files or folders of them.
        manifest: kind and file of a list of videos to fetch, such as ``("kinetics", "val.csv")``;
            what is taken of it stands in `settings` under ``want``.
        detector: the first teacher of a detector, such as ``yolox-nano`` or a path that ends in
            ``.onnx``, or several in a list, whose boxes are fused; None: see
            `reelabel.verbs.first_teacher.chosen_detector`.
        teacher: the first teacher of a classifier, such as ``hf-zero-shot-image:ID``; None: the
            tags alone.
        tags: weak labels of whole videos for a classifier: ``"folders"`` (the class is the name of
            the folder that a video lies in), ``"manifest"`` (as the manifest states, the default
            where one is given), or a file: CSV, JSON, or a manifest of videos that are there.
        multi_label: several classes, or none, may be right at once.
        truth: a file of hand-made labels to evaluate on: boxes as COCO, classes as CSV.
        test_videos: videos that are only evaluated on.
        settings: further keys of `reelabel.yaml`, such as ``{"sample": {"every": 5}}``.
        task: what is learnt.
        on_message: is called with sentences on files that are not taken as footage.

    Raises:
        UsageError: if the folder is a workspace already, a path leads nowhere, or there is no
            footage.
        WorkspaceError: if the folder's path is no UTF-8, or it cannot be made.
        ModelError: if a detector on this machine cannot be used, or lacks one of the classes.
        ConfigError: if a setting is unknown or wrong.
        FormatError: if a file of truth, labels or tags is one that `run` would refuse.
    """
    check_arguments(multi_label=multi_label, settings=settings, task=task)
    made = Workspace(text_path(as_path("workspace", workspace)))
    if made.config_path.exists():
        raise UsageError(
            f"{workspace} is a workspace already: change its {CONFIG_NAME}, or remove it"
        )
    values: dict[str, Any] = {
        "task": task,
        "classes": class_names(listed("classes", classes)),
        "videos": _footage("videos", videos),
    }
    tell = on_message or (lambda _: None)
    given = detector is not None or "detector" in (settings or {})
    values |= _absolute_models(detector=detector, teacher=teacher)
    files = {"tags": tags, "truth": truth}
    values |= {key: _file(key, file) for key, file in files.items() if file is not None}
    if multi_label:
        values["multi_label"] = True
    if tests := _footage("test_videos", test_videos):
        values["test_videos"] = tests
    values = with_manifest(merged(values, settings or {}), manifest)
    if not given and "detector" in task_named(task).keys:
        values["detector"], why = chosen_detector(values["classes"])
    config = parse_config(values, "reelabel init")
    project = config.project
    if "detector" in values and not given:
        tell(f"detector: {values['detector']}, {why}")
    if given:
        check_detector(project, made.root)
    _check_classes(config, made.root)
    footage = find_footage(project, made.root)
    for sentence in left_out_sentences(footage.left_out):
        tell(sentence)
    there = () if (values.get("want") or {}).get("manifests") else [p for p, _ in footage.files]
    check_people_files(task_named(task), project, made.root, there)
    if truth is None and _is_one_video(footage):
        values["split"] = {"single_video": True} | dict(values.get("split") or {})
    _write(made, dump(values, sections_of(values)))
    return made


def _check_classes(config: Config, root: Path) -> None:
    """Check what classes are learnt from, and the student, as far as that is possible now.

    Raises:
        UsageError: for tags of a manifest without one, or a student of another task.
        ModelError: if the teacher cannot be used.
    """
    if config.project.tags == MANIFEST and not manifests_of(config):
        raise UsageError(
            "expected a manifest, as 'tags: manifest' takes the classes that it states, but none "
            f"is named: add --from KIND FILE, or give tags as '{FOLDERS}' or a file"
        )
    check_teacher(config.project, root)
    check_student(config)


def _write(workspace: Workspace, text: str) -> None:
    """Make the folder of a workspace, and write its settings."""
    with explained(workspace.root):
        workspace.root.mkdir(parents=True, exist_ok=True)
    write_text(workspace.config_path, text)


def _is_one_video(footage: Footage) -> bool:
    """Return whether there is just one file to train on; files are opened until there are two."""
    files = (path for path, role in footage.files if role == "footage" and not is_rendering(path))
    return len(list(islice(files, 2))) == 1


def _footage(key: str, given: object) -> list[str]:
    """Return the absolute paths of files and folders of footage."""
    return [_absolute(path, key) for path in listed(key, given)]


def _file(key: str, file: Path | str) -> str:
    """Return a file's absolute path; a word that stands for no file stays as it is."""
    is_word = key == "tags" and str(file) in {FOLDERS, MANIFEST}
    return str(file) if is_word else _absolute(file, key)


def _absolute(path: Path | str, key: str) -> str:
    """Return a path that means the same from everywhere.

    Raises:
        UsageError: if there is nothing, or something that no file can be read from.
    """
    found = as_path(key, path).expanduser()
    if not found.exists():
        raise UsageError(f"{path}: there is no such file or folder")
    if reason := unusable(found):
        raise UsageError(f"{path}: expected a file or a folder, but it is one of the {reason}")
    return str(found.resolve())


def _absolute_models(**models: object) -> dict[str, str | list[str]]:
    """Return the names of models that are given, with paths in them made absolute.

    Raises:
        UsageError: if one is no text.
    """
    given = {key: _texts(names) for key, names in models.items() if names is not None}
    for key, names in given.items():
        if key == "detector" and (callable(names) or hasattr(names, "predict")):
            raise UsageError(
                f"expected {key} as a name or a path, which reelabel.yaml can hold, but got "
                f"{shown(names)}: give it to run, as in  reelabel.run(workspace, detector=...)"
            )
        check_names(key, names)
    return {key: _absolute_specs(names) for key, names in given.items()}


def _texts(names: Any) -> Any:
    """Return names of models, with paths among them as texts."""
    if isinstance(names, list | tuple):
        return [_texts(name) for name in names]
    return str(names) if isinstance(names, Path) else names


def _absolute_specs(given: str | Sequence[str]) -> str | list[str]:
    """Return a model's name with a path in it made absolute, or those of several."""
    return _absolute_spec(given) if isinstance(given, str) else [_absolute_spec(g) for g in given]


def _absolute_spec(spec: str) -> str:
    """Return a model's name with a path in it made absolute, if it is one."""
    kind, colon, rest = spec.partition(":")
    path = Path(rest if colon else spec).expanduser()
    if not spec or not path.exists() or (colon and not rest):
        return spec
    return f"{kind}:{path.resolve()}" if colon else str(path.resolve())
