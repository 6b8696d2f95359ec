"""Fields over latitudes and longitudes out of netCDF files: which file holds what, and one channel of it.

netCDF4 is imported when the first file is opened: reading from a cache does without.
Dimensions: T times, H latitudes from the north, W longitudes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import FileError
from nowcast.core.times import Times

_AXES = (("time",), ("lat", "latitude"), ("lon", "longitude"))


class Channel(NamedTuple):
    """One channel of a frame."""

    variable: str
    low: float
    high: float


class FilePart(NamedTuple):
    """The times of a variable that one file holds."""

    path: Path
    times: Times


def parts_of(paths: tuple[Path, ...], variable: str) -> list[FilePart]:
    """Find the files with a variable, in the order of their times."""
    found = []
    for path in paths:
        with _opened(path) as file:
            if variable.split("/", maxsplit=1)[0] in file.variables:
                found.append(FilePart(path, _times(file, path)))
    if not found:
        raise FileError(
            f"{paths[0]}: got no variable '{variable.split('/', maxsplit=1)[0]}' in {len(paths)} files; "
            "look at their names, or get the file of this variable"
        )
    found.sort(key=lambda part: part.times[0])
    for one, other in pairwise(found):
        if other.times[0] <= one.times[-1]:
            raise FileError(
                f"{other.path}: got times that {one.path.name} holds too, expected each once; remove one"
            )
    return found


def _opened(path: Path) -> Any:
    import netCDF4

    try:
        return netCDF4.Dataset(str(path))
    except (OSError, RuntimeError) as error:
        raise FileError(f"{path}: cannot be read as netCDF ({error}); get the file again") from error


def _times(file: Any, path: Path) -> Times:
    import netCDF4

    try:
        axis = file.variables["time"]
        dates: Any = netCDF4.num2date(
            axis[:], axis.units, getattr(axis, "calendar", "standard"), only_use_cftime_datetimes=True
        )
        times: Times = np.array([date.isoformat() for date in dates], "datetime64[ns]")
    except (KeyError, AttributeError, ValueError, TypeError, OSError, RuntimeError, OverflowError) as error:
        raise FileError(
            f"{path}: got no times ({error}), expected an axis 'time' with units; get the file again"
        ) from error
    if len(times) == 0 or (np.diff(times) <= np.timedelta64(0)).any():
        raise FileError(f"{path}: got {len(times)} times, expected them rising; mend the file")
    return times


def read_channel(part: FilePart, chosen: npt.NDArray[np.int64], channel: Channel) -> npt.NDArray[np.float32]:
    """Read some times of one channel: (T, H, W) in [0, 1]; NaN where the file has none."""
    name, _, level = channel.variable.partition("/")
    with _opened(part.path) as file:
        found = file.variables[name]
        axes = list(found.dimensions)
        index: dict[str, Any] = {axis: slice(int(chosen[0]), int(chosen[-1]) + 1) for axis in axes[:1]}
        if len(axes) == 4:
            index[axes[1]] = _level(file, axes[1], level, part.path)
        kept = [axis for axis in axes if not isinstance(index.get(axis), int)]
        if len(kept) != 3 or any(axis not in names for axis, names in zip(kept, _AXES, strict=True)):
            raise FileError(
                f"{part.path}: got '{name}' over {', '.join(axes)}, expected time, [level,] lat, lon"
            )
        read = np.ma.filled(
            found[tuple(index.get(axis, slice(None)) for axis in axes)].astype(np.float64), np.nan
        )
        northward = _is_northward(file, kept[1], part.path)
    values = np.asarray(read)[chosen - chosen[0]]
    if northward:
        values = values[:, ::-1]
    observed = values[~np.isnan(values)]
    if observed.size and not channel.low <= observed.min() <= observed.max() <= channel.high:
        raise FileError(
            f"{part.path}: got {observed.min():g} to {observed.max():g} of '{channel.variable}', "
            f"expected {channel.low:g} to {channel.high:g}; set wider 'ranges'"
        )
    scaled: npt.NDArray[np.float32] = ((values - channel.low) / (channel.high - channel.low)).astype(np.float32)
    return scaled


def _is_northward(file: Any, axis: str, path: Path) -> bool:
    """Whether the first row is the southernmost."""
    if axis not in file.variables:
        raise FileError(f"{path}: got an axis '{axis}' without values, expected latitudes; get the file again")
    latitudes = file.variables[axis][:2]
    return len(latitudes) > 1 and bool(latitudes[0] < latitudes[1])


def _level(file: Any, axis: str, level: str, path: Path) -> int:
    levels = [float(value) for value in file.variables[axis][:]] if axis in file.variables else []
    try:
        return levels.index(float(level))
    except ValueError as error:
        shown = ", ".join(f"{value:g}" for value in levels)
        raise FileError(f"{path}: got level '{level}', expected one of {shown}, named as in z/500") from error


def check_times(channels: tuple[Channel, ...], parts: list[list[FilePart]]) -> None:
    """Refuse variables of different times.

    Raises:
        FileError: which two.
    """
    for channel, found in zip(channels[1:], parts[1:], strict=True):
        same = len(found) == len(parts[0]) and all(
            np.array_equal(one.times, other.times) for one, other in zip(parts[0], found, strict=True)
        )
        if not same:
            raise FileError(
                f"{found[0].path}: '{channel.variable}' has other times than '{channels[0].variable}', "
                "expected files of the same years of both; get those that lack"
            )


class Contents(NamedTuple):
    """What some files hold."""

    variables: list[str]
    """Those over time, latitudes and longitudes; of several levels the first, as in ``z/500``."""
    whole: tuple[Path, ...]
    """Files that can be read."""
    faults: list[str]
    """What is wrong with the others."""


def contents_of(paths: Sequence[Path]) -> Contents:
    """Look into every file."""
    found: dict[str, None] = {}
    whole, faults = [], []
    for path in paths:
        try:
            with _opened(path) as file:
                found |= dict.fromkeys(_fields(file))
            whole.append(path)
        except (FileError, KeyError, IndexError, OSError, RuntimeError, ValueError) as error:
            faults.append(str(error) if str(path) in str(error) else f"{path}: {error}")
    return Contents(list(found), tuple(whole), faults)


def _fields(file: Any) -> Iterator[str]:
    for name, variable in file.variables.items():
        axes = variable.dimensions
        kept = [axes[0], *axes[-2:]] if len(axes) in (3, 4) else []
        if len(kept) == 3 and all(axis in names for axis, names in zip(kept, _AXES, strict=True)):
            if len(axes) == 4 and axes[1] not in file.variables:
                raise FileError(f"got '{name}' over '{axes[1]}' without values, expected levels")
            yield f"{name}/{float(file.variables[axes[1]][0]):g}" if len(axes) == 4 else name
