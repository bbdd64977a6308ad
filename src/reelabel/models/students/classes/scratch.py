"""Families of small networks whose initial weights are random, or those of an earlier student."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from reelabel.errors import UsageError
from reelabel.models.students.classes.card import ClassCard
from reelabel.models.students.classes.family import ClassNetworkFamily
from reelabel.models.students.classes.inputs import Preprocessing
from reelabel.models.students.settings import ClassStudentSettings

if TYPE_CHECKING:
    from torch import nn

    from reelabel.models.students.classes.networks.base import ClassNetwork


class ScratchFamily(ClassNetworkFamily):
    """A small network of our own.

    Attributes:
        size: side of the input in pixels, where the settings name none.
    """

    size: ClassVar[int]

    @abstractmethod
    def parts(
        self, size: int, classes: int, arch: dict[str, Any], *, dropout: float
    ) -> tuple[nn.Module, nn.Module]:
        """Return a backbone and a head as `ClassNetwork` takes them.

        Args:
            size: side of the input in pixels.
            classes: number of outputs.
            arch: what `model.json` keeps; see `options`.
            dropout: share of the features that each training step leaves out.
        """

    def check(self, settings: ClassStudentSettings) -> None:
        """Check that the settings suit the family.

        Raises:
            UsageError: as `ClassFamily.check` does, and for weights that nobody publishes.
        """
        super().check(settings)
        if settings.weights == "pretrained":
            raise UsageError(
                f"expected the file of an earlier student in 'weights', but got 'pretrained', which"
                f" '{settings.student}' has not: leave it out, or choose another student"
            )

    def build(
        self, settings: ClassStudentSettings, classes: tuple[str, ...], frames: int
    ) -> ClassNetwork:
        """Return a new network, with the weights of an earlier student if they are named."""
        from reelabel.models.students.classes.networks import base  # noqa: PLC0415 -- torch
        from reelabel.models.students.weights import load_matching  # noqa: PLC0415 -- torch
        from reelabel.models.torch_tools import read_state  # noqa: PLC0415 -- on demand

        how = Preprocessing(size=settings.image_size or self.size)
        taken = 1 if self.frames == 1 else settings.frames or frames
        arch = self.options(settings)
        backbone, head = self.parts(how.size, len(classes), arch, dropout=settings.dropout)
        network = base.ClassNetwork(backbone, head, preprocessing=how, frames=taken, arch=arch)
        if isinstance(settings.weights, Path):
            load_matching(network, read_state(settings.weights))
        return network

    def rebuild(self, model_dir: Path, card: ClassCard) -> ClassNetwork:
        """Return the network for a card's classes and input."""
        from reelabel.models.students.classes.networks import base  # noqa: PLC0415 -- torch

        del model_dir
        how, arch = card.preprocessing, card.arch
        backbone, head = self.parts(how.size, len(card.classes), arch, dropout=0.0)
        return base.ClassNetwork(backbone, head, preprocessing=how, frames=card.frames, arch=arch)
