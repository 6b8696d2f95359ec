"""The hindcast store: forecasts from many initialisation times as one CF Zarr, one chunk each and no locks.

Dimensions: R forecast reference times, S lead times, H rows, W columns; with members or thresholds before S.
How it is laid out stands in `nowcast.products.hindcast_layout`. A forecast counts once its ``forecast_status``
is 1, which is written last; so a store that was left in the middle says how far it is.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
import zarr

from nowcast.core.errors import FileError, NowcastError, complain, printable
from nowcast.core.field import NAME
from nowcast.core.files import whole_folder
from nowcast.core.places import DataPath, ObjectPath, place_of, store_of
from nowcast.core.times import Times
from nowcast.products.hindcast_layout import COMPLETE, FORMAT, REFERENCE, SECOND, STATUS, empty_store
from nowcast.products.variables import VARIABLES

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
    """
    template = empty_store(like, reference_times, identity)
    if isinstance(place, ObjectPath):
        with _told(place):
            _write(template, store(place))
    else:
        with whole_folder(place) as folder:
            _write(template, str(folder))


def _write(template: xr.Dataset, where: Any) -> None:
    with _quiet():
        template.to_zarr(where, mode="w", compute=False, consolidated=True, zarr_format=3)


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
        return np.datetime64(0, "ns") + np.asarray(self._read(REFERENCE), np.int64) * SECOND

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
