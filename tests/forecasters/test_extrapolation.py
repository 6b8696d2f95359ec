import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from nowcast.core.errors import MissingExtraError, SettingsError
from nowcast.forecasters.extrapolation import Extrapolation
from nowcast.forecasters.peer_flows import IterativeLucasKanade, PystepsLucasKanade, TotalVariation
from nowcast.forecasters.persistence import Persistence
from tests.fakes.fields import geographic_grid, moving_disc, projected_grid
from tests.shared_data import radar_folder

LEADS = np.arange(1, 6) * np.timedelta64(10, "m")


@pytest.mark.parametrize("make", [projected_grid, geographic_grid])
def test_a_steady_storm_is_forecast_where_it_goes(make):
    truth = moving_disc(make(96, 128), frames=10, velocity=(1.0, 3.0), centre=(30, 30))
    forecast = Extrapolation().forecast(truth.isel(time=slice(0, 5)), LEADS).reflectivity
    expected = truth.values[5:]
    inside = ~np.isnan(forecast.values)
    assert inside[:, 10:, 20:].all()
    hits = ((forecast.values >= 20) & (expected >= 20)).sum((1, 2))
    either = ((forecast.values >= 20) | (expected >= 20)).sum((1, 2))
    assert (hits / either > 0.9).all()


def test_lead_times_between_the_steps():
    field = moving_disc(projected_grid(96, 96), velocity=(0.0, 4.0), centre=(48, 20))
    forecast = Extrapolation().forecast(field, np.array([5, 10], "timedelta64[m]")).reflectivity
    middle = [np.argwhere(f > 30).mean(0)[1] for f in np.nan_to_num(forecast.values, nan=-32.0)]
    assert middle[0] == pytest.approx(38.0, abs=0.3)
    assert middle[1] == pytest.approx(40.0, abs=0.3)


def test_impossible_speeds_are_slowed_down():
    field = moving_disc(projected_grid(96, 96), velocity=(0.0, 4.0), centre=(48, 20))
    motion = Extrapolation(fastest_kmh=12.0).velocity(field)
    assert np.hypot(*motion).max() == pytest.approx(2.0, rel=1e-2)  # 12 km/h are 2 cells in 10 minutes


@pytest.mark.parametrize(
    ("velocity", "step_minutes", "cells"),
    [((4.0, 0.0), 10, 1.0), ((0.0, 4.0), 10, 2.0), ((0.0, 4.0), 5, 1.0), ((3.0, 4.0), 10, 2 * 5 / 52**0.5)],
)
def test_speed_is_limited_in_kilometres_an_hour_whatever_the_cells(velocity, step_minutes, cells):
    """Cells 2 km high and 1 km wide: 12 km/h are 1 cell of rows or 2 of columns in 10 minutes."""
    grid = projected_grid(96, 96, height_m=2000.0)
    field = moving_disc(grid, velocity=velocity, centre=(40, 40), step_minutes=step_minutes)
    motion = Extrapolation(fastest_kmh=12.0).velocity(field)
    wet = field.values[-1] > 20
    assert np.hypot(*motion)[wet].mean() == pytest.approx(cells, rel=0.02)
    assert np.hypot(2 * motion[0], motion[1]).max() * 60 / step_minutes == pytest.approx(12.0, rel=1e-2)
    free = Extrapolation(fastest_kmh=200.0).velocity(field)
    np.testing.assert_allclose(free[:, wet].mean(axis=1), velocity, atol=0.2)


@pytest.mark.parametrize("method", [IterativeLucasKanade(radius=7, pairs=2), TotalVariation()])
def test_flows_of_scikit_image_point_the_right_way(method):
    field = moving_disc(projected_grid(48, 64), velocity=(0.5, 1.5), centre=(24, 28))
    motion = Extrapolation(motion=method).velocity(field)
    wet = field.values[-1] > 20
    np.testing.assert_allclose(motion[:, wet].mean(1), (0.5, 1.5), atol=0.5)


def test_pysteps_where_it_is_absent_names_the_extra(monkeypatch):
    loaded = [name for name in sys.modules if name.split(".")[0] == "pysteps"]
    for name in {"pysteps", *loaded}:
        monkeypatch.setitem(sys.modules, name, None)
    field = moving_disc(projected_grid())
    with pytest.raises(MissingExtraError, match=r"nowcast\[pysteps\]"):
        Extrapolation(motion=PystepsLucasKanade()).forecast(field, LEADS)


def test_pysteps_points_the_right_way():
    pytest.importorskip("pysteps", reason="the extra 'pysteps' is not installed")
    field = moving_disc(projected_grid(96, 96), velocity=(1.0, 2.0), centre=(48, 40))
    motion = Extrapolation(motion=PystepsLucasKanade()).velocity(field)
    wet = field.values[-1] > 20
    np.testing.assert_allclose(motion[:, wet].mean(1), (1.0, 2.0), atol=0.5)


