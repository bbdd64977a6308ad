"""Kill a run at random moments and resume it; then do nothing; then add one video to many.

The labels and the data set must be byte-identical to those of a run that nobody disturbed, and the
training curve must go on where it was.
"""

from __future__ import annotations

import hashlib
import random
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from common import command
from reelabel.synthetic.footage import render

KILLS = 20
STEPS = 120


def made(root: Path, videos: list[Path], student: str) -> Path:
    """Make a workspace."""
    settings = [
        "--set",
        f"train.student={student}",
        "--set",
        f"train.max_steps={STEPS}",
        "--set",
        "train.image_size=160",
        "--set",
        "train.check_every=20",
        "--set",
        "advance.keep_going=true",
        "--set",
        "clean.score=0.3",
    ]
    names = [argument for video in videos for argument in ("--videos", video)]
    subprocess.run(
        command("init", root, "--classes", "ball", "--detector", "motion", *names, *settings),
        check=True,
        capture_output=True,
    )
    return root


def digests(root: Path) -> dict[str, str]:
    """Return what must not depend on interruptions: labels and data set."""
    files = [*root.glob("rounds/*/labels/*.parquet"), *root.glob("rounds/*/dataset/*.json")]
    return {
        str(f.relative_to(root)): hashlib.sha256(f.read_bytes()).hexdigest() for f in sorted(files)
    }


def undisturbed(root: Path) -> float:
    """Run to the end and return the seconds it took."""
    began = time.perf_counter()
    subprocess.run(command("run", root, "--rounds", 1, "-q"), check=True, capture_output=True)
    return time.perf_counter() - began


def killed(root: Path, seconds: float) -> int:
    """Kill the run `KILLS` times at random moments, then let it end; return how many hit."""
    lot, hits = random.Random(0), 0  # noqa: S311 -- moments, not secrets
    for _ in range(KILLS):
        with subprocess.Popen(command("run", root, "--rounds", 1, "-q")) as process:
            try:
                process.wait(timeout=lot.uniform(0.3, max(1.0, seconds / 3)))
            except subprocess.TimeoutExpired:
                process.kill()
                hits += 1
    undisturbed(root)
    return hits


def curve_goes_on(root: Path) -> bool:
    """Tell whether the steps in the training curve rise from first to last without a restart."""
    lines = (root / "rounds/0/model/curve.csv").read_text().splitlines()[1:]
    steps = [int(line.split(",")[0]) for line in lines]
    return steps == sorted(set(steps)) and steps[-1] == STEPS


def kill_and_resume(folder: Path) -> None:
    """Compare an undisturbed run with one that was killed again and again."""
    render(folder / "footage", videos=4, frames=60, seed=3)
    videos = sorted((folder / "footage").glob("*.mp4"))
    calm = made(folder / "calm", videos, "centernet")
    seconds = undisturbed(calm)
    wild = made(folder / "wild", videos, "centernet")
    hits = killed(wild, seconds)
    same = digests(calm) == digests(wild)
    print(f"undisturbed run: {seconds:.1f} s; killed {hits} of {KILLS} times and resumed")
    print(f"labels and data set byte-identical: {same}; curve goes on: {curve_goes_on(wild)}")
    print(f"all stages again with nothing to do: {undisturbed(calm):.2f} s")


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
    print(f"\none video added to {many}: {time.perf_counter() - began:.1f} s\n{said}")


def main() -> None:
    """Do all three."""
    with tempfile.TemporaryDirectory() as name:
        kill_and_resume(Path(name))
        one_more(Path(name))


if __name__ == "__main__":
    main()
