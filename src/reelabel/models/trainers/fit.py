"""The training itself: from a data set folder to a model folder, in this process."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import (
    CSVLogger,
    Logger,
    MLFlowLogger,
    TensorBoardLogger,
    WandbLogger,
)
from torch import nn

from reelabel.errors import MissingExtra, ModelError, UsageError
from reelabel.models.trainers.agreement import Judge
from reelabel.models.trainers.album import read_album
from reelabel.models.trainers.augment import PAD
from reelabel.models.trainers.callbacks import BEST, CHECKPOINTS, LAST, Averaging, Checks, Clock
from reelabel.models.trainers.data import Batches, Plan, StepSampler, loader, used_image_size
from reelabel.models.trainers.folder import ModelCard
from reelabel.models.trainers.module import TrainingModule
from reelabel.models.trainers.settings import STRIDE, TrainSettings, family_of
from reelabel.models.trainers.students import (
    build,
    load_matching,
    read_weights,
    save_student,
)

Log = Callable[[float, str], None]

_LOGGERS: dict[str, tuple[str, Callable[[Path], Logger]]] = {
    "csv": ("lightning", lambda folder: CSVLogger(folder, name="csv", version="")),
    "tensorboard": (
        "tensorboard",
        lambda folder: TensorBoardLogger(str(folder), name="tensorboard", version=""),
    ),
    "wandb": ("wandb", lambda folder: WandbLogger(save_dir=folder, project="reelabel")),
    "mlflow": ("mlflow", lambda folder: MLFlowLogger("reelabel", save_dir=str(folder / "mlruns"))),
}


def train(dataset_dir: Path, model_dir: Path, settings: TrainSettings, log: Log) -> None:
    """Train a student, going on from ``checkpoints/last.ckpt`` if there is one.

    Raises:
        MissingInput: if there is no data set.
        UsageError: if it has no labels, or the settings contradict each other or the machine.
        ModelError: if weights cannot be used, or the loss is no longer a number.
    """
    checkpoints = model_dir / CHECKPOINTS
    checkpoints.mkdir(parents=True, exist_ok=True)
    with _own_threads(settings.threads), torch.random.fork_rng(), _silence():
        student, card = _Run(dataset_dir, model_dir, settings, log).result()
    if student is not None:
        save_student(model_dir, student, card)


class _Run:
    """One training; only the parts that are needed in several places are kept."""

    def __init__(
        self, dataset_dir: Path, model_dir: Path, settings: TrainSettings, log: Log
    ) -> None:
        self._settings, self._model_dir = settings, model_dir
        self._checkpoint = model_dir / CHECKPOINTS / LAST
        self._album = read_album(dataset_dir, "train", settings)
        self._plan = Plan(self._album, settings)
        self._card = self._first_card()
        self._student = build(settings, self._album.classes)
        self._judge = Judge(read_album(dataset_dir, "val", settings), settings, self._card)
        self._averaging = Averaging(settings.ema) if settings.ema else None
        self._log = log

    def result(self) -> tuple[nn.Module | None, ModelCard]:
        """Train; return the student and its card, or no student in processes beside the first."""
        module = TrainingModule(self._student, self._settings, self._plan.total)
        checks = Checks(
            self._settings,
            self._judge,
            self._averaging,
            log=self._log,
            model_dir=self._model_dir,
        )
        clock = Clock(self._settings.budget_s)
        trainer = self._trainer([c for c in (self._averaging, clock, checks) if c is not None])
        resume = self._checkpoint if self._checkpoint.is_file() else None
        trainer.fit(module, self._loader(trainer, resume), ckpt_path=resume, weights_only=True)
        if not trainer.is_global_zero:
            return None, self._card
        return self._chosen(module, checks), self._last_card(trainer, clock, checks)

    def _chosen(self, module: TrainingModule, checks: Checks) -> nn.Module:
        """Return the averaged weights; those of the best check if early stop is on."""
        student = self._averaging.student() if self._averaging else module.student
        best = self._checkpoint.parent / BEST
        if self._settings.early_stop_patience and checks.best >= 0 and best.is_file():
            load_matching(student, read_weights(best))
        chosen: nn.Module = student.cpu().eval()
        return chosen

    def _loader(self, trainer: Trainer, resume: Path | None) -> Any:
        start = 0
        if resume is not None:
            start = int(_read_checkpoint(resume)["global_step"])
        sampler = StepSampler(self._plan, start, trainer.global_rank, trainer.world_size)
        batches = Batches(self._album, self._settings, self._card.image_size)
        return loader(batches, sampler, self._settings.num_workers)

    def _trainer(self, callbacks: list[Any]) -> Trainer:
        settings = self._settings
        trainer = Trainer(
            accelerator=settings.accelerator,
            devices=settings.devices,
            precision=precision_of(settings, self._student),
            max_steps=self._plan.total,
            callbacks=callbacks,
            logger=[_logger(name, self._model_dir) for name in settings.loggers],
            gradient_clip_val=settings.clip_norm or None,
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=False,  # `Checks` writes them, after it has looked
            use_distributed_sampler=False,  # ours knows how to share a step
            inference_mode=False,
            default_root_dir=self._model_dir,
        )
        check_share(settings, trainer.world_size)
        return trainer

    def _first_card(self) -> ModelCard:
        return ModelCard(
            kind=family_of(self._settings),
            classes=self._album.classes,
            image_size=used_image_size(self._album, self._settings),
            pad_value=PAD,
            stride=STRIDE,
            flip_test=self._settings.flip_test,
        )

    def _last_card(self, trainer: Trainer, clock: Clock, checks: Checks) -> ModelCard:
        said = {
            "student": self._settings.student,
            "steps": trainer.global_step,
            "seconds": round(clock.spent_s, 1),
            "labelled_pictures": len(self._album.labelled),
            "background_pictures": len(self._album.background),
            "best_val_agreement": checks.best if checks.best >= 0 else None,
            "settings": self._settings.model_dump(mode="json"),
        }
        arch = dict(getattr(self._student, "arch", {}))
        return self._card.model_copy(update={"training": said, "arch": arch})


def check_share(settings: TrainSettings, devices: int) -> None:
    """Raise `UsageError` if a step has fewer pictures than there are devices."""
    if settings.batch_size < devices:
        raise UsageError(
            f"expected a batch_size of {devices} or more, one picture for each device, but got "
            f"{settings.batch_size}"
        )


def precision_of(settings: TrainSettings, student: nn.Module) -> Any:
    """Return Lightning's name of the number format.

    ``auto`` is bf16 where the processor multiplies in it, and full precision elsewhere. The
    losses of transformers are kept in full precision.
    """
    named = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}
    if settings.precision != "auto":
        return named[settings.precision]
    if getattr(student, "kind", "") == "transformers":
        return named["32"]
    if settings.accelerator != "cpu" and torch.cuda.is_available():
        return named["bf16" if torch.cuda.is_bf16_supported() else "16"]
    can = torch.cpu.get_capabilities()
    fast = can.get("amx_bf16") or can.get("avx512_bf16") or can.get("bf16")
    return named["bf16" if fast and getattr(student, "kind", "") == "centre" else "32"]


def _read_checkpoint(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as exc:  # a damaged file fails in many ways
        raise ModelError(
            f"expected a checkpoint in {path}, but it cannot be read: delete it and train again "
            f"({type(exc).__name__}: {exc})"
        ) from exc
    return found


def _logger(name: str, model_dir: Path) -> Logger:
    package, make = _LOGGERS[name]
    if find_spec(package) is None:
        raise MissingExtra(f"the logger '{name}'", name if name in {"wandb", "mlflow"} else "train")
    return make(model_dir / "logs")


@contextmanager
def _own_threads(threads: int) -> Iterator[None]:
    """Compute with so many threads, and leave the process as it was."""
    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])


@contextmanager
def _silence() -> Iterator[None]:
    """Keep Lightning's banner, tips and advice off the terminal."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [each.level for each in loggers]
    for each in loggers:
        each.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for each, level in zip(loggers, levels, strict=True):
            each.setLevel(level)
