"""A forecast of a few cells at points and areas: every value counted by hand."""

import numpy as np
import pytest

import nowcast
from nowcast.core.errors import SettingsError
from nowcast.core.field import make_field
from nowcast.postprocessing.places.sums import rain_sum
from nowcast.postprocessing.rain_sums import RainSum
from nowcast.postprocessing.rain_times import rain_times, spread_times
from nowcast.products.cf_netcdf import write_forecast
from tests.fakes.fields import geographic_grid, projected_grid
from tests.fakes.place_forecast import (
    CELL,
    MINUTES,
    RATES,
    RELATION,
    START,
    box,
    dbz_of,
    feature,
    middle_of,
    place_forecast,
    rates_at,
)

GRID = projected_grid(6, 8)
HERE = middle_of(GRID, *CELL)


def after(*minutes):
    return [START + m * MINUTES for m in minutes]


def degrees(rows, columns):
    """An area that holds the centres of these rows and columns of a grid in degrees, and that grid."""
    grid = geographic_grid(6, 8)
    y, x = grid.y[list(rows)], grid.x[list(columns)]
    return feature("basin", box(x.min() - 1e-3, y.min() - 1e-3, x.max() + 1e-3, y.max() + 1e-3)), grid


def test_a_point_is_the_cell_that_holds_it():
    found = nowcast.at(place_forecast(), HERE[0] + 0.003, HERE[1] - 0.004, z_r=RELATION)
    assert "place" not in found.dims
    np.testing.assert_array_equal(found.reflectivity, dbz_of(RATES))
    np.testing.assert_allclose(found.rain_rate, RATES, rtol=1e-5)
    assert (found.status, found.cells, found.share_inside) == ("known", 1, 1.0)
    assert (found.rain_begins.values, found.rain_begins.attrs["by"]) == (after(20)[0], "reflectivity")
    assert np.isnat(found.rain_ends.values)
    assert np.isnan(found.rain_probability)
    assert (found.peak_time.values, found.known_until.values) == (after(70)[0], after(70)[0])
    np.testing.assert_allclose([found.peak_rain_rate, found.peak_reflectivity], [60, dbz_of(60)], rtol=1e-5)
    np.testing.assert_allclose(found.rain_sum, 4.0, rtol=1e-5)
    assert found.probability_source == "none"
    assert "exceedance_probability" not in found


def test_many_points_keep_their_order_and_say_what_is_not_known():
    lat, lon = np.transpose([HERE, middle_of(GRID, 0, 7), (10.0, 10.0), middle_of(GRID, 5, 0)])
    found = nowcast.at(place_forecast(), lat, lon, names=["wet", "blind", "far", "dry"], z_r=RELATION)
    assert found.status.values.tolist() == ["known", "unknown", "outside", "known"]
    np.testing.assert_array_equal(found.known_share[0], [1, 0, 0, 1])
    assert np.isnan(found.reflectivity.sel(place=["blind", "far"])).all()
    assert np.isnan(found.rain_sum.sel(place=["blind", "far"])).all()
    assert np.isnat(found.peak_time.sel(place=["blind", "far", "dry"])).all()
    assert np.isnat(found.known_until.sel(place=["blind", "far"])).all()
    assert (found.reflectivity.sel(place="dry") == -32).all()
    assert found.rain_sum.sel(place="dry") == 0


def test_what_becomes_unknown_later_is_partly_known():
    forecast = place_forecast()
    forecast.reflectivity[4:, :, 3] = np.nan
    found = nowcast.at(forecast, *HERE, z_r=RELATION)
    assert found.status == "partly known"
    assert found.known_until == after(40)[0]
    assert found.rain_ends == after(50)[0]
    assert np.isnan(found.rain_sum)


def test_without_a_z_r_relation_there_is_reflectivity_and_no_rain_rate():
    found = nowcast.at(place_forecast(), *HERE)
    assert np.isnan(found.rain_rate).all()
    assert "rain_sum" not in found
    assert found.attrs["z_r_relation"] == ""
    own = place_forecast(attrs={"z_r_relation": "fmi: Z = 223 R^1.53 (Leinonen et al. 2012)"})
    fmi = (10 ** (dbz_of(60) / 10) / 223) ** (1 / 1.53)
    np.testing.assert_allclose(nowcast.at(own, *HERE).peak_rain_rate, fmi, rtol=1e-5)
    np.testing.assert_allclose(nowcast.at(own, *HERE, z_r="fmi").peak_rain_rate, fmi, rtol=1e-5)
    with pytest.raises(SettingsError, match=r"got marshall_palmer, expected that of the forecast \(fmi"):
        nowcast.at(own, *HERE, z_r=RELATION)


