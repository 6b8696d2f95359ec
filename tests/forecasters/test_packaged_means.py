"""Means of networks that come with the package: by name as any network, with a calibration of their own."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from nowcast.archive.reader import Archive
from nowcast.cli.main import main
from nowcast.cli.models import _forecasters
from nowcast.core.errors import CheckpointError, NowcastError, SettingsError
from nowcast.core.field import PROBABILITY
from nowcast.forecasters import registry as module
from nowcast.forecasters.calibration_file import read_calibration, write_calibration
from nowcast.forecasters.catalog import build_forecaster
from nowcast.forecasters.decision_thresholds import identity_of
from nowcast.forecasters.registry import means, networks, packaged_names, registry
from nowcast.workflows.calibrate import calibrate
from nowcast.workflows.forecast import forecast
from tests.fakes.fields import moving_disc, projected_grid
from tests.fakes.memory_archive import MemoryArchive
from tests.fakes.packaged_weights import write_network, write_registry
from tests.fakes.small_archive import write_archive

DAY = np.datetime64("2025-03-22", "ns"), np.datetime64("2025-03-23", "ns")
SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Two tiny networks of the package."""
    monkeypatch.setattr(module, "folder", lambda: tmp_path)
    write_registry(tmp_path, {name: write_network(tmp_path, name, seed) for seed, name in enumerate("ab")})
    return tmp_path


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """A small archive and a file that names its days."""
    found = tmp_path_factory.mktemp("archives")
    write_archive(found, frames=22)
    days = {
        "archives": ["disc.zarr"],
        "periods": ["2025-03-22/2025-03-22"],
        "step": 10,
        "lead_times": 2,
        "stride": 3,
        "min_wet_pixels": 1,
    }
    (found / "groups.yaml").write_text(yaml.safe_dump({"calibrations": {"discs": days}}))
    return found


@pytest.fixture
def package(place, archives, monkeypatch):
    """Runs scripts/package_weights.py with days of the small archive."""
    monkeypatch.syspath_prepend(SCRIPTS)
    import package_weights
    import skill_forecasts

    monkeypatch.setattr(package_weights, "folder", lambda: place)
    monkeypatch.setattr(skill_forecasts, "GROUPS", archives / "groups.yaml")

    def run(*words):
        monkeypatch.setattr("sys.argv", ["package_weights.py", *map(str, words)])
        return package_weights.main()

    return run


def test_one_line_registers_and_calibrates_and_the_name_forecasts(place, package, archives, capsys):
    made = ("both", "--mean", "a,b", "--archives", archives, "--days", "discs")
    assert package(*made) == 0
    assert "calibration.json" in capsys.readouterr().out
    assert json.loads((place / "registry.json").read_text())["both"] == {
        "members": ["a", "b"],
        "step_minutes": 10.0,
        "system": "both",
    }
    assert list(networks()) == list(registry()) == ["a", "b"]
    assert list(means()) == ["both"]
    assert packaged_names() == ("a", "b", "both")
    own = read_calibration(place / "both.calibration.json").models[0]
    model, raw = build_forecaster("both"), build_forecaster("both", {"raw": True})
    assert (model.name, model.calibration, raw.calibration) == ("both", own, None)
    assert own.model == "both"
    assert own.identity == identity_of(model) == identity_of(build_forecaster("a+b"))
    assert build_forecaster("a+b").calibration == own
    assert build_forecaster("b+a").calibration is None
    observed = moving_disc(projected_grid(24, 32), 8, (0.5, 1.0))
    found = forecast(MemoryArchive(observed), "both", lead_times=2)
    leads = found["lead_time"].values
    parts = [build_forecaster(name).forecast(observed[-3:], leads)[PROBABILITY].values for name in "ab"]
    np.testing.assert_allclose(
        raw.forecast(observed[-3:], leads)[PROBABILITY].values, np.mean(parts, axis=0), atol=1e-6
    )
    assert (found.attrs["model"], found.attrs["average_of"]) == ("both", "a, b")
    assert "reliability" in found.attrs

    registered = json.loads((place / "registry.json").read_text())
    write_registry(place, registered | {"a": write_network(place, "a", 9)})
    with pytest.raises(CheckpointError, match=r"both\.calibration\.json: calibration of both: got one made"):
        build_forecaster("both")
    assert build_forecaster("a+b").calibration is None
    assert package("a", "--also", "both", "--archives", archives, "--days", "discs") == 0
    assert build_forecaster("both").calibration.identity != own.identity
    assert build_forecaster("a").calibration.model == "a"


