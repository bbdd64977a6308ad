"""CPU seconds of `sample` for a few frames of long footage, against one `ffmpeg -ss` for each.

    python benchmarks/sparse_sample.py                               10 and 40 minutes, 20 frames
    python benchmarks/sparse_sample.py --against /path/to/another/checkout

A real clip is repeated until it is long enough, with a key frame every 2 seconds, 1280 x 720. What
`sample` does beside taking frames (quality, hash, embedding, JPEG) is counted, and loading the
program is not.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from common import DATA, taken

HERE = Path(__file__).resolve().parents[1]
CLIP = DATA / "videos/sports/soccer_juggle.mp4"
WORK = """
import resource, shutil, sys
from pathlib import Path
import reelabel
from reelabel.verbs.init import init
from reelabel.verbs.run import run
root, video, frames = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
settings = {"sample": {"per_video": frames}, "engine": {"workers": 1}}
ws = init(root, classes=["x"], videos=[video], detector="fake:", settings=settings)
run(ws, until="truth", quiet=True)
def used():
    found = resource.getrusage(resource.RUSAGE_SELF)
    return found.ru_utime + found.ru_stime
before = used()
reelabel.sample(ws, quiet=True)
print(used() - before, len(list(root.glob("frames/*/*.jpg"))))
"""


def footage(path: Path, minutes: int) -> None:
    """Write a long video of a real clip: encoded once, then repeated without encoding."""
    once, line = path.with_name(f"once_{path.name}"), ["ffmpeg", "-v", "error", "-y"]
    scaled = ["-vf", "scale=1280:720", "-r", "25", "-g", "50", "-an", "-preset", "veryfast"]
    subprocess.run([*line, "-i", str(CLIP), *scaled, str(once)], check=True)
    repeated = ["-stream_loop", "-1", "-i", str(once), "-t", str(60 * minutes), "-c", "copy"]
    subprocess.run([*line, *repeated, str(path)], check=True)


def ours(checkout: Path, video: Path, frames: int) -> float:
    """Return CPU seconds of the stage in a process that uses a checkout."""
    environment = os.environ | {"PYTHONPATH": str(checkout / "src"), "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        line = [sys.executable, "-c", WORK, f"{folder}/w", str(video), str(frames)]
        done = subprocess.run(line, check=True, capture_output=True, text=True, env=environment)
    seconds, found = done.stdout.split()
    if abs(int(found) - frames) > 1:
        raise SystemExit(f"expected about {frames} frames, but got {found}")
    return float(seconds)


def ffmpeg(video: Path, frames: int, length_s: float) -> float:
    """Return CPU seconds of one ffmpeg process for each frame."""

    def each() -> None:
        with tempfile.TemporaryDirectory() as folder:
            for i in range(frames):
                at = ["-ss", f"{i * length_s / frames:.3f}", "-i", str(video)]
                out = ["-frames:v", "1", "-q:v", "3", f"{folder}/{i}.jpg"]
                subprocess.run(["ffmpeg", "-v", "error", *at, *out], check=True)

    return taken(each, resource.RUSAGE_CHILDREN)[1]


def measure(checkouts: dict[str, Path], given: argparse.Namespace, minutes: int) -> None:
    """Print CPU seconds and ratios for one length, everything in turns."""
    found: dict[str, list[float]] = {name: [] for name in (*checkouts, "ffmpeg -ss")}
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder) / "long.mp4"
        footage(video, minutes)
        for _ in range(given.times):
            for name, checkout in checkouts.items():
                found[name].append(ours(checkout, video, given.frames))
            found["ffmpeg -ss"].append(ffmpeg(video, given.frames, minutes * 60))
    middle = {name: statistics.median(seconds) for name, seconds in found.items()}
    for name, seconds in middle.items():
        ratio = seconds / middle["ffmpeg -ss"]
        print(f"{minutes:3} min {name:<16}{seconds:8.2f} CPU-s {ratio:6.2f} x ffmpeg -ss")


def main() -> None:
    """Measure each length."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=int, nargs="+", default=[10, 40])
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--against", type=Path, help="another checkout")
    given = parser.parse_args()
    checkouts = {"this checkout": HERE}
    if given.against:
        checkouts["against"] = given.against.resolve()
    for minutes in given.minutes:
        measure(checkouts, given, minutes)


if __name__ == "__main__":
    main()
