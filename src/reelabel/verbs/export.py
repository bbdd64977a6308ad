"""export: write a round's labels in a format that other tools read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from reelabel.data.dataset import Dataset
from reelabel.engine.project import read_config, task_of
from reelabel.engine.task import found_at
from reelabel.errors import MissingInput, UsageError, nearest
from reelabel.files import staged_folder, write_text
from reelabel.formats.coco import read_coco
from reelabel.formats.coco_into import CocoFile
from reelabel.formats.pictures import EXPORT_MARK, frame_picture
from reelabel.verbs.detections import export_detections
from reelabel.workspace import Workspace
from reelabel.workspace.rounds import dataset_dir

TRAIN = "train"
SPLITS = (TRAIN, "val", "test")
COCO = "coco"
DETECTIONS_TXT = "detections-txt"


def export(
    workspace: Workspace | Path | str,
    out: Path | str,
    *,
    format: str = COCO,  # noqa: A002 -- the name of the flag
    round: int | None = None,  # noqa: A002 -- the name of the flag
    into: Path | str | None = None,
    on_message: Callable[[str], None] | None = None,
) -> Path:
    """Write the data set of a round, pictures included, and return its folder.

    Args:
        workspace: a workspace or its folder.
        out: a folder that does not exist yet or is empty; it appears when all is written.
        format: coco, yolo or voc for the data set; detections-txt for all detections of the
            round's teacher, a file for each video and class (`reelabel.formats.detections_txt`).
        round: which round; None is the last one that has a data set, or detections.
        into: a COCO file that the pictures to train on are added to; ``annotations/train.json`` is
            then that file with them behind (`reelabel.formats.coco_into`). It is not changed
            itself, and val and test stay files of their own.
        on_message: is called with sentences on what was added.

    Raises:
        UsageError: for an unknown format, a folder that holds something, or `into` with another
            format than coco.
        FormatError: if `into` is no COCO file.
        MissingInput: if no round has a data set yet.
    """
    ws = workspace if isinstance(workspace, Workspace) else Workspace.open(workspace)
    exports = task_of(read_config(ws)).exports
    formats = (*exports, DETECTIONS_TXT)
    if format not in formats:
        known = ", ".join(formats)
        raise UsageError(f"no format '{format}'{nearest(format, formats)}; formats: {known}")
    if into is not None and format != COCO:
        raise UsageError(f"only coco can be written into a file, but the format is '{format}'")
    target = Path(out)
    messages: list[str] = []
    with staged_folder(target) as folder:
        if format == DETECTIONS_TXT:
            export_detections(ws, folder, round)
        else:
            number = _round_with_data(ws, round)
            begun = CocoFile.read(Path(into)) if into is not None else None
            whole, pictures = _whole(dataset_dir(ws, number))
            found_at(exports[format])(folder, whole, lambda image: pictures[image.file_name])
            messages += _add_to(begun, whole, folder) if begun is not None else ()
        write_text(folder / EXPORT_MARK, f"export of {ws.root.absolute()} as {format}\n")
    if on_message is not None:
        for message in messages:
            on_message(message)
    return target


def _add_to(begun: CocoFile, whole: Dataset, folder: Path) -> Iterator[str]:
    """Write a COCO file with the pictures to train on behind it; yield what was added."""
    added = begun.add(whole.subset(_at(whole, TRAIN)))
    begun.write(folder / "annotations" / f"{TRAIN}.json")
    yield from added.sentences()


def _round_with_data(workspace: Workspace, wanted: int | None) -> int:
    """Return the round that is wanted, None for the last one with a data set."""
    there = [n for n in workspace.rounds() if (dataset_dir(workspace, n) / "split.json").is_file()]
    if not there:
        again = f"run  reelabel run {workspace.root}"
        raise MissingInput(f"{workspace.root} has no data set yet: {again}")
    if wanted is not None and wanted not in there:
        known = ", ".join(map(str, there))
        raise UsageError(f"round {wanted} has no data set; rounds that have one: {known}")
    return there[-1] if wanted is None else wanted


def _whole(folder: Path) -> tuple[Dataset, dict[str, Path]]:
    """Return all splits as one data set, and where each picture lies."""
    pictures: dict[str, Path] = {}
    parts: list[Dataset] = []
    for split in SPLITS:
        path = folder / f"{split}.json"
        if not path.is_file():
            raise MissingInput(f"{path} is not there: run the stage split again")
        part, images = read_coco(path), []
        for image in part.images:
            # Pictures of several videos lie in one folder: the video id keeps their names apart.
            name = frame_picture(image.video, image.pts or 0)
            pictures[name] = folder / image.file_name
            images.append(replace(image, file_name=name, split=split))
        parts.append(replace(part, images=tuple(images)))
    return Dataset.joined(parts), pictures


def _at(whole: Dataset, split: str) -> list[int]:
    """Return the positions of the images of one split."""
    return [i for i, image in enumerate(whole.images) if image.split == split]
