"""Forecasts at decision thresholds: the map of dBZ, the step on a Dataset, whom they belong to, their file."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nowcast.core.errors import FileError, SettingsError
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.forecasters.calibration_file import ModelCalibration, read_calibration, write_calibration
from nowcast.forecasters.decision import decide, recalibrate_dbz
from nowcast.forecasters.decision_thresholds import DecisionThresholds, check_identity, identity_of
from nowcast.forecasters.extrapolation import Extrapolation
from nowcast.forecasters.persistence import Persistence
from nowcast.workflows.readings import with_calibrated
from nowcast.workflows.verify import Reading, verify_period
from tests.fakes.fields import moving_disc, projected_grid, times
from tests.fakes.forecasters import Probable, Weak
from tests.fakes.memory_archive import MemoryArchive

STEP = np.timedelta64(10, "m")
LEADS = np.arange(1, 3) * STEP


def thresholds_for(forecaster, kind="dbz", levels=((14.0, 12.0), (24.0, 20.0)), thresholds=(20.0, 30.0)):
    return DecisionThresholds(forecaster.name, identity_of(forecaster), kind, thresholds, (10.0, 20.0), levels)


def calibration_for(forecaster, **changed):
    chosen = thresholds_for(forecaster, **changed)
    return ModelCalibration(chosen.model, chosen.identity, chosen)


def mapped(*values, levels=(14.0, 24.0)):
    dbz = np.array(values, np.float32).reshape(1, 1, -1)
    return recalibrate_dbz(dbz, np.array(levels)[:, None], [20.0, 30.0])[0, 0]


def test_the_map_by_hand():
    np.testing.assert_allclose(mapped(14, 19, 24), [20, 25, 30], rtol=1e-6)
    np.testing.assert_allclose(mapped(24 + 38), 30 + 35, rtol=1e-6)  # half-way to 100 dBZ
    np.testing.assert_allclose(mapped(-9), -32 + 26, rtol=1e-6)  # half-way up from no echo
    found = mapped(NO_ECHO_DBZ, np.nan, 100)
    assert (found[0], found[2]) == (NO_ECHO_DBZ, 100)
    assert np.isnan(found[1])


def test_thresholds_with_one_level_are_reached_together():
    np.testing.assert_array_equal(mapped(13.9, 14, levels=(14, 14)) >= 30, [False, True])
    assert (mapped(13.9, levels=(14, 14)) < 20).all()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_thresholding_the_result_is_thresholding_the_raw_field_at_its_levels(seed):
    random = np.random.default_rng(seed)
    dbz = (random.integers(-128, 280, (2, 9, 11)) / 4).astype(np.float32)
    dbz[random.random(dbz.shape) < 0.2] = NO_ECHO_DBZ
    dbz[random.random(dbz.shape) < 0.1] = np.nan
    thresholds = [10.0, 20.0, 30.0, 35.5]
    levels = np.sort(random.integers(-40, 280, (4, 2)) / 4, axis=0).astype(np.float32)
    found = recalibrate_dbz(dbz, levels, thresholds)
    for k, threshold in enumerate(thresholds):
        np.testing.assert_array_equal(found >= threshold, dbz >= levels[k][:, None, None])
    np.testing.assert_array_equal(np.isnan(found), np.isnan(dbz))
    np.testing.assert_array_equal(found == NO_ECHO_DBZ, dbz == NO_ECHO_DBZ)
    order = np.argsort(dbz[0], axis=None)
    rising = found[0].ravel()[order]
    assert (np.diff(rising[~np.isnan(rising)]) >= 0).all()


def test_reflectivity_is_mapped_at_the_decision_thresholds_of_its_lead_time():
    weak, storm = Weak(), moving_disc(projected_grid())
    raw = weak.forecast(storm, LEADS)
    found = decide(raw, thresholds_for(weak))
    dbz, before = found.reflectivity.values, raw.reflectivity.values
    for lead, (low, high) in enumerate([(14, 24), (12, 20)]):
        np.testing.assert_array_equal(dbz[lead] >= 20, before[lead] >= low)
        np.testing.assert_array_equal(dbz[lead] >= 30, before[lead] >= high)
    assert found.coords.equals(raw.coords)
    assert found.reflectivity.attrs == raw.reflectivity.attrs
    assert json.loads(found.attrs["decision_thresholds"])["values"] == [[14, 12], [24, 20]]
    assert "decision_thresholds" not in raw.attrs
    with pytest.raises(SettingsError, match="that some were applied to"):
        decide(found, thresholds_for(weak))  # never twice


def test_probabilities_make_reflectivity_at_their_decision_thresholds_and_stay_what_they_are():
    odds, storm = Probable(thresholds=(20.0, 30.0)), moving_disc(projected_grid())
    raw = odds.forecast(storm, LEADS)
    chosen = thresholds_for(odds, "probability", ((0.3, 0.2), (0.25, 0.1)))
    found = decide(raw, chosen)
    probabilities = raw.exceedance_probability.values
    np.testing.assert_array_equal(found.reflectivity.values[0] >= 30, probabilities[1, 0] >= 0.25)
    np.testing.assert_array_equal(found.reflectivity.values[1] >= 30, probabilities[1, 1] >= np.float32(0.1))
    np.testing.assert_array_equal(found.exceedance_probability.values, probabilities)
    again = decide(found, thresholds_for(odds, "probability", ((0.5, 0.5), (0.5, 0.5))))
    np.testing.assert_array_equal(again.reflectivity.values[0] >= 20, probabilities[0, 0] >= 0.5)
    with pytest.raises(SettingsError, match="expected none, as the model forecasts"):
        decide(Weak().forecast(storm, LEADS), chosen)
    with pytest.raises(SettingsError, match=r"reaching 20, 30 dBZ, expected 25, 30 dBZ"):
        decide(Probable(thresholds=(25.0, 30.0)).forecast(storm, LEADS), chosen)


def test_those_of_another_forecaster_are_refused():
    check_identity(thresholds_for(Weak()), Weak())
    with pytest.raises(SettingsError, match="one made for weak"):
        check_identity(thresholds_for(Weak()), Weak(by_db=7.0))
    with pytest.raises(SettingsError, match="sha256:aaaa"):
        check_identity(thresholds_for(Probable(sha256="a" * 64)), Probable(sha256="b" * 64))


def test_identity_is_the_checkpoint_or_the_settings():
    assert identity_of(Probable(sha256="a" * 64)) == "sha256:" + "a" * 64
    assert identity_of(Persistence()) == "persistence {}"
    assert identity_of(Extrapolation()) != identity_of(Extrapolation(past=4))


def test_levels_between_and_beyond_the_known_lead_times():
    found = thresholds_for(Weak()).at(np.array([5, 10, 15, 20, 90], "timedelta64[m]"))
    np.testing.assert_allclose(found, [[17, 14, 13, 12, 12], [27, 24, 22, 20, 20]])
    odds = thresholds_for(Weak(), "probability", ((0.3, 0.2), (0.25, 0.1)))
    np.testing.assert_allclose(odds.at(np.array([5, 90], "timedelta64[m]")), [[0.3, 0.2], [0.25, 0.1]])


def test_a_calibrated_model_is_a_second_reading_of_the_same_forecast():
    weak = Weak()
    source = MemoryArchive(moving_disc(projected_grid(), frames=12, velocity=(0.5, 1.0)))
    found = with_calibrated({"p": Reading(Persistence()), "w": Reading(weak)}, (calibration_for(weak),))
    assert list(found) == ["p", "w", "w, calibrated"]
    skill = verify_period(source, found, times(1)[0], times(1)[0] + np.timedelta64(1, "D"), lead_times=2)
    assert weak.asked == skill.nowcasts == 6
    assert skill.value("w, calibrated", "bias", 20.0) > skill.value("w", "bias", 20.0)
    assert "decision_thresholds" in skill.metadata["w, calibrated"]
    assert "decision_thresholds" not in skill.metadata["w"]


def test_levels_for_none_of_the_models_or_another_one_of_that_name():
    known = (calibration_for(Weak()),)
    with pytest.raises(SettingsError, match="that of at least one of p"):
        with_calibrated({"p": Reading(Persistence())}, known)
    with pytest.raises(SettingsError, match="one made for weak"):
        with_calibrated({"w": Reading(Weak(by_db=1.0))}, known)


def test_a_file_of_levels_comes_back_as_it_was(tmp_path):
    path = tmp_path / "chosen.json"
    weak = Weak()
    kept = DecisionThresholds(
        "weak", identity_of(weak), "dbz", (20.0,), (10.0,), ((14.25,),), ((0.5,),), ((None,),)
    )
    write_calibration(path, [ModelCalibration("weak", kept.identity, kept)], {"stride": 6})
    found = read_calibration(path)
    assert [m.decision for m in found.models] == [kept]
    assert found.made == {"stride": 6}


def test_a_file_from_before_they_were_called_so_is_read(tmp_path):
    path = tmp_path / "motionrnn.levels.json"
    one = {
        "model": "weak",
        "identity": "weak {}",
        "kind": "dbz",
        "thresholds_dbz": [20.0],
        "lead_minutes": [10.0, 20.0],
        "levels": [[14.25, 13.5]],
    }
    path.write_text(json.dumps({"format": "nowcast decision levels", "version": 1, "models": [one]}))
    assert read_calibration(path).models[0].decision.values == ((14.25, 13.5),)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"values": [[14.0, 12.0]]}, "a table of shape"),
        ({"values": [[14.0, 12.0], [24.0]]}, "a table of shape"),
        ({"values": [[14.0, 12.0], [13.0, 20.0]]}, "falls with the threshold"),
        ({"values": [[14.0, 12.0], [24.0, float("nan")]]}, "got nan, expected a finite"),
        ({"values": [[-32.0, 12.0], [24.0, 20.0]]}, "out of range"),
        ({"kind": "probability"}, "out of range"),
        ({"kind": "guess"}, "expected one of dbz, probability"),
        ({"lead_minutes": [20.0, 10.0]}, "rising lead time"),
        ({"levles": []}, "unknown setting"),
        ({"identity": 5}, "expected str"),
    ],
)
def test_a_file_with_levels_that_cannot_be(tmp_path, change, message):
    path = tmp_path / "chosen.json"
    write_calibration(path, [calibration_for(Weak())], {})
    content = json.loads(path.read_text())
    content["models"][0]["decision"].update(change)
    path.write_text(json.dumps(content))
    with pytest.raises(SettingsError, match=message):
        read_calibration(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[]", "another kind"),
        ('{"format": "x"}', "another kind"),
        ('{"format": "nowcast decision thresholds", "version": 2}', "version: got 2"),
    ],
)
def test_a_file_that_holds_no_levels(tmp_path, text, message):
    path = tmp_path / "chosen.json"
    path.write_text(text)
    with pytest.raises((FileError, SettingsError), match=message):
        read_calibration(path)
    with pytest.raises(FileError, match="no readable file"):
        read_calibration(tmp_path / "absent.json")


def test_two_kinds_of_levels_for_one_model_are_refused():
    weak = Weak()
    other = calibration_for(weak, levels=((10.0, 10.0), (20.0, 20.0)))
    assert list(with_calibrated({"w": Reading(weak)}, (other, other))) == ["w", "w, calibrated"]
    with pytest.raises(SettingsError, match="two kinds for the same"):
        with_calibrated({"w": Reading(weak)}, (calibration_for(weak), other))
