"""Loggers of the training curve: CSV, TensorBoard, Weights & Biases, MLflow.

All write below ``logs/`` of the model folder, and nothing is sent anywhere unless the machine is
set up for it: Weights & Biases by a login or ``WANDB_MODE``, MLflow by ``MLFLOW_TRACKING_URI``.
"""

from __future__ import annotations

import logging
import netrc
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lightning.pytorch.loggers import (
    CSVLogger,
    Logger,
    MLFlowLogger,
    TensorBoardLogger,
    WandbLogger,
)
from lightning.pytorch.utilities import rank_zero_only

from reelabel.errors import MissingExtra
from reelabel.training.settings import TrainSettings

PROJECT = "reelabel"
"""Name of the Weights & Biases project and of the MLflow experiment."""

_WANDB_HOST = "https://api.wandb.ai"


def training_loggers(settings: TrainSettings, model_dir: Path) -> list[Logger]:
    """Return the loggers that the settings name; the settings are logged as hyperparameters.

    Raises:
        MissingExtra: if the package of one is not installed.
    """
    loggers = [_logger(name, model_dir.absolute() / "logs") for name in settings.loggers]
    for logger in loggers:
        logger.log_hyperparams(settings.model_dump(mode="json"))
    return loggers


def _logger(name: str, folder: Path) -> Logger:
    packages, extra, make = _LOGGERS[name]
    if any(find_spec(package) is None for package in packages):
        raise MissingExtra(f"the logger '{name}'", extra)
    folder.mkdir(parents=True, exist_ok=True)
    return make(folder)


def _run_name(folder: Path) -> str:
    """Return a name to find a training by, such as ``balls/rounds/0/model``."""
    return "/".join(folder.parts[-5:-1])


def _csv(folder: Path) -> Logger:
    return CSVLogger(folder, name="csv", version="")


def _tensorboard(folder: Path) -> Logger:
    return TensorBoardLogger(str(folder), name="tensorboard", version="", default_hp_metric=False)


def _mlflow(folder: Path) -> Logger:
    """Return a logger into ``mlflow.db``, an SQLite file: MLflow 3 refuses folders of text."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    import mlflow  # noqa: PLC0415 -- heavy

    server = os.environ.get("MLFLOW_TRACKING_URI")
    with _warnings_alone():
        logger = MLFlowLogger(
            PROJECT,
            run_name=_run_name(folder),
            tracking_uri=server or f"sqlite:///{folder}/mlflow.db",
            artifact_location=None if server else (folder / "mlflow").as_uri(),
        )
        _ = logger.experiment  # begins the run
    # That changed the address of the whole process: the next training would take it.
    mlflow.set_tracking_uri(server)
    return logger


@contextmanager
def _warnings_alone() -> Iterator[None]:
    """Drop log records below warnings, whatever levels packages set meanwhile."""
    before = logging.root.manager.disable
    logging.disable(logging.INFO)
    try:
        yield
    finally:
        logging.disable(before)


class _WandbRun(WandbLogger):
    """Ends its run with the training: the next training of the process would log into it.

    Args:
        foreign: the run was begun by the calling process and stays open.
        settings: those of ``wandb.init``.
    """

    def __init__(self, *, foreign: bool, **settings: Any) -> None:
        super().__init__(**settings)
        self._foreign = foreign
        self._wandb_init.pop("anonymous", None)  # even None is a warning

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """End the run."""
        super().finalize(status)
        if self._experiment is not None and not self._foreign:
            self._experiment.finish(exit_code=int(status != "success"))


def _wandb(folder: Path) -> Logger:
    """Return a logger that is offline unless a login or ``WANDB_MODE`` asks for another mode."""
    online = "WANDB_MODE" in os.environ or _has_login()
    if not online:
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    import wandb  # noqa: PLC0415 -- heavy

    return _WandbRun(
        foreign=wandb.run is not None,
        name=_run_name(folder),
        save_dir=folder,
        project=os.environ.get("WANDB_PROJECT", PROJECT),
        settings=wandb.Settings(silent=True, console="off"),
        **({} if online else {"mode": "offline", "resume": None}),
    )


def _has_login() -> bool:
    """Return whether Weights & Biases has a key on this machine: a variable, or in ``.netrc``."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    host = urlsplit(os.environ.get("WANDB_BASE_URL", _WANDB_HOST)).hostname or ""
    named = os.environ.get("NETRC")
    places = [Path(named)] if named else [Path.home() / ".netrc", Path.home() / "_netrc"]
    return any(_holds(path, host) for path in places)


def _holds(path: Path, host: str) -> bool:
    try:
        return host in netrc.netrc(path).hosts
    except (OSError, netrc.NetrcParseError):
        return False


_LOGGERS: dict[str, tuple[tuple[str, ...], str, Callable[[Path], Logger]]] = {
    "csv": (("lightning",), "train", _csv),
    "tensorboard": (("tensorboard",), "train", _tensorboard),
    "wandb": (("wandb",), "wandb", _wandb),
    "mlflow": (("mlflow", "sqlalchemy", "alembic"), "mlflow", _mlflow),
}
"""Name -> the packages that it needs, the extra that brings them, and what makes it."""
