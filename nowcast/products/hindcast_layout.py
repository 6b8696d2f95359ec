"""How a hindcast store is laid out before it holds a forecast: coordinates, empty variables and attributes.

Dimensions: R forecast reference times, S lead times, H rows, W columns; with members or thresholds before S.
What is in it beside the grid and the times stands in `nowcast.products.variables`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dask.array as da
import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.core.files import provenance
from nowcast.core.times import Times, now_utc, to_text
from nowcast.products.variables import AXES, VARIABLES

FORMAT = "nowcast hindcast 1"
COMPLETE = "hindcast_complete"
STATUS = "forecast_status"
REFERENCE = "forecast_reference_time"
SECOND = np.timedelta64(1, "s")
_MINUTE = np.timedelta64(1, "m")
_EPOCH = {"units": "seconds since 1970-01-01 00:00:00", "calendar": "standard"}


def empty_store(like: xr.Dataset, reference_times: Times, identity: Mapping[str, str]) -> xr.Dataset:
    """A store for forecasts like one: its coordinates are there, its variables are only described.

    Args:
        like: a forecast: its variables, lead times, grid, thresholds and members.
        reference_times: (R,), rising.
        identity: what made the forecasts, as attributes.

    Source: CF conventions 1.10, sections 4.4, 5.6, 5.7 and 8.1.
    """
    leads = like["lead_time"].values
    starts = _seconds(reference_times)
    valid = starts[:, None] + (leads // SECOND).astype(np.int64)[None, :]
    found = xr.Dataset(
        coords={
            REFERENCE: (
                REFERENCE,
                starts,
                {"standard_name": REFERENCE, "long_name": "time of the newest observation", **_EPOCH},
            ),
            "lead_time": (
                "lead_time",
                leads / _MINUTE,
                {
                    # "min", not "minutes": xarray would turn the numbers into time differences, with a warning.
                    "standard_name": "forecast_period",
                    "long_name": "lead time",
                    "units": "min",
                },
            ),
            "valid_time": (
                (REFERENCE, "lead_time"),
                valid,
                {"standard_name": "time", "long_name": "time for which the forecast is valid", **_EPOCH},
            ),
            **{name: (name, like[name].values, dict(like[name].attrs)) for name in ("y", "x")},
            "crs": ((), np.int32(0), dict(like["crs"].attrs)),
        }
    )
    for variable in VARIABLES.values():
        if variable.name not in like:
            continue
        for name in variable.dims:
            if name in AXES:
                attrs = {**like[name].attrs, **AXES[name].attrs}
                found = found.assign_coords({name: (name, like[name].values.astype(AXES[name].dtype), attrs)})
        dtype, shape = np.dtype(variable.kind.dtype), like[variable.name].shape
        attrs = {
            **variable.attrs,
            "grid_mapping": "crs",
            "ancillary_variables": STATUS,
            "scale_factor": float(variable.kind.scale),
            "add_offset": 0.0,
            "_FillValue": dtype.type(variable.kind.fill),
        }
        found[variable.name] = _unwritten((REFERENCE, *variable.dims), (len(starts), *shape), dtype, attrs)
    found[STATUS] = _unwritten(
        (REFERENCE,),
        (len(starts),),
        np.dtype("i1"),
        {
            "long_name": "whether the forecast is in this store",
            "flag_values": np.array([0, 1], "i1"),
            "flag_meanings": "not_made made",
        },
    )
    return found.assign_attrs(_attributes(identity))


def _unwritten(
    dims: tuple[str, ...], shape: tuple[int, ...], dtype: np.dtype[Any], attrs: dict[str, Any]
) -> xr.Variable:
    """A variable of which the metadata alone are written, one chunk a forecast reference time."""
    fill = attrs.get("_FillValue", dtype.type(0))
    values = da.full(shape, fill, dtype=dtype, chunks=(1, *shape[1:]))  # type: ignore[no-untyped-call]
    return xr.Variable(dims, values, attrs, encoding={"chunks": (1, *shape[1:]), "fill_value": fill})


def _attributes(identity: Mapping[str, str]) -> dict[str, str]:
    made = {f"version_{k}" if k != "commit" else k: v for k, v in provenance().items()}
    model = identity.get("model", "unknown")
    return {
        "Conventions": "CF-1.10",
        "title": f"Radar nowcasts by {model}, from many initialisation times",
        "source": f"nowcast {made['version_nowcast']}: {model}",
        "history": f"{to_text(now_utc())} begun by nowcast {made['version_nowcast']}",
        "nowcast_format": FORMAT,
        COMPLETE: "no",
        **identity,
        **made,
    }


def _seconds(times: Times) -> npt.NDArray[np.int64]:
    return np.asarray((times.astype("datetime64[ns]") - np.datetime64(0, "ns")) // SECOND, np.int64)
