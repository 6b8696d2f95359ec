"""The rain of the next minutes in mm: mean, quantiles and how likely amounts are reached.

Dimensions: P periods, M members, S lead times, H rows, W columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.core.errors import SettingsError, complain
from nowcast.core.field import MEMBERS, NAME, PROBABILITY
from nowcast.core.grid import Grid
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.postprocessing.ensemble import add_variables, check_rising, members_of, quantiles, share_reaching
from nowcast.postprocessing.motion import follows, motion_of
from nowcast.postprocessing.rain_rate import rate_mm_h, relation_for

Array = npt.NDArray[np.float32]
_MINUTE = np.timedelta64(60, "s")
_FLOW_FRAMES, _RAIN_DBZ = 3, 10.0


@dataclass(frozen=True)
class RainSum:
    """Rain rate summed from the observed frame at the forecast reference time over the lead times.

    Each member is summed by itself, along the motion of the newest observed frames
    (`nowcast.postprocessing.accumulation`), and the statistics are taken of the sums. A forecast of one field
    has the mean alone, which is the sum of that field.
    """

    periods_minutes: tuple[float, ...] = (15.0, 30.0, 60.0)
    thresholds_mm: tuple[float, ...] = (1.0, 5.0, 10.0, 20.0)
    quantiles: tuple[float, ...] = (0.1, 0.25, 0.5, 0.75, 0.9)
    substep_minutes: float = 2.5
    """How often rain is moved between frames; 0: not at all, the trapezoidal rule in place."""
    highest_mm_h: float = 150.0
    """Higher rain rates, which are those of hail, count as this."""
    z_r: str | None = None
    """Name of the Z-R relation, for an archive that names none."""
    name: ClassVar[str] = "rain_sum"

    def __post_init__(self) -> None:
        check_rising(f"{self.name}: periods_minutes", self.periods_minutes, 1e-2, 1e4, "15, 30, 60")
        check_rising(f"{self.name}: thresholds_mm", self.thresholds_mm, 1e-3, 1e4, "1, 5, 10, 20")
        check_rising(f"{self.name}: quantiles", self.quantiles, 0.0, 1.0, "0.1, 0.5, 0.9")
        if not (self.substep_minutes >= 0 and self.highest_mm_h > 0):
            raise SettingsError(
                complain(
                    f"{self.name}: substep_minutes, highest_mm_h",
                    f"{self.substep_minutes:g}, {self.highest_mm_h:g}",
                    "minutes of 0 or more and a rain rate above 0",
                    "for example 2.5 and 150",
                )
            )

    @property
    def past(self) -> int:
        """The newest frame, and those that its motion is estimated from."""
        return _FLOW_FRAMES if self.substep_minutes else 1

    def apply(self, forecast: xr.Dataset, observed: xr.DataArray) -> xr.Dataset:
        """Add ``rain_sum_mean`` (accumulation_period, y, x) and, of members, ``rain_sum_quantile`` and
        ``rain_sum_exceedance_probability``. NaN where a frame within the longest period, or a member, is not
        known.

        Raises:
            SettingsError: no Z-R relation, or a period beyond the last lead time.
            NowcastError: probabilities without members.
        """
        relation = relation_for(forecast.attrs, self.z_r, f"product {self.name}")
        alone = MEMBERS not in forecast and PROBABILITY not in forecast
        sums = self.sums(forecast, observed)
        mean = sums.mean(axis=1)
        axes = {"accumulation_period": self.periods_minutes}
        attrs = {"z_r_relation": str(relation)}
        if alone:
            return add_variables(
                forecast,
                {"rain_sum_mean": mean},
                axes,
                {**attrs, "comment": "sum of the one field of the forecast, which has no members"},
            )
        return add_variables(
            forecast,
            {
                "rain_sum_mean": mean,
                "rain_sum_quantile": np.stack([quantiles(of_period, self.quantiles) for of_period in sums]),
                "rain_sum_exceedance_probability": np.stack(
                    [share_reaching(s, self.thresholds_mm) for s in sums]
                ),
            },
            {**axes, "quantile": self.quantiles, "rain_sum_threshold": self.thresholds_mm},
            attrs,
        )

    def sums(self, forecast: xr.Dataset, observed: xr.DataArray) -> Array:
        """Return the sums (P, M, H, W) in mm of each member, or of the one field as the only one.

        What a sum over an area is made of: sums of one member belong together, their quantiles do not.

        Raises:
            NowcastError: as `apply`.
        """
        from nowcast.postprocessing.accumulation import Accumulation

        relation = relation_for(forecast.attrs, self.z_r, f"product {self.name}")
        if MEMBERS not in forecast and PROBABILITY not in forecast:
            fields = np.asarray(forecast[NAME].values[None], np.float32)
        else:
            fields = members_of(forecast, self.name)
        minutes = (0.0, *(float(lead / _MINUTE) for lead in forecast["lead_time"].values))
        if self.periods_minutes[-1] > minutes[-1]:
            raise SettingsError(
                complain(
                    f"{self.name}: periods_minutes",
                    f"{self.periods_minutes[-1]:g} min",
                    f"none beyond the last lead time, {minutes[-1]:g} min",
                    "give more lead times (--leads)",
                )
            )
        motion = self._motion(forecast, observed) if self.substep_minutes else None
        accumulation = Accumulation(minutes, self.periods_minutes, motion, self.substep_minutes)
        start = np.asarray(observed.values[-1], np.float32)
        known = ~np.isnan(start)
        for lead in range(accumulation.frames - 1):
            known &= ~np.isnan(fields[:, lead]).any(axis=0)

        def rates(frame: int) -> Array:
            dbz = fields[:, frame - 1] if frame else np.broadcast_to(start, fields[:, 0].shape)
            return rate_mm_h(np.where(known, dbz, np.float32(NO_ECHO_DBZ)), relation, self.highest_mm_h)

        return accumulation.sums(rates, known)

    def _motion(self, forecast: xr.Dataset, observed: xr.DataArray) -> Array | None:
        """The motion in cells a minute; None where the past does not tell one that the forecast follows."""
        past = observed.isel(time=slice(-_FLOW_FRAMES, None))
        if past.sizes["time"] < 2:
            return None
        step = float((past["time"].values[1] - past["time"].values[0]) / _MINUTE)
        field = forecast[NAME]
        cell_km = Grid.of(field).cell_km
        motion = motion_of(np.asarray(past.values, np.float32), _RAIN_DBZ, cell_km, step) / np.float32(step)
        first_lead = np.float32(forecast["lead_time"].values[0] / _MINUTE)
        moves = follows(motion * first_lead, past.values[-1], field.values[0], _RAIN_DBZ)
        return motion if moves else None
