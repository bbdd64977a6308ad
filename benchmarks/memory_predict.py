"""Peak memory of `predict` by the number of frames, six boxes in each, or a class.

python benchmarks/memory_predict.py                  2,000 and 20,000 frames
python benchmarks/memory_predict.py 2000 100000 --against /path/to/another/checkout
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np

from reelabel.media.encode import VideoWriter

HERE = Path(__file__).resolve().parents[1]
# Not ru_maxrss, which a process inherits from the one that starts it.
WORK = """
import atexit, sys
from pathlib import Path
from reelabel.cli import main
def peak():
    status = Path("/proc/self/status").read_text().splitlines()
    print("peak", next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmHWM")))
atexit.register(peak)
sys.argv = ["reelabel", *sys.argv[1:]]
main()
"""
KINDS = {
    "boxes": ("fake:", "--out", "boxes.json"),
    "classes": ("fake:", "--out", "classes.json", "--task", "classify-frames", "--step-s", "0"),
}


def render(path: Path, frames: int) -> None:
    """Write six bright squares that move, 160x96 at 25 frames/s."""
    ground = np.full((96, 160, 3), 40, np.uint8)
    for i in range(6):
        ground[20 + 40 * (i // 3) : 32 + 40 * (i // 3), 10 + 50 * (i % 3) : 22 + 50 * (i % 3)] = 250
    with VideoWriter(path, time_base=Fraction(1, 25), rate=25, crf=35, quick=True) as writer:
        for i in range(frames):
            writer.write(np.roll(ground, i % 20, axis=1), i)


def peak_mb(checkout: Path, folder: Path, video: Path, kind: str) -> int:
    """Return the peak of one call of the command in a process of its own."""
    model, out, name, *flags = KINDS[kind]
    line = [sys.executable, "-c", WORK, "predict", model, str(video), out, str(folder / name)]
    environment = os.environ | {"PYTHONPATH": str(checkout / "src"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*line, *flags, "-q"], check=True, capture_output=True, text=True, env=environment
    )
    return int(done.stdout.split("peak")[-1])


def main() -> None:
    """Print the peaks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("frames", type=int, nargs="*", default=[2_000, 20_000])
    parser.add_argument("--against", type=Path, help="another checkout")
    given = parser.parse_args()
    checkouts = {"this checkout": HERE}
    if given.against:
        checkouts["against"] = given.against.resolve()
    with tempfile.TemporaryDirectory() as folder:
        for frames in given.frames:
            video = Path(folder) / f"{frames}.mp4"
            render(video, frames)
            for name, checkout in checkouts.items():
                peaks = {kind: peak_mb(checkout, Path(folder), video, kind) for kind in KINDS}
                line = ", ".join(f"{kind} {peak} MB" for kind, peak in peaks.items())
                print(f"{name:<16}{frames:>8,} frames: {line}")


if __name__ == "__main__":
    main()
