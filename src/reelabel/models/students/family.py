"""What every family of students provides; each family is one object.

`box_family` and `classes.family` define families that find boxes and classes. A family's module is
imported to answer questions about settings, so it must not import torch at its top: methods that
need the network import it themselves.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from reelabel.models.students.folder import WEIGHTS, Card
from reelabel.models.students.settings import Device, Output, StudentSettings

if TYPE_CHECKING:
    from torch import nn

S = TypeVar("S", bound=StudentSettings)
C = TypeVar("C", bound=Card)


class Family(ABC, Generic[S, C]):
    """One kind of student.

    Attributes:
        output: what its students find.
        name: identifies the family in settings and in `model.json`.
        prefix: what `student` begins with if that differs from the name.
        rest: what follows the colon in `student`, for messages; empty if nothing does.
        names: the values that may follow the colon; empty allows any.
        short_names: values that need no prefix and colon.
        purpose: one line for people who choose.
        defaults: settings that differ from those of the settings type; used where the user sets
            none.
        packages: what must be installed.
        files: what a trained model folder holds beside `model.json`.
    """

    output: ClassVar[Output]
    name: ClassVar[str]
    prefix: ClassVar[str] = ""
    rest: ClassVar[str] = ""
    names: ClassVar[tuple[str, ...]] = ()
    short_names: ClassVar[tuple[str, ...]] = ()
    purpose: ClassVar[str] = ""
    defaults: ClassVar[Mapping[str, object]] = {}
    packages: ClassVar[tuple[str, ...]] = ()
    files: ClassVar[tuple[str, ...]] = ()

    @property
    def usage(self) -> str:
        """How `student` names this family, with a placeholder for what follows the colon."""
        prefix = self.prefix or self.name
        return f"{prefix}:{self.rest}" if self.rest else prefix

    def spellings(self) -> tuple[str, ...]:
        """Return the values of `student` that name this family; `usage` if any name may follow."""
        named = tuple(self.usage.replace(self.rest, each) for each in self.names)
        return (*self.short_names, *(named or (self.usage,)))

    def is_named(self, student: str) -> bool:
        """Return whether a value of `student` names this family, or a member of it."""
        prefix, _, rest = student.partition(":")
        mine = prefix == (self.prefix or self.name) and bool(rest) == bool(self.rest)
        return student in self.short_names or (mine and (not self.names or rest in self.names))

    def member(self, student: str) -> str:
        """Return which member of the family a value of `student` names: what follows the colon."""
        return student if student in self.short_names else student.partition(":")[2]

    def can_start(self, settings: S) -> bool:
        """Return whether these settings name everything that the student starts from."""
        del settings
        return True

    def check(self, settings: S) -> None:
        """Check that the settings suit the family.

        Raises:
            UsageError: if they do not; the message names what to set.
        """
        del settings

    def check_name(self, student: str) -> None:
        """Check that a value of `student` names what exists, as far as is known without a download.

        Libraries that are not installed are not asked.

        Raises:
            ModelError: if it does not, with the nearest name.
        """
        del student

    def packages_for(self, model_dir: Path) -> tuple[str, ...]:
        """Return the packages that using a trained student needs; those of training by default."""
        del model_dir
        return self.packages

    @abstractmethod
    def open(self, model_dir: Path, card: C) -> Any:
        """Load a trained student and return the function that it is used by.

        Raises:
            ModelError: if its files are missing, damaged, or do not belong together.
        """


class NetworkFamily(Family[S, C]):
    """A family of torch networks, trained by gradient descent.

    Attributes:
        mixed_precision: devices on which `precision: auto` may use a 16-bit format.
        divisible: its students are of `targets.DivisibleStudent`.
    """

    packages: ClassVar[tuple[str, ...]] = ("torch", "lightning")
    files: ClassVar[tuple[str, ...]] = (WEIGHTS,)
    mixed_precision: ClassVar[frozenset[Device]] = frozenset({"cuda"})
    divisible: ClassVar[bool] = False

    def save(self, model_dir: Path, student: nn.Module) -> None:
        """Write everything but `model.json`."""
        from reelabel.models.students.weights import save_weights  # noqa: PLC0415 -- imports torch

        save_weights(model_dir / WEIGHTS, student.state_dict())


class OnePassFamily(Family[S, C]):
    """A family that learns from the labelled pictures in one pass, without gradients."""
