"""Stacks of numbers without names: npy, npz and HDF5 whose data set, axes, place and time a mapping names."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.core.errors import FileError, SettingsError, complain
from nowcast.core.times import Times, nanoseconds
from nowcast.ingestion.mapped.cf import NamedVariable
from nowcast.ingestion.mapped.file_time import stated_times
from nowcast.ingestion.mapped.place import north_first, stated_grid
from nowcast.ingestion.mapped.settings import ArraySettings, Mapping
from nowcast.ingestion.mapped.sevir import vil_to_dbz
from nowcast.ingestion.mapped.values import value_decoder
from nowcast.ingestion.readers.cf_time import decode_times, in_order
from nowcast.ingestion.readers.hdf5 import HDF5_MAGIC, check_packed, open_hdf5
from nowcast.ingestion.readers.lazy import Frame, faults_named, lazy_field

NPY_MAGIC = b"\x93NUMPY"
_LARGEST_PACKED = 2 << 30
_ROLES = ("time", "row", "column")


def open_stack(path: Path, mapping: Mapping) -> xr.DataArray:
    """Open a stack as a lazy field; npy is mapped into memory, HDF5 read frame by frame.

    Raises:
        SettingsError: the mapping lacks the unit, the place, the time, or an axis.
        FileError: no such array, no numbers, cut off, or larger than it may be.
    """
    with faults_named(path, "a stack of numbers"):
        with _array(path, mapping.variable) as array:
            axes = _axes(path, mapping, array.shape)
            grid = stated_grid(path, mapping, axes.shape(array.shape))
            attrs = _decoder(path, mapping, array.dtype)[1]
        times = _times(path, mapping, axes.frames(array.shape))
    order = in_order(path, times)
    attrs.update({k: v for k, v in (("source", mapping.source), ("licence", mapping.licence)) if v})
    return lazy_field(partial(_read, path, mapping, axes, order), times[order], grid, attrs)


@dataclass(frozen=True)
class _Axes:
    """Where time, row and column stand among the axes, and the index of each other one."""

    time: int | None
    row: int
    column: int
    fixed: tuple[tuple[int, int], ...]

    def shape(self, shape: tuple[int, ...]) -> tuple[int, int]:
        return shape[self.row], shape[self.column]

    def frames(self, shape: tuple[int, ...]) -> int:
        return 1 if self.time is None else shape[self.time]

    def index(self, frame: int, dims: int) -> tuple[Any, ...]:
        fixed = dict(self.fixed) | ({} if self.time is None else {self.time: frame})
        return tuple(fixed.get(axis, slice(None)) for axis in range(dims))


def _axes(path: Path, mapping: Mapping, shape: tuple[int, ...]) -> _Axes:
    settings = mapping.array or ArraySettings()
    layout = settings.layout or {2: _ROLES[1:], 3: _ROLES}.get(len(shape))
    if layout is None or len(layout) != len(shape):
        raise SettingsError(
            complain(
                "array.layout",
                list(layout or ()),
                f"names for the {len(shape)} axes of {path.name}, of {' x '.join(map(str, shape))}",
                "add them",
            )
        )
    if len(set(layout)) != len(layout) or not {"row", "column"} <= set(layout):
        raise SettingsError(
            complain(
                "array.layout", list(layout), "each name once, row and column among them", "mend the mapping"
            )
        )
    others = {name: axis for axis, name in enumerate(layout) if name not in _ROLES}
    if set(mapping.select) - set(others):
        raise SettingsError(
            complain(
                "select",
                sorted(mapping.select),
                f"some of {sorted(others)}, the other axes",
                "mend the mapping",
            )
        )
    for name, axis in others.items():
        if name not in mapping.select and shape[axis] != 1:
            raise SettingsError(
                complain(
                    "select",
                    "nothing",
                    f"an index of '{name}', of which {path.name} has {shape[axis]}",
                    "add it to the mapping",
                )
            )
        if not 0 <= mapping.select.get(name, 0) < shape[axis]:
            raise SettingsError(
                complain(f"select.{name}", mapping.select[name], f"0 to {shape[axis] - 1}", "counted from 0")
            )
    fixed = tuple((axis, mapping.select.get(name, 0)) for name, axis in others.items())
    time = layout.index("time") if "time" in layout else None
    return _Axes(time, layout.index("row"), layout.index("column"), fixed)


def _times(path: Path, mapping: Mapping, frames: int) -> Times:
    name = mapping.time.variable
    if name is None:
        return stated_times(path, mapping.time, frames)
    with _array(path, name) as array:
        if array.size != frames:
            raise FileError(
                complain(
                    f"{path}: {name}",
                    f"{array.size} times",
                    f"one for each of {frames} frames",
                    "choose another time.variable",
                )
            )
        values = np.asarray(array[...]).reshape(-1)
    offset = np.timedelta64(round(mapping.time.offset_minutes * 60), "s")
    if values.dtype.kind == "M":
        return nanoseconds(values + offset)
    stamp = NamedVariable(name, {"units": mapping.time.units or ""})
    found: Times = decode_times(path, stamp, values) + offset
    return found


def _decoder(path: Path, mapping: Mapping, dtype: np.dtype[Any]) -> tuple[Any, dict[str, str]]:
    """Return what turns stored numbers into dBZ, and what the field says of them."""
    settings = mapping.array or ArraySettings()
    if settings.decoding == "linear":
        decode = value_decoder(path, mapping, dtype)
        return decode, dict(decode.attrs)
    if settings.column_depth_km is None or not 0 < settings.column_depth_km <= 20:
        raise SettingsError(
            complain(
                "array.column_depth_km",
                settings.column_depth_km,
                "the depth of the column, above 0 and up to 20: its liquid is no reflectivity without it",
                "add it to the mapping",
            )
        )
    if dtype != np.uint8:
        raise FileError(f"{path}: holds {dtype}, expected the bytes of sevir_vil; leave array.decoding out")
    table = vil_to_dbz(settings.column_depth_km)
    quantity = f"VIL over {settings.column_depth_km:g} km"
    return (lambda raw: np.take(table, raw)), {"quantity": quantity}


def _read(path: Path, mapping: Mapping, axes: _Axes, order: npt.NDArray[np.intp], frame: int) -> Frame:
    with faults_named(path, "a stack of numbers"), _array(path, mapping.variable) as array:
        index = axes.index(int(order[frame]), array.ndim)
        if hasattr(array, "chunks"):
            check_packed(path, array, {a: i for a, i in enumerate(index) if isinstance(i, int)})
        raw = np.asarray(array[index])
        decode, _ = _decoder(path, mapping, raw.dtype)
    raw = raw if axes.row < axes.column else raw.T
    return north_first(mapping, decode(np.ascontiguousarray(raw)))


@contextmanager
def _array(path: Path, name: str | None) -> Iterator[Any]:
    """Yield an array of a file: mapped into memory (npy), of HDF5, or unpacked (npz)."""
    with path.open("rb") as handle:
        head = handle.read(8)
    if head == HDF5_MAGIC:
        with open_hdf5(path) as file:
            if name is None or name not in file or not hasattr(file[name], "dtype"):
                raise FileError(
                    complain(
                        f"{path}: variable",
                        f"'{name}'",
                        f"one of {', '.join(sorted(file)[:8])}",
                        "change the mapping",
                    )
                )
            yield file[name]
    elif head.startswith(NPY_MAGIC):
        if name is not None:
            raise FileError(
                f"{path}: holds one array without a name, expected '{name}'; leave variable and "
                "time.variable out of the mapping"
            )
        yield np.load(path, mmap_mode="r", allow_pickle=False)
    else:
        stat = path.stat()
        yield _unpacked(path, name, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=2)
def _unpacked(path: Path, name: str | None, mtime_ns: int, size: int) -> npt.NDArray[Any]:
    """Read an array of an npz file, once its header says that it is not larger than may be."""
    del mtime_ns, size
    with zipfile.ZipFile(path) as packed:
        names = [n.removesuffix(".npy") for n in packed.namelist() if n.endswith(".npy")]
        chosen = name if name is not None else names[0] if len(names) == 1 else None
        if chosen not in names:
            raise FileError(
                complain(
                    f"{path}: variable", f"'{name}'", f"one of {', '.join(names[:8])}", "change the mapping"
                )
            )
        with packed.open(f"{chosen}.npy") as member:
            version = np.lib.format.read_magic(member)
            headers = np.lib.format
            read = headers.read_array_header_1_0 if version == (1, 0) else headers.read_array_header_2_0
            shape, _, dtype = read(member)
        needed = math.prod(shape) * dtype.itemsize
        if dtype.hasobject or needed > _LARGEST_PACKED:
            raise FileError(
                complain(
                    f"{path}: {chosen}",
                    f"{needed} bytes of {dtype}",
                    f"numbers of at most {_LARGEST_PACKED} bytes",
                    "save it as .npy",
                )
            )
    with np.load(path, allow_pickle=False) as arrays:
        found: npt.NDArray[Any] = arrays[chosen]
    return found