def test_an_area_has_its_mean_its_highest_and_its_wet_share():
    basin, grid = degrees((1, 2), (3, 4))
    cells = {(1, 3): (0, 0, 6, 0, 0, 0, 0), (2, 4): (0, 0, 18, 12, 0, 0, 0), (5, 0): [90] * 7}
    found = nowcast.at(place_forecast(cells, grid), areas=basin, z_r=RELATION).isel(place=0)
    assert (found.kind, found.cells) == ("area", 4)
    np.testing.assert_allclose(found.rain_rate, [0, 0, 6, 3, 0, 0, 0], rtol=1e-5)
    np.testing.assert_allclose(found.highest_rain_rate, [0, 0, 18, 12, 0, 0, 0], rtol=1e-5)
    np.testing.assert_array_equal(found.wet_share, [0, 0, 0.5, 0.25, 0, 0, 0])
    np.testing.assert_allclose(found.rain_sum, (6 + 3) / 6, rtol=1e-5)
    assert (found.rain_begins.values, found.rain_ends.values) == (after(30)[0], after(50)[0])


def test_an_area_that_is_partly_known_counts_what_is_known():
    basin, grid = degrees((1, 2), (6, 7))
    cells = {(1, 6): [12] * 7}
    found = nowcast.at(place_forecast(cells, grid), areas=basin, z_r=RELATION).isel(place=0)
    assert (found.status, found.cells) == ("partly known", 4)
    np.testing.assert_array_equal(found.known_share, [0.5] * 7)
    np.testing.assert_allclose(found.rain_rate, [6] * 7, rtol=1e-5)
    np.testing.assert_array_equal(found.wet_share, [0.5] * 7)


LADDER = np.array([[0.1, 0.5, 0.9, 0.6, 0.2, 0.0, 0.3], [0.0, 0.2, 0.6, 0.3, 0.1, 0.0, 0.1], [0.0] * 7])


def test_a_point_has_the_probabilities_of_its_cell_and_rains_where_they_reach_one_half():
    forecast = place_forecast(probabilities={CELL: LADDER})
    found = nowcast.at(forecast, *HERE, z_r=RELATION)
    np.testing.assert_allclose(found.exceedance_probability, LADDER, rtol=1e-6)
    assert (found.probability_source, found.rain_begins.attrs["by"]) == ("model", "probabilities")
    assert (found.rain_begins.values, found.rain_ends.values) == (after(20)[0], after(50)[0])
    np.testing.assert_allclose(found.rain_probability, 0.9, rtol=1e-6)
    heavier = nowcast.at(forecast, *HERE, rain_dbz=15)
    assert heavier.rain_begins.attrs["threshold_dbz"] == "20"
    assert (heavier.rain_begins.values, heavier.rain_ends.values) == (after(30)[0], after(40)[0])
    beyond = nowcast.at(forecast, *HERE, rain_dbz=31)
    assert beyond.rain_begins.attrs["by"] == "reflectivity"
    rates = (10 ** (np.array([10.0, 20.0, 30.0]) / 10) / 200) ** (1 / 1.6)
    np.testing.assert_allclose(found.threshold_rain_rate, rates, rtol=1e-5)


def test_an_area_without_members_has_at_least_the_probability_of_its_highest_cell():
    basin, grid = degrees((1, 2), (3, 4))
    forecast = place_forecast(grid=grid, probabilities={(1, 3): LADDER, (2, 4): LADDER[:, ::-1]})
    found = nowcast.at(forecast, areas=basin).isel(place=0)
    assert found.probability_source == "highest cell"
    np.testing.assert_allclose(found.exceedance_probability, np.maximum(LADDER, LADDER[:, ::-1]), rtol=1e-6)


MEMBERS = [
    {CELL: (0, 6, 6, 0, 0, 0, 0)},
    {CELL: (0, 0, 6, 6, 0, 0, 0), (3, 3): [12] * 7},
    {CELL: (0, 0, 0, 0, 12, 12, 12)},
    {},
]
"""Sums of an hour at `CELL`: 2, 2, 3 (half of the last gap counts), and 0 mm."""


