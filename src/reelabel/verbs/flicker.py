"""flicker: the published hard-negative miner, exactly, in one pass over the video.

It reads and writes the published text formats, so that whoever has detections of that miner's
detector, or scripts behind its output, can go on with them. The rule that mends its flaws is part
of the loop, in the stage `mine`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from reelabel.data.dataset import ImageEntry
from reelabel.engine.progress import Display, is_quiet
from reelabel.file_kinds import as_path
from reelabel.formats.coco_into import Added
from reelabel.formats.detections_txt import read_detections
from reelabel.formats.mined_txt import picture_name, write_mined
from reelabel.media.pictures import write_jpeg
from reelabel.media.video import Frame, decode
from reelabel.output_files import check_output, check_output_file, prepare_outputs
from reelabel.temporal.pictures import Grey
from reelabel.temporal.published import MinedFrame, mine_published
from reelabel.temporal.published_settings import FRAME_LIMIT, PublishedSettings
from reelabel.verbs.arguments import check_arguments
from reelabel.verbs.frame_folder import frame_folder
from reelabel.verbs.write_back import Writer, asked_write_back


@dataclass(frozen=True)
class Mined:
    """What was mined from one video.

    Attributes:
        frames: the frames that hold a hard negative, in order.
        read: how many frames were read: those that have a block of detections, up to the limit.
        longer: whether the video goes on behind them.
        pictures: the files of the raw frames, if they were asked for.
        added: what was added to a COCO file, if that was asked for.
    """

    frames: list[MinedFrame]
    read: int
    longer: bool
    pictures: list[Path] = field(default_factory=list)
    added: Added | None = None

    @property
    def hard_negatives(self) -> int:
        """Return how many boxes are hard negatives."""
        return sum(box[4] == 0 for frame in self.frames for box in frame.boxes)


def flicker(  # noqa: PLR0913 -- one argument for each flag of the command
    video: Path | str,
    detections: Path | str,
    *,
    out: Path | str | None = None,
    valid_score: float = PublishedSettings.valid_score,
    alpha: int = PublishedSettings.alpha,
    valid_sim_score: float = PublishedSettings.valid_sim_score,
    iou_thr: float = PublishedSettings.iou_thr,
    beta: float = PublishedSettings.beta,
    frames: Path | str | None = None,
    image_prefix: str = "",
    any_header: bool = False,
    coco_in: Path | str | None = None,
    coco_out: Path | str | None = None,
    category: str | None = None,
    quiet: bool | None = None,
) -> Mined:
    """Mine a video's hard negatives by the published rule (arXiv 1808.04285, its miner's form).

    Args:
        video: the video that the detections are of.
        detections: one block for each frame, see `reelabel.formats.detections_txt`.
        out: where to write the mined frames, see `reelabel.formats.mined_txt`.
        valid_score: floor for candidates and for the boxes that support them, 0..1.
        alpha: how many frames before and after are compared.
        valid_sim_score: correlation under which a neighbour counts as not comparable, -1..1.
        iou_thr: overlap above which a box supports, 0..1.
        beta: by how many pixels the search window is larger than the box, on each side.
        frames: a new or empty folder for the raw frames, ``frame{number}.jpg``, counted from 1.
        image_prefix: the folder that `out` and `coco_out` name before each picture; `coco_out`
            takes the video's name without suffix if this is empty, so that videos keep apart.
        any_header: take a block's position alone for its frame, whatever its header, as the
            published miner does.
        coco_in: a COCO file to begin with; None begins with an empty one.
        coco_out: where to write that file with the mined frames added; may be `coco_in`.
        category: name of the detections' class, for `coco_out`; None takes that of the file if it
            has only one.
        quiet: show no progress; None shows it to a person only.

    Fewer blocks than frames are mined as if the video ended there. As in the published miner, no
    more than 70,000 frames are read.

    Raises:
        UsageError: for a parameter out of its range, a folder that holds something, a file to
            write that is one of those that are read, or `coco_in` or `category` without `coco_out`.
        FormatError: if the detections are damaged, there are more blocks than frames, or the
            file to add to is no COCO file.
        MediaError: if the video cannot be read.
    """
    numbers = {
        "valid_score": valid_score,
        "valid_sim_score": valid_sim_score,
        "iou_thr": iou_thr,
        "beta": beta,
    }
    check_arguments(**numbers, alpha=alpha, any_header=any_header, category=category, quiet=quiet)
    check_output_file(out, coco_out)
    check_output(frames)
    settings = PublishedSettings(alpha=alpha, frame_limit=FRAME_LIMIT, **numbers)
    coco = asked_write_back(coco_out, coco_in, category)
    inputs = [as_path("video", video), as_path("detections", detections)]
    prepare_outputs(inputs, [out, coco_out])
    blocks = read_detections(Path(detections), strict=not any_header)
    writer = Writer(coco) if coco is not None else None
    found, pictures = list[MinedFrame](), list[Path]()
    with (
        Display("flicker", 1, quiet=is_quiet(quiet)) as display,
        frame_folder(frames, "flicker") as folder,
    ):
        watched = _Watched(decode(video), alpha, _ticker(display, Path(video).name, len(blocks)))
        for mined in mine_published(watched.greys(), blocks, settings):
            found.append(mined)
            if folder is not None:
                pictures.append(Path(frames or "") / _written(watched, mined.number, folder))
            if writer is not None:
                block = blocks[mined.number - 1]
                entry = _entry(watched, mined.number, Path(video), image_prefix)
                writer.take(entry, mined, block[block[:, 4] >= valid_score])
    if out is not None:
        write_mined(Path(out), found, prefix=image_prefix)
    read = min(len(blocks), FRAME_LIMIT)
    added = writer.finish() if writer is not None else None
    return Mined(found, read, watched.count > read, pictures, added)


def _ticker(display: Display, name: str, blocks: int) -> Callable[[int], None]:
    def tick(frame: int) -> None:
        display.tick(name, frame / max(blocks, 1), f"{frame} frames")

    return tick


class _Watched:
    """The frames of a video on their way to the miner; the last few can still be had."""

    def __init__(self, source: Iterator[Frame], alpha: int, tick: Callable[[int], None]) -> None:
        self._source, self._tick = source, tick
        # The miner returns a frame when it has read the alpha-th one behind it.
        self._last: deque[Frame] = deque(maxlen=alpha + 1)
        self.count = 0

    def greys(self) -> Iterator[Callable[[], Grey]]:
        """Yield what makes each frame's grey picture."""
        for frame in self._source:
            self._last.append(frame)
            self.count += 1
            self._tick(self.count)
            yield frame.bgr_grey

    def frame(self, number: int) -> Frame:
        """Return one of the last frames by its number from 1."""
        return self._last[number - 1 - self.count]


def _written(watched: _Watched, number: int, folder: Path) -> str:
    """Write a frame and return the name of its file."""
    rgb = np.ascontiguousarray(watched.frame(number).bgr()[..., ::-1])
    write_jpeg(folder / picture_name(number), rgb)
    return picture_name(number)


def _entry(watched: _Watched, number: int, video: Path, prefix: str) -> ImageEntry:
    frame = watched.frame(number)
    height, width = frame.bgr().shape[:2]
    name = f"{prefix.rstrip('/') or video.stem}/{picture_name(number)}"
    return ImageEntry(name, width, height, video=video.name, frame_index=number - 1, pts=frame.pts)
