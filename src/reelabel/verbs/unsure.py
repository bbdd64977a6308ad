"""What `export --unsure` needs of a task, and what it writes and prints whatever the task is."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from reelabel.data.video import Video
from reelabel.errors import counted
from reelabel.files import write_text
from reelabel.labels.unsure import Unsure

UNSURE_CSV = "UNSURE.csv"
_HEAD = ("rank", "video", "time_s", "in_doubt", "video_id", "pts", "weight")


class UnsureRound(Protocol):
    """What is in doubt in the labels of a round, made from workspace, round number and settings."""

    def unsure(self) -> Iterator[Unsure]:
        """Yield all that is in doubt and that no person has settled."""

    def write(self, folder: Path, write: Callable[..., None], chosen: Sequence[Unsure], /) -> None:
        """Write some of it into an empty folder by the writer of a format, labels to correct."""


def write_unsure(folder: Path, chosen: Sequence[Unsure], videos: Mapping[str, Video]) -> None:
    """Write a table of what was chosen and why, what matters most first.

    Raises:
        WorkspaceError: if it cannot be written.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(_HEAD)
    for rank, one in enumerate(chosen, start=1):
        shown = (videos[one.video_id].name, f"{one.time_s:.3f}", one.reason)
        table.writerow((rank, *shown, one.video_id, one.pts, f"{one.weight:.3f}"))
    write_text(folder / UNSURE_CSV, text.getvalue())


def unsure_sentences(chosen: Sequence[Unsure], number: int, root: Path) -> list[str]:
    """Return how much was chosen, and what a person does with it."""
    videos = counted(len({one.video_id for one in chosen}), "video")
    return [
        f"round {number}: {len(chosen)} to look at first, in {videos}; {UNSURE_CSV} states why",
        f"correct the labels, then  reelabel import {root} FILE --as labels",
    ]
