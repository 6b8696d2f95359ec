"""Neighbourhoods, onset, rain probabilities and statistics of members, by hand."""

import numpy as np
import pytest

from nowcast.core.errors import NowcastError, SettingsError
from nowcast.core.rain import z_r
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.postprocessing.discs import half_widths, highest_within
from nowcast.postprocessing.distribution import tail_db
from nowcast.postprocessing.ensemble import quantiles
from nowcast.postprocessing.ensemble_statistics import EnsembleStatistics
from nowcast.postprocessing.neighbourhood_probability import NeighbourhoodProbability
from nowcast.postprocessing.rain_onset import RainOnset
from nowcast.postprocessing.rain_probability import RainProbability
from tests.fakes.ensembles import constant, ensemble, observed

DRY = np.full((5, 7), NO_ECHO_DBZ, np.float32)


@pytest.mark.parametrize(
    ("radius", "cell"), [(0.0, (1, 1)), (3.0, (1, 1)), (7.5, (2, 1)), (9.0, (1, 1.7)), (60.0, (1, 1))]
)
def test_the_highest_within_a_circle_is_that_of_every_cell_by_itself(radius, cell):
    rng = np.random.default_rng(3)
    values = np.where(rng.random((23, 31)) < 0.05, rng.integers(1, 7, (23, 31)), 0).astype(np.uint8)
    i, j = np.mgrid[:23, :31]
    near = ((i[..., None, None] - i) * cell[0]) ** 2 + ((j[..., None, None] - j) * cell[1]) ** 2 <= radius**2
    expected = np.where(near, values, 0).max(axis=(2, 3))
    np.testing.assert_array_equal(highest_within(values, half_widths(radius, cell)), expected)


def test_the_neighbourhood_of_one_shower_in_one_of_four_members():
    members = np.full((4, 2, 15, 15), NO_ECHO_DBZ, np.float32)
    members[1, 1, 7, 7] = 32.0
    members[:, :, 0, :] = np.nan
    found = NeighbourhoodProbability(radii_km=(0, 3, 5), thresholds_dbz=(20, 40)).apply(
        ensemble(members), observed(members[0, 0])
    )
    likely = found.neighbourhood_probability
    assert likely.dims == ("radius_km", "threshold", "lead_time", "y", "x")
    i, j = np.mgrid[:15, :15]
    for r, radius in enumerate((0, 3, 5)):
        expected = np.where(np.hypot(i - 7, j - 7) <= radius * 1.001, 0.25, 0.0)
        np.testing.assert_allclose(likely.values[r, 0, 1, 1:], expected[1:])
    assert (likely.values[:, 1, :, 1:] == 0).all()
    assert (likely.values[:, :, 0, 1:] == 0).all()
    assert np.isnan(likely.values[..., 0, :]).all()
    assert (likely.diff("radius_km").values[..., 1:, :] >= 0).all()


def test_the_neighbourhood_has_the_thresholds_of_the_probabilities():
    known = np.zeros((2, 1, 5, 7), np.float32)
    made = ensemble(constant([25.0, 35.0], 1), thresholds=(20.0, 30.0), probabilities=known)
    found = NeighbourhoodProbability().apply(made, observed(DRY)).neighbourhood_probability
    assert found.threshold.values.tolist() == [20, 30]
    np.testing.assert_allclose(found.values[0, :, 0, 2, 2], [1.0, 0.5])
    with pytest.raises(SettingsError, match="got 25, expected 20, 30, as of the forecast's probabilities"):
        NeighbourhoodProbability(thresholds_dbz=(25,)).apply(made, observed(DRY))


def test_onset_by_hand():
    """Members begin at once, after 20 minutes, between 10 and 20, and never."""
    members = constant([NO_ECHO_DBZ] * 4, 3, (2, 4))
    members[0, 0] = 30.0
    members[1, 1] = 20.0
    members[2, 1:] = 30.0
    found = RainOnset(quantiles=(0.0, 0.5, 1.0)).apply(ensemble(members), observed(DRY[:2, :4]))
    first = 10 * 10 / 20  # from 10 dB below the threshold at 0 min to 10 dB above at 10 min
    onset = found.rain_onset_quantile
    assert found.rain_onset_probability.values.tolist() == [[0.75] * 4] * 2
    np.testing.assert_allclose(onset.values[:2, 0, 0], [first, (15.0 + 20.0) / 2])
    assert np.isnan(onset.values[2]).all()  # later than the forecast
    assert onset.attrs["rain_begins_at"] == "20 dBZ"


def test_onset_is_zero_where_it_rains_and_unknown_where_nothing_was_seen_before():
    members = constant([NO_ECHO_DBZ, 30.0], 3, (2, 4))
    members[:, 0, :, 2] = np.nan
    members[1, 2, :, 3] = np.nan  # after it has begun
    frame = np.array([[25.0, np.nan, NO_ECHO_DBZ, NO_ECHO_DBZ]] * 2, np.float32)
    found = RainOnset(quantiles=(0.5,)).apply(ensemble(members), observed(frame))
    assert found.rain_onset_quantile.values[0, 0, 0] == 0
    np.testing.assert_array_equal(found.rain_onset_probability.values, [[1.0, np.nan, np.nan, 0.5]] * 2)


