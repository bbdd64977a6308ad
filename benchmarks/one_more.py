"""Add one video to many: only that one is worked on."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from common import command
from reelabel.synthetic.footage import render


def one_more(folder: Path, many: int = 200) -> None:
    """Add one video to many and show what is worked on."""
    pool = folder / "pool"
    pool.mkdir()
    render(folder / "small", videos=1, frames=8, seed=5, size_wh=(160, 120))
    source = next((folder / "small").glob("*.mp4"))
    for i in range(many):
        # The same pictures with other bytes behind them: another video to everything but the eye.
        (pool / f"{i:03}.mp4").write_bytes(source.read_bytes() + b"\0" * (i + 1))
    root = folder / "many"
    subprocess.run(
        command("init", root, "--classes", "ball", "--detector", "motion", "--videos", pool),
        check=True,
        capture_output=True,
    )
    run = command("run", root, "--until", "detect")
    subprocess.run(run, check=True, capture_output=True)
    shutil.copy(source, pool / "one_more.mp4")
    began = time.perf_counter()
    said = subprocess.run(run, check=True, capture_output=True, text=True).stderr
    print(f"one video added to {many}: {time.perf_counter() - began:.1f} s\n{said}")


def main() -> None:
    """Do it in a folder that goes away."""
    with tempfile.TemporaryDirectory() as name:
        one_more(Path(name))


if __name__ == "__main__":
    main()
