"""The files that an interrupted training resumes from: written whole, read without running code."""

from __future__ import annotations

import errno
import zipfile
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO

from reelabel.files import write_atomic

CHECKPOINTS, LAST, BEST = "checkpoints", "last.ckpt", "best.ckpt"


class WholeCheckpoints(TorchCheckpointIO):
    """Writes each checkpoint atomically: a full disk or a kill leaves the one before."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        """Write a checkpoint.

        Raises:
            WorkspaceError: if it cannot be written.
        """
        del storage_options
        write_atomic(Path(path), lambda scratch: _save(checkpoint, scratch))


def _save(checkpoint: dict[str, Any], path: Path) -> None:
    with path.open("wb") as file:  # torch, given a path, hides why it could not write
        try:
            torch.save(checkpoint, file)
        except RuntimeError as exc:  # it counts bytes after a write that failed
            raise OSError(errno.EIO, "it cannot be written whole; is the disk full?") from exc


def read_checkpoint(path: Path) -> dict[str, Any] | None:
    """Return a checkpoint, None if there is none or it is damaged: then nothing can be resumed."""
    try:
        with zipfile.ZipFile(path) as file:
            if file.testzip() is not None:  # torch itself does not compare the checksums
                return None
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # noqa: BLE001 -- a damaged file fails in many ways
        return None
    return found if isinstance(found, dict) and "state_dict" in found else None
