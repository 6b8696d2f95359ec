"""Times are UTC ``datetime64[ns]``, steps are ``timedelta64[ns]``; parsing, periods and unbroken runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import TimeError

Times = npt.NDArray[np.datetime64]
DAY = np.timedelta64(1, "D").astype("timedelta64[ns]")


def parse_time(text: str) -> np.datetime64:
    """Read an ISO 8601 time as UTC; an offset is applied, none means UTC already.

    Raises:
        TimeError: not a time.
    """
    try:
        found = datetime.fromisoformat(str(text).strip())
    except ValueError as error:
        raise TimeError(
            f"time: got '{text}', expected ISO 8601 in UTC such as 2025-03-22T12:00"
        ) from error
    if found.tzinfo is not None:
        found = found.astimezone(UTC).replace(tzinfo=None)
    return np.datetime64(found, "ns")


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
    """Give the present moment in UTC."""
    return np.datetime64(datetime.now(UTC).replace(tzinfo=None), "ns")


def minutes(delta: np.timedelta64) -> float:
    """Give a time difference in minutes."""
    return float(delta / np.timedelta64(1, "m"))


def as_step(delta: timedelta | np.timedelta64) -> np.timedelta64:
    """Give any positive time difference as ``timedelta64[ns]``.

    Raises:
        TimeError: zero or negative.
    """
    step = (
        np.timedelta64(delta, "ns")
        if isinstance(delta, timedelta)
        else delta.astype("timedelta64[ns]")
    )
    if step <= np.timedelta64(0, "ns"):
        raise TimeError(f"step: got {delta}, expected a time difference above zero")
    return step


def unbroken_runs(times: Times, step: np.timedelta64) -> list[tuple[int, int]]:
    """Give each maximal gap-free stretch of sorted times as half-open index pairs [first, last).

    Why: windows are built from times, never from indices, so that a missing frame is never bridged.
    """
    if len(times) == 0:
        return []
    breaks = np.flatnonzero(np.diff(times) != step) + 1
    edges = [0, *breaks.tolist(), len(times)]
    return list(pairwise(edges))
