"""What a family of students provides; each family is one object of one of the two classes here.

A family's module is imported to answer questions about settings, so it must not import torch at its
top: methods that need the network import it themselves.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from reelabel.data.boxes import Boxes
from reelabel.models.base import Detector, Image, Predict
from reelabel.models.students.folder import WEIGHTS, ModelCard
from reelabel.models.students.settings import Device, StudentSettings

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class InitialWeights:
    """Weights that a student can start from.

    Attributes:
        path: the file.
        classes: the class names of its head, in order.
    """

    path: Path
    classes: tuple[str, ...]


class Family(ABC):
    """One kind of student.

    Attributes:
        name: identifies the family in settings and in `model.json`.
        prefix: what `student` begins with if that differs from the name.
        rest: what follows the colon in `student`, for messages; empty if nothing does.
        names: the values that may follow the colon; empty allows any.
        purpose: one line for people who choose.
        defaults: settings that differ from those of `TrainSettings`; used where the user sets none.
        packages: what must be installed.
        files: what a trained model folder holds beside `model.json`.
        detector_kinds: detectors (the part before the colon) whose weights may serve as a start.
        reduces_input: pictures are reduced to the card's `image_size` before detection.
    """

    name: ClassVar[str]
    prefix: ClassVar[str] = ""
    rest: ClassVar[str] = ""
    names: ClassVar[tuple[str, ...]] = ()
    purpose: ClassVar[str] = ""
    defaults: ClassVar[Mapping[str, object]] = {}
    packages: ClassVar[tuple[str, ...]] = ()
    files: ClassVar[tuple[str, ...]] = ()
    detector_kinds: ClassVar[tuple[str, ...]] = ()
    reduces_input: ClassVar[bool] = True

    @property
    def usage(self) -> str:
        """How `student` names this family, with a placeholder for what follows the colon."""
        prefix = self.prefix or self.name
        return f"{prefix}:{self.rest}" if self.rest else prefix

    def spellings(self) -> tuple[str, ...]:
        """Return the values of `student` that name this family; `usage` if any name may follow."""
        return tuple(self.usage.replace(self.rest, each) for each in self.names) or (self.usage,)

    def can_start(self, settings: StudentSettings) -> bool:
        """Return whether these settings name everything that the student starts from."""
        del settings
        return True

    def check(self, settings: StudentSettings) -> None:
        """Check that the settings suit the family.

        Raises:
            UsageError: if they do not; the message names what to set.
        """
        del settings

    def detects_untrained(self, settings: StudentSettings) -> bool:
        """Return whether the student detects its classes before its first training step."""
        del settings
        return False

    def start_from(self, detector: Detector) -> InitialWeights | None:
        """Return the detector's weights if a student of this family can start from them."""
        del detector
        return None

    @abstractmethod
    def open(self, model_dir: Path, card: ModelCard) -> Predict:
        """Load a trained student and return the function that detects.

        Raises:
            ModelError: if its files are missing, damaged, or do not belong together.
        """


class NetworkFamily(Family):
    """A family of torch networks, trained by gradient descent.

    Attributes:
        mixed_precision: devices on which `precision: auto` may use a 16-bit format.
        channels_last: train with the colour channels last in memory.
    """

    packages = ("torch", "lightning")
    files: ClassVar[tuple[str, ...]] = (WEIGHTS,)
    mixed_precision: ClassVar[frozenset[Device]] = frozenset({"cuda"})
    channels_last: ClassVar[bool] = False

    @abstractmethod
    def build(self, settings: StudentSettings, classes: tuple[str, ...]) -> nn.Module:
        """Return a new student: a module that is also a `targets.Student`.

        Raises:
            ModelError: if the initial weights cannot be used.
        """

    def save(self, model_dir: Path, student: nn.Module) -> None:
        """Write everything but `model.json`."""
        from reelabel.models.students.weights import save_weights  # noqa: PLC0415 -- imports torch

        save_weights(model_dir / WEIGHTS, student.state_dict())

    @abstractmethod
    def load(self, model_dir: Path, card: ModelCard) -> nn.Module:
        """Return the student of a trained folder, in eval mode, on the CPU.

        Raises:
            ModelError: if weights are missing, damaged, or do not fit `model.json`.
        """

    def load_for(self, device: Device, model_dir: Path, card: ModelCard) -> nn.Module:
        """Return the fastest equal network for detection on a device; `load`'s by default."""
        return self.load(model_dir, card).to(device)

    def open(self, model_dir: Path, card: ModelCard) -> Predict:
        """Load the network, on the GPU if there is one."""
        from reelabel.models.students import inference  # noqa: PLC0415 -- imports torch

        device = inference.prepared_device()
        return inference.Predictor(self.load_for(device, model_dir, card), card, device)


class OnePassFamily(Family):
    """A family that learns from the labelled pictures in one pass, without gradients."""

    @abstractmethod
    def learn(
        self, examples: Iterable[tuple[Image, Boxes]], classes: tuple[str, ...]
    ) -> dict[str, Any]:
        """Return what `model.json` keeps as ``arch``.

        Args:
            examples: pictures that have positive labels, with these labels.
            classes: class names, in the order of the class ids.
        """
