"""The newest gap-free frames of an observed field, checked against what a forecaster needs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.core.errors import SettingsError, TimeError, complain
from nowcast.core.field import check
from nowcast.core.grid import Grid
from nowcast.core.times import minutes, to_text
from nowcast.forecasters.base import LeadTimes, Needs


class Past(NamedTuple):
    """The frames a forecast starts from."""

    dbz: npt.NDArray[np.float32]
    """(T, H, W); NaN is not observed. A copy where the field was lazy: never write to it."""
    reference_time: np.datetime64
    step: np.timedelta64 | None
    """Time between the frames; None when there is only one."""
    grid: Grid


def newest(observed: xr.DataArray, needs: Needs, name: str) -> Past:
    """Take the last ``needs.past`` frames of a field, or as many as there are, at least ``needs.fewest``.

    Why: only these are computed, so a field of years stays lazy.

    Raises:
        FieldError: not a field.
        TimeError: too few frames, a gap between them (the message names the missing time), or another
            step than the forecaster was made for.
    """
    check(observed, values=False)
    times = observed["time"].values
    fewest = needs.fewest or needs.past
    if len(times) < fewest:
        raise TimeError(
            complain(f"{name}: past", f"{len(times)} frames", f"at least {fewest}", "give a longer past")
        )
    recent = observed.isel(time=slice(-needs.past, None))
    step = _step(times[-needs.past :], needs, name)
    return Past(np.asarray(recent.values), times[-1], step, Grid.of(observed))


def _step(times: npt.NDArray[np.datetime64], needs: Needs, name: str) -> np.timedelta64 | None:
    if len(times) < 2:
        return None
    differences = np.diff(times)
    found: np.timedelta64 = differences.min()
    step = found if needs.step is None else needs.step.astype(found.dtype)
    if needs.step is not None and found != step and (differences == found).all():
        raise TimeError(
            complain(
                f"{name}: step",
                f"{minutes(found):g} minutes",
                f"{minutes(step):g} minutes",
                "use frames of that step or a model made for this one",
            )
        )
    for first, difference in zip(times[:-1], differences, strict=True):
        if difference != step:
            raise TimeError(
                complain(
                    f"{name}: past",
                    f"no frame at {to_text(first + step)}",
                    f"{needs.past} frames every {minutes(step):g} minutes",
                    "choose a forecast reference time with a gap-free past",
                )
            )
    return step


def check_leads(lead_times: LeadTimes, name: str) -> LeadTimes:
    """Return lead times as sorted, positive ``timedelta64[ns]``.

    Raises:
        SettingsError: none, not sorted, or one not above zero.
    """
    leads = np.atleast_1d(np.asarray(lead_times, "timedelta64[ns]"))
    zero = np.timedelta64(0, "ns")
    if len(leads) == 0 or leads[0] <= zero or (np.diff(leads) <= zero).any():
        found = ", ".join(f"{minutes(lead):g}" for lead in leads) or "none"
        raise SettingsError(
            complain(f"{name}: lead times", f"{found} minutes", "rising times above zero", "sort them")
        )
    return leads
