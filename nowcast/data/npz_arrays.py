"""Arrays out of .npz and .npy files, a few frames at a time; arrays of objects (pickles) are refused."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import FileError


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
        item = int(np.prod(self.shape[1:])) * self.dtype.itemsize
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
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise FileError(f"{path}: cannot read '{name}' ({error}); get the file again") from error


def _head(file: BinaryIO | Any, path: Path, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(file)
    if dtype.hasobject or fortran:
        raise FileError(
            f"{path}: '{name}' holds objects or lies column by column, expected plain numbers; save it anew"
        )
    return shape, dtype
