"""Video classifiers of the transformers library as a family."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from reelabel.errors import UsageError
from reelabel.models.hub import check_name as check_hub_name
from reelabel.models.spec import Request
from reelabel.models.students.classes.card import ClassCard
from reelabel.models.students.classes.family import ClassNetworkFamily
from reelabel.models.students.settings import ClassStudentSettings

if TYPE_CHECKING:
    from torch import nn

    from reelabel.models.students.classes.networks.base import ClassNetwork


class HfVideoFamily(ClassNetworkFamily):
    """VideoMAE, TimeSformer, ViViT, V-JEPA 2 and VideoPrism, from a hub id or a local folder."""

    name = "hf-video"
    rest = "ID_OR_FOLDER"
    purpose = "VideoMAE, TimeSformer, ViViT, V-JEPA 2, VideoPrism, with their weights; for GPUs"
    packages = ("torch", "lightning", "transformers")
    files = (*ClassNetworkFamily.files, "config.json")
    frames = 16

    def check(self, settings: ClassStudentSettings) -> None:
        """Check that the settings suit the family.

        Raises:
            UsageError: as `ClassFamily.check` does, and for weights beside those of the name.
        """
        super().check(settings)
        if settings.weights is not None or settings.image_size:
            raise UsageError(
                f"'{settings.student}' brings its own weights and input size: leave 'weights' and "
                "'image_size' out"
            )

    def check_name(self, student: str) -> None:
        """Check that what follows the colon is a folder, or can be a hub id."""
        check_hub_name(Request(student, self.member(student)))

    def build(
        self, settings: ClassStudentSettings, classes: tuple[str, ...], frames: int
    ) -> ClassNetwork:
        """Return the pretrained network with a head for these classes; it fixes the frames.

        Raises:
            ModelError: if there is no such model, or it is no video classifier.
            UsageError: if its licence forbids commercial use and that is not accepted.
        """
        from reelabel.models.students.classes.networks import hf_video  # noqa: PLC0415 -- slow

        del frames
        return hf_video.pretrained(self.member(settings.student), len(classes), settings)

    def save(self, model_dir: Path, student: nn.Module) -> None:
        """Write the weights, and the library's ``config.json``."""
        super().save(model_dir, student)
        cast("Any", student).backbone.net.config.save_pretrained(model_dir)

    def rebuild(self, model_dir: Path, card: ClassCard) -> ClassNetwork:
        """Return the network that ``config.json`` describes."""
        from reelabel.models.students.classes.networks import hf_video  # noqa: PLC0415 -- slow

        return hf_video.from_folder(model_dir, card)


FAMILY = HfVideoFamily()
