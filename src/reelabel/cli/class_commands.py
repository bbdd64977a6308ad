"""The commands that only classifiers have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from reelabel.cli.completion import completes, tags
from reelabel.cli.echo import echo
from reelabel.cli.output_file import OutputFile, echo_written, prints_files
from reelabel.cli.stage_commands import set_flag


@click.command(short_help="Compare classifiers on the same videos: scores, size, speed.")
@click.argument("models", nargs=-1, required=True)
@click.option("--on", required=True, help="Workspace with people's classes, or a file of classes.")
@click.option("--videos", multiple=True, help="Folder or files of the videos; repeatable.")
@click.option("--level", type=click.Choice(["frame", "clip", "video"]), help="Default: all.")
@click.option("--against", help="Model that the others are compared with; default: the first.")
@click.option("--json", type=OutputFile(".json"), help="Write the result as JSON; - prints it.")
@click.option("--quiet", "-q", is_flag=True, help="Show no progress.")
@prints_files
def compare(models: tuple[str, ...], **given: Any) -> None:
    """Compare classifiers on the same videos: scores, size, speed, and which differences are real.

    \b
    reelabel compare frames clips@0 other.onnx --on frames
    reelabel compare frames clips --on tags.csv --videos FOLDER
    """  # noqa: D301 -- the backspace is click's mark for lines kept apart
    from reelabel.cli.class_printing import print_comparison
    from reelabel.verbs.compare import compare as call

    print_comparison(call(models, on_message=echo, **given))
    echo_written(given["json"])


@click.command(short_help="Train several classifiers on the same footage and compare them.")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--videos", multiple=True, required=True, help="File or folder; repeatable.")
@click.option(
    "--tags",
    required=True,
    help="Weak labels: folders, or a CSV, JSON or manifest.",
    shell_complete=completes(tags, files=True),
)
@click.option("--test-videos", multiple=True, help="To compare on; default: a fifth, by groups.")
@set_flag("Any setting: --set train.max_steps=100")
@click.option("--quiet", "-q", is_flag=True, help="Show no progress.")
def recipe(file: Path, out: Path, *, pairs: tuple[str, ...], **given: Any) -> None:
    """Train several classifiers on the same footage and compare them on unseen videos.

    \b
    reelabel recipe recipes/indoor_outdoor.yaml OUT --videos FOLDER --tags folders
    """  # noqa: D301 -- the backspace is click's mark for lines kept apart
    from reelabel.cli.class_printing import print_comparison
    from reelabel.cli.flags import nested
    from reelabel.config import Config
    from reelabel.engine.project import sections_of
    from reelabel.verbs.recipe import recipe as call

    sections = sections_of({"task": "classify-clips"}) | Config.own_sections
    done = call(file, out, settings=nested(pairs, sections), on_message=echo, **given)
    print_comparison(done.comparison)
    echo(f"written to {out / done.comparison.FILE}")
