"""The forecast file: one nowcast as CF-1.10 netCDF that any tool puts at the right place and time.

Dimensions: K thresholds, S lead times, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.archive.packing import PACKING, Codes
from nowcast.core.errors import FileError, complain
from nowcast.core.field import ATTRS, NAME, PROBABILITY, FieldError, check_values
from nowcast.core.files import provenance, whole_file
from nowcast.core.grid import Grid
from nowcast.core.times import now_utc, to_text

FORMAT = "nowcast forecast 1"
_EPOCH = "seconds since 1970-01-01 00:00:00"
_SECOND = np.timedelta64(1, "s")
_OWN = ("Conventions", "title", "source", "history", "nowcast_format", "created")
_BROKEN = (OSError, RuntimeError, LookupError, AttributeError, ValueError, TypeError, OverflowError)
"""What reading a file raises whose parts are missing, or are not of the kind they should be."""
_LARGEST_PIXELS = 2**31
_FORMER_PROBABILITY = "probability_of_exceedance"
"""As older files call it."""
_CERTAIN, _UNKNOWN = 250, 255
"""Codes of probability 1 and of "nothing can be known"."""


def write_forecast(path: Path, forecast: xr.Dataset, metadata: Mapping[str, str] | None = None) -> Path:
    """Write one forecast, whole or not at all.

    Values are packed as in the archive: hundredths of a dBZ in int16, with codes of their own for no
    echo (which decodes to `NO_ECHO_DBZ`) and for what nothing can be known about (``_FillValue``);
    probabilities in steps of 1/250. Scale factors are float32, so that readers decode to float32.

    Args:
        path: the file to make; one that is there is replaced in one step.
        forecast: what `nowcast.workflows.forecast` returns; its attributes become global attributes.
        metadata: further global attributes; commit and versions are added.

    Raises:
        FieldError: not a forecast, or values that are no dBZ or no probabilities.
        FileError: the file cannot be written.

    Source: CF conventions 1.10, sections 4.4, 5.6, 8.1 and appendix F.
    """
    missing = {NAME, "lead_time", "valid_time", "forecast_reference_time"} - set(forecast.variables)
    if missing or forecast[NAME].dims != ("lead_time", "y", "x"):
        raise FieldError(
            complain("forecast file",
                     f"{dict(forecast.sizes)} without {', '.join(sorted(missing)) or 'its dims'}",
                     f"a forecast with {NAME} (lead_time, y, x)", "give what a forecaster returns")
        )
    values = np.asarray(forecast[NAME].values, np.float32)
    check_values(values)
    codes = PACKING.pack(values)
    # In memory first: the libraries keep a file open for ever when the disk is full while they write it.
    file = netCDF4.Dataset("nowcast.nc", "w", format="NETCDF4", memory=codes.nbytes)
    _write_coordinates(file, forecast)
    _write_values(file, codes)
    if PROBABILITY in forecast:
        _write_probabilities(file, forecast[PROBABILITY], values.shape)
    file.setncatts(_attributes({**forecast.attrs, **(metadata or {})}))
    image = file.close()
    with whole_file(path) as temporary:
        temporary.write_bytes(image)
    return Path(path)


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
    time.setncatts({
        "standard_name": "time", "long_name": "time for which the forecast is valid", "axis": "T",
        "units": _EPOCH, "calendar": "standard",
    })
    time[:] = _seconds(valid)
    reference = file.createVariable("forecast_reference_time", "i8")
    reference.setncatts({
        "standard_name": "forecast_reference_time", "long_name": "time of the newest observation",
        "units": _EPOCH, "calendar": "standard",
    })
    reference[...] = _seconds(start)
    period = file.createVariable("forecast_period", "f8", ("time",))
    # "min", not "minutes": xarray would otherwise turn the numbers into time differences, with a warning.
    period.setncatts({"standard_name": "forecast_period", "long_name": "lead time", "units": "min"})
    period[:] = (valid - start) / np.timedelta64(1, "m")


def _write_values(file: Any, codes: Codes) -> None:
    height, width = codes.shape[1:]
    values = file.createVariable(
        NAME, "i2", ("time", "y", "x"), compression="zlib", complevel=4, shuffle=True,
        chunksizes=(1, height, width), fill_value=np.int16(PACKING.fill),
    )
    values.set_auto_maskandscale(False)
    values.setncatts({
        **ATTRS,
        "long_name": "radar reflectivity, forecast",
        "coordinates": "forecast_reference_time forecast_period",
        "scale_factor": np.float32(PACKING.scale),
        "add_offset": np.float32(PACKING.offset),
        "comment": f"{PACKING.no_echo * PACKING.scale:g} dBZ: no echo expected; _FillValue: nothing can "
        "be known, because nothing was observed where it comes from",
    })
    values[:] = codes


def _write_probabilities(file: Any, probabilities: xr.DataArray, shape: tuple[int, ...]) -> None:
    known = np.asarray(probabilities.values, np.float32)
    if known.shape[1:] != shape or not ((known >= 0) & (known <= 1) | np.isnan(known)).all():
        raise FieldError(
            complain("forecast file: probabilities", f"shape {known.shape}",
                     f"(threshold, {', '.join(map(str, shape))}) in [0, 1], as the forecast",
                     "give what a forecaster returns")
        )
    file.createDimension("threshold", len(known))
    threshold = file.createVariable("threshold", "f4", ("threshold",))
    threshold.setncatts({"standard_name": ATTRS["standard_name"], "units": ATTRS["units"],
                         "long_name": "radar reflectivity that is reached or exceeded"})
    threshold[:] = probabilities["threshold"].values
    variable = file.createVariable(
        PROBABILITY, "u1", ("threshold", "time", "y", "x"), compression="zlib", complevel=4, shuffle=True,
        chunksizes=(1, 1, *shape[1:]), fill_value=np.uint8(_UNKNOWN),
    )
    variable.set_auto_maskandscale(False)
    variable.setncatts({
        "long_name": "probability that reflectivity reaches the threshold", "units": "1",
        "coordinates": "forecast_reference_time forecast_period", "grid_mapping": "crs",
        "scale_factor": np.float32(1.0 / _CERTAIN), "add_offset": np.float32(0.0),
    })
    variable[:] = np.where(np.isnan(known), _UNKNOWN, np.rint(np.nan_to_num(known) * _CERTAIN)).astype(np.uint8)


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


def read_forecast(path: Path | str) -> xr.Dataset:
    """Read a forecast file back as what was written, in memory; global attributes become attributes.

    Values are those written, to the hundredth of a dBZ and the 250th of a probability; a forecast read
    and written again is the same.

    Raises:
        FileError: absent, truncated, or not a forecast of this package.
    """
    path = Path(path)
    if not path.is_file():
        raise FileError(complain(str(path), "no file", "a forecast file", "check the path"))
    try:
        with netCDF4.Dataset(path) as file:
            return _read(path, file)
    except _BROKEN as error:
        line = " ".join(str(error).split())
        raise FileError(
            complain(str(path), f"an unreadable file ({line})", "a whole forecast file",
                     "copy it or forecast again")
        ) from error


def _read(path: Path, file: Any) -> xr.Dataset:
    found = file.__dict__.get("nowcast_format", "none")
    if found != FORMAT:
        raise FileError(
            complain(str(path), f"nowcast_format '{found}'", f"'{FORMAT}'",
                     "give a file that 'nowcast forecast' wrote")
        )
    file.set_auto_maskandscale(False)
    values = file[NAME]
    if np.prod(values.shape, dtype=np.int64) > _LARGEST_PIXELS:
        raise FileError(
            complain(str(path), f"values of shape {values.shape}", "a forecast that fits into memory",
                     "it is damaged or no forecast")
        )
    origin = np.datetime64(0, "ns")
    start = origin + int(file["forecast_reference_time"][...]) * _SECOND
    valid = origin + np.asarray(file["time"][:], np.int64) * _SECOND
    dims = ("lead_time", "y", "x")
    forecast = xr.Dataset(
        {NAME: (dims, PACKING.unpack(values[:]), dict(ATTRS))},
        coords={
            "lead_time": ("lead_time", valid - start),
            "forecast_reference_time": ((), start),
            "valid_time": ("lead_time", valid),
            **{name: (name, np.asarray(file[name][:]), dict(file[name].__dict__)) for name in ("y", "x")},
            "crs": ((), np.int32(0), dict(file["crs"].__dict__)),
        },
        attrs={k: v for k, v in file.__dict__.items() if k not in _OWN},
    )
    Grid.of(forecast[NAME])
    for name in {PROBABILITY, _FORMER_PROBABILITY} & set(file.variables):
        codes = np.asarray(file[name][:])
        known = np.where(codes == _UNKNOWN, np.float32(np.nan), codes * np.float32(1.0 / _CERTAIN))
        attrs = {k: file[name].getncattr(k) for k in ("long_name", "units")}
        own = {k: file["threshold"].getncattr(k) for k in ("long_name", "units")}
        forecast = forecast.assign_coords(
            threshold=("threshold", np.asarray(file["threshold"][:], np.float64), own)
        ).assign({PROBABILITY: (("threshold", *dims), known, attrs)})
    return forecast
