"""Where variables with CF attributes lie: netCDF files here, Zarr stores and mapped files elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import h5py
import netCDF4
import numpy as np
import numpy.typing as npt

from nowcast.ingestion.readers import netcdf_size
from nowcast.ingestion.readers.cf_axes import Axes
from nowcast.ingestion.readers.cf_groups import in_group
from nowcast.ingestion.readers.hdf5 import HDF5_MAGIC, check_packed, check_packed_members, open_hdf5
from nowcast.ingestion.readers.lazy import HDF5_LOCK, faults_named

ROOT = ""
_OWN_FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32}
"""What h5py unpacks as netCDF does; others may be of netCDF's own plug-ins."""


@dataclass(frozen=True)
class Stored:
    """A variable as netCDF gives it: its name with the groups that it lies in, shape and type."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


class CfStore(Protocol):
    """Opens a file as ``data``: ``variables`` by name, ``groups``, ``ncattrs`` and ``getncattr`` as netCDF4's.

    It can be pickled: workers open the file anew.
    """

    def opened(self, path: Path, known: bool = False) -> AbstractContextManager[Any]:
        """Open a file that has been looked through, unless it is ``known``."""
        ...

    def stored(self, variable: Any) -> Stored:
        """Return what finds a variable of an open file again."""
        ...

    def frame(self, path: Path, stored: Stored, axes: Axes, time: int) -> npt.NDArray[Any]:
        """Read the frame (H, W) at one index of time as stored, of a file that has been opened once.

        Raises:
            FileError: it unpacks to more than is declared, or the file is not what it was.
        """
        ...


@dataclass(frozen=True)
class NetcdfStore:
    """netCDF-3 and -4 files; ``group`` as `nowcast.ingestion.readers.cf_groups.in_group`, or the root alone."""

    group: str | None = ROOT

    @contextmanager
    def opened(self, path: Path, known: bool = False) -> Iterator[Any]:
        """Open a file that is whole and, unless ``known``, looked through before netCDF touches it."""
        with faults_named(path, "CF netCDF"), HDF5_LOCK:
            with path.open("rb") as handle:
                old = netcdf_size.is_netcdf3(handle.read(4))
            if old:
                netcdf_size.check_whole(path)
            elif not known:
                with open_hdf5(path, check_packed_members):
                    pass
            with netCDF4.Dataset(path) as data:
                yield data if self.group == ROOT else in_group(path, data, self.group)

    def stored(self, variable: Any) -> Stored:
        """Return name with its group, shape and type."""
        name = f"{variable.group().path}/{variable.name}".strip("/")
        return Stored(name, tuple(variable.shape), variable.dtype)

    def frame(self, path: Path, stored: Stored, axes: Axes, time: int) -> npt.NDArray[Any]:
        """Read a frame by h5py where it reads what netCDF does, else by netCDF."""
        found = self._by_h5py(path, stored, axes, time)
        if found is not None:
            return found
        with NetcdfStore().opened(path, known=True) as data:
            variable = data[stored.name]
            self.check_frame(path, data, stored.name, axes.place(time))
            variable.set_auto_maskandscale(False)
            return axes.frame(variable, time)

    def _by_h5py(self, path: Path, stored: Stored, axes: Axes, time: int) -> npt.NDArray[Any] | None:
        """Read a frame with the file opened but once, None for netCDF-3 and what only netCDF reads alike.

        Why: netCDF reads all that a file says of itself before the first number, and does not check packed
        chunks. It has other filters, and fills up records that are shorter than the axis of time.
        """
        with faults_named(path, "CF netCDF"), HDF5_LOCK:
            with path.open("rb") as handle:
                if handle.read(8) != HDF5_MAGIC:
                    return None
            with open_hdf5(path, check_packed_members) as file:
                dataset = file.get(stored.name)
                if not isinstance(dataset, h5py.Dataset):
                    return None
                if dataset.shape != stored.shape or dataset.dtype != stored.dtype:
                    return None
                plist = dataset.id.get_create_plist()
                if not {plist.get_filter(i)[0] for i in range(plist.get_nfilters())} <= _OWN_FILTERS:
                    return None
                check_packed(path, dataset, axes.place(time))
                return axes.frame(dataset, time)

    def check_frame(self, path: Path, data: Any, name: str, place: Mapping[int, int]) -> None:
        """Check the packed chunks of HDF5; netCDF-3 has none."""
        if data.disk_format == "HDF5":
            with h5py.File(path, "r") as file:
                check_packed(path, file[name], place)
