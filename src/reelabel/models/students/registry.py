"""The families of students by name; a new family is one module and one line here.

A package of one's own adds families through entry points in the group `STUDENTS`; each names an
object of class `reelabel.models.students.family.Family`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec

from reelabel.errors import MissingExtra, ModelError, UsageError, nearest
from reelabel.models.base import Detector
from reelabel.models.students.family import Family, InitialWeights
from reelabel.models.students.settings import StudentSettings

STUDENTS = "reelabel.students"
"""Group of the entry points of plug-ins."""

AUTO = "auto"

_BUILT_IN = {
    "yolox": "reelabel.models.students.yolox.family",
    "centernet": "reelabel.models.students.centernet.family",
    "torchvision": "reelabel.models.students.torchvision.family",
    "transformers": "reelabel.models.students.transformers.family",
    "fake": "reelabel.models.students.fake",
}
"""Name of a family -> the module whose ``FAMILY`` it is. `auto` takes the first that can start."""

_RENAMED = {"centre": "centernet"}


@lru_cache(maxsize=1)
def built_in() -> Mapping[str, Family]:
    """Return the families that come with the package, by name."""
    return {name: import_module(module).FAMILY for name, module in _BUILT_IN.items()}


def find_family(name: str) -> Family | None:
    """Return the family with this name, or None: built-in families win over plug-ins."""
    return built_in().get(name) or _plug_ins().get(name)


def spellings() -> list[str]:
    """Return the known values of `student`."""
    known = [AUTO, *(each for family in built_in().values() for each in family.spellings())]
    return [*known, *(each for family in _plug_ins().values() for each in family.spellings())]


def family_of(settings: StudentSettings) -> Family | None:
    """Return the family that `settings.student` names, or None if no family has that name.

    ``auto`` is the first family that can start from these settings.
    """
    prefix = settings.student.partition(":")[0]
    if prefix == AUTO:
        return next(each for each in built_in().values() if each.can_start(settings))
    return _by_prefix(built_in(), prefix) or _by_prefix(_plug_ins(), prefix)


def family_named(name: str, where: str) -> Family:
    """Return the family that a trained folder is of.

    Args:
        name: of the family.
        where: the file that names it, for the message.

    Raises:
        ModelError: if there is no such family.
    """
    found = find_family(name)
    if found is not None:
        return found
    if name in _RENAMED:
        raise ModelError(
            f"{where}: expected a student of a known family, but got '{name}', which is now called "
            f"'{_RENAMED[name]}': change the name in that file, or train again"
        )
    known = [*built_in(), *_plug_ins()]
    raise ModelError(
        f"{where}: expected a student of one of the families {', '.join(known)}, but got "
        f"'{name}'{nearest(name, known)}: install the plug-in that it was trained with"
    )


def check_spelling(student: str) -> None:
    """Check a value of `student` as far as that is possible without loading plug-ins.

    Raises:
        ValueError: naming what was expected, and the nearest.
    """
    prefix, _, rest = student.partition(":")
    if prefix in _RENAMED:
        raise ValueError(f"the student '{prefix}' is now called '{_RENAMED[prefix]}': set that")
    family = _by_prefix(built_in(), prefix)
    if family is None:
        sound = student == AUTO or (prefix.isidentifier() and ":" not in student)
    else:
        sound = bool(rest) == bool(family.rest) and (not family.names or rest in family.names)
    if not sound:
        known = [AUTO, *(each for one in built_in().values() for each in one.spellings())]
        raise ValueError(
            f"expected one of {', '.join(known)}, but got '{student}'{nearest(student, known)}"
        )


def require_packages(family: Family, purpose: str) -> None:
    """Check that what a family needs is installed.

    Raises:
        MissingExtra: naming the extra.
    """
    if any(find_spec(package) is None for package in family.packages):
        raise MissingExtra(purpose, "train")


def initial_weights(
    settings: StudentSettings, kind: str, load: Callable[[], Detector]
) -> tuple[Family, InitialWeights] | None:
    """Return the family that can start from a detector's weights, and the weights.

    Args:
        settings: they name a family, or auto: then all families that come with the package are
            asked, in order.
        kind: of the detector, what stands before the colon in its name.
        load: returns the detector; called only if a family takes weights of this kind.
    """
    named = None if settings.student == AUTO else family_of(settings)
    for family in built_in().values() if settings.student == AUTO else (named,):
        if family is not None and kind in family.detector_kinds:
            weights = family.start_from(load())
            if weights is not None:
                return family, weights
    return None


def _by_prefix(families: Mapping[str, Family], prefix: str) -> Family | None:
    return next((f for f in families.values() if (f.prefix or f.name) == prefix), None)


def _plug_ins() -> dict[str, Family]:
    """Return the families of other packages, by name.

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
        found[family.name] = family
    return found
