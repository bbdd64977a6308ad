"""The first teacher of a new workspace: which one, why, and whether it can be used."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from reelabel.config import Config, Project
from reelabel.errors import ModelError
from reelabel.models.coco import COCO_80
from reelabel.models.detectors.fused import fused, member_options
from reelabel.models.registry import CLASSIFIERS, DETECTORS, check_name, kinds, load_detector
from reelabel.models.spec import Request
from reelabel.models.teacher import load_class_teacher
from reelabel.short_names import RELEASED, detector_labels, full_name, member_names
from reelabel.training.registry import check_choice
from reelabel.training.settings import TrainSettings

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
    """Check a detector on this machine, as a run does, and of others the name; see `check_name`.

    Args:
        project: names the detector, its options and the classes.
        root: the workspace's folder, which need not exist yet.

    Raises:
        ModelError: if the file is none that can be run, or lacks one of the classes.
        UsageError: if an option is unknown or wrong.
    """
    if len(member_names(project.detector)) > 1:
        _check_members(project, root)
    elif _is_here(project.detector):
        load_detector(
            _inside(project.detector, root),
            options=project.detector_options,
            wanted=project.classes,
            mapping=project.class_map,
        )
    else:
        check_name(project.detector, root)


def _check_members(project: Project, root: Path) -> None:
    """Check the detectors on this machine of several, and their classes if all are."""
    spec, given = project.detector, project.detector_options
    options = member_options(spec, given)
    here = [name for name in options if _is_here(name)]
    for name in options.keys() - set(here):
        check_name(name, root)
    loaded = [load_detector(_inside(name, root), options=options[name]) for name in here]
    if len(here) == len(options):  # else another may have a class that these lack
        classes, mapping = project.classes, project.class_map
        request = Request(spec, "", options=given, wanted=classes, mapping=mapping)
        fused(request, dict(zip(detector_labels(spec), loaded, strict=True)))


def check_teacher(project: Project, root: Path) -> None:
    """Check a classifier that labels first, as a run does; of one of a registry the name.

    Args:
        project: names the teacher, its options and the classes.
        root: the workspace's folder, which need not exist yet.

    Raises:
        ModelError: if it is of no kind that classifies, or its file is none that can be run, lacks
            one of the classes, or has other kinds of them.
        UsageError: if an option is unknown or wrong.
    """
    spec = full_name(project.teacher)
    if spec and (spec in map(full_name, RELEASED) or _is_here(spec, CLASSIFIERS)):
        inside = _inside(spec, root)
        named = project.model_copy(update={"teacher": inside})
        load_class_teacher(named, None, inside)
    else:
        check_name(spec, root)


def check_student(config: Config) -> None:
    """Check the choice of student as far as that is possible before there are labels.

    Raises:
        UsageError: if no student of the task has that name, or the settings do not suit it.
        ModelError: if a library that is installed has no network of that name, or the file with
            the initial weights is not there.
    """
    settings = config.stages.get("train")
    if isinstance(settings, TrainSettings):
        check_choice(settings)
        weights = getattr(settings, "weights", None)
        if isinstance(weights, Path) and not weights.is_file():
            raise ModelError(
                f"expected a file with initial weights, but there is none at {weights.absolute()}: "
                "name another in train.weights, or leave it out"
            )


def _is_here(spec: str, group: str = DETECTORS) -> bool:
    """Return whether a model is a file on this machine, or of no known kind."""
    kind, _, where = spec.partition(":")
    return kind not in kinds(group) or (kind in _LOCAL_KINDS and "://" not in where)


def _inside(spec: str, root: Path) -> str:
    """Return a model with a path inside the workspace, if there is one, as one from here."""
    kind, _, where = spec.partition(":")
    inside = root / where
    return f"{kind}:{inside}" if where and inside.exists() else spec
