"""``detections-txt:FOLDER``: recorded detections in the published text format, used as a detector.

It needs no pictures: the detections of a frame are those of the text for its position.
``FOLDER/<class>/<video_id>.txt`` is the text of one class and video, one block for each decoded
frame from the first on (`reelabel.formats.detections_txt`), with boxes in pixels of the upright
picture at its coded size, as OpenCV's reader and `reelabel flicker` see it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reelabel.config import NoSettings
from reelabel.data.boxes import Boxes
from reelabel.errors import FormatError, MissingInput, ModelError
from reelabel.formats.detections_txt import Block, class_folders, read_detections
from reelabel.media.probe import VideoInfo, probe
from reelabel.media.stream import scan
from reelabel.models.base import FrameDetections, Predict
from reelabel.models.spec import Request, fingerprint

_VERSION = 1
_QUARTER_TURNS = (90, 270)


@dataclass(frozen=True)
class RecordedDetector:
    """The detections of another detector; see `reelabel.models.base.Detector`."""

    name: str
    classes: tuple[str, ...]
    folder: Path
    fingerprint: str
    fit_wh: tuple[int, int] | None = None
    in_order: bool = True
    batch_size: int = 1

    def open(self) -> Predict:
        """Refuse: there is no model.

        Raises:
            ModelError: always.
        """
        raise ModelError(
            f"{self.name} is a recording; it cannot process new images: "
            "name another model, or train a student first"
        )

    def replay(self, video: Path, video_id: str) -> list[FrameDetections]:
        """Return the recorded detections in each frame of a video.

        Raises:
            MissingInput: if a class has no text for it.
            FormatError: if a text is damaged, or has not one block for each frame of this video.
        """
        folders = class_folders(self.classes)
        texts = [self.folder / folders[name] / f"{video_id}.txt" for name in self.classes]
        for name, text in zip(self.classes, texts, strict=True):
            if not text.is_file():
                raise MissingInput(
                    f"{video.name}: expected detections of class '{name}' at {text}: run  "
                    "reelabel import --format detections-txt  with a text for this video, "
                    "or name another detector"
                )
        info = probe(video)
        blocks, pts = zip(*(read_recorded(text, video) for text in texts), strict=True)
        return [
            FrameDetections(
                stamp, i, info.time_s(stamp), boxes_in([each[i] for each in blocks], info)
            )
            for i, stamp in enumerate(pts[0])
        ]


def read_recorded(text: Path, video: Path) -> tuple[list[Block], list[int]]:
    """Return the block of each frame of a video, and the frames' time stamps.

    Raises:
        FormatError: if the text is damaged, or has more or fewer blocks than the video has frames:
            a frame without a block would count as one without objects.
        UnreadableVideo: if the video cannot be opened.
    """
    blocks = read_detections(text)
    pts: list[int] = scan(video, num_decoded=len(blocks)).pts.tolist()
    if len(pts) != len(blocks):
        raise FormatError(
            f"{text}: expected {len(pts)} blocks, one for each frame of {video.name}, but got "
            f"{len(blocks)}: are these the detections of this video, of the whole of it?"
        )
    return blocks, pts


def coded_scale_xy(info: VideoInfo) -> tuple[float, float]:
    """Return the size of the upright video over that of its coded picture turned upright."""
    turned = info.rotation_deg in _QUARTER_TURNS
    width, height = info.coded_wh[::-1] if turned else info.coded_wh
    return info.display_wh[0] / width, info.display_wh[1] / height


def boxes_in(blocks: list[Block], info: VideoInfo) -> Boxes:
    """Return the boxes of one frame, a block for each class, clipped to the picture.

    What has no area in the picture is left out.
    """
    rows: NDArray[np.float64] = np.concatenate(blocks)
    corners = np.concatenate([rows[:, :2], rows[:, :2] + rows[:, 2:4]], axis=1)
    class_id = np.repeat(np.arange(len(blocks)), [len(block) for block in blocks])
    found = Boxes(corners.astype(np.float32), rows[:, 4].astype(np.float32), class_id)
    return found.scaled(coded_scale_xy(info)).clipped(info.display_wh)


def load(request: Request) -> RecordedDetector:
    """Return the detector; its classes are those that are wanted.

    Raises:
        ModelError: if there is no such folder, or no classes are named.
        UsageError: for any option, as it has none.
    """
    request.settings(NoSettings)
    folder = request.rooted(request.rest)
    if not request.rest or not folder.is_dir():
        raise ModelError(f"{request.spec}: expected a folder of detections at {folder}")
    if not request.wanted:
        raise ModelError(f"{request.spec} has no class names of its own: name the classes")
    found = [(str(p.relative_to(folder)), *_stamp(p)) for p in sorted(folder.glob("*/*.txt"))]
    made_of = fingerprint("detections-txt", _VERSION, request.wanted, found)
    return RecordedDetector(request.spec, request.wanted, folder, made_of)


def _stamp(path: Path) -> tuple[int, int]:
    """Return what changes when a file does, without reading it."""
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns
