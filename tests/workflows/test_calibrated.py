"""Calibration files in use: forecasts and verification with them, the order of the steps, whom they fit."""

import json

import numpy as np
import pytest

from nowcast.cli.main import main
from nowcast.core.errors import FileError, SettingsError
from nowcast.forecasters.calibration_file import ModelCalibration, read_calibration, write_calibration
from nowcast.forecasters.decision import Decision
from nowcast.forecasters.persistence import Persistence
from nowcast.postprocessing.dressing import Dressing
from nowcast.postprocessing.recalibration import Recalibration
from nowcast.postprocessing.reliability import Attested, reliability_of
from nowcast.products.cf_netcdf import read_forecast
from nowcast.products.hindcast_zarr import open_hindcast
from nowcast.workflows.calibrate import calibrate
from nowcast.workflows.calibrated import calibrated, read_calibrations
from nowcast.workflows.forecast import forecast
from nowcast.workflows.verify import verify
from tests.fakes.fields import moving_disc, projected_grid
from tests.fakes.forecasters import Probable, Weak
from tests.fakes.memory_archive import MemoryArchive
from tests.fakes.small_archive import write_archive

DAY = np.datetime64("2025-03-22", "ns"), np.datetime64("2025-03-23", "ns")
PERIOD = "2025-03-22/2025-03-22"


def archive(frames=40):
    return MemoryArchive(moving_disc(projected_grid(), frames, (0.2, 0.3), peak_dbz=60.0))


@pytest.fixture(scope="module")
def source():
    return archive()


@pytest.fixture(scope="module")
def file(source, tmp_path_factory):
    """The calibration of a baseline that is too weak and of one whose probabilities are too low."""
    path = tmp_path_factory.mktemp("calibration") / "both.calibration.json"
    models = [Weak(), Probable(factor=0.4)]
    found = calibrate([source], models, [DAY], thresholds=[20, 30, 40], lead_times=2, stride=3)
    write_calibration(path, found.learnt, found.made)
    return path


def test_everything_is_in_one_file_and_comes_back(file):
    weak, odds = read_calibration(file).models
    assert weak.dressing.thresholds_dbz == odds.recalibration.thresholds_dbz == (20.0, 30.0, 40.0)
    assert weak.dressing.lead_minutes == odds.decision.lead_minutes == (10.0, 20.0)
    assert odds.recalibration.methods[0] in ("isotonic", "logistic")
    assert odds.held_out[0]["identity"] > odds.held_out[0][odds.recalibration.methods[0]]
    assert weak.tail_dbz == odds.tail_dbz > 0
    assert [type(s) for s in weak.steps] == [Dressing, Decision, Attested]
    assert [type(s) for s in odds.steps] == [Decision, Recalibration, Attested]
    again = file.with_name("again.json")
    write_calibration(again, [weak, odds], {})
    assert read_calibration(again).models == (weak, odds)


def test_a_forecast_with_it_has_probabilities_decisions_reliability_and_tail(source, file):
    raw = forecast(source, Weak(), lead_times=2)
    found = forecast(source, Weak(), lead_times=2, calibration=file)
    assert "exceedance_probability" not in raw
    assert found["threshold"].values.tolist() == [20.0, 30.0, 40.0]
    for name in ("decision_thresholds", "dressing", "reliability", "tail_dbz", "archive"):
        assert name in found.attrs
    assert reliability_of(found.attrs).thresholds_dbz == (20.0, 30.0, 40.0)
    (model,) = [m for m in read_calibration(file).models if m.model == "weak"]
    chosen = model.decision.at(raw["lead_time"].values)[1]  # of 30 dBZ: about 6 dB less
    np.testing.assert_array_equal(
        found.reflectivity.values >= 30, raw.reflectivity.values >= chosen[:, None, None]
    )
    assert (np.abs(chosen - 24) < 3).all()


def test_events_called_before_recalibration_are_those_that_recalibrated_thresholds_call(source, file):
    made = read_calibration(file).models[1]
    raw = forecast(source, Probable(factor=0.4), lead_times=2)
    found = forecast(source, Probable(factor=0.4), lead_times=2, calibration=file)
    leads = raw["lead_time"].values
    chosen = made.decision.at(leads)
    moved = made.recalibration.apply(np.repeat(np.repeat(chosen[..., None, None], 2, 2), 2, 3), leads)[
        ..., 0, 0
    ]
    for k in (0, 1):
        before = raw.exceedance_probability.values[k] >= chosen[k][:, None, None]
        np.testing.assert_array_equal(found.reflectivity.values >= (20.0, 30.0)[k], before)
        after = found.exceedance_probability.values[k] >= moved[k][:, None, None] - 1e-6
        assert (after | ~before).all()  # a rising map keeps what reaches it