def test_members_say_when_how_likely_and_how_much():
    found = nowcast.at(place_forecast(members=MEMBERS), *HERE, z_r=RELATION)
    assert found.rain_begins.attrs["by"] == "members"
    assert found.rain_probability == 0.75
    np.testing.assert_array_equal(found.rain_begins_quantile.values, after(20, 30, 50))
    np.testing.assert_array_equal(found.rain_ends_quantile.values[:2], after(40, 50))
    assert np.isnat(found.rain_ends_quantile.values[2])
    assert (found.rain_begins.values, found.rain_ends.values) == tuple(after(30, 50))
    np.testing.assert_array_equal(found.threshold, [10, 20, 30, 40])
    np.testing.assert_array_equal(found.exceedance_probability[0], [0, 0.25, 0.5, 0.25, 0.25, 0.25, 0.25])
    assert found.probability_source == "members"
    np.testing.assert_allclose(found.rain_sum_quantile, np.quantile([2, 2, 3, 0], [0.1, 0.5, 0.9]), rtol=1e-5)
    np.testing.assert_array_equal(found.rain_sum_exceedance_probability, [0.75, 0, 0, 0])
    np.testing.assert_allclose(found.rain_rate_quantile[1], [0, 0, 3, 0, 0, 0, 0], atol=1e-5)


def test_rain_of_fewer_than_half_of_the_members_has_a_spread_and_no_begin():
    found = nowcast.at(place_forecast(members=[*MEMBERS[:1], {}, {}]), *HERE)
    assert np.isnat(found.rain_begins.values)
    np.testing.assert_allclose(found.rain_probability, 1 / 3)
    np.testing.assert_array_equal(found.rain_begins_quantile.values, after(20, 20, 20))


def test_members_over_an_area_tell_anywhere_and_the_mean():
    basin, grid = degrees((2, 3), (3, 4))
    forecast = place_forecast(grid=grid, members=MEMBERS, probabilities={CELL: LADDER})
    found = nowcast.at(forecast, areas=basin, z_r=RELATION).isel(place=0)
    np.testing.assert_array_equal(found.exceedance_probability[0], [0.25, 0.5, 0.5, 0.25, 0.5, 0.5, 0.5])
    assert found.probability_source == "members"
    np.testing.assert_allclose(found.rain_sum_quantile[1], np.median([0.5, 0.5 + 3, 0.75, 0]), rtol=1e-5)
    np.testing.assert_array_equal(found.rain_sum_exceedance_probability, [0.25, 0, 0, 0])
    point = nowcast.at(forecast, grid.y[2], grid.x[3])
    assert point.probability_source == "model"
    np.testing.assert_allclose(point.exceedance_probability, LADDER, rtol=1e-6)


def test_an_unknown_member_is_not_counted_as_dry():
    forecast = place_forecast(members=MEMBERS)
    forecast.reflectivity_members[0, 0, 2, 3] = np.nan
    found = nowcast.at(forecast, *HERE, z_r=RELATION)
    assert np.isnan(found.exceedance_probability[:, 0]).all()
    assert np.isnan(found.rain_sum_exceedance_probability).all()


def observed(rates):
    """Three frames up to the forecast reference time."""
    times = START - np.array([20, 10, 0]) * MINUTES
    return make_field(dbz_of(rates_at(GRID.shape, {CELL: rates}, leads=3)), times, GRID)


def test_observed_frames_come_with_it_and_tell_whether_it_rains_now():
    forecast = place_forecast({CELL: (6, 6, 0, 0, 0, 0, 0)})
    dry = nowcast.at(forecast, *HERE, z_r=RELATION, observed=observed((0, 6, 0)))
    np.testing.assert_allclose(dry.observed_rain_rate, [0, 6, 0], atol=1e-5)
    assert dry.rain_begins == after(10)[0]
    np.testing.assert_allclose(dry.rain_sum, (0 + 6 + 6) / 6, rtol=1e-5)
    wet = nowcast.at(forecast, *HERE, z_r=RELATION, observed=observed((0, 0, 12)))
    assert (wet.rain_begins.values, wet.rain_ends.values) == tuple(after(0, 30))
    np.testing.assert_allclose(wet.rain_sum, (12 / 2 + 6 + 6) / 6, rtol=1e-5)
    later = nowcast.at(place_forecast(), *HERE, observed=observed((0, 0, 12)))
    assert later.rain_begins == after(20)[0]
    stale = nowcast.at(forecast, *HERE, observed=observed((0, 0, 12))[:2])
    assert stale.rain_begins == after(10)[0]


def test_sums_are_trapezoids_up_to_the_end_of_the_period():
    rates = np.array([[6.0], [12.0], [60.0]])
    leads = np.array([20, 40, 80]) * MINUTES
    hour = 60 * MINUTES
    start = np.array([0.0])
    np.testing.assert_allclose(rain_sum(rates, leads, hour, start), [(60 + 180 + 20 * (12 + 36) / 2) / 60])
    np.testing.assert_allclose(rain_sum(rates, leads, hour, None), [(120 + 180 + 20 * (12 + 36) / 2) / 60])
    beyond = rates.copy()
    beyond[2] = np.nan
    np.testing.assert_allclose(rain_sum(beyond, leads, 40 * MINUTES, start), [4.0])
    assert np.isnan(rain_sum(beyond, leads, hour, start))


