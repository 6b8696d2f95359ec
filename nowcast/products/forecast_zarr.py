"""One forecast as a CF Zarr store: a hindcast of a single forecast reference time."""

from __future__ import annotations

import xarray as xr

from nowcast.core.errors import FileError, complain
from nowcast.core.field import NAME
from nowcast.core.places import DataPath
from nowcast.products.hindcast_zarr import HindcastStore, create_hindcast, open_hindcast


def check_store(place: DataPath) -> None:
    """Refuse to put a forecast where an archive, a longer hindcast or anything else lies.

    Raises:
        FileError: something is there that is no forecast.
    """
    if place.exists() and len(HindcastStore(place).reference_times) > 1:
        raise FileError(
            complain(str(place), "a hindcast", "a new place, or that of a forecast", "choose another place")
        )


def write_forecast_zarr(place: DataPath, forecast: xr.Dataset) -> DataPath:
    """Write a forecast, with all its variables; `xr.open_zarr` and `nowcast show` read it.

    Args:
        place: a folder or an object store; a forecast that is there is replaced in one step.
        forecast: what `nowcast.workflows.forecast` returns.

    Raises:
        FileError: something else lies there, or it cannot be written.
    """
    check_store(place)
    times = (forecast["valid_time"].values[:1] - forecast["lead_time"].values[:1]).astype("datetime64[ns]")
    create_hindcast(place, forecast, times, {str(k): str(v) for k, v in forecast.attrs.items()})
    store = HindcastStore(place)
    store.write(0, forecast)
    store.finish()
    return place


def read_newest(place: DataPath) -> xr.Dataset:
    """Open the newest forecast of a store lazily, as `nowcast.forecast` returns it.

    Raises:
        FileError: no store of forecasts, or it holds none yet.
    """
    held = open_hindcast(place)
    if not held.sizes["forecast_reference_time"]:
        raise FileError(complain(str(place), "no forecast yet", "at least one", "let 'nowcast hindcast' end"))
    found = held.isel(forecast_reference_time=-1)
    found[NAME].attrs["grid_mapping"] = "crs"
    return found
