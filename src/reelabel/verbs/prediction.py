"""What `predict` returns: boxes frame by frame, and their way into other libraries."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, overload

import numpy as np

from reelabel.data.boxes import Boxes
from reelabel.errors import DecodeError, MissingExtra, ReelabelError, counted, few
from reelabel.files import write_chunks
from reelabel.json_text import json_chunks
from reelabel.media.draw import colour_of, draw_boxes
from reelabel.media.pictures import encode_jpeg, of_size
from reelabel.media.video import frames
from reelabel.models.base import Image
from reelabel.tables import Row
from reelabel.verbs.predict_files import check_suffix
from reelabel.verbs.predict_sources import failed, found_by
from reelabel.verbs.rounding import rounded, rounded_bboxes

if TYPE_CHECKING:
    import pandas as pd
    import supervision as sv

COLUMNS = ("source", "frame_index", "pts", "time_s", "category", "score", "x1", "y1", "x2", "y2")
"""Of a table of boxes; corners are in pixels of the upright frame."""
MOST_PICTURES = 4
"""So many sources are shown in a notebook."""


@dataclass(frozen=True)
class Source:
    """One file that was processed, or the arrays that were given.

    Attributes:
        name: path of the file; ``frames`` for arrays.
        size_wh: upright size in pixels.
        time_base: seconds per tick; None for pictures and arrays, which have no time.
        is_file: whether the name is that of a file.
    """

    name: str
    size_wh: tuple[int, int]
    time_base: Fraction | None = None
    is_file: bool = False


@dataclass(frozen=True)
class FramePrediction:
    """The boxes that a model found in one frame or picture.

    Attributes:
        source: where the frame comes from.
        index: position among the decoded frames of its source, from 0.
        boxes: in pixels of the upright frame.
        classes: the names that `boxes.class_id` points into.
        pts: time stamp in the source's time base; None for arrays.
        time_s: seconds from the first frame; None for pictures and arrays.
        picture: ``(height, width, 3)`` uint8 RGB if it was given as an array, else None.
    """

    source: Source
    index: int
    boxes: Boxes
    classes: tuple[str, ...]
    pts: int | None = None
    time_s: float | None = None
    picture: Image | None = field(default=None, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.boxes)

    def __repr__(self) -> str:
        boxes = counted(len(self), "box", "boxes")
        return f"FramePrediction({self.source.name}, frame {self.index}: {boxes})"

    @property
    def names(self) -> list[str]:
        """Return the class name of each box."""
        return [self.classes[i] for i in self.boxes.class_id]

    def image(self) -> Image:
        """Return the frame as ``(height, width, 3)`` uint8 RGB, decoded anew if it is of a file.

        Raises:
            DecodeError: if the file no longer has this frame.
        """
        if self.picture is not None:
            return self.picture
        for frame in frames(Path(self.source.name), [self.pts or 0]):
            return of_size(frame.rgb(), self.source.size_wh)
        raise DecodeError(f"{self.source.name}: expected a frame at pts {self.pts}: is it changed?")

    def drawn(self) -> Image:
        """Return the frame with its boxes drawn on it."""
        return self.on(self.image())

    def on(self, picture: Image) -> Image:
        """Return a picture of the frame with the boxes drawn on it."""
        texts = [f"{n} {s:.2f}" for n, s in zip(self.names, self.boxes.score, strict=True)]
        colours = [colour_of(name) for name in self.names]
        return draw_boxes(picture, self.boxes.xyxy, texts, colours)

    def _repr_jpeg_(self) -> bytes:
        """Return the picture that notebooks show."""
        return encode_jpeg(self.drawn())

    def to_supervision(self) -> sv.Detections:
        """Return the boxes as `supervision.Detections`, class names in ``data``.

        Raises:
            MissingExtra: if supervision is not installed.
        """
        try:
            import supervision  # noqa: PLC0415 -- optional, and slow to load
        except ModuleNotFoundError as exc:
            raise MissingExtra("to_supervision()", package="supervision") from exc
        return supervision.Detections(
            xyxy=np.array(self.boxes.xyxy),
            confidence=np.array(self.boxes.score),
            class_id=np.array(self.boxes.class_id),
            data={"class_name": np.array(self.names, dtype=str)},
        )

    def rows(self) -> Iterator[Row]:
        """Yield one row per box: where it is, its class, score and corners."""
        place = {
            "source": self.source.name,
            "frame_index": self.index,
            "pts": self.pts,
            "time_s": self.time_s,
        }
        boxes = zip(self.boxes.xyxy.tolist(), self.boxes.score.tolist(), self.names, strict=True)
        for (x1, y1, x2, y2), score, name in boxes:
            corners = {"x1": x1, "y1": y1, "x2": x2, "y2": y2}
            yield {**place, "category": name, "score": score, **corners}

    def saved_rows(self) -> Iterator[Row]:
        """Yield one row per box as JSON files hold them, with left, top, width and height."""
        for row, bbox in zip(map(rounded, self.rows()), rounded_bboxes(self.boxes), strict=True):
            yield {
                "video": self.source.name,
                "frame_index": self.index,
                "pts": self.pts,
                "time": row["time_s"],
                "bbox": bbox,
                "score": row["score"],
                "category": row["category"],
            }


@dataclass(frozen=True)
class Prediction(Sequence[FramePrediction]):
    """What a model found, frame by frame; its length is the number of frames.

    Attributes:
        model: the model's name.
        fingerprint: what identifies it.
        classes: its class names.
        sources: the files that were processed.
        frames: one entry per frame, also for those without boxes.
        failures: name of each file that could not be used -> why.
    """

    model: str
    fingerprint: str
    classes: tuple[str, ...]
    sources: tuple[Source, ...]
    frames: tuple[FramePrediction, ...]
    failures: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.frames)

    @overload
    def __getitem__(self, at: int) -> FramePrediction: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[FramePrediction, ...]: ...
    def __getitem__(self, at: int | slice) -> FramePrediction | tuple[FramePrediction, ...]:
        return self.frames[at]

    def __repr__(self) -> str:
        return f"Prediction({found_by(self.model, self.n_boxes, len(self))})"

    def __str__(self) -> str:
        return found_by(self.model, self.n_boxes, len(self)) + failed(self.failures)

    def _repr_html_(self) -> str:
        """Return what notebooks show: the boxes of the first sources, a frame of each drawn."""
        by_source: dict[str, list[FramePrediction]] = {}
        for frame in self.frames:
            by_source.setdefault(frame.source.name, []).append(frame)
        some = list(by_source.items())[:MOST_PICTURES]
        parts = [_shown(name, frames) for name, frames in some]
        more = len(by_source) - len(some)
        head = f"<p>{escape(str(self))}</p>"
        return head + "".join(parts) + (f"<p>and {more} more</p>" if more else "")

    @property
    def n_boxes(self) -> int:
        """Return the number of boxes in all frames."""
        return sum(map(len, self.frames))

    @property
    def boxes(self) -> list[Row]:
        """Return one row per box, as `save` writes them, with left, top, width and height."""
        return [row for frame in self.frames for row in frame.saved_rows()]

    def to_supervision(self) -> list[sv.Detections]:
        """Return one `supervision.Detections` per frame.

        Raises:
            MissingExtra: if supervision is not installed.
        """
        return [frame.to_supervision() for frame in self.frames]

    def to_pandas(self) -> pd.DataFrame:
        """Return a data frame with one row per box.

        Raises:
            MissingExtra: if pandas is not installed.
        """
        try:
            import pandas as pd  # noqa: PLC0415 -- optional, and slow to load
        except ModuleNotFoundError as exc:
            raise MissingExtra("to_pandas()", package="pandas") from exc
        rows = [row for frame in self.frames for row in frame.rows()]
        return pd.DataFrame(rows, columns=list(COLUMNS))

    def to_coco(self) -> Row:
        """Return a COCO data set: an image per frame, an annotation with a score per box."""
        images: list[Row] = []
        annotations: list[Row] = []
        ids = {name: i for i, name in enumerate(self.classes, 1)}
        for number, frame in enumerate(self.frames, 1):
            images.append(_image(number, frame))
            for row, bbox in zip(
                map(rounded, frame.rows()), rounded_bboxes(frame.boxes), strict=True
            ):
                annotations.append({
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": ids[row["category"]],
                    "bbox": bbox,
                    "area": round(bbox[2] * bbox[3], 3),
                    "iscrowd": 0,
                    "score": row["score"],
                })
        categories = [{"id": i, "name": name} for name, i in ids.items()]
        return {"images": images, "annotations": annotations, "categories": categories}

    def to_json(self) -> Row:
        """Return what `save` writes: the model, the sources, and one entry per box."""
        stream = self._stream()
        boxes = list(stream.rows())  # behind them the sources are known
        later = {"failures": stream.failures, "videos": stream.videos()}
        return {**stream.head, "boxes": boxes, **later}

    def save(self, path: Path | str) -> None:
        """Write it as JSON or CSV; see `PredictionStream.save`."""
        self._stream().save(path)

    def _stream(self) -> PredictionStream:
        head = (self.model, self.fingerprint, self.classes)
        return PredictionStream(*head, iter(self.frames), failures=dict(self.failures))


@dataclass
class PredictionStream(Iterator[FramePrediction]):
    """What a model finds, frame by frame while it is found: nothing is kept.

    It can be iterated once. Its text states the frames and boxes so far.

    Attributes:
        model: the model's name.
        fingerprint: what identifies it.
        classes: its class names.
        found: the frames to come.
        counts: number of frames so far by source.
        n_boxes: number of boxes so far.
        failures: name of each file that could not be used so far -> why.
    """

    model: str
    fingerprint: str
    classes: tuple[str, ...]
    found: Iterator[FramePrediction] = field(repr=False)
    counts: Counter[Source] = field(default_factory=Counter)
    n_boxes: int = 0
    failures: dict[str, str] = field(default_factory=dict)

    def __next__(self) -> FramePrediction:
        """Return the next frame."""
        one = next(self.found)
        self.counts[one.source] += 1
        self.n_boxes += len(one)
        return one

    def __str__(self) -> str:
        return found_by(self.model, self.n_boxes, self.counts.total()) + failed(self.failures)

    def kept(self) -> Prediction:
        """Return all frames to come."""
        frames, head = tuple(self), (self.model, self.fingerprint, self.classes)
        return Prediction(*head, tuple(self.counts), frames, self.failures)

    @property
    def head(self) -> Row:
        """What a file of boxes states of the model."""
        classes = list(self.classes)
        return {"model": self.model, "fingerprint": self.fingerprint, "classes": classes}

    def rows(self) -> Iterator[Row]:
        """Yield one row per box of all frames to come, as files hold them."""
        return (row for frame in self for row in frame.saved_rows())

    def videos(self) -> list[Row]:
        """Return what a file states of each source so far."""
        return [_video(source, frames) for source, frames in self.counts.items()]

    def save(self, path: Path | str) -> None:
        """Write all frames to come, a box at a time: as JSON, or as CSV if the name ends so.

        A line of CSV is a box, with its corners, as in `Prediction.to_pandas`. Numbers are rounded
        alike in both: see `reelabel.verbs.rounding`.

        Raises:
            UsageError: if the name ends in something else than ``.json`` or ``.csv``.
            WorkspaceError: if it cannot be written.
        """
        if check_suffix(Path(path), none_too=True) == ".csv":
            write_chunks(Path(path), self._csv())
            return
        # The rows come first in alphabetical order, so the sources are known behind them.
        later = {"failures": lambda: self.failures, "videos": self.videos}
        value = {**self.head, "boxes": self.rows(), **later}
        write_chunks(Path(path), json_chunks(value))

    def _csv(self) -> Iterator[bytes]:
        """Yield the lines of all frames to come, frame by frame, below their heads."""
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for frame in self:
            writer.writerows(map(rounded, frame.rows()))
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()
        yield text.getvalue().encode()


def _shown(name: str, found: Sequence[FramePrediction]) -> str:
    """Return HTML of one source: its boxes by class, and the frame with the most of them."""
    from reelabel.views.html import jpeg_uri  # noqa: PLC0415 -- matplotlib

    counts = Counter(kind for frame in found for kind in frame.names)
    boxes = few(f"{kind} {n}" for kind, n in counts.most_common()) or "no boxes"
    text = f"<p>{escape(Path(name).name)}: {escape(boxes)} in {counted(len(found), 'frame')}</p>"
    if not counts:
        return text
    try:
        uri = jpeg_uri(max(found, key=len).drawn())
    except ReelabelError:  # the file is gone or changed: what was found still shows
        return text
    return f'{text}<img style="max-width: 100%" src="{uri}">'


def _image(number: int, frame: FramePrediction) -> Row:
    width, height = frame.source.size_wh
    about: Row = {"id": number, "width": width, "height": height, "frame_index": frame.index}
    if frame.pts is None:
        return about | {"file_name": f"{frame.source.name}/{frame.index:06d}"}
    return about | {"file_name": frame.source.name, "video": frame.source.name, "pts": frame.pts}


def _video(source: Source, frames: int) -> Row:
    width, height = source.size_wh
    base = source.time_base
    return {
        "video": source.name,
        "width": width,
        "height": height,
        "time_base": f"{base.numerator}/{base.denominator}" if base else None,
        "frames": frames,
    }
