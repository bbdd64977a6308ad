"""Peak memory of training by the number of pictures, each seen once.

    python benchmarks/memory_train.py                  200, 1,000 and 3,000 pictures of 1280x720
    python benchmarks/memory_train.py 200 --against /path/to/another/checkout

Settings are the defaults but for the number of steps.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

from common import DATA

HERE = Path(__file__).resolve().parents[1]
SIZE_WH, BOX_XYWH = (1280, 720), (600, 300, 128, 128)
BATCH, SHARE_HELD_OUT = 8, 0.2

TRAIN = """
import json, sys
from pathlib import Path

def mb(name):
    # Not ru_maxrss, which a process inherits from the one that starts it.
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith(name))

import lightning.pytorch, onnxruntime
from reelabel.training.boxes.settings import BoxTrainSettings
from reelabel.training.registry import load_trainer

data, model, weights, steps = sys.argv[1:]
libraries = mb("VmRSS")
settings = BoxTrainSettings(
    student="yolox", weights=weights, max_steps=int(steps), check_every=int(steps),
    image_size=640, accelerator="cpu", precision="32",
)
load_trainer(settings).fit(Path(data), Path(model), lambda *_: None)
print(json.dumps({"libraries": libraries, "peak": mb("VmHWM")}))
"""


def write_data_set(folder: Path, count: int) -> None:
    """Write so many copies of a picture with a bright square, a fifth of them held out."""
    ramp = np.add.outer(np.arange(SIZE_WH[1]), np.arange(SIZE_WH[0])) // 8
    picture = np.dstack([ramp.astype(np.uint8)] * 3)
    x, y, w, h = BOX_XYWH
    picture[y : y + h, x : x + w] = 250
    first = folder / "0.jpg"
    cv2.imwrite(str(first), picture)
    for number in range(1, count):
        shutil.copyfile(first, folder / f"{number}.jpg")
    held_out = int(count * SHARE_HELD_OUT)
    for split, numbers in (("val", range(held_out)), ("train", range(held_out, count))):
        (folder / f"{split}.json").write_text(json.dumps(_coco(numbers)))


def _coco(numbers: range) -> dict[str, list[dict[str, object]]]:
    size = {"width": SIZE_WH[0], "height": SIZE_WH[1]}
    images = [{"id": n + 1, "file_name": f"{n}.jpg", **size} for n in numbers]
    box = {"bbox": BOX_XYWH, "area": BOX_XYWH[2] * BOX_XYWH[3], "iscrowd": 0, "category_id": 1}
    boxes = [{"id": i, "image_id": n + 1, **box} for i, n in enumerate(numbers, start=1)]
    categories: list[dict[str, object]] = [{"id": 1, "name": "sports ball"}]
    return {"images": images, "annotations": boxes, "categories": categories}


def peak_mb(checkout: Path, data: Path, count: int) -> dict[str, int]:
    """Train in a process of its own; return the memory of its libraries and its peak."""
    steps = -(-int(count * (1 - SHARE_HELD_OUT)) // BATCH)
    with tempfile.TemporaryDirectory() as model:
        order = [data, model, DATA / "weights/yolox_nano.onnx", steps]
        done = subprocess.run(
            [sys.executable, "-c", TRAIN, *map(str, order)],
            env={**os.environ, "PYTHONPATH": str(checkout / "src")},
            capture_output=True,
            text=True,
            check=True,
        )
    found: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Print the peaks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", type=int, nargs="*", default=[200, 1_000, 3_000])
    parser.add_argument("--against", type=Path, help="another checkout")
    given = parser.parse_args()
    checkouts = {"this checkout": HERE}
    if given.against:
        checkouts["against"] = given.against.resolve()
    for count in given.pictures:
        with tempfile.TemporaryDirectory() as folder:
            write_data_set(Path(folder), count)
            for name, checkout in checkouts.items():
                found = peak_mb(checkout, Path(folder), count)
                print(
                    f"{name:<16}{count:>6,} pictures: peak {found['peak']} MB, of these "
                    f"{found['libraries']} MB are loaded libraries",
                    flush=True,
                )


if __name__ == "__main__":
    main()
