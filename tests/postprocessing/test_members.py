import numpy as np
import pytest
import torch
import xarray as xr

from nowcast.core.errors import SettingsError
from nowcast.core.field import make_field
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.forecasters.base import label_forecast
from nowcast.postprocessing.base import PostProcessing
from nowcast.postprocessing.members import Members
from nowcast.products.cf_netcdf import read_forecast, write_forecast
from tests.fakes.fields import moving_disc, projected_grid, times

GRID = projected_grid(40, 56)
LEADS = np.array([10, 25, 60], "timedelta64[m]")
THRESHOLDS = (10.0, 25.0, 40.0)


@pytest.fixture(scope="module")
def observed():
    return moving_disc(GRID)


@pytest.fixture(scope="module")
def forecast():
    """Probabilities that fall from the middle of the grid; the first columns are unknown."""
    y, x = np.mgrid[:40, :56]
    far = np.hypot(y - 20, x - 28)[None] / np.array([8.0, 14.0, 25.0])[:, None, None]
    probabilities = np.stack([a * np.exp(-(far**2)) for a in (0.9, 0.5, 0.05)]).astype(np.float32)
    probabilities[..., :3] = np.nan
    dbz = np.where(np.isnan(probabilities[0]), np.nan, np.float32(15)).astype(np.float32)
    made = label_forecast(dbz, times(5)[-1], LEADS, GRID, probabilities, THRESHOLDS)
    return made.assign_attrs(model="made up")


@pytest.fixture(scope="module")
def drawn(forecast, observed):
    return Members(24, seed=5).apply(forecast, observed)


def test_members_stand_beside_everything_the_forecast_held(drawn, forecast):
    assert isinstance(Members(1), PostProcessing)
    xr.testing.assert_identical(
        drawn.drop_vars(["reflectivity_members", "member"]).drop_attrs(), forecast.drop_attrs()
    )
    members = drawn["reflectivity_members"]
    assert members.dims == ("member", "lead_time", "y", "x")
    assert members.dtype == np.float32
    assert drawn["member"].attrs["standard_name"] == "realization"
    assert "24 members drawn from the probabilities, seed 5" in drawn.attrs["members"]
    unknown = np.isnan(forecast.reflectivity.values)
    np.testing.assert_array_equal(np.isnan(members.values), unknown[None].repeat(24, 0))


def test_shares_of_members_are_the_probabilities(forecast, observed):
    """Of 600 members, in the mean over rings of alike pixels and in each pixel within chance."""
    few = forecast.isel(lead_time=[0, 2])
    members = Members(600, seed=1).apply(few, observed)["reflectivity_members"].values
    for probability, threshold in zip(few.exceedance_probability.values, THRESHOLDS, strict=True):
        share = np.where(np.isnan(members[0]), np.nan, (members >= threshold).mean(axis=0))
        chance = np.sqrt(probability * (1 - probability) / 600) + 2e-3
        assert np.nanmax(abs(share - probability) / chance) < 5
        assert np.nanmean(share) == pytest.approx(np.nanmean(probability), abs=0.02)
    assert set(np.unique(members[members < THRESHOLDS[0]])) == {np.float32(NO_ECHO_DBZ)}


def test_a_member_is_the_same_whatever_number_is_drawn_by_however_many_threads(drawn, forecast, observed):
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        eight = Members(8, seed=5).apply(forecast, observed)["reflectivity_members"].values
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(eight, drawn["reflectivity_members"].values[:8])
    other = Members(8, seed=6).apply(forecast, observed)["reflectivity_members"].values
    assert (np.nan_to_num(other) != np.nan_to_num(eight)).mean() > 0.05


def test_a_tail_of_the_forecasts_own_is_used(forecast, observed, drawn):
    known = forecast.assign_attrs(tail_dbz=20.0)
    long = Members(24, seed=5).apply(known, observed)["reflectivity_members"].values
    usual = drawn["reflectivity_members"].values
    over = usual > THRESHOLDS[-1]
    assert over.any()
    assert (long[over] > usual[over]).all()
    np.testing.assert_array_equal(long[~over], usual[~over])


def test_one_lead_time_of_a_tiny_dry_grid_with_a_single_frame():
    grid = projected_grid(16, 16)
    dry = make_field(np.full((1, 16, 16), NO_ECHO_DBZ, np.float32), times(1), grid)
    probabilities = np.full((1, 1, 16, 16), 0.5, np.float32)
    made = label_forecast(dry.values, times(1)[0], LEADS[:1], grid, probabilities, (20.0,))
    members = Members(60).apply(made, dry)["reflectivity_members"].values
    assert members.shape == (60, 1, 16, 16)
    assert (members >= 20).mean() == pytest.approx(0.5, abs=0.12)


def test_members_are_read_back_from_a_forecast_file(drawn, tmp_path):
    found = read_forecast(write_forecast(tmp_path / "a.nc", drawn))
    members = found["reflectivity_members"].values
    np.testing.assert_allclose(members, drawn["reflectivity_members"].values, atol=0.0051)
    np.testing.assert_array_equal(found["member"].values, np.arange(24))
    assert found.attrs["members"] == drawn.attrs["members"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda f: (Members(0), f), "members .--members.: got 0, expected 1 to 1000 members"),
        (lambda f: (Members(-3), f), "got -3"),
        (lambda f: (Members(10_000), f), "got 10000"),
        (lambda f: (Members(4, seed=-1), f), "seed of members .--seed.: got -1"),
        (
            lambda f: (Members(4), f.drop_vars("exceedance_probability")),
            "made up without probabilities, expected a model that knows them, as motionrnn .* 'nowcast cal",
        ),
        (lambda f: (Members(4, memory_gb=1e-4), f), "got 4 of 0.0 MB each, .* which is 3 members of 3 x 40"),
        (
            lambda f: (Members(4), f.expand_dims(member=2).assign(reflectivity_members=f.reflectivity)),
            "with 2 of its own, expected a forecast without members",
        ),
    ],
)
def test_refusals(make, message, forecast, observed):
    def members():
        step, given = make(forecast)
        step.apply(given, observed)

    with pytest.raises(SettingsError, match=message):
        members()


def test_the_members_of_the_next_nowcast_are_others(drawn, forecast, observed):
    """Ten minutes later: with the same noise, a member would always be wet at the same place."""
    later = observed.assign_coords(time=observed["time"] + np.timedelta64(10, "m"))
    again, others = (
        Members(2, seed=5).apply(forecast, past).reflectivity_members for past in (observed, later)
    )
    np.testing.assert_array_equal(again, drawn.reflectivity_members[:2])
    wet = (again.values >= 25) & (others.values >= 25)
    assert wet.sum() < 0.8 * (again.values >= 25).sum()
