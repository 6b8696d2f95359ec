"""What a forecaster is and what a forecast is: baselines and networks look the same.

Dimensions: K thresholds, S lead times, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.core.field import ATTRS, NAME, grid_coords
from nowcast.core.grid import Grid
from nowcast.postprocessing.labels import with_probabilities

LeadTimes = npt.NDArray[np.timedelta64]
COMPUTED_ON = "computed_on"
"""Attribute of a forecast: device and precision that its network was run with."""


@dataclass(frozen=True)
class Needs:
    """What a forecaster requires of the observed past."""

    past: int
    """Number of frames, without a gap, up to the forecast reference time."""
    step: np.timedelta64 | None = None
    """Time between frames; None when any will do."""
    longest: np.timedelta64 | None = None
    """Longest lead time it reaches; None when there is no limit."""
    fewest: int | None = None
    """Fewest frames it makes do with where ``past`` are not to be had; None when it needs all of them."""


@runtime_checkable
class Forecaster(Protocol):
    """Fields in, a Dataset out. Never changes its input; the same input gives the same output."""

    @property
    def name(self) -> str:
        """As tables, maps and files call it."""
        ...

    @property
    def needs(self) -> Needs:
        """What must be in ``observed``."""
        ...

    def describe(self) -> dict[str, str]:
        """Return settings, checkpoint sha256 and whatever else a forecast file must record, as text."""
        ...

    def forecast(self, observed: xr.DataArray, lead_times: LeadTimes) -> xr.Dataset:
        """Forecast from a field whose last ``needs.past`` frames are gap-free.

        Nobody but `nowcast.workflows.forecast` calls this.

        Args:
            observed: a field (`nowcast.core.field`); the last time is the forecast reference time.
            lead_times: sorted, positive.

        Returns:
            What `label_forecast` makes: ``reflectivity`` (lead_time, y, x), dBZ, NaN where nothing can be
            known; and ``exceedance_probability`` (threshold, lead_time, y, x) where the forecaster knows it.
            An ensemble has its fields as ``reflectivity_members`` (member, lead_time, y, x) beside that.

        Raises:
            NowcastError: too few frames, a gap, another step or grid, a lead time out of reach.
        """
        ...


def label_forecast(
    dbz: npt.NDArray[np.float32],
    reference_time: np.datetime64,
    lead_times: LeadTimes,
    grid: Grid,
    probabilities: npt.NDArray[np.float32] | None = None,
    thresholds_dbz: Sequence[float] = (),
) -> xr.Dataset:
    """Label forecast dBZ (S, H, W), and probabilities (K, S, H, W) of reaching thresholds, as a forecast.

    Coordinates: ``lead_time``, ``valid_time`` (lead_time), ``forecast_reference_time``, ``threshold`` in
    dBZ, and those of the grid.
    """
    leads = np.asarray(lead_times, "timedelta64[ns]")
    start = reference_time.astype("datetime64[ns]")
    dims = ("lead_time", "y", "x")
    forecast = xr.Dataset(
        {NAME: (dims, dbz, dict(ATTRS))},
        coords={
            "lead_time": ("lead_time", leads),
            "forecast_reference_time": ((), start),
            "valid_time": ("lead_time", start + leads),
            **grid_coords(grid),
        },
    )
    if probabilities is None:
        return forecast
    return with_probabilities(forecast, probabilities, thresholds_dbz)
