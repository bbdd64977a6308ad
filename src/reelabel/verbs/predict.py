"""predict: apply a model to videos, pictures or arrays, and return boxes frame by frame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any, cast

import numpy as np

from reelabel.engine.progress import Display, is_interactive
from reelabel.engine.task import Task
from reelabel.errors import ModelError, UsageError
from reelabel.files import explained, refuse_overwrite
from reelabel.formats.pictures import PICTURE_SUFFIXES
from reelabel.media.encode import VideoWriter
from reelabel.media.probe import VideoInfo, probe
from reelabel.media.rendering import MARK, write_rendering
from reelabel.media.stream import scan
from reelabel.media.video import decode, time_range
from reelabel.models.base import Detector, Image
from reelabel.models.callables import register_callable
from reelabel.models.detector_pool import DetectorPool, detect_frames
from reelabel.models.detectors.callable import Finder
from reelabel.models.registry import load_detector
from reelabel.pipeline import DETECT, read_config, task_of
from reelabel.verbs.prediction import FramePrediction, Prediction, Source
from reelabel.workspace import CONFIG_NAME, Workspace
from reelabel.workspace.rounds import best_model

Model = Workspace | Path | str | Finder
"""A workspace, a model folder, a model's name, or a Python function or object."""
Sources = Path | str | Image | Iterable[Path | str | Image]
"""Files, or frames as ``(height, width, 3)`` uint8 RGB arrays, one or many."""

JPEG_SUFFIXES = frozenset({".jpg", ".jpeg"})


@dataclass(frozen=True)
class Span:
    """The part of each video that is processed, in seconds from its first frame."""

    start_s: float | None = None
    end_s: float | None = None
    duration_s: float | None = None


def predict(  # noqa: PLR0913 -- one argument for each flag of the command
    model: Model,
    sources: Sources,
    *,
    start_s: float | None = None,
    end_s: float | None = None,
    duration_s: float | None = None,
    min_score: float = 0.3,
    classes: Sequence[str] = (),
    out: Path | str | None = None,
    render: Path | str | None = None,
    quiet: bool | None = None,
) -> Prediction:
    """Return the boxes that a model finds in files or frames.

    Args:
        model: a model's name such as ``onnx:FILE``, a model folder, a workspace, which means the
            best model that its rounds have found, or a Python function ``(image) -> boxes``
            (`reelabel.models.detectors.callable`).
        sources: videos or pictures, or frames as ``(height, width, 3)`` uint8 RGB arrays: one,
            several, or an iterator of arrays, which is read frame by frame.
        start_s: first second of each video to process.
        end_s: second at which to stop.
        duration_s: seconds from the start, in place of an end.
        min_score: boxes below this are left out, 0..1.
        classes: names to look for; empty takes all classes of the model.
        out: where to write the boxes as JSON.
        render: where to write the video with the boxes drawn on it, for a picture a JPEG; with
            several files a folder.
        quiet: show no progress; None shows it to a person only.

    Raises:
        UsageError: for a span that does not fit, a file that does not exist or would be
            overwritten, or an array of another form.
        ModelError: if there is no such model.
        MediaError: if a file cannot be read.
    """
    function = _task_of(model).part("predict")
    found: Prediction = function(
        model,
        sources,
        span=Span(start_s, end_s, duration_s),
        min_score=min_score,
        classes=classes,
        out=out,
        render=render,
        quiet=quiet,
    )
    return found


def _task_of(model: Model) -> Task:
    """Return the task of a workspace; models without one find boxes."""
    if isinstance(model, Workspace):
        return task_of(read_config(model))
    if isinstance(model, Path | str) and (Path(model) / CONFIG_NAME).is_file():
        return task_of(read_config(Workspace.open(model)))
    return DETECT


def predict_boxes(
    model: Model,
    sources: Sources,
    *,
    span: Span,
    min_score: float,
    classes: Sequence[str],
    out: Path | str | None,
    render: Path | str | None,
    quiet: bool | None,
) -> Prediction:
    """Return the boxes that a detector finds in files or frames; see `predict`."""
    detector, quiet = find_model(model, classes), not is_interactive() if quiet is None else quiet
    paths, arrays = _sorted_out(sources)
    infos = {path: probe(path) for path in paths}
    targets, pool = _targets(infos, render), DetectorPool(detector)
    refuse_overwrite(infos, [out, *targets.values()])
    found: list[FramePrediction] = []
    for path, info in infos.items():
        seen = _of_file(path, info, pool, span, quiet=quiet)
        some = [_above(one, min_score) for one in seen]
        found += some
        if path in targets:
            _render(path, info, targets[path], some)
    found += [_above(one, min_score) for one in _of_arrays(arrays, detector)]
    used = tuple(dict.fromkeys(one.source for one in found))
    result = Prediction(detector.name, detector.fingerprint, detector.classes, used, tuple(found))
    if out is not None:
        result.save(Path(out))
    return result


