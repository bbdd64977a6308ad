"""CPU seconds of a report by the number of videos, and of one that nothing has changed since.

    python benchmarks/speed_report.py                      this checkout, 100 and 400 videos
    python benchmarks/speed_report.py --against /path/to/another/checkout

One round is run on a rendered clip, and its rows are written for as many videos as asked for, each
with 40 labels. Every report is made in a process of its own, the
checkouts in turns; what counts is what each further video costs.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from itertools import product
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
MAKE = """
import os, subprocess, sys
from pathlib import Path
import pyarrow as pa
sys.path.insert(0, sys.argv[3])
from common import command
from idle_workspace import SETTINGS, clip
from reelabel.tables import DETECTIONS, EVIDENCE, FRAMES, LABELS, VIDEOS
from reelabel.workspace import Workspace
root, videos = Path(sys.argv[1]), int(sys.argv[2])
footage = root.parent / "footage"
footage.mkdir(parents=True)
clip(footage / "clip.mp4")
flags = [a for setting in SETTINGS for a in ("--set", setting)]
flags += ["--classes", "ball", "--detector", "fake:", "--videos", footage]
subprocess.run(command("init", root, *flags), check=True, capture_output=True)
subprocess.run(command("run", root, "--rounds", 1, "-q"), check=True, capture_output=True)
ws = Workspace.open(root)
os.fsync = lambda _: None
(only,) = ws.shards(LABELS)
for table in (VIDEOS, FRAMES, DETECTIONS, LABELS, EVIDENCE):
    rows = ws.read(table, only)
    if table is LABELS:
        rows = pa.concat_tables([rows] * -(-40 // len(rows))).slice(0, 40).combine_chunks()
    for number in range(videos - 1):
        ids = pa.array([f"{number:016x}"] * len(rows), pa.string())
        at = rows.schema.get_field_index("video_id")
        ws.write(table, f"{number:016x}", rows.set_column(at, "video_id", ids), fingerprint="x")
"""
REPORT = """
import resource, sys
import reelabel.verbs.report_boxes
from reelabel.verbs.report import report
from reelabel.workspace import Workspace
reads, usual = [], Workspace.read
Workspace.read = lambda *given, **named: (reads.append(1), usual(*given, **named))[1]
def note():
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(used.ru_utime + used.ru_stime, len(reads), "table reads")
note()
for _ in range(2):
    report(sys.argv[1])
    note()
"""


def call(checkout: Path, code: str, *arguments: object) -> str:
    """Return what code prints in a process that uses a checkout."""
    environment = os.environ | {"PYTHONPATH": str(checkout / "src"), "OMP_NUM_THREADS": "1"}
    line = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(line, check=True, capture_output=True, text=True, env=environment)
    return done.stdout


Taken = dict[tuple[str, str, int], list[float]]
"""Checkout, "first" or "again", number of videos -> CPU seconds."""


def measure(checkouts: dict[str, Path], videos: int, times: int, taken: Taken) -> None:
    """Add the CPU seconds of reports on so many videos, the checkouts in turns."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "ws"
        call(HERE, MAKE, root, videos, HERE / "benchmarks")
        for turn in range(times * len(checkouts)):
            name = list(checkouts)[turn % len(checkouts)]
            for path in root.glob("rounds/*/receipts/report.json"):
                path.unlink()
            lines = call(checkouts[name], REPORT, root).splitlines()
            before, first, again = (float(line.split()[0]) for line in lines)
            taken.setdefault((name, "first", videos), []).append(first - before)
            taken.setdefault((name, "again", videos), []).append(again - first)
            print(f"  {name}, {videos} videos: {lines}", file=sys.stderr)


def main() -> None:
    """Print what a further video costs in a first and in a second report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=int, nargs=2, default=[100, 400])
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--against", type=Path, help="another checkout")
    given = parser.parse_args()
    checkouts = {"this checkout": HERE}
    if given.against:
        checkouts["against"] = given.against.resolve()
    taken: Taken = {}
    for videos in given.videos:
        measure(checkouts, videos, given.times, taken)
    few, many = given.videos
    for name, what in product(checkouts, ("first", "again")):
        less, more = (statistics.median(taken[name, what, n]) for n in (few, many))
        each_ms = (more - less) / (many - few) * 1000
        print(f"{name:<16}{what:<7}{less:7.2f} {more:7.2f} CPU-s, {each_ms:7.2f} ms a video")


if __name__ == "__main__":
    main()
