"""The forecast file: one nowcast as CF-1.10 netCDF that any tool puts at the right place and time.

What is in it beside the grid and the times stands in `nowcast.products.variables`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.core.errors import FileError, complain
from nowcast.core.field import NAME, FieldError
from nowcast.core.files import provenance, whole_file
from nowcast.core.grid import Grid
from nowcast.core.places import DataPath, ObjectPath, place_of
from nowcast.core.times import now_utc, to_text
from nowcast.products.file_variables import WHOLE, read_variable, write_variable
from nowcast.products.variables import VARIABLES

FORMAT = "nowcast forecast 1"
_EPOCH = "seconds since 1970-01-01 00:00:00"
_SECOND = np.timedelta64(1, "s")
_OWN = ("Conventions", "title", "source", "history", "nowcast_format", "created")
_BROKEN = (OSError, RuntimeError, LookupError, AttributeError, ValueError, TypeError, OverflowError)
"""What reading a file raises whose parts are missing, or are not of the kind they should be."""
_FIRST_MEMORY = 1 << 20


def write_forecast(
    path: DataPath | str, forecast: xr.Dataset, metadata: Mapping[str, str] | None = None
) -> DataPath:
    """Write one forecast, whole or not at all.

    Values are packed into integers (`nowcast.products.packed_values`); reflectivity as in the archive:
    hundredths of a dBZ, with codes of their own for no echo (which decodes to `NO_ECHO_DBZ`) and for what
    nothing can be known about (``_FillValue``). Scale factors are float32, so that readers decode to
    float32. They are packed and compressed frame by frame: beside the forecast itself memory holds the
    compressed file and one frame.

    Args:
        path: the file or object (``s3://...``) to make; one that is there is replaced in one step.
        forecast: what `nowcast.workflows.forecast` returns; its attributes become global attributes. Of its
            variables those of `nowcast.products.variables` are written.
        metadata: further global attributes; commit and versions are added.

    Raises:
        FieldError: not a forecast, or values that are no dBZ, no probabilities and so on.
        FileError: the file cannot be written.

    Source: CF conventions 1.10, sections 4.4, 5.6, 8.1 and appendix F.
    """
    missing = {NAME, "lead_time", "valid_time", "forecast_reference_time"} - set(forecast.variables)
    if missing or forecast[NAME].dims != ("lead_time", "y", "x"):
        raise FieldError(
            complain(
                "forecast file",
                f"{dict(forecast.sizes)} without {', '.join(sorted(missing)) or 'its dims'}",
                f"a forecast with {NAME} (lead_time, y, x)",
                "give what a forecaster returns",
            )
        )
    # In memory first: the libraries keep a file open for ever when the disk is full while they write it.
    file = netCDF4.Dataset("nowcast.nc", "w", format="NETCDF4", memory=_FIRST_MEMORY)
    _write_coordinates(file, forecast)
    for variable in VARIABLES.values():
        if variable.name in forecast:
            write_variable(file, variable, forecast[variable.name])
    file.setncatts(_attributes({**forecast.attrs, **(metadata or {})}))
    image = file.close()
    place = place_of(path)
    if isinstance(place, ObjectPath):
        try:
            place.write_bytes(bytes(image))
        except OSError as error:
            raise FileError(f"{place}: cannot be written ({error.strerror}); check the address") from error
        return place
    with whole_file(place) as temporary:
        temporary.write_bytes(image)
    return place


def _write_coordinates(file: Any, forecast: xr.Dataset) -> None:
    valid, start = forecast["valid_time"].values, forecast["forecast_reference_time"].values
    file.createDimension("time", len(valid))
    for name in ("y", "x"):
        file.createDimension(name, forecast.sizes[name])
        axis = file.createVariable(name, "f8", (name,))
        axis.setncatts(forecast[name].attrs)
        axis[:] = forecast[name].values
    mapping = file.createVariable("crs", "i4")
    mapping.setncatts(forecast["crs"].attrs)
    time = file.createVariable("time", "i8", ("time",))
    time.setncatts(
        {
            "standard_name": "time",
            "long_name": "time for which the forecast is valid",
            "axis": "T",
            "units": _EPOCH,
            "calendar": "standard",
        }
    )
    time[:] = _seconds(valid)
    reference = file.createVariable("forecast_reference_time", "i8")
    reference.setncatts(
        {
            "standard_name": "forecast_reference_time",
            "long_name": "time of the newest observation",
            "units": _EPOCH,
            "calendar": "standard",
        }
    )
    reference[...] = _seconds(start)
    period = file.createVariable("forecast_period", "f8", ("time",))
    # "min", not "minutes": xarray would otherwise turn the numbers into time differences, with a warning.
    period.setncatts({"standard_name": "forecast_period", "long_name": "lead time", "units": "min"})
    period[:] = (valid - start) / np.timedelta64(1, "m")


def _attributes(metadata: Mapping[str, Any]) -> dict[str, str]:
    made = {f"version_{k}" if k != "commit" else k: v for k, v in provenance().items()}
    given = {k: str(v) for k, v in metadata.items() if k not in _OWN}
    model = given.get("model", "unknown")
    created = to_text(now_utc())
    return {
        "Conventions": "CF-1.10",
        "title": f"Radar nowcast by {model}",
        "source": f"nowcast {made['version_nowcast']}: {model}",
        "history": f"{created} written by nowcast {made['version_nowcast']}",
        "nowcast_format": FORMAT,
        "created": created,
        **given,
        **made,
    }


def _seconds(times: npt.NDArray[np.datetime64]) -> npt.NDArray[np.int64]:
    since = np.asarray(times, "datetime64[ns]") - np.datetime64(0, "ns")
    whole = since // _SECOND
    if (whole * _SECOND != since).any():
        raise FieldError("forecast file: got times with fractions of a second, expected whole seconds")
    return np.asarray(whole, np.int64)


def read_forecast(
    path: Path | str, only: Collection[str] | None = None, window: tuple[slice, slice] = WHOLE
) -> xr.Dataset:
    """Read a forecast file back as what was written, in memory; global attributes become attributes.

    Values are those written, to the hundredth of a dBZ and the 250th of a probability; a forecast read
    and written again is the same.

    Args:
        path: the file.
        only: names of the variables to read beside ``reflectivity``; all by default.
        window: rows and columns to read; all by default.

    Raises:
        FileError: absent, truncated, or not a forecast of this package.
    """
    with _opened(Path(path)) as file:
        return _read(file, VARIABLES if only is None else {NAME, *only}, window)


def read_grid(path: Path | str) -> Grid:
    """Read the grid of a forecast file, none of its values.

    Raises:
        FileError: absent, truncated, or not a forecast of this package.
    """
    with _opened(Path(path)) as file:
        y, x = (np.asarray(file[name][:], np.float64) for name in ("y", "x"))
        return Grid(str(file["crs"].getncattr("crs_wkt")), y, x)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a forecast file; what is wrong with it becomes one line."""
    if not path.is_file():
        raise FileError(complain(str(path), "no file", "a forecast file", "check the path"))
    try:
        with netCDF4.Dataset(path) as file:
            found = file.__dict__.get("nowcast_format", "none")
            if found != FORMAT:
                raise FileError(
                    complain(
                        str(path),
                        f"nowcast_format '{found}'",
                        f"'{FORMAT}'",
                        "give a file that 'nowcast forecast' wrote",
                    )
                )
            file.set_auto_maskandscale(False)
            yield file
    except _BROKEN as error:
        line = " ".join(str(error).split())
        raise FileError(
            complain(
                str(path), f"an unreadable file ({line})", "a whole forecast file", "copy it or forecast again"
            )
        ) from error


def _read(file: Any, only: Collection[str], window: tuple[slice, slice]) -> xr.Dataset:
    origin = np.datetime64(0, "ns")
    start = origin + int(file["forecast_reference_time"][...]) * _SECOND
    valid = origin + np.asarray(file["time"][:], np.int64) * _SECOND
    forecast = xr.Dataset(
        coords={
            "lead_time": ("lead_time", valid - start),
            "forecast_reference_time": ((), start),
            "valid_time": ("lead_time", valid),
            **{
                name: (name, np.asarray(file[name][:])[part], dict(file[name].__dict__))
                for name, part in zip(("y", "x"), window, strict=True)
            },
            "crs": ((), np.int32(0), dict(file["crs"].__dict__)),
        },
        attrs={k: v for k, v in file.__dict__.items() if k not in _OWN},
    )
    for variable in VARIABLES.values():
        if variable.name in only:
            forecast = read_variable(file, variable, forecast, window)
    if window == WHOLE:
        Grid.of(forecast[NAME])
    return forecast
