"""Callbacks of a training, one concern each.

The trainer's own EarlyStopping, ModelCheckpoint and Timer do the rest; see `fit`.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, Checkpoint, WeightAveraging
from torch import Tensor, nn

from reelabel.file_kinds import plain_file
from reelabel.files import explained
from reelabel.training.checkpoints import LAST
from reelabel.training.module import AGREEMENT


class Averaging(WeightAveraging):
    """Keeps the exponential moving average of the weights; it is validated and kept in the end.

    Early on the decay is smaller, ``(1 + n) / (10 + n)`` after n updates, so that the initial
    weights do not stay in it (as in TensorFlow's ExponentialMovingAverage).
    """

    def __init__(self, decay: float) -> None:
        def average(kept: list[Tensor], now: list[Tensor], updates: Tensor | int) -> None:
            used = min(decay, (1 + float(updates)) / (10 + float(updates)))
            if kept[0].is_floating_point():
                torch._foreach_lerp_(kept, now, 1 - used)
            else:  # counters, such as those in batch norms, have no mean
                torch._foreach_copy_(kept, now)

        super().__init__(multi_avg_fn=average)

    def student(self) -> nn.Module:
        """Return the averaged student."""
        if self._average_model is None:
            raise AssertionError("asked for the averaged weights before the training began")
        student: nn.Module = self._average_model.module.student
        return student


class StopAtLastStep(Callback):
    """Stops at the last step by way of the trainer, which validates once more before it stops.

    Without this the trainer validates only at multiples of its interval.
    """

    def on_train_batch_end(self, trainer: Trainer, *rest: Any) -> None:
        """Ask for the stop."""
        del rest
        trainer.should_stop |= trainer.global_step >= trainer.max_steps


class EvalCallback(Callback):
    """Acts after each validation; where there is nothing to validate, at the same steps.

    Args:
        every: steps between validations.
    """

    def __init__(self, every: int) -> None:
        self._every = every

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, *rest: Any
    ) -> None:
        """Act if no validation is going to follow."""
        del outputs, rest
        due = trainer.global_step % self._every == 0 or trainer.should_stop
        if due and not trainer.enable_validation:
            self.on_evaluated(trainer, pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Act."""
        self.on_evaluated(trainer, pl_module)

    def on_evaluated(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Do what the callback is for."""
        raise NotImplementedError


class LastCheckpoint(EvalCallback, Checkpoint):
    """Writes the checkpoint that an interrupted run resumes from.

    The trainer's ModelCheckpoint writes either before the validation, and so without the state of
    early stopping, or not at all where there is nothing to validate. As a `Checkpoint` this one
    comes after all other callbacks and holds their state.
    """

    def __init__(self, every: int, folder: Path) -> None:
        super().__init__(every)
        self._path = folder / LAST

    def on_evaluated(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write it."""
        del pl_module
        trainer.save_checkpoint(self._path)


@dataclass(frozen=True)
class Row:
    """One line of the curve; the loss terms are means since the line before."""

    step: int
    terms: dict[str, float]
    lr: float
    agreement: float | None

    @property
    def loss(self) -> float:
        """The sum of the terms."""
        return sum(self.terms.values())

    def cells(self) -> dict[str, str]:
        """Return the line as column -> text."""
        line = {"step": str(self.step), "loss": f"{self.loss:.6g}"}
        line |= {f"loss_{name}": f"{value:.6g}" for name, value in self.terms.items()}
        agreement = "" if self.agreement is None else f"{self.agreement:.4f}"
        return {**line, "lr": f"{self.lr:.6g}", AGREEMENT: agreement}

    def metrics(self) -> dict[str, float]:
        """Return the line as a logger takes it."""
        values = {"loss": self.loss, "lr": self.lr}
        values |= {f"loss_{name}": value for name, value in self.terms.items()}
        return values if self.agreement is None else {**values, AGREEMENT: self.agreement}


class CurveFile:
    """The file ``curve.csv``: step, loss, its terms, learning rate, agreement.

    The trainer's CSVLogger starts a file anew; after a restart this one keeps the lines up to the
    checkpoint and drops those of steps that are repeated, and a file that is damaged.

    Raises:
        WorkspaceError: if a folder is in its place, or it cannot be removed.
    """

    def __init__(self, path: Path, start: int) -> None:
        self._path = path
        lines = _lines_to(start, path) if start and path.is_file() else []
        with explained(path):
            path.unlink(missing_ok=True)
        for line in lines:
            self.append(line)

    def append(self, line: dict[str, str]) -> None:
        """Write one more line."""
        new = not self._path.is_file()
        with self._path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(line), lineterminator="\n")
            if new:
                writer.writeheader()
            writer.writerow(line)


def _lines_to(step: int, path: Path) -> list[dict[str, str]]:
    """Return the whole lines of a curve up to a step; none if the file is damaged."""
    try:
        with plain_file(path).open(newline="", encoding="utf-8") as file:
            lines = list(csv.DictReader(file))
        whole = (line for line in lines if None not in {*line, *line.values()})
        return [line for line in whole if int(line["step"]) <= step]
    except (OSError, ValueError, KeyError, csv.Error):
        return []


class Curve(EvalCallback):
    """Writes a line of the curve, to its file and to the trainer's loggers.

    Args:
        every: steps between validations.
        path: of the file.
        log: takes the share done, 0..1, and a line of text.
    """

    def __init__(self, every: int, path: Path, log: Callable[[float, str], None]) -> None:
        super().__init__(every)
        self._path, self._log = path, log
        self._file: CurveFile | None = None
        self._sums: dict[str, Tensor] = {}
        self._steps = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the file, behind the steps that are done."""
        del pl_module
        if trainer.is_global_zero:
            self._file = CurveFile(self._path, trainer.global_step)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, *rest: Any
    ) -> None:
        """Add up the loss terms."""
        for name, value in outputs["terms"].items():
            self._sums[name] = self._sums.get(name, 0) + value
        self._steps += 1
        super().on_train_batch_end(trainer, pl_module, outputs, *rest)

    def on_evaluated(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the line."""
        row = Row(
            step=trainer.global_step,
            terms={name: float(value) / self._steps for name, value in self._sums.items()},
            lr=trainer.optimizers[0].param_groups[0]["lr"],
            agreement=pl_module.agreement,
        )
        self._sums, self._steps = {}, 0
        if self._file is not None:
            self._file.append(row.cells())
        for logger in trainer.loggers:
            logger.log_metrics(row.metrics(), step=row.step)
        agreement = "" if row.agreement is None else f", val agreement {row.agreement:.3f}"
        self._log(
            min(1.0, row.step / trainer.max_steps),
            f"step {row.step} of {trainer.max_steps}: loss {row.loss:.3f}{agreement}",
        )


class Progress(Callback):
    """Reports the step, a hundred times in all; `Curve` reports those that it writes."""

    def __init__(self, every: int, log: Callable[[float, str], None]) -> None:
        self._every, self._log = every, log

    def on_train_batch_end(self, trainer: Trainer, *rest: Any) -> None:
        """Report."""
        del rest
        step, total = trainer.global_step, trainer.max_steps
        reported = step % self._every == 0 or trainer.should_stop
        if step % max(1, total // 100) == 0 and not reported:
            self._log(step / total, f"step {step} of {total}")
