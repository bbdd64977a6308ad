"""Loggers of the training curve write below the model folder and need no network."""

import csv
import sqlite3
from contextlib import closing

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from reelabel.errors import MissingExtra  # noqa: E402 -- torch
from reelabel.training import loggers as loggers_module  # noqa: E402 -- torch
from reelabel.training.boxes.settings import BoxTrainSettings  # noqa: E402 -- torch
from reelabel.training.loggers import training_loggers  # noqa: E402 -- torch
from reelabel.training.registry import load_trainer  # noqa: E402 -- torch

pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_thread")]
QUICK = {"image_size": 96, "batch_size": 4, "warmup_steps": 4, "check_every": 4, "max_steps": 4}


@pytest.fixture(autouse=True)
def no_account(monkeypatch, tmp_path):
    """Make a machine without any account or server."""
    for name in ("WANDB_MODE", "WANDB_API_KEY", "WANDB_BASE_URL", "NETRC", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def train(folder, model, *names):
    """Train four steps with these loggers; return the loss of the curve."""
    settings = BoxTrainSettings(**QUICK, accelerator="cpu", loggers=names)
    load_trainer(settings).fit(folder, model, lambda *_: None)
    with (model / "curve.csv").open(newline="") as file:
        return float(next(csv.DictReader(file))["loss"])


def test_tensorboard_and_csv_are_always_there(squares, tmp_path):
    """The extra [train] brings two loggers that hold the curve's loss."""
    from tensorboard.backend.event_processing import event_accumulator  # noqa: PLC0415 -- slow

    loss = train(squares(), tmp_path / "model", "csv", "tensorboard")
    logs = tmp_path / "model" / "logs"
    with (logs / "csv" / "metrics.csv").open(newline="") as file:
        assert float(next(csv.DictReader(file))["loss"]) == pytest.approx(loss, rel=1e-3)
    events = event_accumulator.EventAccumulator(str(logs / "tensorboard")).Reload()
    assert events.Scalars("loss")[0].value == pytest.approx(loss, rel=1e-3)


@pytest.mark.parametrize("name", ["mlflow", "wandb"])
def test_other_loggers_name_their_extra(tmp_path, monkeypatch, name):
    """A logger whose package is missing is an error that says how to install it."""
    monkeypatch.setattr(loggers_module, "find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match=rf"'{name}'.*reelabel\[{name}\]"):
        training_loggers(BoxTrainSettings(loggers=(name,)), tmp_path)


def test_mlflow_writes_a_database(squares, tmp_path, capfd):
    """Two trainings are one finished run each in an SQLite file of their model folder."""
    pytest.importorskip("mlflow")
    pytest.importorskip("sqlalchemy")
    folder = squares()
    for number in range(2):
        model = tmp_path / "ws" / "rounds" / str(number) / "model"
        loss = train(folder, model, "mlflow")
        with closing(sqlite3.connect(model / "logs" / "mlflow.db")) as database:
            query = "select value from metrics where key = 'loss'"
            assert database.execute(query).fetchone()[0] == pytest.approx(loss, rel=1e-3)
            (run,) = database.execute("select name, status from runs").fetchall()
            assert run == (f"ws/rounds/{number}/model", "FINISHED")
            query = "select value from params where key = 'batch_size'"
            assert database.execute(query).fetchone()[0] == "4"
    assert capfd.readouterr() == ("", "")


def test_wandb_is_offline_without_a_login(squares, tmp_path, capfd):
    """Without a login each training leaves one run on disk, ended, and prints nothing."""
    wandb = pytest.importorskip("wandb")
    folder = squares()
    for number in range(2):
        model = tmp_path / "ws" / "rounds" / str(number) / "model"
        train(folder, model, "wandb")
        (run,) = model.rglob("run-*.wandb")
        assert run.parent.name.startswith("offline-run-")
        written = run.read_bytes()
        assert b"val_agreement" in written
        assert f"ws/rounds/{number}/model".encode() in written
        assert wandb.run is None
    assert capfd.readouterr() == ("", "")


def test_a_run_of_the_caller_stays_open(squares, tmp_path):
    """A run that the calling process has begun is logged into, not ended."""
    wandb = pytest.importorskip("wandb")
    settings = wandb.Settings(silent=True, console="off")
    with wandb.init(mode="offline", dir=tmp_path, settings=settings) as run:
        train(squares(), tmp_path / "model", "wandb")
        assert wandb.run is run
        assert "val_agreement" in run.summary.keys()  # noqa: SIM118 -- not a dictionary


@pytest.mark.parametrize(
    ("netrc", "variables", "online"),
    [
        ("", {}, False),
        ("machine api.wandb.ai login user password 0", {}, True),
        ("machine example.org login user password 0", {}, False),
        (
            "machine example.org login user password 0",
            {"WANDB_BASE_URL": "https://example.org"},
            True,
        ),
        ("machine", {}, False),
        ("", {"WANDB_API_KEY": "0"}, True),
    ],
)
def test_a_login_is_a_key_for_the_server(tmp_path, monkeypatch, netrc, variables, online):  # noqa: PLR0917 -- fixtures and cases
    """A variable or an entry in .netrc for the server in use counts as a login."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".netrc").write_text(netrc)
    (tmp_path / "home" / ".netrc").chmod(0o600)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert loggers_module._has_login() == online
