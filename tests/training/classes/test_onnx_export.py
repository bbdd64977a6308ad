"""Students are exported as one ONNX file that stands alone, for plain ONNX Runtime and for ours."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from reelabel.errors import ModelError, UsageError  # noqa: E402 -- torch
from reelabel.models.contract import classifier_faults, sample_pictures  # noqa: E402 -- torch
from reelabel.models.registry import load_classifier  # noqa: E402 -- torch
from reelabel.models.students.classes.networks.recurrent import cell_means  # noqa: E402 -- torch
from reelabel.models.students.onnx_export import export_module, export_onnx  # noqa: E402 -- torch
from reelabel.models.students.onnx_metadata import OnnxMetadata  # noqa: E402 -- torch
from reelabel.training.classes.settings import (  # noqa: E402 -- torch
    ClassTrainSettings,
    ClipTrainSettings,
)
from reelabel.training.registry import load_trainer  # noqa: E402 -- torch

pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_thread")]
QUICK = {
    "max_steps": 2, "batch_size": 2, "warmup_steps": 0, "check_every": 2, "accelerator": "cpu",
    "precision": "32", "image_size": 32,
}  # fmt: skip
PICTURES = ["simple", "timm:resnet10t"]
CLIPS = ["cnn3d", "tsm", "cnn-lstm", "gru:mobilenet_v3_small"]


def trained(data, model, student, kind=ClassTrainSettings, **more):
    """Train two steps; return the model folder."""
    load_trainer(kind(student=student, **QUICK | more)).fit(data, model, lambda *_: None)
    return model


@pytest.mark.parametrize("student", PICTURES + CLIPS)
def test_an_export_gives_what_the_student_gives(coloured, moving, tmp_path, student):
    """The file alone gives the probabilities of the folder, for any batch and any picture."""
    clips = student in CLIPS
    kind = ClipTrainSettings if clips else ClassTrainSettings
    more = {"step_s": 0.2, "backbone": "tuned"} if clips else {}
    model = trained(moving if clips else coloured, tmp_path / "model", student, kind, **more)
    metadata = export_onnx(model, tmp_path / "student.onnx")
    ours, theirs = (
        load_classifier(f"student:{model}"),
        load_classifier(f"onnx:{tmp_path}/student.onnx"),
    )
    assert (theirs.classes, theirs.frames, theirs.step_s) == (
        ours.classes,
        ours.frames,
        ours.step_s,
    )
    assert theirs.exclusive == ours.exclusive
    assert metadata.classes == ours.classes
    assert classifier_faults(theirs) == []
    pictures = sample_pictures()
    windows = [[pictures[(i + j) % 4] for j in range(ours.frames)] for i in range(3)]
    np.testing.assert_allclose(theirs.open()(windows), ours.open()(windows), atol=1e-4)


def snippet():
    """Return the code of the how-to that runs an export with plain ONNX Runtime."""
    page = Path(__file__).parents[3] / "docs" / "how-to" / "export-onnx.md"
    (code,) = re.findall(
        r"^```python\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    return code


@pytest.mark.parametrize("student", ["simple", "cnn3d", "mobilenet_v3_small", "timm:resnet10t"])
def test_the_code_of_the_how_to_runs_an_export(request, tmp_path, student, monkeypatch):
    """Without reelabel it gives the student's classes, and of any picture its probabilities."""
    clips = student in CLIPS
    data = request.getfixturevalue("moving" if clips else "coloured")
    kind = ClipTrainSettings if clips else ClassTrainSettings
    model = trained(data, tmp_path / "model", student, kind)
    export_onnx(model, tmp_path / "student.onnx")
    ours = load_classifier(f"student:{model}")
    size_wh = (32, 32) if student in {"simple", "cnn3d"} else (97, 53)
    pictures = sample_pictures(size_wh)[: ours.frames]
    for i, picture in enumerate(pictures):
        cv2.imwrite(str(tmp_path / f"frame{i}.png"), picture[..., ::-1])
    monkeypatch.chdir(tmp_path)
    code = snippet()
    assert "reelabel" not in code
    names = {}
    exec(compile(code, "how-to", "exec"), names)  # noqa: S102 -- our own page
    expected = dict(zip(ours.classes, ours.open()([pictures])[0], strict=True))
    assert names["found"] == pytest.approx(expected, abs=1e-4)


def test_the_how_to_names_every_key():
    """The table of the how-to lists the keys of the metadata, no more and no fewer."""
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "export-onnx.md").read_text("utf-8")
    keys = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    assert sorted(keys) == sorted(OnnxMetadata("classify", ("a",)).props())


def test_multi_label_students_give_independent_probabilities(coloured, tmp_path):
    """Where several classes may be right the file says so, and its outputs are no shares."""
    folder = tmp_path / "data"
    folder.mkdir()
    for path in coloured.iterdir():
        text = path.read_bytes()
        (folder / path.name).write_bytes(text.replace(b'"exclusive": true', b'"exclusive": false'))
    model = trained(folder, tmp_path / "model", "simple")
    metadata = export_onnx(model, tmp_path / "student.onnx")
    assert not metadata.exclusive
    found = load_classifier(f"onnx:{tmp_path}/student.onnx")
    assert not found.exclusive
    rows = found.open()([[picture] for picture in sample_pictures()])
    assert np.abs(rows.sum(axis=1) - 1).max() > 1e-3


def test_students_without_a_network_are_refused(coloured, tmp_path):
    """A student that has no network, and a folder that is none, are errors that say so."""
    model = trained(coloured, tmp_path / "model", "fake")
    with pytest.raises(UsageError, match=r"'fake' .* has no such form"):
        export_onnx(model, tmp_path / "student.onnx")
    with pytest.raises(ModelError, match=r"no model\.json"):
        export_onnx(tmp_path, tmp_path / "student.onnx")
    assert not (tmp_path / "student.onnx").exists()


def test_a_network_that_differs_in_onnx_is_refused(tmp_path):
    """A file whose outputs are not those of the student is never left behind."""
    metadata = OnnxMetadata("classify", ("a", "b"))

    class Changing(torch.nn.Module):
        def forward(self, pictures):
            noise = 1.0 if torch.onnx.is_in_onnx_export() else 2.0
            return noise * pictures.float().flatten(1)[:, :2]

    class Impossible(torch.nn.Module):
        def forward(self, pictures):
            return torch.linalg.eigvals(pictures.float()[0, 0]).real[None]

    for module, message in ((Changing(), "differ by"), (Impossible(), "cannot be written")):
        with pytest.raises(ModelError, match=message):
            export_module(module, torch.zeros(1, 3, 4, 4), tmp_path / "x.onnx", metadata)
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size_hw", [(1, 1), (2, 2), (4, 4), (7, 7), (5, 8)])
def test_means_of_cells_are_those_of_adaptive_pooling(size_hw):
    """What stands for adaptive pooling in an export gives the same means."""
    maps = torch.rand(2, 3, *size_hw)
    expected = torch.nn.AdaptiveAvgPool2d(2)(maps)
    torch.testing.assert_close(cell_means(maps), expected)
