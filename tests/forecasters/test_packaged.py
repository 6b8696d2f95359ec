"""Networks that come with the package: whole, small, described, and used by name."""

import subprocess
import sys

import numpy as np
import pytest

from nowcast.cli.main import main
from nowcast.core.errors import CheckpointError, SettingsError
from nowcast.core.files import sha256
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.forecasters import registry as module
from nowcast.forecasters.calibration_file import ModelCalibration, write_calibration
from nowcast.forecasters.catalog import build_forecaster
from nowcast.forecasters.decision_thresholds import DecisionThresholds
from nowcast.forecasters.packaged import packaged
from nowcast.forecasters.registry import card, folder, means, packaged_names, registry
from nowcast.models.checkpoint import load_network
from tests.fakes.fields import moving_disc, projected_grid
from tests.fakes.packaged_weights import write_network, write_registry

LEADS = np.arange(1, 4) * np.timedelta64(10, "m")


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A folder of weights with one tiny network named ``tiny``; gives a maker of its decision thresholds."""
    monkeypatch.setattr(module, "folder", lambda: tmp_path)
    write_network(tmp_path, "tiny")
    path = tmp_path / "tiny.safetensors"
    write_registry(tmp_path, {"tiny": sha256(path)})

    own = f"sha256:{sha256(path)}"

    def levels(value, identity=own):
        table = ((value,) * 3,) * 2
        made = DecisionThresholds("tiny", identity, "probability", (20.0, 40.0), (10.0, 20.0, 30.0), table)
        write_calibration(tmp_path / "tiny.calibration.json", [ModelCalibration("tiny", identity, made)], {})

    return levels


def test_it_forecasts_by_name_at_its_levels(shipped):
    observed = moving_disc(projected_grid(), peak_dbz=60.0)
    raw = build_forecaster("tiny")
    assert raw.name == "tiny"
    shipped(0.02)
    calibrated = build_forecaster("tiny", {"precision": "float32"})
    assert calibrated.name == "tiny"
    few, many = (f.forecast(observed, LEADS).reflectivity.values > NO_ECHO_DBZ for f in (raw, calibrated))
    assert few.sum() < many.sum()
    untouched = build_forecaster("tiny", {"raw": True}).forecast(observed, LEADS).reflectivity
    np.testing.assert_array_equal(untouched.values, raw.forecast(observed, LEADS).reflectivity.values)
    assert "decision_thresholds" in calibrated.describe()
    assert "decision_thresholds" not in calibrated.uncalibrated().describe()
    both = [f.forecast(observed, LEADS).exceedance_probability for f in (calibrated, raw)]
    assert both[0]["threshold"].values.tolist() == [20.0, 40.0]
    np.testing.assert_array_equal(both[0].values, both[1].values)
    np.testing.assert_array_equal(
        calibrated.uncalibrated().forecast(observed, LEADS).reflectivity.values, untouched.values
    )


def test_other_weights_or_levels_of_others_are_refused(shipped):
    shipped(0.3, identity="sha256:other")
    with pytest.raises(CheckpointError, match="one made for sha256:other"):
        packaged("tiny")
    path = module.folder() / "tiny.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="got other weights"):
        packaged("tiny")
    path.unlink()
    with pytest.raises(CheckpointError, match="got no file"):
        packaged("tiny")


def test_a_wrong_name_lists_those_that_come_with_the_package(shipped):
    with pytest.raises(SettingsError, match="did you mean 'tiny'"):
        build_forecaster("tinny")


def test_a_card_is_printed_and_a_wrong_name_is_one_line(shipped, capsys):
    (module.folder() / "tiny.md").write_text("# tiny")
    assert main(["models", "--card", "tiny"]) == 0
    assert capsys.readouterr().out == "# tiny\n"
    assert main(["models", "--card", "huge"]) == 2
    assert capsys.readouterr().err.strip().endswith("got 'huge', expected tiny; choose one")


@pytest.mark.parametrize("name", sorted(registry()))
def test_what_is_shipped_is_whole_and_small(name):
    weights = folder() / f"{name}.safetensors"
    for source in load_network(weights).meta.experiment["data"]["sources"]:
        assert "/" not in source["settings"]["path"]
    assert sha256(weights) == registry()[name]
    assert weights.stat().st_size <= 8_000_000


@pytest.mark.parametrize("name", sorted(packaged_names()))
def test_what_is_shipped_is_described_and_follows_a_cell(name):
    parts = means()[name].members if name in means() else (name,)
    metas = [load_network(folder() / f"{part}.safetensors").meta for part in parts]
    paths = [source["settings"]["path"] for meta in metas for source in meta.experiment["data"]["sources"]]
    terms = {"CC BY-SA 4.0" if "italy" in path or "dpc" in path else "none are stated" for path in paths}
    digests = (registry()[part] for part in parts)
    text = card(name)
    for words in (*digests, "## Data, split", "## Skill", "## Where it fails", *terms):
        assert words in text
    minutes = int(metas[0].step_seconds / 60)
    observed = moving_disc(projected_grid(64, 80), 6, (1.0, 2.0), minutes, peak_dbz=55.0)
    leads = np.arange(1, 4) * np.timedelta64(minutes, "m")
    model = build_forecaster(name)
    assert (model.name, model.calibration is not None) == (name, True)
    wet = model.forecast(observed, leads).reflectivity.values > 20
    assert wet.any(axis=(1, 2)).all()
    places = [np.argwhere(w).mean(axis=0) for w in wet]
    np.testing.assert_allclose(places[2] - places[0], (2.0, 4.0), atol=2.0)


def test_names_and_files_are_told_without_torch_and_xarray():
    """``nowcast train --start-from motionrnn`` asks for them on a GPU box that has no xarray."""
    asked = "import sys, nowcast.forecasters.registry as r; r.weights_of('motionrnn')"
    code = f"{asked}; print({{'torch', 'xarray'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
