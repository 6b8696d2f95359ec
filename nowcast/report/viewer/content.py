"""What the page of a forecast shows, as plain data and plain text: whoever calls makes these."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import xarray as xr

from nowcast.core.rain import ZRelation

BUDGET_BYTES = 6_000_000
"""What a page may take; coarser frames or fewer of the rarer ones are shown until it fits."""


@dataclass(frozen=True)
class ShownForecast:
    """One forecast with the observed frames around it."""

    frames: xr.DataArray
    """Reflectivity (lead_time, y, x) in dBZ as `nowcast.forecasters` makes it."""
    variable: Callable[[str], xr.DataArray | None]
    """Any other variable of the forecast by its name, read when it is asked for; None where there is none."""
    metadata: Mapping[str, str]
    """What "About this forecast" lists, plain text."""
    title: str
    model: str
    observed: xr.DataArray | None = None
    """Field (time, y, x) before the forecast reference time, and after it where it is known already."""
    relation: ZRelation | None = None
    """Turns dBZ into mm/h; None where the forecast names none, which the page then says."""
    trained_minutes: float | None = None
    """Longest lead time that the model was trained for."""
    notes: Sequence[str] = ()
    """What one must know of the forecast, a line each."""

    @property
    def reference_time(self) -> np.datetime64:
        """The time of the newest observation that the forecast starts from."""
        first: np.datetime64 = self.frames["valid_time"].values[0] - self.frames["lead_time"].values[0]
        return first


class Moment(NamedTuple):
    """One position of the time slider."""

    valid: np.datetime64
    lead_minutes: float
    observed: bool
    """Whether what the map shows there by default was observed."""
    beyond: bool
    """Whether the model was never trained for so long a lead time."""
