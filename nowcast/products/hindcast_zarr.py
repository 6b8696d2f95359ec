"""The hindcast store: forecasts from many initialisation times as one CF Zarr, one chunk each and no locks.

Dimensions: R forecast reference times, S lead times, H rows, W columns; with members or thresholds before S.
What is in it beside the grid and the times stands in `nowcast.products.variables`. A forecast counts once
its ``forecast_status`` is 1, which is written last; so a store that was left in the middle says how far it is.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import numpy.typing as npt
import xarray as xr
import zarr

from nowcast.core.errors import FileError, NowcastError, complain, printable
from nowcast.core.field import NAME
from nowcast.core.files import provenance, whole_folder
from nowcast.core.places import DataPath, ObjectPath, place_of, store_of
from nowcast.core.times import Times, now_utc, to_text
from nowcast.products.variables import AXES, VARIABLES

FORMAT = "nowcast hindcast 1"
COMPLETE = "hindcast_complete"
STATUS = "forecast_status"
REFERENCE = "forecast_reference_time"
_EPOCH = {"units": "seconds since 1970-01-01 00:00:00", "calendar": "standard"}
_SECOND = np.timedelta64(1, "s")
_MINUTE = np.timedelta64(1, "m")
_BROKEN = (OSError, RuntimeError, LookupError, ValueError, TypeError)


def create_hindcast(
    place: DataPath, like: xr.Dataset, reference_times: Times, identity: Mapping[str, str]
) -> None:
    """Make a store for forecasts like one, from so many forecast reference times; it holds none yet.

    Args:
        place: a folder or an object store; nothing is there, or what an earlier try has left.
        like: a forecast: its variables, lead times, grid, thresholds and members.
        reference_times: (R,), rising.
        identity: what made the forecasts, as attributes; a run that goes on must have the same.

    Raises:
        FileError: it cannot be written.

    Source: CF conventions 1.10, sections 4.4, 5.6, 5.7 and 8.1.
    """
    template = _template(like, reference_times).assign_attrs(_attributes(identity))
    if isinstance(place, ObjectPath):
        with _told(place):
            _write(template, store(place))
    else:
        with whole_folder(place) as folder:
            _write(template, str(folder))


def _write(template: xr.Dataset, where: Any) -> None:
    with _quiet():
        template.to_zarr(where, mode="w", compute=False, consolidated=True, zarr_format=3)


def _template(like: xr.Dataset, reference_times: Times) -> xr.Dataset:
    leads = like["lead_time"].values
    starts = _seconds(reference_times)
    valid = starts[:, None] + (leads // _SECOND).astype(np.int64)[None, :]
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
    return found


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


class HindcastStore:
    """A store that was created, to be filled and to be asked how far it is.

    Raises:
        FileError: none there, something else, or it cannot be read.
    """

    def __init__(self, place: DataPath) -> None:
        self.place = place
        try:
            self._group = zarr.open_group(store(place), mode="r+")
            self.attrs = dict(self._group.attrs)
        except _BROKEN as error:
            raise FileError(
                complain(
                    str(place),
                    f"no hindcast ({printable(error)[:200]})",
                    "what 'nowcast hindcast' wrote",
                    "check the path",
                )
            ) from error
        if self.attrs.get("nowcast_format") != FORMAT:
            raise FileError(
                complain(
                    str(place),
                    "something else",
                    "a new place, or what 'nowcast hindcast' wrote",
                    "choose another place",
                )
            )

    @property
    def reference_times(self) -> Times:
        """Of the forecasts that it has room for."""
        return np.datetime64(0, "ns") + np.asarray(self._read(REFERENCE), np.int64) * _SECOND

    @property
    def lead_times(self) -> npt.NDArray[np.timedelta64]:
        """Of every forecast."""
        return _whole_seconds(self._read("lead_time"))

    def done(self) -> npt.NDArray[np.bool_]:
        """Which of them it holds."""
        return np.asarray(self._read(STATUS) == 1, np.bool_)

    def _read(self, name: str) -> Any:
        with _told(self.place):
            return self._group[name][...]

    def write(self, index: int, forecast: xr.Dataset) -> None:
        """Put a forecast in its place; it counts when all of it is there.

        Raises:
            FieldError: values out of range.
            FileError: it cannot be written.
            NowcastError: other variables than the first forecast had.
        """
        arrays = {n: a for n, a in self._group.arrays() if n in VARIABLES}
        held = {name for name in VARIABLES if name in forecast}
        if set(arrays) != held or any(a.shape[1:] != forecast[n].shape for n, a in arrays.items()):
            raise NowcastError(
                f"hindcast: got a forecast with {', '.join(sorted(held))} of {dict(forecast[NAME].sizes)}, "
                f"expected {', '.join(sorted(arrays))} as in the first; this forecaster is at fault"
            )
        for name, array in arrays.items():
            values, kind = forecast[name].values, VARIABLES[name].kind
            codes = np.empty(values.shape, kind.dtype)
            for place in np.ndindex(*values.shape[:-2]):
                codes[place] = kind.pack(np.asarray(values[place], np.float32), name)
            with _told(self.place):
                array[index] = codes
        with _told(self.place):
            self._group[STATUS][index] = 1

    def finish(self) -> None:
        """Say that all forecasts are there.

        Raises:
            FileError: it cannot be written.
        """
        with _told(self.place), _quiet():
            self._group.attrs[COMPLETE] = "yes"
            zarr.consolidate_metadata(self._group.store)


def is_created(place: DataPath) -> bool:
    """Whether a store was made there whole; one that a crash left half-made is made again."""
    if not (place / "zarr.json").exists():
        return False
    try:
        group = zarr.open_group(store(place), mode="r")
    except _BROKEN:
        return True
    return bool(group.attrs.get("nowcast_format") != FORMAT or group.metadata.consolidated_metadata is not None)


def open_hindcast(place: DataPath | str) -> xr.Dataset:
    """Open a hindcast lazily, decoded: dBZ and probabilities, NaN where nothing can be known.

    ``lead_time`` is a time difference as in a forecast; forecasts that are not made yet are left out.

    Raises:
        FileError: none there, or damaged.
    """
    place = place_of(place)
    held = HindcastStore(place).done()
    with _told(place):
        found = xr.open_zarr(store(place), chunks=None, consolidated=True, decode_timedelta=False)
        leads = ("lead_time", _whole_seconds(found["lead_time"].values))
        made: xr.Dataset = found.assign_coords(lead_time=leads).isel({REFERENCE: np.flatnonzero(held)})
        return made


def store(place: DataPath) -> Any:
    """The Zarr store of a place.

    Raises:
        MissingExtraError, FileError: as `nowcast.core.places.store_of`.
    """
    if isinstance(place, Path):
        return str(place)
    store_of(place.url)
    return zarr.storage.FsspecStore.from_url(place.url)


def _whole_seconds(minutes: npt.NDArray[np.float64]) -> npt.NDArray[np.timedelta64]:
    return np.round(minutes * 60).astype("timedelta64[s]").astype("timedelta64[ns]")


def _seconds(times: Times) -> npt.NDArray[np.int64]:
    return np.asarray((times.astype("datetime64[ns]") - np.datetime64(0, "ns")) // _SECOND, np.int64)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without word that consolidated metadata is young."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _told(place: DataPath) -> Iterator[None]:
    """Turn what a store says into one line for the user."""
    try:
        yield
    except NowcastError:
        raise
    except _BROKEN as error:
        why = getattr(error, "strerror", None) or f"{type(error).__name__}: {printable(error)[:200]}"
        raise FileError(
            f"{place}: the hindcast cannot be read or written ({why}); what is in it stays, mend that and run "
            "again"
        ) from error
