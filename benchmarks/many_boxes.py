"""CPU seconds and peak memory of the stages on very many boxes of one video.

    python benchmarks/many_boxes.py                                this checkout, 1,000,000 boxes
    python benchmarks/many_boxes.py --boxes 200000 --against /path/to/another/checkout

Fifty objects move in every frame, with noise; nothing has to be decoded. Each stage runs in a
process of its own, in the order of the flow; what loading the program takes is not counted.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from itertools import product
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
OBJECTS = 50
MAKE = """
import os, subprocess, sys
from pathlib import Path
import numpy as np, pyarrow as pa
sys.path.insert(0, sys.argv[3])
from common import command
from idle_workspace import SETTINGS, clip
from reelabel.tables import CAMERA, DETECTIONS, FRAMES, SEEN, TRACKS
from reelabel.workspace import Workspace
root, frames, objects = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[4])
footage = root.parent / "footage"
footage.mkdir(parents=True)
clip(footage / "clip.mp4")
flags = [a for setting in SETTINGS for a in ("--set", setting)]
flags += ["--classes", "ball", "--classes", "cube", "--detector", "fake:", "--videos", footage]
subprocess.run(command("init", root, *flags), check=True, capture_output=True)
subprocess.run(command("run", root, "--rounds", 1, "-q"), check=True, capture_output=True)
ws = Workspace.open(root)
(only,) = ws.shards(DETECTIONS)
rng = np.random.default_rng(0)
index = np.arange(frames)
pts, which = np.repeat(index * 24, objects), np.tile(np.arange(objects), frames)
t = np.repeat(index, objects)
left = 5 + which * 2 + 3 * np.sin(t / 40 + which) + rng.normal(0, 0.1, len(t))
top = 5 + which + 3 * np.cos(t / 40 + which) + rng.normal(0, 0.1, len(t))
common = {"video_id": [only] * len(t), "pts": pts, "frame_index": t}
name = np.where(which % 2, "ball", "cube").tolist()
rows = {**common, "category": name, "score": rng.uniform(0.6, 1, len(t)).astype("f4"),
        "x1": left, "y1": top, "x2": left + 12, "y2": top + 12, "found_by": [None] * len(t)}
ws.write(DETECTIONS, only, DETECTIONS.build(rows), fingerprint="x")
rows = {**common, "detection": np.arange(len(t)), "track_id": which,
        "started": np.ones(len(t), bool), "shot": np.zeros(len(t), int)}
ws.write(TRACKS, only, TRACKS.build(rows), fingerprint="x")
once = {"video_id": [only] * frames, "pts": index * 24, "frame_index": index}
ws.write(SEEN, only, SEEN.build({**once, "time_s": index / 25}), fingerprint="x")
none = {"shot": np.zeros(frames, int), "shift_x": np.zeros(frames), "shift_y": np.zeros(frames)}
ws.write(CAMERA, only, CAMERA.build({**once, **none}), fingerprint="x")
first = ws.read(FRAMES, only).to_pylist()[0]
rows = [first | {"pts": i * 24, "frame_index": i, "time_s": i / 25, "kept": True}
        for i in range(frames)]
ws.write(FRAMES, only, FRAMES.from_rows(rows), fingerprint="x")
"""
WORK = """
import os, resource, sys
from pathlib import Path
import reelabel
from reelabel.engine.loop import run_one
from reelabel.engine.project import read_config, task_of
from reelabel.engine.run import Options
from reelabel.formats import coco
from reelabel.workspace import Workspace
import reelabel.verbs.report_boxes, reelabel.verbs.export, scipy.signal, pandas
root, what, out = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
def used():
    found = resource.getrusage(resource.RUSAGE_SELF)
    return found.ru_utime + found.ru_stime
ws = Workspace.open(root)
config = read_config(ws)
options = Options(force=True, quiet=True)
before = used()
if what == "coco":
    reelabel.export(ws, out, format="coco", round=0)
elif what == "report":
    reelabel.report(ws)
else:
    done = run_one(ws, config, options, task_of(config).flow[what], number=0)
    if done.failed:
        raise SystemExit(str(done.failed))
status = Path("/proc/self/status").read_text().splitlines()
peak = next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmHWM"))
print(used() - before, peak)
"""
WHAT = ("mine", "clean", "merge", "split", "coco", "report")


def call(checkout: Path, code: str, *arguments: object) -> str:
    """Return what code prints in a process that uses a checkout."""
    environment = os.environ | {"PYTHONPATH": str(checkout / "src"), "OMP_NUM_THREADS": "1"}
    line = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(line, check=True, capture_output=True, text=True, env=environment)
    return done.stdout


def taken(checkout: Path, root: Path, what: str) -> tuple[float, int]:
    """Return CPU seconds and the peak in MB of one piece of work."""
    out = root.parent / "out"
    shutil.rmtree(out, ignore_errors=True)
    (root / "rounds/0/receipts/report.json").unlink(missing_ok=True)
    seconds, peak = call(checkout, WORK, root, what, out).split()
    return float(seconds), int(peak)


def main() -> None:
    """Print seconds and megabytes of each stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--boxes", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=WHAT, default=WHAT)
    parser.add_argument("--against", type=Path, help="another checkout")
    given = parser.parse_args()
    checkouts = {"this checkout": HERE}
    if given.against:
        checkouts["against"] = given.against.resolve()
    with tempfile.TemporaryDirectory() as folder:
        root, frames = Path(folder) / "ws", given.boxes // OBJECTS
        call(HERE, MAKE, root, frames, HERE / "benchmarks", OBJECTS)
        for what, (name, checkout) in product(given.only, checkouts.items()):
            found = [taken(checkout, root, what) for _ in range(given.times)]
            cpu_s, peak_mb = (statistics.median(one) for one in zip(*found, strict=True))
            print(f"{name:<16}{what:<8}{cpu_s:8.1f} CPU-s {peak_mb:8.0f} MB", flush=True)


if __name__ == "__main__":
    main()