def test_onset_at_a_rain_rate_and_what_the_forecast_does_not_tell():
    rate = float(z_r("marshall_palmer").to_dbz(1.0))
    made = ensemble(constant([rate - 0.1, rate + 0.1], 2))
    found = RainOnset(threshold_mm_h=1.0).apply(made, observed(DRY))
    assert (found.rain_onset_probability == 0.5).all()
    assert found.rain_onset_probability.attrs["rain_begins_at"] == "1 mm/h"
    known = np.zeros((1, 2, 5, 7), np.float32)
    ladder = ensemble(constant([30, 30], 2), thresholds=(30.0,), probabilities=known)
    with pytest.raises(SettingsError, match="got 20 dBZ, expected at least 30 dBZ"):
        RainOnset().apply(ladder, observed(DRY))


def test_mean_and_spread_with_no_echo_at_the_floor():
    members = constant([NO_ECHO_DBZ, 15.0, 25.0], 1)
    members[:, 0, 0, 0] = NO_ECHO_DBZ
    members[2, 0, 1, 1] = np.nan
    found = EnsembleStatistics(floor_dbz=5.0).apply(ensemble(members), observed(DRY))
    assert found.reflectivity_mean.values[0, 2, 2] == pytest.approx(15.0)
    assert found.reflectivity_spread.values[0, 2, 2] == pytest.approx(10.0)
    mean, spread = found.reflectivity_mean.values[0], found.reflectivity_spread.values[0]
    assert (mean[0, 0], spread[0, 0]) == (NO_ECHO_DBZ, 0)
    assert np.isnan([mean[1, 1], spread[1, 1]]).all()
    with pytest.raises(NowcastError, match="got 1 member, expected at least 2; take a model"):
        EnsembleStatistics().apply(ensemble(constant([20.0], 1)), observed(DRY))


def ladder(*probabilities, thresholds=(20.0, 30.0, 40.0)):
    values = np.broadcast_to(np.array(probabilities, np.float32)[:, None, None, None], (3, 2, 5, 7)).copy()
    return ensemble(constant([20.0], 2), thresholds=thresholds, probabilities=values).drop_dims("member")


def test_rain_probability_at_a_threshold_is_that_of_the_ladder():
    rates = tuple(float(z_r("marshall_palmer").to_rate(t)) for t in (20.0, 30.0, 40.0))
    made = ladder(0.6, 0.3, 0.08)
    made.exceedance_probability.values[0, 1, 2, 3] = np.nan
    found = RainProbability(tuple(r * 1.000001 for r in rates)).apply(made, observed(DRY))
    likely = found.rain_rate_exceedance_probability
    assert likely.dims == ("rain_rate_threshold", "lead_time", "y", "x")
    np.testing.assert_allclose(likely.values[:, 0, 0, 0], [0.6, 0.3, 0.08], rtol=1e-3)
    assert np.isnan(likely.values[:, 1, 2, 3]).all()
    assert np.isnan(likely.values).sum() == 3
    assert likely.attrs["z_r_relation"].startswith("marshall_palmer: Z = 200 R^1.6")


def test_rain_probability_between_thresholds_and_in_the_tail():
    found = RainProbability((1.0, 2.0, 5.0, 10.0, 20.0, 40.0)).apply(ladder(0.6, 0.3, 0.08), observed(DRY))
    likely = found.rain_rate_exceedance_probability.values[:, 0, 0, 0]  # 23, 27.8, 34.2, 39, 43.8, 48.6 dBZ
    assert (np.diff(likely) < 0).all()
    assert 0.3 < likely[1] < likely[0] < 0.6
    assert 0.08 < likely[3] < likely[2] < 0.3
    over = float(z_r("marshall_palmer").to_dbz(20.0)) - 40
    assert likely[4] == pytest.approx(0.08 * np.exp(-over / tail_db(40)), rel=1e-4)
    assert 0 < likely[5] < likely[4]


def test_rain_probability_beyond_the_ladder_is_refused_where_it_was_asked_for():
    found = RainProbability().apply(ladder(0.6, 0.3, 0.08), observed(DRY))
    assert found.rain_rate_threshold.values.tolist() == [1, 2, 5, 10, 20]  # 0.5 is 18.2 dBZ, 50 is 50.2
    with pytest.raises(SettingsError, match=r"0\.5 mm/h \(18\.2 dBZ\), expected 0\.65 to 48\.6 mm/h: "):
        RainProbability((0.5, 5.0)).apply(ladder(0.6, 0.3, 0.08), observed(DRY))
    with pytest.raises(SettingsError, match=r"100 mm/h \(55\.0 dBZ\)"):
        RainProbability((5.0, 100.0)).apply(ladder(0.6, 0.3, 0.08), observed(DRY))


def test_rain_probability_from_members_where_there_is_no_ladder():
    dbz = z_r("marshall_palmer").to_dbz(np.array([0.0, 1.5, 3.0, 30.0]))
    found = RainProbability((1.0, 2.0, 20.0)).apply(ensemble(constant(dbz, 2)), observed(DRY))
    np.testing.assert_allclose(found.rain_rate_exceedance_probability.values[:, 1, 2, 2], [0.75, 0.5, 0.25])
    with pytest.raises(NowcastError, match="one field without members"):
        RainProbability().apply(ensemble(constant(dbz, 2)).drop_dims("member"), observed(DRY))


def test_quantiles_are_those_of_numpy():
    values = np.random.default_rng(1).random((24, 4, 5)).astype(np.float32)
    np.testing.assert_allclose(
        quantiles(values, (0, 0.1, 0.5, 0.77, 1)),
        np.quantile(values, (0, 0.1, 0.5, 0.77, 1), axis=0),
        rtol=1e-5,
    )
    assert quantiles(values[:1], (0.1, 0.9)).tolist() == [values[0].tolist()] * 2
