"""Peak memory of `sample` and `detect` on a short and a long video.

`python benchmarks/memory.py 2 10` takes 2 and 10 minutes of footage; without numbers 10 and 60.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np

from common import DATA
from reelabel.media.encode import VideoWriter

WORK = """
import sys
from pathlib import Path
from reelabel.verbs.init import init
from reelabel.verbs.run import run
w = init(Path(sys.argv[1]) / "w", classes=["car"], videos=[sys.argv[2]],
         detector="onnx:" + sys.argv[3], settings={"sample": {"every_s": 1.0}})
run(w, until="detect")
# Not ru_maxrss, which a process inherits from the one that starts it.
status = Path("/proc/self/status").read_text().splitlines()
print(next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmHWM")))
"""


def render(path: Path, minutes: int) -> None:
    """Write a moving pattern, 640x360 at 25 frames/s."""
    ramp = np.add.outer(np.arange(360), np.arange(640)).astype(np.uint8)
    with VideoWriter(path, time_base=Fraction(1, 25), rate=25, crf=35, quick=True) as writer:
        for i in range(minutes * 60 * 25):
            writer.write(np.dstack([np.roll(ramp, i % 640, axis=1)] * 3), i)


def main() -> None:
    """Print the peaks."""
    with tempfile.TemporaryDirectory() as folder:
        for minutes in [int(a) for a in sys.argv[1:]] or (10, 60):
            video = Path(folder) / f"{minutes}.mp4"
            render(video, minutes)
            home = Path(folder) / str(minutes)
            weights = str(DATA / "weights/yolox_nano.onnx")
            command = [sys.executable, "-c", WORK, str(home), str(video), weights]
            peak = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            print(f"{minutes:3} minutes: sample + detect peak at {peak.strip()} MB")


if __name__ == "__main__":
    main()
