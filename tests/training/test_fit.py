"""Training from a data set folder to a model folder, with kills in between."""

import csv
import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from safetensors.torch import load_file  # noqa: E402 -- torch

from reelabel.data.boxes import iou  # noqa: E402 -- torch
from reelabel.errors import ModelError, UsageError  # noqa: E402 -- torch
from reelabel.media.pictures import read_rgb  # noqa: E402 -- torch
from reelabel.models.students.centernet.network import CenterNet  # noqa: E402 -- torch
from reelabel.models.students.detector import load_student_detector  # noqa: E402 -- torch
from reelabel.models.students.folder import START, WEIGHTS, is_finished, read_card  # noqa: E402 -- torch
from reelabel.training.boxes.settings import BoxTrainSettings  # noqa: E402 -- torch
from reelabel.training.boxes.training_set import read_training_set  # noqa: E402 -- torch
from reelabel.training.module import rate_at  # noqa: E402 -- torch
from reelabel.training.registry import load_trainer  # noqa: E402 -- torch

pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_thread")]
QUICK = {
    "image_size": 96, "batch_size": 4, "warmup_steps": 4, "check_every": 4, "accelerator": "cpu",
}  # fmt: skip


class Killed(BaseException):
    """Stands for a kill: nothing in the program expects it."""


def train(folder, model, kill_at=None, **settings):
    """Train with quick settings; die when the log reports a step."""
    reports = []

    def log(share, line):
        reports.append((share, line))
        if kill_at is not None and line.startswith(f"step {kill_at} "):
            raise Killed

    load_trainer(BoxTrainSettings(**{**QUICK, **settings})).fit(folder, model, log)
    return reports


def curve(model):
    """Return the rows of curve.csv."""
    with (model / "curve.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_learns_squares(squares, tmp_path, capsys):
    """After some steps the student finds squares that it has not seen, and nothing is printed."""
    folder, model = squares(8, 3), tmp_path / "model"
    reports = train(folder, model, max_steps=70, lr=8e-3, check_every=35, ema=0.9)
    detector = load_student_detector(model)
    data = read_training_set(folder, "val", BoxTrainSettings())
    good = 0
    for number in data.labelled:
        picture = data.pictures[number]
        found = detector.open()([read_rgb(picture.path)])[0]
        best = [found[found.class_id == c][:1] for c in (0, 1)]
        good += sum(
            len(one) > 0 and iou(one.xyxy, picture.positive.xyxy[c : c + 1])[0, 0] > 0.5
            for c, one in enumerate(best)
        )
    assert good >= 0.75 * 2 * len(data.labelled)
    assert [share for share, _ in reports] == sorted(share for share, _ in reports)
    assert reports[-1][0] == 1.0
    rows = curve(model)
    assert [row["step"] for row in rows] == ["35", "70"]
    assert float(rows[1]["loss"]) < float(rows[0]["loss"])
    assert 0 < float(rows[1]["val_agreement"]) <= 1
    assert read_card(model).training["steps"] == 70
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("kill_at", [6, 8])
def test_killed_run_goes_on_exactly(squares, tmp_path, kill_at):
    """A run that was killed, between checkpoints or at one, ends with the very same weights."""
    folder = squares()
    train(folder, tmp_path / "whole", max_steps=12)
    with pytest.raises(Killed):
        train(folder, tmp_path / "killed", kill_at=kill_at, max_steps=12)
    assert not is_finished(tmp_path / "killed")
    train(folder, tmp_path / "killed", max_steps=12)
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "killed"))
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert curve(tmp_path / "whole") == curve(tmp_path / "killed")
    assert read_card(tmp_path / "killed").training["steps"] == 12


def test_killed_before_the_folder_was_finished(squares, tmp_path):
    """A run that was killed after its last step only has to write the model."""
    folder = squares()
    train(folder, tmp_path / "model", max_steps=8)
    before = load_file(tmp_path / "model" / "model.safetensors")
    (tmp_path / "model" / "model.json").unlink()
    (tmp_path / "model" / "model.safetensors").unlink()
    train(folder, tmp_path / "model", max_steps=8)
    after = load_file(tmp_path / "model" / "model.safetensors")
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_finished_folder_is_left_alone_until_something_changes(squares, tmp_path):
    """The same training is not done again; another one starts from nothing."""
    folder, model = squares(), tmp_path / "model"
    train(folder, model, max_steps=4)
    assert train(folder, model, max_steps=4) == [(1.0, "already trained")]
    assert len(train(folder, model, max_steps=5)) > 1
    assert read_card(model).training["steps"] == 5
    coco = json.loads((folder / "train.json").read_text())
    coco["annotations"].pop()
    (folder / "train.json").write_text(json.dumps(coco))
    assert len(train(folder, model, max_steps=5)) > 1


def test_the_untrained_start_is_kept_if_it_detects(squares, tmp_path):
    """A student that starts from weights is kept as it was; one that starts from chance is not."""
    folder, first, second = squares(), tmp_path / "first", tmp_path / "second"
    train(folder, first, max_steps=2)
    assert not (first / START).exists()
    train(folder, second, max_steps=2, weights=first / WEIGHTS)
    start, before = (load_file(path / WEIGHTS) for path in (second / START, first))
    assert all(np.array_equal(start[name], before[name]) for name in before)
    assert load_student_detector(second / START).classes == ("red", "blue")
    train(folder, second, max_steps=3)
    assert not (second / START).exists()


