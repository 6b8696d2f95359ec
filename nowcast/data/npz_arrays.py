"""Arrays out of .npz and .npy files, a few frames at a time; arrays of objects (pickles) are refused."""

from __future__ import annotations

import math
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import FileError

_LARGEST_ITEM = 1 << 28
_BROKEN = (
    OSError,
    KeyError,
    ValueError,
    TypeError,
    EOFError,
    SyntaxError,
    NotImplementedError,
    RuntimeError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What a damaged file makes zipfile and numpy raise."""


@dataclass
class StoredArray:
    """An array in a file that is read from its first item on."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    _file: Any

    def take(self, count: int) -> npt.NDArray[Any]:
        """Read the next ``count`` items (fewer at the end).

        Raises:
            EOFError: the file ends before the array does.
        """
        item = math.prod(self.shape[1:]) * self.dtype.itemsize
        content = self._file.read(count * item)
        if len(content) % item:
            raise EOFError("the file ends within an array")
        return np.frombuffer(content, self.dtype).reshape(-1, *self.shape[1:])


def names_of(path: Path) -> set[str]:
    """Return the names of the arrays of an .npz file.

    Raises:
        FileError: no such file, or none.
    """
    try:
        with zipfile.ZipFile(path) as file:
            return {name.removesuffix(".npy") for name in file.namelist()}
    except (OSError, zipfile.BadZipFile) as error:
        raise FileError(f"{path}: cannot be read as .npz ({error}); get the file again") from error


@contextmanager
def open_array(path: Path, name: str) -> Iterator[StoredArray]:
    """Open the array ``name`` of an .npz file.

    Raises:
        FileError: there is none, it holds objects, or the file is damaged where it was read.
    """
    try:
        with zipfile.ZipFile(path) as file, file.open(f"{name}.npy") as member:
            yield StoredArray(*_head(member, path, name), member)
    except _BROKEN as error:
        raise FileError(f"{path}: cannot read '{name}' ({error}); get the file again") from error


def _head(file: Any, path: Path, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(file)
    if dtype.hasobject or fortran or 0 in shape:
        raise FileError(
            f"{path}: '{name}' holds objects, nothing, or columns one by one, expected plain numbers; save "
            f"it anew"
        )
    if math.prod(shape[1:]) * dtype.itemsize > _LARGEST_ITEM:
        raise FileError(f"{path}: '{name}' claims {shape}, expected items of at most {_LARGEST_ITEM} bytes")
    return shape, dtype
