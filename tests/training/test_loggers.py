"""Loggers beside metrics.csv: what they are given, how a resumed run goes on, what a failure does."""

import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

from nowcast.core.errors import MissingExtraError, SettingsError
from nowcast.training import loggers
from nowcast.training.loggers import LIBRARIES, RunLogger, check_logger
from tests.fakes.training_runs import experiment

ROOT = Path(__file__).resolve().parents[2]
MADE = []


class Fake:
    """Stands in for a logger of Lightning."""

    run_id = "0123"

    def __init__(self, name=None, **given):
        self.given, self.done = {"name": name, **given}, []
        self.experiment = SimpleNamespace(finish=lambda: self.done.append("finish"))
        MADE.append(self)

    def log_metrics(self, values, step):
        self.done.append((step, values))

    def log_hyperparams(self, values):
        self.done.append(values["name"])

    def finalize(self, status):
        self.done.append(status)


@pytest.fixture(autouse=True)
def fakes(monkeypatch):
    MADE.clear()
    for name in ("MLFlowLogger", "WandbLogger"):
        monkeypatch.setattr(f"pytorch_lightning.loggers.{name}", Fake)
    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(Settings=lambda **given: given))
    for name in ("MLFLOW_TRACKING_URI", "WANDB_MODE", "WANDB_PROJECT"):
        monkeypatch.delenv(name, raising=False)


def logged(folder, name):
    folder.mkdir(exist_ok=True)
    made = RunLogger(experiment(f"training.logger={name}"), folder)
    made.write({"train_loss": 0.5}, 7)
    made.close()
    return MADE[-1]


def test_mlflow_writes_into_the_folder_of_the_run_and_goes_on_there(tmp_path):
    first = logged(tmp_path / "v0", "mlflow")
    assert first.given["name"] == "tiny"
    assert first.given["run_name"] == "v0"
    assert first.given["run_id"] is None
    assert first.given["tracking_uri"] == f"sqlite:///{tmp_path}/v0/mlflow/mlflow.db"
    assert first.done == ["tiny", (7, {"train_loss": 0.5}), "success"]
    again = logged(tmp_path / "v0", "mlflow")
    assert again.given["run_id"] == "0123"
    assert again.done == first.done[1:]  # parameters are told once


def test_mlflow_goes_to_the_server_that_the_environment_names(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://here:5000")
    monkeypatch.setattr(
        loggers.importlib.util, "find_spec", lambda name: None if name == "sqlalchemy" else name
    )
    check_logger(experiment("training.logger=mlflow"))
    assert logged(tmp_path / "v0", "mlflow").given["tracking_uri"] == "http://here:5000"
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    with pytest.raises(MissingExtraError, match=r"'sqlalchemy', which .*nowcast\[mlflow\]"):
        check_logger(experiment("training.logger=mlflow"))


def test_wandb_is_offline_and_every_run_ends(tmp_path, monkeypatch):
    first = logged(tmp_path / "v0", "wandb")
    assert first.given["offline"] is True
    assert (first.given["project"], first.given["save_dir"]) == ("nowcast", str(tmp_path / "v0"))
    assert first.done == ["tiny", (7, {"train_loss": 0.5}), "success", "finish"]
    assert logged(tmp_path / "v0", "wandb").given["id"] == first.given["id"]
    assert logged(tmp_path / "v1", "wandb").given["id"] != first.given["id"]
    monkeypatch.setenv("WANDB_MODE", "online")
    assert logged(tmp_path / "v2", "wandb").given["offline"] is False


def test_a_logger_that_fails_is_left_behind(tmp_path, monkeypatch, caplog):
    def fails(self, values, step):
        raise ConnectionError("no\nserver")

    monkeypatch.setattr(Fake, "log_metrics", fails)
    assert logged(tmp_path / "v0", "mlflow").done == ["tiny"]
    assert "logger mlflow failed, the run goes on without it: ConnectionError: no server" in caplog.text
    monkeypatch.setattr(Fake, "log_hyperparams", lambda *_: fails(None, None, None))
    with pytest.raises(SettingsError, match=r"training\.logger=mlflow: cannot be opened \(ConnectionError"):
        logged(tmp_path / "v1", "mlflow")


def test_csv_alone_needs_nothing(tmp_path):
    made = RunLogger(experiment(), tmp_path)
    made.write({"train_loss": 0.5}, 1)
    made.close()
    assert MADE == list(tmp_path.iterdir()) == []


def test_every_logger_is_an_extra_of_its_name():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {name for name in LIBRARIES if name != "csv"} <= {*project["optional-dependencies"]}
