"""Families around networks of timm and torchvision, which have published weights."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from reelabel.errors import UsageError
from reelabel.models.students.classes.card import ClassCard
from reelabel.models.students.classes.family import ClassNetworkFamily
from reelabel.models.students.classes.licences import check_licence
from reelabel.models.students.settings import ClassStudentSettings
from reelabel.models.timm_names import check_timm_name
from reelabel.models.torchvision_names import check_torchvision_name

if TYPE_CHECKING:
    from torch import nn

    from reelabel.models.students.classes.networks.base import ClassNetwork
    from reelabel.models.students.classes.networks.library import BaseNetwork, State

SHORT_NAMES = (
    "mobilenet_v2",
    "mobilenet_v3_small",
    "mobilenet_v3_large",
    "efficientnet_b0",
    "resnet18",
    "resnet50",
)
"""Networks of torchvision that need no prefix."""

PRETRAINED_RATE = 0.1
"""Learning rate of a backbone with initial weights, relative to that of the head."""


class LibraryFamily(ClassNetworkFamily):
    """Students whose backbone is a network of a library.

    Attributes:
        library: timm or torchvision, whose networks its members are.
        maps: the backbone's features are maps, without the mean over the picture.
        size: side of the input in pixels, where the settings name none; 0: the network's own.
    """

    library: ClassVar[str] = "timm"
    maps: ClassVar[bool] = False
    size: ClassVar[int] = 0

    def source(self, student: str) -> str:
        """Return the network that `student` names: ``timm:NAME`` or ``torchvision:NAME``."""
        return f"{self.library}:{self.member(student)}"

    def parts(
        self, base_net: BaseNetwork, classes: int, arch: dict[str, Any], *, dropout: float
    ) -> tuple[nn.Module, nn.Module]:
        """Return a backbone and a head as `ClassNetwork` takes them: one linear layer, if not else.

        Args:
            base_net: the network without its last layer.
            classes: number of outputs.
            arch: what `model.json` keeps; see `options`.
            dropout: share of the features that each training step leaves out.
        """
        from reelabel.models.students.classes.networks import base  # noqa: PLC0415 -- torch

        del arch
        return base.PerPicture(base_net.net), base.MeanHead(base_net.features, classes, dropout)

    def frames_for(self, source: str, frames: int) -> int:
        """Return how many pictures the network is given, if the longest window has so many."""
        del source
        return frames

    def check(self, settings: ClassStudentSettings) -> None:
        """Check that the settings suit the family.

        Raises:
            UsageError: as `ClassFamily.check` does, and for a frozen backbone without weights.
        """
        super().check(settings)
        if settings.backbone == "frozen" and settings.weights is None:
            raise UsageError(
                f"a frozen backbone needs initial weights, but '{settings.student}' has none: set "
                "'weights' to a file or to 'pretrained', or 'backbone' to tuned"
            )

    def check_name(self, student: str) -> None:
        """Check that the library, where it is installed, has the network."""
        if not self.names:
            check_source(self.source(student))

    def build(
        self, settings: ClassStudentSettings, classes: tuple[str, ...], frames: int
    ) -> ClassNetwork:
        """Return a network with the weights that the settings name, or with random ones.

        Raises:
            ModelError: if there is no such network, or its weights cannot be had or do not fit.
            UsageError: if their licence forbids commercial use and that is not accepted.
        """
        from reelabel.models.students.classes.networks import base, library  # noqa: PLC0415 -- torch
        from reelabel.models.students.weights import load_matching  # noqa: PLC0415 -- torch

        source = self.source(settings.student)
        state, where = self._state(source, settings)
        padding = library.TENSORFLOW if settings.padding == library.TENSORFLOW else ""
        spec = library.NetworkSpec(source, settings.image_size or self.size, padding, self.maps)
        ours = state is not None and any(key.startswith("backbone.") for key in state)
        base_net = library.build(spec, None if ours else state, where)
        arch = {"source": source, "padding": base_net.padding, **self.options(settings)}
        backbone, head = self.parts(base_net, len(classes), arch, dropout=settings.dropout)
        taken = 1 if self.frames == 1 else self.frames_for(source, settings.frames or frames)
        network = base.ClassNetwork(
            backbone, head, preprocessing=base_net.preprocessing, frames=taken, arch=arch
        )
        if state is not None:
            network.backbone_rate = PRETRAINED_RATE
            network.fixed_norms = not ours
            _load_last(network, base_net)
        if state is not None and ours:
            load_matching(network, state)
        return network

    def rebuild(self, model_dir: Path, card: ClassCard) -> ClassNetwork:
        """Return the network that a card describes."""
        from reelabel.models.students.classes.networks import base, library  # noqa: PLC0415 -- torch

        del model_dir
        size, padding = card.preprocessing.size, card.arch["padding"]
        spec = library.NetworkSpec(card.arch["source"], size, padding, self.maps)
        backbone, head = self.parts(library.build(spec), len(card.classes), card.arch, dropout=0.0)
        return base.ClassNetwork(
            backbone, head, preprocessing=card.preprocessing, frames=card.frames, arch=card.arch
        )

    def _state(self, source: str, settings: ClassStudentSettings) -> tuple[State | None, str]:
        """Return the initial weights, and where they are from."""
        from reelabel.models.students.classes.networks import library  # noqa: PLC0415 -- torch
        from reelabel.models.torch_tools import read_state  # noqa: PLC0415 -- on demand
        from reelabel.models.weights import resolve  # noqa: PLC0415 -- on demand

        if settings.weights is None:
            return None, ""
        if isinstance(settings.weights, Path):
            return read_state(settings.weights), str(settings.weights)
        theirs = library.published(source)
        check_licence(source, theirs.licence, settings)
        return read_state(resolve(theirs.url).path), theirs.url


def source_of(name: str) -> str:
    """Return which network a name stands for.

    Args:
        name: ``timm:NAME``, ``torchvision:NAME`` or one of `SHORT_NAMES`.

    Raises:
        UsageError: if it is something else.
    """
    library, _, rest = name.partition(":")
    if name in SHORT_NAMES:
        return f"torchvision:{name}"
    if library in {"timm", "torchvision"} and rest:
        return name
    raise UsageError(
        f"expected one of {', '.join(SHORT_NAMES)}, timm:NAME or torchvision:NAME, but got '{name}'"
    )


def check_source(source: str) -> None:
    """Check that a library, where it is installed, has a network that judges pictures.

    Args:
        source: ``timm:NAME`` or ``torchvision:NAME``.

    Raises:
        ModelError: if it has not, with the nearest name.
    """
    library, _, name = source.partition(":")
    with suppress(ModuleNotFoundError):  # a run names the extra
        (check_timm_name if library == "timm" else check_torchvision_name)(name)


def _load_last(network: ClassNetwork, base_net: BaseNetwork) -> None:
    """Take over the last layer of the initial weights if it has as many classes."""
    own = dict(network.head.named_parameters())
    for name, value in base_net.last.items():
        mine = own.get(f"linear.{name}")
        if mine is not None and mine.shape == value.shape:
            mine.data.copy_(value)
