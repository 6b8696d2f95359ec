"""Places by the whole way: files, archive, a network of the package, members, file and places."""

import numpy as np
import pytest

import nowcast
from nowcast.postprocessing.members import Members
from nowcast.postprocessing.places.locations import Location
from nowcast.products.cf_netcdf import write_forecast
from nowcast.workflows.at import at_places
from nowcast.workflows.past import newest_frames
from tests.fakes.fields import projected_grid
from tests.fakes.place_forecast import middle_of
from tests.fakes.small_archive import write_archive


def test_frames_before_the_reference_time_are_read_and_missing_ones_left_out(tmp_path):
    path, field = write_archive(tmp_path, frames=8, missing=(5,))
    archive = nowcast.open_archive(path)
    found = newest_frames(archive, field["time"].values[6], count=4)
    np.testing.assert_array_equal(found["time"], field["time"].values[[3, 4, 6]])


@pytest.mark.slow
def test_members_of_a_packaged_network_at_places_from_archive_and_file(tmp_path):
    path, _ = write_archive(tmp_path, frames=12)
    archive = nowcast.open_archive(path)
    coming = nowcast.forecast(archive, "motionrnn", lead_times=8, post=[Members(8, seed=3)])
    observed = newest_frames(archive, coming["forecast_reference_time"].values[()])
    grid = projected_grid(24, 32)
    cells = [(12, 17), (3, 25), (10, 0)]
    places = [Location(str(cell), *middle_of(grid, *cell)) for cell in cells]
    places.append(Location("around", *middle_of(grid, 12, 17), within_km=3))
    now = at_places(coming, places, z_r_name="marshall_palmer", observed=observed)
    assert now.status.values.tolist()[2] == "unknown"
    for i, (row, column) in enumerate(cells[:2]):
        here = coming.isel(y=row, x=column)
        np.testing.assert_array_equal(now.reflectivity[:, i], here.reflectivity)
        np.testing.assert_array_equal(now.exceedance_probability[:, :, i], here.exceedance_probability)
        wet = (here.reflectivity_members >= 10).any("lead_time").mean()
        np.testing.assert_allclose(now.rain_probability[i], wet)
    assert now.cells[3] == 29
    assert (now.exceedance_probability[:, :, 3] >= now.exceedance_probability[:, :, 0] - 0.5 / 8 - 1e-3).all()
    later = at_places(write_forecast(tmp_path / "f.nc", coming), places, z_r_name="marshall_palmer")
    np.testing.assert_allclose(later.rain_rate_quantile, now.rain_rate_quantile, rtol=0.01, atol=1e-3)
    np.testing.assert_allclose(
        later.exceedance_probability[:, :, 3], now.exceedance_probability[:, :, 3], atol=1 / 8 + 1e-6
    )