def test_labels_choose_the_input_size_also_of_a_student_that_detects(squares, tmp_path):
    """Squares of 20 in pictures of 96 need all of their size, whatever agrees with itself."""
    folder, first, second = squares(), tmp_path / "first", tmp_path / "second"
    train(folder, first, max_steps=2)
    more = {"weights": first / WEIGHTS, "image_size": 0, "size_by": "labels"}
    reports = train(folder, second, max_steps=2, **more)
    assert read_card(second).image_size == 96
    assert not any("choosing the input size" in line for _, line in reports)
    assert (second / START).exists()


def test_average_is_what_is_kept(squares, tmp_path):
    """The folder holds the averaged weights, not the last ones."""
    folder = squares()
    train(folder, tmp_path / "averaged", max_steps=8, ema=0.99)
    train(folder, tmp_path / "last", max_steps=8, ema=0.0)
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("averaged", "last"))
    assert not torch.equal(one["head.1.weight"], two["head.1.weight"])
    kept = torch.load(tmp_path / "averaged" / "checkpoints" / "last.ckpt", weights_only=True)
    now = kept["current_model_state"]["student.head.1.weight"]
    assert torch.equal(now, two["head.1.weight"])


def test_stops_early_and_keeps_the_best(squares, tmp_path):
    """Without better agreement the training ends after the patience, with the best weights."""
    model = tmp_path / "model"
    train(squares(), model, max_steps=40, early_stop_patience=2, lr=1e-7, check_every=4)
    assert read_card(model).training["steps"] == 12
    assert read_card(model).training["best_val_agreement"] == float(
        curve(model)[0]["val_agreement"]
    )


def test_stops_when_its_time_is_up(squares, tmp_path):
    """A budget of next to no time ends after one step, with a folder that works."""
    train(squares(), tmp_path / "model", max_steps=40, budget_s=1e-6)
    assert read_card(tmp_path / "model").training["steps"] == 1
    assert is_finished(tmp_path / "model")


def test_trains_without_val_and_with_loggers(squares, tmp_path):
    """No validation split is no error; TensorBoard files are written if asked for."""
    folder, model = squares(), tmp_path / "model"
    (folder / "val.json").unlink()
    train(folder, model, max_steps=4, loggers=["csv", "tensorboard"])
    assert curve(model)[-1]["val_agreement"] == ""
    assert list(model.rglob("events.out.tfevents*"))
    assert list((model / "logs").rglob("metrics.csv"))


def test_divergence_is_an_error(squares, tmp_path, monkeypatch):
    """A loss that is no number stops the training with advice."""
    nothing = torch.tensor(float("nan"), requires_grad=True)
    monkeypatch.setattr(CenterNet, "forward_train", lambda *_: {"heat": nothing})
    with pytest.raises(ModelError, match="diverged at step 0: lower lr"):
        train(squares(), tmp_path / "model", max_steps=2)


def test_process_is_left_as_it_was(squares, tmp_path):
    """Training changes neither the number of threads nor the random state of the process."""
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train(squares(), tmp_path / "model", max_steps=2)
    assert torch.get_num_threads() == 1
    assert torch.equal(torch.rand(3), expected)


def test_a_damaged_checkpoint_is_not_resumed(squares, tmp_path):
    """Where the checkpoint cannot be read, training begins anew and ends as without a stop."""
    folder, model = squares(), tmp_path / "model"
    with pytest.raises(Killed):
        train(folder, model, kill_at=4, max_steps=8)
    (model / "checkpoints" / "last.ckpt").write_bytes(b"cut")
    train(folder, model, max_steps=8)
    train(folder, tmp_path / "other", max_steps=8)
    one, two = (load_file(each / "model.safetensors") for each in (model, tmp_path / "other"))
    assert all(one[name].equal(two[name]) for name in two)


def test_two_devices_train_one_student(squares, tmp_path):
    """Processes that share the steps leave one folder, and one of them reports the progress."""
    reports = train(squares(), tmp_path / "model", max_steps=8, devices=2)
    assert len({text for _, text in reports}) == len(reports) > 8
    assert [row["step"] for row in curve(tmp_path / "model")] == ["4", "8"]
    assert load_student_detector(tmp_path / "model").classes == ("red", "blue")


def test_more_devices_than_pictures_is_refused():
    """A step cannot be shared by more devices than it has pictures."""
    from reelabel.training.fit import check_share  # noqa: PLC0415 -- slow

    with pytest.raises(UsageError, match="batch_size"):
        check_share(BoxTrainSettings(batch_size=2), 4)


@pytest.mark.parametrize(("schedule", "last"), [("constant", 1.0), ("cosine", 0.0)])
def test_rate_rises_then_follows_the_schedule(schedule, last):
    """The rate rises evenly, is full after the warm-up, and ends as scheduled."""
    settings = BoxTrainSettings(schedule=schedule, warmup_steps=10)
    rates = [rate_at(step, settings, 100) for step in range(101)]
    assert np.all(np.diff(rates[:11]) > 0)
    assert rates[10] == 1.0
    assert rates[100] == pytest.approx(last)
