"""predict with a model that finds boxes: frame by frame, in files or arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from reelabel.engine.progress import Display, is_interactive
from reelabel.files import refuse_overwrite
from reelabel.media.probe import VideoInfo, probe
from reelabel.media.video import decode, time_range
from reelabel.models.base import Detector, Image
from reelabel.models.callables import register_callable
from reelabel.models.detector_pool import DetectorPool, detect_frames
from reelabel.models.registry import load_detector
from reelabel.pipeline import read_config
from reelabel.verbs.model_names import Model, NamedModel, named_model
from reelabel.verbs.predict_files import (
    WHOLE,
    Sources,
    Span,
    check_array,
    files_and_arrays,
    render_targets,
    stamps_within,
    write_drawn,
)
from reelabel.verbs.prediction import FramePrediction, Prediction, Source
from reelabel.workspace import Workspace


def predict_boxes(
    model: Model,
    sources: Sources,
    *,
    span: Span = WHOLE,
    min_score: float = 0.3,
    classes: Sequence[str] = (),
    out: Path | str | None = None,
    render: Path | str | None = None,
    quiet: bool | None = None,
) -> Prediction:
    """Return the boxes that a detector finds in files or frames; see `predict`."""
    detector, quiet = find_model(model, classes), not is_interactive() if quiet is None else quiet
    paths, arrays = files_and_arrays(sources)
    infos = {path: probe(path) for path in paths}
    targets, pool = render_targets(infos, render), DetectorPool(detector)
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


def _of_arrays(arrays: Iterable[Image], detector: Detector) -> Iterator[FramePrediction]:
    """Yield what the model finds in each frame; memory does not grow with their number."""
    entries, apply = enumerate(arrays), detector.open()
    while batch := list(islice(entries, max(1, detector.batch_size))):
        for index, array in batch:
            check_array(array, index)
        for (index, array), boxes in zip(batch, apply([a for _, a in batch]), strict=True):
            size_wh = (array.shape[1], array.shape[0])
            inside = boxes.clipped(size_wh)
            source = Source("frames", size_wh)
            yield FramePrediction(source, index, inside, detector.classes, picture=array)


def find_model(model: Model, classes: Sequence[str] = ()) -> Detector:
    """Return the detector that a name, a model folder, a workspace or a Python function stands for.

    Raises:
        ModelError: if there is none.
    """
    if not isinstance(model, Workspace | Path | str):
        return load_detector(register_callable(model), wanted=classes)
    named = named_model(model)
    if named.workspace is None:
        return load_detector(named.spec, wanted=classes)
    return _of_workspace(named, named.workspace, classes)


def _of_workspace(named: NamedModel, workspace: Workspace, classes: Sequence[str]) -> Detector:
    project = read_config(workspace).project
    first = named.spec == project.detector
    return load_detector(
        named.spec,
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
    whole = start_s == 0 and end_s >= info.duration_s
    wanted = None if whole else stamps_within(path, info, start_s, end_s)
    source = Source(str(path), info.display_wh, info.time_base)
    with Display(path.name[:16], 1, quiet=quiet) as display:
        for n, one in enumerate(detect_frames(path, pool, wanted, size_wh=info.display_wh), 1):
            share = (one.time_s - start_s) / max(end_s - start_s, 1e-9)
            display.tick(path.name, share, f"{n} frames")
            names = pool.detector.classes
            yield FramePrediction(source, one.index, one.boxes, names, one.pts, one.time_s)


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
    write_drawn(path, info, target, drawn)
