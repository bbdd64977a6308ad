"""What can be chosen about a training, in one table."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from reelabel.errors import UsageError, nearest

STRIDE = 32
"""Input sides are multiples of this: the coarsest cell that any student has, in pixels."""

TORCHVISION_NAMES = (
    "fasterrcnn_mobilenet_v3_large_320_fpn",
    "fasterrcnn_mobilenet_v3_large_fpn",
    "fasterrcnn_resnet50_fpn",
    "fasterrcnn_resnet50_fpn_v2",
)
"""The networks of torchvision that can be students."""


class TrainSettings(BaseModel):
    """How a student is trained.

    Steps are counted in batches. Everything random depends on `seed` and the step alone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    student: str = Field(
        default="auto",
        description="auto, centre, yolox, fake, torchvision:NAME or hf:ID (hub id or folder)",
    )
    weights: Path | None = Field(
        default=None,
        description="file the student starts from (ONNX, safetensors or .pth); none: chance",
    )
    source_classes: tuple[str, ...] = Field(
        default=(),
        description="class names of the weights' own head, in order; empty: the 80 of COCO",
    )
    epochs: int = Field(
        default=40, ge=1, le=10_000, description="passes over the pictures with labels; yolox: 4"
    )
    min_steps: int = Field(
        default=400,
        ge=1,
        le=1_000_000,
        description="steps at least, however few the pictures; yolox: 160",
    )
    max_steps: int | None = Field(
        default=None, ge=1, le=10_000_000, description="exactly this many steps, in place of epochs"
    )
    budget_s: float | None = Field(
        default=None, gt=0, description="seconds of training after which it stops; not reproducible"
    )
    batch_size: int = Field(
        default=8, ge=1, le=1024, description="pictures per step, all devices together"
    )
    lr: float | None = Field(
        default=None, gt=0, le=1, description="learning rate of AdamW; none: the student's own"
    )
    weight_decay: float = Field(default=1e-4, ge=0, le=1, description="weight decay of AdamW")
    warmup_steps: int = Field(
        default=50, ge=0, le=100_000, description="steps in which the rate rises"
    )
    schedule: Literal["constant", "cosine"] = Field(
        default="constant",
        description="learning rate after the warm-up; cosine falls to zero; yolox: cosine",
    )
    ema: float = Field(
        default=0.99,
        ge=0,
        lt=1,
        description="decay of the averaged weights; 0 = no average; yolox: 0.98",
    )
    clip_norm: float = Field(
        default=10.0, ge=0, description="largest norm of the gradient; 0 = any"
    )
    image_size: int = Field(
        default=480,
        ge=0,
        le=4096,
        description="longest side of the input in pixels, a multiple of 32; 0: so that objects "
        "are about 128 pixels large, within 320 to 640; yolox: 0",
    )
    crop: int = Field(
        default=0,
        ge=0,
        le=4096,
        description="side of the square around an object that a step sees, a multiple of 32; "
        "0: the whole picture; yolox: 320",
    )
    flip_test: bool = Field(
        default=False,
        description="look at the mirrored picture too when labelling, and take the mean; yolox: on",
    )
    flip: float = Field(default=0.5, ge=0, le=1, description="share of pictures that are mirrored")
    scale_min: float = Field(default=0.7, gt=0, le=1, description="smallest random scale")
    scale_max: float = Field(default=1.5, ge=1, le=4, description="largest random scale")
    shift: float = Field(
        default=0.1,
        ge=0,
        le=0.5,
        description="largest random shift, as a share of the picture's side",
    )
    colour_gain: float = Field(
        default=0.12,
        ge=0,
        le=0.9,
        description="largest random gain of each colour channel, about 1",
    )
    brightness: float = Field(
        default=20.0, ge=0, le=128, description="largest random change of brightness, of 255"
    )
    freeze_backbone: bool = Field(
        default=False, description="train only what stands on the backbone; yolox: on"
    )
    anchor_sizes: tuple[int, ...] = Field(
        default=(),
        description="sides of the anchors in input pixels, of torchvision students; empty: theirs",
    )
    anchor_ratios: tuple[float, ...] = Field(
        default=(), description="height over width of the anchors; empty: the network's own"
    )
    background_share: float = Field(
        default=0.33,
        ge=0,
        le=10,
        description="pictures without labels for each picture with labels",
    )
    negative_weight: float = Field(
        default=3.0,
        ge=1,
        le=100,
        description="weight of hard-negative boxes against plain background",
    )
    negative_repeat: int = Field(
        default=2,
        ge=1,
        le=100,
        description="how often a picture with hard negatives comes for each time another one does",
    )
    use_negatives: bool = Field(default=True, description="let hard-negative boxes reach the loss")
    use_ignore: bool = Field(
        default=True, description="keep ignore regions out of the loss; off: they are background"
    )
    soft_lambda: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="wanted score of a box that the tracker made: 1 - soft_lambda * (1 - score); "
        "0 = hard labels",
    )
    early_stop_patience: int = Field(
        default=0,
        ge=0,
        le=1000,
        description="checks without better val agreement until stop; 0 = off",
    )
    check_every: int = Field(
        default=100, ge=1, le=100_000, description="steps between checkpoints and val checks"
    )
    precision: Literal["auto", "32", "bf16", "16"] = Field(
        default="auto", description="number format of the activations; 16 needs a GPU"
    )
    seed: int = Field(default=0, ge=0, lt=2**31, description="seed of everything random")
    accelerator: Literal["auto", "cpu", "cuda", "mps"] = Field(
        default="auto", description="where to train"
    )
    devices: int | Literal["auto"] = Field(
        default=1, description="how many GPUs (or CPU processes); auto takes all GPUs"
    )
    num_workers: int = Field(default=0, ge=0, le=256, description="processes that load pictures")
    cache_mb: int = Field(
        default=1024, ge=0, description="memory for decoded pictures, per loading process, in MB"
    )
    loggers: tuple[Literal["csv", "tensorboard", "wandb", "mlflow"], ...] = Field(
        default=(), description="where else the training curve goes; curve.csv is always written"
    )
    threads: int = Field(default=1, ge=1, le=256, description="CPU threads of the network")

    @field_validator("student")
    @classmethod
    def _known_student(cls, value: str) -> str:
        family, _, name = value.partition(":")
        if family == "hf" and name:
            return value
        if family == "torchvision" and name in TORCHVISION_NAMES:
            return value
        plain = ("auto", "centre", "fake", "yolox")
        known = [*plain, *(f"torchvision:{each}" for each in TORCHVISION_NAMES)]
        if value in plain or (":" not in value and value.isidentifier()):
            return value  # a plug-in may bring any other plain name
        raise ValueError(
            f"expected one of {', '.join(known)} or hf:ID, but got '{value}'{nearest(value, known)}"
        )

    @field_validator("image_size", "crop")
    @classmethod
    def _whole_cells(cls, value: int) -> int:
        if value % STRIDE:
            raise ValueError(f"expected a multiple of {STRIDE}, but got {value}")
        return value

    @field_validator("devices")
    @classmethod
    def _some_device(cls, value: int | str) -> int | str:
        if isinstance(value, int) and value < 1:
            raise ValueError(f"expected 1 or more devices, or auto, but got {value}")
        return value