def _sorted_out(sources: Sources) -> tuple[list[Path], Iterable[Image]]:
    """Return the files and the arrays among what was given.

    Raises:
        UsageError: if both are given at once.
    """
    if isinstance(sources, Path | str):
        return [Path(sources)], ()
    if isinstance(sources, np.ndarray):
        return [], [sources] if sources.ndim == 3 else sources  # noqa: PLR2004 -- one frame
    entries = iter(sources)
    first = next(entries, None)
    if first is None:
        return [], ()
    if isinstance(first, np.ndarray):
        return [], cast("Iterable[Image]", chain([first], entries))
    paths = [first, *entries]
    files = [Path(path) for path in paths if isinstance(path, Path | str)]
    if len(files) < len(paths):
        raise UsageError("expected either files or arrays, but got both: call predict for each")
    return files, ()


def _of_arrays(arrays: Iterable[Image], detector: Detector) -> Iterator[FramePrediction]:
    """Yield what the model finds in each frame; memory does not grow with their number."""
    entries, apply = enumerate(arrays), detector.open()
    while batch := list(islice(entries, max(1, detector.batch_size))):
        for index, array in batch:
            _check_array(array, index)
        for (index, array), boxes in zip(batch, apply([a for _, a in batch]), strict=True):
            size_wh = (array.shape[1], array.shape[0])
            inside = boxes.clipped(size_wh)
            source = Source("frames", size_wh)
            yield FramePrediction(source, index, inside, detector.classes, picture=array)


def _check_array(array: Any, index: int) -> None:
    """Refuse what is no RGB frame.

    Raises:
        UsageError: naming its shape and type.
    """
    is_frame = isinstance(array, np.ndarray) and array.dtype == np.uint8
    if not is_frame or array.shape[2:] != (3,) or not array.size:
        came = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array)
        raise UsageError(
            f"expected frame {index} as a uint8 array (height, width, 3), RGB, but got {came}"
        )


def find_model(model: Model, classes: Sequence[str] = ()) -> Detector:
    """Return the detector that a name, a model folder, a workspace or a Python function stands for.

    Raises:
        ModelError: if there is none.
    """
    if isinstance(model, Workspace):
        return _best_of(model, classes)
    if not isinstance(model, Path | str):
        return load_detector(register_callable(model), wanted=classes)
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


def _of_file(
    path: Path, info: VideoInfo, pool: DetectorPool, span: Span, *, quiet: bool
) -> Iterator[FramePrediction]:
    """Yield what the model finds in each frame of a file."""
    start_s, end_s = time_range(info, span.start_s, span.end_s, span.duration_s)
    wanted = _within(path, info, start_s, end_s)
    source = Source(str(path), info.display_wh, info.time_base)
    with Display(path.name[:16], 1, quiet=quiet) as display:
        for n, one in enumerate(detect_frames(path, pool, wanted, size_wh=info.display_wh), 1):
            share = (one.time_s - start_s) / max(end_s - start_s, 1e-9)
            display.tick(path.name, share, f"{n} frames")
            names = pool.detector.classes
            yield FramePrediction(source, one.index, one.boxes, names, one.pts, one.time_s)


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


def _above(one: FramePrediction, min_score: float) -> FramePrediction:
    return replace(one, boxes=one.boxes[one.boxes.score >= min_score])


def _render(path: Path, info: VideoInfo, target: Path, found: Sequence[FramePrediction]) -> None:
    """Write the file with its boxes: a picture as JPEG, every frame of a video at its own time."""
    by_pts = {one.pts: one for one in found}
    drawn = (
        (frame.pts, by_pts[frame.pts].on(frame.rgb()))
        for frame in decode(path)
        if frame.pts in by_pts
    )
    with explained(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    if _is_picture(path, info) and target.suffix.lower() in JPEG_SUFFIXES:
        write_rendering(target, next(drawn)[1])
        return
    with VideoWriter(target, time_base=info.time_base, rate=info.fps, comment=MARK) as writer:
        for pts, picture in drawn:
            writer.write(picture, pts)
