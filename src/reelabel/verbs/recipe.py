"""recipe: train several classifiers on the same footage and compare them on unseen videos."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from reelabel.config import FOLDERS, Settings, checked, merged
from reelabel.data.tag_rows import TagRow
from reelabel.engine.project import parse_config, sections_of
from reelabel.engine.task import BUILT_IN, task_named
from reelabel.errors import ConfigError, ReelabelError, UsageError, counted, few, nearest, shown
from reelabel.file_kinds import as_path
from reelabel.formats.tags import write_tags_csv
from reelabel.labels.division import TEST
from reelabel.output_files import check_output
from reelabel.pipeline import read_config
from reelabel.tables import TAGS
from reelabel.verbs.arguments import check_arguments, listed
from reelabel.verbs.compare import compare
from reelabel.verbs.first_teacher import check_student
from reelabel.verbs.init import init
from reelabel.verbs.run import RunResult, run
from reelabel.workspace import Workspace
from reelabel.workspace.class_results import ModelComparison
from reelabel.workspace.results import SplitReport
from reelabel.yaml_text import read_yaml

TEST_SHARE = 0.2
"""Share of the labels in the videos that all students are compared on."""


class Recipe(Settings):
    """Several students of the same classes."""

    about: str = ""
    """One line for people."""
    classes: tuple[str, ...] = Field(min_length=2)
    """Class names."""
    class_map: dict[str, str] = Field(default_factory=dict)
    """Names in the tags -> class names; several to one."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Keys of `reelabel.yaml` for all students."""
    students: dict[str, dict[str, Any]] = Field(min_length=1)
    """Name of a student -> its own keys of `reelabel.yaml`."""

    def of_student(self, name: str) -> dict[str, Any]:
        """Return the keys of `reelabel.yaml` of one student.

        Sections of stages that only the task of another student has are left out.
        """
        given = merged(self.settings, self.students[name])
        tasks = [task_named(task).sections for task in BUILT_IN]
        foreign = {key for sections in tasks for key in sections} - sections_of(given).keys()
        given = {key: value for key, value in given.items() if key not in foreign}
        return {"class_map": self.class_map, **given} if self.class_map else given


@dataclass(frozen=True)
class RecipeResult:
    """What a recipe brought.

    Attributes:
        workspaces: name of a student -> its workspace.
        runs: name of a student -> what its run brought.
        comparison: all students on the same unseen videos.
    """

    workspaces: Mapping[str, Path]
    runs: Mapping[str, RunResult]
    comparison: ModelComparison


def recipe(
    file: Path | str,
    out: Path | str,
    *,
    videos: Sequence[Path | str] | Path | str,
    tags: Path | str,
    test_videos: Sequence[Path | str] | Path | str = (),
    settings: Mapping[str, Any] | None = None,
    quiet: bool | None = None,
    on_message: Callable[[str], None] | None = None,
) -> RecipeResult:
    """Train the students of a recipe on the same footage and compare them on unseen videos.

    Each student gets a workspace of its own below `out`. All are judged on the same videos, which
    none is trained on: `test_videos`, or else a fifth of the labels, by groups of videos that share
    a source or near-duplicates. A recipe that was interrupted goes on where it was.

    Args:
        file: the recipe, such as ``recipes/indoor_outdoor.yaml``.
        out: folder for the workspaces.
        videos: video files, picture files or folders of them.
        tags: weak labels: ``"folders"`` or a file, as for `init`.
        test_videos: videos to compare the students on.
        settings: keys of `reelabel.yaml` for all students, over those of the recipe; below the name
            of a student those for it alone, such as ``{"mobilenet": {"train": {"lr": 0.01}}}``.
        quiet: show no progress; None shows it to a person only.
        on_message: is called with a sentence before each student.

    Raises:
        ConfigError: if the recipe is damaged or holds something unknown.
        UsageError: if there is no footage.
        SplitError: if there are too few groups of videos to keep some apart.
    """
    check_arguments(quiet=quiet, settings=settings)
    check_output(out)
    out = as_path("out", out)
    footage = {
        "videos": listed("videos", videos),
        "test_videos": listed("test_videos", test_videos),
    }
    found = read_recipe(as_path("file", file), settings)
    home = Path(out)
    kept = _apart(found, home, **footage, tags=tags, quiet=quiet)
    runs = {}
    for name in found.students:
        if on_message is not None:
            videos_of = counted(len(kept.trained), "video")
            on_message(f"{name}: {videos_of}, {len(kept.test)} kept for comparing")
        workspace = _workspace(home / name, found, name, kept)
        runs[name] = run(workspace, quiet=quiet)
    folders = {name: home / name for name in found.students}
    compared = compare(folders, on=folders[next(iter(folders))], videos=kept.test)
    compared.save(home)
    return RecipeResult(folders, runs, compared)