def test_settings_of_networks_are_those_of_a_mean(place):
    write_registry(place, {name: write_network(place, name, seed) for seed, name in enumerate("ab")} | BOTH)
    model = build_forecaster("both", {"precision": "float32", "step_minutes": 10})
    assert [part.forecaster.settings.precision for part in model.parts] == ["float32"] * 2
    with pytest.raises(NowcastError, match=r"both: step_minutes: got 5, expected one of 10\.0"):
        build_forecaster("both", {"step_minutes": 5})
    with pytest.raises(NowcastError, match=r"neural\.weights: unknown setting"):
        build_forecaster("both", {"weights": [1, 2]})


def test_how_its_networks_are_run_is_told_apart_from_what_it_is(place):
    write_registry(place, {name: write_network(place, name, seed) for seed, name in enumerate("ab")} | BOTH)
    model, tiled = build_forecaster("both"), build_forecaster("both", {"memory_gb": 1, "tile": [64, 64]})
    assert identity_of(model) == identity_of(tiled)
    told = [json.loads(one.describe()["parts_run"]) for one in (model, tiled)]
    assert [part["forecast"]["tile"] for parts in told for part in parts] == [None, None, [64, 64], [64, 64]]


def test_a_mean_within_a_mean_enters_raw_and_no_network_counts_twice(place, archives):
    networks = {name: write_network(place, name, seed) for seed, name in enumerate("abc")}
    write_registry(place, networks | BOTH)
    both = build_forecaster("both", {"raw": True})
    learnt = calibrate([Archive.open(archives / "disc.zarr")], [both], [DAY], thresholds=[20], lead_times=2)
    write_calibration(place / "both.calibration.json", learnt.learnt, {})
    assert build_forecaster("both").calibration is not None
    inner = build_forecaster("both+c").parts[0].forecaster
    assert (inner.name, inner.calibration) == ("both", None)
    told = r"^both\+b: forecasters: got b twice, in both and b, expected each once; leave one out, or name the"
    with pytest.raises(SettingsError, match=told):
        build_forecaster("both+b")


def test_it_is_listed_with_its_card_and_no_network_to_start_from(place, capsys):
    write_registry(place, {name: write_network(place, name, seed) for seed, name in enumerate("ab")} | BOTH)
    (place / "both.md").write_text("# both")
    assert main(["models", "--card", "both"]) == 0
    assert capsys.readouterr().out == "# both\n"
    lines = _forecasters().splitlines()
    (told,) = (line.split() for line in lines if line.startswith("both "))
    one = next(line.split() for line in lines if line.startswith("a "))
    assert int(told[1].replace(",", "")) == 2 * int(one[1].replace(",", ""))
    assert " ".join(told[2:]) == "mean of a, b, calibrated: every 10 min (--card both)"
    assert main(["train", "moving_digits_convlstm", "--start-from", "both"]) == 2
    assert "got 'both', expected a, b; choose one" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("a", "--mean", "a,b"), "name: got a, expected one that is no network's"),
        (("both", "--mean", "a"), "expected two or more with weights above 0"),
        (("both", "--mean", "a,c"), "network of the package: got 'c', expected a, b"),
        (("a", "--archives", "here", "--days", "never"), "days: got 'never', expected one of discs"),
    ],
)
def test_what_is_no_mean_is_refused(package, capsys, words, told):
    assert package(*words) == 2
    assert told in capsys.readouterr().err


BOTH = {"both": {"members": ["a", "b"], "system": "both", "step_minutes": 10.0}}
