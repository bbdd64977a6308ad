"""Detections as text files: export those of a round's teacher, import those of another detector.

A text is of one video and one class (`reelabel.formats.detections_txt`). Imported texts lie in
``imports/detections/<class>/<video_id>.txt``, and the detector that replays them
(`reelabel.models.detectors.recorded`) becomes the first teacher: the stage `detect` writes the
table, as it does for every other teacher.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import repeat
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from reelabel.config import Project
from reelabel.data.boxes import xywh_to_xyxy
from reelabel.data.dataset import Dataset, ImageEntry
from reelabel.data.video import Video
from reelabel.data.video_names import ambiguous
from reelabel.engine.run import Options
from reelabel.errors import FormatError, MissingInput, UsageError, nearest
from reelabel.files import safe_stem
from reelabel.formats.detections_txt import Block, class_folders, write_detections
from reelabel.media.probe import VideoInfo, probe
from reelabel.media.stream import scan
from reelabel.models.detectors.recorded import boxes_in, coded_scale_xy, read_recorded
from reelabel.pipeline import read_config, run_one
from reelabel.short_names import spelled_as
from reelabel.stages import register
from reelabel.tables import DETECTIONS, xyxy_of
from reelabel.workspace import Workspace
from reelabel.workspace.names import video_names
from reelabel.workspace.rounds import current_rounds

FOLDER = "imports/detections"
"""Where imported texts lie, below the workspace."""
TEACHER = f"detections-txt:{FOLDER}"
"""The detector that replays them."""


def export_detections(workspace: Workspace, folder: Path, number: int | None) -> list[Path]:
    """Write the detections of a round and return the files.

    Every frame of a video has its block; one that the teacher did not process holds no box. With
    one class the files lie in the folder itself, with several in a folder for each. Boxes are in
    pixels of the upright picture at its coded size, as OpenCV's reader and `flicker` see it.

    Args:
        workspace: a workspace.
        folder: where to write; made if it is not there.
        number: which round; None is the last one that has detections.

    Raises:
        MissingInput: if there are no detections.
        FormatError: if two classes would have one folder.
    """
    asked = current_rounds(workspace) if number is None else [number]
    rounds = [n for n in asked if workspace.shards(DETECTIONS, n)]
    if not rounds:
        raise MissingInput(f"{workspace.root} has no such detections yet: run  reelabel detect")
    names = {video.video_id: video for video in workspace.videos()}
    shards = {
        v: workspace.read(DETECTIONS, v, rounds[-1])
        for v in workspace.readable(DETECTIONS, rounds[-1])
        if v in names
    }
    classes = sorted({c for rows in shards.values() for c in rows["category"].unique().to_pylist()})
    folders = class_folders(classes)
    written = []
    for video_id, rows in shards.items():
        video = names[video_id].path
        pts, scale_xy = scan(video).pts, coded_scale_xy(probe(video))
        for name in classes or [""]:
            home = folder / folders[name] if len(classes) > 1 else folder
            path = home / f"{_stem(names[video_id])}.txt"
            own = rows.filter(pc.field("category") == name)
            write_detections(path, _blocks(own, pts, scale_xy))
            written.append(path)
    return written


def _stem(video: Video) -> str:
    return f"{safe_stem(Path(video.name).stem)}-{video.video_id[:6]}"


def _blocks(rows: pa.Table, pts: NDArray[np.int64], scale_xy: tuple[float, float]) -> list[Block]:
    """Return the boxes of each frame, ``(n, 5)`` each, in pixels of the coded picture."""
    xyxy = xyxy_of(rows).astype(np.float64) / np.array([*scale_xy, *scale_xy])
    boxes = np.column_stack([xyxy[:, :2], xyxy[:, 2:] - xyxy[:, :2], rows["score"].to_numpy()])
    index = np.searchsorted(pts, rows["pts"].to_numpy())
    order = np.argsort(index, kind="stable")
    cuts = np.searchsorted(index[order], np.arange(1, len(pts)))
    return np.split(boxes[order], cuts) if len(pts) else []


def import_detections(
    workspace: Workspace,
    text: Path,
    *,
    video: str | None,
    category: str | None,
    keep: Callable[[Path], None],
    on_message: Callable[[str], None] | None = None,
) -> Dataset:
    """Make the boxes of a text the teacher's detections of a video, and return them.

    Boxes are clipped to the picture; those with no area in it are left out.

    Args:
        workspace: a workspace; its videos are registered if that was not done yet.
        text: one block for each frame of the video, in pixels of the upright coded picture.
        video: id, path, end of a path, or name; None goes by the name of the text.
        category: the boxes' class; None is for workspaces that have only one.
        keep: is called with the path of the text in the workspace before it is written.
        on_message: is called with a sentence if boxes reach out of the picture.

    Raises:
        UsageError: if no video or class, or more than one, could be meant.
        FormatError: if the text is damaged, or is not about all frames of the video.
    """
    config = read_config(workspace)
    name = _class(config.project, category)
    home = workspace.root / FOLDER / class_folders(config.project.classes)[name]
    if config.project.detector_options and config.project.detector != TEACHER:
        raise UsageError(
            f"{workspace.config_path} sets detector_options, which are those of "
            f"{config.project.detector}: remove them, for {TEACHER} takes its place"
        )
    run_one(workspace, config, Options(quiet=True), register.STAGE, number=0)
    row = video_of(workspace, text, video)
    blocks, _ = read_recorded(text, row.path)
    info = probe(row.path)
    size = f"{info.coded_wh[0]} x {info.coded_wh[1]}"
    kept = [boxes_in([block], info) for block in blocks]
    lost = sum(map(len, blocks)) - sum(map(len, kept))
    if lost > sum(map(len, kept)):
        raise FormatError(
            f"{text}: expected boxes in a picture of {size}, but {lost} lie outside: are these the "
            f"detections of {row.name}, at its own size?"
        )
    if on_message is not None and (over := sum(map(_over_the_edge, blocks, repeat(info)))):
        on_message(
            f"{over} of {sum(map(len, blocks))} boxes reach outside the picture of {size} and are "
            f"clipped, {lost} left out: are these the detections of {row.name}, at its own size?"
        )
    target = home / f"{row.video_id}.txt"
    keep(target)
    write_detections(target, blocks)
    images = (
        ImageEntry("", *info.display_wh, video=row.name, frame_index=i) for i in range(len(kept))
    )
    return Dataset((name,), tuple(images), tuple(kept))


def _over_the_edge(block: Block, info: VideoInfo) -> int:
    """Return how many boxes of a frame reach out of the picture by more than a pixel."""
    xyxy = xywh_to_xyxy(block[:, :4])
    size_wh = np.divide(info.display_wh, coded_scale_xy(info))
    outside = np.maximum(-xyxy[:, :2], xyxy[:, 2:] - size_wh)
    return int((outside > 1).any(axis=1).sum())


def _class(project: Project, given: str | None) -> str:
    """Return the class of the workspace that the boxes are of."""
    if given is None and len(project.classes) == 1:
        return project.classes[0]
    (like,) = spelled_as([given or ""], [*project.class_map, *project.classes])
    name = project.class_map.get(like, like)
    if name in project.classes:
        return str(name)
    came = f"got '{given}'{nearest(str(given), project.classes)}" if given else "none was named"
    raise UsageError(
        f"expected the class of the boxes (--class), one of {', '.join(project.classes)}, "
        f"but {came}"
    )


def video_of(workspace: Workspace, text: Path, given: str | None) -> Video:
    """Return the video that a file is of: the one that is named, else by the file's own name.

    Args:
        workspace: a workspace whose videos are registered.
        text: the file.
        given: id, path, end of a path, or name; None goes by the name of the file.

    Raises:
        UsageError: if that is none, several, or a file that cannot be used.
    """
    videos, names = workspace.videos(), video_names(workspace)
    if given is None:
        found = [v for v in videos if text.stem in (Path(v.name).stem, _stem(v))]
    else:
        path = Path(given)
        match = names.find(str(path.resolve()) if path.exists() else given)
        found = [] if match.partial else list(match.videos)
    wanted = given or text.stem
    if len(found) > 1:
        raise UsageError(f"{ambiguous(wanted, found)}, with --video")
    if not found:
        hint = names.hint(wanted) or nearest(wanted, [video.name for video in videos])
        raise UsageError(
            f"expected a video of the workspace (--video), but none is called '{wanted}'{hint}"
        )
    if not found[0].usable:
        raise UsageError(f"{found[0].name} cannot be used: {found[0].error}")
    return found[0]
