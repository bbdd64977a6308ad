"""``student:FOLDER`` and ``round:NUMBER``: models that our own rounds left behind.

A model folder holds ``model.json`` and, for a student, ``model.safetensors``. Where a round kept
its teacher, ``model.json`` reads ``{"kind": "teacher", "spec": "onnx:...", "options": {...}}``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from reelabel.config import Settings
from reelabel.errors import ModelError, ReelabelError
from reelabel.models.base import Detector
from reelabel.models.spec import Request
from reelabel.models.trainers.folder import WEIGHTS, load_student_detector

MODEL_JSON = "model.json"


def load_round(request: Request) -> Detector:
    """Return the model of a round of this workspace.

    Raises:
        ModelError: if no workspace is given, or the round left no model.
    """
    if not request.rest.isdecimal():
        raise ModelError(f"a round has a number, such as round:0, but got '{request.spec}'")
    if request.home is None:
        raise ModelError(f"'{request.spec}' needs the workspace that the round belongs to")
    return _load_folder(request.home / "rounds" / str(int(request.rest)) / "model", request)


def load(request: Request) -> Detector:
    """Return the model in a folder.

    Raises:
        ModelError: if the folder is missing or damaged.
    """
    return _load_folder(request.rooted(request.rest), request)


def load_student(folder: Path) -> Detector:
    """Return the model in a folder, outside any workspace.

    Raises:
        ModelError: if the folder is missing or damaged.
        MissingExtra: if the model needs packages that are not installed.
    """
    return _load_folder(folder, Request(spec=f"student:{folder}", rest=str(folder)))


def _load_folder(folder: Path, request: Request) -> Detector:
    about = read_model_json(folder)
    if about["kind"] == "teacher":
        return _kept_teacher(folder, about, request)
    request.settings(Settings)  # a student takes none: all it needs is in its folder
    if about["kind"] != "fake" and not (folder / WEIGHTS).is_file():
        raise ModelError(f"{folder} holds no {WEIGHTS}: the training did not finish; run it again")
    try:
        detector: Detector = load_student_detector(folder)
    except (ReelabelError, ModuleNotFoundError):
        raise
    except Exception as exc:  # whatever a network library thinks of damaged weights
        raise ModelError(
            f"the model in {folder} cannot be loaded ({exc}): its files are damaged or do not "
            "belong together; run the training again"
        ) from exc
    return detector


def _kept_teacher(folder: Path, about: Mapping[str, Any], request: Request) -> Detector:
    from reelabel.models.registry import load_request  # noqa: PLC0415 -- it imports us by name

    here = str(folder.resolve())
    spec, options = about.get("spec"), about.get("options", {})
    if not isinstance(spec, str) or not isinstance(options, dict):
        raise ModelError(f"{folder / MODEL_JSON} keeps a teacher, but does not say which ('spec')")
    if here in request.trail:
        raise ModelError(f"{folder / MODEL_JSON} leads in a circle back to itself")
    return load_request(
        replace(
            request,
            spec=spec,
            rest=spec.partition(":")[2],
            options={**options, **request.options},
            trail=(*request.trail, here),
        )
    )


def read_model_json(folder: Path) -> dict[str, Any]:
    """Return what a model folder says of itself; ``kind`` is always there.

    Raises:
        ModelError: if there is no such file, or it does not hold what it should.
    """
    path = folder / MODEL_JSON
    try:
        about: Any = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as exc:
        raise ModelError(f"no model in {folder}: {MODEL_JSON} is missing; train one first") from exc
    except (OSError, ValueError) as exc:
        raise ModelError(f"{path} cannot be read ({exc}): run the training again") from exc
    if not isinstance(about, dict) or not isinstance(about.get("kind"), str):
        raise ModelError(f"{path} should name its 'kind': run the training again")
    return about
