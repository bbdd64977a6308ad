"""The settings that every training has, whatever the student learns."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, field_validator

from reelabel.config import MACHINE
from reelabel.models.students.family import Family
from reelabel.models.students.registry import check_spelling
from reelabel.models.students.settings import StudentSettings


class TrainSettings(StudentSettings):
    """How a student is trained.

    Steps are counted in batches. Everything random depends on `seed` and the step alone.
    """

    epochs: int = Field(40, ge=1, le=10_000)
    """Passes over the examples with labels."""
    min_steps: int = Field(400, ge=1, le=1_000_000)
    """Least number of steps, however few the examples."""
    max_steps: int | None = Field(None, ge=1, le=10_000_000)
    """Exact number of steps, in place of epochs."""
    budget_s: float | None = Field(None, gt=0)
    """Seconds of training after which it stops; not reproducible."""
    batch_size: int = Field(8, ge=1, le=1024)
    """Examples per step, all devices together."""
    lr: float | None = Field(None, gt=0, le=1)
    """Learning rate of AdamW; none: the student's own."""
    weight_decay: float = Field(1e-4, ge=0, le=1)
    """Weight decay of AdamW."""
    warmup_steps: int = Field(50, ge=0, le=100_000)
    """Steps in which the learning rate rises."""
    schedule: Literal["constant", "cosine"] = "constant"
    """Learning rate after the warm-up; cosine falls to zero."""
    ema: float = Field(0.99, ge=0, lt=1)
    """Decay of the exponential moving average of the weights; 0: no average."""
    clip_norm: float = Field(10.0, ge=0)
    """Largest norm of the gradient; 0: not clipped."""
    colour_gain: float = Field(0.12, ge=0, le=0.9)
    """Largest random gain of each colour channel, about 1."""
    brightness: float = Field(20.0, ge=0, le=128)
    """Largest random change of brightness, of 255."""
    early_stop_patience: int = Field(0, ge=0, le=1000)
    """Validations without better agreement until training stops; 0: never."""
    check_every: int = Field(100, ge=1, le=100_000)
    """Steps between validations, each with a checkpoint."""
    precision: Literal["auto", "32", "bf16", "16"] = "auto"
    """Number format of the activations; 16 needs a GPU."""
    accelerator: Annotated[Literal["auto", "cpu", "cuda", "mps"], MACHINE] = "auto"
    """Where to train."""
    devices: Annotated[int | Literal["auto"], MACHINE] = 1
    """Number of GPUs (or CPU processes); auto takes all GPUs."""
    num_workers: Annotated[int, MACHINE] = Field(0, ge=0, le=256)
    """Processes that load pictures."""
    cache_mb: Annotated[int, MACHINE] = Field(1024, ge=0)
    """Room for decoded pictures in a temporary file, per loading process, in MB; the system keeps
    it in memory where it can."""
    loggers: Annotated[tuple[Literal["csv", "tensorboard", "wandb", "mlflow"], ...], MACHINE] = ()
    """Further loggers of the training curve; curve.csv is always written."""
    threads: Annotated[int, MACHINE] = Field(0, ge=0, le=256)
    """CPU threads; 0: one for each core if the student is `yolox`, which computes parts of a batch
    at the same time, else 1."""

    @field_validator("student")
    @classmethod
    def known_student(cls, value: str) -> str:
        """Refuse a student that no family has; a plug-in may bring any other plain name."""
        check_spelling(value, cls.output)
        return value

    @field_validator("devices")
    @classmethod
    def some_device(cls, value: int | str) -> int | str:
        """Refuse fewer devices than one."""
        if isinstance(value, int) and value < 1:
            raise ValueError(f"expected 1 or more devices, or auto, but got {value}")
        return value


T = TypeVar("T", bound=TrainSettings)


def with_family_defaults(settings: T, family: Family[Any, Any]) -> T:
    """Return settings with the family's own values wherever the user set none."""
    unset = {k: v for k, v in family.defaults.items() if k not in settings.model_fields_set}
    return settings.model_copy(update=unset)


def with_default(kind: type[TrainSettings], name: str, value: object) -> Any:
    """Return a field of a settings type with another default, its meaning and range kept."""
    field = copy(kind.model_fields[name])
    field.default = value
    return field


def describe_families(kind: type[TrainSettings], families: Mapping[str, Family[Any, Any]]) -> None:
    """Add families to the descriptions of a settings type: their names, and their defaults.

    Help and reference pages are made from these; each family states both once, where it is defined.
    """
    usage = ", ".join(family.usage for family in families.values())
    _append(kind, "student", f"auto, {usage}, or a plug-in's name")
    for family in families.values():
        for name, value in family.defaults.items():
            shown = ("off", "on")[value] if isinstance(value, bool) else value
            _append(kind, name, f"{family.name}: {shown}")


def _append(kind: type[TrainSettings], name: str, text: str) -> None:
    field = kind.model_fields[name]
    field.description = f"{(field.description or '').rstrip('.')}; {text}."
