"""export: write a round's labels, or its student, in a format that other tools read."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from reelabel.config import Config
from reelabel.engine.project import read_config, task_of
from reelabel.engine.task import Task, found_at
from reelabel.errors import MissingExtra, MissingInput, UsageError, nearest
from reelabel.file_kinds import as_path
from reelabel.files import staged_folder, write_text
from reelabel.formats.attribution import write_attribution
from reelabel.formats.pictures import EXPORT_MARK
from reelabel.formats.video_files import OfVideos
from reelabel.labels.division import SIDES, TRAIN
from reelabel.labels.unsure import look_first
from reelabel.models.students.folder import MODEL_JSON
from reelabel.output_files import check_output, prepare_outputs
from reelabel.tables import DETECTIONS
from reelabel.verbs.arguments import check_arguments
from reelabel.verbs.detections import export_detections
from reelabel.verbs.label_lines import data_sentence
from reelabel.verbs.origins import origins_of
from reelabel.verbs.run import opened
from reelabel.verbs.show_video import last_labelled
from reelabel.verbs.unsure import UnsureRound, unsure_sentences, write_unsure
from reelabel.workspace import Workspace
from reelabel.workspace.known_exports import note_export
from reelabel.workspace.names import VideosById
from reelabel.workspace.results import SplitReport
from reelabel.workspace.rounds import (
    best_model,
    current_rounds,
    dataset_dir,
    model_dir,
    student_spec,
)
from reelabel.workspace.written import require_pictures, require_written

COCO = "coco"
DETECTIONS_TXT = "detections-txt"
ONNX = "onnx"


def export(  # noqa: PLR0913 -- each is a flag
    workspace: Workspace | Path | str,
    out: Path | str,
    *,
    format: str | None = None,  # noqa: A002 -- the name of the flag
    round: int | None = None,  # noqa: A002 -- the name of the flag
    into: Path | str | None = None,
    unsure: int | None = None,
    overwrite: bool = False,
    half: bool = False,
    on_message: Callable[[str], None] | None = None,
) -> Path:
    """Write the data set of a round, pictures included, and return its folder.

    If pictures come from fetched footage, the folder has `ATTRIBUTION.csv` and `ATTRIBUTION.txt`
    (`reelabel.formats.attribution`).

    Args:
        workspace: a workspace or its folder.
        out: a folder that does not exist yet or is empty; it appears when all is written. For onnx
            a file, such as ``student.onnx``.
        format: for boxes coco, yolo, voc, cvat, cvat-video, mot, label-studio, label-studio-video,
            fiftyone or parquet (`reelabel.formats.registry.BOX_WRITERS`), for classes image-folder,
            class-csv, kinetics-csv or fiftyone; None is the first of these. detections-txt for all
            detections of the round's teacher, a file for each video and class
            (`reelabel.formats.detections_txt`); onnx for the student
            (`reelabel.models.students.onnx_export`).
        round: which round; None is the last one that has a data set, or detections; for onnx that
            of the best student.
        into: a COCO file that the pictures to train on are added to;
            ``annotations/instances_train.json`` is then that file with them behind
            (`reelabel.formats.coco_into`). It is not changed itself, and val and test stay files
            of their own.
        unsure: only so many frames, or moments: those that a person should look at first, with the
            labels of the round to correct, and `UNSURE.csv`, which states what is in doubt
            (`reelabel.labels.unsure`). `reelabel.import_labels` takes them back, as labels.
        overwrite: replace an earlier export in `out`; a folder that is none is refused all the
            same.
        half: for onnx: half precision inside, in half the size; meant for GPUs.
        on_message: is called with sentences on what was written and added.

    Raises:
        UsageError: for an unknown format, a folder that holds something, or `into` with another
            format than coco, or `half` with another than onnx, or `unsure` with one that holds no
            pictures.
        FormatError: if `into` is no COCO file.
        MissingInput: if no round has a data set yet, or no student, or nothing is unsure.
        ShardError: if the data set or a picture of it is not what was written.
        MissingExtra: for onnx without torch.
    """
    check_arguments(round=round, overwrite=overwrite, half=half, format=format, unsure=unsure)
    check_output(out, into)
    out = as_path("out", out)
    ws = opened(workspace)
    config = read_config(ws)
    task = task_of(config)
    kind = _format(task, format, into=into is not None, unsure=unsure is not None)
    tell = on_message or (lambda _: None)
    if kind == ONNX:
        prepare_outputs([], [out])
        number = _export_student(ws, config, Path(out), round, half=half)
        tell(f"round {number}: the student")
        return Path(out)
    if half:
        raise UsageError(f"half precision is for onnx alone, but the format is '{kind}'")
    target = Path(out)
    _check_target(target, overwrite=overwrite)
    with staged_folder(target, replace=overwrite and _is_export(target)) as folder:
        asked = _Asked(ws, config, task, kind, round, unsure, into)
        written = asked.write(folder)
        if written is not None:
            write_attribution(folder, origins_of(ws, written.videos))
        write_text(folder / EXPORT_MARK, f"export of {ws.root.absolute()} as {kind}\n")
    if written is not None:
        note_export(ws.root, target, kind, number=written.number, videos=written.videos)
        for message in written.messages:
            tell(message)
    return target


@dataclass(frozen=True)
class _Written:
    """What an export holds: of which round and videos, and sentences on it."""

    number: int
    videos: set[str]
    messages: list[str]


@dataclass(frozen=True)
class _Asked:
    """What is to be exported: the arguments of `export`, checked."""

    workspace: Workspace
    config: Config
    task: Task
    kind: str
    round: int | None
    unsure: int | None
    into: Path | str | None

    def write(self, folder: Path) -> _Written | None:
        """Write it into an empty folder; None if it is no part of a data set."""
        if self.kind == DETECTIONS_TXT:
            export_detections(self.workspace, folder, self.round)
            return None
        return self._data_set(folder) if self.unsure is None else self._unsure(folder, self.unsure)

    def _data_set(self, folder: Path) -> _Written:
        ws, task = self.workspace, self.task
        number = _round_with_data(ws, self.round)
        videos = _videos_in(ws, number)
        given = Path(self.into) if self.into is not None else None
        require_written(ws, number, pictures_of=videos)
        write, home = found_at(task.exports[self.kind]), dataset_dir(ws, number)
        added = found_at(task.export)(folder, home, write, into=given, workspace=ws)
        content = _content(ws, self.config, number, asked=self.round is not None)
        return _Written(number, videos, [*content, *added])

    def _unsure(self, folder: Path, most: int) -> _Written:
        ws, write = self.workspace, found_at(self.task.exports[self.kind])
        number = last_labelled(ws, self.round, self.task.labels)
        found: UnsureRound = self.task.part("unsure")(ws, number, self.config)
        chosen = look_first(found.unsure(), most)
        if not chosen:
            raise MissingInput(
                f"{ws.root}: in the labels of round {number} nothing is in doubt that a person has "
                "not settled"
            )
        videos = {one.video_id for one in chosen}
        require_pictures(ws, videos)
        found.write(folder, write, chosen)
        write_unsure(folder, chosen, VideosById(ws.videos()))
        return _Written(number, videos, unsure_sentences(chosen, number, ws.root))


def _content(workspace: Workspace, config: Config, number: int, *, asked: bool) -> list[str]:
    """Return sentences on what was exported, and whether the best model is of another round.

    Args:
        workspace: the workspace.
        config: its settings.
        number: the round that was exported.
        asked: whether the user named it.
    """
    split = SplitReport.load(workspace.round_dir(number))
    messages = [data_sentence(number, split)] if split is not None else []
    best = _students(workspace).get(_best(workspace, config), number)
    if best != number and not asked:
        messages.append(
            f"the best model is the student of round {best}: --round {best} exports what it was "
            "trained on"
        )
    return messages


def _students(workspace: Workspace) -> dict[str, int]:
    """Return the round of each student, by its name as a model."""
    return {student_spec(number): number for number in workspace.rounds()}


def _best(workspace: Workspace, config: Config) -> str:
    """Return the name of the best model so far; empty if there is none."""
    return best_model(workspace, task_of(config).first_teacher(config.project))


def _check_target(folder: Path, *, overwrite: bool) -> None:
    """Refuse a folder that holds something, unless it is an earlier export to be replaced.

    Raises:
        UsageError: stating what it holds and what to do.
    """
    free = not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
    if free or (overwrite and _is_export(folder)):
        return
    if _is_export(folder):
        raise UsageError(
            f"expected a new or empty folder, but {folder} holds an earlier export: replace it "
            "with --overwrite (overwrite=True), or name another"
        )
    earlier = " or an earlier export" if overwrite else ""
    holds = "files that are no earlier export" if overwrite else "files"
    raise UsageError(
        f"expected a new or empty folder{earlier}, but {folder} holds {holds}: name another"
    )


def _is_export(folder: Path) -> bool:
    """Return whether a folder holds an earlier export, which has a mark."""
    return (folder / EXPORT_MARK).is_file()


def _videos_in(workspace: Workspace, number: int, sides: Collection[str] = SIDES) -> set[str]:
    """Return the ids of the videos of which there are pictures on these sides of a data set."""
    report = SplitReport.load(workspace.round_dir(number))
    videos = report.videos.items() if report else ()
    return {video_id for video_id, counts in videos if any(map(counts.get, sides))}


def _format(task: Task, given: str | None, *, into: bool, unsure: bool) -> str:
    """Return the format to write.

    Raises:
        UsageError: if the task has no such format, or it cannot be added to a file.
    """
    detects = any(DETECTIONS in stage.writes for stage in task.flow.values())
    further = {DETECTIONS_TXT: detects, ONNX: "train" in task.flow}
    formats = (*task.exports, *(name for name, there in further.items() if there))
    kind = given or next(iter(task.exports), COCO)
    if kind not in formats:
        known = ", ".join(formats)
        hint = nearest(kind, formats)
        raise UsageError(f"no format '{kind}' of the task {task.name}{hint}; formats: {known}")
    if into and kind != COCO:
        raise UsageError(f"only coco can be written into a file, but the format is '{kind}'")
    of_pictures = kind in task.exports and not isinstance(found_at(task.exports[kind]), OfVideos)
    if unsure and (into or not of_pictures):
        raise UsageError(
            "what is unsure is written as pictures with labels to correct, not "
            f"{'into a file' if into else f'as {kind}'}: take a format of pictures, such as "
            f"{next(iter(task.exports))}"
        )
    return kind


def _export_student(
    workspace: Workspace, config: Config, out: Path, wanted: int | None, *, half: bool
) -> int:
    """Write the student of a round, None for the best one, as one ONNX file; return the round.

    Raises:
        UsageError: if the file has another suffix.
    """
    if out.suffix.lower() != ".onnx" or out.is_dir():
        raise UsageError(f"{out}: expected a file that ends in .onnx, such as student.onnx")
    number = _student_round(workspace, config, wanted)
    try:
        from reelabel.models.students.onnx_export import export_onnx  # noqa: PLC0415 -- torch
    except ModuleNotFoundError as exc:
        raise MissingExtra("export --format onnx", "train") from exc
    export_onnx(model_dir(workspace, number), out, "float16" if half else "float32")
    videos = _videos_in(workspace, number, [TRAIN])
    note_export(workspace.root, out, ONNX, number=number, videos=videos)
    return number


def _student_round(workspace: Workspace, config: Config, wanted: int | None) -> int:
    """Return the round whose student is wanted, None for that of the best one.

    Raises:
        UsageError: if the best model is no student.
        MissingInput: if the round has no student.
    """
    best, students = _best(workspace, config), _students(workspace)
    if wanted is None and best not in students:
        raise UsageError(
            f"the best model is {best or 'none yet'}, which is no student of this workspace: name "
            "the round of another with --round, or train one"
        )
    chosen = students[best] if wanted is None else wanted
    if not (model_dir(workspace, chosen) / MODEL_JSON).is_file():
        raise MissingInput(f"{workspace.root}: round {chosen} has no trained student")
    return chosen


def _round_with_data(workspace: Workspace, wanted: int | None) -> int:
    """Return the round that is wanted, None for the last one with a data set."""
    there = [n for n in workspace.rounds() if (dataset_dir(workspace, n) / "split.json").is_file()]
    if not there:
        again = f"run  reelabel run {workspace.root}"
        raise MissingInput(f"{workspace.root} has no data set yet: {again}")
    if wanted is not None and wanted not in there:
        known = ", ".join(map(str, there))
        raise UsageError(f"round {wanted} has no data set; rounds that have one: {known}")
    current = [n for n in there if n in current_rounds(workspace)] or there
    return current[-1] if wanted is None else wanted
