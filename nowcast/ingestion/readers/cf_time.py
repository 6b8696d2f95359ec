"""The times of a CF netCDF file, in UTC, and over how long its rain was summed.

Units such as "minutes since 2021-07-04 12:00 -6:00" are read by UDUNITS (package ``cf-units``), which knows all
the ways CF allows to write a time zone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import cftime
import numpy as np
import numpy.typing as npt

from nowcast.core.errors import FileError, TimeError, complain
from nowcast.core.times import Times, nanoseconds, to_text
from nowcast.ingestion.readers.cf_attributes import numbers, unpacked
from nowcast.ingestion.readers.cf_quantity import factor_to, stated_units

_MOST_TIMES = 100_000
_CALENDARS = ("standard", "gregorian", "proleptic_gregorian")
_LONGEST_UNIT_S = 7 * 86_400.0
_COARSEST_S = 60.0
_SINCE = re.compile(r"^\w+ since ", re.IGNORECASE)
_ZONE = re.compile(r"\s*(?:UTC|GMT|Z)\s*(?=[+-]\d)", re.IGNORECASE)
_EPOCH = re.compile(r"^(.*) @ (\d{1,4})-?(\d\d)-?(\d\d)[T ](\d\d):?(\d\d):?(\d\d)(?:\.(\d+))?(?: UTC)?$")
_FORECAST = re.compile(r"forecast|lead", re.IGNORECASE)
_PERIOD_NAMES = re.compile(r"(accum|integrat|averag)\w*(period|interval|time|length|duration|hours|minutes)")
_ISO_PERIOD = re.compile(r"^PT?(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?$")
_SECOND = np.timedelta64(1_000_000_000, "ns")


def times_of(path: Path, variables: dict[str, Any], variable: Any, dimension: str | None) -> tuple[Times, Any]:
    """Return the times as stored, rounded to whole seconds, and the variable they stand in.

    Args:
        path: for messages.
        variables: all of the file.
        variable: the one that is read.
        dimension: its time axis, None where it is one frame.

    Raises:
        FileError: no time, a calendar that is not the world's, a unit that is no fixed time, a forecast.
        TimeError: a year that no radar saw.
    """
    stamp = _time_variable(path, variables, variable, dimension)
    if stamp.size > _MOST_TIMES or stamp.size == 0:
        raise FileError(f"{path}: declares {stamp.size} times, expected 1 to {_MOST_TIMES}")
    if _FORECAST.search(str(getattr(stamp, "long_name", ""))):
        raise FileError(
            f"{path}: its times are {stamp.long_name!r}, expected those of observations; a "
            "forecast is not ingested"
        )
    if "climatology" in stamp.ncattrs():
        raise FileError(f"{path}: its times are of a climatology, expected those of observations")
    return decode_times(path, stamp, unpacked(stamp)), stamp


def _time_variable(path: Path, variables: dict[str, Any], variable: Any, dimension: str | None) -> Any:
    of_the_frames = (
        [v for v in variables.values() if v.dimensions == (dimension,)]
        if dimension
        else [v for v in variables.values() if v.size == 1 and v.ndim <= 1]
    )
    stamps = [v for v in of_the_frames if " since " in stated_units(v).lower()]
    for wanted in (
        lambda v: str(getattr(v, "standard_name", "")) == "time",
        lambda v: v.name == dimension,
        lambda v: v.name.lower() in ("time", "valid_time"),
        lambda v: len(stamps) == 1,
    ):
        found = [v for v in stamps if wanted(v)]
        if len(found) == 1:
            return found[0]
    listed = ", ".join(f"{v.name!r} in {stated_units(v)!r}" for v in of_the_frames if v.dtype != variable.dtype)
    raise FileError(
        f"{path}: got no one time coordinate of {variable.name!r} ({listed[:200] or 'none'}), "
        "expected one with units such as 'seconds since 1970-01-01'"
    )


def decode_times(path: Path, stamp: Any, values: Any) -> Times:
    """Turn numbers of a time variable into times.

    Raises:
        FileError: as `times_of`.
        TimeError: as `times_of`.
    """
    calendar = str(getattr(stamp, "calendar", "standard")).lower()
    if calendar not in _CALENDARS:
        raise FileError(
            complain(
                f"{path}: calendar",
                repr(calendar[:40]),
                f"one of {', '.join(_CALENDARS)}",
                "mend it, or, if its numbers are of the world's calendar, say so by a mapping (--mapping) with "
                "time: {calendar: standard}",
            )
        )
    seconds, epoch = _unit(path, stated_units(stamp), calendar)
    given = (np.ma if np.ma.isMaskedArray(values) else np).atleast_1d(values)
    found = np.ma.filled(given.astype(np.float64), np.nan)
    if not np.isfinite(found).all():
        raise FileError(f"{path}: some times are missing values, expected a time for every frame")
    moments = found * seconds + epoch
    if (np.abs(moments) > 1e12).any():
        raise TimeError(
            f"{path}: time: got {found[np.argmax(np.abs(moments))]:g} {stated_units(stamp)!r}, "
            "expected a time of the years 1970 to 2199"
        )
    if given.dtype.kind == "f" and np.spacing(np.abs(given).max()) * seconds > _COARSEST_S:
        raise FileError(
            f"{path}: times are {given.dtype} {stated_units(stamp)!r}, which tells no minutes "
            "apart; expected float64 or whole numbers"
        )
    try:
        return nanoseconds(np.round(moments).astype(np.int64).astype("datetime64[s]"))
    except TimeError as error:
        raise TimeError(f"{path}: {error}") from error


@lru_cache(maxsize=256)
def _epoch(units: str, calendar: str) -> tuple[float, float] | None:
    """Return the unit in seconds and its reference in seconds since 1970, None where UDUNITS knows neither."""
    import cf_units

    try:
        plain = _SINCE.sub(lambda start: start.group().lower(), _ZONE.sub(" ", units))
        text = cf_units.Unit(plain, calendar="standard").format()
        found = _EPOCH.match(text)
        seconds = found and factor_to(found.group(1), "s")
        if not found or not seconds:
            return None
        date = cftime.datetime(*(int(found.group(i)) for i in range(2, 8)), calendar=calendar)
        epoch = cftime.date2num(date, "seconds since 1970-01-01", calendar)
        return seconds, float(epoch) + float(f"0.{found.group(8) or 0}")
    except (ValueError, OverflowError):
        return None


def _unit(path: Path, units: str, calendar: str) -> tuple[float, float]:
    found = _epoch(units, calendar)
    if found is None:
        raise FileError(f"{path}: got a time in {units!r}, expected units such as 'seconds since 1970-01-01'")
    if found[0] > _LONGEST_UNIT_S:
        raise FileError(
            f"{path}: got a time in {units!r}, a unit that has no fixed length; expected seconds, "
            "minutes, hours or days since a time"
        )
    return found


def in_order(path: Path, times: Times) -> npt.NDArray[np.intp]:
    """Return the order that sorts the times.

    Raises:
        FileError: a time twice.
    """
    order = np.argsort(times, kind="stable")
    twice = times[order][1:][np.diff(times[order]) == np.timedelta64(0, "ns")]
    if len(twice):
        raise FileError(
            f"{path}: got {to_text(twice[0])} twice, expected each time once; which of the two "
            "frames is right cannot be told, ask the producer or split the file"
        )
    return order


def period_hours(
    path: Path, variables: dict[str, Any], variable: Any, stamp: Any, times: Times, attributes: Iterable[Any]
) -> float | None:
    """Return over how many hours the values are summed or averaged; None where the file does not say.

    ``stamp`` and ``times`` are what `times_of` returns.

    It is said by the bounds of the time, by a variable ``start_time``, by the interval in ``cell_methods``, or
    by an attribute such as ``accumulation_period``.

    Raises:
        FileError: periods of different length, or that end before they begin.
    """
    bounds = variables.get(str(getattr(stamp, "bounds", "")))
    if bounds is not None and bounds.shape == (*stamp.shape, 2):
        edges = decode_times(path, stamp, np.ma.asarray(bounds[...]).reshape(-1)).reshape(-1, 2)
        return _length(path, edges[:, 0], edges[:, 1])
    start = variables.get("start_time")
    if start is not None and start.shape == stamp.shape and " since " in stated_units(start).lower():
        return _length(path, decode_times(path, start, unpacked(start)), times)
    interval = re.search(
        r"time:\s*(?:sum|mean)\s*\(\s*interval:\s*([^)]+?)\s*\)", str(getattr(variable, "cell_methods", ""))
    )
    if interval:
        return _hours(interval.group(1))
    for holder in attributes:
        for name in holder.ncattrs():
            if _PERIOD_NAMES.search(name.lower()):
                return _stated_hours(holder, name)
    return None


def _length(path: Path, first: Times, last: Times) -> float:
    lengths = np.unique(last - first)
    if len(lengths) != 1 or lengths[0] < _SECOND:
        raise FileError(
            f"{path}: its periods last {', '.join(f'{x / _SECOND:g} s' for x in lengths[:3])}, "
            "expected one length above zero; split the file by period"
        )
    return float(lengths[0] / _SECOND) / 3600.0


def _stated_hours(holder: Any, name: str) -> float | None:
    value = holder.getncattr(name)
    if isinstance(value, str):
        return _hours(value)
    unit = re.search(r"hour|minute|second", name.lower())
    return float(numbers(holder, name)[0]) * (factor_to(unit.group(), "h") or 0.0) if unit else None


def _hours(text: str) -> float | None:
    iso = _ISO_PERIOD.match(text.strip())
    if iso and any(iso.groups()):
        hours, minutes, seconds = (int(g or 0) for g in iso.groups())
        return hours + minutes / 60 + seconds / 3600
    return factor_to(text.strip()[:40], "h")
