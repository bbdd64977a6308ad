"""Two rounds of the real set, indoor or outdoor, from the files to the decision.

    python benchmarks/real_rounds.py [frozen]

Everything has its defaults but the frames of a video, six at most; `frozen` takes MobileNetV2 with
local weights instead of the default student. Printed are wall and processor time of the run, and of
each stage.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

import reelabel
from indoor_outdoor import CLASSES, MOBILENET, tags
from reelabel.formats.tags import write_tags_csv


def main() -> None:
    """Run and print the times."""
    train = {**MOBILENET, "weights": str(MOBILENET["weights"])} if "frozen" in sys.argv[1:] else {}
    with tempfile.TemporaryDirectory() as name:
        home, rows = Path(name), list(tags())
        write_tags_csv(home / "tags.csv", rows)
        ws = reelabel.init(
            home / "w",
            classes=CLASSES,
            videos=[row.video for row in rows],
            tags=home / "tags.csv",
            task="classify-frames",
            settings={"sample": {"per_video": 6}, "train": train},
        )
        before, began = os.times(), time.perf_counter()
        done = reelabel.run(ws, rounds=2, quiet=True)
        wall_s, after = time.perf_counter() - began, os.times()
    used_s = sum(after[:4]) - sum(before[:4])
    for result in done.stages:
        print(f"  {result.round_number} {result.stage:10} {result.seconds:7.1f} s")
    print(f"{len(rows)} files, round {done.round}: {wall_s:.0f} s, processor {used_s:.0f} s")


if __name__ == "__main__":
    main()
