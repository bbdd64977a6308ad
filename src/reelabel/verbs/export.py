"""export: write a round's labels in a format that other tools read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from reelabel.data.dataset import Dataset
from reelabel.errors import MissingInput, UsageError, nearest
from reelabel.files import explained
from reelabel.formats.coco import read_coco
from reelabel.formats.coco_into import CocoFile
from reelabel.pipeline import read_config, task_of
from reelabel.verbs.detections import export_detections
from reelabel.verbs.exported_names import picture_name
from reelabel.workspace import Workspace
from reelabel.workspace.rounds import dataset_dir

TRAIN = "train"
SPLITS = (TRAIN, "val", "test")
COCO = "coco"
DETECTIONS_TXT = "detections-txt"


def _nobody(sentence: str) -> None:
    """Tell nobody."""


def export(
    workspace: Workspace | Path | str,
    out: Path | str,
    *,
    format: str = COCO,  # noqa: A002 -- the name of the flag
    round: int | None = None,  # noqa: A002 -- the name of the flag
    into: Path | str | None = None,
    tell: Callable[[str], None] = _nobody,
) -> Path:
    """Write the data set of a round, pictures included, and return its folder.

    Args:
        workspace: a workspace or its folder.
        out: a folder that does not exist yet or is empty.
        format: coco, yolo or voc for the data set; detections-txt for all that the round's
            teacher said, a file for each video and class (`reelabel.formats.detections_txt`).
        round: which round; None is the last one that has a data set, or detections.
        into: a COCO file that the pictures to train on are added to; ``annotations/train.json`` is
            then that file with them behind (`reelabel.formats.coco_into`). It is not changed
            itself, and val and test stay files of their own.
        tell: is given sentences on what was added.

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
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target}: expected a folder that is new or empty; name another one")
    if format == DETECTIONS_TXT:
        export_detections(ws, target, round)
        return target
    number = _round_with_data(ws, round)
    begun = CocoFile.read(Path(into)) if into is not None else None
    whole, pictures = _whole(dataset_dir(ws, number))
    with explained(target):
        target.mkdir(parents=True, exist_ok=True)
        exports[format](target, whole, lambda image: pictures[image.file_name])
    if begun is not None:
        added = begun.add(whole.subset(_at(whole, TRAIN)))
        begun.write(target / "annotations" / f"{TRAIN}.json")
        for sentence in added.sentences():
            tell(sentence)
    return target


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
            # Pictures of several videos meet in one folder: their names say which is which.
            name = picture_name(image.video, image.pts or 0)
            pictures[name] = folder / image.file_name
            images.append(replace(image, file_name=name, split=split))
        parts.append(replace(part, images=tuple(images)))
    return Dataset.joined(parts), pictures


def _at(whole: Dataset, split: str) -> list[int]:
    """Return the positions of the images of one split."""
    return [i for i, image in enumerate(whole.images) if image.split == split]
