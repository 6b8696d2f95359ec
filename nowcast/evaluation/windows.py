"""What a verification starts from: the forecasters by name, lead times, gap-free windows, sound answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.core.errors import SettingsError, TimeError
from nowcast.core.grid import Grid
from nowcast.core.times import Times, minutes, to_text, unbroken_runs
from nowcast.forecasters.base import Forecaster, LeadTimes
from nowcast.forecasters.levels import thresholds_of
from nowcast.forecasters.remembered import Probabilistic


class Frames(Protocol):
    """What is asked of an archive (`nowcast.archive.reader.Archive`)."""

    @property
    def grid(self) -> Grid: ...  # noqa: D102
    @property
    def step(self) -> np.timedelta64: ...  # noqa: D102
    @property
    def times(self) -> Times: ...  # noqa: D102
    def frames(self, times: Times) -> xr.DataArray: ...  # noqa: D102


def named(forecasters: Mapping[str, Forecaster] | Iterable[Forecaster]) -> dict[str, Forecaster]:
    """Give forecasters by name, in the order given.

    Raises:
        SettingsError: none, or one name twice.
    """
    if isinstance(forecasters, Mapping):
        models = dict(forecasters)
    else:
        given = list(forecasters)
        models = {f.name: f for f in given}
        if len(models) < len(given):
            raise SettingsError("models: got one name twice, expected each once; give a mapping with names")
    if not models:
        raise SettingsError("models: got none, expected at least one; for example persistence")
    return models


def lead_times(archive: Frames, models: Mapping[str, Forecaster], steps: int) -> LeadTimes:
    """Give the lead times, one archive step apart, once every model can reach them.

    Raises:
        SettingsError: no steps.
        TimeError: a model is made for another step or reaches less far.
    """
    check_counts(steps=steps)
    leads = archive.step * np.arange(1, steps + 1)
    for name, forecaster in models.items():
        needs = forecaster.needs
        if needs.step is not None and needs.step != archive.step:
            raise TimeError(
                f"{name}: got an archive with a step of {minutes(archive.step):g} min, expected "
                f"{minutes(needs.step):g} min; take a model made for this step, or frames so far apart (--step)"
            )
        if needs.longest is not None and leads[-1] > needs.longest:
            raise TimeError(
                f"{name}: got lead times up to {minutes(leads[-1]):g} min, expected at most "
                f"{minutes(needs.longest):g} min; ask for fewer lead times"
            )
    return np.asarray(leads)


def check_counts(**counts: int) -> None:
    """Refuse counts below 1.

    Raises:
        SettingsError: with the name of the count.
    """
    for name, count in counts.items():
        if count < 1:
            raise SettingsError(f"{name}: got {count}, expected a whole number of at least 1")


def windows(
    archive: Frames, start: np.datetime64, end: np.datetime64, length: int, stride: int
) -> list[Times]:
    """Give the times of every gap-free window in [start, end), every ``stride`` frames of an unbroken run.

    Raises:
        TimeError: no frames in the period, or no run long enough.
    """
    times = archive.times[(archive.times >= start) & (archive.times < end)]
    if not len(times):
        have = "none" if not len(archive.times) else (
            f"{to_text(archive.times[0])} to {to_text(archive.times[-1])}"
        )
        raise TimeError(
            f"period: got {to_text(start)}/{to_text(end)} in which the archive has no frames, expected a "
            f"part of what it holds ({have}); choose another period"
        )
    found = list(_cut(times, archive.step, length, stride))
    if not found:
        raise TimeError(
            f"period: got {len(times)} frames without one gap-free run of {length} (past and future), "
            "expected at least one; choose a longer period or fewer lead times"
        )
    return found


def _cut(times: Times, step: np.timedelta64, length: int, stride: int) -> Iterator[Times]:
    for first, last in unbroken_runs(times, step):
        for begin in range(first, last - length + 1, stride):
            yield times[begin : begin + length]


def checked_values(name: str, forecast: xr.DataArray, leads: LeadTimes, grid: Grid) -> npt.NDArray[np.float32]:
    """Take the numbers out of a forecast after checking that they are those that were asked for."""
    expected = (len(leads), *grid.shape)
    if forecast.dims != ("lead_time", "y", "x") or forecast.shape != expected:
        raise TimeError(
            f"{name}: got a forecast {dict(forecast.sizes)}, expected (lead_time, y, x) of {expected}; "
            "this forecaster is at fault"
        )
    if not np.array_equal(forecast["lead_time"].values, leads):
        raise TimeError(f"{name}: got other lead times than asked for; this forecaster is at fault")
    return np.asarray(forecast.values, np.float32)


def checked_probabilities(
    name: str, forecaster: Forecaster, past: xr.DataArray, leads: LeadTimes, grid: Grid
) -> dict[float, npt.NDArray[np.float32]]:
    """Ask for the probability (S, H, W) of reaching each threshold, by dBZ; none where only dBZ is known."""
    if not thresholds_of(forecaster):
        return {}
    said = cast(Probabilistic, forecaster).probabilities(past, leads)
    return {
        float(t): checked_values(name, said.sel(threshold_dbz=t), leads, grid)
        for t in said["threshold_dbz"].values
    }