OWN: dict[str, dict[str, object]] = {
    "yolox": {
        "schedule": "cosine",
        "freeze_backbone": True,
        "image_size": 0,
        "crop": 320,
        "flip_test": True,
        "ema": 0.98,
        "epochs": 4,
        "min_steps": 160,
    },
}
"""What a family does where the user says nothing; the descriptions above say it too. See
`docs/experiments.md` for the figures."""


def family_of(settings: TrainSettings) -> str:
    """Return centre, yolox, torchvision or transformers: what `auto` and prefixes stand for.

    ``auto`` is yolox if it can start from an ONNX file, else centre, which needs no weights.
    """
    family = settings.student.partition(":")[0]
    if family == "auto":
        starts_from_onnx = settings.weights is not None and settings.weights.suffix == ".onnx"
        return "yolox" if starts_from_onnx else "centre"
    return {"hf": "transformers"}.get(family, family)


def completed(settings: TrainSettings) -> TrainSettings:
    """Return settings in which a family's own values stand wherever the user gave none.

    Raises:
        UsageError: if the student needs weights and none are named.
    """
    if family_of(settings) == "yolox":
        teachers_weights(settings)
    own = OWN.get(family_of(settings), {})
    unsaid = {name: value for name, value in own.items() if name not in settings.model_fields_set}
    return settings.model_copy(update=unsaid)


def teachers_weights(settings: TrainSettings) -> Path:
    """Return the ONNX file that the student ``yolox`` starts from.

    Raises:
        UsageError: if none is named.
    """
    if settings.weights is None or settings.weights.suffix != ".onnx":
        raise UsageError(
            "the student 'yolox' starts from a teacher: name its ONNX file in 'weights', or "
            f"choose the student 'centre'; got weights = {settings.weights}"
        )
    return settings.weights
