"""A trained YOLOX in ONNX Runtime: the same boxes as in torch, several times faster on a CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reelabel.data.boxes import Boxes
from reelabel.models.detectors.suppress import suppressed
from reelabel.models.detectors.yolox import STRIDES, grid, unrolled
from reelabel.models.onnx_network import rewritten
from reelabel.models.onnx_session import open_session
from reelabel.models.students.inference import Inputs, Network

_FLOOR = 0.01
_NMS_IOU = 0.65
_LARGEST_LOGIT = 80.0  # its exponential is a float32


def onnx_network(path: Path) -> Network:
    """Return what the network in a file finds, as `network.detections` does.

    Raises:
        ModelError: if it is no network that ONNX Runtime opens.
    """
    session = open_session(path, "cpu", rewritten(path))

    def network(images: Inputs) -> list[Boxes]:
        size_wh = images.shape[3], images.shape[2]
        cells = grid(size_wh, STRIDES)
        # One by one: in batches of 8 a picture takes a core longer, and a session twice the memory.
        raw = (session.run(None, {"images": image[None]})[0][0] for image in images)
        return [_found(each, cells, size_wh) for each in raw]

    return network


def _found(raw: NDArray[np.float32], cells: NDArray[np.float32], size_wh: tuple[int, int]) -> Boxes:
    """Return the boxes of one picture: raw outputs ``(cells, 5 + classes)``, logits of scores."""
    scores = _sigmoid(raw[:, 4:5]) * _sigmoid(raw[:, 5:])
    cell, class_id = np.nonzero(scores >= _FLOOR)
    xyxy = unrolled(raw[cell, :4], cells[cell])
    inside = np.clip(xyxy, 0, np.array([*size_wh, *size_wh], np.float32))
    return suppressed(Boxes(inside, scores[cell, class_id], class_id), _NMS_IOU)


def _sigmoid(logit: NDArray[np.float32]) -> NDArray[np.float32]:
    clipped = np.clip(logit, -_LARGEST_LOGIT, _LARGEST_LOGIT)
    return np.asarray(1 / (1 + np.exp(-clipped)), np.float32)
