"""Training steps per second: as many threads as there are cores, one thread, another checkout.

    python benchmarks/speed_train.py
    python benchmarks/speed_train.py --against PATH_TO_CHECKOUT
    python benchmarks/speed_train.py --neighbour            another program computes all the time

All train the same students on the same data set, in turns and in processes of their own. The wall
time is that between progress reports, so that imports and the first steps do not count; its ratios
mean something on a machine that is otherwise idle. Processor time is given beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from common import DATA, Seconds

HERE = Path(__file__).parents[1]
STUDENTS = {"yolox": ("yolox",), "centernet": ("centernet", "centre")}
"""Students with the names that they have had."""
STEPS, FIRST, TIMES = 60, 10, 3
PICTURES, SIZE_WH = 40, (640, 360)
WEIGHTS = DATA / "weights/yolox_nano.onnx"

TRAIN = """
import sys, time
from pathlib import Path
try:
    from reelabel.training.registry import load_trainer
    from reelabel.training.boxes.settings import BoxTrainSettings as Settings
except ModuleNotFoundError:  # before training had a room of its own
    from reelabel.models.trainers.registry import load_trainer
    from reelabel.models.trainers.settings import TrainSettings as Settings

data, model, student, weights, steps, first, threads = sys.argv[1:]
settings = Settings(
    student=student, weights=weights or None, max_steps=int(steps), check_every=int(steps),
    accelerator="cpu", precision="32", **({"threads": int(threads)} if threads else {}),
)
times = {}

def log(share, text):
    if text.startswith("step ") and ":" not in text:
        times[int(text.split()[1])] = time.perf_counter(), time.process_time()

load_trainer(settings).fit(Path(data), Path(model), log)
last = max(times)
print(*((b - a) / (last - int(first)) for a, b in zip(times[int(first)], times[last])))
"""
BUSY = "import numpy\na = numpy.ones((400, 400), 'f4')\nwhile True: a @ a"


def write_data_set(folder: Path) -> None:
    """Write pictures of noise with a bright disc each, and their labels."""
    rng = np.random.default_rng(0)
    images, annotations = [], []
    for i in range(1, PICTURES + 1):
        picture = rng.integers(60, 140, (SIZE_WH[1], SIZE_WH[0], 3), dtype=np.uint8)
        x, y = (int(rng.integers(40, side - 40)) for side in SIZE_WH)
        cv2.circle(picture, (x, y), 30, (40, 220, 250), -1)
        cv2.imwrite(str(folder / f"{i}.jpg"), picture)
        size = {"width": SIZE_WH[0], "height": SIZE_WH[1]}
        images.append({"id": i, "file_name": f"{i}.jpg", **size})
        box = {"bbox": [x - 30, y - 30, 60, 60], "area": 3600, "iscrowd": 0}
        annotations.append({"id": i, "image_id": i, "category_id": 1, **box})
    coco = {"images": images, "annotations": annotations}
    coco["categories"] = [{"id": 1, "name": "sports ball"}]
    (folder / "train.json").write_text(json.dumps(coco))


def step_s(checkout: Path, data: Path, student: str, threads: str) -> Seconds:
    """Train with a checkout's code; return wall and CPU seconds of a step."""
    weights = str(WEIGHTS) if student == "yolox" else ""
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    with tempfile.TemporaryDirectory() as model:
        order = [sys.executable, "-c", TRAIN, data, model, student, weights, STEPS, FIRST, threads]
        done = subprocess.run(
            [str(each) for each in order],
            env={**environment, "PYTHONPATH": str(checkout / "src")},
            capture_output=True,
            text=True,
            check=True,
        )
    wall, cpu = map(float, done.stdout.split())
    return wall, cpu


def name_in(checkout: Path, names: tuple[str, ...]) -> str:
    """Return the name that a student has in a checkout: its code names it in quotes."""
    code = "".join(path.read_text() for path in (checkout / "src").rglob("*.py"))
    return next(name for name in names if f'"{name}"' in code)


def compare(names: tuple[str, ...], rivals: dict[str, tuple[Path, str]], data: Path) -> None:
    """Train one student in turns in each way, and print the rates and their ratios."""
    taken: dict[str, list[Seconds]] = {rival: [] for rival in rivals}
    for _ in range(TIMES):
        for rival, (path, threads) in rivals.items():
            taken[rival].append(step_s(path, data, name_in(path, names), threads))
    print(names[0])
    for rival, seconds in taken.items():
        wall, cpu = (statistics.median(each) for each in zip(*seconds, strict=True))
        ratio = wall / statistics.median(each for each, _ in taken[next(iter(taken))])
        print(
            f"  {rival:<16}{1 / wall:6.2f} steps/s, {1e3 * cpu:5.0f} ms of CPU, ours {ratio:.2f}x"
        )


@contextmanager
def neighbour(*, busy: bool) -> Iterator[None]:
    """Keep another program busy meanwhile, on one thread."""
    if not busy:
        yield
        return
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with subprocess.Popen([sys.executable, "-c", BUSY], env=environment) as other:
        try:
            yield
        finally:
            other.kill()


def main() -> None:
    """Compare each student."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", type=Path, help="another checkout")
    parser.add_argument("--neighbour", action="store_true", help="keep one core busy")
    parser.add_argument("--students", nargs="*", choices=STUDENTS, default=list(STUDENTS))
    given = parser.parse_args()
    rivals = {"ours": (HERE, ""), "one thread": (HERE, "1")}
    if given.against:
        rivals["other checkout"] = (given.against.resolve(), "")
    with tempfile.TemporaryDirectory() as folder, neighbour(busy=given.neighbour):
        write_data_set(Path(folder))
        for name in given.students:
            compare(STUDENTS[name], rivals, Path(folder))


if __name__ == "__main__":
    main()