def test_a_forecast_of_less_than_an_hour_has_no_sum_of_an_hour():
    assert "rain_sum" not in nowcast.at(place_forecast(step_minutes=5), *HERE, z_r=RELATION)


def test_sums_of_the_forecasts_own_products_are_taken(tmp_path):
    forecast = RainSum(z_r=RELATION, substep_minutes=0).apply(
        place_forecast(members=MEMBERS), observed((0, 0, 0))
    )
    forecast.rain_sum_mean.loc[{"accumulation_period": 60}] += 1
    bare = forecast.drop_vars(["reflectivity_members", "member"])
    path = write_forecast(tmp_path / "f.nc", bare)
    for held in (forecast, bare, path):
        found = nowcast.at(held, *HERE, z_r=RELATION)
        np.testing.assert_allclose(found.rain_sum, 7 / 4 + 1, atol=0.006)
        middle = np.quantile([2, 2, 3, 0], [0.1, 0.5, 0.9])
        np.testing.assert_allclose(found.rain_sum_quantile, middle, atol=0.006)
        np.testing.assert_allclose(found.rain_sum_exceedance_probability, [0.75, 0, 0, 0], atol=0.002)
    other = nowcast.at(forecast, *HERE, z_r="fmi")
    assert 1.5 < other.rain_sum < 5
    basin, grid = degrees((2, 3), (3, 4))
    wide = RainSum(z_r=RELATION, substep_minutes=0).apply(
        place_forecast(grid=grid, members=MEMBERS), make_field(np.full((1, 6, 8), -32, "f4"), after(0), grid)
    )
    found = nowcast.at(wide, areas=basin, z_r=RELATION).isel(place=0)
    sums = [0.5, 0.5 + 2.75, 0.75, 0]
    np.testing.assert_allclose(found.rain_sum, np.mean(sums), rtol=1e-4)
    found = nowcast.at(wide.drop_vars("reflectivity_members"), areas=basin, z_r=RELATION).isel(place=0)
    np.testing.assert_allclose(found.rain_sum, np.mean(sums), rtol=1e-4)
    assert np.isnan(found.rain_sum_quantile).all()


def test_pauses_belong_to_the_rain():
    wet = np.array([[0, 1, 0, 1, 0], [1, 1, 1, 1, 1], [0, 0, 0, 0, 0]], bool)
    leads = np.arange(1, 6) * MINUTES
    found = rain_times(wet.T, leads)
    np.testing.assert_array_equal(found.begins[:2], leads[[1, 0]])
    assert found.ends[0] == leads[4]
    assert np.isnat([*found.ends[1:], found.begins[2]]).all()


def test_quantiles_of_times_are_times_of_members():
    wet = np.zeros((10, 10, 1), bool)
    for n in range(10):
        wet[n, n] = True
    leads = np.arange(1, 11) * MINUTES
    found = spread_times(wet, leads, np.array([0.1, 0.5, 0.9, 1.0]))
    np.testing.assert_array_equal(found.quantiles.begins[:, 0], leads[[0, 4, 8, 9]])
    assert found.probability == 1.0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"lat": 45}, "expected degrees north and east of one shape"),
        ({"lat": [45, 46], "lon": [9]}, "of one shape"),
        ({"lat": [[45]], "lon": [[9]]}, "of one shape"),
        ({"lat": "north", "lon": 9}, "of one shape"),
        ({"lat": 91, "lon": 9}, "latitude 91"),
        ({"lat": np.nan, "lon": 9}, "latitude nan"),
        ({}, "got none, expected at least one"),
        ({"lat": [45, 46], "lon": [9, 9], "names": ["a", "a"]}, "the name 'a' twice"),
        ({"lat": [45], "lon": [9], "names": ["a", "b"]}, "got 2, expected 1"),
        ({"lat": 45, "lon": 9, "within_km": -1}, r"within \(--within\): got -1"),
        ({"lat": 45, "lon": 9, "within_km": float("nan")}, "got nan"),
        ({"lat": 45, "lon": 9, "within_km": 3000}, "0 to 2000 km"),
        ({"lat": 45, "lon": 9, "z_r": "none"}, "z_r: got 'none'"),
        ({"lat": 45, "lon": 9, "rain_dbz": 100}, "rain: got 100 dBZ"),
    ],
)
def test_mistakes_are_told(wrong, message):
    with pytest.raises(SettingsError, match=message):
        nowcast.at(place_forecast(), **wrong)
