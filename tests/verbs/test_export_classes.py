"""export of a workspace of classes: data sets in every format, and the student as ONNX."""

from __future__ import annotations

import csv
import hashlib
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest

import reelabel as api
from reelabel.errors import MissingInput, ShardError, UsageError
from reelabel.formats.class_json import read_class_json
from reelabel.formats.pictures import EXPORT_MARK
from reelabel.models.students.folder import MODEL_JSON
from reelabel.sources.footage import files_in
from reelabel.verbs import export as export_module
from reelabel.workspace.results import Decision

FORMATS = ("image-folder", "class-csv", "kinetics-csv", "fiftyone")


def contents(folder: Path) -> dict[str, str]:
    """Return a hash of every file below a folder, but for indexes, which readers may write."""
    files = (p for p in sorted(folder.rglob("*")) if p.is_file() and p.name[0] != "_")
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_is_written_with_copies(classified, tmp_path, kind):
    """Changing an export changes nothing in the workspace, and it is never footage."""
    before = contents(classified.root)
    out = api.export(classified, tmp_path / "out", format=kind)
    files = [path for path in out.rglob("*") if path.is_file()]
    assert len([path for path in files if path.suffix == ".jpg"]) == 54
    for path in files:
        path.write_bytes(b"changed")
    assert contents(classified.root) == before
    assert (out / EXPORT_MARK).is_file()
    with pytest.raises(UsageError, match=r"exports|exported"):
        files_in(tmp_path)


def test_sides_are_folders_of_classes(classified, tmp_path):
    """By default every side that holds moments has a folder, and in it one for each class."""
    out = api.export(classified, tmp_path / "out")
    home = classified.round_dir(0) / "dataset"
    for side in ("train", "val"):
        data = read_class_json(home / f"{side}.json")
        expected = Counter(name for i in range(len(data)) for name in data.names_at(i))
        found = {name: len(list((out / side / name).iterdir())) for name in expected}
        assert found == expected
    assert not (out / "test").exists()


def test_formats_with_times_get_them(classified, tmp_path):
    """The manifest of Kinetics states the seconds of each moment."""
    out = api.export(classified, tmp_path / "out", format="kinetics-csv")
    with (out / "train.csv").open(newline="") as file:
        times = {row["time_start"] for row in csv.DictReader(file)}
    assert times == {"0.0", "0.4", "0.8", "1.2", "1.6", "2.0"}


def test_the_table_lists_every_moment(classified, tmp_path):
    """The CSV names side, picture and class of all."""
    out = api.export(classified, tmp_path / "out", format="class-csv")
    (table,) = out.glob("*.csv")
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 54


@pytest.mark.parametrize("kind", ["detections-txt", "coco", "yolo", "image-foldr"])
def test_formats_of_boxes_are_refused(classified, tmp_path, kind):
    """The error lists what classes are exported as."""
    with pytest.raises(
        UsageError, match=rf"no format '{kind}' of the task classify-frames"
    ) as told:
        api.export(classified, tmp_path / "out", format=kind)
    assert "formats: image-folder, class-csv, kinetics-csv, fiftyone, onnx" in str(told.value)
    assert not (tmp_path / "out").exists()


def test_nothing_is_added_to_a_file(classified, tmp_path):
    """`into` is for COCO files of boxes."""
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(UsageError, match="only coco can be written into a file"):
        api.export(classified, tmp_path / "out", into=tmp_path / "a.json")