def read_recipe(file: Path, settings: Mapping[str, Any] | None = None) -> Recipe:
    """Return a recipe whose students can all be trained, as far as that is known before work.

    Args:
        file: the recipe.
        settings: keys of `reelabel.yaml` for all students, and by student for one alone.

    Raises:
        ConfigError: if there is no such file, it is damaged, or holds something unknown.
        UsageError: if a student is of no known kind, or of none for its task.
    """
    _check_there(file)
    found, given = checked(Recipe, read_yaml(file), str(file)), settings or {}
    for_all = {key: value for key, value in given.items() if key not in found.students}
    students = {
        name: merged(merged(own, for_all), given.get(name) or {})
        for name, own in found.students.items()
    }
    found = found.model_copy(update={"students": students})
    for name in found.students:
        _check_student(found, name, f"{file}: student '{name}'")
    return found


def _check_there(file: Path) -> None:
    """Refuse a name that leads nowhere, with the nearest recipe beside it or in `recipes`."""
    if file.exists():
        return
    homes = (file.parent, file.parent / "recipes")
    there = [str(path) for home in homes for path in sorted(home.glob("*.yaml"))]
    near = nearest(str(file), there) or nearest(file.stem, there)
    raise ConfigError(
        f"{file}: there is no such recipe{near}: name a YAML file, such as "
        "recipes/indoor_outdoor.yaml"
    )


def _check_student(found: Recipe, name: str, where: str) -> None:
    """Refuse a student before the first one is trained."""
    try:
        values = {"classes": found.classes, "tags": FOLDERS} | found.of_student(name)
        check_student(parse_config(values, where))
    except ReelabelError as exc:
        raise type(exc)(str(exc) if str(exc).startswith(where) else f"{where}: {exc}") from exc


@dataclass(frozen=True)
class _Apart:
    """Which videos are trained on, which are kept for comparing, and the tags of all."""

    trained: list[Path]
    test: list[Path]
    tags: Path


def _apart(
    found: Recipe,
    home: Path,
    *,
    videos: Sequence[Path | str],
    tags: Path | str,
    test_videos: Sequence[Path | str],
    quiet: bool | None,
) -> _Apart:
    """Divide the footage once, for all students, by the groups that the split finds."""
    first = next(iter(found.students))
    values = merged(found.of_student(first), {"split": {"test_share": TEST_SHARE}})
    if test_videos:
        values = merged(values, {"split": {"test_share": 0}})
    ws = _once(home / "footage", found, values, videos=videos, tags=tags, test_videos=test_videos)
    run(ws, rounds=1, until="split", quiet=quiet)
    report = SplitReport.load(ws.round_dir(0))
    sides = report.videos if report else {}
    test = {v for v, side in sides.items() if side.get(TEST)}
    usable = [video for video in ws.videos() if video.usable]
    file = home / "tags.csv"
    rows = [row for video in usable for row in _tags(ws, video.video_id, video.path)]
    write_tags_csv(file, rows, read_config(ws).project.columns)
    return _Apart(
        [v.path for v in usable if not v.is_test and v.video_id not in test],
        [v.path for v in usable if v.is_test or v.video_id in test],
        file,
    )


def _once(
    root: Path,
    found: Recipe,
    values: dict[str, Any],
    *,
    videos: Sequence[Path | str],
    tags: Path | str,
    test_videos: Sequence[Path | str] = (),
    truth: Path | None = None,
) -> Workspace:
    """Return a workspace, made now if it is not there."""
    workspace = Workspace(root)
    given = {key: value for key, value in values.items() if key != "task"}
    if workspace.config_path.is_file():
        _check_same(workspace, {"classes": found.classes, **given})
        return workspace
    return init(
        root,
        classes=found.classes,
        videos=videos,
        test_videos=test_videos,
        tags=tags,
        truth=truth,
        task=str(values.get("task", "classify-frames")),
        settings=given,
    )


def _check_same(workspace: Workspace, values: Mapping[str, Any]) -> None:
    """Refuse to go on with a student that was begun with other settings.

    Raises:
        UsageError: naming them.
    """
    there = read_yaml(workspace.config_path)
    if changed := [*_changed(values, there)]:
        raise UsageError(
            f"{workspace.root} was begun with other settings ({few(changed)}): name another "
            f"folder, remove this one, or change its {workspace.config_path.name}"
        )


def _changed(values: Mapping[str, Any], there: Mapping[str, Any], place: str = "") -> Iterator[str]:
    """Yield the settings that are not what stands in a file, such as ``train.lr 0.1 -> 0.2``."""
    for key, value in values.items():
        before = there.get(key)
        if isinstance(value, Mapping):
            inner = before if isinstance(before, Mapping) else {}
            yield from _changed(value, inner, f"{place}{key}.")
        elif json.dumps(value, default=str) != json.dumps(before, default=str):
            yield f"{place}{key} {shown(before)} -> {shown(value)}"


def _tags(ws: Workspace, video_id: str, path: Path) -> list[TagRow]:
    """Return the tags of one video, under its path."""
    return [
        TagRow(str(path), row["category"], row["claim"] == "is", row["start_s"], row["end_s"])
        for row in ws.read(TAGS, video_id).to_pylist()
    ]


def _workspace(root: Path, found: Recipe, name: str, kept: _Apart) -> Workspace:
    """Return the workspace of one student."""
    values = found.of_student(name)
    return _once(
        root,
        found,
        values,
        videos=kept.trained,
        tags=kept.tags,
        test_videos=kept.test,
        truth=kept.tags,
    )
