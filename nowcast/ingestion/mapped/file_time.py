"""Times out of file names, by a pattern such as ``radar_%Y%m%d_%H%M.png``."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path

import numpy as np

from nowcast.core.errors import SettingsError, TimeError, complain
from nowcast.core.times import Times, nanoseconds, parse_time
from nowcast.ingestion.mapped.settings import TimeSettings

_CODES = {
    "%Y": r"\d{4}",
    "%y": r"\d{2}",
    "%m": r"\d{2}",
    "%d": r"\d{2}",
    "%H": r"\d{2}",
    "%M": r"\d{2}",
    "%S": r"\d{2}",
    "%j": r"\d{3}",
    "%b": r"[A-Za-z]{3}",
}
_DATES = ({"%m", "%d"}, {"%b", "%d"}, {"%j"})
_LONGEST = 200


@lru_cache(maxsize=32)
def _pattern(text: str) -> tuple[re.Pattern[str], tuple[str, ...]]:
    """Return what finds the pieces of a time in a name, and their codes."""
    pieces = re.findall(r"%.|\*|[^%*]+|%", text)
    codes = tuple(p for p in pieces if p.startswith("%"))
    unknown = [c for c in codes if c not in _CODES]
    dated = {"%Y", "%y"} & set(codes) and any(part <= set(codes) for part in _DATES)
    if unknown or not dated or len(set(codes)) < len(codes) or len(text) > _LONGEST:
        raise SettingsError(
            f"time.file_name: got '{text[:80]}', expected the codes {' '.join(_CODES)}, each "
            "once and a whole date among them; * stands for any text"
        )
    expression = "".join(
        f"({_CODES[p]})" if p in _CODES else ".*?" if p == "*" else re.escape(p) for p in pieces
    )
    return re.compile(expression), codes


def check_pattern(text: str) -> None:
    """Refuse a pattern that names no whole date.

    Raises:
        SettingsError: with the codes that may stand in it.
    """
    _pattern(text)


def time_in_name(path: Path, pattern: str) -> np.datetime64:
    """Return the time that the name of a file states.

    Raises:
        TimeError: the name does not hold the pattern, or no time that exists.
        SettingsError: the pattern names no whole date.
    """
    expression, codes = _pattern(pattern)
    found = expression.search(path.name)
    if not found:
        raise TimeError(
            f"{path}: its name does not hold '{pattern}', expected a time; change time.file_name of the mapping"
        )
    try:
        moment = datetime.strptime(" ".join(found.groups()), " ".join(codes))
    except ValueError as error:
        raise TimeError(
            f"{path}: the time '{' '.join(found.groups())}' of its name does not exist, expected "
            f"'{' '.join(codes)}'"
        ) from error
    return np.datetime64(moment, "ns")


def times_by(path: Path, settings: TimeSettings, frames: int) -> Times | None:
    """Return the times of the frames of a file by the name or by ``start``; None where neither is given.

    Raises:
        TimeError: no time in the name, or several frames and no step.
    """
    if settings.file_name is not None:
        first = time_in_name(path, settings.file_name)
    elif settings.start is not None:
        first = parse_time(settings.start)
    else:
        return None
    if frames > 1 and settings.step_minutes is None:
        raise TimeError(
            f"{path}: holds {frames} frames and one time, expected one frame; give "
            "time.step_minutes in the mapping"
        )
    first = first + np.timedelta64(timedelta(minutes=settings.offset_minutes))
    step = np.timedelta64(timedelta(minutes=settings.step_minutes or 0.0))
    try:
        return nanoseconds(first + step.astype("timedelta64[us]") * np.arange(frames))
    except TimeError as error:
        raise TimeError(f"{path}: {error}") from error


def stated_times(path: Path, settings: TimeSettings, frames: int) -> Times:
    """Return the times of the frames of a file that says none itself.

    Raises:
        SettingsError: the mapping says none either.
        TimeError: as `times_by`.
    """
    found = times_by(path, settings, frames)
    if found is None:
        raise SettingsError(
            complain(
                "time", "nothing", f"file_name or start, as {path.name} says no time", "add one to the mapping"
            )
        )
    return found
