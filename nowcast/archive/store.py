"""What an archive says of itself, checked: metadata, grid, and the arrays over time.

Why checked to the last number: a store is a folder that anything may have happened to, and whoever opens it
deserves one line that says what, not an error of some library an hour later.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nowcast.archive.layout import MOST_SLOTS, PAGE, TIME_ARRAYS, VERSION, Document
from nowcast.archive.packing import PACKING, decode_chunk
from nowcast.core.errors import ArchiveError, GridError, printable
from nowcast.core.grid import Grid
from nowcast.core.places import DataPath, ObjectPath

_REMEDY = "the archive is damaged, remove it and ingest its files again"
_LARGEST_JSON = 64 << 20
_MOST_CELLS = 100_000_000
_YEARS = 366 * 24 * 3600
_TEXTS = ("source", "licence", "quantity", "z_r_relation", "measured_quantity")


@dataclass(frozen=True)
class Store:
    """The metadata of an archive."""

    attrs: Document
    grid: Grid
    step_seconds: int
    first_time: int
    """Seconds since 1970 of the first slot."""
    slots: int


def read_json(path: DataPath) -> Document:
    """Read a ``zarr.json``.

    Raises:
        ArchiveError: absent or damaged.
    """
    try:
        found = json.loads(_bytes(path, _LARGEST_JSON))
    except (ValueError, RecursionError) as error:
        raise ArchiveError(f"{path}: is not JSON ({printable(error)[:200]}); {_REMEDY}") from error
    if not isinstance(found, dict):
        raise ArchiveError(f"{path}: is not Zarr metadata; {_REMEDY}")
    return found


def read_root(path: DataPath) -> Document:
    """Read the metadata of the store, of which attributes and version have been checked.

    Raises:
        ArchiveError: no archive there, one of another version, or damaged.
    """
    if not _exists(path / "zarr.json"):
        raise ArchiveError(
            f"{path}: got no archive, expected a folder made by 'nowcast ingest FILES "
            f"--archive {path}'; check the path"
        )
    root = read_json(path / "zarr.json")
    attrs = root.get("attributes", {})
    version = attrs.get("nowcast_archive") if isinstance(attrs, dict) else None
    if version != VERSION:
        raise ArchiveError(
            f"{path}: got archive version {str(version)[:20]}, expected {VERSION}; it is "
            "another Zarr store or made by another nowcast, ingest the files again"
        )
    _whole_number(path, attrs, "first_time", -70 * _YEARS, 230 * _YEARS)
    _whole_number(path, attrs, "step_seconds", 1, _YEARS)
    for name in _TEXTS:
        if not isinstance(attrs.get(name, ""), str):
            raise _fault(path, f"attribute {name}", attrs[name], "text")
    if not isinstance(attrs.get("provenance", {}), dict):
        raise _fault(path, "attribute provenance", attrs["provenance"], "names and versions")
    return root


def read_store(path: DataPath) -> Store:
    """Read everything that an archive says of itself.

    Raises:
        ArchiveError: no archive there, one of another version, or damaged.
    """
    root = read_root(path)
    attrs: Document = root["attributes"]
    consolidated = root.get("consolidated_metadata")
    arrays = consolidated.get("metadata") if isinstance(consolidated, dict) else None
    if not isinstance(arrays, dict):
        raise _fault(path, "consolidated metadata", arrays, "the metadata of every array")
    slots, height, width = _shape(path, arrays, "reflectivity", "int16", 3)
    if not 0 <= slots <= MOST_SLOTS or height < 2 or width < 2 or height * width > _MOST_CELLS:
        raise _fault(
            path,
            "shape of reflectivity",
            [slots, height, width],
            f"at most {MOST_SLOTS} frames of 2 x 2 to {_MOST_CELLS / 1e6:.0f} million cells",
        )
    rows = {name: (dtype, slots) for name, (dtype, _) in TIME_ARRAYS.items()}
    for name, (dtype, size) in {**rows, "y": ("float64", height), "x": ("float64", width)}.items():
        if _shape(path, arrays, name, dtype, 1) != [size]:
            raise _fault(path, f"shape of {name}", arrays[name]["shape"], [size])
    packing = arrays["reflectivity"].get("attributes")
    for name, value in (("scale_factor", PACKING.scale), ("add_offset", PACKING.offset)):
        if not isinstance(packing, dict) or packing.get(name) != value:
            raise _fault(path, f"{name} of reflectivity", packing, value)
    last = attrs["first_time"] + slots * attrs["step_seconds"]
    if last > 230 * _YEARS:
        raise _fault(path, "end of the times", f"{last} s after 1970", "a time before the year 2200")
    grid = _grid(path, arrays.get("crs"), height, width)
    return Store(attrs, grid, attrs["step_seconds"], attrs["first_time"], slots)


def _shape(path: DataPath, arrays: Document, name: str, dtype: str, dims: int) -> list[int]:
    """Return the shape that the metadata of an array states, once it is one and the type is right."""
    document = arrays.get(name)
    if not isinstance(document, dict):
        raise _fault(path, f"metadata of {name}", document, "those of an array")
    shape = document.get("shape")
    if not isinstance(shape, list) or len(shape) != dims or any(type(n) is not int or n < 0 for n in shape):
        raise _fault(path, f"shape of {name}", shape, f"{dims} whole numbers")
    if document.get("data_type") != dtype:
        raise _fault(path, f"type of {name}", document.get("data_type"), dtype)
    return shape


def _whole_number(path: DataPath, attrs: Document, name: str, low: int, high: int) -> None:
    value = attrs.get(name)
    if type(value) is not int or not low <= value <= high:
        raise _fault(path, f"attribute {name}", value, f"a whole number from {low} to {high}")


def _fault(path: DataPath, what: str, value: object, expected: object) -> ArchiveError:
    return ArchiveError(f"{path}: {what}: got {printable(value)[:60]}, expected {expected}; {_REMEDY}")


def _grid(path: DataPath, crs: object, height: int, width: int) -> Grid:
    attrs = crs.get("attributes") if isinstance(crs, dict) else None
    wkt = attrs.get("crs_wkt") if isinstance(attrs, dict) else None
    if not isinstance(wkt, str):
        raise _fault(path, "crs_wkt", wkt, "the projection as text")
    y, x = (
        decode_chunk(_bytes(path / name / "c.0", 16 * size + 4096), np.float64, (size,), f"{path}/{name}")
        for name, size in (("y", height), ("x", width))
    )
    try:
        grid = Grid(wkt, y, x)
        if not (grid.crs.is_projected or grid.crs.is_geographic):
            raise GridError(f"grid: got '{grid.crs.type_name}', expected projected or geographic coordinates")
    except GridError as error:
        raise ArchiveError(f"{path}: {printable(error)[:300]}; {_REMEDY}") from error
    return grid


def read_over_time(path: DataPath, name: str, slots: int) -> npt.NDArray[Any]:
    """Read ``slots`` values of one array over time; pages nobody wrote hold its fill value."""
    dtype, fill = TIME_ARRAYS[name]
    pages = -(-slots // PAGE)
    values = np.full(pages * PAGE, fill, dtype=dtype)
    for page in range(pages):
        place = path / name / f"c.{page}"
        with contextlib.suppress(FileNotFoundError):
            data = content_of(place, 16 * PAGE + 4096)
            values[page * PAGE : (page + 1) * PAGE] = decode_chunk(data, dtype, (PAGE,), str(place))
    return values[:slots]


def _exists(path: DataPath) -> bool:
    try:
        return path.exists()
    except OSError as error:
        raise ArchiveError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error


def content_of(path: DataPath, most: int) -> bytes:
    """Return the content of a file of at most ``most`` bytes.

    Raises:
        FileNotFoundError: it is not there.
        ArchiveError: it is larger, no ordinary file, or cannot be read.
    """
    if isinstance(path, ObjectPath):
        return _object(path, most)
    try:
        size = path.stat().st_size
        if size > most or not path.is_file():
            raise ArchiveError(f"{path}: got {size} bytes, expected a file of at most {most}; {_REMEDY}")
        return path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _unread(path, error) from error


def _object(path: ObjectPath, most: int) -> bytes:
    """Read an object with one request: each takes as long as reading a file takes in all."""
    try:
        found = path.read_bytes(most + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _unread(path, error) from error
    if len(found) > most:
        raise ArchiveError(f"{path}: got more than {most} bytes, expected a file of at most that; {_REMEDY}")
    return found


def _unread(path: DataPath, error: OSError) -> ArchiveError:
    return ArchiveError(
        f"{path}: cannot be read ({error.strerror}); this is not an archive of nowcast, or it is damaged"
    )


def _bytes(path: DataPath, most: int) -> bytes:
    try:
        return content_of(path, most)
    except FileNotFoundError as error:
        raise _unread(path, error) from error
