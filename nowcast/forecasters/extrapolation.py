"""Extrapolation: the newest frame advected along its own motion, the baseline that is hard to beat."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.core.errors import SettingsError, complain
from nowcast.core.grid import Grid
from nowcast.core.settings import plain
from nowcast.forecasters.advection import advect
from nowcast.forecasters.base import LeadTimes, Needs, label_forecast
from nowcast.forecasters.inputs import Past, check_leads, newest
from nowcast.forecasters.motion import MOTIONS, LucasKanade, MotionMethod, motion_of_frames

Array = npt.NDArray[np.float32]
_HOUR = np.timedelta64(3600, "s")


@dataclass(frozen=True)
class Extrapolation:
    """Semi-Lagrangian extrapolation along a dense optical flow of the past frames.

    What leaves one pixel of the newest frame arrives unchanged: neither growth nor decay is guessed. Air
    that comes from outside the grid or the coverage is NaN; scores count that as no event.
    """

    past: int = 5
    """Frames from which the motion is estimated, at least two."""
    floor_dbz: float = 5.0
    """No echo and all below are set to this value before the motion is estimated and interpolated."""
    fastest_kmh: float = 200.0
    """Faster motion is an error of the estimate and is slowed down to this."""
    motion: MotionMethod = field(default_factory=LucasKanade)
    name: str = "extrapolation"

    def __post_init__(self) -> None:
        if self.past < 2 or not self.fastest_kmh > 0:
            raise SettingsError(
                complain(
                    "extrapolation: past, fastest_kmh",
                    f"{self.past}, {self.fastest_kmh:g}",
                    "at least 2 frames and a speed above zero",
                    "for example 5 and 200",
                )
            )

    @property
    def needs(self) -> Needs:
        """``past`` frames of any step, or as few as two; any lead time."""
        return Needs(past=self.past, fewest=2)

    def describe(self) -> dict[str, str]:
        """The settings, resolved, as JSON."""
        method = next(name for name, kind in MOTIONS.items() if isinstance(self.motion, kind))
        settings = {
            "past": self.past,
            "floor_dbz": self.floor_dbz,
            "fastest_kmh": self.fastest_kmh,
            "method": method,
            "motion": plain(self.motion),
        }
        return {"model": self.name, "settings": json.dumps(settings, sort_keys=True)}

    def velocity(self, observed: xr.DataArray) -> Array:
        """The motion (2, H, W) in cells a frame: southwards along rows, eastwards along columns."""
        return self._velocity(newest(observed, self.needs, self.name))

    def forecast(self, observed: xr.DataArray, lead_times: LeadTimes) -> xr.Dataset:
        """Forecast as `Forecaster.forecast`; lead times need not be multiples of the step.

        Where no motion was found, so that the newest frame stands still, the attribute ``motion`` says why.
        """
        leads = check_leads(lead_times, self.name)
        past = newest(observed, self.needs, self.name)
        steps = [float(lead / past.step) for lead in leads]
        motion = self._velocity(past)
        forecast = label_forecast(
            advect(past.dbz[-1], motion, steps, self.floor_dbz), past.reference_time, leads, past.grid
        )
        if not motion.any():
            forecast.attrs["motion"] = f"none found: {self._why_none(past.dbz)}; the newest frame stands still"
        return forecast

    def _velocity(self, past: Past) -> Array:
        assert past.step is not None
        motion = motion_of_frames(past.dbz, self.floor_dbz, self.motion)
        return _bounded(motion, self.fastest_kmh, past.grid, past.step)

    def _why_none(self, dbz: Array) -> str:
        echo = dbz > self.floor_dbz
        together = (~np.isnan(dbz[1:]) & ~np.isnan(dbz[:-1])).any(axis=(1, 2))
        if not echo.any():
            return f"no echo above {self.floor_dbz:g} dBZ in {len(dbz)} frames"
        if not together.any():
            return f"no two frames in a row of {len(dbz)} observed the same place"
        if (dbz[1:] == dbz[:-1])[~np.isnan(dbz[1:] - dbz[:-1])].all():
            return "all frames are equal"
        return "no echo that two frames in a row have in common"


def _bounded(motion: Array, fastest_kmh: float, grid: Grid, step: np.timedelta64) -> Array:
    height_km, width_km = grid.cell_km
    hours = float(step / _HOUR)
    speed_kmh = np.hypot(motion[0] * height_km, motion[1] * width_km) / hours
    slower = np.minimum(1.0, fastest_kmh / np.maximum(speed_kmh, 1e-6))
    bounded: Array = (motion * slower).astype(np.float32)
    return bounded
