"""Eulerian persistence: what is there now stays where it is. The reference every forecast must beat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from nowcast.forecasters.base import LeadTimes, Needs, label_forecast
from nowcast.forecasters.inputs import check_leads, newest


@dataclass(frozen=True)
class Persistence:
    """Repeat the newest frame at every lead time; what it has not observed stays unobserved.

    Source: Germann and Zawadzki (2002), Mon. Wea. Rev. 130, 2859-2873, "Eulerian persistence".
    """

    name: str = "persistence"

    @property
    def needs(self) -> Needs:
        """One frame, any step, any lead time."""
        return Needs(past=1)

    def describe(self) -> dict[str, str]:
        """Metadata of a forecast file; there is nothing to set."""
        return {"model": self.name, "settings": "{}"}

    def forecast(self, observed: xr.DataArray, lead_times: LeadTimes) -> xr.Dataset:
        """Forecast as `Forecaster.forecast`."""
        leads = check_leads(lead_times, self.name)
        past = newest(observed, self.needs, self.name)
        dbz = np.repeat(past.dbz[-1:], len(leads), axis=0)
        return label_forecast(dbz, past.reference_time, leads, past.grid)
