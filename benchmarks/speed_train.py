"""Training steps per second of processor time, against another checkout of this repository.

    python benchmarks/speed_train.py PATH_TO_CHECKOUT

Both train the same students on the same data set, in turns and in processes of their own. What
counts is the processor time between two progress reports: training takes one thread, and other
programs, imports and the first steps do not disturb the figure.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

from common import DATA

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
    from reelabel.training.boxes.settings import TrainSettings
except ModuleNotFoundError:  # before training had a room of its own
    from reelabel.models.trainers.registry import load_trainer
    from reelabel.models.trainers.settings import TrainSettings

data, model, student, weights, steps, first = sys.argv[1:]
settings = TrainSettings(
    student=student, weights=weights or None, max_steps=int(steps), check_every=int(steps),
    accelerator="cpu", precision="32",
)
times = {}

def log(share, text):
    if text.startswith("step ") and ":" not in text:
        times[int(text.split()[1])] = time.process_time()

load_trainer(settings).fit(Path(data), Path(model), log)
last = max(times)
print((last - int(first)) / (times[last] - times[int(first)]))
"""


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


def steps_per_second(checkout: Path, data: Path, student: str) -> float:
    """Train with a checkout's code; return the rate."""
    weights = str(WEIGHTS) if student == "yolox" else ""
    with tempfile.TemporaryDirectory() as model:
        order = [sys.executable, "-c", TRAIN, data, model, student, weights, STEPS, FIRST]
        done = subprocess.run(
            [str(each) for each in order],
            env={**os.environ, "PYTHONPATH": str(checkout / "src")},
            capture_output=True,
            text=True,
            check=True,
        )
    return float(done.stdout)


def name_in(checkout: Path, names: tuple[str, ...]) -> str:
    """Return the name that a student has in a checkout: its code names it in quotes."""
    code = "".join(path.read_text() for path in (checkout / "src").rglob("*.py"))
    return next(name for name in names if f'"{name}"' in code)


def compare(names: tuple[str, ...], checkouts: dict[str, Path], data: Path) -> None:
    """Train one student in turns with each checkout, and print the rates and their ratio."""
    rates: dict[str, list[float]] = {side: [] for side in checkouts}
    for _ in range(TIMES):
        for side, path in checkouts.items():
            rates[side].append(steps_per_second(path, data, name_in(path, names)))
    ours, theirs = (statistics.median(each) for each in rates.values())
    print(f"{names[0]:<12}{ours:6.2f} steps/s, other {theirs:6.2f}: {ours / theirs:.2f}x")


def main() -> None:
    """Compare each student."""
    if len(sys.argv) != 2:
        raise SystemExit("usage: speed_train.py PATH_TO_CHECKOUT")
    checkouts = {"ours": HERE, "theirs": Path(sys.argv[1]).resolve()}
    with tempfile.TemporaryDirectory() as folder:
        write_data_set(Path(folder))
        for names in STUDENTS.values():
            compare(names, checkouts, Path(folder))


if __name__ == "__main__":
    main()
