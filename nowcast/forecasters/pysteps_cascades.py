"""S-PROG and STEPS of pysteps (extra ``pysteps``): scales that cannot be predicted fade, or become noise.

Dimensions: M members, T past frames, S lead times, H rows, W columns.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.core.errors import SettingsError, complain
from nowcast.core.rain import z_r
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.core.times import minutes
from nowcast.forecasters.base import LeadTimes, label_forecast
from nowcast.forecasters.inputs import Past, check_leads, newest
from nowcast.forecasters.pysteps_lk import (
    PystepsForecaster,
    extrapolated,
    function,
    pysteps_motion,
    quietly,
    steps_of,
)

Array = npt.NDArray[np.float32]
_FRAMES = 3
"""Frames that an autoregression of order two is estimated from."""
_FEWEST_WET = 100
"""Cells of rain in each of these frames without which there are no statistics to speak of."""


class CascadeStart(NamedTuple):
    """What a forecast by pysteps starts from."""

    past: Past
    leads: LeadTimes
    steps: list[float]
    motion: Array
    simple: Array | None
    """The forecast (S, H, W) of a past with too little rain for statistics; None where there is enough."""
    unknown: npt.NDArray[np.bool_]
    """(S, H, W): where extrapolation says that nothing is known."""

    def frames(self, cascade: Cascade) -> npt.NDArray[np.float64]:
        """The newest three frames without NaN."""
        recent = self.past.dbz[-_FRAMES:]
        return np.where(recent >= cascade.rain_dbz, recent, np.float32(cascade.dry_dbz)).astype(np.float64)


@dataclass(frozen=True)
class Cascade(PystepsForecaster):
    """What S-PROG and STEPS share: settings, and how dBZ goes in and comes out.

    They get dBZ with 0.1 mm/h by Marshall-Palmer (7 dBZ) as the threshold of rain and everything below
    8 dB less (-1 dBZ), which is pysteps' own example in dB of rain rate. What was not observed enters
    as dry, and is NaN in the forecast wherever extrapolation says that nothing is known.

    A newest frame without rain is forecast as no echo, which S-PROG itself cannot. Where one of the frames
    before it has almost none, so that no statistics can be made, the newest frame is extrapolated.
    """

    past: int = 5
    """Frames from which the motion is estimated, at least three."""
    floor_dbz: float = 5.0
    """No echo and all below are set to this value before the motion is estimated."""
    rain_dbz: float = 7.0
    dry_dbz: float = -1.0
    cascade_levels: int = 6

    def __post_init__(self) -> None:
        if self.past < _FRAMES or self.cascade_levels < 2 or not self.dry_dbz < self.rain_dbz:
            raise SettingsError(
                complain(
                    "pysteps: past, cascade_levels, dry_dbz, rain_dbz",
                    f"{self.past}, {self.cascade_levels}, {self.dry_dbz:g}, {self.rain_dbz:g}",
                    "at least 3 frames and 2 cascade levels, dry below rain",
                    "for example 5, 6, -1, 7",
                )
            )

    def forecast(self, observed: xr.DataArray, lead_times: LeadTimes) -> xr.Dataset:
        """Forecast as `Forecaster.forecast`.

        Raises:
            MissingExtraError: pysteps is not installed.
        """
        start = self._start(observed, lead_times)
        dbz = start.simple
        if dbz is None:
            with quietly():
                found = self._run(start.frames(self), start.motion.astype(np.float64), start.steps, start.past)
            dbz = np.where(found >= self.rain_dbz, found, NO_ECHO_DBZ).astype(np.float32)
        dbz[start.unknown] = np.nan
        return label_forecast(dbz, start.past.reference_time, start.leads, start.past.grid)

    def _start(self, observed: xr.DataArray, lead_times: LeadTimes) -> CascadeStart:
        """Estimate the motion, and look whether there is rain enough for statistics."""
        leads = check_leads(lead_times, self.name)
        past = newest(observed, self.needs, self.name)
        steps = steps_of(leads, past)
        motion = pysteps_motion(past, self.floor_dbz, self.name)
        plain = extrapolated(past.dbz[-1], motion, steps, self.floor_dbz, self.name)
        wet = (past.dbz[-_FRAMES:] >= self.rain_dbz).sum(axis=(1, 2))
        simple = None
        if not wet[-1]:
            simple = np.full_like(plain, NO_ECHO_DBZ)
        elif wet.min() < _FEWEST_WET:
            simple = plain
        return CascadeStart(past, leads, steps, motion, simple, np.isnan(plain))

    @abstractmethod
    def _run(
        self, frames: npt.NDArray[np.float64], motion: npt.NDArray[np.float64], steps: list[float], past: Past
    ) -> npt.NDArray[np.floating]:
        """Forecast (S, H, W), or members (M, S, H, W), in dBZ from (3, H, W) without NaN."""


@dataclass(frozen=True)
class Sprog(Cascade):
    """S-PROG of pysteps: each scale of the rain fades at the pace at which it lost memory in the past.

    Source: Seed (2003), J. Appl. Meteor. 42, 381-388; `pysteps.nowcasts.sprog`.
    """

    @property
    def name(self) -> str:
        """``sprog``."""
        return "sprog"

    def _run(
        self, frames: npt.NDArray[np.float64], motion: npt.NDArray[np.float64], steps: list[float], past: Past
    ) -> npt.NDArray[np.floating]:
        run = function(self.name, "pysteps.nowcasts.sprog", "forecast")
        found: npt.NDArray[np.floating] = run(
            frames, motion, steps, precip_thr=self.rain_dbz, n_cascade_levels=self.cascade_levels
        )
        return found


def steps_members(
    cascade: Cascade,
    members: int,
    seed: int,
    frames: npt.NDArray[np.float64],
    motion: npt.NDArray[np.float64],
    steps: list[float],
    past: Past,
) -> npt.NDArray[np.floating]:
    """Run STEPS of pysteps with its defaults: dBZ of each member (M, S, H, W)."""
    run: Any = function(cascade.name, "pysteps.nowcasts.steps", "forecast")
    assert past.step is not None
    found: npt.NDArray[np.floating] = run(
        frames,
        motion,
        steps,
        n_ens_members=members,
        n_cascade_levels=cascade.cascade_levels,
        precip_thr=cascade.rain_dbz,
        kmperpixel=float(np.mean(past.grid.cell_km)),
        timestep=minutes(past.step),
        seed=seed,
        num_workers=1,
    )
    return found


@dataclass(frozen=True)
class StepsMean(Cascade):
    """Mean of a STEPS ensemble of pysteps: the mean is scored, as one forecast, not the ensemble.

    Its rain is smooth, and strong echoes fade in it with lead time as members come to disagree. The mean
    is taken of the rain rates of the members (Marshall-Palmer), in which a member's no echo is zero.

    Source: Bowler, Pierce and Seed (2006), Q. J. R. Meteorol. Soc. 132, 2127-2155; `pysteps.nowcasts.steps`.
    """

    members: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.members < 1 or self.seed < 0:
            raise SettingsError(
                complain(
                    "steps_mean: members, seed",
                    f"{self.members}, {self.seed}",
                    "at least 1 member and a seed of 0 or more",
                    "for example 8 and 0",
                )
            )

    @property
    def name(self) -> str:
        """``steps_mean``."""
        return "steps_mean"

    def _run(
        self, frames: npt.NDArray[np.float64], motion: npt.NDArray[np.float64], steps: list[float], past: Past
    ) -> npt.NDArray[np.floating]:
        ensemble = steps_members(self, self.members, self.seed, frames, motion, steps, past)
        relation = z_r("marshall_palmer")
        total = np.zeros(ensemble.shape[1:])
        for member in ensemble:
            total += relation.to_rate(np.where(member >= self.rain_dbz, member, NO_ECHO_DBZ))
        return relation.to_dbz(total / len(ensemble))
