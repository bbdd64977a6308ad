"""The first teacher of a new workspace: which one, why, and whether it can be used."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from reelabel.config import Project
from reelabel.models.coco import COCO_80
from reelabel.models.registry import DETECTORS, kinds, load_detector

COCO_DETECTOR = "yolox-nano"
ZERO_SHOT = "hf-zero-shot:IDEA-Research/grounding-dino-tiny"
MOTION = "motion"
_LOCAL_KINDS = frozenset(["onnx", "student"])


def chosen_detector(classes: Sequence[str]) -> tuple[str, str]:
    """Return the detector that suits some classes, and why.

    Classes of COCO have a small pretrained one; all others take one that is prompted with their
    names, if its packages are installed, else what moves.

    Args:
        classes: their names.

    >>> chosen_detector(["sports ball", "dog"])[0]
    'yolox-nano'
    """
    others = [name for name in classes if name not in COCO_80]
    if not others:
        return COCO_DETECTOR, (
            "as all classes are of COCO: small, quick on a processor, and the student starts from "
            "its weights; yolox-tiny, s, m, l and x find more and take longer"
        )
    why = f"as '{others[0]}' is no class of COCO"
    if find_spec("transformers") and find_spec("torch"):
        return ZERO_SHOT, f"{why}: it finds what the names of the classes describe"
    return MOTION, (
        f"{why} and no detector by text is installed: it finds what moves, whatever it is. For "
        f"names:  pip install 'reelabel[train]'  and  --detector {ZERO_SHOT}"
    )


def check_detector(project: Project, root: Path) -> None:
    """Check a detector whose file is on this machine, as a run does; others are met at the run.

    Args:
        project: names the detector, its options and the classes.
        root: the workspace's folder, which need not exist yet.

    Raises:
        ModelError: if the file is none that can be run, or lacks one of the classes.
        UsageError: if an option is unknown or wrong.
    """
    kind, _, where = project.detector.partition(":")
    if kind not in kinds(DETECTORS) or (kind in _LOCAL_KINDS and "://" not in where):
        inside = root / where
        load_detector(
            f"{kind}:{inside}" if where and inside.exists() else project.detector,
            options=project.detector_options,
            wanted=project.classes,
            mapping=project.class_map,
        )
