"""predict with a model that gives classes: of frames or clips, over time, and of whole videos."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from reelabel.data.boxes import Floats
from reelabel.data.classes import Moments, Predictions
from reelabel.engine.progress import Display, is_quiet
from reelabel.errors import MediaError
from reelabel.files import write_bytes
from reelabel.labels.segments import SegmentSettings
from reelabel.media.pictures import encode_jpeg, of_size
from reelabel.media.video import decode
from reelabel.models.base import Image, Window
from reelabel.models.classifier_pool import ClassifierPool, classify_ahead
from reelabel.models.detector_pool import FrameRef
from reelabel.models.frame_errors import in_frame
from reelabel.models.video_moments import MomentPlan, video_moments
from reelabel.output_files import prepare_outputs
from reelabel.verbs.class_models import find_classifier
from reelabel.verbs.class_prediction import ClassPrediction
from reelabel.verbs.frame_folder import frame_folder
from reelabel.verbs.model_names import Model
from reelabel.verbs.predict_files import check_suffix, numbered, render_targets, write_drawn
from reelabel.verbs.predict_sources import (
    WHOLE,
    Failures,
    OnMessage,
    PlannedFile,
    Sources,
    Span,
    inputs_of,
    planned,
)
from reelabel.verbs.prediction import Source
from reelabel.verbs.source_prediction import SourcePrediction

HYSTERESIS = 0.1
"""By how much a class may fall below the threshold, or be beaten, before it ends."""
QUALITY = 95
"""JPEG quality of frames that are kept."""


def predict_classes(  # noqa: PLR0913 -- those of `predict` that apply
    model: Model,
    sources: Sources,
    *,
    span: Span = WHOLE,
    min_score: float = 0.5,
    classes: Sequence[str] = (),
    step_s: float | None = None,
    smooth_s: float = 0.0,
    min_length_s: float = 0.0,
    out: Path | str | None = None,
    render: Path | str | None = None,
    keep_frames: Path | str | None = None,
    quiet: bool | None = None,
    on_message: OnMessage | None = None,
) -> ClassPrediction:
    """Return the classes that a model gives for files or frames; see `predict`.

    Probabilities are calibrated with the temperature that the model's round has fitted. The
    classes that are left out by `classes` keep their share: the others are not scaled up.
    """
    given = inputs_of(sources, on_message)
    over_time = {
        "step_s": step_s,
        "smooth_s": smooth_s or None,
        "min_length_s": min_length_s or None,
    }
    given.refuse_of_files(**asdict(span), **over_time, render=render)
    found, failures = find_classifier(model, classes), Failures(len(given.files))
    own = found.classifier
    files = planned(given.files, span, failures)
    targets = render_targets(files, render, several=len(given.files) > 1)
    prepare_outputs(given.files, [out, *targets.values()])
    if out is not None:
        check_suffix(Path(out))
    plan = MomentPlan.of(own, step_s, keep=keep_frames is not None)
    with frame_folder(keep_frames, "predict") as kept:
        run = _Run(
            pool=ClassifierPool(own),
            exclusive=found.exclusive,
            plan=plan,
            rule=_segment_settings(min_score, smooth_s, min_length_s),
            failures=failures,
            kept=kept,
            quiet=is_quiet(quiet),
        )
        results = [*run.of_files(files, targets), *run.of_arrays(given.arrays or iter(()))]
    result = ClassPrediction(
        model=found.label,
        fingerprint=own.fingerprint,
        classes=own.classes,
        exclusive=found.exclusive,
        temperature=found.temperature,
        min_score=min_score,
        sources=tuple(results),
        failures=failures.messages,
    )
    if out is not None:
        result.save(out)
    return result


def _segment_settings(min_score: float, smooth_s: float, min_length_s: float) -> SegmentSettings:
    """Return how probabilities become segments."""
    return SegmentSettings(
        threshold=min_score,
        hysteresis=min(HYSTERESIS, min_score / 2),
        smooth_s=smooth_s,
        min_length_s=min_length_s,
    )


@dataclass(frozen=True)
class _Judged:
    """The moments that were judged, in few bytes each.

    Attributes:
        places: of each the time stamps of its first and last frame, and the first one's position.
        times_s: of each the seconds of its first and last frame.
    """

    places: array[int] = field(default_factory=lambda: array("q"))
    times_s: array[float] = field(default_factory=lambda: array("d"))

    def __len__(self) -> int:
        return len(self.times_s) // 2

    def add(self, first: FrameRef, last: FrameRef) -> None:
        """Add a moment by its first and last frame."""
        self.places.extend((first.pts, last.pts, first.index))
        self.times_s.extend((first.time_s, last.time_s))

    def name(self, at: int) -> str:
        """Return what messages call a moment."""
        pts, _, index = self.places[3 * at : 3 * at + 3]
        return FrameRef(pts, index, self.times_s[2 * at]).name()

    def until_s(self, at: int) -> float:
        """Return the second of the last frame of a moment."""
        return self.times_s[2 * at + 1]


@dataclass(frozen=True)
class _Run:
    """One call of `predict_classes`.

    Attributes:
        pool: the classifier.
        exclusive: whether at most one class is right.
        plan: which frames of a video are judged.
        rule: how probabilities become segments.
        failures: files that cannot be used.
        kept: the folder for judged frames, None if they are not kept.
        quiet: show no progress.
    """

    pool: ClassifierPool
    exclusive: bool
    plan: MomentPlan
    rule: SegmentSettings
    failures: Failures
    kept: Path | None
    quiet: bool

    def of_files(
        self, files: Mapping[Path, PlannedFile], targets: Mapping[Path, Path]
    ) -> Iterator[SourcePrediction]:
        """Yield the classes of each file; draw those that have a target."""
        stems = numbered(path.stem for path in files)
        for stem, (path, file) in zip(stems, files.items(), strict=True):
            with self.failures.noted(path):
                one = self._of_file(file, stem)
                if path in targets:
                    write_drawn(path, file.info, targets[path], _drawn(file, one))
                yield one

    def _of_file(self, file: PlannedFile, stem: str) -> SourcePrediction:
        path, info, (start_s, end_s) = file.path, file.info, file.span_s
        judged = _Judged()

        def windows() -> Iterator[Window]:
            for moment in video_moments(path, info, file.span_s, self.plan):
                self._keep(stem, {one.ref.pts: one.jpeg for one in moment})
                judged.add(moment[0].ref, moment[-1].ref)
                yield [one.picture for one in moment]

        rows = array("f")
        display = Display(path.name[:16], 1, quiet=self.quiet)
        with display, in_frame(lambda: judged.name(len(rows) // len(self.pool.classifier.classes))):
            for n, row in enumerate(classify_ahead(self.pool, windows())):
                rows.frombytes(row.astype(np.float32).tobytes())
                share = (judged.until_s(n) - start_s) / max(end_s - start_s, 1e-9)
                display.tick(path.name, share, f"{n + 1} moments")
        if not rows:
            raise MediaError(f"{path}: no frame between {start_s:g} s and {end_s:g} s is readable")
        source = Source(str(path), info.display_wh, file.time_base, is_file=True)
        span = None if file.time_base is None else file.span_s
        found = np.frombuffer(rows, np.float32).reshape(len(judged), -1)
        return self._prediction(source, judged, found, span_s=span)

    def of_arrays(self, arrays: Iterable[Image]) -> Iterator[SourcePrediction]:
        """Yield the classes of each array, or of the clip that all of them are."""
        if self.plan.frames > 1:
            yield from self._of_clip(list(self._kept_arrays(arrays)))
            return
        shown = deque[Image]()

        def windows() -> Iterator[Window]:
            for picture in self._kept_arrays(arrays):
                shown.append(picture)
                yield [picture]

        done = 0
        with in_frame(lambda: f"frame {done}"):
            for done, row in enumerate(classify_ahead(self.pool, windows()), 1):
                picture = shown.popleft()
                yield self._of_array(f"frames[{done - 1}]", row, picture, picture=picture)

    def _of_clip(self, arrays: list[Image]) -> Iterator[SourcePrediction]:
        """Yield the classes of one clip: of pictures at even distances, as many as are judged."""
        if arrays:
            at = np.linspace(0, len(arrays) - 1, self.plan.frames).round().astype(int)
            row = self.pool.classify([[arrays[i] for i in at]])[0]
            yield self._of_array("frames", row, arrays[0], last=len(arrays) - 1)

    def _of_array(
        self, name: str, row: Floats, array: Image, *, last: int = 0, picture: Image | None = None
    ) -> SourcePrediction:
        source = Source(name, (array.shape[1], array.shape[0]))
        judged = _Judged()
        judged.add(FrameRef(0, 0, 0.0), FrameRef(last, last, 0.0))
        return self._prediction(source, judged, row[None], picture=picture)

    def _kept_arrays(self, arrays: Iterable[Image]) -> Iterator[Image]:
        for index, picture in enumerate(arrays):
            if self.plan.keep:
                self._keep("frames", {index: encode_jpeg(picture, QUALITY)})
            yield picture

    def _keep(self, stem: str, pictures: Mapping[int, bytes]) -> None:
        """Write judged frames, each once."""
        if self.kept is not None:
            for pts, jpeg in pictures.items():
                write_bytes(self.kept / stem / f"{pts}.jpg", jpeg, sync=False)

    def _prediction(
        self,
        source: Source,
        judged: _Judged,
        rows: Floats,
        *,
        span_s: tuple[float, float] | None = None,
        picture: Image | None = None,
    ) -> SourcePrediction:
        """Return the classes of a source from the first and last frame of each moment."""
        place = np.frombuffer(judged.places, np.int64).reshape(-1, 3)
        moments = Moments(np.full(len(judged), source.name), place[:, 0], place[:, 1])
        return SourcePrediction(
            source=source,
            classes=self.pool.classifier.classes,
            exclusive=self.exclusive,
            predictions=Predictions(moments, rows),
            index=place[:, 2],
            time_s=np.frombuffer(judged.times_s, np.float64).reshape(-1, 2),
            span_s=span_s,
            rule=self.rule,
            picture=picture,
        )


def _drawn(file: PlannedFile, found: SourcePrediction) -> Iterator[tuple[int, Image]]:
    """Yield every frame of the span with its classes, each with its time stamp."""
    start_s, end_s = file.span_s
    for frame in decode(file.path, start_s=start_s or None, end_s=end_s, on_error=lambda _: None):
        yield frame.pts, found.on(of_size(frame.rgb(), found.source.size_wh), frame.time_s)
