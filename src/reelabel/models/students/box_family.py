"""What a family of students that find boxes provides."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ClassVar

from reelabel.data.boxes import Boxes
from reelabel.models.base import Detector, Image, Predict
from reelabel.models.students.family import Family, NetworkFamily, OnePassFamily
from reelabel.models.students.folder import WEIGHTS, ModelCard
from reelabel.models.students.inference import Network, Predictor
from reelabel.models.students.settings import BoxStudentSettings, Output

if TYPE_CHECKING:
    from torch import nn


_NVIDIA = Path("/dev/nvidiactl")


@dataclass(frozen=True)
class InitialWeights:
    """Weights that a student can start from.

    Attributes:
        student: value of the setting `student` that names their network.
        path: the file; None if `student` names it already.
        classes: the class names of its head, in order.
    """

    student: str
    path: Path | None
    classes: tuple[str, ...]


class BoxFamily(Family[BoxStudentSettings, ModelCard]):
    """One kind of student that finds boxes.

    Attributes:
        detector_kinds: detectors (the part before the colon) whose weights may serve as a start.
        reduces_input: pictures are reduced to the card's `image_size` before detection.
    """

    output: ClassVar[Output] = "boxes"
    detector_kinds: ClassVar[tuple[str, ...]] = ()
    reduces_input: ClassVar[bool] = True

    def detects_untrained(self, settings: BoxStudentSettings, classes: Sequence[str]) -> bool:
        """Return whether the student detects any of its classes before its first training step."""
        del settings, classes
        return False

    def start_from(self, detector: Detector, classes: tuple[str, ...]) -> InitialWeights | None:
        """Return the detector's weights if a student of this family can start from them.

        Args:
            detector: the one that labels.
            classes: that the student is to find.
        """
        del detector, classes
        return None

    @abstractmethod
    def open(self, model_dir: Path, card: ModelCard) -> Predict:
        """Load a trained student and return the function that detects.

        Raises:
            ModelError: if its files are missing, damaged, or do not belong together.
        """


class BoxNetworkFamily(BoxFamily, NetworkFamily[BoxStudentSettings, ModelCard]):
    """A family of torch networks that find boxes.

    Attributes:
        channels_last: train with the colour channels last in memory.
    """

    channels_last: ClassVar[bool] = False
    detector_kinds: ClassVar[tuple[str, ...]] = ("student",)

    def start_from(self, detector: Detector, classes: tuple[str, ...]) -> InitialWeights | None:
        """Return the weights of an earlier student of this family, if it has the same classes."""
        card, folder = (getattr(detector, name, None) for name in ("card", "model_dir"))
        if not isinstance(card, ModelCard) or folder is None or card.kind != self.name:
            return None
        return self.continued(Path(folder), card, classes)

    def continued(
        self, model_dir: Path, card: ModelCard, classes: tuple[str, ...]
    ) -> InitialWeights | None:
        """Return the weights of a student of this family, None if they do not fit the classes."""
        if card.classes != classes:
            return None  # the rows of its head stand for others
        member = f"{self.prefix or self.name}:{card.arch['name']}" if self.rest else self.name
        return InitialWeights(member, model_dir / WEIGHTS, card.classes)

    @abstractmethod
    def build(self, settings: BoxStudentSettings, classes: tuple[str, ...]) -> nn.Module:
        """Return a new student: a module that is also a `targets.Student`.

        Raises:
            ModelError: if the initial weights cannot be used.
        """

    @abstractmethod
    def load(self, model_dir: Path, card: ModelCard) -> nn.Module:
        """Return the student of a trained folder, in eval mode, on the CPU.

        Raises:
            ModelError: if weights are missing, damaged, or do not fit `model.json`.
        """

    def cpu_network(self, model_dir: Path, card: ModelCard) -> Network | None:
        """Return an equal network that a CPU runs faster without torch, None if there is none."""
        del model_dir, card
        return None

    def onnx_form(self, student: nn.Module) -> nn.Module | None:
        """Return what is written as ONNX, in the form that the detector ``onnx:`` takes.

        Returns:
            A module from BGR pictures ``(b, 3, h, w)`` float32 of 0..255 to the outputs of the
            family's own exports; None if there is no such form.
        """
        del student
        return None

    def open(self, model_dir: Path, card: ModelCard) -> Predict:
        """Load the network, on the GPU if there is one."""
        return Predictor(self._network(model_dir, card), card)

    def network_of(self, student: nn.Module, card: ModelCard) -> Network:
        """Return what a student that is not saved finds, on the GPU if there is one."""
        with TemporaryDirectory() as folder:
            self.save(Path(folder), copy.deepcopy(student).eval())
            return self._network(Path(folder), card)

    def _network(self, model_dir: Path, card: ModelCard) -> Network:
        on_cpu = None if _has_torch_gpu() else self.cpu_network(model_dir, card)
        return on_cpu or self._torch_network(model_dir, card)

    def _torch_network(self, model_dir: Path, card: ModelCard) -> Network:
        from reelabel.models.students.torch_inference import (  # noqa: PLC0415 -- imports torch
            prepared_device,
            torch_network,
        )

        device = prepared_device()
        return torch_network(self.load(model_dir, card).to(device), device)


class BoxOnePassFamily(BoxFamily, OnePassFamily[BoxStudentSettings, ModelCard]):
    """A family that learns boxes in one pass."""

    @abstractmethod
    def learn(
        self, examples: Iterable[tuple[Image, Boxes]], classes: tuple[str, ...]
    ) -> dict[str, Any]:
        """Return what `model.json` keeps as ``arch``.

        Args:
            examples: pictures that have positive labels, with these labels.
            classes: class names, in the order of the class ids.
        """


def _has_torch_gpu() -> bool:
    """Return whether torch is installed and a driver of NVIDIA GPUs loaded; torch is not."""
    return _NVIDIA.exists() and find_spec("torch") is not None
