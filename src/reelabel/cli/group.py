"""The group of all commands: those of the stages are built when they are asked for."""

from __future__ import annotations

from pathlib import Path

import click

from reelabel.cli.fetch_command import ABOUT, fetch_command
from reelabel.cli.stage_commands import stage_command

STAGES = {
    "want": "Choose videos and spans from manifests; nothing is fetched.",
    "fetch": "Fetch what was chosen, politely; each video ends in an outcome.",
    "register": "Note what each file is: content, size, time base, state.",
    "cut": "Set the spans of each video that are worked on.",
    "tag": "Tie weak labels of whole videos to the videos.",
    "truth": "Tie hand-made labels to exact frames.",
    "sample": "Take frames: checks, hash, embedding and JPEG in one decode.",
    "dedup": "Find near-duplicate frames and the frame that stands for each.",
    "window": "Set what a classifier judges: frames, or windows of frames.",
    "tune": "Choose the teacher's input size by its agreement with itself.",
    "detect": "Detect with the round's teacher; every box is kept with its score.",
    "classify": "Classify with the round's teacher; all probabilities are kept.",
    "track": "Link detections that are one object, inside each shot.",
    "mine": "Find temporal evidence: flicker, gaps, repeats, smoothed boxes.",
    "clean": "Make each label positive, ignore or negative, with a reason.",
    "merge": "Bring labels together with those of the round before.",
    "split": "Divide by video and duplicate cluster; write the data set.",
    "train": "Train the student; a killed training goes on where it was.",
    "evaluate": "Score teacher and student on the same frames, with intervals.",
    "advance": "Decide whether the student labels the next round, and why.",
}
"""What each stage does, for the help, in 66 columns; a test compares this with the flow."""

LATE = {"fetch": ABOUT}
"""Commands that are built when they are asked for; each goes before the stage of its name."""


class Verbs(click.Group):
    """Lists the commands in the order of the work and builds those of the stages when asked."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return all names, stages last."""
        del ctx  # click's signature
        return list(dict.fromkeys([*self.commands, *LATE, *STAGES]))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command; a stage's flags are made from its settings type."""
        if cmd_name in LATE:
            return fetch_command()
        if cmd_name in STAGES:
            return stage_command(cmd_name, STAGES[cmd_name], None)
        return super().get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that is called; which stage it is depends on the workspace's task."""
        name, *rest = args
        workspace = next((Path(a) for a in rest if (Path(a) / "reelabel.yaml").is_file()), None)
        if name in STAGES and name not in LATE and workspace is not None:
            return name, stage_command(name, STAGES[name], workspace), rest
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write two lists, without loading the stages."""
        del ctx  # click's signature
        own = [(n, c.get_short_help_str(80)) for n, c in self.commands.items()]
        alone = [(name, about) for name, about in STAGES.items() if name not in LATE]
        for title, rows in (("Commands", [*own, *LATE.items()]), ("Stages, each alone", alone)):
            with formatter.section(title):
                formatter.write_dl(rows)
