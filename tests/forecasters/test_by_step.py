"""Networks of one system for several steps: the archive's step chooses, and the forecast says so."""

import json

import numpy as np
import pytest
import torch

from nowcast.cli.forecast import summary
from nowcast.core.errors import NowcastError
from nowcast.core.files import sha256
from nowcast.core.scaling import Scaling
from nowcast.forecasters import catalog
from nowcast.forecasters import packaged as module
from nowcast.forecasters.catalog import build_forecaster
from nowcast.forecasters.packaged import at_step
from nowcast.models import weights_file
from nowcast.models.checkpoint import CheckpointMeta, pack
from nowcast.models.choice import ModelChoice
from nowcast.models.exceedance.wrapper import ExceedanceProbabilitySettings
from nowcast.workflows.forecast import forecast
from nowcast.workflows.initialisation import named
from tests.fakes.fields import moving_disc, projected_grid
from tests.fakes.memory_archive import MemoryArchive


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two systems: ``tiny`` for 10 and 5 minutes, ``slow`` for 10."""
    place = tmp_path_factory.mktemp("weights")
    settings = {"hidden": [4], "filter_size": 3, "patch": 4}
    chosen = ModelChoice("convlstm", settings, ExceedanceProbabilitySettings((20.0, 40.0)))
    entries = {}
    for seed, (name, system, step) in enumerate(
        [("tiny", "tiny", 10), ("tiny_5min", "tiny", 5), ("slow", "slow", 10)]
    ):
        torch.manual_seed(seed)
        network = chosen.build(1, None, Scaling())
        meta = CheckpointMeta(
            "convlstm",
            chosen.settings,
            1,
            None,
            3,
            2,
            60.0 * step,
            Scaling(),
            (1.0, 1.0),
            exceedance_probability=chosen.exceedance_probability,
        )
        path = place / f"{name}.safetensors"
        weights_file.write(path, pack(network.state_dict(), meta))
        entries[name] = {"sha256": sha256(path), "system": system, "step_minutes": float(step)}
    (place / "registry.json").write_text(json.dumps(entries))
    return place


@pytest.fixture(autouse=True)
def shipped(folder, monkeypatch):
    monkeypatch.setattr(module, "folder", lambda: folder)
    monkeypatch.setattr(catalog, "folder", lambda: folder)


def archive(step):
    return MemoryArchive(moving_disc(projected_grid(24, 32), 8, (0.5, 1.0), step), step)


@pytest.mark.parametrize(
    ("names", "step", "found"),
    [
        (["tiny"], 10.0, ["tiny"]),
        (["tiny"], 5.0, ["tiny_5min"]),
        (["tiny"], 2.5, ["tiny_5min"]),
        (["tiny"], 6.0, ["tiny"]),
        (["tiny_5min"], 10.0, ["tiny_5min"]),
        (["tiny", "slow"], 5.0, ["tiny", "slow"]),
        (["sprog", "tiny"], 5.0, ["sprog", "tiny_5min"]),
        (["runs/a.ckpt"], 5.0, ["runs/a.ckpt"]),
    ],
)
def test_the_shortest_step_that_all_have_and_the_archive_gives(names, step, found):
    assert at_step(names, step) == found


def test_a_forecast_is_by_the_network_of_its_step_and_says_so(tmp_path):
    of_five, of_ten = (forecast(archive(step), "tiny", lead_times=2) for step in (5, 10))
    assert (of_five.attrs["model"], of_ten.attrs["model"]) == ("tiny_5min", "tiny")
    assert of_five.attrs["network_choice"] == "tiny_5min, which reads frames every 5 minutes"
    assert "network_choice" not in of_ten.attrs
    assert "chosen by the step of the archive: tiny_5min" in summary(tmp_path / "a.nc", of_five)
    assert "chosen by" not in summary(tmp_path / "a.nc", of_ten)
    minutes = np.timedelta64(1, "m")
    assert (of_five["lead_time"].values / minutes).tolist() == [5, 10]
    asked = forecast(archive(5), "tiny", lead_times=2, settings={"step_minutes": 10})
    assert asked.attrs["model"] == "tiny"
    assert (asked["lead_time"].values / minutes).tolist() == [10, 20]
    with pytest.raises(NowcastError, match=r"step_minutes: got 15, expected one of 10\.0, 5\.0"):
        build_forecaster("tiny", {"step_minutes": 15})


def test_networks_that_are_compared_have_one_step():
    def steps(names, minutes):
        found = named(names, np.timedelta64(minutes, "m"))
        return {name: f.needs.step and f.needs.step / np.timedelta64(1, "m") for name, f in found.items()}

    assert steps(["tiny", "persistence"], 5) == {"tiny_5min": 5, "persistence": None}
    assert steps(["tiny", "slow"], 5) == {"tiny": 10, "slow": 10}
    assert steps(["tiny+slow"], 5) == {"tiny+slow": 10}


def test_a_mean_is_of_networks_of_one_step():
    assert build_forecaster("average").describe()["average_of"] == "tiny, slow"
    with pytest.raises(NowcastError, match="steps: got tiny 10 min, tiny_5min 5 min, expected one for all"):
        build_forecaster("tiny+tiny_5min")
