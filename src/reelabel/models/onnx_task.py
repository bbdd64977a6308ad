"""What an ONNX file is for: our exports state it, others are recognised by their outputs."""

from __future__ import annotations

from pathlib import Path

_ROWS = 2  # batch and classes


def task_in_onnx(path: Path) -> str:
    """Return "classify" or "detect", as `model.json` names tasks; empty for a damaged file.

    A foreign network whose only output is a row of numbers per picture classifies.
    """
    import onnx  # noqa: PLC0415 -- slow to load

    try:
        model = onnx.load(str(path), load_external_data=False)
    except Exception:  # noqa: BLE001 -- protobuf's own kinds; loading the model names the damage
        return ""
    stated: dict[str, str] = {prop.key: prop.value for prop in model.metadata_props}
    if "reelabel_format" in stated:
        return stated.get("task", "")
    shapes = [len(output.type.tensor_type.shape.dim) for output in model.graph.output]
    return "classify" if shapes == [_ROWS] else "detect"
