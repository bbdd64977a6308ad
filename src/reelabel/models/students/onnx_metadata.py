"""What an exported ONNX file states about itself, in its ``metadata_props``.

All values are text: numbers, ``true`` or ``false``, or JSON. `docs/how-to/export-onnx.md` lists the
keys. This module does not import torch.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from reelabel.errors import ModelError
from reelabel.models.names import literal_names

Precision = Literal["float32", "float16"]
"""Number format of weights and activations."""
FORMAT = "1"
"""Value of ``reelabel_format``; raised when older readers would misread a file."""


@dataclass(frozen=True)
class OnnxMetadata:
    """The metadata of an exported student.

    Attributes:
        task: classify or detect.
        classes: class names, in the order of the network's outputs.
        exclusive: exactly one class is right.
        frames: pictures per window; 1 for single pictures.
        step_s: seconds between the pictures of a window.
        layout: the input's dimensions: b batch, t pictures, h rows, w columns, c channels.
        preprocessing: how a picture becomes an input.
        video_ids: the videos that were trained on, which are hashes of their content.
        precision: of the network's inside; inputs and outputs are the same for all.
        temperature: what its probabilities are calibrated with; None if with nothing.
        is_applied: whether the network itself does that; else it is for the means of the pictures
            of a window, which a network of single pictures has no part in.
    """

    task: str
    classes: tuple[str, ...]
    exclusive: bool = True
    frames: int = 1
    step_s: float = 0.0
    layout: str = "bchw"
    preprocessing: Mapping[str, Any] = field(default_factory=dict)
    video_ids: tuple[str, ...] = ()
    precision: Precision = "float32"
    temperature: float | None = None
    is_applied: bool = True

    def props(self) -> dict[str, str]:
        """Return the keys and values of ``metadata_props``."""
        return {
            "reelabel_format": FORMAT,
            "task": self.task,
            "names": json.dumps(list(self.classes), ensure_ascii=False),
            "exclusive": "true" if self.exclusive else "false",
            "frames": str(self.frames),
            "step_s": repr(self.step_s),
            "layout": self.layout,
            "preprocessing": json.dumps(dict(self.preprocessing), sort_keys=True),
            "video_ids": json.dumps(list(self.video_ids)),
            "precision": self.precision,
            "temperature": "" if self.temperature is None else repr(self.temperature),
            "temperature_applied": "true" if self.is_applied else "false",
        }


def read_metadata(session: Any, where: str) -> OnnxMetadata | None:
    """Return the metadata of an opened file; None if it is none of our exports.

    Args:
        session: of ONNX Runtime.
        where: the file, for messages.

    Raises:
        ModelError: if a value is damaged, or the file is of a later format.
    """
    props: Mapping[str, str] = session.get_modelmeta().custom_metadata_map
    if "reelabel_format" not in props:
        return None
    if props["reelabel_format"] != FORMAT:
        raise ModelError(
            f"{where}: expected the format {FORMAT}, but got {props['reelabel_format']}: install a "
            "later version of reelabel"
        )
    try:
        return _parsed(props)
    except (KeyError, TypeError, ValueError) as exc:
        raise ModelError(
            f"{where}: expected the metadata of an exported student, but it is damaged ({exc}): "
            "export it again"
        ) from exc


def _parsed(props: Mapping[str, str]) -> OnnxMetadata:
    found = OnnxMetadata(
        task=props["task"],
        classes=literal_names(props["names"]),
        exclusive=props["exclusive"] == "true",
        frames=int(props["frames"]),
        step_s=float(props["step_s"]),
        layout=props["layout"],
        preprocessing=json.loads(props["preprocessing"]),
        video_ids=tuple(map(str, json.loads(props.get("video_ids", "[]")))),
        precision=cast("Precision", props.get("precision", "float32")),
        temperature=float(given) if (given := props.get("temperature")) else None,
        is_applied=props.get("temperature_applied", "true") == "true",
    )
    sound = found.frames > 0 and math.isfinite(found.step_s) and found.step_s >= 0
    sound &= found.temperature is None or 0 < found.temperature < math.inf
    if not found.classes or not sound or not isinstance(found.preprocessing, dict):
        raise ValueError("no classes, or values out of range")
    return found
