"""A student inside Lightning: the training step, the validation step, the optimiser."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from reelabel.errors import ModelError
from reelabel.training.job import ParameterGroup, TrainingJob
from reelabel.training.parallel import Gradient, gradient
from reelabel.training.settings import TrainSettings

AGREEMENT = "val_agreement"
"""Name of the validation's result, in the trainer's metrics and in the curve."""

_FINITE_EVERY = 20  # steps; asking a GPU whether a number is finite makes it wait


class TrainingModule(LightningModule):
    """Wraps the student of a training.

    Args:
        job: the training.
        part_threads: threads that compute parts of a batch; 0: batches are computed as a whole.

    Attributes:
        agreement: result of the last validation, 0..1; None before the first.
    """

    def __init__(self, job: TrainingJob, part_threads: int = 0) -> None:
        super().__init__()
        self.student: Any = job.student
        self._job, self._part_threads = job, part_threads
        self._pool: Executor | None = None
        self._trained: list[nn.Parameter] = []
        self._gradient: Gradient | None = None
        self.agreement: float | None = None

    def on_fit_start(self) -> None:
        """Prepare the data; the student is on its device."""
        if self._part_threads and self.device.type == "cpu":
            # Here and no earlier: a module with threads cannot be copied for the average.
            self._pool = ThreadPoolExecutor(self._part_threads, "part")
            self._trained = [each for each in self.student.parameters() if each.requires_grad]
        self._job.start(self.student, self.device)

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Seed the step: the random numbers of a resumed run are the same."""
        del batch, batch_idx
        seed = self._job.settings.seed
        torch.manual_seed((seed << 32) + (self.global_step << 8) + self.global_rank)
        self._job.begin_step(self.student, self.global_step)

    def training_step(self, batch: Any, batch_idx: int) -> dict[str, Any]:
        """Return the sum of the loss terms, and each of them.

        Raises:
            ModelError: if the loss is no longer a number.
        """
        del batch_idx
        terms = self._loss_terms(batch)
        loss = torch.stack([each.float() for each in terms.values()]).sum()
        if self.global_step % _FINITE_EVERY == 0 and not bool(loss.isfinite()):
            raise ModelError(
                f"the training diverged at step {self.global_step}: lower lr, or set precision 32"
            )
        return {"loss": loss, "terms": {name: each.detach() for name, each in terms.items()}}

    def _loss_terms(self, batch: Any) -> dict[str, Tensor]:
        """Return the terms; where parts are computed, their gradient is known then too."""
        if self._pool is None:
            return self._job.loss_terms(self.student, batch)
        parts = self._job.parts(self.student, batch)
        self._gradient = gradient(parts, self._trained, self._pool)
        return self._gradient.terms

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """Set the gradients of the parameters."""
        if self._gradient is None:
            super().backward(loss, *args, **kwargs)
            return
        for parameter, value in zip(self._trained, self._gradient.values, strict=True):
            parameter.grad = value
        self._gradient = None

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Use the student on a batch; Lightning has put the averaged weights in place."""
        del batch_idx
        each = self._pool.map if self._pool else map
        self._job.validator.add(self.student, batch, self.device, each)

    def on_validation_epoch_end(self) -> None:
        """Compare the results with the labels."""
        self.agreement = self._job.validator.agreement()
        # Each process validates everything, so that they agree without exchanging results.
        self.log(AGREEMENT, self.agreement, logger=False, sync_dist=False)

    def transfer_batch_to_device(
        self, batch: Any, device: torch.device, dataloader_idx: int
    ) -> Any:
        """Move a training batch; a validation batch is moved when it is ready."""
        del dataloader_idx
        return self._job.to_device(batch, device) if self.trainer.training else batch

    def configure_optimizers(self) -> dict[str, Any]:
        """Return AdamW; norms and biases, which have one dimension, do not decay."""
        settings, total = self._job.settings, self._job.schedule.total
        rate = self.student.default_lr if settings.lr is None else settings.lr
        groups: list[dict[str, Any]] = []
        rates: list[Callable[[int], float]] = []
        for group in self._job.groups(self.student):
            for decay, parameters in _by_decay(group, settings.weight_decay):
                groups.append({"params": parameters, "weight_decay": decay})
                rates.append(_rate(group, settings, total))
        # The trainer refuses to clip the gradients of a fused optimiser where it could scale them.
        fused = self.trainer.precision == "32-true"
        optimizer = torch.optim.AdamW(groups, lr=rate, fused=fused)
        schedule = LambdaLR(optimizer, rates)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


def _by_decay(group: ParameterGroup, decay: float) -> list[tuple[float, list[Any]]]:
    """Return the weight decays of a group's parameters, each with those that it holds for."""
    weights = [each for each in group.parameters if each.ndim > 1]
    others = [each for each in group.parameters if each.ndim <= 1]
    return [(d, found) for d, found in ((decay, weights), (0.0, others)) if found]


def _rate(group: ParameterGroup, settings: TrainSettings, total: int) -> Callable[[int], float]:
    """Return the function from a step to a group's share of the full learning rate.

    A function and no object: the scheduler writes objects into checkpoints.
    """
    first = first_step(group, total)

    def at(step: int) -> float:
        after = step - first
        return group.factor * rate_at(after, settings, total - first) if after >= 0 else 0.0

    return at


def first_step(group: ParameterGroup, total: int) -> int:
    """Return the first step of so many in which a group is trained."""
    return math.ceil(group.starts * total)


def rate_at(step: int, settings: TrainSettings, total: int) -> float:
    """Return the share of the full learning rate at a step, 0..1.

    It rises evenly during the warm-up (at most half of all steps), then stays, or falls to zero
    along half a cosine.
    """
    warm = min(settings.warmup_steps, total // 2)
    if step < warm:
        return (step + 1) / (warm + 1)
    if settings.schedule == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm) / max(1, total - warm))))
