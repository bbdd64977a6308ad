"""The command of the published flicker miner."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from reelabel.cli.echo import echo
from reelabel.cli.output_file import OutputFile, echo_written, prints_files
from reelabel.cli.stage_commands import number_flag
from reelabel.temporal.published_settings import PublishedSettings


@click.command(short_help="Mine hard negatives by the published rule, from text to text.")
@click.argument("video", type=click.Path(path_type=Path))
@click.argument("detections", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=OutputFile(".txt"), help="Mined frames; - prints them.")
@number_flag("--valid-score", default=PublishedSettings.valid_score, about="Least score.")
@number_flag("--alpha", default=PublishedSettings.alpha, about="Frames before and after.")
@number_flag("--valid-sim-score", default=PublishedSettings.valid_sim_score, about="Correlation.")
@number_flag("--iou-thr", default=PublishedSettings.iou_thr, about="Overlap to support.")
@number_flag("--beta", default=PublishedSettings.beta, about="Search margin in pixels.")
@click.option("--frames", type=click.Path(path_type=Path), help="New folder for the raw frames.")
@click.option("--image-prefix", default="", help="Folder before each picture's name in --out.")
@click.option(
    "--any-header", is_flag=True, help="Take each block's frame from its position, not its header."
)
@click.option("--coco-in", type=click.Path(path_type=Path), help="COCO file to begin with.")
@click.option("--coco-out", type=OutputFile(".json"), help="That file with what was mined.")
@click.option("--class", "category", help="Class of the boxes, for --coco-out.")
@click.option("--quiet", "-q", is_flag=True, help="Show no progress.")
@prints_files
def flicker(video: Path, detections: Path, **how: Any) -> None:
    """Mine hard negatives by the published rule, from and to its text formats."""
    from reelabel.verbs.flicker import flicker as call

    found = call(video, detections, **how)
    echo(f"{found.hard_negatives} hard negatives in {len(found.frames)} of {found.read} frames")
    if found.longer:
        echo(f"the video goes on behind frame {found.read}: not processed", err=True)
    echo_written(how["out"])
    for sentence in found.added.sentences() if found.added else ():
        echo(f"{how['coco_out']}: {sentence}")
