"""A model that is given by its path and is damaged: refused with a way out, or the same boxes."""

from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path

import pytest

from reelabel.models.students.folder import ModelCard, write_card

APPEARANCE = {"rgb": [250.0, 240.0, 230.0], "side_wh": [18.0, 18.0]}


def boxes_model(folder):
    """Write a student without weights that finds the bright disc."""
    folder.mkdir()
    card = ModelCard(
        kind="fake", classes=("disc",), image_size=160, arch={"appearance": [APPEARANCE]}
    )
    write_card(folder, card)
    return folder


def network(folder):
    """Write a student with weights and a network for ONNX Runtime, as a training ends."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("lightning")
    from reelabel.models.students.centernet.network import CenterNet  # noqa: PLC0415 -- torch
    from reelabel.models.students.registry import family_named  # noqa: PLC0415 -- torch

    folder.mkdir()
    torch.manual_seed(0)
    student = CenterNet(1)
    family_named("centernet", "test", "boxes").save(folder, student)
    arch = getattr(student, "arch", {})
    card = ModelCard(kind="centernet", classes=("disc",), image_size=96, arch=arch)
    write_card(folder, card)
    return folder


@pytest.mark.parametrize("make", [boxes_model, pytest.param(network, marks=pytest.mark.train)])
def test_a_damaged_student_is_refused_or_finds_the_same(make, disc_clips, tmp_path, judge):
    """Each file of a student's folder x every damage: no trace, no other boxes without a word."""
    model = make(tmp_path / "model")
    files = [path for path in sorted(model.rglob("*")) if path.is_file()]
    assert judge(model, files, disc_clips[0], same=True) == []


def test_a_damaged_network_is_refused(data_dir, disc_clips, tmp_path, judge):
    """A file of ONNX x every damage: no trace; nothing states which bits were in it."""
    file = shutil.copy(data_dir / "weights" / "yolox_nano.onnx", tmp_path)
    assert judge(file, [Path(file)], disc_clips[0], same=False) == []


@pytest.fixture
def judge(tmp_path, tools):
    """Return a function that damages files of a model and returns what is wrong with `predict`."""
    out = tmp_path / "boxes.json"

    def after(line, path, how):
        out.unlink(missing_ok=True)
        kept = path.read_bytes()
        tools.damage(path, how)
        code, text = tools.call(line)
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        path.write_bytes(kept)
        return code, text

    def find(model, files, video, *, same):
        line = ["predict", model, video, "--score", "0.01", "--out", out, "-q"]
        assert tools.call(line)[0] == 0
        whole, faults = json.loads(out.read_text()), []
        for path, how in itertools.product(files, tools.damages):
            code, text = after(line, path, how)
            fault = tools.refused_badly(code, text) if code else ""
            if fault:
                faults.append((path.name, how, fault))
            elif same and not code and json.loads(out.read_text()) != whole:
                faults.append((path.name, how, "other boxes"))
        return faults

    return find
