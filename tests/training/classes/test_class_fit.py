"""Training a classifier from a data set folder to a model folder, with kills in between."""

import csv
import json
import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from safetensors.torch import load_file  # noqa: E402 -- torch
from torchvision.models import get_model  # noqa: E402 -- torch

from reelabel.errors import UsageError  # noqa: E402 -- torch
from reelabel.media.pictures import read_rgb  # noqa: E402 -- torch
from reelabel.models.registry import load_classifier  # noqa: E402 -- torch
from reelabel.models.students.classes.card import read_class_card  # noqa: E402 -- torch
from reelabel.models.students.folder import is_finished  # noqa: E402 -- torch
from reelabel.models.students.registry import family_of  # noqa: E402 -- torch
from reelabel.training.classes.job import ClassJob  # noqa: E402 -- torch
from reelabel.training.classes.settings import (  # noqa: E402 -- torch
    ClassTrainSettings,
    ClipTrainSettings,
)
from reelabel.training.classes.training_set import read_examples  # noqa: E402 -- torch
from reelabel.training.registry import load_trainer  # noqa: E402 -- torch

pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_thread")]
QUICK = {
    "student": "tsm", "image_size": 32, "batch_size": 4, "warmup_steps": 4, "check_every": 4,
    "accelerator": "cpu",
}  # fmt: skip
FROZEN = {"student": "mobilenet_v3_small", "backbone": "frozen"}


class Killed(BaseException):
    """Stands for a kill: nothing in the program expects it."""


def train(folder, model, kill_at=None, kind=ClipTrainSettings, **settings):
    """Train with quick settings; die when the log reports a step."""
    reports = []

    def log(share, line):
        reports.append((share, line))
        if kill_at is not None and line.startswith(f"step {kill_at} "):
            raise Killed

    load_trainer(kind(**{**QUICK, **settings})).fit(folder, model, log)
    return reports


def weights_of(model):
    """Return the tensors of a model folder."""
    return load_file(model / "model.safetensors")


