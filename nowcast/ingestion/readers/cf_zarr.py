"""CF Zarr: the same as CF netCDF in a Zarr store of version 2 or 3, a folder or a zip file."""

from __future__ import annotations

import base64
import struct
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.core.errors import FileError
from nowcast.core.rain import z_r
from nowcast.ingestion.readers.base import FormatDescription
from nowcast.ingestion.readers.cf_axes import Axes
from nowcast.ingestion.readers.cf_netcdf import open_cf
from nowcast.ingestion.readers.cf_store import Stored
from nowcast.ingestion.readers.lazy import faults_named
from nowcast.ingestion.readers.zarr_guard import check_packed_chunk, check_store, largest_chunk

_ROOTS = ("zarr.json", ".zgroup", ".zmetadata")
_DIMENSIONS = "_ARRAY_DIMENSIONS"
_FILL = "_FillValue"


@dataclass(frozen=True)
class CfZarr:
    """Reads one variable of a Zarr store that follows CF, as xarray writes it; else as `CfNetcdf`.

    A chunk that is not there holds the fill value of its array, as Zarr has it. Archives of this package are
    refused: they are where frames go to.

    Source: Zarr storage specification 2; Zarr core specification 3.1; CF Conventions 1.10.
    """

    description: ClassVar = FormatDescription(
        "CF Zarr stores, version 2 and 3", "reflectivity; rain rates and amounts"
    )
    z_r_name: str = "marshall_palmer"
    name: str = "cf_zarr"
    variable: str | None = None

    def sniff(self, path: Path) -> bool:
        """Return whether this is a folder or zip file with the metadata of a Zarr group."""
        try:
            return bool(root_of(path))
        except Exception:
            return False

    def open(self, path: Path) -> xr.DataArray:
        """Open the store as a lazy field; see `nowcast.ingestion.readers.base.Reader`."""
        return open_cf(path, ZarrStore(), z_r(self.z_r_name), self.variable)


def root_of(path: Path) -> str:
    """Return the document that describes the root of a store, the empty string where there is none.

    Raises:
        OSError: it cannot be opened.
    """
    if path.is_dir():
        return next((n for n in _ROOTS if (path / n).is_file()), "")
    with path.open("rb") as handle:
        if handle.read(4) != b"PK\x03\x04":
            return ""
    try:
        with zipfile.ZipFile(path) as packed:
            names = set(packed.namelist())
    except zipfile.BadZipFile:
        return ""
    return next((n for n in _ROOTS if n in names), "")


class _Attributed:
    """What netCDF4's variables and files share: attributes by name, and as attributes of Python."""

    _attributes: dict[str, Any]

    def ncattrs(self) -> list[str]:
        """Return the names of all attributes."""
        return list(self._attributes)

    def getncattr(self, name: str) -> Any:
        """Return an attribute."""
        return self._attributes[name]

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["_attributes"][name]
        except KeyError:
            raise AttributeError(name) from None


class ZarrVariable(_Attributed):
    """An array of a store with the attributes of CF."""

    def __init__(self, name: str, array: Any) -> None:
        self.name, self._array = name, array
        self._attributes = {k: v for k, v in dict(array.attrs).items() if k != _DIMENSIONS}
        self.shape, self.ndim, self.size = tuple(array.shape), array.ndim, int(array.size)
        self.dtype = np.dtype(array.dtype)
        version = array.metadata.zarr_format
        names = array.attrs.get(_DIMENSIONS) if version == 2 else array.metadata.dimension_names
        self.dimensions = tuple(str(n) for n in names or (f"{name}_{i}" for i in range(self.ndim)))
        fill = self._attributes.get(_FILL, array.metadata.fill_value if version == 2 else None)
        if fill is not None:
            self._attributes[_FILL] = _fill_value(fill, self.dtype)

    def __getitem__(self, index: Any) -> npt.NDArray[Any]:
        return np.asarray(self._array[index])

    def set_auto_maskandscale(self, on: bool) -> None:
        """Nothing to do: numbers are always as stored."""


def _fill_value(fill: Any, dtype: np.dtype[Any]) -> Any:
    """Return a fill value in the type of the data; xarray writes floats of version 3 in base 64."""
    if isinstance(fill, str) and dtype.kind == "f":
        try:
            return dtype.type(float(fill))
        except ValueError:
            return dtype.type(struct.unpack("<d", base64.standard_b64decode(fill))[0])
    return dtype.type(fill)


class ZarrGroup(_Attributed):
    """The arrays of numbers in the root of a store, as netCDF4 has the variables of a file."""

    def __init__(self, group: Any) -> None:
        arrays = {str(name): array for name, array in group.arrays() if np.dtype(array.dtype).kind in "iuf"}
        self.variables = {name: ZarrVariable(name, array) for name, array in arrays.items()}
        self.groups: Mapping[str, Any] = {}
        self.dimensions = {d for v in self.variables.values() for d in v.dimensions}
        self._attributes = dict(group.attrs)


@dataclass(frozen=True)
class ZarrStore:
    """Zarr stores of version 2 and 3, looked through before anything of them is decoded."""

    @contextmanager
    def opened(self, path: Path, known: bool = False) -> Iterator[Any]:
        """Open a store for reading; ``known`` ones are looked through only once."""
        import zarr

        with faults_named(path, "Zarr"):
            store = bounded_store(path, largest_chunk(path, root_of(path)) if known else check_store(path))
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of parts of the format that are not read
                    group = ZarrGroup(zarr.open_group(store, mode="r"))
                if "nowcast_archive" in group.ncattrs():
                    raise FileError(
                        f"{path}: is an archive of nowcast, expected radar files; nothing of it is read"
                    )
                yield group
            finally:
                store.close()

    def stored(self, variable: Any) -> Stored:
        """Return name, shape and type."""
        return Stored(variable.name, variable.shape, variable.dtype)

    def frame(self, path: Path, stored: Stored, axes: Axes, time: int) -> npt.NDArray[Any]:
        """Read a frame; each chunk is checked as it is read."""
        with self.opened(path, known=True) as data:
            return axes.frame(data.variables[stored.name], time)


def bounded_store(path: Path, most: int) -> Any:
    """Return a store of Zarr that refuses chunks which unpack to more than ``most`` bytes."""
    from zarr.storage import LocalStore, WrapperStore, ZipStore

    class Bounded(WrapperStore):  # type: ignore[misc]
        async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
            found = await super().get(key, prototype, byte_range)
            if found is not None and not key.endswith((".json", ".zarray", ".zattrs", ".zgroup", ".zmetadata")):
                check_packed_chunk(f"{path}: chunk {key}", found.to_bytes(), most)
            return found

    inner = ZipStore(path, mode="r") if path.is_file() else LocalStore(path, read_only=True)
    return Bounded(inner)
