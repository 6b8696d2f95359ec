"""Arrays out of HDF5 files that others made: only what lies in the file itself is read, and no pickle ever.

h5py is imported when the first file is opened: reading from a cache does without.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nowcast.core.errors import FileError

_LARGEST_CHUNK = 1 << 26
_LARGEST_ITEM = 1 << 26
_LARGEST_LIST = 1 << 28
_LAST_NUMBER = re.compile(r"(\d+)$")


@contextmanager
def open_hdf5(path: Path) -> Iterator[Any]:
    """Open an HDF5 file to read.

    Raises:
        FileError: no such file, none of HDF5, or damaged where it was read.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, KeyError, RuntimeError, ValueError) as error:
        raise FileError(f"{path}: cannot be read as HDF5 ({error}); get the file again") from error


def array_of(file: Any, name: str, axes: int) -> Any:
    """Return the array ``name`` of an open file, unread.

    Raises:
        FileError: there is none, it has another number of axes, or its content lies in another file.
    """
    import h5py

    found = file.get(name) if isinstance(file.get(name, getlink=True), h5py.HardLink) else None
    if not isinstance(found, h5py.Dataset) or len(found.shape) != axes:
        had = ", ".join(sorted(map(str, file))[:9]) or "nothing"
        shape = getattr(found, "shape", None)
        raise FileError(
            f"{file.filename}: got {had if shape is None else shape}, expected an array '{name}' of {axes} "
            "axes; get the file again"
        )
    if found.is_virtual or found.external:
        raise FileError(
            f"{file.filename}: '{name}' lies in other files, expected it in this one; copy it whole"
        )
    item = found.dtype.itemsize
    chunk, whole = math.prod(found.chunks or ()) * item, (found.size or 0) * item
    if found.dtype.hasobject and axes > 1:
        raise FileError(f"{file.filename}: '{name}' holds objects, expected plain numbers; save it anew")
    if chunk > max(_LARGEST_CHUNK, 2 * whole):
        raise FileError(
            f"{file.filename}: got chunks of {chunk} bytes of '{name}', expected no more than its own {whole}; "
            "it is not read"
        )
    largest, held = (_LARGEST_LIST, whole) if axes == 1 else (_LARGEST_ITEM, math.prod(found.shape[1:]) * item)
    if held > largest:
        raise FileError(
            f"{file.filename}: '{name}' claims {found.shape}, expected at most {largest} bytes "
            f"{'in all' if axes == 1 else 'an item'}; get the file again"
        )
    return found


def texts_of(file: Any, name: str) -> list[str]:
    """Return a list of texts: an array of them, or a group of single ones numbered by the end of their names.

    Raises:
        FileError: there is no such list.
    """
    import h5py

    found = file.get(name) if isinstance(file.get(name, getlink=True), h5py.HardLink) else None
    if isinstance(found, h5py.Group):
        numbered = {int(end[1]): key for key in found if (end := _LAST_NUMBER.search(key))}
        return [_text(array_of(found, numbered[number], 0)[()]) for number in sorted(numbered)]
    return [_text(value) for value in array_of(file, name, 1)[:]]


def _text(value: Any) -> str:
    if not isinstance(value, (bytes, str)):
        raise FileError(f"got {type(value).__name__}, expected text; get the file again")
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
