"""`detect` against the sum of bare decoding and bare network, and against a naive loop.

"Whole input" is `detect` without cutting padding off, so that the network does what it does in the
other rows. The bare network is timed alone on one core and, as it has to work, on all at once:
cores share caches and clocks.

The clip is repeated to about a minute, so that opening the models does not decide.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort

from common import DATA, interleaved, table
from reelabel.media.encode import VideoWriter
from reelabel.media.probe import probe
from reelabel.media.video import decode
from reelabel.models.detector_pool import DetectorPool, detect_frames
from reelabel.models.registry import load_detector

CLIP = DATA / "videos/traffic/cars_topdown.mp4"
VIDEO = Path(tempfile.mkdtemp()) / "repeated.mp4"
REPEATS = 4
WEIGHTS = DATA / "weights/yolox_nano.onnx"
CORES = os.cpu_count() or 1
FLOOR, NMS_IOU = 0.05, 0.65
"""What `detect` keeps, and from which overlap on a box is a copy of a better one."""


def repeat() -> None:
    """Write the clip several times over."""
    with VideoWriter(VIDEO, time_base=Fraction(1, 30), rate=30, crf=20, quick=True) as writer:
        for i, frame in enumerate(f for _ in range(REPEATS) for f in decode(CLIP)):
            writer.write(frame.rgb(), i)


def ours(*, rect: bool = True) -> None:
    """Look at every frame, as `detect` does."""
    detector = load_detector(f"onnx:{WEIGHTS}", options={"rect": rect})
    for _ in detect_frames(VIDEO, DetectorPool(detector), None, size_wh=probe(VIDEO).display_wh):
        pass


def bare_decode() -> None:
    """Decode every frame into a picture of the network's size, in one thread."""
    for frame in decode(VIDEO, threads=1):
        frame.rgb((416, 416))


def bare_network(frames: int) -> None:
    """Run the network alone, in one thread, on a picture that is there already."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(WEIGHTS, options, providers=["CPUExecutionProvider"])
    picture = np.zeros((1, 3, 416, 416), np.float32)
    for _ in range(frames):
        session.run(None, {"images": picture})


def bare_networks(frames: int) -> None:
    """Run a network on each core, all at the same time."""
    with ThreadPoolExecutor(CORES) as pool:
        for work in [pool.submit(bare_network, frames // CORES) for _ in range(CORES)]:
            work.result()


def naive() -> None:
    """Read, letterbox, infer and read the boxes off, one frame after the other."""
    session = ort.InferenceSession(WEIGHTS, providers=["CPUExecutionProvider"])
    grid, stride = cells()
    capture = cv2.VideoCapture(str(VIDEO))
    while (read := capture.read())[0]:
        height, width = read[1].shape[:2]
        scale = min(416 / width, 416 / height)
        small = cv2.resize(read[1], (int(width * scale), int(height * scale)))
        canvas = np.full((416, 416, 3), 114, np.uint8)
        canvas[: small.shape[0], : small.shape[1]] = small
        picture = canvas.transpose(2, 0, 1)[None].astype(np.float32)
        out = session.run(None, {"images": picture})[0][0]
        centre, side = (out[:, :2] + grid) * stride, np.exp(out[:, 2:4]) * stride
        scores = out[:, 4:5] * out[:, 5:]
        names, best = scores.argmax(axis=1), scores.max(axis=1)
        kept = best >= FLOOR
        boxes = (np.hstack((centre - side / 2, side))[kept] / scale).tolist()
        cv2.dnn.NMSBoxesBatched(boxes, best[kept].tolist(), names[kept].tolist(), FLOOR, NMS_IOU)


def cells() -> tuple[np.ndarray, np.ndarray]:
    """Return the place and the stride of each of YOLOX's cells at 416 pixels."""
    sides = {stride: 416 // stride for stride in (8, 16, 32)}
    grids = [np.stack(np.meshgrid(np.arange(n), np.arange(n)), 2) for n in sides.values()]
    strides = [np.full((n * n, 1), stride) for stride, n in sides.items()]
    return np.vstack([g.reshape(-1, 2) for g in grids]), np.vstack(strides)


def main() -> None:
    """Print the table."""
    repeat()
    frames = sum(1 for _ in decode(VIDEO))
    taken = interleaved(
        {
            "reelabel detect": ours,
            "reelabel detect, whole input": lambda: ours(rect=False),
            "naive loop": naive,
            "bare decode": bare_decode,
            "bare network": lambda: bare_network(frames),
            "bare network on every core": lambda: bare_networks(frames),
        },
        times=3,
    )
    shutil.rmtree(VIDEO.parent)
    table(f"detect, {frames} frames 768x432", taken, "naive loop")
    alone = (taken["bare decode"] + taken["bare network"]) / CORES
    together = taken["bare decode"] / CORES + taken["bare network on every core"]
    print(
        f"  decode + network, divided by {CORES}: {alone:.2f} s; with all at work {together:.2f} s"
    )
    for name in ("reelabel detect", "reelabel detect, whole input"):
        shares = f"{alone / taken[name]:.2f} and {together / taken[name]:.2f}"
        print(f"  {name} reaches {shares} of that")


if __name__ == "__main__":
    main()
