"""What happens between the steps: averaged weights, checks, checkpoints, the curve, the clock."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, WeightAveraging
from torch import Tensor, nn

from reelabel.models.trainers.agreement import Judge
from reelabel.models.trainers.settings import TrainSettings
from reelabel.models.trainers.students import save_weights

CHECKPOINTS, LAST, BEST = "checkpoints", "last.ckpt", "best.safetensors"


class Averaging(WeightAveraging):
    """Keeps the exponential moving average of the weights, which is what is used in the end.

    Early on the decay is smaller, ``(1 + n) / (10 + n)`` after n updates, so that the weights of
    the start do not stay in it (as in TensorFlow's ExponentialMovingAverage).
    """

    def __init__(self, decay: float) -> None:
        def average(kept: Tensor, now: Tensor, updates: Tensor | int) -> Tensor:
            most = min(decay, (1 + float(updates)) / (10 + float(updates)))
            # Counters, such as those in batch norms, have no mean.
            return kept.lerp(now, 1 - most) if kept.is_floating_point() else now

        super().__init__(avg_fn=average)

    def student(self) -> nn.Module:
        """Return the averaged student."""
        if self._average_model is None:
            raise AssertionError("asked for the averaged weights before the training began")
        student: nn.Module = self._average_model.module.student
        return student


class Clock(Callback):
    """Stops the training when its time is up; time spent before a restart counts."""

    def __init__(self, budget_s: float | None) -> None:
        self._budget_s = budget_s
        self.spent_s = 0.0
        self._since = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        del trainer, pl_module
        self._since = time.monotonic()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *rest: Any) -> None:
        """Look at the clock."""
        del pl_module, rest
        now = time.monotonic()
        self.spent_s += now - self._since
        self._since = now
        if self._budget_s is not None:
            late = self.spent_s >= self._budget_s
            trainer.should_stop = trainer.strategy.reduce_boolean_decision(late, all=False)

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {"spent_s": self.spent_s}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up what a checkpoint kept."""
        self.spent_s = state_dict["spent_s"]


@dataclass
class Row:
    """One line of the curve."""

    step: int
    terms: dict[str, float]
    lr: float
    agreement: float | None


class Curve:
    """The file ``curve.csv``: step, loss, its terms, learning rate, val agreement.

    Lines are added as they come. After a restart the lines of steps that are done again go.
    """

    def __init__(self, path: Path, start: int) -> None:
        self._path = path
        self._lines = []
        if start and path.is_file():
            with path.open(newline="", encoding="utf-8") as file:
                self._lines = [row for row in csv.DictReader(file) if int(row["step"]) <= start]
        path.unlink(missing_ok=True)
        for line in self._lines:
            self._append(line)

    def add(self, row: Row) -> None:
        """Write one more line."""
        said = "" if row.agreement is None else f"{row.agreement:.4f}"
        line = {"step": str(row.step), "loss": f"{sum(row.terms.values()):.6g}"}
        line |= {f"loss_{name}": f"{value:.6g}" for name, value in row.terms.items()}
        self._append({**line, "lr": f"{row.lr:.6g}", "val_agreement": said})

    def _append(self, line: dict[str, str]) -> None:
        new = not self._path.is_file()
        with self._path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(line), lineterminator="\n")
            if new:
                writer.writeheader()
            writer.writerow(line)


class Checks(Callback):
    """Every so many steps: agreement, the curve, early stop, a checkpoint, a line of progress.

    It stands behind `Averaging` in the list of callbacks, so that it sees the new average.
    """

    def __init__(
        self,
        settings: TrainSettings,
        judge: Judge,
        averaging: Averaging | None,
        *,
        log: Callable[[float, str], None],
        model_dir: Path,
    ) -> None:
        self._settings, self._judge, self._averaging, self._log = settings, judge, averaging, log
        self._model_dir, self._checkpoints = model_dir, model_dir / CHECKPOINTS
        self._sums: dict[str, Tensor] = {}
        self._seen = 0
        self._curve: Curve | None = None
        self.best, self.waited = -1.0, 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the curve, behind the steps that are done."""
        del pl_module
        if trainer.is_global_zero:
            self._curve = Curve(self._model_dir / "curve.csv", trainer.global_step)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, *rest: Any
    ) -> None:
        """Add up the loss; at every check write everything down."""
        del rest
        for name, value in outputs["terms"].items():
            self._sums[name] = self._sums.get(name, 0) + value
        self._seen += 1
        step, total = trainer.global_step, trainer.max_steps
        if step % self._settings.check_every == 0 or step == total or trainer.should_stop:
            self._check(trainer, pl_module)
        elif step % max(1, total // 100) == 0:
            self._log(step / total, f"step {step} of {total}")

    def _check(self, trainer: Trainer, pl_module: LightningModule) -> None:
        student = self._averaging.student() if self._averaging else pl_module.student
        agreement = self._judge.agreement(student) if trainer.is_global_zero else None
        agreement = trainer.strategy.broadcast(agreement)
        terms = {name: float(value) / self._seen for name, value in self._sums.items()}
        row = Row(
            trainer.global_step, terms, trainer.optimizers[0].param_groups[0]["lr"], agreement
        )
        self._sums, self._seen = {}, 0
        if self._curve is not None:
            self._curve.add(row)
        for logger in trainer.loggers:
            logger.log_metrics(_flat(row), step=row.step)
        self._consider(trainer, agreement, student)
        trainer.save_checkpoint(self._checkpoints / LAST)
        self._log(min(1.0, row.step / trainer.max_steps), _line(row, trainer.max_steps))

    def _consider(self, trainer: Trainer, agreement: float | None, student: nn.Module) -> None:
        """Stop when the agreement has not risen for a while; keep the best weights."""
        if agreement is None or not self._settings.early_stop_patience:
            return
        if agreement > self.best:
            self.best, self.waited = agreement, 0
            if trainer.is_global_zero:
                save_weights(self._checkpoints / BEST, student.state_dict())
        else:
            self.waited += 1
            trainer.should_stop |= self.waited >= self._settings.early_stop_patience

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {"best": self.best, "waited": self.waited}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up what a checkpoint kept."""
        self.best, self.waited = state_dict["best"], state_dict["waited"]


def _flat(row: Row) -> dict[str, float]:
    said = {"loss": sum(row.terms.values()), "lr": row.lr}
    said |= {f"loss_{name}": value for name, value in row.terms.items()}
    return said if row.agreement is None else {**said, "val_agreement": row.agreement}


def _line(row: Row, total: int) -> str:
    said = "" if row.agreement is None else f", val agreement {row.agreement:.3f}"
    return f"step {row.step} of {total}: loss {sum(row.terms.values()):.3f}{said}"
