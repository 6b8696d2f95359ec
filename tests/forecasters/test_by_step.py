"""Networks of one system for several steps: the archive's step chooses, and the forecast says so."""

import numpy as np
import pytest

from nowcast.cli.forecast import summary
from nowcast.core.errors import NowcastError
from nowcast.forecasters import registry as module
from nowcast.forecasters.catalog import build_forecaster
from nowcast.forecasters.registry import at_step
from nowcast.workflows.forecast import forecast
from nowcast.workflows.initialisation import named
from tests.fakes.fields import moving_disc, projected_grid
from tests.fakes.memory_archive import MemoryArchive
from tests.fakes.packaged_weights import write_network, write_registry


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three systems: ``tiny`` for 10 and 5 minutes, ``slow`` and the mean ``both`` for 10."""
    place = tmp_path_factory.mktemp("weights")
    entries = {
        "tiny": write_network(place, "tiny"),
        "tiny_5min": write_network(place, "tiny_5min", 1, 5, "tiny"),
        "slow": write_network(place, "slow", 2),
        "both": {"members": ["tiny", "slow"], "system": "both", "step_minutes": 10.0},
    }
    write_registry(place, entries)
    return place


@pytest.fixture(autouse=True)
def shipped(folder, monkeypatch):
    monkeypatch.setattr(module, "folder", lambda: folder)


def archive(step):
    return MemoryArchive(moving_disc(projected_grid(24, 32), 8, (0.5, 1.0), step), step)


@pytest.mark.parametrize(
    ("names", "step", "found"),
    [
        (["tiny"], 10.0, ["tiny"]),
        (["tiny"], 5.0, ["tiny_5min"]),
        (["tiny"], 2.5, ["tiny_5min"]),
        (["tiny"], 6.0, ["tiny"]),
        (["tiny"], 4.0, ["tiny"]),
        (["tiny_5min"], 10.0, ["tiny_5min"]),
        (["tiny", "slow"], 5.0, ["tiny", "slow"]),
        (["sprog", "tiny"], 5.0, ["sprog", "tiny_5min"]),
        (["both"], 5.0, ["both"]),
        (["tiny", "both"], 5.0, ["tiny", "both"]),
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
    assert steps(["tiny", "both"], 5) == {"tiny": 10, "both": 10}
    assert steps(["tiny+slow"], 5) == {"tiny+slow": 10}


def test_a_mean_is_of_networks_of_one_step():
    assert build_forecaster("average").describe()["average_of"] == "tiny, slow"
    with pytest.raises(NowcastError, match="steps: got tiny 10 min, tiny_5min 5 min, expected one for all"):
        build_forecaster("tiny+tiny_5min")
