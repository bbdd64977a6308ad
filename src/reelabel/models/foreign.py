"""What files of other frameworks are, and how they become something that can be run here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_CHECKPOINTS = frozenset([".pt", ".pth", ".ckpt", ".pkl"])
OWN_FUNCTION = (
    "call it from Python: reelabel.run(workspace, detector=function), or take its boxes with  "
    "reelabel import"
)


def checkpoint_advice(name: str) -> str:
    """Return what to do about a checkpoint of PyTorch, empty if a name is that of none.

    Args:
        name: a model's name or path, with or without a kind.
    """
    if Path(name).suffix.lower() not in _CHECKPOINTS:
        return ""
    return (
        f"{name} is a checkpoint of PyTorch, as Ultralytics writes them (.pt): it holds a program "
        "that only its makers' library can run. Take an ONNX file of the YOLOX or NanoDet family, "
        f"such as --detector yolox-nano; or {OWN_FUNCTION}"
    )


def ultralytics_advice(session: Any, path: Path) -> str:
    """Return what to do about an ONNX file that Ultralytics wrote, empty if it is none.

    Args:
        session: of ONNX Runtime.
        path: the file.
    """
    known = session.get_modelmeta().custom_metadata_map
    if "ultralytics" not in f"{known.get('author', '')} {known.get('description', '')}".lower():
        return ""
    return (
        f"{path} was written by Ultralytics ({known.get('description', 'a YOLO network')}). Its "
        "outputs (boxes and class scores without objectness) are of no family that is run here: "
        f"take --detector yolox-nano, tiny or s instead; or {OWN_FUNCTION}"
    )
