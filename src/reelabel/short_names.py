"""Names as people give them: several classes in one text, models by a short name or a path.

``yolox-nano`` stands for ``onnx:URL``, ``net.onnx`` for ``onnx:net.onnx``, and a folder that holds
a trained student for ``student:FOLDER``. Several detectors whose boxes are fused are one name too,
``fused:yolox-nano + net.onnx``.

Source of the released weights: Ge et al., "YOLOX: Exceeding YOLO Series in 2021", and their release
0.1.1rc0 (https://github.com/Megvii-BaseDetection/YOLOX/releases/tag/0.1.1rc0, Apache-2.0).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from unicodedata import normalize

DEFAULT_TASK = "detect"
"""The task of workspaces that name none."""
_YOLOX = "https://github.com/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0"
_SHA256 = {
    "nano": "c789161ed43c8269fcd4e67c67eeeb4e80c622da2eb296a20bc6007bd18a0b7d",
    "tiny": "427cc366d34e27ff7a03e2899b5e3671425c262ea2291f88bb942bc1cc70b0f7",
    "s": "c5c2d13e59ae883e6af3b45daea64af4833a4951c92d116ec270d9ddbe998063",
    "m": "21ff6cfdeb53b013bac2249599e55f00bff3cfdfdab37ed7a4620818c1d15b3f",
    "l": "7860ae79de6c89a3c1eb72ae9a2756c0ccfbe04b7791bb5880afabd97855a411",
    "x": "c892d7aaf1c4746d8a4d675bec669a4db4f434b4ee1efb654bc9b353379c7c55",
}
RELEASED = {f"yolox-{size}": f"{_YOLOX}/yolox_{size}.onnx" for size in _SHA256}
"""Name -> URL of the makers' release; all find the 80 classes of COCO."""
RELEASED_SHA256 = {RELEASED[f"yolox-{size}"]: digest for size, digest in _SHA256.items()}
"""URL -> SHA-256 of its file. The makers publish none: each of these is stated alike by two or more
independent projects that download the file."""
NO_DETECTOR = "none"
"""As the first teacher: there is none, people's labels alone are trained on in the first round."""
FUSED = "fused"
"""The kind of a name that stands for several detectors."""
AND = " + "
"""What stands between them."""
_NOT_FUSED = {
    NO_DETECTOR: "it finds nothing",
    "detections-txt": "it is a recording, and finds nothing in other frames",
}
_STUDENT = "model.json"


def full_name(spec: str) -> str:
    """Return a model's name with its kind; one that has a kind, or is unknown, stays as it is.

    >>> full_name("net.onnx"), full_name("motion"), full_name("hf:a/b")
    ('onnx:net.onnx', 'motion', 'hf:a/b')
    """
    if len(members := member_names(spec)) > 1:
        return f"{FUSED}:{AND.join(map(full_name, members))}"
    if spec in RELEASED:
        return f"onnx:{RELEASED[spec]}"
    path = Path(spec).expanduser()
    if path.suffix.lower() == ".onnx" and not _has_kind(spec):
        return f"onnx:{spec}"
    if (path / _STUDENT).is_file():
        return f"student:{path.resolve()}"
    return spec


def fused_name(names: Sequence[str]) -> str:
    """Return the one name of several detectors; a single one keeps its own.

    Args:
        names: of the detectors, in any form that `full_name` takes.

    Raises:
        ValueError: if none is named, one stands there twice or cannot be fused.

    >>> fused_name(["motion", "net.onnx"])
    'fused:motion + onnx:net.onnx'
    """
    full = [full_name(name) for name in names]
    if not full:
        raise ValueError("expected one detector or several, but got an empty list")
    if len(full) == 1:
        return full[0]
    for name in full:
        kind = name.partition(":")[0]
        if kind in _NOT_FUSED:
            raise ValueError(f"'{name}' cannot be fused with others, as {_NOT_FUSED[kind]}")
        if kind == FUSED or AND in name or full.count(name) > 1:
            raise ValueError(
                f"expected several different detectors, none with '{AND}' in its name, but got "
                f"'{name}'{' twice' if full.count(name) > 1 else ''}"
            )
    return f"{FUSED}:{AND.join(full)}"


def member_names(spec: str) -> tuple[str, ...]:
    """Return the names of the detectors that a name stands for: itself, or those that are fused.

    >>> member_names("fused:motion + onnx:net.onnx"), member_names("motion")
    (('motion', 'onnx:net.onnx'), ('motion',))
    """
    kind, _, rest = spec.partition(":")
    return tuple(part.strip() for part in rest.split(AND)) if kind == FUSED else (spec,)


def detector_labels(spec: str) -> tuple[str, ...]:
    """Return a short label for each detector that a name stands for; whole names if two are alike.

    >>> detector_labels("fused:onnx:/nets/yolox_nano.onnx + hf:someone/dfine-nano + motion")
    ('yolox_nano', 'dfine-nano', 'motion')
    """
    names = member_names(spec)
    labels = tuple(map(_label, names))
    return labels if len(set(labels)) == len(labels) else names


def _label(name: str) -> str:
    rest = name.rstrip(":/").partition(":")[2]
    last = re.split(r"[/\\]", rest)[-1].removesuffix(".onnx")
    return name.rstrip(":") if not last or last.isdecimal() else last


def _has_kind(spec: str) -> bool:
    """Return whether a name begins with a kind, which no letter of a drive and no URL scheme is."""
    kind, colon, rest = spec.partition(":")
    return bool(colon) and len(kind) > 1 and not rest.startswith("//")


def class_names(given: Any) -> Any:
    """Return class names that were given in a list, with commas between them, or both, as a list.

    What holds anything else than text is returned as it is, for the check of its type.

    >>> class_names("dog, cat"), class_names(["dog,cat", "sports ball"])
    (['dog', 'cat'], ['dog', 'cat', 'sports ball'])
    """
    parts = [given] if isinstance(given, str) else given
    if not isinstance(parts, list | tuple) or not all(isinstance(one, str) for one in parts):
        return given
    return [composed(name) for part in parts for name in part.split(",")]


def composed(name: str) -> str:
    """Return a class name with composed letters (Unicode NFC) and without spaces around it.

    >>> len("e" + chr(0x301)), len(composed(" e" + chr(0x301) + " "))
    (2, 1)
    """
    return normalize("NFC", name).strip()


def spelled_as(names: Iterable[str], known: Iterable[str]) -> tuple[str, ...]:
    """Return class names, each spelled as the known name that it looks like, if there is one.

    Two names look alike if they are the same when `composed`; upper and lower case differ.

    >>> spelled_as(["ball ", "Ball", "dog"], ["ball", "cat"])
    ('ball', 'Ball', 'dog')
    """
    exact = set(known := tuple(known))
    own = {composed(name): name for name in reversed(known)}
    return tuple(name if name in exact else own.get(composed(name), name) for name in names)
