"""What all readers share: a lazy field from "read frame i", size limits, raw codes to dBZ."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.core.errors import FileError, NowcastError
from nowcast.core.field import make_field
from nowcast.core.grid import Grid
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.core.times import Times

Frame = npt.NDArray[np.float32]
MOST_CELLS = 100_000_000
"""Cells of the largest frame that is read: four times the largest national composite known here."""

HDF5_LOCK = threading.RLock()
"""The HDF5 library must not be entered by two threads at once, and dask reads with threads."""


def lazy_field(
    read: Callable[[int], Frame], times: Times, grid: Grid, attrs: Mapping[str, Any]
) -> xr.DataArray:
    """Make a field whose frame ``i`` is ``read(i)`` of shape (H, W), called only when computed."""
    count, (height, width) = len(times), grid.shape
    frames = da.map_blocks(  # type: ignore[no-untyped-call]
        _block, da.arange(count, chunks=1), read,
        chunks=((1,) * count, (height,), (width,)), new_axis=[1, 2],
        dtype=np.float32, meta=np.empty((0, 0, 0), np.float32),
    )
    return make_field(frames, times, grid, attrs)


def _block(index: npt.NDArray[np.int64], read: Callable[[int], Frame]) -> Frame:
    return read(int(index[0]))[np.newaxis]


def check_size(path: Path, height: int, width: int) -> None:
    """Refuse a frame that is empty or larger than `MOST_CELLS` before any of it is read.

    Raises:
        FileError: with the declared size.
    """
    if height < 2 or width < 2 or height * width > MOST_CELLS:
        raise FileError(
            f"{path}: declares frames of {height} x {width} cells, expected 2 x 2 to "
            f"{MOST_CELLS / 1e6:.0f} million cells; the file is damaged or not a radar composite"
        )


@contextmanager
def faults_named(path: Path, what: str) -> Iterator[None]:
    """Turn whatever a library raises into one `FileError` that names the file.

    Why two lines: what the system and the libraries of formats raise speaks of damage; anything else may
    come from a sound file that the reader does not understand.
    """
    try:
        yield
    except NowcastError:
        raise
    except MemoryError as error:
        raise FileError(f"{path}: declares more data than fits into memory; fetch it again") from error
    except Exception as error:
        said = " ".join(str(error).split())[:200] or type(error).__name__
        remedy = "it is truncated or damaged, fetch it again"
        if not isinstance(error, OSError | RuntimeError | EOFError):
            said = f"{type(error).__name__}: {said}"
            remedy = "expected a file that follows its format; if other programs read it, report this line"
        raise FileError(f"{path}: cannot be read as {what} ({said}); {remedy}") from error


def decode_codes(
    raw: npt.NDArray[Any], to_dbz: Callable[[npt.NDArray[Any]], Frame]
) -> Frame:
    """Apply ``to_dbz``, by a table of 256 entries where the codes are bytes; floor at no echo.

    Echoes below ``NO_ECHO_DBZ`` count as no echo: the field cannot hold anything lower.
    """
    if raw.dtype == np.uint8:
        table = np.maximum(to_dbz(np.arange(256, dtype=np.uint8)), np.float32(NO_ECHO_DBZ))
        return np.take(table, raw)
    return np.maximum(to_dbz(raw), np.float32(NO_ECHO_DBZ))
