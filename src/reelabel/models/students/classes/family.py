"""What a family of students that classify provides."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from reelabel.data.boxes import Floats
from reelabel.errors import UsageError
from reelabel.models.base import Classify, Window
from reelabel.models.students.classes.card import ClassCard
from reelabel.models.students.family import Family, NetworkFamily, OnePassFamily
from reelabel.models.students.folder import WEIGHTS
from reelabel.models.students.settings import ClassStudentSettings, Device, Output

if TYPE_CHECKING:
    from reelabel.models.students.classes.networks.base import ClassNetwork


class ClassFamily(Family[ClassStudentSettings, ClassCard]):
    """One kind of student that classifies.

    Attributes:
        frames: pictures per window that it is made for; 1 for students of single pictures.
        any_length: windows may have fewer pictures than the longest; else the last is repeated.
    """

    output: ClassVar[Output] = "classes"
    frames: ClassVar[int] = 1
    any_length: ClassVar[bool] = False

    def can_start(self, settings: ClassStudentSettings) -> bool:
        """Return whether it classifies what the settings name: pictures, or windows of them."""
        return (self.frames > 1) == settings.clips

    def check(self, settings: ClassStudentSettings) -> None:
        """Check that the settings suit the family; a student of single pictures takes windows too.

        Raises:
            UsageError: if it classifies windows, but the task is single pictures.
        """
        if self.frames > 1 and not settings.clips:
            raise UsageError(
                f"expected a student that classifies single pictures, but '{settings.student}' "
                "classifies clips: choose another student"
            )

    @abstractmethod
    def open(self, model_dir: Path, card: ClassCard) -> Classify:
        """Load a trained student and return the function that classifies.

        Raises:
            ModelError: if its files are missing, damaged, or do not belong together.
        """


class ClassNetworkFamily(ClassFamily, NetworkFamily[ClassStudentSettings, ClassCard]):
    """A family of torch networks that classify."""

    mixed_precision: ClassVar[frozenset[Device]] = frozenset({"cpu", "cuda"})

    @abstractmethod
    def build(
        self, settings: ClassStudentSettings, classes: tuple[str, ...], frames: int
    ) -> ClassNetwork:
        """Return a new student.

        Args:
            settings: the member of the family, its initial weights, its input size.
            classes: class names, in the order of the outputs.
            frames: pictures in the longest window of the training data.

        Raises:
            ModelError: if the initial weights cannot be used.
        """

    def options(self, settings: ClassStudentSettings) -> dict[str, Any]:
        """Return the settings that the network is built from, for ``arch``."""
        del settings
        return {}

    @abstractmethod
    def rebuild(self, model_dir: Path, card: ClassCard) -> ClassNetwork:
        """Return the network that a card describes, its weights not yet those of the folder."""

    def load(self, model_dir: Path, card: ClassCard) -> ClassNetwork:
        """Return the student of a trained folder, in eval mode, on the CPU.

        Raises:
            ModelError: if weights are missing, damaged, or do not fit `model.json`.
        """
        from reelabel.models.students.weights import load_exactly  # noqa: PLC0415 -- imports torch

        network = self.rebuild(model_dir, card)
        load_exactly(network, model_dir / WEIGHTS)
        return network.eval()

    def open(self, model_dir: Path, card: ClassCard) -> Classify:
        """Load the network, on the GPU if there is one."""
        from reelabel.models.students.classes import inference  # noqa: PLC0415 -- imports torch
        from reelabel.models.students.torch_inference import prepared_device  # noqa: PLC0415 -- torch

        device = prepared_device()
        network = self.load(model_dir, card).to(device)
        return inference.ClassPredictor(network, card, device, any_length=self.any_length)


class RecurrentFamily(ClassNetworkFamily):
    """A family whose head goes through the pictures one after the other, and may see changes."""

    any_length = True

    def options(self, settings: ClassStudentSettings) -> dict[str, Any]:
        """Return whether differences are given too."""
        return {"differences": settings.differences}


class ClassOnePassFamily(ClassFamily, OnePassFamily[ClassStudentSettings, ClassCard]):
    """A family that learns classes in one pass."""

    @abstractmethod
    def learn(
        self, examples: Iterable[tuple[Window, Floats]], classes: tuple[str, ...]
    ) -> dict[str, Any]:
        """Return what `model.json` keeps as ``arch``.

        Args:
            examples: windows with their targets ``(k,)``: 1 right, 0 not, NaN unknown.
            classes: class names, in the order of the columns.
        """
