"""YOLOX as a family: it starts from the weights of an ONNX file, usually the detector's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from reelabel.errors import UsageError
from reelabel.models.base import Detector
from reelabel.models.coco import COCO_80
from reelabel.models.students.box_family import BoxNetworkFamily, InitialWeights
from reelabel.models.students.folder import MODEL_JSON, WEIGHTS, ModelCard, read_card
from reelabel.models.students.inference import Network
from reelabel.models.students.settings import BoxStudentSettings

if TYPE_CHECKING:
    from torch import nn

NETWORK = "model.onnx"
"""File in a model folder with the network for ONNX Runtime; optional, the weights are decisive."""


class YoloxFamily(BoxNetworkFamily):
    """Members of the YOLOX family (nano, tiny, s ...), trained further."""

    name = "yolox"
    purpose = "the YOLOX of an ONNX file (nano, tiny, s), trained from its weights"
    # Few steps at a low rate: what the weights know is easily lost. See docs/experiments.md.
    defaults = {  # noqa: RUF012 -- declared as a ClassVar in the base class
        "schedule": "cosine",
        "freeze_backbone": True,
        "image_size": 0,
        "crop": 320,
        "flip_test": True,
        "ema": 0.98,
        "epochs": 4,
        "min_steps": 160,
    }
    detector_kinds = ("onnx", "student")
    channels_last = True  # depthwise convolutions are half as fast again
    divisible = True

    def can_start(self, settings: BoxStudentSettings) -> bool:
        """Return whether an ONNX file is named, or the weights of an earlier student."""
        given = settings.weights
        return given is not None and (given.suffix == ".onnx" or _is_student(given))

    def check(self, settings: BoxStudentSettings) -> None:
        """Check that an ONNX file is named, or the weights of an earlier student.

        Raises:
            UsageError: if neither is.
        """
        if not self.can_start(settings):
            raise UsageError(
                "the student 'yolox' is trained from the weights of an ONNX file, or of an earlier "
                f"student ({WEIGHTS} in its folder): name one in 'weights', or choose another "
                f"student; got weights = {settings.weights}"
            )

    def detects_untrained(self, settings: BoxStudentSettings, classes: Sequence[str]) -> bool:
        """Return whether it starts from the weights of a detector of one of the classes."""
        known = settings.source_classes or COCO_80
        return self.can_start(settings) and not set(known).isdisjoint(classes)

    def start_from(self, detector: Detector, classes: tuple[str, ...]) -> InitialWeights | None:
        """Return the file of an ONNX detector of the YOLOX family, or of an earlier student."""
        from reelabel.models.detectors.onnx import OnnxDetector  # noqa: PLC0415 -- on demand
        from reelabel.models.detectors.yolox import Yolox  # noqa: PLC0415 -- on demand

        if isinstance(detector, OnnxDetector) and isinstance(detector.family, Yolox):
            return InitialWeights(self.name, detector.path, detector.classes)
        return super().start_from(detector, classes)

    def continued(
        self, model_dir: Path, card: ModelCard, classes: tuple[str, ...]
    ) -> InitialWeights:
        """Return the weights of a student; its head's rows are taken by the names of classes."""
        del classes
        return InitialWeights(self.name, model_dir / WEIGHTS, card.classes)

    def build(self, settings: BoxStudentSettings, classes: tuple[str, ...]) -> nn.Module:
        """Return the network of an ONNX file or student with a head for these classes.

        Raises:
            UsageError: if neither is named.
            ModelError: if the file is not of this network.
        """
        from reelabel.models.students.yolox.network import YoloxNetwork  # noqa: PLC0415 -- torch
        from reelabel.models.students.yolox.student import YoloxStudent  # noqa: PLC0415 -- torch

        self.check(settings)
        given = settings.weights or Path()
        if _is_student(given):
            card = read_card(given.parent)
            net: YoloxNetwork = cast("Any", self.load(given.parent, card)).net
            net.keep_classes(classes, settings.source_classes or card.classes)
        else:
            net = YoloxNetwork.from_onnx(given, classes, settings.source_classes or COCO_80)
        return YoloxStudent(
            net, frozen=settings.freeze_backbone, negative_weight=settings.negative_weight
        )

    def save(self, model_dir: Path, student: nn.Module) -> None:
        """Write the weights, and the network for ONNX Runtime."""
        from reelabel.models.students.yolox import yolox_onnx  # noqa: PLC0415 -- imports torch

        super().save(model_dir, student)
        yolox_onnx.write_network(model_dir / NETWORK, student)

    def load(self, model_dir: Path, card: ModelCard) -> nn.Module:
        """Return the member of the family that ``arch`` describes, with its weights."""
        from reelabel.models.students.weights import load_exactly  # noqa: PLC0415 -- imports torch
        from reelabel.models.students.yolox.network import YoloxNetwork  # noqa: PLC0415 -- torch
        from reelabel.models.students.yolox.student import YoloxStudent  # noqa: PLC0415 -- torch

        net = YoloxNetwork(len(card.classes), **card.arch)
        return load_exactly(YoloxStudent(net), model_dir / WEIGHTS).eval()

    def onnx_form(self, student: nn.Module) -> nn.Module:
        """Return the network with the inputs and outputs of YOLOX's own exports."""
        from reelabel.models.students.yolox import yolox_onnx  # noqa: PLC0415 -- imports torch

        return yolox_onnx.PublishedForm(student)

    def packages_for(self, model_dir: Path) -> tuple[str, ...]:
        """Return nothing if the network for ONNX Runtime is there."""
        return () if (model_dir / NETWORK).is_file() else self.packages

    def cpu_network(self, model_dir: Path, card: ModelCard) -> Network | None:
        """Return the ONNX network, which is several times faster on a CPU."""
        from reelabel.models.students.yolox.session import onnx_network  # noqa: PLC0415 -- on demand

        del card
        path = model_dir / NETWORK
        return onnx_network(path) if path.is_file() else None


def _is_student(weights: Path) -> bool:
    """Return whether a file holds the weights of a student of this family."""
    folder = weights.parent
    known = weights.name == WEIGHTS and (folder / MODEL_JSON).is_file()
    return known and read_card(folder).kind == YoloxFamily.name


FAMILY = YoloxFamily()
