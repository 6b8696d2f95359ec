"""Forecasters at decision levels: the map of dBZ, the wrapper, whom levels belong to, the levels file."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nowcast.core.errors import FileError, SettingsError
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.forecasters.base import Forecaster
from nowcast.forecasters.calibrated import Calibrated, recalibrate_dbz, with_calibrated
from nowcast.forecasters.extrapolation import Extrapolation
from nowcast.forecasters.levels import Levels, identity_of, read_levels, write_levels
from nowcast.forecasters.persistence import Persistence
from nowcast.forecasters.remembered import Remembered
from tests.fakes.fields import moving_disc, projected_grid
from tests.fakes.forecasters import Odds, Weak

STEP = np.timedelta64(10, "m")
LEADS = np.arange(1, 3) * STEP


def levels_for(forecaster, kind="dbz", levels=((14.0, 12.0), (24.0, 20.0)), thresholds=(20.0, 30.0)):
    return Levels(forecaster.name, identity_of(forecaster), kind, thresholds, (10.0, 20.0), levels)


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


def test_a_calibrated_forecaster_is_a_forecaster_at_its_levels():
    weak, storm = Weak(), moving_disc(projected_grid())
    made = Calibrated(weak, levels_for(weak))
    assert isinstance(made, Forecaster)
    assert made.name == "weak, calibrated"
    assert made.needs == weak.needs
    raw, found = weak.forecast(storm, LEADS), made.forecast(storm, LEADS)
    for lead, (low, high) in enumerate([(14, 24), (12, 20)]):
        np.testing.assert_array_equal(found.values[lead] >= 20, raw.values[lead] >= low)
        np.testing.assert_array_equal(found.values[lead] >= 30, raw.values[lead] >= high)
    assert found.coords.equals(raw.coords)
    assert json.loads(made.describe()["decision_levels"])["levels"] == [[14, 12], [24, 20]]


def test_probabilities_are_rebuilt_at_their_levels():
    odds, storm = Odds(thresholds=(20.0, 30.0)), moving_disc(projected_grid())
    found = Calibrated(odds, levels_for(odds, "probability", ((0.3, 0.2), (0.25, 0.1)))).forecast(storm, LEADS)
    probabilities = odds.probabilities(storm, LEADS).values
    np.testing.assert_array_equal(found.values[0] >= 30, probabilities[1, 0] >= 0.25)
    np.testing.assert_array_equal(found.values[1] >= 30, probabilities[1, 1] >= np.float32(0.1))
    assert found["issued"].values == storm["time"].values[-1]
    with pytest.raises(SettingsError, match="expected none, as the model gives"):
        Calibrated(Weak(), levels_for(Weak(), "probability", ((0.3, 0.2), (0.25, 0.1))))
    other = Odds(thresholds=(25.0, 30.0))
    with pytest.raises(SettingsError, match=r"reaching 20, 30 dBZ, expected 25, 30 dBZ"):
        Calibrated(other, levels_for(odds, "probability", ((0.3, 0.2), (0.25, 0.1))))


def test_levels_of_another_forecaster_are_refused():
    with pytest.raises(SettingsError, match="levels made for weak"):
        Calibrated(Weak(by_db=7.0), levels_for(Weak()))
    with pytest.raises(SettingsError, match="sha256:aaaa"):
        Calibrated(Odds(sha256="b" * 64), levels_for(Odds(sha256="a" * 64)))


def test_identity_is_the_checkpoint_or_the_settings():
    assert identity_of(Odds(sha256="a" * 64)) == "sha256:" + "a" * 64
    assert identity_of(Persistence()) == "persistence {}"
    assert identity_of(Extrapolation()) != identity_of(Extrapolation(past=4))
    assert identity_of(Extrapolation()) == identity_of(Remembered.of(Extrapolation()))


def test_levels_between_and_beyond_the_known_lead_times():
    found = levels_for(Weak()).at(np.array([5, 10, 15, 20, 90], "timedelta64[m]"))
    np.testing.assert_allclose(found, [[17, 14, 13, 12, 12], [27, 24, 22, 20, 20]])
    odds = levels_for(Weak(), "probability", ((0.3, 0.2), (0.25, 0.1)))
    np.testing.assert_allclose(odds.at(np.array([5, 90], "timedelta64[m]")), [[0.3, 0.2], [0.25, 0.1]])


def test_a_model_with_levels_gets_a_second_row_from_the_same_forecast():
    weak, storm = Weak(), moving_disc(projected_grid())
    found = with_calibrated({"p": Persistence(), "w": weak}, (levels_for(weak),))
    assert list(found) == ["p", "w", "w, calibrated"]
    raw = found["w"].forecast(storm, LEADS)
    raw.values[:] = 99  # whoever spoils his answer spoils nobody else's
    calibrated = found["w, calibrated"].forecast(storm.copy(deep=True), LEADS)
    assert weak.asked == 1
    np.testing.assert_array_equal(calibrated.values[0] >= 20, storm.values[-1] - 6 >= 14)
    found["w"].forecast(storm + 1, LEADS)
    found["w"].forecast(storm + 1, LEADS[:1])
    assert weak.asked == 3


def test_a_model_that_comes_with_levels_is_taken_apart():
    weak, storm = Weak(), moving_disc(projected_grid())
    own = Calibrated(weak, levels_for(weak), "weak")
    with pytest.raises(SettingsError, match="levels made for weak"):
        Calibrated(own, levels_for(weak))  # never twice
    other = levels_for(weak, levels=((10.0, 10.0), (20.0, 20.0)))
    for known, level in (((levels_for(Persistence()),), 14), ((levels_for(Persistence()), other), 10)):
        found = with_calibrated({"p": Persistence(), "w": own}, known)
        raw, made = found["w"].forecast(storm, LEADS), found["w, calibrated"].forecast(storm, LEADS)
        np.testing.assert_array_equal(raw.values[0], weak.forecast(storm, LEADS).values[0])
        np.testing.assert_array_equal(made.values[0] >= 20, raw.values[0] >= level)


def test_levels_for_none_of_the_models_or_another_one_of_that_name():
    known = (levels_for(Weak()),)
    with pytest.raises(SettingsError, match="of at least one of p"):
        with_calibrated({"p": Persistence()}, known)
    with pytest.raises(SettingsError, match="levels made for weak"):
        with_calibrated({"w": Weak(by_db=1.0)}, known)


def test_a_file_of_levels_comes_back_as_it_was(tmp_path):
    path = tmp_path / "levels.json"
    weak = Weak()
    kept = Levels("weak", identity_of(weak), "dbz", (20.0,), (10.0,), ((14.25,),), ((0.5,),), ((None,),))
    write_levels(path, [kept], {"stride": 6})
    found = read_levels(path)
    assert found.models == (kept,)
    assert found.made == {"stride": 6}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"levels": [[14.0, 12.0]]}, "a table of shape"),
        ({"levels": [[14.0, 12.0], [24.0]]}, "a table of shape"),
        ({"levels": [[14.0, 12.0], [13.0, 20.0]]}, "falls with the threshold"),
        ({"levels": [[14.0, 12.0], [24.0, float("nan")]]}, "got nan, expected a finite number"),
        ({"levels": [[-32.0, 12.0], [24.0, 20.0]]}, "out of range"),
        ({"kind": "probability"}, "out of range"),
        ({"kind": "guess"}, "expected one of dbz, probability"),
        ({"lead_minutes": [20.0, 10.0]}, "rising lead time"),
        ({"levles": []}, "unknown setting"),
        ({"identity": 5}, "expected str"),
    ],
)
def test_a_file_with_levels_that_cannot_be(tmp_path, change, message):
    path = tmp_path / "levels.json"
    write_levels(path, [levels_for(Weak())], {})
    content = json.loads(path.read_text())
    content["models"][0].update(change)
    path.write_text(json.dumps(content))
    with pytest.raises(SettingsError, match=message):
        read_levels(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "not JSON"), ("[]", "another kind"), ('{"format": "x"}', "another kind"),
     ('{"format": "nowcast decision levels", "version": 2}', "version: got 2")],
)
def test_a_file_that_holds_no_levels(tmp_path, text, message):
    path = tmp_path / "levels.json"
    path.write_text(text)
    with pytest.raises((FileError, SettingsError), match=message):
        read_levels(path)
    with pytest.raises(FileError, match="no readable file"):
        read_levels(tmp_path / "absent.json")


def test_two_kinds_of_levels_for_one_model_are_refused():
    weak = Weak()
    other = levels_for(weak, levels=((10.0, 10.0), (20.0, 20.0)))
    assert list(with_calibrated({"w": weak}, (other, other))) == ["w", "w, calibrated"]
    with pytest.raises(SettingsError, match="two kinds for the same"):
        with_calibrated({"w": weak}, (levels_for(weak), other))
