"""Every command with its flags. Work is imported late, so that ``--help`` answers at once."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from reelabel._version import __version__
from reelabel.cli.class_commands import compare, recipe
from reelabel.cli.class_flag import ClassesCommand
from reelabel.cli.completion import (
    completes,
    detectors,
    exported,
    imported,
    tags,
    tasks,
    teachers,
)
from reelabel.cli.echo import echo
from reelabel.cli.fetched_commands import forget, origins
from reelabel.cli.film_flags import film_flags
from reelabel.cli.flicker_command import flicker
from reelabel.cli.group import Verbs
from reelabel.cli.output_file import OutputFile, prints_files
from reelabel.cli.run_command import run
from reelabel.cli.stage_commands import (
    COUNT,
    SEED,
    ablated,
    json_flag,
    set_flag,
    work_flags,
    workspace_argument,
)
from reelabel.short_names import DEFAULT_TASK


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="reelabel")
def cli() -> None:
    """Turn footage into a trained model without hand labelling.

    \b
    reelabel init balls --classes "sports ball" --videos FOLDER --detector yolox-nano
    reelabel run balls
    reelabel show balls

    Exit codes: 0 all well, 1 some videos failed, 2 usage or settings, 3 media, 4 model,
    5 label file, 6 workspace, 7 no split without leaks, 8 a missing extra, 130 stopped.
    """  # noqa: D301 -- the backspace is click's mark for lines kept apart


@cli.command(
    cls=ClassesCommand, short_help="Make a workspace: what to find, the footage, the first teacher."
)
@workspace_argument
@click.option(
    "--task",
    default=DEFAULT_TASK,
    show_default=True,
    help="What is learnt.",
    shell_complete=completes(tasks),
)
@click.option("--classes", multiple=True, help="Names of what to find: dog cat, or dog,cat.")
@click.option("--videos", multiple=True, help="File or folder; repeatable, or list more after --.")
@click.option(
    "--from",
    "manifest",
    type=(str, str),
    help="KIND FILE of a list of videos to fetch: sports1m, kinetics, youtube8m or urls.",
)
@click.option(
    "--detector",
    multiple=True,
    help="yolox-nano (tiny ... x), FILE.onnx, hf:ID, motion, none; default: by classes. "
    "Repeatable: the boxes of several are fused.",
    shell_complete=completes(detectors),
)
@click.option(
    "--teacher",
    help="The first teacher of a classifier; default: the tags alone.",
    shell_complete=completes(teachers),
)
@click.option(
    "--tags",
    help="Weak labels of videos: folders, manifest, or a file.",
    shell_complete=completes(tags, files=True),
)
@click.option("--multi-label", is_flag=True, help="Several classes, or none, may be right.")
@click.option("--truth", type=click.Path(path_type=Path), help="Hand-made labels to evaluate on.")
@click.option("--test-videos", multiple=True, help="Only evaluated on, never trained on.")
@set_flag("Any setting: --set sample.every=5")
@click.argument("more", nargs=-1, type=click.Path())
def init(
    workspace: Path,
    task: str,
    classes: tuple[str, ...],
    *,
    videos: tuple[str, ...],
    pairs: tuple[str, ...],
    more: tuple[str, ...],
    **given: Any,
) -> None:
    """Make a workspace: what to find, where the footage is, the first teacher."""
    from reelabel.cli.flags import nested
    from reelabel.cli.printing import print_new
    from reelabel.config import Config
    from reelabel.engine.project import sections_of
    from reelabel.verbs.init import init as call

    given["detector"] = _one_or_several(given["detector"])
    if not classes and given["manifest"] is None:
        raise click.UsageError("expected --classes, or --from to take the labels of a manifest")
    made = call(
        workspace,
        classes=classes,
        videos=[*videos, *more],
        settings=nested(pairs, {**sections_of({"task": task}), **Config.own_sections}),
        task=task,
        on_message=echo,
        **given,
    )
    print_new(made)


def _one_or_several(names: tuple[str, ...]) -> str | tuple[str, ...] | None:
    """Return what a repeatable flag names: None if it was not given, one name alone."""
    return names if len(names) > 1 else next(iter(names), None)


cli.add_command(run)


@cli.command()
@workspace_argument
@json_flag
@click.option("--verify", is_flag=True, help="Read all files; are they what was written?")
def status(workspace: Path, *, as_json: bool, verify: bool) -> int:
    """Show what is done, stale or failed, and why."""
    from reelabel.cli.printing import print_status
    from reelabel.engine.project import read_config
    from reelabel.errors import SOME_VIDEOS_FAILED
    from reelabel.verbs.status import status as call
    from reelabel.workspace import Workspace

    ws = Workspace.open(workspace)
    found = call(ws, read_config(ws), verify=verify)
    print_status(ws, found, as_json=as_json)
    return SOME_VIDEOS_FAILED if any(one.altered for one in found) else 0


@cli.command(short_help="Write a round's data set or its student, for other tools.")
@workspace_argument
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "kind",
    help="Boxes: coco (default), yolo, voc, cvat, cvat-video, mot, label-studio, "
    "label-studio-video, fiftyone, parquet, detections-txt. Classes: image-folder (default), "
    "class-csv, kinetics-csv, fiftyone. The student as a file: onnx.",
    shell_complete=completes(exported),
)
@click.option(
    "--round", "number", type=COUNT, help="Default: the last with a data set; onnx: the best."
)
@click.option("--into", type=click.Path(path_type=Path), help="COCO file to add to, as a copy.")
@click.option(
    "--unsure",
    type=click.IntRange(1),
    help="Only so many frames or windows: what a person should correct first.",
)
@click.option("--overwrite", is_flag=True, help="Replace an earlier export in that folder.")
@click.option("--half", is_flag=True, help="For onnx: half precision, half the size.")
def export(workspace: Path, out: Path, kind: str | None, number: int | None, **how: Any) -> None:
    """Write a round's data set, pictures included, or its student, for other tools."""
    from reelabel.verbs.export import export as call

    made = call(workspace, out, format=kind, round=number, on_message=echo, **how)
    echo(f"written to {made}")


