"""What holds for every forecaster that has a name, and for networks and wrappers."""

import numpy as np
import pytest
import xarray as xr

from nowcast.core.errors import NowcastError
from nowcast.core.field import HIGHEST_DBZ
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.forecasters.average import Average, Part
from nowcast.forecasters.base import Forecaster
from nowcast.forecasters.catalog import FORECASTERS, build_forecaster
from nowcast.forecasters.neural import Neural
from tests.fakes.fields import geographic_grid, moving_disc, projected_grid
from tests.fakes.forecasters import Probable
from tests.fakes.networks import Repeat, loaded

STEP = np.timedelta64(10, "m")
LEADS = np.arange(1, 4) * STEP
PEERS = ("pysteps_lk", "sprog", "steps_mean", "steps", "linda_p")
SETTINGS = {"steps": {"members": 4}, "linda_p": {"members": 3}}
OTHERS = {
    "neural": lambda: Neural(loaded(Repeat(growth=0.01))),
    "short past": lambda: build_forecaster("extrapolation", {"past": 3}),
    "probable": Probable,
    "average": lambda: Average((Part(Probable()), Part(Probable("sure", 0.9, sha256="a" * 64), weight=2.0))),
}


SLOW = ("linda_p",)
"""What takes seconds a forecast, however small."""


@pytest.fixture(
    params=[pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in (*FORECASTERS, *OTHERS)]
)
def forecaster(request):
    if request.param in PEERS:
        pytest.importorskip("pysteps", reason="the extra 'pysteps' is not installed")
    made = (
        OTHERS[request.param]()
        if request.param in OTHERS
        else build_forecaster(request.param, SETTINGS.get(request.param))
    )
    assert isinstance(made, Forecaster)
    return made


def pasts():
    storm = moving_disc(projected_grid(32, 40))
    dry = storm.copy(data=np.full_like(storm.values, NO_ECHO_DBZ))
    part = storm.copy(deep=True)
    part.values[:, :, :11] = np.nan
    part.values[1] = np.nan
    unseen = storm.copy(data=np.full_like(storm.values, np.nan))
    return {
        "storm": storm,
        "dry": dry,
        "partly unobserved": part,
        "unobserved": unseen,
        "geographic": moving_disc(geographic_grid(32, 40)),
        "tall": moving_disc(projected_grid(44, 24)),
    }


@pytest.fixture(params=list(pasts()))
def observed(request):
    return pasts()[request.param]


def test_the_input_is_left_alone_and_the_answer_is_the_same_twice(forecaster, observed):
    before = observed.copy(deep=True)
    first = forecaster.forecast(observed, LEADS).reflectivity
    np.testing.assert_array_equal(observed.values, before.values)
    assert observed.identical(before)
    np.testing.assert_array_equal(forecaster.forecast(observed, LEADS).reflectivity.values, first.values)
    assert not np.shares_memory(first.values, observed.values)


def test_labels_and_values(forecaster, observed):
    forecast = forecaster.forecast(observed, LEADS).reflectivity
    assert forecast.dims == ("lead_time", "y", "x")
    assert forecast.shape == (3, *observed.shape[1:])
    assert forecast.dtype == np.float32
    assert forecast.name == "reflectivity"
    assert forecast.attrs["units"] == "dBZ"
    assert forecast["forecast_reference_time"].values == observed["time"].values[-1]
    np.testing.assert_array_equal(forecast["lead_time"].values, LEADS)
    np.testing.assert_array_equal(forecast["valid_time"].values, observed["time"].values[-1] + LEADS)
    for name in ("y", "x"):
        np.testing.assert_array_equal(forecast[name].values, observed[name].values)
    assert forecast["crs"].attrs["crs_wkt"] == observed["crs"].attrs["crs_wkt"]
    finite = forecast.values[np.isfinite(forecast.values)]
    assert not np.isinf(forecast.values).any()
    assert ((finite >= NO_ECHO_DBZ) & (finite <= HIGHEST_DBZ)).all()