def same(one, two):
    """Return whether two model folders hold the very same weights."""
    a, b = weights_of(one), weights_of(two)
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def curve(model):
    """Return the rows of curve.csv."""
    with (model / "curve.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def initial(tmp_path_factory):
    """Return a file with weights of a small network of torchvision."""
    path = tmp_path_factory.mktemp("weights") / "mobilenet.pth"
    torch.manual_seed(0)
    torch.save(get_model("mobilenet_v3_small", weights=None).state_dict(), path)
    return path


def test_a_clip_student_learns_where_a_square_moves(make_moving, tmp_path):
    """It tells directions of windows that it has not seen, which single pictures do not show."""
    folder = make_moving(count=48)
    train(folder, tmp_path / "clip", max_steps=200, check_every=100, crop_min=0.9)
    data = read_examples(folder, "val")
    windows = [[read_rgb(path) for path in window] for window in data.pictures]
    classify = load_classifier(f"student:{tmp_path / 'clip'}").open()

    def right(shown):
        found = classify(shown).argmax(axis=1)
        return (data.target[np.arange(len(data)), found] == 1).mean()

    assert right(windows) >= 0.9
    assert right([window[::-1] for window in windows]) <= 0.2
    rows = curve(tmp_path / "clip")
    assert [row["step"] for row in rows] == ["100", "200"]
    assert float(rows[1]["val_agreement"]) == pytest.approx(right(windows), abs=0.05)


@pytest.fixture(params=["tuned", "frozen", "staged"])
def how(request, initial):
    """Return the settings of each way to train a backbone."""
    if request.param == "tuned":
        return {}
    return {"student": "mobilenet_v3_small", "backbone": request.param, "weights": initial}


@pytest.mark.parametrize("kill_at", [6, 8])
def test_killed_run_goes_on_exactly(moving, tmp_path, kill_at, how):
    """A run that was killed, between checkpoints or at one, ends with the very same weights."""
    train(moving, tmp_path / "whole", max_steps=12, **how)
    with pytest.raises(Killed):
        train(moving, tmp_path / "killed", kill_at=kill_at, max_steps=12, **how)
    assert not is_finished(tmp_path / "killed")
    train(moving, tmp_path / "killed", max_steps=12, **how)
    assert same(tmp_path / "whole", tmp_path / "killed")
    assert curve(tmp_path / "whole") == curve(tmp_path / "killed")


def test_cached_features_train_the_same_head(coloured, tmp_path, initial):
    """Whether features are kept or computed each time, the head ends alike."""
    for name, room in (("kept", 64), ("each", 0)):
        train(coloured, tmp_path / name, kind=ClassTrainSettings, weights=initial, max_steps=12,
              cache_mb=room, **FROZEN)  # fmt: skip
    one, two = weights_of(tmp_path / "kept"), weights_of(tmp_path / "each")
    assert all(torch.allclose(one[key], two[key], atol=1e-5) for key in one)


def test_a_frozen_backbone_stays_as_it_was(coloured, tmp_path, initial):
    """Only the head changes; norms keep their statistics too."""
    train(coloured, tmp_path / "m", kind=ClassTrainSettings, weights=initial, max_steps=8, **FROZEN)
    found, before = weights_of(tmp_path / "m"), torch.load(initial, weights_only=True)
    kept = {k.removeprefix("backbone.net."): v for k, v in found.items() if "backbone" in k}
    assert all(torch.equal(value, before[key]) for key, value in kept.items())


def test_a_staged_backbone_waits_for_its_turn(coloured, tmp_path, initial):
    """It is as it was when the head's share of the steps is over, and changes after that."""
    given = {"student": "mobilenet_v3_small", "backbone": "staged", "head_share": 0.5, "ema": 0}
    given |= {"kind": ClassTrainSettings, "weights": initial}
    with pytest.raises(Killed):
        train(coloured, tmp_path / "half", kill_at=5, max_steps=8, **given)
    kept = torch.load(tmp_path / "half/checkpoints/last.ckpt", weights_only=True)["state_dict"]
    before = torch.load(initial, weights_only=True)
    name = "features.0.0.weight"
    assert torch.equal(kept[f"student.backbone.net.{name}"], before[name])
    train(coloured, tmp_path / "half", max_steps=8, **given)
    assert not torch.equal(weights_of(tmp_path / "half")[f"backbone.net.{name}"], before[name])


def test_the_backbone_learns_at_a_lower_rate(coloured, initial):
    """Where a backbone has initial weights its rate is a share of the head's."""
    for more, factor in (({}, 1.0), ({"weights": initial}, 0.1), ({"backbone_rate": 0.5}, 0.5)):
        settings = ClassTrainSettings(student="mobilenet_v3_small", image_size=32, **more)
        job = ClassJob(coloured, settings, family_of(settings))
        assert [group.factor for group in job.groups(job.student)] == [1.0, factor]


def test_questions_with_unknown_answers_train(make_moving, tmp_path):
    """Classes that do not exclude each other may be unknown, and the figure is mean precision."""
    folder = tmp_path / "data"
    shutil.copytree(make_moving(count=8), folder)
    for split in ("train", "val"):
        raw = json.loads((folder / f"{split}.json").read_text())
        raw["exclusive"] = False
        for number, moment in enumerate(raw["moments"]):
            if number < 4:
                moment["classes"].pop("leftward" if number % 2 else "rightward")
        (folder / f"{split}.json").write_text(json.dumps(raw))
    train(folder, tmp_path / "model", max_steps=4, class_balance="weights")
    card = read_class_card(tmp_path / "model")
    assert not card.exclusive
    assert card.training["examples_of_class"] == {"leftward": 4, "rightward": 4}
    row = curve(tmp_path / "model")[0]
    assert 0 < float(row["val_agreement"]) <= 1
    assert float(row["loss"]) > 0
    found = load_classifier(f"student:{tmp_path / 'model'}").open()
    assert not np.allclose(found([[np.zeros((32, 48, 3), np.uint8)] * 4]).sum(axis=1), 1)


def test_sampling_and_weights_reach_the_training(moving, tmp_path):
    """Each kind of balance is another training where classes are uneven, the same where even."""
    folder = tmp_path / "data"
    shutil.copytree(moving, folder)
    for name in ("even", "uneven"):
        raw = json.loads((folder / "train.json").read_text())
        if name == "uneven":
            raw["moments"] = raw["moments"][:5]
        (folder / "train.json").write_text(json.dumps(raw))
        for balance in ("none", "weights"):
            train(folder, tmp_path / name / balance, max_steps=4, class_balance=balance)
    assert same(tmp_path / "even/none", tmp_path / "even/weights")
    assert not same(tmp_path / "uneven/none", tmp_path / "uneven/weights")


def test_stops_early_and_when_its_time_is_up(moving, tmp_path):
    """Patience and budget end a training of classes as they end one of boxes."""
    train(moving, tmp_path / "early", max_steps=40, early_stop_patience=2, lr=1e-7)
    assert read_class_card(tmp_path / "early").training["steps"] == 12
    train(moving, tmp_path / "short", max_steps=40, budget_s=1e-6)
    assert read_class_card(tmp_path / "short").training["steps"] == 1


def test_val_with_other_classes_is_refused(moving, tmp_path):
    """Splits that name other classes do not belong together."""
    folder = tmp_path / "data"
    shutil.copytree(moving, folder)
    raw = json.loads((folder / "val.json").read_text())
    raw["classes"] = ["rightward", "leftward"]
    (folder / "val.json").write_text(json.dumps(raw))
    with pytest.raises(UsageError, match="make the data set again"):
        train(folder, tmp_path / "model", max_steps=2)


def test_two_devices_train_one_student(moving, tmp_path):
    """Processes share the steps of a staged student, and one of them writes the folder."""
    path = tmp_path / "weights.pth"
    torch.save(get_model("mobilenet_v3_small", weights=None).state_dict(), path)
    train(moving, tmp_path / "model", max_steps=4, devices=2, student="mobilenet_v3_small",
          backbone="staged", weights=path)  # fmt: skip
    assert load_classifier(f"student:{tmp_path / 'model'}").classes == ("leftward", "rightward")
