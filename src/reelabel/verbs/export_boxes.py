"""export of boxes: a round's data set by one of the writers of the task."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from reelabel.data.dataset import Dataset, ImageEntry
from reelabel.formats.coco import read_coco
from reelabel.formats.coco_folder import coco_path
from reelabel.formats.coco_into import CocoFile
from reelabel.formats.pictures import frame_picture
from reelabel.formats.video_files import OfVideos
from reelabel.labels.division import SIDES, TRAIN
from reelabel.verbs.exported_frames import ExportedFrames
from reelabel.workspace import Workspace

Writer = Callable[[Path, Dataset, Callable[[ImageEntry], Path]], None]


def export_boxes(
    folder: Path, data_set: Path, write: Writer, *, into: Path | None, workspace: Workspace
) -> list[str]:
    """Write a round's boxes with their pictures; return sentences on what was added to a file.

    Boxes have the tracks of their round, frames the time base and file name of their video.

    Args:
        folder: a new or empty folder.
        data_set: the folder of the round's data set.
        write: the writer of the format.
        into: a COCO file that the pictures to train on are added to, None for none.
        workspace: has the tracks and videos, and how pictures were made.

    Raises:
        FormatError: if `into` is no COCO file.
    """
    begun = CocoFile.read(into) if into is not None else None
    whole, pictures = _whole(data_set)
    frames = ExportedFrames.of(workspace, data_set)
    whole = frames.described(whole)
    if isinstance(write, OfVideos):
        whole = frames.as_video_frames(whole)
    write(folder, whole, lambda image: pictures[image.file_name])
    return list(_add_to(begun, whole, folder)) if begun is not None else []


def _add_to(begun: CocoFile, whole: Dataset, folder: Path) -> Iterator[str]:
    """Write a COCO file with the pictures to train on behind it; yield what was added."""
    added = begun.add(whole.subset(_at(whole, TRAIN)))
    begun.write(coco_path(folder, TRAIN))
    yield from added.sentences()


def _whole(folder: Path) -> tuple[Dataset, dict[str, Path]]:
    """Return all splits as one data set, and where each picture lies."""
    pictures: dict[str, Path] = {}
    parts: list[Dataset] = []
    for split in SIDES:
        part, images = read_coco(folder / f"{split}.json"), []
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
