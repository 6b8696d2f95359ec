"""A forecast with everything that its page can show, small, with values that differ everywhere."""

import numpy as np

from nowcast.core.field import make_field
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.forecasters.base import label_forecast
from tests.fakes.fields import projected_grid, times

START = np.datetime64("2025-03-22T10:00", "ns")
LEADS = np.arange(1, 5) * np.timedelta64(10, "m")
THRESHOLDS = (10.0, 30.0)
EVIL = "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>\"&"


def values_like(shape, seed):
    """dBZ of -5 to 60 in hundredths, a fifth of them dry, a corner unknown."""
    rng = np.random.default_rng(seed)
    dbz = np.round(rng.uniform(-5.0, 60.0, shape), 2).astype(np.float32)
    dbz[rng.random(shape) < 0.2] = NO_ECHO_DBZ
    dbz[..., :3, :4] = np.nan
    return dbz


def observed_frames(grid=None, count=3, start="2025-03-22T09:40", seed=1):
    grid = grid or projected_grid(31, 45)
    return make_field(values_like((count, *grid.shape), seed), times(count, start=start), grid)


def full_forecast(grid=None, members=2):
    """Reflectivity, probabilities, sums, begin of rain and members on a grid, from 10:00."""
    grid = grid or projected_grid(31, 45)
    shape = grid.shape
    rng = np.random.default_rng(2)

    def shares(*front):
        return np.round(rng.random((*front, *shape)) * 250).astype(np.float32) / np.float32(250)

    forecast = label_forecast(
        values_like((len(LEADS), *shape), 3), START, LEADS, grid, shares(2, len(LEADS)), THRESHOLDS
    )
    sums = np.round(rng.uniform(0, 30, (2, *shape)), 2).astype(np.float32)
    lead = ("lead_time", "y", "x")
    return forecast.assign_coords(
        accumulation_period=[15.0, 30.0], quantile=[0.5], member=np.arange(members), rain_sum_threshold=[5.0]
    ).assign(
        rain_sum_mean=(("accumulation_period", "y", "x"), sums),
        rain_sum_exceedance_probability=(("accumulation_period", "rain_sum_threshold", "y", "x"), shares(2, 1)),
        rain_onset_quantile=(("quantile", "y", "x"), np.round(shares(1) * 40, 2)),
        reflectivity_spread=(lead, np.round(rng.uniform(0, 15, (len(LEADS), *shape)), 2).astype(np.float32)),
        reflectivity_members=(("member", *lead), values_like((members, len(LEADS), *shape), 4)),
    )
