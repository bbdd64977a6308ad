"""predict: apply a model to videos, pictures or arrays; what comes out depends on its task."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reelabel.engine.task import Task, task_named
from reelabel.errors import UsageError
from reelabel.output_files import check_output, check_output_file
from reelabel.short_names import class_names
from reelabel.verbs.arguments import check_arguments, check_names
from reelabel.verbs.model_names import DETECT, Model, named_model
from reelabel.verbs.predict_sources import OnMessage, Sources, Span
from reelabel.workspace import Workspace

if TYPE_CHECKING:
    from reelabel.verbs.class_prediction import ClassPrediction
    from reelabel.verbs.prediction import Prediction, PredictionStream


def predict(  # noqa: PLR0913 -- one argument for each flag of the command
    model: Model,
    sources: Sources,
    *,
    start_s: float | None = None,
    end_s: float | None = None,
    duration_s: float | None = None,
    min_score: float | None = None,
    classes: Sequence[str] | str = (),
    step_s: float | None = None,
    smooth_s: float | None = None,
    min_length_s: float | None = None,
    out: Path | str | None = None,
    render: Path | str | None = None,
    keep_frames: Path | str | None = None,
    task: str = "",
    quiet: bool | None = None,
    keep: bool = True,
    on_message: OnMessage | None = None,
) -> Prediction | PredictionStream | ClassPrediction:
    """Return what a model finds in files or frames: boxes, or classes over time.

    Args:
        model: a model's name such as ``onnx:FILE``, a model folder, a workspace, which means the
            best model that its rounds have found, ``WORKSPACE@N`` for the student of its round N,
            or a Python function ``(image) -> boxes`` (`reelabel.models.detectors.callable`); with
            the task of a classifier ``(image) -> probabilities``
            (`reelabel.models.classifiers.callable`).
        sources: videos or pictures, folders of them, or frames as ``(height, width, 3)`` uint8 RGB
            arrays or PIL images, which are turned upright as by their EXIF: one, several, or an
            iterator of frames. Boxes and classes of frames are found frame by frame; a classifier
            of clips takes all arrays as one clip. A file that is named twice is taken once.
        start_s: first second of each video to look at; pictures are taken as a whole.
        end_s: second at which to stop.
        duration_s: seconds from the start, in place of an end.
        min_score: boxes below this are left out (0.3 if it is not given); where no class reaches
            it, the class is unknown (0.5), 0..1.
        classes: names to look for, in a list or with commas between them; empty takes
            all that the model has.
        step_s: of classifiers alone: seconds between the frames that are judged. By default those
            that the model was trained with, else 1; 0: every frame.
        smooth_s: of classifiers alone: length of a running median over the probabilities.
        min_length_s: of classifiers alone: shorter segments join a neighbour.
        out: where to write boxes or classes: as JSON or CSV, by the suffix.
        render: where to write the video with boxes or classes drawn on it, for a picture a JPEG;
            with several files a folder.
        keep_frames: of classifiers alone: a new or empty folder for the frames that are judged.
        task: what a model is used for whose name leaves it open, or a function, such as
            ``classify-frames``.
        quiet: show no progress; None shows it to a person only.
        keep: False returns boxes as a `PredictionStream`: an iterator over frames of which none is
            kept, or one at its end if `out` is given. Classes are kept in either case, in a few
            bytes a frame.
        on_message: is called with a sentence on each file that was named more than once.

    Returns:
        What was found. Files that cannot be read, or are shorter than the span, stand in its
        `failures` with the reason, and the others are processed.

    Raises:
        UsageError: for a number out of its range, a file that would be overwritten, an array of
            another form, an argument of another task, or one of files where arrays are given; and
            if the span fits none of the files.
        ModelError: if there is no such model, or it returns what is no box or probability.
        MediaError: if none of the files can be read.
    """
    span = Span(start_s, end_s, duration_s)
    check_arguments(
        **asdict(span),
        min_score=min_score,
        step_s=step_s,
        smooth_s=smooth_s,
        min_length_s=min_length_s,
        quiet=quiet,
        keep=keep,
        task=task,
    )
    check_names("classes", classes)
    check_output_file(out)
    check_output(render, keep_frames)
    own = _task_of(model, task)
    options: dict[str, Any] = {
        "min_score": min_score,
        "step_s": step_s,
        "smooth_s": smooth_s,
        "min_length_s": min_length_s,
        "keep_frames": keep_frames,
    }
    options |= {} if keep or not _accepts(own, "keep") else {"keep": False}
    options |= {"on_message": on_message} if _accepts(own, "on_message") else {}
    found: Prediction | PredictionStream | ClassPrediction = own.part("predict")(
        model,
        sources,
        span=span,
        classes=tuple(class_names(classes)),
        out=out,
        render=render,
        quiet=quiet,
        **_applicable(own, options),
    )
    return found


def _task_of(model: Model, task: str) -> Task:
    """Return the task of a model; Python functions find boxes unless told otherwise."""
    if isinstance(model, Workspace | Path | str):
        return named_model(model, task).task
    return task_named(task or DETECT)


def _applicable(task: Task, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that are given.

    Raises:
        UsageError: if one of them does not apply to the task.
    """
    given = {name: value for name, value in options.items() if value is not None}
    for name in given:
        if not _accepts(task, name):
            raise UsageError(
                f"{name} does not apply to a model of the task {task.name} ({task.meaning}): "
                "leave it out"
            )
    return given


def _accepts(task: Task, name: str) -> bool:
    """Return whether a task's function takes an argument of this name."""
    function: Callable[..., Any] = task.part("predict")
    known = inspect.signature(function).parameters
    return name in known or any(one.kind is one.VAR_KEYWORD for one in known.values())
