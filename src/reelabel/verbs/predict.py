"""predict: let a model look at videos and pictures, and write what it sees."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from reelabel.data.boxes import Boxes
from reelabel.engine.progress import Display
from reelabel.errors import ModelError, UsageError
from reelabel.files import explained, refuse_overwrite, write_json
from reelabel.formats.pictures import PICTURE_SUFFIXES
from reelabel.media.draw import colour_of, draw_boxes
from reelabel.media.encode import VideoWriter
from reelabel.media.pictures import write_jpeg
from reelabel.media.probe import VideoInfo, probe
from reelabel.media.stream import scan
from reelabel.media.video import Frame, decode, time_range
from reelabel.models.base import Detector, Image
from reelabel.models.detector_pool import Eyes, Looked, look
from reelabel.models.registry import load_detector
from reelabel.pipeline import read_config
from reelabel.workspace import CONFIG_NAME, Workspace
from reelabel.workspace.rounds import best_model

Row = dict[str, Any]
JPEG_SUFFIXES = frozenset({".jpg", ".jpeg"})


@dataclass(frozen=True)
class Span:
    """The part of each video that is looked at, in seconds from its first frame."""

    start_s: float | None = None
    end_s: float | None = None
    duration_s: float | None = None


@dataclass(frozen=True)
class Prediction:
    """What a model saw.

    Attributes:
        model: its name, and `fingerprint` what identifies it.
        videos: ``{video, width, height, time_base, frames}`` per file.
        boxes: ``{video, frame_index, pts, time, bbox: [x, y, w, h], score, category}`` per box.
    """

    model: str
    fingerprint: str
    classes: tuple[str, ...]
    videos: list[Row] = field(default_factory=list)
    boxes: list[Row] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        write_json(path, vars(self))


def predict(
    model: Workspace | Path | str,
    files: Sequence[Path | str],
    *,
    span: Span | None = None,
    min_score: float = 0.3,
    classes: Sequence[str] = (),
    out: Path | str | None = None,
    render: Path | str | None = None,
    quiet: bool = True,
) -> Prediction:
    """Return what a model sees in videos and pictures.

    Args:
        model: a model's name such as ``onnx:FILE``, a model folder, or a workspace, which means the
            best model that its rounds have found.
        files: videos or pictures.
        span: the part of each video to look at.
        min_score: boxes below this are left out, 0..1.
        classes: names to look for; empty takes all that the model knows.
        out: where to write the boxes as JSON.
        render: where to write the video with the boxes drawn on it, for a picture a JPEG; with
            several files a folder.
        quiet: show no progress.

    Raises:
        UsageError: for a span that does not fit, a file that does not exist, or one that would be
            written over.
        ModelError: if there is no such model.
        MediaError: if a file cannot be read.
    """
    detector = find_model(model, classes)
    result = Prediction(detector.name, detector.fingerprint, detector.classes)
    infos = {Path(file): probe(file) for file in files}
    targets, eyes = _targets(infos, render), Eyes(detector)
    refuse_overwrite(infos, [out, *targets.values()])
    for path, info in infos.items():
        seen = _look(path, info, eyes, span or Span(), quiet=quiet)
        result.videos.append(_video_row(path, info, len(seen)))
        result.boxes.extend(_rows(path, seen, detector.classes, min_score))
        if path in targets:
            shown = [_above(one, min_score) for one in seen]
            _render(path, info, targets[path], shown, classes=detector.classes)
    if out is not None:
        result.save(Path(out))
    return result


def find_model(model: Workspace | Path | str, classes: Sequence[str] = ()) -> Detector:
    """Return the detector that a name, a model folder or a workspace means.

    Raises:
        ModelError: if there is none.
    """
    if isinstance(model, Workspace):
        return _best_of(model, classes)
    folder = Path(model)
    if (folder / CONFIG_NAME).is_file():
        return _best_of(Workspace.open(folder), classes)
    if (folder / "model.json").is_file():
        return load_detector(f"student:{folder.resolve()}", wanted=classes)
    if ":" not in str(model) and folder.suffix == ".onnx":
        return load_detector(f"onnx:{folder}", wanted=classes)
    if ":" not in str(model) and str(model) != "motion":
        raise ModelError(
            f"{model} is no model: expected a workspace, a folder with a model.json, "
            "an .onnx file, or a name such as onnx:FILE, hf:ID, torchvision:NAME"
        )
    return load_detector(str(model), wanted=classes)


def _best_of(workspace: Workspace, classes: Sequence[str]) -> Detector:
    project = read_config(workspace).project
    spec = best_model(workspace, project)
    first = spec == project.detector
    return load_detector(
        spec,
        home=workspace.root,
        options=project.detector_options if first else {},
        wanted=classes or project.classes,
        mapping=project.class_map if first else None,
    )


def _look(path: Path, info: VideoInfo, eyes: Eyes, span: Span, *, quiet: bool) -> list[Looked]:
    start_s, end_s = time_range(info, span.start_s, span.end_s, span.duration_s)
    wanted = _within(path, info, start_s, end_s)
    seen: list[Looked] = []
    with Display(path.name[:16], 1, quiet=quiet) as display:
        for one in look(path, eyes, wanted, size_wh=info.display_wh):
            seen.append(one)
            share = (one.time_s - start_s) / max(end_s - start_s, 1e-9)
            display.tick(path.name, share, f"{len(seen)} frames")
    return seen


def _within(path: Path, info: VideoInfo, start_s: float, end_s: float) -> list[int] | None:
    """Return the time stamps of a span, or None for the whole video."""
    if start_s == 0 and end_s >= info.duration_s:
        return None
    times = [(pts, info.time_s(pts)) for pts in scan(path).pts.tolist()]
    # Seconds are rounded where they are written down: a thousandth of slack on either side.
    wanted = [pts for pts, at in times if start_s - 1e-3 <= at < end_s - 1e-3]
    if not wanted:
        raise UsageError(f"{path}: no frame lies between {start_s} s and {end_s} s")
    return wanted


def _video_row(path: Path, info: VideoInfo, frames: int) -> Row:
    width, height = info.display_wh
    base: Fraction = info.time_base
    return {
        "video": str(path),
        "width": width,
        "height": height,
        "time_base": f"{base.numerator}/{base.denominator}",
        "frames": frames,
    }


def _rows(path: Path, seen: list[Looked], classes: tuple[str, ...], min_score: float) -> list[Row]:
    return [
        {
            "video": str(path),
            "frame_index": one.index,
            "pts": one.pts,
            "time": round(one.time_s, 6),
            "bbox": [round(float(v), 2) for v in (x1, y1, x2 - x1, y2 - y1)],
            "score": round(float(score), 4),
            "category": classes[class_id],
        }
        for one in seen
        for (x1, y1, x2, y2), score, class_id in zip(
            one.boxes.xyxy, one.boxes.score, one.boxes.class_id, strict=True
        )
        if score >= min_score
    ]


def _targets(infos: Mapping[Path, VideoInfo], render: Path | str | None) -> dict[Path, Path]:
    """Return where each file is drawn.

    Raises:
        UsageError: for a picture format that is not written.
    """
    if render is None:
        return {}
    home = Path(render)
    suffix = home.suffix.lower()
    if suffix in PICTURE_SUFFIXES and suffix not in JPEG_SUFFIXES:
        raise UsageError(f"{home}: pictures are drawn as JPEG: name it {home.with_suffix('.jpg')}")
    if len(infos) == 1 and not home.is_dir():
        targets = dict.fromkeys(infos, home)
    else:
        targets, taken = {}, Counter[str]()
        for path, info in infos.items():
            name = f"{path.stem}{'.jpg' if _is_picture(path, info) else '.mp4'}"
            taken[name] += 1
            # Files of several folders may have one name.
            again = f"{taken[name]}-" if taken[name] > 1 else ""
            targets[path] = home / f"{again}{name}"
    return targets


def _is_picture(path: Path, info: VideoInfo) -> bool:
    return info.num_packets == 1 and path.suffix.lower() in PICTURE_SUFFIXES


def _above(one: Looked, min_score: float) -> Looked:
    return replace(one, boxes=one.boxes[one.boxes.score >= min_score])


def _render(
    path: Path, info: VideoInfo, target: Path, seen: list[Looked], *, classes: tuple[str, ...]
) -> None:
    """Write the file with its boxes: a picture as JPEG, every frame of a video at its own time."""
    by_pts = {one.pts: one.boxes for one in seen}
    with explained(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    drawn = (
        (frame.pts, _drawn(frame, by_pts[frame.pts], classes))
        for frame in decode(path)
        if frame.pts in by_pts
    )
    if _is_picture(path, info) and target.suffix.lower() in JPEG_SUFFIXES:
        with explained(target):
            write_jpeg(target, next(drawn)[1])
        return
    with VideoWriter(target, time_base=info.time_base, rate=info.fps) as writer:
        for pts, picture in drawn:
            writer.write(picture, pts)


def _drawn(frame: Frame, boxes: Boxes, classes: tuple[str, ...]) -> Image:
    names = [classes[i] for i in boxes.class_id]
    texts = [f"{n} {s:.2f}" for n, s in zip(names, boxes.score, strict=True)]
    return draw_boxes(frame.rgb(), boxes.xyxy, texts, [colour_of(name) for name in names])
