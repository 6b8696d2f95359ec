"""Times are UTC ``datetime64[ns]``, steps are ``timedelta64[ns]``; parsing, periods and unbroken runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import TimeError

Times = npt.NDArray[np.datetime64]
DAY = np.timedelta64(1, "D").astype("timedelta64[ns]")
FIRST_YEAR, LAST_YEAR = 1970, 2199
"""The years that a time of radar may lie in: before there are no archives, and nanoseconds in 64 bits end
in 2262."""


def parse_time(text: str) -> np.datetime64:
    """Read an ISO 8601 time as UTC; an offset is applied, none means UTC already.

    Raises:
        TimeError: not a time.
    """
    try:
        found = datetime.fromisoformat(str(text).strip())
        if found.tzinfo is not None:
            found = found.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError) as error:
        raise TimeError(f"time: got '{text}', expected ISO 8601 in UTC such as 2025-03-22T12:00") from error
    moment: np.datetime64 = nanoseconds([np.datetime64(found, "us")])[0]
    return moment


def nanoseconds(times: npt.ArrayLike) -> Times:
    """Return times of any unit as ``datetime64[ns]``, refusing years that would wrap or that no radar saw.

    Why: numpy wraps silently; the year 1440 becomes 2024 in nanoseconds.

    Raises:
        TimeError: a time before 1970 or after 2199, or not a time.
    """
    found = np.asarray(times)
    if found.dtype.kind != "M":
        raise TimeError(f"time: got values of type {found.dtype}, expected times; check the file")
    years = found.astype("datetime64[Y]").astype(np.int64) + 1970
    wrong = np.isnat(found) | (years < FIRST_YEAR) | (years > LAST_YEAR)
    if wrong.any():
        raise TimeError(
            f"time: got {np.atleast_1d(found)[np.atleast_1d(wrong)][0]}, expected a time of the "
            f"years {FIRST_YEAR} to {LAST_YEAR}; check the units and the clock of the producer"
        )
    exact: Times = found.astype("datetime64[ns]")
    return exact


def snap(
    times: Times, step: np.timedelta64, tolerance: np.timedelta64, phase: np.datetime64 | None = None
) -> Times:
    """Return the times, those within ``tolerance`` of a step moved onto it, all others as they are.

    Why: radars and the programs behind them date frames some seconds late or early; without this the
    step becomes a nonsense number and most frames lie off it.

    Args:
        times: UTC times, in any order.
        step: distance of the slots, above zero.
        tolerance: how far a time may be moved, at least zero and below half a step.
        phase: any time that is a slot; the Unix epoch when None, that is whole steps of the clock.

    Raises:
        TimeError: a tolerance that is negative or would reach two slots.
    """
    size, most = as_step(step).astype(np.int64), tolerance.astype("timedelta64[ns]").astype(np.int64)
    if not 0 <= most < size / 2:
        raise TimeError(
            f"tolerance: got {tolerance}, expected at least 0 and below half of the step "
            f"{step}; give a smaller one"
        )
    stamps = np.asarray(times, "datetime64[ns]").astype(np.int64)
    start = 0 if phase is None else int(np.asarray(phase, "datetime64[ns]").astype(np.int64))
    off = (stamps - start + size // 2) % size - size // 2
    snapped: Times = np.where(np.abs(off) <= most, stamps - off, stamps).astype("datetime64[ns]")
    return snapped


def parse_period(text: str) -> tuple[np.datetime64, np.datetime64]:
    """Read ``START/END`` as a half-open period [start, end); a bare end date includes that whole day.

    Raises:
        TimeError: no slash, not times, or the end not after the start.
    """
    first, slash, last = str(text).partition("/")
    if not slash:
        raise TimeError(f"period: got '{text}', expected START/END such as 2025-03-21/2025-03-22")
    start, end = parse_time(first), parse_time(last)
    if len(last.strip()) == len("2025-03-22"):
        end = end + DAY
    if end <= start:
        raise TimeError(f"period: got '{text}', expected an end after the start; exchange the two")
    return start, end


def to_text(time: np.datetime64) -> str:
    """Write a time as ISO 8601 to the second with a Z, as logs and attributes show it."""
    return f"{np.datetime_as_string(time.astype('datetime64[s]'))}Z"


def now_utc() -> np.datetime64:
    """The present time in UTC."""
    return np.datetime64(datetime.now(UTC).replace(tzinfo=None), "ns")


def minutes(delta: np.timedelta64) -> float:
    """A time difference in minutes."""
    return float(delta / np.timedelta64(1, "m"))


def as_step(delta: timedelta | np.timedelta64) -> np.timedelta64:
    """Return any positive time difference as ``timedelta64[ns]``.

    Raises:
        TimeError: zero or negative.
    """
    step = np.timedelta64(delta, "ns")
    if step <= np.timedelta64(0, "ns"):
        raise TimeError(f"step: got {delta}, expected a time difference above zero")
    return step


def unbroken_runs(times: Times, step: np.timedelta64) -> list[tuple[int, int]]:
    """Return each maximal gap-free run of sorted times as half-open index pairs [first, last).

    Why: windows are built from times, never from indices, so that a missing frame is never bridged.
    """
    if len(times) == 0:
        return []
    breaks = np.flatnonzero(np.diff(times) != step) + 1
    edges = [0, *breaks.tolist(), len(times)]
    return list(pairwise(edges))
