"""A forecast file held in memory as its bytes, from which frames, windows and cells are read by many threads.

Why bytes: a server reads single frames of a file for hours, while the file is replaced or removed under its
name. The bytes are of one moment, and compressed they are a tenth of the values.

Dimensions: as in `nowcast.products.variables`; the last two of a variable are always y, x.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import netCDF4
import numpy as np
import numpy.typing as npt

from nowcast.core.errors import FileError, complain
from nowcast.core.grid import Grid
from nowcast.core.times import Times
from nowcast.products.cf_netcdf import FORMAT
from nowcast.products.variables import AXES, VARIABLES, FileVariable

Values = npt.NDArray[np.float32]
LEAD_TIME = "lead_time"
_SECOND = np.timedelta64(1, "s")
_ORIGIN = np.datetime64(0, "ns")
_BROKEN = (OSError, RuntimeError, LookupError, AttributeError, ValueError, TypeError, OverflowError)
_HDF5 = threading.Lock()
"""The library under netCDF4 is not made for several threads, not even with a file for each."""


@dataclass(frozen=True)
class HeldVariable:
    """A variable that the file holds."""

    name: str
    axes: tuple[str, ...]
    """Its dims before y and x."""
    shape: tuple[int, ...]
    """Sizes of these dims."""
    attrs: Mapping[str, Any]
    line: FileVariable
    name_in_file: str


class OpenForecast:
    """One forecast file, open for reading; safe to use from several threads."""

    def __init__(self, image: bytes, name: str) -> None:
        """Open the bytes of a forecast file.

        Args:
            image: all of the file.
            name: what messages call it.

        Raises:
            FileError: truncated, or not a forecast of this package.
        """
        self.name = name
        with _HDF5:
            try:
                _check_whole(image)
                self._file: Any = netCDF4.Dataset("nowcast.nc", memory=image)
                self._file.set_auto_maskandscale(False)
                self._read_header()
            except _BROKEN as error:
                line = " ".join(str(error).split())
                remedy = "copy it or forecast again"
                raise FileError(
                    complain(name, f"an unreadable file ({line})", "a whole forecast file", remedy)
                ) from error

    def _read_header(self) -> None:
        file = self._file
        self.attrs: dict[str, Any] = dict(file.__dict__)
        if self.attrs.get("nowcast_format") != FORMAT:
            raise ValueError(f"nowcast_format is '{self.attrs.get('nowcast_format', 'none')}', not '{FORMAT}'")
        y, x = (np.asarray(file[axis][:], np.float64) for axis in ("y", "x"))
        self.grid = Grid(str(file["crs"].getncattr("crs_wkt")), y, x)
        self.reference_time: np.datetime64 = _ORIGIN + int(file["forecast_reference_time"][...]) * _SECOND
        self.valid_times: Times = _ORIGIN + np.asarray(file["time"][:], np.int64) * _SECOND
        self.variables: dict[str, HeldVariable] = {}
        for line in VARIABLES.values():
            held = [name for name in (line.name, *line.former_names) if name in file.variables]
            if held:
                codes = file[held[0]]
                if codes.shape[-2:] != self.grid.shape:
                    raise ValueError(f"{held[0]} has the shape {codes.shape}, the grid {self.grid.shape}")
                attrs = {str(k): v for k, v in codes.__dict__.items()}
                self.variables[line.name] = HeldVariable(
                    line.name, line.dims[:-2], codes.shape[:-2], attrs, line, held[0]
                )
        self.labels: dict[str, npt.NDArray[Any]] = {
            axis: np.asarray(file[axis][:]) for axis in AXES if axis in file.variables
        }
        """Of each axis but lead_time, y and x."""

    def frame(self, variable: str, index: Sequence[int]) -> Values:
        """Read one frame (H, W), by its place along the axes of the variable."""
        held = self.variables[variable]
        with _HDF5:
            codes = np.asarray(self._file[held.name_in_file][tuple(index)])
        return held.line.kind.unpack(codes)

    def block(self, variable: str, picks: Sequence[Sequence[int]], rows: slice, columns: slice) -> Values:
        """Read a window of some places along the axes of a variable.

        Args:
            variable: its name.
            picks: rising indices along each of its axes.
            rows, columns: the window.

        Returns:
            Values (len(picks[0]), ..., rows, columns); NaN where nothing can be known.
        """
        held = self.variables[variable]
        spans = tuple(slice(pick[0], pick[-1] + 1) for pick in picks)
        with _HDF5:
            codes = np.asarray(self._file[held.name_in_file][(*spans, rows, columns)])
        for axis, pick in enumerate(picks):
            if len(pick) != codes.shape[axis]:
                codes = np.take(codes, np.asarray(pick) - pick[0], axis=axis)
        return held.line.kind.unpack(codes)


_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_END_OF_FILE = {0: 40, 1: 44, 2: 28, 3: 28}
"""Version of the superblock -> where the address of the end of the file stands."""


def _check_whole(image: bytes) -> None:
    """Refuse a file that ends before it should: in memory the library would read what follows as zeros.

    Source: HDF5 File Format Specification 3.0, section II.A.
    """
    if image[:8] != _SIGNATURE or len(image) < 64:
        raise ValueError("it is no HDF5 file")
    place = _END_OF_FILE.get(image[8])
    if place is None:
        raise ValueError(f"version {image[8]} of HDF5 is not known")
    end = int.from_bytes(image[place : place + 8], "little")
    if end > len(image):
        raise ValueError(f"it has {len(image)} of {end} bytes")
