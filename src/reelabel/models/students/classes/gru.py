"""Frozen features and their changes with a recurrent head for clips as a family."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reelabel.models.students.classes.family import RecurrentFamily
from reelabel.models.students.classes.library import LibraryFamily, source_of
from reelabel.models.students.settings import ClassStudentSettings

if TYPE_CHECKING:
    from torch import nn

    from reelabel.models.students.classes.networks.library import BaseNetwork


class GruFamily(RecurrentFamily, LibraryFamily):
    """A GRU on the features of a picture network; the backbone is frozen unless set otherwise."""

    name = "gru"
    rest = "BACKBONE"
    purpose = "a GRU on a frozen network's features and their changes: fast, but weak on motion"
    defaults = {"backbone": "frozen"}  # noqa: RUF012 -- declared as a ClassVar in the base class
    frames = 8

    def source(self, student: str) -> str:
        """Return the network that follows the colon."""
        return source_of(self.member(student))

    def check(self, settings: ClassStudentSettings) -> None:
        """Check that the settings suit the family.

        Raises:
            UsageError: as `LibraryFamily.check` does, and for an unknown backbone.
        """
        super().check(settings)
        self.source(settings.student)

    def parts(
        self, base_net: BaseNetwork, classes: int, arch: dict[str, Any], *, dropout: float
    ) -> tuple[nn.Module, nn.Module]:
        """Return the network and the GRU."""
        from reelabel.models.students.classes.networks import (  # noqa: PLC0415 -- torch
            base,
            recurrent,
        )

        head = recurrent.GruHead(
            base_net.features, classes, differences=arch["differences"], dropout=dropout
        )
        return base.PerPicture(base_net.net), head


FAMILY = GruFamily()
