"""Forecasters around forecasters: tiles for frames that are too large, a second one when the first fails.

Letters: S lead times, h rows, w columns of a tile.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.core.errors import NowcastError
from nowcast.core.field import check
from nowcast.core.grid import Grid
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.forecasters.base import Forecaster, LeadTimes, Needs, label_forecast
from nowcast.forecasters.past import check_leads
from nowcast.forecasters.tiling import blended

_HALF = 0.5


@dataclass(frozen=True)
class Tiled:
    """Forecast tile by tile and blend, for a forecaster that cannot take a whole frame.

    Echo, no echo and not observed are kept apart as in `nowcast.forecasters.advection`: no echo enters
    a mean as the floor, less than half the weight makes no echo or NaN.
    """

    inner: Forecaster
    tile: tuple[int, int] = (512, 512)
    overlap: int = 64
    floor_dbz: float = 5.0

    @property
    def name(self) -> str:
        """The name of the forecaster inside."""
        return self.inner.name

    @property
    def needs(self) -> Needs:
        """What the forecaster inside needs."""
        return self.inner.needs

    def describe(self) -> dict[str, str]:
        """Add the tiles to what the forecaster inside says."""
        tiles = f"{self.tile[0]} x {self.tile[1]}, overlap {self.overlap}"
        return {**self.inner.describe(), "tiles": tiles}

    def forecast(self, observed: xr.DataArray, lead_times: LeadTimes) -> xr.DataArray:
        """Forecast as `Forecaster.forecast`."""
        check(observed, values=False)
        leads = check_leads(lead_times, self.name)

        def layers(rows: slice, columns: slice) -> npt.NDArray[np.float32]:
            part = self.inner.forecast(observed.isel(y=rows, x=columns), leads).values
            seen = ~np.isnan(part)
            echo = seen & (part > self.floor_dbz)
            value = np.where(echo, part, np.float32(self.floor_dbz)) * seen
            return np.stack([value, echo, seen]).astype(np.float32)

        shape = (observed.sizes["y"], observed.sizes["x"])
        value, echo, seen = blended(layers, shape, self.tile, self.overlap)
        enough = seen >= _HALF
        mean = value / np.where(enough, seen, np.float32(1.0))
        dbz = np.where(echo >= _HALF * seen, mean, np.float32(NO_ECHO_DBZ))
        dbz = np.where(enough, dbz, np.float32(np.nan)).astype(np.float32)
        return label_forecast(dbz, observed["time"].values[-1], leads, Grid.of(observed))


@dataclass(frozen=True)
class Fallback:
    """Forecast with the first, and with the second when the first fails, answers badly or takes too long.

    A forecast that the second one made says so in ``attrs["fallback"]``, with the reason. The first one
    runs in a thread: when its time is up nobody waits for it any more, but it goes on until it ends;
    what may hang for ever belongs in a process of its own, as in `nowcast.service`.
    """

    first: Forecaster
    then: Forecaster
    budget_seconds: float | None = None
    most_lost: float = 0.2
    """A forecast that is NaN at its first lead time on more than this share of what the newest frame
    saw, or everywhere at a later one, counts as failed. Later ones may lose more: air comes from outside."""

    @property
    def name(self) -> str:
        """The name of the first forecaster."""
        return self.first.name

    @property
    def needs(self) -> Needs:
        """What the first forecaster needs; the second is tried with less."""
        return self.first.needs

    def describe(self) -> dict[str, str]:
        """Add the second forecaster's name to what the first says."""
        return {**self.first.describe(), "fallback_model": self.then.name}

    def forecast(self, observed: xr.DataArray, lead_times: LeadTimes) -> xr.DataArray:
        """Forecast as `Forecaster.forecast`."""
        found, reason = _within(self.first, observed, lead_times, self.budget_seconds)
        if found is not None:
            reason = self._lost(found, observed)
            if not reason:
                return found
        forecast = self.then.forecast(observed, lead_times)
        return forecast.assign_attrs(fallback=f"{self.first.name} {reason}; made by {self.then.name}")

    def _lost(self, forecast: xr.DataArray, observed: xr.DataArray) -> str:
        seen = ~np.isnan(observed.isel(time=-1).values)
        if not seen.any():
            return ""
        lost = np.isnan(forecast.values[:, seen]).mean(axis=1)
        worst = lost[0] if lost[0] > self.most_lost else lost.max()
        failed = lost[0] > self.most_lost or worst == 1.0
        return f"gave NaN on {worst:.0%} of what was observed" if failed else ""


def _within(
    forecaster: Forecaster, observed: xr.DataArray, lead_times: LeadTimes, seconds: float | None
) -> tuple[xr.DataArray | None, str]:
    """Give the forecast, or None and why not."""
    answer: list[xr.DataArray] = []
    failure: list[str] = []

    def work() -> None:
        try:
            answer.append(forecaster.forecast(observed, lead_times))
        except (NowcastError, ArithmeticError, ValueError, RuntimeError, MemoryError, OSError) as error:
            failure.append(f"failed ({error})")

    thread = threading.Thread(target=work, daemon=True, name=f"forecast {forecaster.name}")
    thread.start()
    thread.join(seconds)
    if answer:
        return answer[0], ""
    return None, failure[0] if failure else f"gave no answer within {seconds:g} s"
