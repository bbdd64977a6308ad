"""Kill runs at random moments, fill disks to random sizes, and compare what they end with.

    python benchmarks/unlucky.py                         100 kills and 20 full disks
    python benchmarks/unlucky.py --kills 20 --disks 4    the same in minutes

Half of them with a detector, half with a classifier (`--tasks`); each run trains a real student.
Labels, data sets, weights, scores and decisions must be the same bytes as those of an undisturbed
run, its folder must hold the same files, its training curve must go on where it was, and no command
may print a traceback. Where runs are killed, the rounds, and with them the checkpoints, lie on
another file system than the rest. Needs Linux: file systems are mounted in a namespace that ends
with the process.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from common import command
from reelabel.synthetic.footage import render

INSIDE = "REELABEL_UNLUCKY_INSIDE"
PLENTY, STEPS = "400m", 60
DISK_FULL = 6
"""Exit code of a command that met a full disk."""
TASKS = {
    "detect": "--detector motion --set train.student=centernet --set train.image_size=160 "
    "--set clean.score=0.3",
    "classify-frames": "--task classify-frames --tags folders --set train.student=simple",
}
"""Task -> the flags of its `init`."""
SETTINGS = {
    "train.max_steps": STEPS,
    "train.check_every": 10,
    "evaluate.resamples": 50,
    "advance.keep_going": "true",
}
COMPARED = ("labels/*.parquet", "dataset/*.json", "model/*", "scores.json", "decision.json")
"""What of a round must be the same bytes."""
NOT_COMPARED = ("curve.csv", "model.json", "calibration.json")
"""Files of a model that hold times, or a checksum of one that does."""


class UnlikeError(Exception):
    """Something is other than after an undisturbed run."""


def in_a_namespace() -> None:
    """Start this program again where it may mount, unless that was done before."""
    if os.environ.get(INSIDE):
        return
    program = ["unshare", "--map-root-user", "--mount", sys.executable, *sys.argv]
    os.execvpe(program[0], program, {**os.environ, INSIDE: "1"})  # noqa: S606 -- fixed arguments


@contextmanager
def mounted(folder: Path, size: str = PLENTY) -> Iterator[Path]:
    """Mount an empty file system of a size at a folder, for as long as the context lasts."""
    folder.mkdir(parents=True, exist_ok=True)
    options = ["-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    subprocess.run(["mount", *options], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def resize(folder: Path, size: str) -> None:
    """Give a mounted file system another size."""
    subprocess.run(["mount", "-o", f"remount,size={size}", str(folder)], check=True)


def made(root: Path, task: str, footage: Path) -> Path:
    """Make a workspace of a task."""
    settings = [x for name, value in SETTINGS.items() for x in ("--set", f"{name}={value}")]
    arguments = ["init", root, "--videos", footage, *TASKS[task].split(), *settings]
    names = ["--classes", "ball" if task == "detect" else "one,two"]
    subprocess.run(command(*arguments, *names), check=True, capture_output=True)
    return root


def ran(root: Path) -> int:
    """Run to the end or to an error; return the exit code and refuse tracebacks."""
    line = command("run", root, "--rounds", 1, "-q")
    done = subprocess.run(line, check=False, capture_output=True, text=True)
    if "Traceback" in done.stderr:
        raise UnlikeError(done.stderr)
    return done.returncode


def state(root: Path) -> dict[str, str]:
    """Return what a run must end with: names of all files, and digests of what may not differ."""
    found = {}
    files = (x for x in root.rglob("*") if x.is_file() and "logs" not in x.parts)
    for path in sorted(x for x in files if x.name[0] != "_"):  # an index, which may be there
        name = path.relative_to(root)
        found[str(name)] = ""
        compared = any(path.match(f"rounds/*/{pattern}") for pattern in COMPARED)
        if compared and path.name not in NOT_COMPARED:
            found[str(name)] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def check(root: Path, calm: dict[str, str], what: str) -> None:
    """Compare a workspace with that of an undisturbed run."""
    found = state(root)
    unlike = {name for name in {*calm, *found} if calm.get(name) != found.get(name)}
    if unlike:
        raise UnlikeError(f"{what}: {', '.join(sorted(unlike))}")
    lines = (root / "rounds/0/model/curve.csv").read_text().splitlines()[1:]
    steps = [int(line.split(",")[0]) for line in lines]
    if steps != sorted(set(steps)) or steps[-1] != STEPS:
        raise UnlikeError(f"{what}: the training curve has the steps {steps}")


def killed(root: Path, lot: random.Random, longest_s: float) -> bool:
    """Start a run and kill it after a random time; tell whether that hit it."""
    line, nowhere = command("run", root, "--rounds", 1, "-q"), subprocess.DEVNULL
    with subprocess.Popen(line, stdout=nowhere, stderr=nowhere) as process:
        try:
            process.wait(timeout=lot.uniform(0.3, longest_s))
        except subprocess.TimeoutExpired:
            process.kill()
            return True
    return False


def kill(task: str, folder: Path, kills: int) -> None:
    """Kill runs so many times; each workspace goes on until it is done, then a new one starts."""
    footage, lot, hits, ended = folder / "footage" / task, random.Random(0), 0, 0  # noqa: S311 -- moments, not secrets
    began = time.perf_counter()
    calm, _ = undisturbed(folder / "calm", task, footage)
    longest_s = (time.perf_counter() - began) / 2
    while hits < kills:
        root = made(folder / "wild", task, footage)
        with mounted(root / "rounds"):
            while hits < kills and killed(root, lot, longest_s):
                hits += 1
            if code := ran(root):
                raise UnlikeError(f"after {hits} kills: exit code {code}")
            check(root, calm, f"after {hits} kills")
        shutil.rmtree(root)
        ended += 1
    print(f"{task}: {hits} kills in {ended} workspaces: the same bytes, no leftovers", flush=True)


def undisturbed(root: Path, task: str, footage: Path) -> tuple[dict[str, str], int]:
    """Run without bad luck; return what it ends with and how many kilobytes that is."""
    made(root, task, footage)
    if code := ran(root):
        raise UnlikeError(f"an undisturbed run ended with exit code {code}")
    found = state(root)
    size_b = sum(x.stat().st_size for x in root.rglob("*") if x.is_file())
    shutil.rmtree(root)
    return found, size_b // 1024


def fill(task: str, folder: Path, disks: int) -> None:
    """Run on disks that are too small, give them room, run again and compare."""
    footage, lot, full = folder / "footage" / task, random.Random(1), 0  # noqa: S311 -- sizes, not secrets
    with mounted(folder / "disk") as disk:
        calm, needed_kb = undisturbed(disk / "ws", task, footage)
    for _ in range(disks):
        with mounted(folder / "disk") as disk:
            root = made(disk / "ws", task, footage)
            resize(disk, f"{lot.randint(200, needed_kb)}k")
            code = ran(root)
            if code not in {0, DISK_FULL}:
                raise UnlikeError(f"on a full disk: exit code {code}")
            full += code == DISK_FULL
            resize(disk, PLENTY)
            if code := ran(root):
                raise UnlikeError(f"after space was made: exit code {code}")
            check(root, calm, "after a full disk")
    print(f"{task}: {full} of {disks} disks were full: the same bytes, no leftovers", flush=True)


def main() -> None:
    """Do both for every task."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--disks", type=int, default=20)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=[*TASKS])
    options = parser.parse_args()
    in_a_namespace()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for task in options.tasks:
            render(folder / "footage" / task / "one", videos=4, frames=60, seed=3)
            render(folder / "footage" / task / "two", videos=4, frames=60, seed=4)
            kill(task, folder, options.kills // len(options.tasks))
            fill(task, folder, options.disks // len(options.tasks))


if __name__ == "__main__":
    main()
