"""When rain begins, and how likely it begins at all, from members.

Dimensions: M members, S lead times, H rows, W columns, Q quantiles.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.core.errors import SettingsError, complain
from nowcast.core.field import HIGHEST_DBZ, PROBABILITY
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.postprocessing.ensemble import add_variables, check_rising, members_of, quantiles
from nowcast.postprocessing.rain_rate import relation_for

Array = npt.NDArray[np.float32]
_MINUTE = np.timedelta64(60, "s")


@dataclass(frozen=True)
class RainOnset:
    """Minutes from the forecast reference time until a reflectivity, or a rain rate, is first reached.

    0 where it rains at the forecast reference time. Between two frames dBZ is taken as linear in time; what is
    more than ``depth_db`` below the threshold counts as that far below, as a dry frame does not tell how far
    rain is. A member that stays below until the last lead time has no onset; it counts as later than all that
    do.
    """

    threshold_dbz: float = 20.0
    threshold_mm_h: float | None = None
    """Takes the place of ``threshold_dbz`` where it is named."""
    quantiles: tuple[float, ...] = (0.1, 0.25, 0.5, 0.75, 0.9)
    depth_db: float = 10.0
    z_r: str | None = None
    """Name of the Z-R relation, for a rate of an archive that names none."""
    name: ClassVar[str] = "rain_onset"
    past: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_rising(f"{self.name}: quantiles", self.quantiles, 0.0, 1.0, "0.1, 0.5, 0.9")
        rate = 1.0 if self.threshold_mm_h is None else self.threshold_mm_h
        if not (NO_ECHO_DBZ < self.threshold_dbz <= HIGHEST_DBZ and 0 < rate < np.inf and self.depth_db > 0):
            raise SettingsError(
                complain(
                    f"{self.name}: threshold_dbz, threshold_mm_h, depth_db",
                    f"{self.threshold_dbz:g}, {self.threshold_mm_h}, {self.depth_db:g}",
                    "an echo, a rate above 0 and a depth above 0",
                    "for example 20, 0.5 and 10",
                )
            )

    def apply(self, forecast: xr.Dataset, observed: xr.DataArray) -> xr.Dataset:
        """Add ``rain_onset_quantile`` (quantile, y, x) and ``rain_onset_probability`` (y, x).

        A quantile is NaN where so few members begin to rain that it lies beyond the last lead time; there the
        probability is known. Both are NaN where a member, or the observed frame, is not known before rain
        begins.

        Raises:
            NowcastError: no members.
            SettingsError: a threshold below the lowest of the forecast's probabilities, or a rate without a
                Z-R relation.
        """
        members = members_of(forecast, self.name)
        threshold, attrs = self._threshold(forecast)
        minutes = np.asarray(forecast["lead_time"].values / _MINUTE, np.float32)
        start = np.asarray(observed.values[-1], np.float32)
        onset = np.stack([_onset(start, member, minutes, threshold, self.depth_db) for member in members])
        unknown = np.isnan(onset).any(axis=0)
        begun = np.isfinite(onset).mean(axis=0, dtype=np.float32)
        begun[unknown] = np.nan
        times = quantiles(onset, self.quantiles)
        times[np.isinf(times)] = np.nan
        return add_variables(
            forecast,
            {"rain_onset_quantile": times, "rain_onset_probability": begun},
            {"quantile": self.quantiles},
            attrs,
        )

    def _threshold(self, forecast: xr.Dataset) -> tuple[float, dict[str, str]]:
        """The threshold in dBZ, and what the file says of it."""
        dbz, attrs = self.threshold_dbz, {"rain_begins_at": f"{self.threshold_dbz:g} dBZ"}
        if self.threshold_mm_h is not None:
            relation = relation_for(forecast.attrs, self.z_r, f"product {self.name}")
            dbz = float(relation.to_dbz(self.threshold_mm_h))
            attrs = {"rain_begins_at": f"{self.threshold_mm_h:g} mm/h", "z_r_relation": str(relation)}
        if PROBABILITY in forecast and dbz < float(forecast["threshold"][0]):
            raise SettingsError(
                complain(
                    f"{self.name}: threshold",
                    f"{dbz:.4g} dBZ",
                    f"at least {float(forecast['threshold'][0]):g} dBZ, from where on the "
                    "forecast tells echoes apart",
                    "raise it",
                )
            )
        return dbz, attrs


def _onset(start: Array, member: Array, minutes: Array, threshold: float, depth: float) -> Array:
    """Minutes until one member (S, H, W) reaches the threshold: (H, W); infinity is never, NaN unknown."""
    low, at = np.float32(threshold - depth), np.float32(threshold)
    onset = np.full(start.size, np.inf, np.float32)
    before = start.ravel()
    onset[before >= at] = 0.0
    onset[np.isnan(before)] = np.nan
    earlier = np.float32(0.0)
    for frame, minute in zip(member.reshape(len(member), -1), minutes, strict=True):
        waiting = np.isinf(onset)
        new = np.flatnonzero(waiting & (frame >= at))
        under = np.maximum(before[new], low)
        share = (at - under) / (frame[new] - under)
        onset[new] = earlier + share * (minute - earlier)
        onset[waiting & np.isnan(frame)] = np.nan
        before, earlier = frame, minute
    return onset.reshape(start.shape)