def test_a_data_set_that_is_not_whole_is_named(classes_copy, tmp_path):
    """Nothing is left behind."""
    (classes_copy.round_dir(0) / "dataset" / "val.json").unlink()
    with pytest.raises(ShardError, match=r"val\.json is missing or altered.*reelabel split"):
        api.export(classes_copy, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(UsageError, match="round 3 has no data set"):
        api.export(classes_copy, tmp_path / "out", round=3)


def test_the_command_exports_the_default_format(classified, tmp_path, reelabel):
    """Without a format it is that of the task."""
    code, said, err = reelabel("export", classified.root, tmp_path / "out")
    assert (code, err) == (0, "")
    assert re.match(r"round 0: \d+ moments \(train \d+, val \d+\)\nwritten to ", said)
    assert said.endswith(f"written to {tmp_path / 'out'}\n")
    assert (tmp_path / "out" / "train" / "red").is_dir()


# -- the student -----------------------------------------------------------------------------------


@pytest.fixture
def written(monkeypatch):
    """Return what would be written as ONNX: model folder, file and number format."""
    found = []
    module = pytest.importorskip("reelabel.models.students.onnx_export")
    monkeypatch.setattr(module, "export_onnx", lambda *call: found.append(call))
    return found


def decide(workspace, best):
    """Make a model the best of the workspace."""
    Decision(0, "stop", best=best, next_teacher=best, reason="").save(workspace.round_dir(0))


def test_the_best_student_is_written(classes_copy, tmp_path, written):
    """That of the last decision, or of the round that is named."""
    decide(classes_copy, "round:0")
    out = tmp_path / "student.onnx"
    assert api.export(classes_copy, out, format="onnx") == out
    decide(classes_copy, "fake:")
    assert api.export(classes_copy, out, format="onnx", round=0) == out
    assert written == [(classes_copy.round_dir(0) / "model", out, "float32")] * 2


def test_half_precision_is_for_onnx_alone(classes_copy, tmp_path, written, reelabel):
    """The flag reaches the writer of the student; with a data set it is an error."""
    decide(classes_copy, "round:0")
    out = tmp_path / "student.onnx"
    code, _, err = reelabel("export", classes_copy.root, out, "--format", "onnx", "--half")
    assert (code, err) == (0, "")
    assert written == [(classes_copy.round_dir(0) / "model", out, "float16")]
    with pytest.raises(UsageError, match="half precision is for onnx alone"):
        api.export(classes_copy, tmp_path / "out", half=True)
    assert not (tmp_path / "out").exists()


def test_a_teacher_is_no_student(classes_copy, tmp_path):
    """Where it is the best model the error says what to name."""
    decide(classes_copy, "fake:")
    with pytest.raises(UsageError, match="the best model is fake:, which is no student"):
        api.export(classes_copy, tmp_path / "x.onnx", format="onnx")
    with pytest.raises(MissingInput, match="round 5 has no trained student"):
        api.export(classes_copy, tmp_path / "x.onnx", format="onnx", round=5)
    (classes_copy.round_dir(0) / "model" / MODEL_JSON).unlink()
    with pytest.raises(MissingInput, match="round 0 has no trained student"):
        api.export(classes_copy, tmp_path / "x.onnx", format="onnx", round=0)


@pytest.mark.parametrize("name", ["folder", "student.pt", "x.onnx"])
def test_onnx_is_one_file(classes_copy, tmp_path, name):
    """A name with another suffix, or a folder, is refused."""
    decide(classes_copy, "round:0")
    if name == "x.onnx":
        (tmp_path / name).mkdir()
    with pytest.raises(UsageError, match=r"a file that ends in \.onnx"):
        api.export(classes_copy, tmp_path / name, format="onnx")


def test_a_student_without_a_network_has_no_such_form(classes_copy, tmp_path):
    """The error of the writer reaches the user, and no file is left."""
    pytest.importorskip("torch")
    with pytest.raises(UsageError):
        api.export(classes_copy, tmp_path / "x.onnx", format="onnx", round=0)
    assert not (tmp_path / "x.onnx").exists()


def test_boxes_are_exported_as_before(disc_clips, tmp_path, reelabel):
    """A workspace of boxes has its own formats, first of them coco."""
    root = tmp_path / "w"
    shutil.copytree(disc_clips[0].parent, tmp_path / "f")
    ws = api.init(root, classes=["disc"], videos=[tmp_path / "f"], detector="fake:")
    with pytest.raises(UsageError, match=r"formats: coco, yolo, voc, .*detections-txt, onnx"):
        api.export(ws, tmp_path / "out", format="image-folder")
    assert export_module.COCO == "coco"
