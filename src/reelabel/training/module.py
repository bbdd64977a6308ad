"""A student inside Lightning: the training step, the validation step, the optimiser."""

from __future__ import annotations

import math
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from reelabel.errors import ModelError
from reelabel.training.batches import Batch
from reelabel.training.settings import TrainSettings
from reelabel.training.validation import Item, Validator

AGREEMENT = "val_agreement"
"""Name of the validation's result, in the trainer's metrics and in the curve."""

_FINITE_EVERY = 20  # steps; asking a GPU whether a number is finite makes it wait


class TrainingModule(LightningModule):
    """Wraps a student.

    Args:
        student: the network that is trained.
        settings: of the training.
        total: number of steps, for the schedule.
        validator: the validation split.
        channels_last: keep the colour channels last in memory.

    Attributes:
        agreement: result of the last validation, 0..1; None before the first.
    """

    def __init__(
        self,
        student: nn.Module,
        settings: TrainSettings,
        total: int,
        *,
        validator: Validator,
        channels_last: bool = False,
    ) -> None:
        super().__init__()
        self._layout = torch.channels_last if channels_last else torch.contiguous_format
        self.student: Any = student.to(memory_format=self._layout)
        self._settings, self._total, self._validator = settings, total, validator
        self.agreement: float | None = None

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Seed the step: the random numbers of a resumed run are the same."""
        del batch, batch_idx
        torch.manual_seed((self._settings.seed << 32) + (self.global_step << 8) + self.global_rank)

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Return the sum of the loss terms, and each of them.

        Raises:
            ModelError: if the loss is no longer a number.
        """
        del batch_idx
        images, targets = batch
        terms: dict[str, Tensor] = self.student.forward_train(
            images.float().contiguous(memory_format=self._layout), targets
        )
        loss = torch.stack([each.float() for each in terms.values()]).sum()
        if self.global_step % _FINITE_EVERY == 0 and not bool(loss.isfinite()):
            raise ModelError(
                f"the training diverged at step {self.global_step}: lower lr, or set precision 32"
            )
        return {"loss": loss, "terms": {name: each.detach() for name, each in terms.items()}}

    def validation_step(self, batch: Item, batch_idx: int) -> None:
        """Detect in one validation picture; Lightning has put the averaged weights in place."""
        del batch_idx
        self._validator.add(self.student, batch, self.device)

    def on_validation_epoch_end(self) -> None:
        """Compare the detections with the labels."""
        self.agreement = self._validator.agreement()
        # Each process validates all pictures, so that they agree without exchanging detections.
        self.log(AGREEMENT, self.agreement, logger=False, sync_dist=False)

    def transfer_batch_to_device(
        self, batch: Any, device: torch.device, dataloader_idx: int
    ) -> Any:
        """Move pictures (as bytes) and targets; a validation picture is moved when it is ready."""
        del dataloader_idx
        if not self.trainer.training:
            return batch
        images, targets = batch
        return images.to(device, non_blocking=True), [each.to(device) for each in targets]

    def configure_optimizers(self) -> dict[str, Any]:
        """Return AdamW; norms and biases, which have one dimension, do not decay."""
        own = [each for each in self.student.parameters() if each.requires_grad]
        groups = [
            {"params": [p for p in own if p.ndim > 1], "weight_decay": self._settings.weight_decay},
            {"params": [p for p in own if p.ndim <= 1], "weight_decay": 0.0},
        ]
        rate = self.student.default_lr if self._settings.lr is None else self._settings.lr
        optimizer = torch.optim.AdamW([each for each in groups if each["params"]], lr=rate)
        schedule = LambdaLR(optimizer, lambda step: rate_at(step, self._settings, self._total))
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


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