@cli.command(short_help="Write the clips that `cut` found as files, and a table of them.")
@workspace_argument
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--exact", is_flag=True, help="Encode exactly the frames of each clip.")
def clips(workspace: Path, out: Path, *, exact: bool) -> int:
    """Write the clips that `cut` has found as files, and a table of them."""
    from reelabel.errors import SOME_VIDEOS_FAILED, counted
    from reelabel.verbs.clips import clips as call

    missing: list[str] = []

    def note(sentence: str) -> None:
        missing.append(sentence)
        echo(f"not written: {sentence}", err=True)

    made = call(workspace, out, exact=exact, on_message=note)
    echo(f"written to {made}" + (f", without {counted(len(missing), 'clip')}" if missing else ""))
    return SOME_VIDEOS_FAILED if missing else 0


@cli.command("import", short_help="Import labels or another detector's boxes, or take them back.")
@workspace_argument
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option(
    "--format",
    "kind",
    help="Of boxes; default: by what the file holds. coco, yolo, voc, cvat, mot, label-studio, "
    "fiftyone, parquet, detections-txt. Classes are recognised.",
    shell_complete=completes(imported),
)
@click.option(
    "--as",
    "what",
    type=click.Choice(["truth", "labels", "detections"]),
    help="To evaluate on, to train on (default), or as detections of the first teacher.",
)
@click.option("--remove", is_flag=True, help="Take back the last import, with --as the last such.")
@click.option("--xyxy/--xywh", default=None, help="Layout of a COCO file's boxes, unchecked.")
@click.option("--video", help="Video that the file is of: name, path or id.")
@click.option("--class", "category", help="Class of a detections-txt, or of mot without classes.")
def import_labels(
    workspace: Path, file: Path | None, kind: str | None, *, remove: bool, what: Any, **how: Any
) -> None:
    """Import people's boxes or classes, or boxes of another detector; or take an import back.

    \b
    reelabel import balls drawn.json --as truth
    reelabel import scenes classes.csv --as labels
    reelabel import scenes --remove
    """  # noqa: D301 -- the backspace is click's mark for lines kept apart
    from reelabel.verbs.import_history import remove_import
    from reelabel.verbs.import_labels import import_labels as call
    from reelabel.verbs.import_labels import imported_sentences

    if remove == (file is not None) or (remove and (kind or any(how.values()))):
        raise click.UsageError("expected a file to import, or --remove, alone or with --as")
    if file is None:
        gone = remove_import(workspace, what=what)
        echo(f"taken back: {gone.what} from {gone.source}")
    else:
        taken = call(workspace, file, format=kind, what=what, on_message=echo, **how)
        echo("\n".join(imported_sentences(workspace, taken)))
    echo("now:")
    echo(f"  reelabel run {workspace}")


