"""Networks that come with the package: whole, small, described, and used by name."""

import json

import numpy as np
import pytest
import torch

from nowcast.cli.main import main
from nowcast.core.errors import CheckpointError, SettingsError
from nowcast.core.files import sha256
from nowcast.core.scaling import NO_ECHO_DBZ, Scaling
from nowcast.forecasters import packaged as module
from nowcast.forecasters.calibration_file import ModelCalibration, write_calibration
from nowcast.forecasters.catalog import build_forecaster
from nowcast.forecasters.decision_thresholds import DecisionThresholds
from nowcast.forecasters.packaged import folder, networks, packaged, registry
from nowcast.models import weights_file
from nowcast.models.checkpoint import CheckpointMeta, load_network, pack
from nowcast.models.choice import ModelChoice
from nowcast.models.exceedance.wrapper import ExceedanceProbabilitySettings
from tests.fakes.fields import moving_disc, projected_grid

LEADS = np.arange(1, 4) * np.timedelta64(10, "m")


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A folder of weights with one tiny network named ``tiny``; gives a maker of its decision thresholds."""
    monkeypatch.setattr(module, "folder", lambda: tmp_path)
    settings = {"hidden": [4], "filter_size": 3, "patch": 4}
    chosen = ModelChoice("convlstm", settings, ExceedanceProbabilitySettings((20.0, 40.0)))
    torch.manual_seed(0)
    network = chosen.build(1, None, Scaling())
    meta = CheckpointMeta(
        "convlstm",
        chosen.settings,
        1,
        None,
        3,
        2,
        600.0,
        Scaling(),
        (1.0, 1.0),
        exceedance_probability=chosen.exceedance_probability,
    )
    path = tmp_path / "tiny.safetensors"
    weights_file.write(path, pack(network.state_dict(), meta))
    (tmp_path / "registry.json").write_text(json.dumps({"tiny": sha256(path)}))

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
def test_what_is_shipped_is_whole_small_and_described(name):
    weights = folder() / f"{name}.safetensors"
    for source in load_network(weights).meta.experiment["data"]["sources"]:
        assert "/" not in source["settings"]["path"]
    assert sha256(weights) == registry()[name]
    assert weights.stat().st_size <= 8_000_000
    card = (folder() / f"{name}.md").read_text(encoding="utf-8")
    paths = [source["settings"]["path"] for source in load_network(weights).meta.experiment["data"]["sources"]]
    terms = {"CC BY-SA 4.0" if "italy" in path or "dpc" in path else "none are stated" for path in paths}
    for words in (registry()[name], "## Data, split", "## Skill", "## Where it fails", *terms):
        assert words in card
    minutes = int(networks()[name].step_minutes)
    observed = moving_disc(projected_grid(64, 80), 6, (1.0, 2.0), minutes, peak_dbz=55.0)
    leads = np.arange(1, 4) * np.timedelta64(minutes, "m")
    forecast = build_forecaster(name).forecast(observed, leads).reflectivity
    wet = forecast.values > 20
    assert wet.any(axis=(1, 2)).all()
    places = [np.argwhere(w).mean(axis=0) for w in wet]
    np.testing.assert_allclose(places[2] - places[0], (2.0, 4.0), atol=2.0)
