"""The families of students by name; a new family is one module and one line here.

A package of one's own adds families through entry points in the group `STUDENTS`; each names an
object of class `reelabel.models.students.family.Family`. Families are told apart by what they find
and then by name, so that one library can bring detectors and classifiers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias, cast

from reelabel.errors import MissingExtra, ModelError, UsageError, nearest
from reelabel.models.base import Detector
from reelabel.models.students.box_family import BoxFamily, InitialWeights
from reelabel.models.students.classes.family import ClassFamily
from reelabel.models.students.family import Family
from reelabel.models.students.folder import MODEL_JSON, Card
from reelabel.models.students.settings import BoxStudentSettings, Output, StudentSettings

STUDENTS = "reelabel.students"
"""Group of the entry points of plug-ins."""

AUTO = "auto"

AnyFamily: TypeAlias = Family[Any, Any]

_HERE = "reelabel.models.students"
_BUILT_IN: Mapping[Output, Mapping[str, str]] = {
    "boxes": {
        "yolox": f"{_HERE}.yolox.family",
        "centernet": f"{_HERE}.centernet.family",
        "torchvision": f"{_HERE}.torchvision.family",
        "transformers": f"{_HERE}.transformers.family",
        "fake": f"{_HERE}.fake",
    },
    "classes": {
        "simple": f"{_HERE}.classes.simple",
        "torchvision": f"{_HERE}.classes.torchvision",
        "timm": f"{_HERE}.classes.timm",
        "fake": f"{_HERE}.classes.fake",
        "cnn3d": f"{_HERE}.classes.cnn3d",
        "tsm": f"{_HERE}.classes.tsm",
        "tsm-timm": f"{_HERE}.classes.tsm_timm",
        "cnn-lstm": f"{_HERE}.classes.cnn_lstm",
        "cnn-lstm-timm": f"{_HERE}.classes.cnn_lstm_timm",
        "gru": f"{_HERE}.classes.gru",
        "torchvision-video": f"{_HERE}.classes.torchvision_video",
        "hf-video": f"{_HERE}.classes.hf_video",
    },
}
"""What a family outputs -> its name -> the module whose ``FAMILY`` it is. `auto` takes the first
that can start."""

_RENAMED = {"centre": "centernet"}


@cache
def built_in(output: Output) -> Mapping[str, AnyFamily]:
    """Return the families with this output that come with the package, by name."""
    return {name: import_module(module).FAMILY for name, module in _BUILT_IN[output].items()}


def class_families(*, clips: bool) -> dict[str, ClassFamily]:
    """Return the families that classify clips, or those that classify single pictures, by name."""
    families = cast("Mapping[str, ClassFamily]", built_in("classes"))
    return {name: family for name, family in families.items() if (family.frames > 1) == clips}


def find_family(name: str, output: Output) -> AnyFamily | None:
    """Return the family with this name, or None: built-in families win over plug-ins."""
    return built_in(output).get(name) or _plug_ins(output).get(name)


def spellings(output: Output) -> list[str]:
    """Return the known values of `student` for what a student is to output."""
    families = [*built_in(output).values(), *_plug_ins(output).values()]
    return [AUTO, *(each for family in families for each in family.spellings())]


def family_of(settings: StudentSettings) -> AnyFamily | None:
    """Return the family that `settings.student` names, or None if no family has that name.

    ``auto`` is the first family that can start from these settings.
    """
    known = built_in(settings.output)
    if settings.student == AUTO:
        return next(each for each in known.values() if each.can_start(settings))
    return _named(known.values(), settings.student) or _named(
        _plug_ins(settings.output).values(), settings.student
    )


def family_named(name: str, where: str, output: Output) -> AnyFamily:
    """Return the family that a trained folder is of.

    Args:
        name: of the family.
        where: the file that names it, for the message.
        output: what the family's students find.

    Raises:
        ModelError: if there is no such family.
    """
    found = find_family(name, output)
    if found is not None:
        return found
    if name in _RENAMED:
        raise ModelError(
            f"{where}: expected a student of a known family, but got '{name}', which is now called "
            f"'{_RENAMED[name]}': change the name in that file, or train again"
        )
    known = [*built_in(output), *_plug_ins(output)]
    raise ModelError(
        f"{where}: expected a student of one of the families {', '.join(known)}, but got "
        f"'{name}'{nearest(name, known)}: install the plug-in that it was trained with"
    )


def check_spelling(student: str, output: Output) -> None:
    """Check a value of `student` as far as that is possible without loading plug-ins.

    Raises:
        ValueError: naming what was expected, and the nearest.
    """
    prefix = student.partition(":")[0]
    if prefix in _RENAMED:
        raise ValueError(f"the student '{prefix}' is now called '{_RENAMED[prefix]}': set that")
    families = built_in(output).values()
    ours = any(prefix == (family.prefix or family.name) for family in families)
    plug_in = not ours and student.isidentifier()
    if student != AUTO and not plug_in and _named(families, student) is None:
        known = [AUTO, *(each for family in families for each in family.spellings())]
        raise ValueError(
            f"expected one of {', '.join(known)}, but got '{student}'{nearest(student, known)}"
        )


def require_packages(packages: Iterable[str], purpose: str) -> None:
    """Check that these packages are installed.

    Raises:
        MissingExtra: naming the extra.
    """
    if any(find_spec(package) is None for package in packages):
        raise MissingExtra(purpose, "train")


def require_family(model_dir: Path, card: Card, output: Output) -> None:
    """Check that a trained folder is complete and that what its family needs is installed.

    Raises:
        ModelError: if the family is unknown, or a file is missing.
        MissingExtra: naming the extra.
    """
    family = family_named(card.kind, str(model_dir / MODEL_JSON), output)
    require_packages(family.packages_for(model_dir), f"the {card.kind} student in {model_dir}")
    for name in family.files:
        if not (model_dir / name).is_file():
            raise ModelError(
                f"expected the weights of a {card.kind} student in {model_dir}, but it holds no "
                f"{name}: train again"
            )


def initial_weights(
    settings: BoxStudentSettings,
    kind: str,
    load: Callable[[], Detector],
    classes: tuple[str, ...],
) -> InitialWeights | None:
    """Return the weights of a detector that a student can start from, None if there are none.

    Args:
        settings: they name a family, or auto: then all families that come with the package are
            asked, in order.
        kind: of the detector, what stands before the colon in its name.
        load: returns the detector; called only if a family takes weights of this kind.
        classes: that the student is to find.
    """
    named = None if settings.student == AUTO else family_of(settings)
    families = built_in("boxes").values() if settings.student == AUTO else (named,)
    for family in families:
        if isinstance(family, BoxFamily) and kind in family.detector_kinds:
            weights = family.start_from(load(), classes)
            if weights is not None:
                return weights
    return None


def _named(families: Iterable[AnyFamily], student: str) -> AnyFamily | None:
    return next((family for family in families if family.is_named(student)), None)


def _plug_ins(output: Output) -> dict[str, AnyFamily]:
    """Return the families of other packages with this output, by name.

    Raises:
        UsageError: if an entry point names something else.
    """
    found = {}
    for point in entry_points(group=STUDENTS):
        family = point.load()
        if not isinstance(family, Family):
            raise UsageError(
                f"expected a reelabel Family at the entry point '{point.name}' of '{STUDENTS}', "
                f"but got {type(family).__name__}: correct or remove that package"
            )
        if family.output == output:
            found[family.name] = family
    return found
