"""What a forecaster is: baselines, networks and wrappers around any of them look the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.core.field import ATTRS, NAME, grid_coords
from nowcast.core.grid import Grid

LeadTimes = npt.NDArray[np.timedelta64]


@dataclass(frozen=True)
class Needs:
    """What a forecaster asks of the observed past."""

    past: int
    """Number of frames, without a gap, up to the moment of issue."""
    step: np.timedelta64 | None = None
    """Time between frames; None when any will do."""
    longest: np.timedelta64 | None = None
    """Longest lead time it can give; None when there is no limit."""


@runtime_checkable
class Forecaster(Protocol):
    """Fields in, fields out. Never changes its input; the same input gives the same output."""

    @property
    def name(self) -> str:
        """As tables, maps and files call it."""
        ...

    @property
    def needs(self) -> Needs:
        """What must be in ``observed``."""
        ...

    def describe(self) -> dict[str, str]:
        """Give settings, checkpoint sha256 and whatever else a forecast file must record, as text."""
        ...

    def forecast(self, observed: xr.DataArray, lead_times: LeadTimes) -> xr.DataArray:
        """Forecast from a field whose last ``needs.past`` frames are gap-free.

        Args:
            observed: a field (`nowcast.core.field`); the last time is the moment of issue.
            lead_times: sorted, positive.

        Returns:
            What `label_forecast` makes: dims (lead_time, y, x), dBZ, NaN where nothing can be said.

        Raises:
            NowcastError: too few frames, a gap, another step or grid, a lead time out of reach.
        """
        ...


def label_forecast(
    dbz: npt.NDArray[np.float32], issued: np.datetime64, lead_times: LeadTimes, grid: Grid
) -> xr.DataArray:
    """Put labels on forecast dBZ of shape (S, H, W): dims (lead_time, y, x), ``issued``, ``valid_time``."""
    leads = np.asarray(lead_times, "timedelta64[ns]")
    return xr.DataArray(
        dbz,
        dims=("lead_time", "y", "x"),
        name=NAME,
        attrs=dict(ATTRS),
        coords={
            "lead_time": ("lead_time", leads),
            "issued": ((), issued.astype("datetime64[ns]")),
            "valid_time": ("lead_time", issued.astype("datetime64[ns]") + leads),
            **grid_coords(grid),
        },
    )


def label_probability(
    probability: npt.NDArray[np.float32], issued: np.datetime64, lead_times: LeadTimes, grid: Grid
) -> xr.DataArray:
    """Put the labels of a forecast on the probability (S, H, W) of one event."""
    labelled = label_forecast(probability, issued, lead_times, grid).rename("probability")
    labelled.attrs = {"long_name": "probability of reaching the threshold", "units": "1"}
    return labelled
