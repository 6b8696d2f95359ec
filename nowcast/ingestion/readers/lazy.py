"""What all readers share: a lazy field from "read frame i", size limits, raw codes to dBZ."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import numpy.typing as npt
import xarray as xr
from dask.local import get_sync

from nowcast.core.errors import FileError, NowcastError
from nowcast.core.field import make_field
from nowcast.core.grid import Grid
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.core.stripes import in_stripes
from nowcast.core.times import Times

Frame = npt.NDArray[np.float32]
MOST_CELLS = 100_000_000
"""Cells of the largest frame that is read: four times the largest national composite known here."""

_BLOCK = 1 << 16
HDF5_LOCK = threading.RLock()
"""The HDF5 library must not be entered by two threads at once, and dask reads with threads."""


def lazy_field(
    read: Callable[[int], Frame], times: Times, grid: Grid, attrs: Mapping[str, Any]
) -> xr.DataArray:
    """Make a field whose frame ``i`` is ``read(i)`` of shape (H, W), called only when computed."""
    count, (height, width) = len(times), grid.shape
    name = f"frames-{uuid.uuid4().hex}"  # told apart at once; naming them by what reads them takes milliseconds
    graph = {(name, i, 0, 0): (_block, read, i) for i in range(count)}
    chunks = ((1,) * count, (height,), (width,))
    frames = da.Array(graph, name, chunks, np.float32)  # type: ignore[no-untyped-call]
    return make_field(frames, times, grid, attrs)


def frame_at(data: Any, index: int) -> Frame:
    """Compute one frame (H, W) of a lazy field's dask array in this thread, without planning for more.

    Why not ``compute``: for a graph of one task its planning takes longer than small files take to read; and
    what `lazy_field` made is called outright.
    """
    if data.numblocks[1:] != (1, 1):
        data = data.rechunk({1: -1, 2: -1})
    key = (data.name, index, 0, 0)
    task = data.dask.get(key)
    if isinstance(task, tuple) and task[0] is _block:
        read: Callable[[int], Frame] = task[1]
        return read(task[2])
    found: Frame = np.asarray(get_sync(data.dask.cull({key}), key))[0]
    return found


def _block(read: Callable[[int], Frame], index: int) -> Frame:
    return read(index)[np.newaxis]


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


def looked_up(table: Frame, codes: npt.NDArray[Any]) -> Frame:
    """Return the entry of every code; ``table`` has one for each that its type can hold.

    Why block by block: numpy widens codes to eight bytes first, which for a large frame leaves the cache.
    """
    flat = np.ascontiguousarray(codes).reshape(-1)
    found = np.empty(flat.size, np.float32)
    for start in range(0, flat.size, _BLOCK):
        np.take(table, flat[start : start + _BLOCK], out=found[start : start + _BLOCK], mode="clip")
    return found.reshape(codes.shape)


@lru_cache(maxsize=32)
def _table(function: Callable[..., Frame], settings: tuple[Any, ...], every: int) -> Frame:
    """Return the dBZ of every code, cached: the files of one archive have the same."""
    return _all_of(partial(function, *settings), every)


def _all_of(to_dbz: Callable[[npt.NDArray[Any]], Frame], every: int) -> Frame:
    codes = np.arange(every).astype(np.uint8 if every == 1 << 8 else np.uint16)
    return np.maximum(to_dbz(codes), np.float32(NO_ECHO_DBZ))


def decode_codes(raw: npt.NDArray[Any], to_dbz: Callable[[npt.NDArray[Any]], Frame]) -> Frame:
    """Apply ``to_dbz``, by a table of 256 or 65 536 entries where that is shorter, else a few rows at a time.

    Echoes below ``NO_ECHO_DBZ`` count as no echo: the field cannot hold anything lower.
    """
    every = {np.dtype("u1"): 1 << 8, np.dtype("u2"): 1 << 16}.get(raw.dtype, 0)
    if 0 < every <= max(raw.size, 1 << 8):
        if isinstance(to_dbz, partial) and not to_dbz.keywords:
            table = _table(to_dbz.func, to_dbz.args, every)
        else:
            table = _all_of(to_dbz, every)
        return looked_up(table, raw)
    if raw.ndim < 2:
        return np.maximum(to_dbz(raw), np.float32(NO_ECHO_DBZ))
    found = np.empty(raw.shape, np.float32)
    for part, codes in zip(in_stripes(found), in_stripes(raw), strict=True):
        np.maximum(to_dbz(codes), np.float32(NO_ECHO_DBZ), out=part)
    return found
