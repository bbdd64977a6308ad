"""Classifiers of timm as a family."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reelabel.models.students.classes.library import LibraryFamily

if TYPE_CHECKING:
    from torch import nn

    from reelabel.models.students.classes.networks.library import BaseNetwork


class TimmFamily(LibraryFamily):
    """Any network of timm."""

    name = "timm"
    rest = "NAME"
    purpose = "any network of timm, with its weights"
    packages = ("torch", "lightning", "timm")

    def source(self, student: str) -> str:
        """Return the network that follows the colon."""
        return f"timm:{self.member(student)}"

    def parts(
        self, base_net: BaseNetwork, classes: int, arch: dict[str, Any], *, dropout: float
    ) -> tuple[nn.Module, nn.Module]:
        """Return the network and a linear layer."""
        from reelabel.models.students.classes.networks import base  # noqa: PLC0415 -- torch

        del arch
        return base.PerPicture(base_net.net), base.MeanHead(base_net.features, classes, dropout)


FAMILY = TimmFamily()
