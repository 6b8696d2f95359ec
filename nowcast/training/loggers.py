"""Where metrics go beside metrics.csv: TensorBoard, MLflow or Weights & Biases, by way of Lightning.

Nothing leaves the machine unless the environment says so: MLflow writes a database into the folder of the run
where MLFLOW_TRACKING_URI names no other place, and Weights & Biases is offline unless WANDB_MODE is online
(``wandb sync`` sends it later). A resumed run goes on with the run that it had there.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nowcast.core.errors import MissingExtraError, SettingsError, printable
from nowcast.core.settings import plain
from nowcast.training.experiment import Experiment
from nowcast.training.run_log import LOG

LIBRARIES: dict[str, tuple[str, ...]] = {
    "csv": (),
    "tensorboard": ("tensorboard",),
    "mlflow": ("mlflow", "sqlalchemy"),
    "wandb": ("wandb",),
}
"""Setting, which is the name of the extra too -> what must be installed."""
_TRACKING = "MLFLOW_TRACKING_URI"


def check_logger(experiment: Experiment) -> None:
    """Refuse a logger that is not installed, before anything is written.

    Raises:
        MissingExtraError: it is asked for and not there.
    """
    name = experiment.training.logger
    for library in LIBRARIES[name]:
        if library == "sqlalchemy" and os.environ.get(_TRACKING):
            continue  # a server keeps the database
        if importlib.util.find_spec(library) is None:
            raise MissingExtraError(f"training.logger={name}", library, name)


class RunLogger:
    """A logger of Lightning for one run. Once it fails, training goes on without it and its log says so.

    Args:
        experiment: names the logger; its settings are the parameters of the run.
        folder: of the run.

    Raises:
        SettingsError: it cannot be opened.
    """

    def __init__(self, experiment: Experiment, folder: Path) -> None:
        self.name = experiment.training.logger
        self._logger: Any = None
        if self.name == "csv":
            return
        makers = {"tensorboard": _tensorboard, "mlflow": _mlflow, "wandb": _wandb}
        try:
            self._logger = makers[self.name](experiment, folder)
        except Exception as error:  # of a server, a database, a library
            raise SettingsError(
                f"training.logger={self.name}: cannot be opened ({_told(error)}); mend it, or take csv"
            ) from error

    def write(self, values: Mapping[str, float], iteration: int) -> None:
        """Log the values of one event."""
        self._attempt(lambda logger: logger.log_metrics(dict(values), step=iteration))

    def close(self) -> None:
        """End what is written; another run of this process begins anew."""
        self._attempt(lambda logger: logger.finalize("success"))
        if self.name == "wandb":
            self._attempt(lambda logger: logger.experiment.finish())

    def _attempt(self, work: Callable[[Any], object]) -> None:
        if self._logger is None:
            return
        try:
            work(self._logger)
        except Exception as error:
            LOG.warning("logger %s failed, the run goes on without it: %s", self.name, _told(error))
            self._logger = None


def _tensorboard(experiment: Experiment, folder: Path) -> Any:
    from pytorch_lightning.loggers import TensorBoardLogger

    return TensorBoardLogger(save_dir=str(folder), name="", version="tensorboard")


def _mlflow(experiment: Experiment, folder: Path) -> Any:
    from pytorch_lightning.loggers import MLFlowLogger

    (folder / "mlflow").mkdir(exist_ok=True)
    place = os.environ.get(_TRACKING) or f"sqlite:///{(folder / 'mlflow' / 'mlflow.db').resolve()}"
    known = folder / "mlflow" / "run_id"
    run_id = known.read_text(encoding="utf-8").strip() if known.exists() else None
    logger = MLFlowLogger(
        experiment.name,
        run_name=folder.name,
        tracking_uri=place,
        run_id=run_id,
        artifact_location=None if os.environ.get(_TRACKING) else str((folder / "mlflow").resolve()),
    )
    for name in ("mlflow", "alembic", "pytorch_lightning.loggers.mlflow"):
        logging.getLogger(name).setLevel(logging.ERROR)  # they tell of tables that they make
    if run_id is None:
        known.write_text(f"{logger.run_id}\n", encoding="utf-8")
        logger.log_hyperparams(plain(experiment))
    return logger


def _wandb(experiment: Experiment, folder: Path) -> Any:
    import wandb
    from pytorch_lightning.loggers import WandbLogger

    (folder / "wandb").mkdir(exist_ok=True)
    known = folder / "wandb" / "run_id"
    if not known.exists():
        known.write_text(f"{uuid.uuid4().hex[:12]}\n", encoding="utf-8")
    logger = WandbLogger(
        name=f"{experiment.name} {folder.name}",
        save_dir=str(folder),
        project=os.environ.get("WANDB_PROJECT", "nowcast"),
        id=known.read_text(encoding="utf-8").strip(),
        offline=os.environ.get("WANDB_MODE") != "online",
        settings=wandb.Settings(silent=True, console="off"),
    )
    logger.log_hyperparams(plain(experiment))
    return logger


def _told(error: Exception) -> str:
    return printable(f"{type(error).__name__}: {error}")[:300]
