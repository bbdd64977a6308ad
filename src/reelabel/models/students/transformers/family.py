"""Detectors of the transformers library as a family."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from reelabel.models.hub import check_name as check_hub_name
from reelabel.models.spec import Request
from reelabel.models.students.box_family import BoxNetworkFamily, InitialWeights
from reelabel.models.students.folder import ModelCard
from reelabel.models.students.settings import BoxStudentSettings

if TYPE_CHECKING:
    from torch import nn


class TransformersFamily(BoxNetworkFamily):
    """D-FINE, RT-DETR, DETR, YOLOS and others, from a hub id or a local folder."""

    name = "transformers"
    prefix = "hf"
    rest = "ID_OR_FOLDER"
    purpose = "D-FINE, RT-DETR, DETR, YOLOS ..."
    files = (*BoxNetworkFamily.files, "config.json")
    mixed_precision = frozenset()  # the losses of these networks need full precision

    def check_name(self, student: str) -> None:
        """Check that what follows the colon is a folder, or can be a hub id."""
        check_hub_name(Request(student, self.member(student)))

    def build(self, settings: BoxStudentSettings, classes: tuple[str, ...]) -> nn.Module:
        """Return the pretrained network with a head for these classes."""
        from reelabel.models.students.transformers import network  # noqa: PLC0415 -- slow to load

        return network.from_settings(settings, classes)

    def save(self, model_dir: Path, student: nn.Module) -> None:
        """Write the library's own folder: ``config.json`` and the weights."""
        cast("Any", student).net.save_pretrained(model_dir)

    def load(self, model_dir: Path, card: ModelCard) -> nn.Module:
        """Return the student of a finished folder."""
        from reelabel.models.students.transformers import network  # noqa: PLC0415 -- slow to load

        return network.load(model_dir, card).eval()

    def continued(
        self, model_dir: Path, card: ModelCard, classes: tuple[str, ...]
    ) -> InitialWeights | None:
        """Return the folder of a student: the library reads network and weights from it."""
        same = card.classes == classes
        return InitialWeights(f"{self.prefix}:{model_dir}", None, classes) if same else None


FAMILY = TransformersFamily()
