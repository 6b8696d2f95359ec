"""STEPS and LINDA-P of pysteps (extra ``pysteps``) as ensembles: members, and probabilities counted from them.

Dimensions: K thresholds, M members, T past frames, S lead times, H rows, W columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.core.errors import SettingsError, complain
from nowcast.core.field import ATTRS, MEMBERS
from nowcast.core.rain import z_r
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.core.times import minutes
from nowcast.forecasters.base import LeadTimes, label_forecast
from nowcast.forecasters.inputs import Past
from nowcast.forecasters.pysteps_cascades import Cascade, steps_members
from nowcast.forecasters.pysteps_lk import function, quietly

Array = npt.NDArray[np.float32]
_MOST_MEMBERS = 1000


@dataclass(frozen=True)
class PystepsEnsemble(Cascade):
    """What STEPS and LINDA-P share: how members become a forecast.

    The probability of reaching a threshold is the share of members that do. Reflectivity is the median of the
    members, of two in the middle the upper one: it reaches a threshold exactly where at least half of them do,
    as that of a network does where its probability is at least one half. Where there is too little rain for
    statistics all members are alike (`Cascade`).
    """

    members: int = 24
    seed: int = 0
    thresholds_dbz: tuple[float, ...] = (10.0, 20.0, 30.0, 35.0, 40.0, 45.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.members <= _MOST_MEMBERS or self.seed < 0:
            raise SettingsError(
                complain(
                    f"{self.name}: members, seed",
                    f"{self.members}, {self.seed}",
                    f"1 to {_MOST_MEMBERS} members and a seed of 0 or more",
                    "for example 24 and 0",
                )
            )
        if not self.thresholds_dbz or sorted(set(self.thresholds_dbz)) != list(self.thresholds_dbz):
            raise SettingsError(
                complain(
                    f"{self.name}: thresholds_dbz", self.thresholds_dbz, "rising dBZ", "for example 20, 30, 40"
                )
            )

    def forecast(self, observed: xr.DataArray, lead_times: LeadTimes) -> xr.Dataset:
        """Forecast as `Forecaster.forecast`, with ``reflectivity_members`` (member, lead_time, y, x).

        Raises:
            MissingExtraError: pysteps is not installed.
        """
        start = self._start(observed, lead_times)
        if start.simple is None:
            with quietly():
                found = self._run(start.frames(self), start.motion.astype(np.float64), start.steps, start.past)
            fields = np.where(found >= self.rain_dbz, found, NO_ECHO_DBZ).astype(np.float32)
            del found
        else:
            fields = np.repeat(start.simple[None], self.members, axis=0)
        fields[:, start.unknown] = np.nan
        share = np.stack([(fields >= t).mean(axis=0, dtype=np.float32) for t in self.thresholds_dbz])
        share[:, start.unknown] = np.nan
        past = start.past
        labelled = label_forecast(
            _upper_median(fields), past.reference_time, start.leads, past.grid, share, self.thresholds_dbz
        )
        attrs = {**ATTRS, "long_name": "radar reflectivity, equally likely members of an ensemble"}
        return (
            labelled.assign_coords(
                member=("member", np.arange(self.members), {"standard_name": "realization", "units": "1"})
            )
            .assign({MEMBERS: (("member", "lead_time", "y", "x"), fields, attrs)})
            .assign_attrs(members=f"{self.members} members of {self.name} of pysteps, seed {self.seed}")
        )


def _upper_median(fields: Array) -> Array:
    """The median over members (M, S, H, W), the upper one of two; lead by lead, as a sort takes memory."""
    middle = len(fields) // 2
    return np.stack([np.partition(fields[:, s], middle, axis=0)[middle] for s in range(fields.shape[1])])


@dataclass(frozen=True)
class Steps(PystepsEnsemble):
    """STEPS of pysteps with its defaults: noise takes the place of what each scale of the rain forgets.

    Source: Bowler, Pierce and Seed (2006), Q. J. R. Meteorol. Soc. 132, 2127-2155; `pysteps.nowcasts.steps`.
    """

    @property
    def name(self) -> str:
        """``steps``."""
        return "steps"

    def _run(
        self, frames: npt.NDArray[np.float64], motion: npt.NDArray[np.float64], steps: list[float], past: Past
    ) -> npt.NDArray[np.floating]:
        return steps_members(self, self.members, self.seed, frames, motion, steps, past)


@dataclass(frozen=True)
class LindaP(PystepsEnsemble):
    """LINDA-P of pysteps with its defaults: rain cells grow and decay by themselves, and are perturbed.

    It gets rain rates by Marshall-Palmer, dry where `Cascade` is dry.

    Source: Pulkkinen, Chandrasekar and Niemi (2021), J. Atmos. Oceanic Technol. 38; `pysteps.nowcasts.linda`.
    """

    @property
    def name(self) -> str:
        """``linda_p``."""
        return "linda_p"

    def _run(
        self, frames: npt.NDArray[np.float64], motion: npt.NDArray[np.float64], steps: list[float], past: Past
    ) -> npt.NDArray[np.floating]:
        run: Any = function(self.name, "pysteps.nowcasts.linda", "forecast")
        assert past.step is not None
        relation = z_r("marshall_palmer")
        rates = np.where(frames >= self.rain_dbz, relation.to_rate(frames), 0.0)
        found = run(
            rates,
            motion,
            steps,
            n_ens_members=self.members,
            kmperpixel=float(np.mean(past.grid.cell_km)),
            timestep=minutes(past.step),
            seed=self.seed,
            num_workers=1,
        )
        return relation.to_dbz(np.nan_to_num(found))
