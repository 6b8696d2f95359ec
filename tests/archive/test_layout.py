"""The store is plain Zarr v3 that zarr and xarray open without a warning, with CF's meaning."""

import numpy as np
import xarray as xr
import zarr

from nowcast.archive.layout import PAGE
from nowcast.core.grid import Grid
from tests.fakes.stores import FIRST, STEP, frame, small_grid, time_of, write_store


def test_xarray_sees_the_values_times_and_place(tmp_path):
    path = write_store(tmp_path / "a.zarr", [0, 1, 4])
    with xr.open_zarr(path) as data:
        np.testing.assert_array_equal(data.time.values, FIRST + np.arange(5) * STEP)
        np.testing.assert_array_equal(data.reflectivity[1].values.astype(np.float32), np.float32(frame(1)))
        assert np.isnan(data.reflectivity[2:4]).all()
        np.testing.assert_array_equal(data.frame_status, [1, 1, 0, 0, 1])
        assert Grid.of(data.reflectivity).matches(small_grid())
        assert data.reflectivity.attrs["units"] == "dBZ"
        assert data.reflectivity.encoding["chunks"] == (1, 6, 8)
        assert data.attrs["licence"] == "CC BY 4.0"
        assert data.attrs["Conventions"] == "CF-1.10"


def test_zarr_sees_it_with_and_without_consolidated_metadata(tmp_path):
    path = write_store(tmp_path / "a.zarr", [0, 1, 4])
    for consolidated in (True, False):
        group = zarr.open_group(path, mode="r", use_consolidated=consolidated)
        array = group["reflectivity"]
        assert array.metadata.zarr_format == 3
        assert array.shape == (5, 6, 8)
        assert array.dtype == np.int16
        assert array.metadata.dimension_names == ("time", "y", "x")
        assert (array[3] == array.metadata.fill_value).all()
        assert array[1, 5, 7] == 1105
    assert set(zarr.open_group(path, mode="r", use_consolidated=False).group_keys()) == {"sources"}


def test_a_missing_frame_costs_nothing(tmp_path):
    path = write_store(tmp_path / "a.zarr", [0, 3 * PAGE])
    chunks = sorted(p.name for p in (path / "reflectivity").iterdir())
    assert chunks == ["c.0.0.0", f"c.{3 * PAGE}.0.0", "zarr.json"]
    with xr.open_zarr(path) as data:
        assert data.sizes["time"] == 3 * PAGE + 1
        assert int(data.frame_status.sum()) == 2
        assert data.time.values[-1] == time_of(3 * PAGE)
    assert sum(p.stat().st_size for p in path.rglob("*") if p.is_file()) < 400_000


def test_the_ledger_is_plain_zarr_too(tmp_path):
    path = write_store(tmp_path / "a.zarr", [0, 1], name="first.h5")
    files = zarr.open_group(path / "sources" / "0", mode="r").attrs["files"]
    assert files[0]["name"] == "first.h5"
    assert files[0]["frames"] == 2