def test_the_motion_of_pysteps_is_rows_first_and_masked(monkeypatch):
    """pysteps itself gives the motion along columns first; a stand-in gives what can be told apart."""
    given = []

    def flow(masked, verbose):
        given.append((masked, verbose))
        return np.stack([np.full(masked.shape[1:], 2.0), np.full(masked.shape[1:], -1.0)])

    parts = {
        "pysteps": {},
        "pysteps.exceptions": {"MissingOptionalDependency": ImportError},
        "pysteps.motion": {},
        "pysteps.motion.lucaskanade": {"dense_lucaskanade": flow},
    }
    for name, holds in parts.items():
        monkeypatch.setitem(sys.modules, name, SimpleNamespace(**holds))
    frames = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    motion = PystepsLucasKanade().estimate(frames, frames % 5 > 0)
    assert motion[0].tolist() == [[-1.0] * 4] * 3
    assert motion[1].tolist() == [[2.0] * 4] * 3
    np.testing.assert_array_equal(given[0][0].mask, frames % 5 == 0)


@pytest.mark.parametrize("pairs", [1, 2])
def test_flows_of_scikit_image_take_the_newest_pairs(pairs):
    """A cell a frame at first, and two in the newest pairs: the oldest pairs have no say."""
    early = moving_disc(projected_grid(48, 64), velocity=(0.0, 0.0), centre=(24, 28), frames=4)
    late = moving_disc(projected_grid(48, 64), velocity=(0.0, 2.0), centre=(24, 28), frames=pairs + 1)
    frames = np.maximum(np.concatenate([early.values, late.values[1:]]), 5.0)
    found = IterativeLucasKanade(radius=7, pairs=pairs).estimate(frames, frames > 0)
    assert found[1][frames[-1] > 20].mean() == pytest.approx(2.0, abs=0.5)


def test_what_is_recorded_is_what_was_used():
    found = Extrapolation(past=3).describe()
    settings = json.loads(found["settings"])
    assert found["model"] == "extrapolation"
    assert (settings["past"], settings["method"]) == (3, "lucas_kanade")
    assert settings["motion"]["levels"] == [16, 8, 4, 2]


@pytest.mark.parametrize("values", [{"past": 1}, {"fastest_kmh": 0.0}])
def test_settings_that_make_no_sense_are_refused(values):
    with pytest.raises(SettingsError):
        Extrapolation(**values)


@pytest.mark.slow
def test_csi_on_real_storms_reaches_that_of_pysteps():
    """Two spring days of the Italian composite: within 5 % of pysteps' defaults at each threshold.

    29 moments of issue, every sixth frame of gap-free windows of 5 + 10 with 500 pixels at 20 dBZ.
    """
    dbz, times = _italian_days(radar_folder("dpc_north_cf_netcdf"))
    step = np.timedelta64(10, "m")
    counts = {name: np.zeros((3, 10, 4)) for name in ("extrapolation", "persistence")}
    starts = [
        s
        for s in range(0, len(times) - 14, 6)
        if (np.diff(times[s : s + 15]) == step).all() and (dbz[s + 4] >= 20).sum() >= 500
    ]
    assert len(starts) == 29
    grid = geographic_grid(*dbz.shape[1:])
    for s in starts:
        field = moving_disc(grid, frames=5).copy(data=dbz[s : s + 5])
        for forecaster in (Extrapolation(), Persistence()):
            forecast = forecaster.forecast(field, np.arange(1, 11) * step).reflectivity.values
            counts[forecaster.name] += _counts(forecast, dbz[s + 5 : s + 15])
    csi = {name: (c[0] / c.sum(0)).mean(0) for name, c in counts.items()}
    np.testing.assert_allclose(csi["persistence"], [0.293, 0.155, 0.102, 0.056], atol=6e-4)
    assert (csi["extrapolation"] > 0.95 * np.array([0.399, 0.228, 0.151, 0.092])).all(), csi


def _italian_days(folder):
    days = [
        xr.open_dataset(folder / f"dpc_vmi_north_2025-03-{day}.nc", engine="netcdf4")["reflectivity"]
        for day in (21, 22)
    ]
    dbz = np.concatenate([day.values.astype(np.float32) for day in days])
    dbz[dbz == 0.0] = -32.0
    return dbz, np.concatenate([day["time"].values for day in days])


def _counts(forecast, observed):
    thresholds = np.array([20, 30, 35, 40])[:, None, None, None]
    said = (np.nan_to_num(forecast, nan=-99.0) >= thresholds) & ~np.isnan(observed)
    came = np.nan_to_num(observed, nan=-99.0) >= thresholds
    return np.stack([(said & came), (~said & came), (said & ~came)]).sum((3, 4)).transpose(0, 2, 1)