@cli.command(
    cls=ClassesCommand,
    short_help="Apply a model, or a workspace's best one, to videos and pictures.",
)
@click.argument("model")
@click.argument("sources", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--start-s", "--start", "start_s", type=float, help="First second.")
@click.option("--end-s", "--end", "end_s", type=float, help="Second at which to stop.")
@click.option("--duration-s", "--duration", "duration_s", type=float, help="Seconds from start.")
@click.option(
    "--min-score",
    "--score",
    type=float,
    help="Leave out boxes below this, default 0.3; classes are unknown below it, default 0.5.",
)
@click.option("--classes", multiple=True, help="Look only for these: dog cat, or dog,cat.")
@click.option("--step-s", type=float, help="Seconds between frames that are classified.")
@click.option("--smooth-s", type=float, help="Running median over class probabilities, seconds.")
@click.option("--min-length-s", type=float, help="Shortest segment of a class, seconds.")
@click.option("--out", type=OutputFile(".json"), help="A .json or .csv file; - prints it.")
@click.option("--render", type=click.Path(path_type=Path), help="Write video with them drawn.")
@click.option(
    "--keep-frames", type=click.Path(path_type=Path), help="New folder for classified frames."
)
@click.option(
    "--task",
    default="",
    help="Of a model whose name leaves it open: classify-frames.",
    shell_complete=completes(tasks),
)
@json_flag
@click.option("--quiet", "-q", is_flag=True, help="Show no progress.")
@prints_files
def predict(model: str, sources: tuple[Path, ...], *, as_json: bool, **given: Any) -> int:
    """Apply a model, or the best one of a workspace, to videos and pictures."""
    from reelabel.cli.predicted_printing import print_predicted
    from reelabel.verbs.predict import predict as call
    from reelabel.verbs.prediction import PredictionStream

    found = call(model, sources, **given, keep=as_json, on_message=partial(echo, err=True))
    if isinstance(found, PredictionStream):
        for _ in found:  # what is not written either: only its numbers are printed
            pass
    written = [given[key] for key in ("out", "render", "keep_frames")]
    return print_predicted(found, written, as_json=as_json)


@cli.command(short_help="Draw a round's labels, or its temporal evidence, on video.")
@workspace_argument
@click.option("--round", "number", type=COUNT, help="Default: the last with labels, or evidence.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder; for evidence also a file.")
@click.option("--pictures", default=12, show_default=True, help="JPEGs per video.")
@film_flags
@click.option("--quiet", "-q", is_flag=True, help="Show no progress.")
def show(workspace: Path, number: int | None, **given: Any) -> int:
    """Draw a round's labels, or its temporal evidence, on video at its true frame rate."""
    from reelabel.errors import SOME_VIDEOS_FAILED, counted
    from reelabel.verbs.show import show as call

    shown = call(workspace, round=number, **given)
    for one in shown:
        if one.failure:
            echo(f"not drawn: {one.video}: {one.failure}", err=True)
            continue
        shows = "" if one.hits is None else f"  {one.hits[0]} of {counted(one.hits[1], 'finding')}"
        echo(f"{one.movie}{shows}  and {counted(len(one.pictures), 'picture')}")
    return SOME_VIDEOS_FAILED if any(one.failure for one in shown) else 0


@cli.command()
@workspace_argument
def report(workspace: Path) -> None:
    """Write one self-contained HTML page on all rounds."""
    from reelabel.verbs.report import report as call

    echo(f"{call(workspace)}")


@cli.command(short_help="Train without and with each kind of evidence, or rule of doubt.")
@workspace_argument
@click.option("--round", "round_number", type=COUNT, help="Default: 0, the first teacher's.")
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(1), help="How many.")
@set_flag("Any setting, for this command: --set train.max_steps=100")
@work_flags("Trainings")
def ablate(
    workspace: Path, round_number: int | None, *, pairs: tuple[str, ...], **given: Any
) -> None:
    """Train without and with each kind of evidence: what is it worth?

    For boxes these are the kinds of temporal evidence, for classes the rules that doubt tags.
    Students are scored on truth, so the workspace needs some: import --as truth.
    """
    ablated(workspace, round_number, given, pairs=pairs)


@cli.command(short_help="Run the whole loop on rendered footage: no download, no weights.")
@click.argument("folder", default="demo", type=click.Path(path_type=Path))
@click.option("--seed", default=0, show_default=True, type=SEED, help="Of footage and training.")
@click.option("--rounds", default=2, show_default=True, type=click.IntRange(1), help="How many.")
@click.option("--quiet", "-q", is_flag=True, help="Show no progress.")
def demo(folder: Path, seed: int, rounds: int, *, quiet: bool) -> int:
    """Run the whole loop on footage that it renders itself; no download, no weights."""
    from reelabel.cli.printing import print_demo
    from reelabel.verbs.demo import demo as call

    done = call(folder, seed=seed, rounds=rounds, quiet=quiet)
    print_demo(done)
    return done.run.exit_code


cli.add_command(flicker)
cli.add_command(origins)
cli.add_command(forget)
cli.add_command(compare)
cli.add_command(recipe)
