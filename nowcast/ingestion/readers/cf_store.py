"""Where variables with CF attributes lie: netCDF files here, Zarr stores and mapped files elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import h5py
import netCDF4

from nowcast.ingestion.readers import netcdf_size
from nowcast.ingestion.readers.hdf5 import check_packed, check_packed_members, open_hdf5
from nowcast.ingestion.readers.lazy import HDF5_LOCK, faults_named


class CfStore(Protocol):
    """Opens a file as ``data``: ``variables`` by name, ``groups``, ``ncattrs`` and ``getncattr`` as netCDF4's.

    It can be pickled: workers open the file anew.
    """

    def opened(self, path: Path, known: bool = False) -> AbstractContextManager[Any]:
        """Open a file that has been looked through, unless it is ``known``."""
        ...

    def check_frame(self, path: Path, data: Any, name: str, place: Mapping[int, int]) -> None:
        """Refuse what is stored at one place (axis -> index) if it unpacks to more than is declared.

        Raises:
            FileError: it does.
        """
        ...


@dataclass(frozen=True)
class NetcdfStore:
    """netCDF-3 and -4 files."""

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
                yield data

    def check_frame(self, path: Path, data: Any, name: str, place: Mapping[int, int]) -> None:
        """Check the packed chunks of HDF5; netCDF-3 has none."""
        if data.disk_format == "HDF5":
            with h5py.File(path, "r") as file:
                check_packed(path, file[name], place)
