"""Speed of the stage `classify` against a bare loop of the same model and picture reader.

    python benchmarks/speed_classify.py

The teacher is a student that was hardly trained: what it answers does not matter here. The bare
loop reads pictures, and classifies them in batches as large as the stage's, in one thread.
"""

from __future__ import annotations

import tempfile
from itertools import islice
from pathlib import Path

import reelabel
from common import DATA, interleaved, table
from reelabel.data.tag_rows import TagRow
from reelabel.formats.tags import write_tags_csv
from reelabel.media.pictures import read_rgb
from reelabel.models.registry import load_classifier
from reelabel.tables import MOMENTS
from reelabel.workspace import Workspace

CLIPS = {
    "sports/soccer_juggle.mp4": "outdoor",
    "sports/basketball_gym_01.mpg": "indoor",
    "sports/basketball_gym_02.mpg": "indoor",
    "traffic/highway.mp4": "outdoor",
    "people/bottles.mp4": "indoor",
    "trains/train_day.mp4": "outdoor",
}
TRAIN = {"student": "simple", "max_steps": 5}


def workspace(home: Path) -> Workspace:
    """Return a workspace whose teacher is a student of an earlier run on the same footage."""
    paths = {DATA / "videos" / name: scene for name, scene in CLIPS.items()}
    write_tags_csv(home / "tags.csv", [TagRow(str(path), c) for path, c in paths.items()])
    given = {
        "classes": ["indoor", "outdoor"],
        "videos": list(paths),
        "tags": home / "tags.csv",
        "task": "classify-frames",
        "settings": {"dedup": {"enabled": False}, "train": TRAIN},
    }
    first = reelabel.init(home / "first", **given)
    reelabel.run(first, rounds=1, quiet=True)
    teacher = f"student:{first.root.resolve() / 'rounds' / '0' / 'model'}"
    second = reelabel.init(home / "second", **given, teacher=teacher)
    reelabel.run(second, until="window", quiet=True)
    return second


def main() -> None:
    """Time both in turns."""
    with tempfile.TemporaryDirectory() as name:
        ws = workspace(Path(name))
        model = load_classifier(f"student:{Path(name) / 'first' / 'rounds' / '0' / 'model'}")
        rows = [ws.read(MOMENTS, v) for v in ws.shards(MOMENTS)]
        paths = [ws.root / files[0] for one in rows for files in one["pictures"].to_pylist()]

        def bare() -> None:
            classify, left = model.open(), iter(paths)
            while batch := list(islice(left, model.batch_size)):
                classify([[read_rgb(path)] for path in batch])

        def stage(workers: int) -> None:
            reelabel.classify(ws, force=True, quiet=True, workers=workers)

        runs = {
            "bare loop": bare,
            "classify, 1 worker": lambda: stage(1),
            "classify": lambda: stage(0),
        }
        found = interleaved(runs, times=5)
        table(f"{len(paths)} frames, student {TRAIN['student']}", found, "bare loop")


if __name__ == "__main__":
    main()
