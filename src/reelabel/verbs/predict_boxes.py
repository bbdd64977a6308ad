"""predict with a model that finds boxes: frame by frame, in files or arrays."""

from __future__ import annotations

import contextlib
import pickle
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import IO

from reelabel.engine.progress import Display, is_quiet
from reelabel.media.pictures import of_size
from reelabel.media.video import decode
from reelabel.models.base import Detector, Image
from reelabel.models.callables import detector_name
from reelabel.models.detector_pool import DetectorPool, detect_frames
from reelabel.models.frame_errors import in_frame
from reelabel.models.registry import load_detector
from reelabel.models.teacher import chosen_input
from reelabel.output_files import prepare_outputs
from reelabel.pipeline import read_config
from reelabel.verbs.model_names import Model, NamedModel, named_model
from reelabel.verbs.predict_files import check_suffix, render_targets, write_drawn
from reelabel.verbs.predict_sources import (
    WHOLE,
    Failures,
    OnMessage,
    PlannedFile,
    Sources,
    Span,
    inputs_of,
    planned,
    stamps_within,
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
    on_message: OnMessage | None = None,
) -> Prediction | PredictionStream:
    """Return the boxes that a detector finds in files or frames; see `predict`."""
    given = inputs_of(sources, on_message)
    given.refuse_of_files(**asdict(span), render=render)
    detector, failures = find_model(model, classes), Failures(len(given.files))
    files = planned(given.files, span, failures)
    targets = render_targets(files, render, several=len(given.files) > 1)
    prepare_outputs(given.files, [out, *targets.values()])
    if out is not None:
        check_suffix(Path(out), none_too=True)
    run = _Run(detector, min_score, failures, quiet=is_quiet(quiet))
    found = chain(run.of_files(files, targets), run.of_arrays(given.arrays))
    stream = PredictionStream(
        detector.name, detector.fingerprint, detector.classes, found, failures=failures.messages
    )
    result = stream.kept() if keep else stream
    if out is not None:
        result.save(out)
    return result


@dataclass(frozen=True)
class _Run:
    """One call of `predict_boxes`.

    Attributes:
        detector: the model.
        min_score: boxes below it are left out.
        failures: files that cannot be used.
        quiet: show no progress.
    """

    detector: Detector
    min_score: float
    failures: Failures
    quiet: bool

    def of_files(
        self, files: Mapping[Path, PlannedFile], targets: Mapping[Path, Path]
    ) -> Iterator[FramePrediction]:
        """Yield what the model finds in each frame of each file; draw those that have a target."""
        pool = DetectorPool(self.detector)
        for path, one in files.items():
            with self.failures.noted(path):
                yield from _drawn_too(one, targets.get(path), self._of_file(one, pool))

    def _of_file(self, file: PlannedFile, pool: DetectorPool) -> Iterator[FramePrediction]:
        path, info, (start_s, end_s) = file.path, file.info, file.span_s
        wanted = None if file.whole else stamps_within(path, info, file.span_s)
        source = Source(str(path), info.display_wh, file.time_base, is_file=True)
        names = self.detector.classes
        with Display(path.name[:16], 1, quiet=self.quiet) as display:
            for n, one in enumerate(detect_frames(path, pool, wanted, size_wh=info.display_wh), 1):
                share = (one.time_s - start_s) / max(end_s - start_s, 1e-9)
                display.tick(path.name, share, f"{n} frames")
                boxes = one.boxes[one.boxes.score >= self.min_score]
                time_s = None if source.time_base is None else one.time_s
                yield FramePrediction(source, one.index, boxes, names, one.pts, time_s)

    def of_arrays(self, arrays: Iterator[Image] | None) -> Iterator[FramePrediction]:
        """Yield what the model finds in each frame; memory does not grow with their number."""
        if arrays is None:
            return
        entries, apply, names = enumerate(arrays), self.detector.open(), self.detector.classes
        while batch := list(islice(entries, max(1, self.detector.batch_size))):
            with in_frame(partial("frame {}".format, batch[0][0])):
                found = apply([array for _, array in batch])
            for (index, array), boxes in zip(batch, found, strict=True):
                size_wh = (array.shape[1], array.shape[0])
                inside = boxes[boxes.score >= self.min_score].clipped(size_wh)
                source = Source("frames", size_wh)
                yield FramePrediction(source, index, inside, names, picture=array)


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


def _drawn_too(
    file: PlannedFile, target: Path | None, found: Iterator[FramePrediction]
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
        _render(file, target, _read_back(aside))


def _read_back(file: IO[bytes]) -> Iterator[FramePrediction]:
    """Yield the frames in a file that this process wrote."""
    with contextlib.suppress(EOFError):
        while True:
            yield pickle.load(file)  # noqa: S301 -- nobody else can open it


def _render(file: PlannedFile, target: Path, found: Iterator[FramePrediction]) -> None:
    """Write the file with its boxes: a picture as JPEG, every frame of a video at its own time."""

    def drawn() -> Iterator[tuple[int, Image]]:
        one = next(found, None)
        for frame in decode(file.path):
            if one is not None and frame.pts == one.pts:
                yield frame.pts, one.on(of_size(frame.rgb(), file.info.display_wh))
                one = next(found, None)

    write_drawn(file.path, file.info, target, drawn())
