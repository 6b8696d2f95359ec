"""Mean and spread of the members' reflectivity.

Dimensions: M members, S lead times, H rows, W columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import xarray as xr

from nowcast.core.errors import SettingsError, complain
from nowcast.core.field import HIGHEST_DBZ
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.postprocessing.ensemble import add_variables, members_of


@dataclass(frozen=True)
class EnsembleStatistics:
    """Mean and standard deviation (of M - 1) over members, in dB.

    No echo, and echoes below ``floor_dbz``, enter as ``floor_dbz``: a mean with the code of no echo would say
    more of the code than of rain. Where all members are at the floor the mean is no echo and the spread 0.
    """

    floor_dbz: float = 5.0
    name: ClassVar[str] = "ensemble_statistics"
    past: ClassVar[int] = 0

    def __post_init__(self) -> None:
        if not NO_ECHO_DBZ <= self.floor_dbz < HIGHEST_DBZ:
            raise SettingsError(
                complain(f"{self.name}: floor_dbz", f"{self.floor_dbz:g}", "dBZ of an echo", "for example 5")
            )

    def apply(self, forecast: xr.Dataset, observed: xr.DataArray) -> xr.Dataset:
        """Add ``reflectivity_mean`` and ``reflectivity_spread`` (lead_time, y, x).

        Raises:
            NowcastError: fewer than two members.
        """
        del observed
        members = members_of(forecast, self.name, fewest=2)
        floor = np.float32(self.floor_dbz)
        mean = np.empty(members.shape[1:], np.float32)
        spread = np.empty_like(mean)
        for lead in range(members.shape[1]):
            values = np.maximum(members[:, lead], floor)
            mean[lead] = values.mean(axis=0)
            values -= mean[lead]
            spread[lead] = np.sqrt(np.einsum("m...,m...->...", values, values) / np.float32(len(values) - 1))
            dry = (members[:, lead] <= floor).all(axis=0)
            mean[lead][dry] = NO_ECHO_DBZ
            spread[lead][dry] = 0.0
        return add_variables(
            forecast,
            {"reflectivity_mean": mean, "reflectivity_spread": spread},
            {},
            {"comment": f"no echo and all below enter as {self.floor_dbz:g} dBZ"},
        )
