"""compare: any number of classifiers on the same videos, which none of them was trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from reelabel.engine.progress import is_quiet
from reelabel.errors import UsageError, few
from reelabel.evaluation.classes.compare import ClassComparison, ModelCost, ModelPredictions
from reelabel.evaluation.classes.compare import compare as compare_predictions
from reelabel.evaluation.classes.figures import ScoreSettings
from reelabel.evaluation.classes.levels import Level, level_of
from reelabel.evaluation.classes.speed import measure_speed
from reelabel.file_kinds import as_path
from reelabel.files import write_json
from reelabel.models.base import Window
from reelabel.models.cost import model_size
from reelabel.output_files import check_output_file, prepare_outputs
from reelabel.pipeline import read_config
from reelabel.stages.classes.evaluate import ClassEvaluateSettings
from reelabel.tables import CLASS_LABELS
from reelabel.verbs.arguments import check_arguments, listed
from reelabel.verbs.class_models import FoundClassifier, find_classifier
from reelabel.verbs.compare_predictions import Classified, classify_known
from reelabel.verbs.compare_truth import known_videos
from reelabel.verbs.model_names import Model
from reelabel.workspace import CONFIG_NAME, Workspace
from reelabel.workspace.class_results import ModelComparison
from reelabel.workspace.rounds import labelled_rounds

Models = Mapping[str, Model] | Sequence[Model]
"""Models by the names that results call them, or without such names."""


def compare(
    models: Models,
    *,
    on: Workspace | Path | str,
    videos: Sequence[Path | str] | Path | str = (),
    level: Level | None = None,
    against: str | None = None,
    json: Path | str | None = None,
    quiet: bool | None = None,
    on_message: Callable[[str], None] | None = None,
) -> ModelComparison:
    """Compare classifiers on the same videos: scores, differences, size and speed.

    Models of frames judge a frame a second, models of clips windows of their own length, end to
    end. Where they differ in that, whole videos are compared, by mean probabilities. Videos that a
    model was trained on, as far as that is known, are left out, and so are those that look like
    one. Intervals and differences rest on resamples of groups of videos, the same for all models;
    with more than two models, differences are corrected for their number (Holm).

    Args:
        models: workspaces, ``WORKSPACE@N`` for the student of a round, model folders, ONNX files or
            names of models, as for `predict`; or a mapping that names them.
        on: a workspace with people's classes, or a file of classes (CSV, JSON) as for tags.
        videos: with a file, the folder or files of its videos, unless it names them by paths; with
            a workspace, only these.
        level: frame, clip or video; None compares all that can be.
        against: the model that the others are compared with; None: the first one.
        json: where to write the result.
        quiet: show no progress; None shows it to a person only.
        on_message: is called with sentences on what was left out.

    Returns:
        The comparison, which is also kept with the workspace's last round, for its report.

    Raises:
        UsageError: if there are no models, they have other kinds of classes, or no video is left.
        ModelError: if there is no such model.
        FormatError: if the file is damaged.
        MediaError: if no video can be read.
    """
    check_arguments(quiet=quiet, level=level, against=against)
    check_output_file(json)
    prepare_outputs([], [json])
    on = on if isinstance(on, Workspace) else as_path("on", on)
    videos = listed("videos", videos)
    found = _found(models)
    base = _base(found, against)
    classes = tuple(
        dict.fromkeys(name for one in found.values() for name in one.classifier.classes)
    )
    known = known_videos(on, videos, classes, exclusive=_exclusive(found))
    known = known.without(frozenset().union(*(one.trained for one in found.values())))
    classified = classify_known(found, known, quiet=is_quiet(quiet))
    settings = _settings(on, classified.classes, exclusive=_exclusive(found))
    costs = {name: _cost(one, classified.windows[name]) for name, one in found.items()}
    result = ModelComparison(
        levels=dict(_levels(classified, settings, costs, level=level, against=base)),
        notes=classified.notes,
    )
    if on_message is not None:
        for sentence in result.notes:
            on_message(sentence)
    _keep(result, on, json)
    return result


def _found(models: Models) -> dict[str, FoundClassifier]:
    """Return the models by their names.

    Raises:
        UsageError: if there are none, or two of one name.
    """
    if isinstance(models, Mapping):
        named = {name: find_classifier(model) for name, model in models.items()}
    else:
        each = [models] if isinstance(models, Workspace) else listed("models", models)
        found = [find_classifier(model) for model in each]
        # The end of a path is enough, where it tells the models apart.
        short = [Path(one.label).name or one.label for one in found]
        names = short if len(set(short)) == len(short) else [one.label for one in found]
        if len(set(names)) < len(names):
            raise UsageError(f"expected different models to compare, but got {few(names)}")
        named = dict(zip(names, found, strict=True))
    if not named:
        raise UsageError("expected different models to compare, but got none")
    return named


def _base(found: Mapping[str, FoundClassifier], against: str | None) -> str:
    """Return the name of the model that the others are compared with.

    Raises:
        UsageError: if there is no such model.
    """
    names = list(found)
    if against is None:
        return names[0]
    known = {one.label: name for name, one in found.items()} | {name: name for name in names}
    if against not in known:
        raise UsageError(f"expected one of {few(names, 20)} to compare with, but got '{against}'")
    return known[against]


def _exclusive(found: Mapping[str, FoundClassifier]) -> bool:
    """Return whether exactly one class is right.

    Raises:
        UsageError: if the models differ in that.
    """
    kinds = {name: one.exclusive for name, one in found.items()}
    if len(set(kinds.values())) > 1:
        one = [name for name, exclusive in kinds.items() if exclusive]
        several = [name for name, exclusive in kinds.items() if not exclusive]
        raise UsageError(
            f"expected models of the same kind of classes, but {few(one)} give exactly one class "
            f"and {few(several)} several: compare them apart"
        )
    return next(iter(kinds.values()))


def _settings(
    on: Workspace | Path | str, classes: Sequence[str], *, exclusive: bool
) -> ScoreSettings:
    """Return how models are scored: as in the workspace, if there is one."""
    workspace = _workspace(on)
    config = read_config(workspace) if workspace is not None else None
    own = config.stages.get("evaluate") if config is not None else None
    if config is None or not isinstance(own, ClassEvaluateSettings):
        return ScoreSettings(tuple(classes), exclusive=exclusive)
    return own.score_settings(config.project, classes)


def _workspace(on: Workspace | Path | str) -> Workspace | None:
    if isinstance(on, Workspace):
        return on
    return Workspace.open(on) if (Path(on) / CONFIG_NAME).is_file() else None


def _cost(one: FoundClassifier, windows: Sequence[Window]) -> ModelCost:
    """Return the size of a model and its speed on this machine."""
    parameters, size_bytes = model_size(one.place)
    own = one.classifier
    speed = measure_speed(own.open(), windows, max(1, own.batch_size))
    return ModelCost(parameters, size_bytes, speed)


def _levels(
    classified: Classified,
    settings: ScoreSettings,
    costs: Mapping[str, ModelCost],
    *,
    level: Level | None,
    against: str,
) -> Iterator[tuple[Level, ClassComparison]]:
    """Yield the comparison of frames or clips, if all models judged the same, and of videos.

    Raises:
        UsageError: if the wanted level cannot be compared.
    """
    given = [
        ModelPredictions(name, predictions, costs[name])
        for name, predictions in classified.predictions.items()
    ]
    own = level_of(classified.truth.moments) if classified.same_moments else "video"
    if level not in {None, own, "video"}:
        raise UsageError(
            f"expected a level that all models judge, but {level} is none: {classified.described}; "
            "compare whole videos with --level video"
        )
    for wanted in dict.fromkeys((own, "video")):
        if level in {None, wanted}:
            whole = wanted == "video"
            one = compare_predictions(
                given, classified.truth, settings, against=against, whole_videos=whole
            )
            yield one.level, one


def _keep(result: ModelComparison, on: Workspace | Path | str, json: Path | str | None) -> None:
    """Write the result where it was asked for, and for the report of the workspace."""
    if json is not None:
        write_json(Path(json), result.to_json())
    workspace = _workspace(on)
    rounds = labelled_rounds(workspace, CLASS_LABELS) if workspace is not None else []
    if workspace is not None and rounds:
        result.save(workspace.round_dir(rounds[-1]))
