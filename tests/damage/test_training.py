"""What an interrupted training left is damaged: it ends with the same weights, or states a way out.

A sample is walked; ``REELABEL_DAMAGES=0`` walks over all.
"""

from __future__ import annotations

import itertools
import os
import random
import shutil

import pytest

pytest.importorskip("torch")
pytest.importorskip("lightning")

from reelabel.errors import ReelabelError
from reelabel.training.boxes.settings import BoxTrainSettings
from reelabel.training.registry import load_trainer

pytestmark = pytest.mark.train
CASES = 3 if os.environ.get("REELABEL_DAMAGES") != "0" else None
SETTINGS = {
    "student": "centernet", "image_size": 96, "batch_size": 4, "warmup_steps": 2, "check_every": 2,
    "max_steps": 4, "accelerator": "cpu",
}  # fmt: skip


class Killed(BaseException):
    """Stands for a kill: nothing in the program expects it."""


def train(dataset, model, *, kill_at=None):
    """Train; die when the log reports a step."""

    def log(_share, line):
        if kill_at is not None and line.startswith(f"step {kill_at} "):
            raise Killed

    load_trainer(BoxTrainSettings(**SETTINGS)).fit(dataset, model, log)


def test_a_damaged_training_ends_the_same(boxes, tools, tmp_path):
    """Each file of an interrupted training x every damage: the same weights in the end."""
    dataset = boxes.root / "rounds" / "0" / "dataset"
    train(dataset, tmp_path / "whole")
    with pytest.raises(Killed):
        train(dataset, tmp_path / "killed", kill_at=3)
    whole = (tmp_path / "whole" / "model.safetensors").read_bytes()
    files = [p.relative_to(tmp_path / "killed") for p in (tmp_path / "killed").rglob("*")]
    files = sorted(name for name in files if (tmp_path / "killed" / name).is_file())
    assert "checkpoints/last.ckpt" in map(str, files)
    cases = list(itertools.product(files, tools.damages))
    faults = []
    for name, how in random.Random(1).sample(cases, CASES or len(cases)):
        model = shutil.copytree(tmp_path / "killed", tmp_path / "model")
        tools.damage(model / name, how)
        try:
            train(dataset, model)
            if (model / "model.safetensors").read_bytes() != whole:
                faults.append((str(name), how, "other weights"))
        except ReelabelError as exc:
            if not tools.ways_out.search(str(exc)):
                faults.append((str(name), how, str(exc)))
        except Exception as exc:  # noqa: BLE001 -- what is looked for
            faults.append((str(name), how, repr(exc)))
        shutil.rmtree(model)
    assert faults == []