def test_a_forecast_is_a_dataset_with_probabilities_where_they_are_known(forecaster, observed):
    forecast = forecaster.forecast(observed, LEADS)
    assert isinstance(forecast, xr.Dataset)
    assert set(forecast.data_vars) <= {"reflectivity", "exceedance_probability", "reflectivity_members"}
    if "exceedance_probability" not in forecast:
        return
    known = forecast.exceedance_probability
    assert known.dims == ("threshold", "lead_time", "y", "x")
    assert known.dtype == np.float32
    assert (np.diff(forecast["threshold"].values) > 0).all()
    assert forecast["threshold"].attrs["units"] == "dBZ"
    np.testing.assert_array_equal(np.isnan(known.values).any(axis=0), np.isnan(forecast.reflectivity.values))
    finite = known.values[np.isfinite(known.values)]
    assert ((finite >= 0) & (finite <= 1)).all()
    assert (np.nan_to_num(np.diff(known.values, axis=0)) <= 0).all()
    even = known.values >= 0.5
    for k, threshold in enumerate(forecast["threshold"].values):
        np.testing.assert_array_equal(forecast.reflectivity.values >= threshold, even[k])


def test_members_are_fields_whose_shares_are_the_probabilities(forecaster, observed):
    forecast = forecaster.forecast(observed, LEADS)
    if "reflectivity_members" not in forecast:
        return
    members = forecast["reflectivity_members"]
    assert members.dims == ("member", "lead_time", "y", "x")
    assert members.dtype == np.float32
    np.testing.assert_array_equal(forecast["member"].values, np.arange(len(members)))
    unknown = np.isnan(forecast.reflectivity.values)
    for member in members.values:
        np.testing.assert_array_equal(np.isnan(member), unknown)
    for threshold in forecast["threshold"].values:
        share = forecast.exceedance_probability.sel(threshold=threshold).values
        counted = (members.values >= threshold).mean(axis=0)
        np.testing.assert_allclose(share[~unknown], counted[~unknown], atol=1e-6)
    finite = members.values[np.isfinite(members.values)]
    assert ((finite >= NO_ECHO_DBZ) & (finite <= HIGHEST_DBZ)).all()
    again = forecaster.forecast(observed, LEADS)["reflectivity_members"].values
    np.testing.assert_array_equal(members.values, again)


def test_nothing_observed_gives_nothing_forecast(forecaster):
    assert np.isnan(forecaster.forecast(pasts()["unobserved"], LEADS).reflectivity.values).all()


def test_a_dry_past_stays_without_strong_echo(forecaster):
    values = forecaster.forecast(pasts()["dry"], LEADS).reflectivity.values
    assert np.nanmax(values) < 10.0
    assert np.isfinite(values).all()


def test_one_lead_and_many_leads(forecaster):
    storm = pasts()["storm"]
    one = forecaster.forecast(storm, LEADS[:1]).reflectivity
    many = forecaster.forecast(storm, np.arange(1, 13) * STEP).reflectivity
    assert one.shape[0] == 1
    assert many.shape[0] == 12
    np.testing.assert_allclose(many.values[0], one.values[0], atol=1e-4)


def test_a_longer_past_changes_nothing(forecaster):
    """Only ``needs.past`` frames are used, so a field of hours gives what its end gives."""
    storm = moving_disc(projected_grid(32, 40), frames=9, centre=(12, 12))
    end = storm.isel(time=slice(9 - forecaster.needs.past, None))
    np.testing.assert_array_equal(
        forecaster.forecast(storm, LEADS).reflectivity.values,
        forecaster.forecast(end, LEADS).reflectivity.values,
    )


def test_too_few_frames_are_refused_or_made_up_for(forecaster):
    none = pasts()["storm"].isel(time=slice(0, 0))
    with pytest.raises(NowcastError, match="frames"):
        forecaster.forecast(none, LEADS)


def test_what_it_says_about_itself_is_text(forecaster):
    found = forecaster.describe()
    assert found["model"]
    assert all(isinstance(k, str) and isinstance(v, str) for k, v in found.items())
