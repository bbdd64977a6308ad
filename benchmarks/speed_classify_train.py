"""Clips per second of a training with cached pictures, against plain PyTorch loops.

All train the same network, with the same batch size and one thread. *Plain* is the loop that one
writes first: pictures as a tensor in memory, float32, AdamW. *Plain bf16* has mixed precision in
addition. Neither augments, averages weights, validates or writes checkpoints; ours does all but the
validation. What counts is processor time, in turns, without imports and the first steps.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import torch
from torch import nn

from motion_sets import write_set
from reelabel.formats.class_json import read_class_json
from reelabel.media.pictures import read_rgb
from reelabel.models.students.classes.networks.small import Cnn3d
from reelabel.models.students.classes.networks.tsm import ShiftCnn
from reelabel.training.classes.settings import ClipTrainSettings
from reelabel.training.registry import load_trainer

STEPS, FIRST, TIMES, BATCH = 80, 20, 5, 16


class Plain(nn.Module):
    """A network of ours with a linear layer, on float pictures, its weights laid out as usual."""

    def __init__(self, student: str, classes: int) -> None:
        super().__init__()
        self.net = Cnn3d() if student == "cnn3d" else ShiftCnn()
        self.linear = nn.Linear(self.net.features, classes)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """Return outputs of clips ``(b, 3, t, h, w)``."""
        if isinstance(self.net, Cnn3d):
            return self.linear(self.net(clips))
        return self.linear(self.net(clips.permute(0, 2, 3, 4, 1)).mean(1))


def plain(data: Path, student: str, *, mixed: bool) -> float:
    """Train with a plain loop; return clips per second."""
    train = read_class_json(data / "train.json")
    clips = torch.stack([
        torch.stack([torch.from_numpy(read_rgb(data / name)) for name in names])
        for names in train.pictures[: BATCH * STEPS]
    ]).permute(0, 4, 1, 2, 3).contiguous()  # fmt: skip
    right = torch.from_numpy(train.target.argmax(axis=1))
    net = Plain(student, len(train.classes))
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
    began = 0.0
    for step in range(STEPS):
        if step == FIRST:
            began = time.process_time()
        rows = torch.randint(0, len(clips), (BATCH,))
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            outputs = net(clips[rows].float() / 127.5 - 1)
        loss = nn.functional.cross_entropy(outputs.float(), right[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return BATCH * (STEPS - FIRST) / (time.process_time() - began)


def ours(data: Path, student: str) -> float:
    """Train with the trainer; return clips per second after all pictures are in memory."""
    times: dict[int, float] = {}

    def log(share: float, text: str) -> None:
        del share
        if text.startswith("step "):
            times[int(text.split()[1])] = time.process_time()

    settings = ClipTrainSettings(
        student=student,
        batch_size=BATCH,
        accelerator="cpu",
        max_steps=read_all(data) + STEPS,
        check_every=10_000,
    )
    with tempfile.TemporaryDirectory() as model:
        load_trainer(settings).fit(data, Path(model), log)
    first, last = min(t for t in times if t >= read_all(data) + FIRST), max(times)
    return BATCH * (last - first) / (times[last] - times[first])


def read_all(data: Path) -> int:
    """Return the number of steps in which every clip is seen once."""
    return -(-len(read_class_json(data / "train.json")) // BATCH)


def main() -> None:
    """Print the rates and ratios of two students."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        write_set(data, "camera")
        for student in ("cnn3d", "tsm"):
            compare(student, data)


def compare(student: str, data: Path) -> None:
    """Train in turns, and print medians."""
    runs: dict[str, Callable[[], float]] = {
        "ours": lambda: ours(data, student),
        "plain": lambda: plain(data, student, mixed=False),
        "plain bf16": lambda: plain(data, student, mixed=True),
    }
    rates: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(TIMES):
        for name, run in runs.items():
            rates[name].append(run())
    middle = {name: statistics.median(values) for name, values in rates.items()}
    for name, rate in middle.items():
        print(
            f"{student:<6} {name:<11} {rate:6.0f} clips/s  {middle['ours'] / rate:5.2f}x",
            flush=True,
        )


if __name__ == "__main__":
    main()