def test_the_calibrated_reading_scores_its_own_probabilities(source, file):
    skill = verify(
        source,
        {"w": Weak(), "o": Probable(factor=0.4)},
        PERIOD,
        stride=5,
        lead_times=2,
        thresholds=[20, 30],
        scores=["csi", "brier"],
        calibration=[file],
    ).verification
    assert skill.models == ("w", "w, calibrated", "o", "o, calibrated")
    for name in ("w", "o"):
        for threshold in (20.0, 30.0):
            before, after = (skill.value(f"{name}{c}", "brier", threshold) for c in ("", ", calibrated"))
            assert after < before
    decided = verify(
        source,
        {"o": Probable(factor=0.4)},
        PERIOD,
        stride=5,
        lead_times=2,
        thresholds=[20],
        scores=["csi", "brier"],
        decision_thresholds=[file],
    ).verification
    assert decided.value("o, calibrated", "brier", 20.0) == decided.value("o", "brier", 20.0)
    assert decided.value("o, calibrated", "csi", 20.0) > decided.value("o", "csi", 20.0)


def test_another_model_or_one_that_is_not_known_is_refused(source, file):
    with pytest.raises(SettingsError, match="one made for weak"):
        forecast(source, Weak(by_db=2.0), calibration=file)
    with pytest.raises(SettingsError, match="got one of weak, probable, expected one of persistence"):
        calibrated(Persistence(), read_calibrations([file]))


def test_other_thresholds_than_the_model_has_now_are_refused(source, file):
    with pytest.raises(SettingsError, match="those of probabilities of reaching 20, 30, 40 dBZ"):
        forecast(source, Probable(thresholds=(25.0, 35.0)), lead_times=2, calibration=file)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tail_dbz": -1.0}, "do not belong together"),
        ({"tail_dbz": "steep"}, "expected"),
        ({"identity": "other {}"}, "do not belong together"),
        ({"dressing": {}}, "missing"),
        ({"odds": 1}, "unknown setting"),
        ({"held_out": [{"identity": "small"}]}, "expected"),
    ],
)
def test_a_damaged_file_is_one_clear_line(file, tmp_path, change, message):
    content = json.loads(file.read_text())
    content["models"][0].update(change)
    path = tmp_path / "damaged.json"
    path.write_text(json.dumps(content))
    with pytest.raises(SettingsError, match=message) as caught:
        read_calibration(path)
    assert "\n" not in str(caught.value)
    path.write_text(file.read_text()[:5000])
    with pytest.raises(FileError, match="not JSON"):
        read_calibration(path)


def test_parts_of_two_ladders_are_refused(file):
    weak, odds = read_calibration(file).models
    with pytest.raises(SettingsError, match="do not belong together"):
        ModelCalibration("weak", weak.identity, None, weak.dressing, odds.recalibration)


def test_from_the_command_line(tmp_path, capsys):
    disc = write_archive(tmp_path)[0]
    made = tmp_path / "disc.calibration.json"
    assert (
        main(
            [
                "calibrate",
                "--archive",
                str(disc),
                "--models",
                "persistence",
                "--period",
                PERIOD,
                "--leads",
                "2",
                "--stride",
                "2",
                "--thresholds",
                "20",
                "30",
                "--out",
                str(made),
            ]
        )
        == 0
    )
    printed = capsys.readouterr().out
    assert "dressed" in printed
    assert "persistence: one block of six hours: nothing says how reliable the dressing is" in printed
    out = tmp_path / "a.nc"
    ask = ["forecast", "--archive", str(disc), "--leads", "2", "--out", str(out), "--calibration", str(made)]
    assert main([*ask, "--model", "persistence"]) == 0
    assert "with the probability of reaching 20, 30 dBZ" in capsys.readouterr().out
    found = read_forecast(out)
    assert found.exceedance_probability.shape[0] == 2
    assert "decision_thresholds" in found.attrs
    store = tmp_path / "h.zarr"
    assert (
        main(
            [
                "hindcast",
                "--archive",
                str(disc),
                "--model",
                "persistence",
                "--period",
                PERIOD,
                "--leads",
                "2",
                "--stride",
                "4",
                "--out",
                str(store),
                "--calibration",
                str(made),
            ]
        )
        == 0
    )
    held = open_hindcast(store)
    assert held.exceedance_probability.sizes["threshold"] == 2
    last = held.sel(forecast_reference_time=held["forecast_reference_time"].values[-1])
    again = forecast(disc, "persistence", last["forecast_reference_time"].values[()], 2, calibration=made)
    np.testing.assert_allclose(last.exceedance_probability, again.exceedance_probability, atol=0.006)
    assert main([*ask, "--model", "extrapolation"]) == 2
    assert "got one of persistence, expected one of extrapolation" in capsys.readouterr().err
