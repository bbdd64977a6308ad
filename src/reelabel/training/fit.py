"""The training itself: from a data set folder to a model folder, in this process."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import cv2
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint, Timer
from torch import nn

from reelabel.errors import UsageError
from reelabel.models.students.family import NetworkFamily
from reelabel.models.students.folder import START, Card, is_finished, write_card
from reelabel.training.callbacks import (
    Averaging,
    Curve,
    LastCheckpoint,
    Progress,
    StopAtLastStep,
)
from reelabel.training.checkpoints import (
    BEST,
    CHECKPOINTS,
    LAST,
    WholeCheckpoints,
    read_checkpoint,
)
from reelabel.training.job import Log, TrainingJob, loader
from reelabel.training.jobs import make_job
from reelabel.training.loggers import training_loggers
from reelabel.training.module import AGREEMENT, TrainingModule
from reelabel.training.parallel import Prefetched, available_cores
from reelabel.training.settings import TrainSettings


def train(
    dataset_dir: Path,
    model_dir: Path,
    settings: TrainSettings,
    *,
    family: NetworkFamily[Any, Any],
    log: Log,
) -> None:
    """Train a student, resuming from ``checkpoints/last.ckpt`` if there is a whole one.

    Raises:
        MissingInput: if there is no data set.
        UsageError: if it has no labels, or the settings contradict each other or the machine.
        ModelError: if weights cannot be used, or the loss is no longer a number.
    """
    (model_dir / CHECKPOINTS).mkdir(parents=True, exist_ok=True)
    cores = settings.threads or available_cores()
    by_parts = computes_parts(settings, family)
    with (
        _own_threads(1 if by_parts else settings.threads or 1),
        torch.random.fork_rng(),
        _quiet_lightning(),
    ):
        torch.manual_seed(settings.seed)
        job = make_job(dataset_dir, settings, family)
        run = _Run(job, model_dir, log)
        student, card = run.result(cores if by_parts else 0, ahead=cores > 1)
    if student is not None:
        family.save(model_dir, student)
        write_card(model_dir, card)


class _Run:
    """One training; only the parts that are needed in several places are kept."""

    def __init__(self, job: TrainingJob, model_dir: Path, log: Log) -> None:
        self._job, self._settings, self._model_dir, self._log = job, job.settings, model_dir, log
        self._checkpoints = model_dir / CHECKPOINTS
        settings = job.settings
        self._averaging = Averaging(settings.ema) if settings.ema else None
        self._timer = Timer(
            None if settings.budget_s is None else timedelta(seconds=settings.budget_s),
            verbose=False,
        )
        self._early_stopping = EarlyStopping(
            AGREEMENT, mode="max", patience=settings.early_stop_patience, check_finite=False
        )

    def result(self, part_threads: int, *, ahead: bool) -> tuple[nn.Module | None, Card]:
        """Train; return the student and its card, or no student in processes beside the first.

        Args:
            part_threads: threads that compute parts of a batch; 0: none does.
            ahead: load the next batch in a thread while one is computed.
        """
        job = self._job
        job.settle(self._model_dir / START, self._log)
        module, trainer = TrainingModule(job, part_threads), self._trainer()
        if trainer.is_global_zero:
            self._keep_start()
        last = self._resumable()
        start = 0 if last is None else int(last["global_step"])
        trainer.fit(
            module,
            loader(job, start, trainer.global_rank, trainer.world_size, ahead=ahead),
            self._validation(ahead=ahead),
            ckpt_path=None if last is None else self._checkpoints / LAST,
            weights_only=True,
        )
        if not trainer.is_global_zero:
            return None, job.card
        return self._chosen(module), self._last_card(trainer)

    def _validation(self, *, ahead: bool) -> Any:
        """Return the loader of validation batches, None without labels."""
        if not self._job.validator.has_labels:
            return None
        batches = self._job.validator.loader()
        return Prefetched(batches) if ahead else batches

    def _resumable(self) -> dict[str, Any] | None:
        """Return the last checkpoint, None if it or the best one that it goes with is not whole."""
        best = not self._stops_early() or read_checkpoint(self._checkpoints / BEST)
        return read_checkpoint(self._checkpoints / LAST) if best else None

    def _keep_start(self) -> None:
        """Save the student as it is before its training, once, if it is useful already."""
        folder = self._model_dir / START
        if self._job.keeps_start and not is_finished(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._job.family.save(folder, copy.deepcopy(self._job.student).eval())
            write_card(folder, self._job.card)

    def _stops_early(self) -> bool:
        return self._settings.early_stop_patience > 0 and self._job.validator.has_labels

    def _chosen(self, module: TrainingModule) -> nn.Module:
        """Return the averaged weights; those of the best validation if early stop is on."""
        student = self._averaging.student() if self._averaging else module.student
        best = read_checkpoint(self._checkpoints / BEST) if self._stops_early() else None
        if best is not None:
            state = best["state_dict"]
            student.load_state_dict({k.removeprefix("student."): v for k, v in state.items()})
        chosen: nn.Module = student.cpu().eval()
        return chosen

    def _trainer(self) -> Trainer:
        settings = self._settings
        trainer = Trainer(
            accelerator=settings.accelerator,
            devices=settings.devices,
            strategy="auto" if settings.devices == 1 else _strategy(self._job),
            precision=precision_of(settings, self._job.family),
            max_steps=self._job.schedule.total,
            val_check_interval=settings.check_every,
            check_val_every_n_epoch=None,  # count steps
            num_sanity_val_steps=0,
            callbacks=self._callbacks(),
            plugins=[WholeCheckpoints()],
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

    def _last_card(self, trainer: Trainer) -> Card:
        best = float(self._early_stopping.best_score)
        training = {
            "student": self._settings.student,
            "steps": trainer.global_step,
            "seconds": round(self._timer.time_elapsed(), 1),
            **self._job.notes(),
            "best_val_agreement": round(best, 6) if self._stops_early() else None,
            "settings": self._settings.model_dump(mode="json"),
        }
        return self._job.card.model_copy(update={"training": training})


def _strategy(job: TrainingJob) -> str:
    """Return Lightning's name of how devices work together.

    Parameters that are not trained from the first step on have no gradients until then.
    """
    late = any(group.starts > 0 for group in job.groups(job.student))
    return "ddp_find_unused_parameters_true" if late else "auto"


def computes_parts(settings: TrainSettings, family: NetworkFamily[Any, Any]) -> bool:
    """Return whether threads compute the parts of a batch, if the training is on a CPU."""
    full = precision_of(settings, family) == "32-true"
    return family.divisible and full and settings.devices == 1


def check_share(settings: TrainSettings, devices: int) -> None:
    """Raise `UsageError` if a step has fewer examples than there are devices."""
    if settings.batch_size < devices:
        raise UsageError(
            f"expected a batch_size of {devices} or more, one example for each device, but got "
            f"{settings.batch_size}"
        )


def precision_of(settings: TrainSettings, family: NetworkFamily[Any, Any]) -> Any:
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
