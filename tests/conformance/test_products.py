"""Asked of every product of the catalog: a pure step that keeps the forecast, in the file as in memory."""

import dataclasses

import numpy as np
import pytest
import xarray as xr

from nowcast.core.errors import NowcastError, SettingsError
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.postprocessing.base import PostProcessing
from nowcast.postprocessing.catalog import PRODUCTS, build_products
from nowcast.products.cf_netcdf import read_forecast, write_forecast
from nowcast.products.packed_values import PROBABILITIES
from nowcast.products.variables import VARIABLES
from tests.fakes.ensembles import ensemble, observed

each = pytest.mark.parametrize("name", PRODUCTS)


def forecast(seed=1, members=5, leads=6, shape=(14, 19)):
    rng = np.random.default_rng(seed)
    dbz = rng.normal(20, 15, (members, leads, *shape)).clip(NO_ECHO_DBZ, 60).astype(np.float32)
    dbz[dbz < 5] = NO_ECHO_DBZ
    dbz[..., :2, :] = np.nan
    known = np.stack([(dbz >= t).mean(axis=0) for t in (10.0, 20.0, 30.0, 40.0)]).astype(np.float32)
    known[..., :2, :] = np.nan
    return ensemble(dbz, thresholds=(10.0, 20.0, 30.0, 40.0), probabilities=known), observed(dbz[0, 0])


def made(name, given, past):
    (step,) = build_products([name])
    return step.apply(given, past)


@each
def test_it_is_a_frozen_step_with_settings(name):
    (step,) = build_products([name])
    assert isinstance(step, PostProcessing)
    assert step.name == name
    assert step == PRODUCTS[name]()
    first = dataclasses.fields(step)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(step, first, None)


@each
def test_the_forecast_stays_and_the_same_again_is_the_same(name):
    given, past = forecast()
    before = given.copy(deep=True)
    found = made(name, given, past)
    xr.testing.assert_identical(given, before)
    xr.testing.assert_identical(found[list(given.data_vars)], before)
    xr.testing.assert_identical(made(name, found, past), found)
    added = set(found.data_vars) - set(given.data_vars)
    assert added
    assert added <= set(VARIABLES)


@each
def test_the_file_holds_what_was_made(name, tmp_path):
    given, past = forecast()
    found = made(name, given, past)
    back = read_forecast(write_forecast(tmp_path / "a.nc", found))
    for added in set(found.data_vars) - set(given.data_vars):
        step = 1 / 250 if VARIABLES[added].kind is PROBABILITIES else 0.01
        np.testing.assert_allclose(back[added].values, found[added].values, atol=0.51 * step)
        assert back[added].dims == found[added].dims
        for axis in set(found[added].dims) - {"lead_time", "y", "x"}:
            np.testing.assert_array_equal(back[axis].values, found[axis].values)
        assert {k: v for k, v in back[added].attrs.items() if k in found[added].attrs} == found[added].attrs


@each
def test_nothing_is_known_where_nothing_is_and_probabilities_are_some(name):
    given, past = forecast()
    found = made(name, given, past)
    for added in set(found.data_vars) - set(given.data_vars):
        values = found[added].values
        assert np.isnan(values[..., :2, :]).all()
        if added != "rain_onset_quantile":
            assert not np.isnan(values[..., 2:, :]).any()
        if VARIABLES[added].kind is PROBABILITIES:
            assert ((values[..., 2:, :] >= 0) & (values[..., 2:, :] <= 1)).all()
        for axis in set(found[added].dims) & {"threshold", "rain_rate_threshold", "rain_sum_threshold"}:
            assert (found[added].diff(axis).values[..., 2:, :] <= 1e-6).all()


@each
def test_the_order_of_members_does_not_matter(name):
    given, past = forecast()
    turned = given.isel(member=[3, 0, 4, 2, 1]).assign_coords(member=given.member)
    found, again = made(name, given, past), made(name, turned, past)
    for added in set(found.data_vars) - set(given.data_vars):
        np.testing.assert_allclose(again[added].values, found[added].values, rtol=1e-4, atol=1e-4)


@each
def test_dry_members_make_a_dry_product(name):
    given, past = forecast()
    for field in ("reflectivity", "reflectivity_members"):
        given[field].values[..., 2:, :] = NO_ECHO_DBZ
    given.exceedance_probability.values[..., 2:, :] = 0.0
    past.values[:, 2:] = NO_ECHO_DBZ
    found = made(name, given, past)
    for added in set(found.data_vars) - set(given.data_vars):
        values = found[added].values[..., 2:, :]
        dry = {"reflectivity_mean": NO_ECHO_DBZ, "rain_onset_quantile": np.nan}.get(added, 0.0)
        np.testing.assert_allclose(values, np.full_like(values, dry), atol=1e-8)


@each
def test_a_single_field_is_enough_or_refused_in_one_line(name):
    given, past = forecast()
    alone = given.drop_dims(["member", "threshold"])
    if name == "rain_sum":
        assert "rain_sum_mean" in made(name, alone, past)
        return
    told = f"product {name}: got a forecast of one field without members"
    with pytest.raises(NowcastError, match=told) as error:
        made(name, alone, past)
    assert "\n" not in str(error.value)


def test_all_of_them_share_their_axes(tmp_path):
    given, past = forecast()
    found = given
    for step in build_products(["all"]):
        found = step.apply(found, past)
    back = read_forecast(write_forecast(tmp_path / "a.nc", found))
    assert set(back.data_vars) == set(VARIABLES)
    with xr.open_dataset(tmp_path / "a.nc", engine="netcdf4") as seen:
        assert seen.rain_sum_mean.attrs["cell_methods"] == "accumulation_period: sum realization: mean"
        assert seen.accumulation_period.attrs["bounds"] == "accumulation_period_bounds"
        assert seen.accumulation_period_bounds.values.tolist() == [[0, 15], [0, 30], [0, 60]]
    other = build_products(["rain_onset"], {"rain_onset": {"quantiles": [0.5]}})[0]
    with pytest.raises(SettingsError, match=r"quantile of rain_onset_quantile, .*: got 0\.5, expected 0\.1"):
        other.apply(found, past)


def test_names_and_settings():
    assert [s.name for s in build_products(["rain_sum", "rain_probability", "rain_sum"], z_r="fmi")] == [
        "rain_probability",
        "rain_sum",
    ]
    step = build_products(["rain_sum"], {"rain_sum": {"periods_minutes": [20, 40]}}, z_r="fmi")[0]
    assert (step.periods_minutes, step.z_r) == ((20, 40), "fmi")
    with pytest.raises(SettingsError, match="products: got 'rain', expected one of rain_probability, rain_sum"):
        build_products(["rain"])
    with pytest.raises(SettingsError, match="settings of products: got 'rain_onset', expected one of rain_sum"):
        build_products(["rain_sum"], {"rain_onset": {}})
    with pytest.raises(SettingsError, match=r"rain_sum\.periods: unknown setting"):
        build_products(["rain_sum"], {"rain_sum": {"periods": [20]}})
