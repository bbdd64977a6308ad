"""Video classifiers of torchvision as a family."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reelabel.models.students.classes.library import LibraryFamily

if TYPE_CHECKING:
    from torch import nn

    from reelabel.models.students.classes.networks.library import BaseNetwork


class TorchvisionVideoFamily(LibraryFamily):
    """The networks of torchvision that classify clips; published weights are Kinetics-400's."""

    name = "torchvision-video"
    library = "torchvision"
    rest = "NAME"
    names = ("r3d_18", "mc3_18", "r2plus1d_18", "s3d", "mvit_v2_s", "swin3d_t")
    purpose = "3-D networks and video transformers of torchvision, with Kinetics weights"
    frames = 16

    def frames_for(self, source: str, frames: int) -> int:
        """Return as many pictures as the network can take."""
        from reelabel.models.students.classes.networks import library  # noqa: PLC0415 -- torch

        return library.frames_of(source, frames)

    def parts(
        self, base_net: BaseNetwork, classes: int, arch: dict[str, Any], *, dropout: float
    ) -> tuple[nn.Module, nn.Module]:
        """Return the network and a linear layer."""
        from reelabel.models.students.classes.networks import base  # noqa: PLC0415 -- torch

        del arch
        return base.WholeWindow(base_net.net), base.MeanHead(base_net.features, classes, dropout)


FAMILY = TorchvisionVideoFamily()
