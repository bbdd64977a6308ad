"""The training itself: from a data set folder to a model folder, in this process."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import cv2
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint, Timer
from torch import nn

from reelabel.errors import ModelError, UsageError
from reelabel.models.students.family import NetworkFamily
from reelabel.models.students.folder import START, ModelCard, is_finished, write_card
from reelabel.models.students.inputs import STRIDE
from reelabel.models.students.targets import Student
from reelabel.training.batches import Batches, loader, used_image_size
from reelabel.training.callbacks import (
    BEST,
    CHECKPOINTS,
    LAST,
    Averaging,
    Curve,
    LastCheckpoint,
    Progress,
    StopAtLastStep,
)
from reelabel.training.loggers import training_loggers
from reelabel.training.module import AGREEMENT, TrainingModule
from reelabel.training.schedule import BatchSchedule, StepSampler
from reelabel.training.settings import TrainSettings
from reelabel.training.training_set import read_training_set
from reelabel.training.validation import Validator

Log = Callable[[float, str], None]


def train(
    dataset_dir: Path,
    model_dir: Path,
    settings: TrainSettings,
    *,
    family: NetworkFamily,
    log: Log,
) -> None:
    """Train a student, resuming from ``checkpoints/last.ckpt`` if there is one.

    Raises:
        MissingInput: if there is no data set.
        UsageError: if it has no labels, or the settings contradict each other or the machine.
        ModelError: if weights cannot be used, or the loss is no longer a number.
    """
    (model_dir / CHECKPOINTS).mkdir(parents=True, exist_ok=True)
    with _own_threads(settings.threads), torch.random.fork_rng(), _quiet_lightning():
        run = _Run(dataset_dir, model_dir, settings, family=family, log=log)
        student, card = run.result()
    if student is not None:
        family.save(model_dir, student)
        write_card(model_dir, card)


class _Run:
    """One training; only the parts that are needed in several places are kept."""

    def __init__(
        self,
        dataset_dir: Path,
        model_dir: Path,
        settings: TrainSettings,
        *,
        family: NetworkFamily,
        log: Log,
    ) -> None:
        self._settings, self._family, self._model_dir, self._log = settings, family, model_dir, log
        self._checkpoints = model_dir / CHECKPOINTS
        self._data = read_training_set(dataset_dir, "train", settings)
        self._schedule = BatchSchedule(self._data, settings)
        self._card = self._first_card()
        torch.manual_seed(settings.seed)
        self._student = family.build(settings, self._data.classes)
        val = read_training_set(dataset_dir, "val", settings)
        self._validator = Validator(val, settings, self._card)
        self._averaging = Averaging(settings.ema) if settings.ema else None
        self._timer = Timer(
            None if settings.budget_s is None else timedelta(seconds=settings.budget_s),
            verbose=False,
        )
        self._early_stopping = EarlyStopping(
            AGREEMENT, mode="max", patience=settings.early_stop_patience, check_finite=False
        )

    def result(self) -> tuple[nn.Module | None, ModelCard]:
        """Train; return the student and its card, or no student in processes beside the first."""
        module = TrainingModule(
            self._student,
            self._settings,
            self._schedule.total,
            validator=self._validator,
            channels_last=self._family.channels_last,
        )
        trainer = self._trainer()
        if trainer.is_global_zero:
            self._keep_start()
        last = self._checkpoints / LAST
        resume = last if last.is_file() else None
        trainer.fit(
            module,
            self._loader(trainer, resume),
            self._validator.loader() if self._validator.has_labels else None,
            ckpt_path=resume,
            weights_only=True,
        )
        if not trainer.is_global_zero:
            return None, self._card
        return self._chosen(module), self._last_card(trainer)

    def _keep_start(self) -> None:
        """Save the student as it is before its training, once, if it detects already."""
        folder = self._model_dir / START
        if self._family.detects_untrained(self._settings) and not is_finished(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._family.save(folder, copy.deepcopy(self._student).eval())
            write_card(folder, self._with_arch())

    def _with_arch(self) -> ModelCard:
        arch = dict(cast("Student", self._student).arch)
        return self._card.model_copy(update={"arch": arch})

    def _stops_early(self) -> bool:
        return self._settings.early_stop_patience > 0 and self._validator.has_labels

    def _chosen(self, module: TrainingModule) -> nn.Module:
        """Return the averaged weights; those of the best validation if early stop is on."""
        student = self._averaging.student() if self._averaging else module.student
        best = self._checkpoints / BEST
        if self._stops_early() and best.is_file():
            state = _read_checkpoint(best)["state_dict"]
            student.load_state_dict({k.removeprefix("student."): v for k, v in state.items()})
        chosen: nn.Module = student.cpu().eval()
        return chosen

    def _loader(self, trainer: Trainer, resume: Path | None) -> Any:
        start = 0 if resume is None else int(_read_checkpoint(resume)["global_step"])
        sampler = StepSampler(self._schedule, start, trainer.global_rank, trainer.world_size)
        batches = Batches(self._data, self._settings, self._card.image_size)
        return loader(batches, sampler, self._settings.num_workers)

    def _trainer(self) -> Trainer:
        settings = self._settings
        trainer = Trainer(
            accelerator=settings.accelerator,
            devices=settings.devices,
            precision=precision_of(settings, self._family),
            max_steps=self._schedule.total,
            val_check_interval=settings.check_every,
            check_val_every_n_epoch=None,  # count steps
            num_sanity_val_steps=0,
            callbacks=self._callbacks(),
            logger=training_loggers(settings, self._model_dir),
            gradient_clip_val=settings.clip_norm or None,
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=True,
            use_distributed_sampler=False,  # ours shares a step among the processes
            inference_mode=False,
            default_root_dir=self._model_dir,
        )
        check_share(settings, trainer.world_size)
        return trainer

    def _callbacks(self) -> list[Callback]:
        """Return the callbacks in the order in which they act."""
        every = self._settings.check_every
        curve = Curve(every, self._model_dir / "curve.csv", self._log)
        found = [self._averaging, self._timer, StopAtLastStep(), Progress(every, self._log), curve]
        if self._stops_early():
            # A full checkpoint: the averaged weights are put into no other.
            best = ModelCheckpoint(
                str(self._checkpoints),
                Path(BEST).stem,
                monitor=AGREEMENT,
                mode="max",
                enable_version_counter=False,
            )
            found += [self._early_stopping, best]
        return [each for each in (*found, LastCheckpoint(every, self._checkpoints)) if each]

    def _first_card(self) -> ModelCard:
        return ModelCard(
            kind=self._family.name,
            classes=self._data.classes,
            image_size=used_image_size(self._data, self._settings),
            stride=STRIDE,
            flip_test=self._settings.flip_test,
        )

    def _last_card(self, trainer: Trainer) -> ModelCard:
        best = float(self._early_stopping.best_score)
        training = {
            "student": self._settings.student,
            "steps": trainer.global_step,
            "seconds": round(self._timer.time_elapsed(), 1),
            "labelled_pictures": len(self._data.labelled),
            "background_pictures": len(self._data.background),
            "best_val_agreement": round(best, 6) if self._stops_early() else None,
            "settings": self._settings.model_dump(mode="json"),
        }
        return self._with_arch().model_copy(update={"training": training})


def check_share(settings: TrainSettings, devices: int) -> None:
    """Raise `UsageError` if a step has fewer pictures than there are devices."""
    if settings.batch_size < devices:
        raise UsageError(
            f"expected a batch_size of {devices} or more, one picture for each device, but got "
            f"{settings.batch_size}"
        )


def precision_of(settings: TrainSettings, family: NetworkFamily) -> Any:
    """Return Lightning's name of the number format.

    ``auto`` is a 16-bit format where the family allows it and the processor multiplies in it, and
    full precision elsewhere.
    """
    named = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}
    if settings.precision != "auto":
        return named[settings.precision]
    if settings.accelerator != "cpu" and torch.cuda.is_available():
        mixed = "bf16" if torch.cuda.is_bf16_supported() else "16"
        return named[mixed if "cuda" in family.mixed_precision else "32"]
    can = torch.cpu.get_capabilities()
    fast = can.get("amx_bf16") or can.get("avx512_bf16") or can.get("bf16")
    return named["bf16" if fast and "cpu" in family.mixed_precision else "32"]


def _read_checkpoint(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as exc:  # a damaged file fails in many ways
        raise ModelError(
            f"expected a checkpoint in {path}, but it cannot be read: delete it and train again "
            f"({type(exc).__name__}: {exc})"
        ) from exc
    return found


@contextmanager
def _own_threads(threads: int) -> Iterator[None]:
    """Compute with so many threads, and restore the process's own number."""
    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Keep Lightning's messages off the terminal."""
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
