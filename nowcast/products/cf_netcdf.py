"""The forecast file: one nowcast as CF-1.10 netCDF that any tool puts at the right place and time.

Letters: S lead times, H rows, W columns.
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
from nowcast.core.field import ATTRS, NAME, FieldError, check_values
from nowcast.core.files import provenance, whole_file
from nowcast.core.grid import Grid
from nowcast.core.times import now_utc, to_text

FORMAT = "nowcast forecast 1"
_EPOCH = "seconds since 1970-01-01 00:00:00"
_SECOND = np.timedelta64(1, "s")
_OWN = ("Conventions", "title", "source", "history", "nowcast_format", "created")
_LARGEST_PIXELS = 2**31
PROBABILITY = "probability_of_exceedance"
_CERTAIN, _UNKNOWN = 250, 255
"""Codes of probability 1 and of "nothing can be said"."""


def write_forecast(
    path: Path, forecast: xr.DataArray, described: Mapping[str, str] | None = None,
    probabilities: xr.DataArray | None = None,
) -> Path:
    """Write one forecast, whole or not at all.

    Values are packed as in the archive: hundredths of a dBZ in int16, with codes of their own for no
    echo (which decodes to `NO_ECHO_DBZ`) and for what nothing can be said about (``_FillValue``).
    Scale factors are float32, so that readers decode to float32.

    Args:
        path: the file to make; one that is there is replaced in one step.
        forecast: what a forecaster gives: dims (lead_time, y, x), ``issued``, ``valid_time``.
        described: what `Forecaster.describe` gives and the archive's path and fingerprint, as global
            attributes; commit and versions are added.
        probabilities: of reaching thresholds (threshold_dbz, lead_time, y, x), as a second variable
            ``probability_of_exceedance`` in steps of 1/250; of the same times and grid.

    Raises:
        FieldError: not a forecast, or values that are no dBZ.
        FileError: the file cannot be written.

    Source: CF conventions 1.10, sections 4.4, 5.6, 8.1 and appendix F.
    """
    if forecast.dims != ("lead_time", "y", "x") or not {"issued", "valid_time"} <= set(forecast.coords):
        raise FieldError(
            complain("forecast file", f"'{forecast.name}' with {forecast.dims}",
                     "a forecast (lead_time, y, x) with issued and valid_time",
                     "give what a forecaster returns")
        )
    values = np.asarray(forecast.values, np.float32)
    check_values(values)
    codes = PACKING.pack(values)
    # In memory first: the libraries keep a file open for ever when the disk is full while they write it.
    file = netCDF4.Dataset("nowcast.nc", "w", format="NETCDF4", memory=codes.nbytes)
    _write_coordinates(file, forecast)
    _write_values(file, codes)
    if probabilities is not None:
        _write_probabilities(file, probabilities, values.shape)
    file.setncatts(_attributes(forecast, described or {}))
    image = file.close()
    with whole_file(path) as temporary:
        temporary.write_bytes(image)
    return Path(path)


def _write_coordinates(file: Any, forecast: xr.DataArray) -> None:
    valid, issued = forecast["valid_time"].values, forecast["issued"].values
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
    reference[...] = _seconds(issued)
    period = file.createVariable("forecast_period", "f8", ("time",))
    # "min", not "minutes": xarray would otherwise turn the numbers into time differences, with a warning.
    period.setncatts({"standard_name": "forecast_period", "long_name": "lead time", "units": "min"})
    period[:] = (valid - issued) / np.timedelta64(1, "m")


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
        "be said, because nothing was observed where it comes from",
    })
    values[:] = codes


def _write_probabilities(file: Any, probabilities: xr.DataArray, shape: tuple[int, ...]) -> None:
    said = np.asarray(probabilities.values, np.float32)
    if said.shape[1:] != shape or not ((said >= 0) & (said <= 1) | np.isnan(said)).all():
        raise FieldError(
            complain("forecast file: probabilities", f"shape {said.shape}",
                     f"(threshold, {', '.join(map(str, shape))}) in [0, 1], as the forecast",
                     "give what the forecaster's probabilities() returns")
        )
    file.createDimension("threshold", len(said))
    threshold = file.createVariable("threshold", "f4", ("threshold",))
    threshold.setncatts({"standard_name": ATTRS["standard_name"], "units": ATTRS["units"],
                         "long_name": "radar reflectivity that is reached or exceeded"})
    threshold[:] = probabilities["threshold_dbz"].values
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
    variable[:] = np.where(np.isnan(said), _UNKNOWN, np.rint(np.nan_to_num(said) * _CERTAIN)).astype(np.uint8)


def read_probabilities(path: Path | str) -> xr.DataArray | None:
    """Read the probabilities of a forecast file (threshold_dbz, lead_time, y, x); None if it holds none.

    Raises:
        FileError: as `read_forecast`.
    """
    forecast = read_forecast(path)
    with netCDF4.Dataset(Path(path)) as file:
        if PROBABILITY not in file.variables:
            return None
        file.set_auto_maskandscale(False)
        codes = np.asarray(file[PROBABILITY][:])
        thresholds = np.asarray(file["threshold"][:], np.float64)
    said = np.where(codes == _UNKNOWN, np.float32(np.nan), codes * np.float32(1.0 / _CERTAIN))
    return xr.DataArray(
        said, dims=("threshold_dbz", *forecast.dims), name="probability",
        coords={"threshold_dbz": thresholds, **forecast.coords},
        attrs={"long_name": "probability of reaching the threshold", "units": "1"},
    )


def _attributes(forecast: xr.DataArray, described: Mapping[str, str]) -> dict[str, str]:
    made = {f"version_{k}" if k != "commit" else k: v for k, v in provenance().items()}
    carried = {k: str(v) for k, v in forecast.attrs.items() if k not in ATTRS and k not in _OWN}
    given = {k: str(v) for k, v in described.items() if k not in ATTRS and k not in _OWN}
    model = given.get("model", "unknown")
    created = to_text(now_utc())
    return {
        "Conventions": "CF-1.10",
        "title": f"Radar nowcast by {model}",
        "source": f"nowcast {made['version_nowcast']}: {model}",
        "history": f"{created} written by nowcast {made['version_nowcast']}",
        "nowcast_format": FORMAT,
        "created": created,
        **carried,
        **given,
        **made,
    }


def _seconds(times: npt.NDArray[np.datetime64]) -> npt.NDArray[np.int64]:
    since = np.asarray(times, "datetime64[ns]") - np.datetime64(0, "ns")
    whole = since // _SECOND
    if (whole * _SECOND != since).any():
        raise FieldError("forecast file: got times with fractions of a second, expected whole seconds")
    return np.asarray(whole, np.int64)


def read_forecast(path: Path | str) -> xr.DataArray:
    """Read a forecast file back as what the forecaster gave, in memory; global attributes become attrs.

    Values are those written, to the hundredth of a dBZ; a forecast read and written again is the same.

    Raises:
        FileError: absent, truncated, or not a forecast of this package.
    """
    path = Path(path)
    if not path.is_file():
        raise FileError(complain(str(path), "no file", "a forecast file", "check the path"))
    try:
        with netCDF4.Dataset(path) as file:
            return _read(path, file)
    except (OSError, RuntimeError, IndexError, AttributeError, KeyError) as error:
        line = " ".join(str(error).split())
        raise FileError(
            complain(str(path), f"an unreadable file ({line})", "a whole forecast file",
                     "copy it or forecast again")
        ) from error


def _read(path: Path, file: Any) -> xr.DataArray:
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
    issued = origin + int(file["forecast_reference_time"][...]) * _SECOND
    valid = origin + np.asarray(file["time"][:], np.int64) * _SECOND
    coords = {
        "lead_time": ("lead_time", valid - issued),
        "issued": ((), issued),
        "valid_time": ("lead_time", valid),
        **{name: (name, np.asarray(file[name][:]), dict(file[name].__dict__)) for name in ("y", "x")},
        "crs": ((), np.int32(0), dict(file["crs"].__dict__)),
    }
    attrs = {k: v for k, v in file.__dict__.items() if k not in _OWN}
    forecast = xr.DataArray(
        PACKING.unpack(values[:]), dims=("lead_time", "y", "x"), name=NAME, coords=coords,
        attrs={**ATTRS, **attrs},
    )
    Grid.of(forecast)
    return forecast
