"""The past of a forecast: which frames it starts from, and what becomes of those that are missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import xarray as xr

from nowcast.archive.thinned import RadarFrames, thinned
from nowcast.core.errors import SettingsError, TimeError, complain
from nowcast.core.times import Times, parse_time, to_text, unbroken_runs

if TYPE_CHECKING:
    from nowcast.forecasters.base import Forecaster

LATEST = "latest"
MOST_MISSING = 3
"""Past frames that may be missing unless the user says otherwise."""
OBSERVED_FRAMES = 6
"""Observed frames that are shown before a forecast."""


class ChosenPast(NamedTuple):
    """Where the past of a forecast is read from."""

    frames: RadarFrames
    times: Times
    missing: Times
    """Those of the times at which there is no frame."""


def choose_past(
    archive: RadarFrames,
    forecaster: Forecaster,
    at: np.datetime64 | str,
    *,
    short_past: bool,
    most_missing: int,
    count: int,
) -> ChosenPast:
    """Choose the frames as `observed_past`, and where some are missing, which are to be interpolated."""
    if most_missing < 0:
        raise SettingsError(
            complain(
                "missing frames (--most-missing)", most_missing, "0 or more", "0 refuses a past with a gap"
            )
        )
    none = np.array([], "datetime64[ns]")
    try:
        frames, times = observed_past(archive, forecaster, at, short_past=short_past, count=count)
        return ChosenPast(frames, times, none)
    except TimeError:
        if most_missing < 1:
            raise
        reference_time = find_reference_time(archive, at)
        frames = thinned(archive, forecaster.needs.step, reference_time)
        steps = np.arange(max(forecaster.needs.past, count) - 1, -1, -1)
        times = np.asarray(reference_time - frames.step * steps)
        missing = np.setdiff1d(times, frames.times)
        if len(missing) > most_missing or len(times) - len(missing) < 2:
            raise
        return ChosenPast(frames, times, missing)


def observed_past(
    archive: RadarFrames,
    forecaster: Forecaster,
    at: np.datetime64 | str = LATEST,
    *,
    short_past: bool = False,
    count: int = 0,
) -> tuple[RadarFrames, Times]:
    """Choose the frames a forecast starts from: the archive at the forecaster's step, and their times.

    Args:
        archive, forecaster, at, short_past: as `forecast`.
        count: frames to read if more than the forecaster needs.

    Raises:
        TimeError: as `forecast`.
    """
    reference_time = find_reference_time(archive, at)
    frames = thinned(archive, forecaster.needs.step, reference_time)
    most = max(forecaster.needs.past, count)
    if short_past and forecaster.needs.fewest is not None:
        times = _unbroken_past(frames, reference_time, most)
        if len(times) < forecaster.needs.fewest:
            raise TimeError(
                complain(
                    f"past of {to_text(reference_time)}",
                    f"{len(times)} frame without a gap",
                    f"at least {forecaster.needs.fewest}",
                    "ingest the frames before it",
                )
            )
        return frames, times
    return frames, past_times(frames, reference_time, most)


def find_reference_time(archive: RadarFrames, at: np.datetime64 | str = LATEST) -> np.datetime64:
    """Find the forecast reference time that ``at`` names: the time of a frame the archive holds.

    Raises:
        TimeError: an empty archive, not a time, or a time without a frame; the nearest is named.
    """
    if not len(archive.times):
        raise TimeError(complain(str(archive.path), "no frames", "at least one", "ingest files first"))
    newest: np.datetime64 = archive.times[-1]
    if isinstance(at, str) and at == LATEST:
        return newest
    wanted = parse_time(at) if isinstance(at, str) else at.astype("datetime64[ns]")
    nearest = archive.times[int(np.abs(archive.times - wanted).argmin())]
    if nearest != wanted:
        raise TimeError(
            complain(
                "forecast reference time (--at)",
                to_text(wanted),
                f"the time of a frame in {archive.path}",
                f"the nearest is {to_text(nearest)}",
            )
        )
    return wanted


def _named(times: Times, most: int = 20) -> str:
    more = f" and {len(times) - most} more" if len(times) > most else ""
    return ", ".join(map(to_text, times[:most])) + more


def past_times(archive: RadarFrames, reference_time: np.datetime64, count: int) -> Times:
    """The ``count`` times that end with the forecast reference time.

    Raises:
        TimeError: one is missing; all missing ones and the newest time that would do are named.
    """
    if count > len(archive.times):
        raise TimeError(
            complain(
                f"past of {to_text(reference_time)}",
                f"an archive of {len(archive.times)} frames",
                f"{count} frames without a gap",
                "ingest the missing files",
            )
        )
    times: Times = reference_time - archive.step * np.arange(count - 1, -1, -1)
    missing = times[~np.isin(times, archive.times)]
    if not len(missing):
        return times
    runs = unbroken_runs(archive.times, archive.step)
    good = [time for first, last in runs for time in archive.times[first + count - 1 : last]]
    before = [time for time in good if time <= reference_time] or good[:1]
    remedy = f"--at {to_text(before[-1])} would do" if before else "ingest the missing files"
    raise TimeError(
        complain(
            f"past of {to_text(reference_time)}",
            f"no frame at {_named(missing)}",
            f"{count} frames without a gap",
            remedy,
        )
    )


def _unbroken_past(archive: RadarFrames, reference_time: np.datetime64, most: int) -> Times:
    """The times of up to ``most`` frames that lead to the forecast reference time without a gap."""
    times = archive.times[archive.times <= reference_time][-most:]
    first = unbroken_runs(times, archive.step)[-1][0]
    return np.asarray(times[first:])


def reference_time_of(forecast: xr.Dataset | xr.DataArray) -> np.datetime64:
    """The time of the newest observation that a forecast starts from."""
    first: np.datetime64 = forecast["valid_time"].values[0] - forecast["lead_time"].values[0]
    return first


def newest_frames(
    archive: RadarFrames, reference_time: np.datetime64, count: int = OBSERVED_FRAMES
) -> xr.DataArray:
    """Read the frames of ``count`` steps that end with a forecast reference time; missing ones are left out."""
    first = reference_time - (count - 1) * archive.step
    times = archive.times[(archive.times >= first) & (archive.times <= reference_time)]
    return archive.read(times)
