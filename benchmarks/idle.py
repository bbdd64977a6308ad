"""Time of doing nothing: all stages of a finished round, for many videos, and how it grows.

    python benchmarks/idle.py                               this checkout, 2,000 and 10,000 videos
    python benchmarks/idle.py --videos 2000 25000 --against /path/to/another/checkout

The first look may read every shard; what counts is the time of each later one. CPU seconds stand
beside wall seconds: other programs on the machine change them less.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from common import Seconds, command, taken

HERE = Path(__file__).resolve().parents[1]


def measured(checkout: Path, root: Path, videos: int) -> dict[str, Seconds]:
    """Return wall and CPU seconds of what a checkout does with a workspace of its own."""
    environment = os.environ | {"PYTHONPATH": str(checkout / "src")}

    def call(*arguments: str) -> str:
        done = subprocess.run(arguments, check=True, capture_output=True, env=environment)
        return done.stdout.decode()

    again = (sys.executable, str(Path(__file__).with_name("idle_workspace.py")))
    again = (*again, str(root), str(videos))
    for _ in range(2):  # makes it; reads what a first look has to read
        call(*again)
    lines = [line.split("\t") for line in call(*again).splitlines()]
    found = {name: (float(wall), float(cpu)) for name, wall, cpu in lines}
    for name, line in {
        "reelabel status": command("status", root),
        "reelabel run": command("run", root, "--rounds", 1, "-q"),
    }.items():
        found[name] = taken(lambda line=line: call(*line), resource.RUSAGE_CHILDREN)
    return found


def report(name: str, found: dict[int, dict[str, Seconds]]) -> None:
    """Print seconds per size, per 10,000 videos of the largest, and the growth."""
    sizes = sorted(found)
    print(f"\n{name}")
    heads = "".join(f"{size:>9,} videos     " for size in sizes)
    print(f"  {'':<18}{heads}per 10,000   growth")
    for what in found[sizes[0]]:
        cells = [found[size][what] for size in sizes]
        line = "".join(f"{wall:8.2f} s ({cpu:6.2f} CPU)" for wall, cpu in cells)
        each = cells[-1][0] / sizes[-1] * 10_000
        growth = cells[-1][0] / cells[0][0] / (sizes[-1] / sizes[0])
        print(f"  {what:<18}{line}{each:8.2f} s {growth:8.2f}")
    print("  growth: 1 is linear, less has a fixed part, more is worse than linear")


def main() -> None:
    """Measure this checkout, and another one if there is one to compare with."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=int, nargs="+", default=[2_000, 10_000])
    parser.add_argument("--against", type=Path, help="another checkout")
    given = parser.parse_args()
    checkouts = {"this checkout": HERE}
    if given.against:
        checkouts["against"] = given.against.resolve()
    found: dict[str, dict[int, dict[str, Seconds]]] = {name: {} for name in checkouts}
    for videos in given.videos:
        for name, checkout in checkouts.items():
            with tempfile.TemporaryDirectory() as folder:
                found[name][videos] = measured(checkout, Path(folder) / "ws", videos)
    for name, figures in found.items():
        report(name, figures)


if __name__ == "__main__":
    main()
