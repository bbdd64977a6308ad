"""predict with a model that finds boxes: frame by frame, in files or arrays."""

from __future__ import annotations

import contextlib
import pickle
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import IO

from reelabel.engine.progress import Display, is_quiet
from reelabel.media.pictures import of_size
from reelabel.media.probe import VideoInfo, probe
from reelabel.media.video import decode, time_range
from reelabel.models.base import Detector, Image
from reelabel.models.callables import detector_name
from reelabel.models.detector_pool import DetectorPool, detect_frames
from reelabel.models.registry import load_detector
from reelabel.models.teacher import chosen_input
from reelabel.output_files import prepare_outputs
from reelabel.pipeline import read_config
from reelabel.verbs.model_names import Model, NamedModel, named_model
from reelabel.verbs.predict_files import (
    WHOLE,
    Sources,
    Span,
    check_array,
    check_suffix,
    files_and_arrays,
    render_targets,
    stamps_within,
    write_drawn,
)
from reelabel.verbs.prediction import FramePrediction, Prediction, PredictionStream, Source
from reelabel.workspace import Workspace
from reelabel.workspace.results import InputChoice


def predict_boxes(  # noqa: PLR0913 -- those of `predict` that apply
    model: Model,
    sources: Sources,
    *,
    span: Span = WHOLE,
    min_score: float = 0.3,
    classes: Sequence[str] = (),
    out: Path | str | None = None,
    render: Path | str | None = None,
    quiet: bool | None = None,
    keep: bool = True,
) -> Prediction | PredictionStream:
    """Return the boxes that a detector finds in files or frames; see `predict`."""
    detector, quiet = find_model(model, classes), is_quiet(quiet)
    paths, arrays = files_and_arrays(sources)
    infos = {path: probe(path) for path in paths}
    targets, pool = render_targets(infos, render), DetectorPool(detector)
    prepare_outputs(infos, [out, *targets.values()])
    if out is not None:
        check_suffix(Path(out), none_too=True)
    files = chain.from_iterable(
        _drawn_too(
            path,
            info,
            targets.get(path),
            _of_file(path, info, pool, span, quiet=quiet, min_score=min_score),
        )
        for path, info in infos.items()
    )
    found = chain(files, _of_arrays(arrays, detector, min_score))
    stream = PredictionStream(detector.name, detector.fingerprint, detector.classes, found)
    result = stream.kept() if keep else stream
    if out is not None:
        result.save(out)
    return result


def _of_arrays(
    arrays: Iterable[Image], detector: Detector, min_score: float
) -> Iterator[FramePrediction]:
    """Yield what the model finds in each frame; memory does not grow with their number."""
    entries, apply = enumerate(arrays), detector.open()
    while batch := list(islice(entries, max(1, detector.batch_size))):
        for index, array in batch:
            check_array(array, index)
        for (index, array), boxes in zip(batch, apply([a for _, a in batch]), strict=True):
            size_wh = (array.shape[1], array.shape[0])
            inside = boxes[boxes.score >= min_score].clipped(size_wh)
            source = Source("frames", size_wh)
            yield FramePrediction(source, index, inside, detector.classes, picture=array)


def find_model(model: Model, classes: Sequence[str] = ()) -> Detector:
    """Return the detector that a name, a model folder, a workspace or a Python function stands for.

    Raises:
        ModelError: if there is none.
    """
    if not isinstance(model, Workspace | Path | str):
        return load_detector(detector_name(model), wanted=classes)
    named = named_model(model)
    if named.workspace is None:
        return load_detector(named.spec, wanted=classes)
    return _of_workspace(named, named.workspace, classes)


def _of_workspace(named: NamedModel, workspace: Workspace, classes: Sequence[str]) -> Detector:
    project = read_config(workspace).project
    first = named.spec == project.detector
    found = load_detector(
        named.spec,
        home=workspace.root,
        options=project.detector_options if first else {},
        wanted=classes or project.classes,
        mapping=project.class_map if first else None,
    )
    return chosen_input(found, InputChoice.load(workspace.round_dir(0))) if first else found


def _of_file(
    path: Path, info: VideoInfo, pool: DetectorPool, span: Span, *, quiet: bool, min_score: float
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
            boxes = one.boxes[one.boxes.score >= min_score]
            yield FramePrediction(source, one.index, boxes, names, one.pts, one.time_s)


def _drawn_too(
    path: Path, info: VideoInfo, target: Path | None, found: Iterator[FramePrediction]
) -> Iterator[FramePrediction]:
    """Yield the frames of a file; behind the last one it is drawn, if it has a target.

    Until then the boxes lie in a file without a name, so that memory does not grow.
    """
    if target is None:
        yield from found
        return
    with tempfile.TemporaryFile() as aside:
        for one in found:
            pickle.dump(one, aside)
            yield one
        aside.seek(0)
        _render(path, info, target, _read_back(aside))


def _read_back(file: IO[bytes]) -> Iterator[FramePrediction]:
    """Yield the frames in a file that this process wrote."""
    with contextlib.suppress(EOFError):
        while True:
            yield pickle.load(file)  # noqa: S301 -- nobody else can open it


def _render(path: Path, info: VideoInfo, target: Path, found: Iterator[FramePrediction]) -> None:
    """Write the file with its boxes: a picture as JPEG, every frame of a video at its own time."""

    def drawn() -> Iterator[tuple[int, Image]]:
        one = next(found, None)
        for frame in decode(path):
            if one is not None and frame.pts == one.pts:
                yield frame.pts, one.on(of_size(frame.rgb(), info.display_wh))
                one = next(found, None)

    write_drawn(path, info, target, drawn())
