"""What a shell completes."""

from __future__ import annotations

import pytest
from click.shell_completion import BashComplete

from reelabel.cli.commands import cli


def completed(line: str) -> set[str]:
    """Return what is offered for the last word of a command line."""
    *words, last = line.split(" ")[1:]
    found = BashComplete(cli, {}, "reelabel", "_REELABEL_COMPLETE")
    return {item.value for item in found.get_completions(words, last)}


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("reelabel ev", {"evaluate"}),
        ("reelabel run w --unt", {"--until"}),
        ("reelabel run w --until t", {"tag", "truth", "tune", "track", "train"}),
        ("reelabel run w --set clean.sc", {"clean.score=", "clean.score_per_class="}),
        ("reelabel init w --task classify", {"classify-frames", "classify-clips"}),
        ("reelabel init w --detector yolox-n", {"yolox-nano"}),
        ("reelabel init w --detector n", {"none"}),
        ("reelabel export w --format cv", {"cvat", "cvat-video"}),
        ("reelabel import w f --format v", {"voc"}),
        ("reelabel init w --set clean.sc", {"clean.score=", "clean.score_per_class="}),
        ("reelabel init w --classes a --set engine.", {"engine.workers=", "engine.processes="}),
        ("reelabel recipe f o --set mine.gap.flow_", {"mine.gap.flow_similarity="}),
        ("reelabel run w --set see", {"seed="}),
        ("reelabel show w --kind ", {"flicker", "unsupported", "gap", "static", "smooth", "all"}),
        ("reelabel init w --tags f", {"folders"}),
        ("reelabel init w --tags my_", {"my_"}),  # a file: the shell looks for it
        ("reelabel init w --teacher hf", {"hf-zero-shot-image:"}),
        ("reelabel predict m v --task classify", {"classify-frames", "classify-clips"}),
        ("reelabel train w --student h", {"hf:", "hf-video:"}),
        ("reelabel train w --precision b", {"bf16"}),
        ("reelabel train w --loggers csv,t", {"csv,tensorboard"}),
        ("reelabel sample w --embedder t", {"timm:", "tiny"}),
    ],
)
def test_commands_flags_and_their_names_are_completed(line, offered):
    """The shell offers what the command takes, and nothing else."""
    assert completed(line) == offered
