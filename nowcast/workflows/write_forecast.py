"""A forecast into a file of any kind: the end of the name says which."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import xarray as xr

from nowcast.core.errors import SettingsError, complain
from nowcast.core.field import NAME
from nowcast.core.files import check_place
from nowcast.core.grid import Grid
from nowcast.core.places import DataPath, ObjectPath, place_of
from nowcast.core.times import to_text
from nowcast.products.cf_netcdf import write_forecast
from nowcast.workflows.past import reference_time_of

Write = Callable[[DataPath, xr.Dataset, xr.DataArray | None], object]


@dataclass(frozen=True)
class ForecastFormat:
    """A kind of file that a forecast can be written to."""

    holds: str
    """What of the forecast it holds, in words; empty for all of it."""
    write: Write
    check: Callable[[], object] = lambda: None
    """Raises MissingExtraError where a library is missing."""
    remote: bool = False
    """Whether an object store takes it."""
    pictures: bool = False
    """Whether it shows observed frames, too."""


def _netcdf(place: DataPath, forecast: xr.Dataset, _observed: xr.DataArray | None) -> object:
    return write_forecast(place, forecast)


def _zarr(place: DataPath, forecast: xr.Dataset, _observed: xr.DataArray | None) -> object:
    from nowcast.products.forecast_zarr import write_forecast_zarr  # with it come zarr and dask: half a second

    return write_forecast_zarr(place, forecast)


def _geotiff(place: DataPath, forecast: xr.Dataset, _observed: xr.DataArray | None) -> object:
    from nowcast.products.geotiff import write_cog

    frames = forecast[NAME]
    start = reference_time_of(frames)
    return write_cog(Path(str(place)), frames.values, start, list(frames["valid_time"].values), Grid.of(frames))


def _odim(place: DataPath, forecast: xr.Dataset, _observed: xr.DataArray | None) -> object:
    from nowcast.products.odim_h5 import write_composites

    frames = forecast[NAME]
    start = reference_time_of(frames)
    how = {"forecast_reference_time": to_text(start), "model": str(forecast.attrs.get("model", "unknown"))}
    pairs = list(zip(frames["valid_time"].values, frames.values, strict=True))
    return write_composites(Path(str(place)), pairs, start, Grid.of(frames), how=how)


def _sheet(place: DataPath, forecast: xr.Dataset, observed: xr.DataArray | None) -> object:
    from nowcast.report.forecast_pictures import draw_forecast_sheet

    return draw_forecast_sheet(Path(str(place)), observed, forecast[NAME])


def _animation(place: DataPath, forecast: xr.Dataset, observed: xr.DataArray | None) -> object:
    from nowcast.report.forecast_pictures import draw_forecast_animation

    return draw_forecast_animation(Path(str(place)), observed, forecast[NAME])


def _check_geotiff() -> None:
    from nowcast.products.geotiff import load_rasterio

    load_rasterio()


def _check_film() -> None:
    from nowcast.report.films import load_av

    load_av()


_COG = ForecastFormat("GeoTIFF: reflectivity in dBZ, a band a lead time", _geotiff, _check_geotiff)
FORMATS: Mapping[str, ForecastFormat] = {
    ".nc": ForecastFormat("", _netcdf, remote=True),
    ".zarr": ForecastFormat("", _zarr, remote=True),
    ".tif": _COG,
    ".tiff": _COG,
    ".h5": ForecastFormat("ODIM_H5: reflectivity in dBZ, a data set a lead time", _odim),
    ".png": ForecastFormat("picture: reflectivity on maps of up to six times", _sheet, pictures=True),
    ".gif": ForecastFormat("animation: reflectivity on the map, every frame", _animation, pictures=True),
    ".mp4": ForecastFormat(
        "film: reflectivity on the map, every frame", _animation, _check_film, pictures=True
    ),
}
"""End of the name -> the format: a line here is the registration."""


def format_of(out: DataPath | str) -> ForecastFormat:
    """Return the format that a name ends in, before the work that fills it; nothing is left behind.

    Raises:
        SettingsError: no such format.
        MissingExtraError: its library is not installed.
        FileError: the place cannot be written, or something else lies there.
    """
    place = place_of(out)
    suffix = Path(place.name).suffix.lower()
    found = FORMATS.get(suffix)
    if found is None or (isinstance(place, ObjectPath) and not found.remote):
        names = [name for name, held in FORMATS.items() if held.remote or isinstance(place, Path)]
        raise SettingsError(
            complain(
                "--out", str(place), f"a name ending in {', '.join(names[:-1])} or {names[-1]}", "change it"
            )
        )
    found.check()
    if suffix == ".zarr":
        from nowcast.products.forecast_zarr import check_store

        check_store(place)
    elif isinstance(place, Path):
        check_place(place)
    return found


def write_as(out: DataPath | str, forecast: xr.Dataset, observed: xr.DataArray | None = None) -> ForecastFormat:
    """Write a forecast as the end of the name says, whole or not at all.

    Args:
        out: the file to make.
        forecast: what `nowcast.forecast` returns.
        observed: frames (time, y, x) up to the forecast reference time, for pictures.

    Raises:
        SettingsError, MissingExtraError, FileError: as `format_of`.
    """
    found = format_of(out)
    found.write(place_of(out), forecast, observed)
    return found
