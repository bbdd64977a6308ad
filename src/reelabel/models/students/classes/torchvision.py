"""Classifiers of torchvision as a family."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reelabel.models.students.classes.library import SHORT_NAMES, LibraryFamily

if TYPE_CHECKING:
    from torch import nn

    from reelabel.models.students.classes.networks.library import BaseNetwork


class TorchvisionFamily(LibraryFamily):
    """Any network of torchvision that ends in a linear layer."""

    name = "torchvision"
    rest = "NAME"
    short_names = SHORT_NAMES
    purpose = "any network of torchvision, with its weights"

    def source(self, student: str) -> str:
        """Return the network that follows the colon, or that a short name stands for."""
        return f"torchvision:{self.member(student)}"

    def parts(
        self, base_net: BaseNetwork, classes: int, arch: dict[str, Any], *, dropout: float
    ) -> tuple[nn.Module, nn.Module]:
        """Return the network and a linear layer."""
        from reelabel.models.students.classes.networks import base  # noqa: PLC0415 -- torch

        del arch
        return base.PerPicture(base_net.net), base.MeanHead(base_net.features, classes, dropout)


FAMILY = TorchvisionFamily()
